"""Short-range walls: pairs of atoms pushed into each other, so that no fit is without repulsion.

``python -m ecteam.reference.walls H O --unbound O-O -o walls-water.extxyz.gz``

Energies and forces of the universal screened nuclear repulsion: J. F. Ziegler, J. P. Biersack,
U. Littmark, The Stopping and Range of Ions in Matter (Pergamon, 1985). Its accuracy, some 10 %, is
enough for distances that only collisions reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.units import Bohr, Hartree

FRACTIONS = (0.25, 0.32, 0.4, 0.5)
"""Distances relative to the sum of the covalent radii."""
UNBOUND_FRACTIONS = (0.65, 0.8)
"""More of them for pairs that no molecule of the data binds to each other."""
TERMS = ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
"""Prefactors and decays of the screening function."""


def universal_repulsion(z1: int, z2: int, distance: float) -> tuple[float, float]:
    """Energy (eV) and its slope (eV/Å) for two nuclei at a distance in Å."""
    length = 0.88534 * Bohr / (z1**0.23 + z2**0.23)
    strength = Hartree * Bohr * z1 * z2 / distance
    parts = [(c * np.exp(-d * distance / length), d / length) for c, d in TERMS]
    screening = sum(part for part, _ in parts)
    decay = sum(part * rate for part, rate in parts)
    return float(strength * screening), float(-strength * (screening / distance + decay))


def wall_frames(elements: Sequence[str], unbound: Sequence[str] = ()) -> list[Atoms]:
    """All pairs of `elements` with the ``info`` keys of the molecular data sets, but no dipole.

    Pairs in `unbound`, written as ``O-O`` in alphabetical order, get a wider wall.
    """
    frames = []
    for a, b in combinations_with_replacement(sorted(elements), 2):
        za, zb = atomic_numbers[a], atomic_numbers[b]
        wider = UNBOUND_FRACTIONS if f"{a}-{b}" in unbound else ()
        for fraction in FRACTIONS + wider:
            distance = fraction * (covalent_radii[za] + covalent_radii[zb])
            energy, slope = universal_repulsion(za, zb, distance)
            atoms = Atoms([a, b], positions=[[0, 0, 0], [0, 0, distance]])
            atoms.arrays["forces"] = np.array([[0, 0, slope], [0, 0, -slope]])
            atoms.info.update(
                energy=round(energy, 8),
                charge=0,
                group="wall",
                name=f"{a}{b}-{distance:.3f}",
                level="universal repulsion",
                converged=True,
                suspect=False,
            )
            frames.append(atoms)
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.walls")
    parser.add_argument("elements", nargs="+", help="chemical symbols")
    parser.add_argument("--unbound", nargs="*", default=[], help="pairs with a wider wall")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    options = parser.parse_args(arguments)
    write_set(wall_frames(options.elements, options.unbound), options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
