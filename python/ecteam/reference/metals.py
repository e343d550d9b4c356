"""Copper crystals, surfaces and melts of the mlearn benchmark, as energies above free atoms.

``python -m ecteam.reference.metals Cu_training.extxyz -o metals.extxyz.gz``

PBE energies and forces of Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020), BSD-3-Clause
(https://github.com/materialsvirtuallab/mlearn). Their zero of energy is that of a pseudopotential;
here the crystal has :data:`COHESIVE` instead. Lengths are scaled, by 1.1 %, from the lattice
constant of PBE to that of experiment, and forces by the inverse. Strained crystals of 108 atoms are
reduced to their primitive cells.

Compressed and expanded far beyond those, the energy follows P. Vinet et al., J. Phys. C 19, L467
(1986).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.units import GPa

from ecteam._core import InvalidInputError
from ecteam.reference.crystals import vinet

COHESIVE = 3.49
"""eV/atom: of copper (C. Kittel, Introduction to Solid State Physics; PBE has 3.48)."""
CONSTANT, MODULUS, DERIVATIVE = 3.595, 142.0, 5.3
"""Å, GPa, 1: lattice constant (without zero-point motion), bulk modulus and its pressure
derivative, experiment."""
COMPUTED = 3.636
"""Å: lattice constant of the data, where the energy of its strained crystals is lowest."""
SCALES = (0.70, 0.75, 0.80, 0.85, 0.90, 0.94, 1.0, 1.06, 1.10, 1.15, 1.2)
"""Lattice constants relative to equilibrium."""
STRAINED, HIGHEST_FORCE = 108, 0.01
"""Atoms and largest force (eV/Å) of a strained crystal."""
STRIDE = 3
"""One strained crystal in so many is kept."""
SMALL = 12
"""Largest number of atoms of a surface."""
MOVING = (2, 20, 51, 57, 47, 58, 48, 61)
"""Indices of two frames each of: a vacancy at 1000 K or more, 300 K, the hot crystal, the melt."""
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def metal_frames(training: Sequence[Atoms]) -> list[Atoms]:
    """Choose structures of the training set and put them on the scale of free atoms.

    Parameters
    ----------
    training : sequence of ase.Atoms
        The training set of copper, with energies and forces, in its order.

    Returns
    -------
    list of ase.Atoms
        With the ``info`` keys of the molecular data sets, but no dipole.

    Raises
    ------
    InvalidInputError
        If there is no undistorted crystal among them.
    """
    perfect = [
        atoms.get_potential_energy() / len(atoms) for atoms in training if _is_strained(atoms)
    ]
    if not perfect:
        raise InvalidInputError("training: must hold crystals of 108 atoms without forces")
    shift = -COHESIVE - min(perfect)
    strained = [_primitive(atoms) for atoms in training if _is_strained(atoms)][::STRIDE]
    surfaces = [atoms for atoms in training if len(atoms) <= SMALL]
    moving = [training[k] for k in MOVING]
    return [
        _frame(atoms, shift, group, f"Cu-{group}-{k}", "PBE (mlearn)")
        for group, members in (("strained", strained), ("surface", surfaces), ("moving", moving))
        for k, atoms in enumerate(members)
    ]


def compressed_frames() -> list[Atoms]:
    """Primitive cells along the lattice constant, far beyond the strained crystals."""
    frames = []
    for scale in SCALES:
        atoms = bulk("Cu", "fcc", a=CONSTANT * scale)
        energy = vinet(scale, COHESIVE, MODULUS * GPa, CONSTANT**3 / 4.0, DERIVATIVE)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((1, 3)))
        frames.append(_frame(atoms, 0.0, "crystal", f"Cu-{scale:.2f}", "Vinet equation"))
    return frames


def _is_strained(atoms: Atoms) -> bool:
    return len(atoms) == STRAINED and bool(np.abs(atoms.get_forces()).max() < HIGHEST_FORCE)


def _primitive(atoms: Atoms) -> Atoms:
    """Primitive cell of a strained crystal."""
    cell = FCC @ atoms.cell.array / 3.0
    sites = (atoms.positions - atoms.positions[0]) @ np.linalg.inv(cell)
    if not np.allclose(sites, np.round(sites), atol=1e-2):
        raise InvalidInputError("training: strained crystals must be 3 by 3 by 3 cubic cells")
    one = Atoms("Cu", cell=cell, pbc=True)
    energy = atoms.get_potential_energy() / len(atoms)
    one.calc = SinglePointCalculator(one, energy=energy, forces=np.zeros((1, 3)))
    return one


def _frame(atoms: Atoms, shift: float, group: str, name: str, level: str) -> Atoms:
    """Geometry and labels; `shift` is added to the energy of each atom, eV."""
    factor = CONSTANT / COMPUTED if level.startswith("PBE") else 1.0
    cell, positions = factor * atoms.cell.array, factor * atoms.positions
    frame = Atoms(atoms.symbols, positions=positions, cell=cell, pbc=True)
    frame.arrays["forces"] = np.round(atoms.get_forces() / factor, 8)
    frame.info.update(
        energy=round(atoms.get_potential_energy() + shift * len(atoms), 8),
        charge=0,
        group=group,
        name=name,
        level=level,
        converged=True,
        suspect=False,
    )
    return frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.metals")
    parser.add_argument("training", type=Path, help="training set of copper, extended XYZ")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    options = parser.parse_args(arguments)
    frames = metal_frames(list(read(options.training, ":")))
    write_set(frames + compressed_frames(), options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
