"""Pairs and triples of molecules cut from warm clusters: what adds up in clusters of water.

    python benches/studies/water_fragments.py triples -o triples.xyz     # needs tblite
    ecteam reference compute triples.xyz -o labelled.extxyz --level PBE0/aug-cc-pVDZ

Dynamics with GFN2-xTB of the clusters in `benches/data/water-clusters.extxyz`. `triples`: chains,
double donors, double acceptors and triangles of hydrogen bonds; `ions`: H3O+ or OH- and two
molecules; `apart`: second neighbours; `bonded`: bonded pairs of the triples in a file. Energies of
clusters are those of their pairs and triples to 5 %; a potential fitted to triples alone can have
the errors of both cancel, in clusters they add up. The labels are part of
``data/reference/polarised-water.extxyz.gz``; the file, not this script, is the record.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from water_close import molecules, warm

CLUSTERS = Path(__file__).parents[1] / "data" / "water-clusters.extxyz"
STEPS = 120
"""Of 0.5 fs, between frames."""
BOND = 2.25
"""Å: longest H···O of a hydrogen bond."""
APART = (3.2, 5.5)
"""Å: O–O of second neighbours."""
RUNS = {
    "triples": (("(H2O)6", 150, 14), ("(H2O)6", 300, 14), ("(H2O)8", 200, 14), ("(H2O)8", 350, 14)),
    "ions": (
        ("H3O+(H2O)2", 150, 4),
        ("H3O+(H2O)2", 350, 5),
        ("H3O+(H2O)4", 250, 7),
        ("OH-(H2O)2", 150, 4),
        ("OH-(H2O)2", 350, 5),
        ("OH-(H2O)4", 250, 7),
    ),
    "apart": (("(H2O)6", 200, 8), ("(H2O)8", 250, 8), ("(H2O)5", 300, 6)),
}
"""Cluster, temperature in K, frames."""
MOST = {"triangle": 12, "donor": 10, "acceptor": 10, "chain": 10, "ring": 2}


def distances_and_molecules(atoms: Atoms) -> tuple[np.ndarray, list[list[int]]]:
    """Find all distances, Å, and the indices of each molecule."""
    apart = atoms.get_all_distances()
    return apart, molecules(apart, atoms.numbers)


def donates(apart: np.ndarray, a: list[int], b: list[int]) -> bool:
    """Tell if a hydrogen of one molecule is bonded to the oxygen of another."""
    return bool((apart[a[1:], b[0]] < BOND).any())


def motif(apart: np.ndarray, parts: tuple[list[int], ...]) -> str | None:
    """Name how three molecules are bonded; none with fewer than two bonds."""
    bonds = [(a, b) for a, b in permutations(range(3), 2) if donates(apart, parts[a], parts[b])]
    if len(bonds) == 3:
        return "ring" if len({a for a, _ in bonds}) == 3 else "triangle"
    if len(bonds) != 2:
        return None
    (a, b), (c, d) = bonds
    return "donor" if a == c else "acceptor" if b == d else "chain"


def frames(what: str, random: np.random.Generator) -> Iterator[Atoms]:
    """Run the clusters, warm, with GFN2-xTB."""
    from tblite.ase import TBLite

    known = {frame.info["name"]: frame for frame in read(CLUSTERS, ":")}
    for name, temperature, count in RUNS[what]:
        charge = int(known[name].info["charge"])
        atoms = Atoms(known[name].symbols, positions=known[name].positions)
        atoms.info["charge"] = charge
        atoms.calc = TBLite(method="GFN2-xTB", charge=charge, verbosity=0)
        langevin = warm(atoms, temperature, random)
        for _ in range(count):
            langevin.run(STEPS)
            yield atoms


def triples(atoms: Atoms, random: np.random.Generator, found: Counter[str]) -> list[list[int]]:
    """Choose at most one triple of each kind, until there are enough."""
    apart, parts = distances_and_molecules(atoms)
    every = list(combinations(parts, 3))
    chosen, kinds = [], set()
    for k in random.permutation(len(every)):
        kind = motif(apart, every[k])
        if kind is not None and kind not in kinds and found[kind] < MOST[kind]:
            kinds.add(kind)
            found[kind] += 1
            chosen.append([atom for part in every[k] for atom in part])
    return chosen


def ion(atoms: Atoms, random: np.random.Generator) -> list[list[int]]:
    """Choose the ion, its nearest molecule and one of the others."""
    apart, parts = distances_and_molecules(atoms)
    ions = [part for part in parts if len(part) != 3]
    if len(ions) != 1:
        return []
    rest = [part for part in parts if len(part) == 3]
    rest.sort(key=lambda part: float(apart[np.ix_(part, ions[0])].min()))
    other = rest[1 + int(random.integers(len(rest) - 1))]
    return [ions[0] + rest[0] + other]


def second_neighbours(atoms: Atoms, random: np.random.Generator) -> list[list[int]]:
    """Choose two pairs of molecules too far apart for a bond."""
    apart, parts = distances_and_molecules(atoms)
    pairs = [a + b for a, b in combinations(parts, 2) if APART[0] < apart[a[0], b[0]] < APART[1]]
    return [pairs[k] for k in random.permutation(len(pairs))[:2]]


def bonded(path: Path) -> list[Atoms]:
    """Cut the bonded pairs from the triples of a file."""
    cut = []
    for atoms in read(path, ":"):
        apart, parts = distances_and_molecules(atoms)
        pairs = [
            a + b for a, b in combinations(parts, 2) if donates(apart, a, b) or donates(apart, b, a)
        ]
        cut += [atoms[members] for members in pairs]
    return cut


def main() -> None:
    """Write the geometries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=(*RUNS, "bonded"))
    parser.add_argument("triples", nargs="?", type=Path, help="file, for `bonded`")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    if (options.what == "bonded") != (options.triples is not None):
        parser.error("`bonded`, and nothing else, takes a file of triples")
    random, counts = np.random.default_rng(options.seed), Counter[str]()
    choose = {
        "triples": lambda atoms: triples(atoms, random, counts),
        "ions": lambda atoms: ion(atoms, random),
        "apart": lambda atoms: second_neighbours(atoms, random),
    }
    if options.what == "bonded":
        found = bonded(options.triples)
    else:
        found = [
            Atoms(atoms.symbols[m], positions=atoms.positions[m], info=dict(atoms.info))
            for atoms in frames(options.what, random)
            for m in choose[options.what](atoms)
        ]
    for k, fragment in enumerate(found):
        fragment.info = {"charge": fragment.info.get("charge", 0), "name": f"{options.what}-{k}"}
    write(options.output, found, format="extxyz")


if __name__ == "__main__":
    main()
