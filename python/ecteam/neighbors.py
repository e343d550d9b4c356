"""Neighbour list in the convention of ASE and matscipy."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam.structure import arrays_of

_Array = npt.NDArray[Any]


def neighbor_list(quantities: str, atoms: Atoms, cutoff: float) -> _Array | tuple[_Array, ...]:
    """All pairs closer than `cutoff`, each in both directions.

    The pair vector is ``D = positions[j] - positions[i] + S @ cell``. An atom is its own
    neighbour through a periodic image (S ≠ 0). Pairs come in the order of i.

    Parameters
    ----------
    quantities : str
        What to return, in this order: ``i``, ``j`` (n_pairs,) int32; ``S`` (n_pairs, 3) int32,
        cell shifts; ``d`` (n_pairs,) float64, distances, Å; ``D`` (n_pairs, 3) float64, Å.
    atoms : ase.Atoms
        Any cell and any mix of periodic directions.
    cutoff : float
        Å, positive.

    Returns
    -------
    array or tuple of arrays
        One array for one letter, else a tuple.

    Raises
    ------
    InvalidInputError
        For an unknown letter, a bad cutoff, or atoms the engine rejects.
    """
    unknown = sorted(set(quantities) - set("ijSdD"))
    if unknown or not quantities:
        raise _core.InvalidInputError(f"quantities: must be letters of 'ijSdD', got {quantities!r}")
    system = arrays_of(atoms)
    pairs = _core.neighbor_list(system.positions, system.cell, system.pbc, float(cutoff))
    found: dict[str, _Array] = dict(zip("ijSdD", pairs, strict=True))
    if len(quantities) == 1:
        return found[quantities]
    return tuple(found[letter] for letter in quantities)
