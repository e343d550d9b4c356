"""Many structures as one argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam._core import EcteamError, InvalidInputError, NotConvergedError
from ecteam.structure import Arrays, FloatArray, arrays_of, charge_of


class System(NamedTuple):
    """A structure with its charge, as `_core.Evaluator.evaluate_all` takes it."""

    positions: FloatArray
    numbers: npt.NDArray[np.uint8]
    cell: FloatArray
    pbc: npt.NDArray[np.bool_]
    total_charge: float | FloatArray
    fragments: npt.NDArray[np.uint32] | None = None

    @property
    def arrays(self) -> Arrays:
        """Without the charge."""
        return Arrays(*self[:4])


def systems_of(
    structures: Sequence[Atoms], total_charge: Any = None, fragments: Any = None
) -> list[System]:
    """Arrays of structures with their charges.

    Parameters
    ----------
    total_charge : float or sequence, optional
        One number for all structures, or for each what `charge_of` takes.
    fragments : sequence, optional
        For each structure what `charge_of` takes.

    Raises
    ------
    InvalidInputError
        As `arrays_of` and `charge_of`, the structure named; or if a sequence has another length.
    """
    charges = _for_each(structures, "total_charge", total_charge)
    labels = _for_each(structures, "fragments", fragments)
    systems = []
    for k, atoms in enumerate(structures):
        try:
            arrays = arrays_of(atoms)
            charge = charge_of(atoms, charges[k], labels[k])
        except EcteamError as error:
            raise error_of(k, error) from error
        systems.append(System(*arrays, *charge))
    return systems


def error_of(k: int, error: EcteamError) -> EcteamError:
    """Return the same error, with the structure it is about."""
    named = type(error)(f"atoms[{k}]: {error}")
    if isinstance(error, NotConvergedError):
        assert isinstance(named, NotConvergedError)
        named.iterations, named.residual = error.iterations, error.residual
    return named


def _for_each(structures: Sequence[Atoms], name: str, given: Any) -> Sequence[Any]:
    if given is None or isinstance(given, int | float | np.number):
        return [given] * len(structures)
    if len(given) != len(structures):
        raise InvalidInputError(
            f"{name}: must have one entry for each of {len(structures)} structures, "
            f"got {len(given)}"
        )
    return list(given)
