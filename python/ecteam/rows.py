"""Predictions of many structures as one vector, and their derivatives by the parameters.

The rows of a structure of N atoms are its free energy (eV), its 3N force components atom by atom
(eV/Å), its 6 stress components xx yy zz yz xz xy (eV/Å³, positive when stretched; 0 unless fully
periodic), its dipole about the coordinate origin (e·Å, from minus to plus; 0 if periodic) and its
N atomic charges (e).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam.structure import arrays_of, charge_of

if TYPE_CHECKING:
    from ecteam.potential import Potential

FloatArray = npt.NDArray[np.float64]


def row_count(atoms: Atoms) -> int:
    """Rows of a structure."""
    return 10 + 4 * len(atoms)


def predictions(potential: Potential, structures: Sequence[Atoms]) -> FloatArray:
    """Rows of all structures, one after another."""
    return jacobian(potential, structures, ())[0]


def jacobian(
    potential: Potential, structures: Sequence[Atoms], chosen: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Rows (R,) and their derivatives (R, P) by chosen coefficients of the potential.

    The weights of the states follow the parameters (implicit function theorem): the derivatives
    are exact where the minimum is unique.

    Raises
    ------
    InvalidInputError, NotConvergedError
        As :func:`ecteam.evaluate`, with the number of the structure.
    """
    batch = _core.Batch(tolerance=TOLERANCE)
    for atoms in structures:
        batch.add(*arrays_of(atoms), *charge_of(atoms))
    try:
        tables = batch.jacobian(potential.core, 0, len(batch), list(chosen), warm=False)
    except _core.EcteamError:
        _raise_again(potential, structures)
        raise
    if not tables:
        return np.zeros(0), np.zeros((0, len(chosen)))
    pairs = zip(tables, structures, strict=True)
    every = np.concatenate([_scaled(table, atoms).T for table, atoms in pairs])
    return every[:, -1].copy(), every[:, :-1]


TOLERANCE = 1e-10
"""KKT residual of the weights, eV: derivatives follow from the minimum."""


def _raise_again(potential: Potential, structures: Sequence[Atoms]) -> None:
    """Raise what a structure raised in a batch, with its number."""
    evaluator = _core.Evaluator(potential.core, tolerance=TOLERANCE)
    for k, atoms in enumerate(structures):
        try:
            evaluator.evaluate(*arrays_of(atoms), *charge_of(atoms), warm=False)
        except _core.EcteamError as error:
            error.args = (f"structures[{k}]: {error}",)
            raise


def _scaled(table: FloatArray, atoms: Atoms) -> FloatArray:
    """Divide dA/dstrain by the volume; a periodic cell has no dipole of its own."""
    stress = slice(1 + 3 * len(atoms), 7 + 3 * len(atoms))
    table[:, stress] *= 1.0 / atoms.get_volume() if atoms.pbc.all() else 0.0
    if atoms.pbc.any():
        table[:, stress.stop : stress.stop + 3] = 0.0
    return table
