"""Binding of a cluster of water by pairs, triples and the rest: a potential beside its reference.

    python benches/studies/many_body.py "(H2O)6"        # needs PySCF; some minutes

The sum over pairs of molecules of their binding, and over triples of what that lacks; PBE0 at the
level of `benches/data/water-clusters.extxyz`, without correction for the basis set.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import ecteam
from ase import Atoms
from ase.io import read
from ecteam.reference.level import Level, structure_of
from ecteam.reference.molecules import single_point
from rich.console import Console
from rich.progress import track
from rich.table import Table
from water_close import molecules

CLUSTERS = Path(__file__).parents[1] / "data" / "water-clusters.extxyz"
LEVEL = Level("aug-cc-pVDZ", grid=2)


def many_body(
    atoms: Atoms, energy: Callable[[Atoms], float], words: str
) -> tuple[float, float, float]:
    """Energies of pairs, of triples, and of all that binds the molecules, eV."""
    parts = molecules(atoms.get_all_distances(), atoms.numbers)
    chosen = [c for n in (1, 2, 3) for c in combinations(range(len(parts)), n)]
    own: dict[tuple[int, ...], float] = {}
    for members in track(chosen, words, transient=True):
        found = energy(atoms[[i for k in members for i in parts[k]]])
        smaller = (c for n in range(1, len(members)) for c in combinations(members, n))
        own[members] = found - sum(own[c] for c in smaller)
    singles, pairs, triples = (sum(own[c] for c in chosen if len(c) == n) for n in (1, 2, 3))
    return pairs, triples, energy(atoms) - singles


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cluster", nargs="?", default="(H2O)6")
    parser.add_argument("--potentials", nargs="+", default=["water", "water-unpolarised"])
    options = parser.parse_args()
    frames = {frame.info["name"]: frame for frame in read(CLUSTERS, ":")}
    frame = frames[options.cluster]
    atoms = Atoms(frame.symbols, positions=frame.positions)

    def reference(part: Atoms) -> float:
        return float(single_point(structure_of(part, 0, 0), LEVEL)["energy"])

    def of(name: str) -> Callable[[Atoms], float]:
        potential = ecteam.load(name)
        return lambda part: ecteam.evaluate(part, potential).free_energy

    methods = {"PBE0": reference, **{name: of(name) for name in options.potentials}}
    table = Table("eV", "pairs", "triples", "more", "all", title=options.cluster)
    for name, energy in methods.items():
        pairs, triples, bound = many_body(atoms, energy, name)
        rest = bound - pairs - triples
        table.add_row(name, *(f"{x:.3f}" for x in (pairs, triples, rest, bound)))
    Console().print(table)


if __name__ == "__main__":
    main()
