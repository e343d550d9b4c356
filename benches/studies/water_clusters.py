"""Low minima of (H2O)6–10, OH-(H2O)4 and H3O+(H2O)4, for the binding of clusters beyond the fit.

    python benches/studies/water_clusters.py -o clusters.xyz
    ecteam reference compute clusters.xyz -o labelled.extxyz --level PBE0/aug-cc-pVDZ

Stacked rings of oxygens (prism, cubes) with random hydrogen bonds, and random ions, are relaxed
with GFN2-xTB (tblite); the lowest of every kind is written. What PBE0 says of those is in
``benches/data/water-clusters.extxyz``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from ase.optimize import BFGS
from tblite.ase import TBLite  # type: ignore[import-not-found,import-untyped,unused-ignore]

BOND, SIDE = 0.97, 2.75
"""Å: O–H, and O–O of a hydrogen bond."""
IONS = {"H3O+(H2O)4": (1, 3), "OH-(H2O)4": (-1, 1)}
"""Charge and hydrogens of the ion."""


def ring(count: int, height: float) -> np.ndarray:
    """Oxygens of a ring, (count, 3)."""
    angles = 2.0 * np.pi * np.arange(count) / count
    radius = SIDE / (2.0 * np.sin(np.pi / count))
    return np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles + height], 1)


def skeletons() -> dict[str, np.ndarray]:
    """Oxygens of each neutral cluster, two rings one above the other."""
    frames = {k: np.vstack([ring(k, 0.0), ring(k, SIDE)]) for k in (3, 4, 5)}
    return {
        "(H2O)6": frames[3],
        "(H2O)7": frames[4][:-1],
        "(H2O)8": frames[4],
        "(H2O)9": np.vstack([ring(4, 0.0), ring(5, SIDE)]),
        "(H2O)10": frames[5],
    }


def donors(oxygens: np.ndarray, random: np.random.Generator) -> list[list[int]]:
    """Direct every contact at random, two at most from each oxygen: whom each one gives a bond."""
    apart = np.linalg.norm(oxygens[:, None] - oxygens, axis=-1)
    pairs = [(i, j) for i, j in np.argwhere(apart < 1.25 * SIDE) if i < j]
    while True:
        given: list[list[int]] = [[] for _ in oxygens]
        for pair in random.permutation(pairs):
            i, j = random.permutation(pair)
            if len(given[i]) == 2:
                i, j = j, i
            given[i].append(int(j))
        if max(map(len, given)) <= 2:
            return given


def cluster(oxygens: np.ndarray, random: np.random.Generator) -> Atoms:
    """Put hydrogens on bonds; those without one point outwards."""
    positions = []
    for oxygen, given in zip(oxygens, donors(oxygens, random), strict=True):
        ways = [oxygens[j] - oxygen for j in given]
        while len(ways) < 2:
            outwards = oxygen - oxygens.mean(axis=0)
            ways.append(outwards + random.normal(size=3) - sum(ways, np.zeros(3)))
        positions += [oxygen, *(oxygen + BOND * way / np.linalg.norm(way) for way in ways)]
    return Atoms("OHH" * len(oxygens), positions=positions)


def ion(hydrogens: int, waters: int, random: np.random.Generator) -> Atoms:
    """Put an ion in the middle of molecules, all turned at random."""
    water = np.array([[0.0, 0.0, 0.0], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]])
    centre = np.array([[0, 0, 0], [0.97, 0, 0], [-0.4, 0.9, 0], [-0.4, -0.9, 0]])[: hydrogens + 1]
    parts = [centre]
    while len(parts) <= waters:
        way = random.normal(size=3)
        place = 2.9 * way / np.linalg.norm(way)
        if min(np.linalg.norm(part[0] - place) for part in parts) > 2.5:
            parts.append(place + water @ np.linalg.qr(random.normal(size=(3, 3)))[0])
    return Atoms("O" + "H" * hydrogens + "OHH" * waters, positions=np.concatenate(parts))


def relaxed(atoms: Atoms, charge: int, steps: int, fmax: float) -> Atoms:
    """Relax with GFN2-xTB."""
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, verbosity=0)
    BFGS(atoms, logfile=None, maxstep=0.15).run(fmax=fmax, steps=steps)
    return atoms


def lowest(name: str, starts: int, random: np.random.Generator) -> Atoms:
    """Relax random starts roughly, the lowest to its minimum."""
    charge, hydrogens = IONS.get(name, (0, 0))
    found = []
    for _ in range(starts):
        if charge:
            atoms = ion(hydrogens, 4, random)
        else:
            atoms = cluster(skeletons()[name], random)
        found.append(relaxed(atoms, charge, 60, 0.1))
    energies = [atoms.get_potential_energy() for atoms in found]
    best = relaxed(found[int(np.argmin(energies))], charge, 400, 0.005)
    energy, force = best.get_potential_energy(), np.abs(best.get_forces()).max()
    print(f"{name}: {energy:.3f} eV, {force:.3f} eV/Å; others", np.sort(energies)[:4] - energy)
    molecules = int((best.numbers == 8).sum())
    info = {"name": name, "charge": charge, "molecules": molecules}
    return Atoms(best.symbols, positions=best.positions, info=info)


def main() -> None:
    """Write the geometries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--starts", type=int, default=24)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    frames: list[Atoms] = []
    for name in (*skeletons(), *IONS):
        frames.append(lowest(name, options.starts, random))
        write(options.output, frames, format="extxyz")


if __name__ == "__main__":
    main()
