"""The potential `copper` beside embedded atoms, effective medium theory and GFN2-xTB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read
from ecteam.peers import PeerTable
from ecteam.reference.metals import COHESIVE, CONSTANT, MODULUS

from .crystals import Crystal, crystal_rows
from .lammps_models import embedded_atom
from .methods import Method, fitted, tight_binding, unfitted
from .sources import KITTEL, SCHIMKA
from .tables import Observable, charged, peer_table

CLUSTERS = Path(__file__).parents[2] / "data" / "copper-clusters.extxyz"
STARTS = (60.0, 75.0, 120.0, 178.0)
"""Degrees: angles from which the trimers are relaxed."""
LEVEL = "PBE/LANL2DZ, the level of the data (benches/data/copper-clusters.extxyz)"
STIFFNESS = "experiment at low temperature"
UNFITTED = (
    "fitted to nothing; the library has no dimer curves of copper to make embedding functions of, "
    "and without them atoms fall into each other"
)
ABSENT = (
    "a charge-equilibration model: COMB3 of LAMMPS (lib.comb3, ffield.comb3) has copper, but the "
    "total charge of its equilibration is zero, so that it knows no cluster ions",
)


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
    clusters, rows = Clusters(), []
    for frame in read(CLUSTERS, ":"):
        rows += _cluster_rows(clusters, frame)
    known = {
        "lattice constant": (CONSTANT, 0.01, SCHIMKA),
        "cohesive energy": (COHESIVE, 0.04, KITTEL),
        "bulk modulus": (MODULUS, 0.1, STIFFNESS),
    }
    return rows + crystal_rows("fcc", Crystal("Cu", "fcc", 3.60), known)


def _cluster_rows(clusters: Clusters, frame: Atoms) -> list[Observable]:
    count, charge, name = len(frame), int(frame.info["charge"]), frame.info["name"]
    angle, bond = shape(frame)
    energy = float(frame.get_potential_energy())

    def row(
        words: str, unit: str, value: float, target: float, part: Callable[[Method], float]
    ) -> Observable:
        digits, compute = 1 if unit == "°" else 3, charged(part) if charge else part
        return Observable(f"{name} {words}", unit, value, LEVEL, target, compute, digits)

    rows = [
        row("bond", "Å", bond, 0.05, lambda m: shape(clusters.relaxed(m, count, charge))[1]),
        row("energy", "eV", energy, 0.2, lambda m: clusters.energy(m, count, charge)),
    ]
    if count == 3:
        rows.insert(
            0, row("angle", "°", angle, 5.0, lambda m: shape(clusters.relaxed(m, 3, charge))[0])
        )
    return rows


def methods(others: Sequence[str], setfl: str | None) -> dict[str, Method]:
    """Every method by name."""
    found = fitted("copper", others) | unfitted(UNFITTED, embedding=None) | tight_binding()
    return found | embedded_atom(setfl) | effective_medium()


def effective_medium() -> dict[str, Method]:
    """Effective medium theory of ASE."""
    about = (
        "effective medium theory, K. W. Jacobsen et al., Surf. Sci. 366, 394 (1996), in ASE; it "
        "has no charges"
    )
    return {"EMT": Method(lambda *_: EMT(), about, charged=False, polar=False)}


def table(others: Sequence[str] = (), setfl: str | None = None) -> PeerTable:
    """Compute everything."""
    title = "copper: clusters beside PBE/LANL2DZ, crystal beside experiment"
    return peer_table("copper", title, observables(), methods(others, setfl), ABSENT)
