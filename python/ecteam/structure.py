"""From ASE's Atoms to the arrays of the engine."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam._core import InvalidInputError

FloatArray = npt.NDArray[np.float64]


class Arrays(NamedTuple):
    """Arguments of the engine: positions (n, 3) Å, numbers (n,), cell (3, 3) Å, pbc (3,)."""

    positions: FloatArray
    numbers: npt.NDArray[np.uint8]
    cell: FloatArray
    pbc: npt.NDArray[np.bool_]


def arrays_of(atoms: Atoms) -> Arrays:
    """Contiguous arrays of the engine's types.

    Raises
    ------
    InvalidInputError
        If `atoms` is not an ASE Atoms object, or has an atomic number outside 1–118.
    """
    if not isinstance(atoms, Atoms):
        raise InvalidInputError(f"atoms: must be an ase.Atoms object, got {type(atoms).__name__}")
    numbers = atoms.get_atomic_numbers()
    unknown = np.flatnonzero((numbers < 1) | (numbers > 118))
    if unknown.size:
        i = unknown[0]
        raise InvalidInputError(
            f"numbers[{i}]: must be an atomic number from 1 to 118, got {numbers[i]}"
        )
    return Arrays(
        np.ascontiguousarray(atoms.get_positions(), dtype=np.float64),
        numbers.astype(np.uint8),
        np.ascontiguousarray(atoms.cell.array, dtype=np.float64),
        np.ascontiguousarray(atoms.pbc, dtype=np.bool_),
    )


class Charge(NamedTuple):
    """Charge of all atoms, e; or of the fragments (f,), with the fragment of each atom (n,)."""

    total_charge: float | FloatArray
    fragments: npt.NDArray[np.uint32] | None = None

    def same(self, other: Charge | None) -> bool:
        """Return True if both ask for the same charges of the same atoms."""
        if other is None:
            return False
        if self.fragments is None or other.fragments is None:
            alike = self.fragments is other.fragments
            return alike and bool(self.total_charge == other.total_charge)
        same = np.array_equal(self.fragments, other.fragments)
        return same and np.array_equal(self.total_charge, other.total_charge)


def charge_of(
    atoms: Atoms,
    total_charge: float | npt.ArrayLike | None = None,
    fragments: npt.ArrayLike | None = None,
) -> Charge:
    """Charges given by the arguments, else by the atoms, else 0.

    Parameters
    ----------
    atoms : ase.Atoms
        Their ``info["charge"]`` and ``arrays["fragments"]`` stand for arguments not given.
    total_charge : float or (f,) array_like, optional
        Of all atoms, or of each of f fragments, e.
    fragments : (n,) array_like of int, optional
        Fragment of each atom, from 0.

    Raises
    ------
    InvalidInputError
        If a charge is not a finite number, or the fragments do not fit the atoms or the charges.
    """
    charge: Any = atoms.info.get("charge", 0.0) if total_charge is None else total_charge
    labels: Any = atoms.arrays.get("fragments") if fragments is None else fragments
    if labels is None:
        if not isinstance(charge, float) and np.ndim(charge) != 0:
            raise InvalidInputError(
                f"total_charge: must be one number of e unless fragments are given, got {charge!r}"
            )
        return Charge(_number(charge))
    return _fragment_charges(charge, _labels(labels, len(atoms)))


def total_charge_of(atoms: Atoms, total_charge: float | None = None) -> float:
    """Charge of the whole system, e: the argument, else what the atoms say, else 0.

    Raises
    ------
    InvalidInputError
        If it is not a finite number.
    """
    if total_charge is not None:
        return _number(total_charge)
    return float(np.sum(charge_of(atoms).total_charge))


def _number(charge: Any) -> float:
    try:
        value = float(charge)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(f"total_charge: must be a finite number of e, got {charge!r}")
    return value


def _labels(fragments: Any, atoms: int) -> npt.NDArray[np.uint32]:
    labels = np.asarray(fragments)
    if labels.shape != (atoms,) or labels.dtype.kind not in "iu":
        raise InvalidInputError(
            f"fragments: must be an integer for each of {atoms} atoms, got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= atoms))
    if outside.size:
        i = outside[0]
        raise InvalidInputError(f"fragments[{i}]: must be from 0 to {atoms - 1}, got {labels[i]}")
    return np.ascontiguousarray(labels, dtype=np.uint32)


def _fragment_charges(charge: Any, labels: npt.NDArray[np.uint32]) -> Charge:
    count = int(labels.max(initial=0)) + 1
    if np.ndim(charge) == 0:
        if count > 1 and _number(charge) != 0.0:
            raise InvalidInputError(
                f"total_charge: must give a charge for each of {count} fragments, got {charge!r}"
            )
        return Charge(np.full(count, _number(charge)), labels)
    values = np.array([_number(value) for value in charge])
    if len(values) != count:
        raise InvalidInputError(
            f"total_charge: must give a charge for each of {count} fragments, got {len(values)}"
        )
    return Charge(values, labels)
