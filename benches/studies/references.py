"""Properties of bcc Nb and Mo from the density-functional labels of their own data sets.

The `mvl` sets of Li, Chen, Zheng, Zuo and Ong, npj Comput. Mater. 6, 70 (2020) hold strained cells
(±1 … ±10 %, along the axes and sheared) and relaxed slabs, both with PBE energies, forces and
stresses, so lattice constant, elastic constants and surface energies follow from the data that the
models are fitted to. They hold no relaxed vacancy: there is no reference for it here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.units import GPa
from ecteam.properties import J_PER_M2

LARGEST_STRAIN = 0.021
SURFACE = re.compile(r"Sur=(\d{3})")


@dataclass(frozen=True)
class Reference:
    """What the data say: Å, GPa, J/m²; None where they say nothing.

    `c44_energy` is C44 from the energies of the sheared cells, `c44` from their stresses.
    """

    lattice_constant: float
    c11: float
    c12: float
    c44: float
    c44_energy: float
    surface_energies: dict[str, float]


def reference_of(frames: Sequence[Atoms]) -> Reference:
    """Reduce the labels of a set to properties."""
    strained = [atoms for atoms in frames if "Elastic" in str(atoms.info.get("group"))]
    perfect = min(strained, key=lambda atoms: np.abs(_deviator(atoms)).max())
    side = perfect.cell.lengths()[0]
    c11, c12, c44 = _stress_slopes(strained, perfect)
    pressure = -perfect.get_stress()[:3].mean() / GPa
    modulus = (c11 + 2 * c12) / 3
    per_atom = perfect.get_potential_energy() / len(perfect)
    slabs = {
        match[1]: atoms
        for atoms in frames
        if (match := SURFACE.match(str(atoms.info.get("note", ""))))
    }
    return Reference(
        lattice_constant=float(side * (1 + pressure / (3 * modulus))),
        c11=c11,
        c12=c12,
        c44=c44,
        c44_energy=_shear_modulus(strained, perfect),
        surface_energies={name: _surface_energy(slabs[name], per_atom) for name in sorted(slabs)},
    )


def _deviator(atoms: Atoms) -> np.ndarray:
    """Deviation of the metric of a cell from that of a cube of the same volume."""
    cell = atoms.cell.array
    cubic = abs(np.linalg.det(cell)) ** (2 / 3) * np.eye(3)
    return cell @ cell.T / cubic[0, 0] - np.eye(3)


def _strain(atoms: Atoms, perfect: Atoms) -> np.ndarray:
    """Small strain xx yy zz yz xz xy, shear doubled, of a cell against the perfect one."""
    deformation = np.linalg.solve(perfect.cell.array, atoms.cell.array)
    strain = 0.5 * (deformation + deformation.T) - np.eye(3)
    return strain[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] * [1, 1, 1, 2, 2, 2]


def _stress_slopes(strained: Sequence[Atoms], perfect: Atoms) -> tuple[float, float, float]:
    """C11, C12 and C44 by least squares on the stresses of small strains, GPa."""
    rows, targets = [], []
    for atoms in strained:
        e = _strain(atoms, perfect)
        if np.abs(e).max() > LARGEST_STRAIN:
            continue
        stress = (atoms.get_stress() - perfect.get_stress()) / GPa
        normal, shear = e[:3], e[3:]
        columns = [[x, normal.sum() - x, 0.0] for x in normal]
        rows += columns + [[0.0, 0.0, x] for x in shear]
        targets += stress.tolist()
    c11, c12, c44 = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    return float(c11), float(c12), float(c44)


def _shear_modulus(strained: Sequence[Atoms], perfect: Atoms) -> float:
    """C44 by least squares on the energies of small pure shears at constant volume, GPa."""
    volume, base = perfect.get_volume(), perfect.get_potential_energy()
    pairs = []
    for atoms in strained:
        e = _strain(atoms, perfect)
        shear = np.abs(e[3:]).max()
        if 0.001 < shear <= LARGEST_STRAIN and abs(atoms.get_volume() / volume - 1) < 1e-3:
            pairs.append((0.5 * shear**2, (atoms.get_potential_energy() - base) / volume / GPa))
    x, y = np.array(pairs).T
    return float(x @ y / (x @ x))


def _surface_energy(slab: Atoms, per_atom: float) -> float:
    """(E_slab − N e_bulk) / 2A, J/m²."""
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    excess = slab.get_potential_energy() - len(slab) * per_atom
    return float(excess / (2 * area) * J_PER_M2)
