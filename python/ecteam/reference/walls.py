"""Short-range walls: pairs of atoms pushed into each other, so that no fit is without repulsion.

``python -m ecteam.reference.walls H O --unbound O-O -o walls-water.extxyz.gz``

Energies and forces of the universal screened nuclear repulsion: J. F. Ziegler, J. P. Biersack,
U. Littmark, The Stopping and Range of Ions in Matter (Pergamon, 1985). Its accuracy, some 10 %, is
enough for distances that only collisions reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations_with_replacement, product

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.units import Bohr, Hartree

from ecteam.library import AtomicState, read_library

FRACTIONS = (0.25, 0.32, 0.4, 0.5)
"""Distances relative to the sum of the covalent radii."""
UNBOUND_FRACTIONS = (0.65, 0.8)
"""More of them for pairs that no molecule of the data binds to each other."""
FAR = 4.0
"""One more for ions: as good as separated, the zero their walls are measured from."""
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


def wall_frames(
    elements: Sequence[str], unbound: Sequence[str] = (), ions: Sequence[str] = ()
) -> list[Atoms]:
    """All pairs of `elements` with the ``info`` keys of the molecular data sets, but no dipole.

    Pairs in `unbound`, written as ``O-O`` in alphabetical order, get a wider wall. `ions`, written
    as in the library, ``Li cation``, get walls against ions of like charge, with the law of Coulomb
    on top, and against neutral atoms: however an ensemble divides its charge, its atoms must not
    fall into each other.
    """
    frames = []
    for a, b in combinations_with_replacement(sorted(elements), 2):
        fractions = FRACTIONS + (UNBOUND_FRACTIONS if f"{a}-{b}" in unbound else ())
        frames += [_frame((a, b), fraction) for fraction in fractions]
    charged = [read_library()[symbol][name] for symbol, name in map(str.split, sorted(ions))]
    pairs = [p for p in combinations_with_replacement(charged, 2) if p[0].charge == p[1].charge]
    for one, two in pairs + _with_neutral(charged):
        pair, charges = (one.symbol, two.symbol), (one.charge, two.charge)
        for fraction in (*FRACTIONS, *UNBOUND_FRACTIONS, FAR):
            frames.append(_frame(pair, fraction, one.energy + two.energy, charges))
    return frames


def _with_neutral(charged: Sequence[AtomicState]) -> list[tuple[AtomicState, AtomicState]]:
    """Pair every ion with every neutral atom, unless the other way round costs less."""
    found: dict[tuple[str, str, float], tuple[AtomicState, AtomicState]] = {}
    for ion, other in product(charged, charged):
        first, second = sorted((ion.symbol, other.symbol))
        key = first, second, ion.charge
        if key not in found or ion.energy < found[key][0].energy:
            found[key] = ion, read_library()[other.symbol]["ground"]
    return list(found.values())


def _frame(
    pair: tuple[str, str],
    fraction: float,
    separated: float = 0.0,
    charges: tuple[float, float] = (0.0, 0.0),
) -> Atoms:
    """Two atoms or ions whose energy far apart is `separated`."""
    za, zb = (atomic_numbers[symbol] for symbol in pair)
    distance = fraction * (covalent_radii[za] + covalent_radii[zb])
    energy, slope = universal_repulsion(za, zb, distance)
    coulomb, charge = Hartree * Bohr * charges[0] * charges[1] / distance, sum(charges)
    energy, slope = energy + coulomb + separated, slope - coulomb / distance
    atoms = Atoms(list(pair), positions=[[0, 0, 0], [0, 0, distance]])
    atoms.arrays["forces"] = np.array([[0, 0, slope], [0, 0, -slope]])
    atoms.info.update(
        energy=round(energy, 8),
        charge=round(charge),
        group="wall",
        name=f"{''.join(pair)}{f'{charge:+.0f}' if charge else ''}-{distance:.3f}",
        level="universal repulsion",
        converged=True,
        suspect=False,
    )
    return atoms


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.walls")
    parser.add_argument("elements", nargs="+", help="chemical symbols")
    parser.add_argument("--unbound", nargs="*", default=[], help="pairs with a wider wall")
    parser.add_argument("--ions", nargs="*", default=[], help="states, 'Li cation'")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    options = parser.parse_args(arguments)
    write_set(wall_frames(options.elements, options.unbound, options.ions), options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
