"""Relaxed clusters at the level of a shipped data set, for comparisons.

    python benches/studies/cluster_references.py copper -o benches/data/copper-clusters.extxyz

Energies are above separated neutral atoms of that level, and ions are moved as in the data set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS
from ecteam.reference.datasets import SETS, collect, write_set
from ecteam.reference.level import Level, structure_of
from ecteam.reference.molecules import single_point


class Reference(Calculator):  # type: ignore[misc]
    """Single points of a level of theory."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, level: Level, charge: int, spin: int) -> None:
        super().__init__()
        self.level, self.charge, self.spin = level, charge, spin

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces."""
        super().calculate(atoms, list(properties), list(system_changes))
        structure = structure_of(self.atoms, self.charge, self.spin)
        if "Mg" in structure.symbols and len(structure.symbols) == 2 and not self.spin:
            structure = replace(structure, broken_symmetry=True, spin_signs=(1, -1))
        found = single_point(structure, self.level)
        self.results = {"energy": found["energy"], "forces": np.array(found["forces"])}


def _triangle(angle: float, bond: float) -> list[list[float]]:
    half = np.radians(angle) / 2.0
    x, y = bond * np.cos(half), bond * np.sin(half)
    return [[0, 0, 0], [x, y, 0], [x, -y, 0]]


PAIR = [[0, 0, 0], [0, 0, 2.25]]
CLUSTERS: dict[str, list[tuple[str, str, Any, int, int]]] = {
    "copper": [
        ("Cu2", "Cu2", PAIR, 0, 0),
        ("Cu2+", "Cu2", PAIR, 1, 1),
        ("Cu2-", "Cu2", PAIR, -1, 1),
        ("Cu3+", "Cu3", _triangle(61.0, 2.38), 1, 0),
        ("Cu3", "Cu3", _triangle(67.0, 2.30), 0, 1),
        ("Cu3-", "Cu3", _triangle(176.0, 2.35), -1, 0),
    ],
    "oxides": [("MgO", "MgO", [[0, 0, 0], [0, 0, 1.75]], 0, 0)],
}
"""Name, formula, first positions (Å), charge (e) and unpaired electrons."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Relax and write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=sorted(CLUSTERS))
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--runs", required=True, help="run folder of the data set")
    options = parser.parse_args(arguments)
    level = SETS[options.set][1]
    ions = {a.info["charge"]: a for a in collect(options.set, options.runs)[0] if len(a) == 1}
    frames = []
    for name, formula, positions, charge, spin in CLUSTERS[options.set]:
        atoms = Atoms(formula, positions=positions)
        atoms.calc = Reference(level, charge, spin)
        BFGS(atoms, logfile=None, maxstep=0.1).run(fmax=0.02, steps=40)
        zero = sum(_atom(symbol, level) for symbol in atoms.symbols)
        moved = float(ions[charge].info.get("ion_shift", 0.0)) if charge in ions else 0.0
        frame = Atoms(formula, positions=atoms.positions)
        frame.arrays["forces"] = atoms.get_forces()
        energy = atoms.get_potential_energy() - zero + moved
        frame.info.update(
            energy=round(energy, 8), name=name, charge=charge, spin=spin, level=level.label
        )
        frames.append(frame)
        write_set(frames, options.output)
    return 0


def _atom(symbol: str, level: Level) -> float:
    return float(single_point(structure_of(Atoms(symbol)), level)["energy"])


if __name__ == "__main__":
    raise SystemExit(main())
