"""Predictions of many structures as one vector, and their derivatives by the parameters.

The rows of a structure of N atoms are its energy (eV), its 3N force components atom by atom (eV/Å)
and its 6 stress components xx yy zz yz xz xy (eV/Å³; 0 unless fully periodic).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam.structure import arrays_of, total_charge_of

if TYPE_CHECKING:
    from ecteam.potential import Potential

FloatArray = npt.NDArray[np.float64]


def predictions(potential: Potential, structures: Sequence[Atoms]) -> FloatArray:
    """Energy, forces and stress of each structure, one after another."""
    return _predict(potential, structures, batch_of(structures))


def jacobian(potential: Potential, structures: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
    """Predictions (R,) and their derivatives by the parameters (R, P).

    The parameters are coefficients of learned terms, which do not depend on the state weights: at
    fixed weights is exact.
    """
    batch = batch_of(structures)
    values = _predict(potential, structures, batch)
    free = np.flatnonzero(potential.free_coefficients)
    if not free.size:
        return values, np.zeros((len(values), 0))
    tables = batch.jacobian(potential.core, 0, len(batch))
    pairs = zip(tables, structures, strict=True)
    return values, np.concatenate([_with_stress(table[free], atoms).T for table, atoms in pairs])


def batch_of(structures: Sequence[Atoms]) -> _core.Batch:
    """Copy structures into the engine."""
    batch = _core.Batch()
    for atoms in structures:
        batch.add(*arrays_of(atoms), total_charge_of(atoms, None))
    return batch


def _predict(potential: Potential, structures: Sequence[Atoms], batch: _core.Batch) -> FloatArray:
    energies, forces, virials, _, _, failures = batch.evaluate(potential.core, warm=False)
    if failures:
        _raise_again(potential, structures, failures[0][0])
    ends = np.cumsum([len(atoms) for atoms in structures])[:-1]
    parts = zip(energies, np.split(forces, ends), virials, structures, strict=True)
    return np.concatenate(
        [
            _with_stress(np.concatenate([[energy], force.ravel(), virial])[None], atoms)[0]
            for energy, force, virial, atoms in parts
        ]
    )


def _raise_again(potential: Potential, structures: Sequence[Atoms], index: int) -> None:
    """Raise what a structure raised in a batch, which knows only the text."""
    evaluator = _core.Evaluator(potential.core)
    atoms = structures[index]
    try:
        evaluator.evaluate(*arrays_of(atoms), total_charge_of(atoms, None), warm=False)
    except _core.EcteamError as error:
        error.args = (f"structures[{index}]: {error}",)
        raise


def _with_stress(table: FloatArray, atoms: Atoms) -> FloatArray:
    """Divide the last six columns, dE/dstrain, by the volume."""
    table[:, -6:] *= 1.0 / atoms.get_volume() if atoms.pbc.all() else 0.0
    return table
