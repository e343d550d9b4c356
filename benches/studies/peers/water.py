"""The potentials of water beside GFN2-xTB, ReaxFF and TIP4P, on geometries it never saw.

Errors on the held-out geometries of the shipped data; the molecule, the dimer, a reaction, and the
binding of clusters and ions, most of them larger than anything fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from ase.units import Debye
from ecteam.fit import Labels
from ecteam.fit.shipped import shipped_labels
from ecteam.peers import PeerTable

from .lammps_models import reactive
from .methods import Method, energy_of, fitted, tight_binding, unfitted
from .rigid_water import rigid_water
from .tables import Absent, Observable, charged, peer_table, polar

CLUSTERS = Path(__file__).parents[2] / "data" / "water-clusters.extxyz"
LEVEL = "PBE0/aug-cc-pVDZ, the level of the data (benches/data/water-clusters.extxyz)"
SINGLE = LEVEL.replace(",", " at minima of GFN2-xTB,", 1)
"""Clusters; larger ones are made by benches/studies/water_clusters.py. (H2O)5 is no minimum yet."""
HELD_OUT = "PBE0/aug-cc-pVDZ labels of {} geometries that were not fitted"
WINDOWS = {"≤ 0.15 eV/atom": 0.15, "≤ 2 eV/atom": 2.0}
"""Energy above the lowest geometry of the same composition and charge."""
HYDROGEN = 0.761, 4.424
"""Bond length, Å, and energy to atoms, eV, of H2: minimum of a cubic through five energies."""
DIMER, CLUSTER = 0.03, 0.05
"""Targets of binding energies, relative."""
ABSENT = ("a flexible water model with charges that move among the files of ASE",)


def residuals(frames: Sequence[Atoms], method: Method) -> list[list[np.ndarray]]:
    """Energy (eV/atom), forces (eV/Å) and dipole (D) of a method minus the reference."""
    rows = []
    for frame in frames:
        atoms = _on(frame, method)
        zero = sum(method.atom(symbol) for symbol in atoms.symbols)
        energy = (energy_of(atoms) - zero - frame.get_potential_energy()) / len(atoms)
        moment = (atoms.get_dipole_moment() - frame.get_dipole_moment()) / Debye
        rows.append([np.array([energy]), (atoms.get_forces() - frame.get_forces()).ravel(), moment])
    return rows


def _on(frame: Atoms, method: Method) -> Atoms:
    """Copy of the geometry with the calculator of a method."""
    atoms = Atoms(frame.symbols, positions=frame.positions)
    return method.prepared(atoms, float(frame.info["charge"]), int(frame.info.get("spin", 0)))


def rmse(values: Sequence[np.ndarray]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.concatenate(values) ** 2)))


def shifted(rows: list[list[np.ndarray]], frames: Sequence[Atoms]) -> list[np.ndarray]:
    """Energy errors less their mean for each composition and charge: no zero of energy matters."""
    kinds = np.array([f"{f.get_chemical_formula()} {f.info['charge']}" for f in frames])
    errors = np.array([row[0][0] for row in rows])
    for kind in np.unique(kinds):
        errors[kinds == kind] -= errors[kinds == kind].mean()
    return [np.array([error]) for error in errors]


class HeldOut:
    """Errors of methods on the held-out geometries up to an energy, each computed once."""

    def __init__(self, potential: str, highest: float, ions: bool) -> None:
        fitted_labels, held_out = shipped_labels(potential)
        both = Labels(
            [*fitted_labels.structures, *held_out.structures],
            [*fitted_labels.targets, *held_out.targets],
            [*fitted_labels.groups, *held_out.groups],
        )
        excess = both.excess[len(fitted_labels) :]
        self.frames = [
            frame
            for frame, x in zip(held_out.structures, excess, strict=True)
            if x <= highest
            and frame.info["group"] != "wall"
            and (ions or not frame.info["charge"])
            and len(frame) > 1
        ]
        self.ions = ions
        self._known: dict[int, list[list[np.ndarray]]] = {}

    def _rows(self, method: Method) -> list[list[np.ndarray]]:
        if method.rigid:
            raise Absent("rigid molecules")
        if id(method) not in self._known:
            self._known[id(method)] = residuals(self.frames, method)
        return self._known[id(method)]

    def energy(self, method: Method) -> float:
        """MeV/atom; only differences within a composition and charge count."""
        return 1000.0 * rmse(shifted(self._rows(method), self.frames))

    def force(self, method: Method) -> float:
        """EV/Å."""
        return rmse([row[1] for row in self._rows(method)])

    def dipole(self, method: Method) -> float:
        """D."""
        return rmse([row[2] for row in self._rows(method)])


def held_out_rows(potential: str) -> list[Observable]:
    """Three errors for geometries a potential was not fitted to: all of a window, the neutral."""
    rows = []
    for ions in (True, False):
        for words, highest in WINDOWS.items():
            held_out = HeldOut(potential, highest, ions)
            name = f"{'' if ions else 'neutral, '}held out {words}"
            source = HELD_OUT.format(len(held_out.frames))
            guard = charged if ions else _same
            for what, unit, target, compute, digits in (
                ("energies", "meV/atom", 2.0, held_out.energy, 1),
                ("forces", "eV/Å", 0.06, held_out.force, 3),
                ("dipoles", "D", 0.10, polar(held_out.dipole), 3),
            ):
                rows.append(
                    Observable(
                        f"RMSE of {what}, {name}",
                        unit,
                        0.0,
                        source,
                        target,
                        guard(compute),
                        digits,
                    )
                )
    return rows


def _same(compute: Callable[[Method], float]) -> Callable[[Method], float]:
    return compute


class Shapes:
    """Molecule and dimer relaxed by each method, once."""

    def __init__(self, frames: Mapping[str, Atoms]) -> None:
        self.frames = frames
        self._known: dict[tuple[int, str], Atoms] = {}

    def relaxed(self, method: Method, name: str) -> Atoms:
        """Relax one of the reference geometries."""
        key = id(method), name
        if key not in self._known:
            frame = self.frames[name]
            self._known[key] = method.relaxed(Atoms(frame.symbols, positions=frame.positions))
        return self._known[key]

    def bond(self, method: Method) -> float:
        """O–H of the molecule, Å."""
        return float(self._flexible(method).get_distance(0, 1))

    def angle(self, method: Method) -> float:
        """H–O–H, degrees."""
        return float(self._flexible(method).get_angle(1, 0, 2))

    def dipole(self, method: Method) -> float:
        """Of the molecule, D."""
        return method.dipole(self._flexible(method))

    def _flexible(self, method: Method) -> Atoms:
        if method.rigid:
            raise Absent("rigid molecules")
        return self.relaxed(method, "relaxed-1")

    def hydrogen(self, method: Method) -> Atoms:
        """H2, relaxed."""
        if method.rigid:
            raise Absent("rigid molecules")
        return method.relaxed(Atoms("H2", positions=[[0.0] * 3, [0.0, 0.0, HYDROGEN[0]]]))

    def separation(self, method: Method) -> float:
        """O–O of the dimer, Å."""
        return oxygen_distance(self.relaxed(method, "relaxed-2"))

    def binding(self, method: Method) -> float:
        """Of the dimer, eV."""
        one, two = (self.relaxed(method, f"relaxed-{k}") for k in (1, 2))
        return 2.0 * energy_of(one) - energy_of(two)


def oxygen_distance(atoms: Atoms) -> float:
    """Distance of the first two oxygens, Å."""
    first, second = np.flatnonzero(atoms.numbers == 8)[:2]
    return float(atoms.get_distance(first, second))


def shape_rows(frames: Mapping[str, Atoms]) -> list[Observable]:
    """Molecule and dimer, each relaxed by the method itself."""
    shapes, one, two = Shapes(frames), frames["relaxed-1"], frames["relaxed-2"]
    bound = 2.0 * one.get_potential_energy() - two.get_potential_energy()
    moment = float(np.linalg.norm(one.get_dipole_moment())) / Debye
    return [
        Observable("r(OH)", "Å", one.get_distance(0, 1), LEVEL, 0.003, shapes.bond, 4),
        Observable("angle HOH", "°", one.get_angle(1, 0, 2), LEVEL, 0.5, shapes.angle, 2),
        Observable("dipole of H2O", "D", moment, LEVEL, 0.05, polar(shapes.dipole), 3),
        Observable(
            "r(H2)",
            "Å",
            HYDROGEN[0],
            LEVEL,
            None,
            lambda method: float(shapes.hydrogen(method).get_distance(0, 1)),
            3,
        ),
        Observable(
            "H2 to atoms",
            "eV",
            HYDROGEN[1],
            LEVEL,
            None,
            lambda method: -method.energy(shapes.hydrogen(method)),
            2,
        ),
        Observable("dimer O–O", "Å", oxygen_distance(two), LEVEL, 0.02, shapes.separation, 3),
        Observable("dimer binding", "eV", bound, LEVEL, DIMER * bound, shapes.binding, 4),
    ]


def binding(energies: Mapping[str, float], molecules: int, charge: int) -> float:
    """Energy of a cluster below its ion (or a molecule) and single waters, eV."""
    parts = energies[label(1, charge)] + (molecules - 1) * energies[label(1, 0)]
    return parts - energies[label(molecules, charge)]


def label(molecules: int, charge: int) -> str:
    """Name of a cluster."""
    ion = {0: "H2O", 1: "H3O+", -1: "OH-"}[charge]
    if charge == 0:
        return f"(H2O){molecules}"
    return f"{ion}(H2O){molecules - 1}"


class Energies(dict[str, float]):
    """Energies of a method at the reference geometries, computed when asked for."""

    def __init__(self, frames: Mapping[str, Atoms], method: Method) -> None:
        super().__init__()
        self.frames, self.method = frames, method

    def __missing__(self, name: str) -> float:
        """Energy in eV."""
        self[name] = energy_of(_on(self.frames[name], self.method))
        return self[name]


def cluster_rows(frames: Mapping[str, Atoms]) -> list[Observable]:
    """Binding of clusters and ions, and neutralisation, at geometries of the reference."""
    reference = {name: float(f.get_potential_energy()) for name, f in frames.items()}
    rows = []
    for name, frame in frames.items():
        molecules, charge = int(frame.info["molecules"]), int(frame.info["charge"])
        if molecules == 1 or name.startswith("relaxed"):
            continue
        value = binding(reference, molecules, charge)

        def compute(method: Method, molecules: int = molecules, charge: int = charge) -> float:
            return binding(Energies(frames, method), molecules, charge)

        guard = charged if charge else _same
        rows.append(
            Observable(f"binding {name}", "eV", value, SINGLE, CLUSTER * value, guard(compute), 3)
        )
    value = neutralisation(reference)
    rows.append(
        Observable(
            "H3O+ + OH- → 2 H2O releases",
            "eV",
            value,
            LEVEL,
            0.05 * value,
            charged(lambda method: neutralisation(Energies(frames, method))),
            2,
        )
    )
    return rows


def neutralisation(energies: Mapping[str, float]) -> float:
    """Energy that a hydronium and a hydroxide ion release as they become two waters, eV."""
    return energies[label(1, 1)] + energies[label(1, -1)] - 2.0 * energies[label(1, 0)]


def observables(potential: str) -> list[Observable]:
    """All rows."""
    frames = {f.info["name"]: f for f in read(CLUSTERS, ":")}
    return shape_rows(frames) + cluster_rows(frames) + held_out_rows(potential)


def methods(potential: str, others: Sequence[str]) -> dict[str, Method]:
    """Every method by name."""
    found = fitted(potential, others) | unfitted()
    return found | tight_binding() | reactive() | rigid_water()


def table(potential: str, others: Sequence[str] = ()) -> PeerTable:
    """Compute everything."""
    title = f"{potential} beside PBE0/aug-cc-pVDZ"
    rows = observables(potential)
    return peer_table(potential, title, rows, methods(potential, others), ABSENT)
