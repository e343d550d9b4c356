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


def total_charge_of(atoms: Atoms, total_charge: float | None) -> float:
    """Charge of the system, e: the argument, else ``atoms.info["charge"]``, else 0.

    Raises
    ------
    InvalidInputError
        If it is not a finite number.
    """
    charge: Any = atoms.info.get("charge", 0.0) if total_charge is None else total_charge
    try:
        value = float(charge)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInputError(f"total_charge: must be a finite number of e, got {charge!r}")
    return value
