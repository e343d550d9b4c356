"""The potential `water` beside what a user would otherwise pick, on geometries it never saw.

    python benches/studies/water_peers.py [--other FILE ...] [--ablation]

Three tables from one run: errors on the held-out geometries of the shipped data; the molecule, the
dimer and the binding of clusters and ions, most of them larger than anything fitted; and, on
request, what each ingredient of `water` is worth, every variant fitted to the same data. GFN2-xTB
(C. Bannwarth, S. Ehlert and S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) takes part if
`tblite` is installed. The reference is PBE0/aug-cc-pVDZ throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import ecteam
import numpy as np
from ase import Atoms
from ase.io import read
from ase.optimize import BFGS
from ecteam.fit import Labels, Settings, errors_of, train
from ecteam.fit.form import Form
from ecteam.fit.shipped import CLOSE, FORMS, SCALES, shipped_labels
from rich.console import Console
from rich.table import Table

CLUSTERS = Path(__file__).parents[1] / "data" / "water-clusters.extxyz"
ITERATIONS = 60
Calculators = Mapping[str, Callable[[float], object]]


def methods(others: Sequence[str]) -> Calculators:
    """Name of each method and what makes its calculator for a total charge."""
    found: dict[str, Callable[[float], object]] = {}
    for name in ("water", *others):
        potential = ecteam.load(name)
        found[Path(name).stem] = lambda charge, p=potential: ecteam.ECTEAM(p, total_charge=charge)
    try:
        from tblite.ase import TBLite  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return found
    return {**found, "GFN2-xTB": lambda q: TBLite(method="GFN2-xTB", charge=q, verbosity=0)}


def energy_of(atoms: Atoms) -> float:
    """Give the energy whose slopes are the forces, eV."""
    consistent = "free_energy" in atoms.calc.implemented_properties
    return float(atoms.get_potential_energy(force_consistent=consistent))


def bare(frame: Atoms, make: Callable[[float], object]) -> Atoms:
    """Copy the geometry, with its unpaired electrons and the calculator of a method."""
    atoms = Atoms(frame.symbols, positions=frame.positions)
    unpaired = [float(frame.info.get("spin", 0))] + [0.0] * (len(atoms) - 1)
    atoms.set_initial_magnetic_moments(unpaired)
    atoms.calc = make(float(frame.info["charge"]))
    return atoms


def residuals(frames: Sequence[Atoms], make: Callable[[float], object]) -> list[list[np.ndarray]]:
    """Energy (eV/atom), forces (eV/Å) and dipole (e·Å) of a method minus the reference."""
    rows = []
    for frame in frames:
        atoms = bare(frame, make)
        energy = (energy_of(atoms) - frame.get_potential_energy()) / len(atoms)
        moment = atoms.get_dipole_moment() - frame.get_dipole_moment()
        rows.append([np.array([energy]), (atoms.get_forces() - frame.get_forces()).ravel(), moment])
    return rows


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


def held_out_table(calculators: Calculators) -> Table:
    """Errors by energy above the lowest geometry of the same composition and charge."""
    fitted, held_out = shipped_labels("water")
    both = Labels(
        [*fitted.structures, *held_out.structures],
        [*fitted.targets, *held_out.targets],
        [*fitted.groups, *held_out.groups],
    )
    excess = both.excess[len(fitted) :]
    table = Table("method", "excess, eV/atom", "geometries", "meV/atom", "shifted", "eV/Å", "e·Å")
    table.title = "held-out geometries, RMSE"
    for name, make in calculators.items():
        for low, high in ((0.0, 0.15), (0.0, 2.0), (2.0, 10.0)):
            chosen = [
                frame
                for frame, x in zip(held_out.structures, excess, strict=True)
                if low <= x <= high and frame.info["group"] != "wall"
            ]
            rows = residuals(chosen, make)
            energy, force, dipole = (rmse([row[k] for row in rows]) for k in range(3))
            moved = rmse(shifted(rows, chosen))
            numbers = f"{1000 * energy:.1f}", f"{1000 * moved:.1f}", f"{force:.3f}", f"{dipole:.3f}"
            table.add_row(name, f"{low:g}–{high:g}", str(len(chosen)), *numbers)
    return table


def relaxed(frame: Atoms, make: Callable[[float], object]) -> Atoms:
    """Relax a copy to 5 meV/Å."""
    atoms = bare(frame, make)
    BFGS(atoms, logfile=None, maxstep=0.05).run(fmax=0.005, steps=500)
    return atoms


def oxygen_distance(atoms: Atoms) -> float:
    """Distance of the first two oxygens, Å."""
    first, second = np.flatnonzero(atoms.numbers == 8)[:2]
    return float(atoms.get_distance(first, second))


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


def observables_table(calculators: Calculators) -> Table:
    """Geometry of molecule and dimer relaxed with each method; binding at reference geometries."""
    frames = {f.info["name"]: f for f in read(CLUSTERS, ":")}
    reference = {name: f.get_potential_energy() for name, f in frames.items()}
    table = Table("", "reference", *calculators, title="molecule, dimer, clusters")
    rows: dict[str, list[str]] = {}
    columns: list[Mapping[str, float]] = [reference]
    shapes = [[frames["relaxed-1"], frames["relaxed-2"]]]
    for make in calculators.values():
        shapes.append([relaxed(frames["relaxed-1"], make), relaxed(frames["relaxed-2"], make)])
        energies = {}
        for name, frame in frames.items():
            energies[name] = energy_of(bare(frame, make))
        columns.append(energies)
    for one, two in shapes:
        rows.setdefault("r(OH), Å", []).append(f"{one.get_distance(0, 1):.4f}")
        rows.setdefault("angle HOH, °", []).append(f"{one.get_angle(1, 0, 2):.2f}")
        rows.setdefault("dimer O–O, Å", []).append(f"{oxygen_distance(two):.3f}")
        bound = 2 * energy_of(one) - energy_of(two)
        rows.setdefault("dimer binding, relaxed, eV", []).append(f"{bound:.4f}")
    for frame in frames.values():
        molecules, charge = int(frame.info["molecules"]), int(frame.info["charge"])
        if molecules == 1 or frame.info["name"].startswith("relaxed"):
            continue
        values = [binding(energies, molecules, charge) for energies in columns]
        parts = [f"{value:.3f} ({100 * (value / values[0] - 1):+.1f} %)" for value in values]
        rows[f"binding {frame.info['name']}, eV"] = [f"{values[0]:.3f}", *parts[1:]]
    for name, texts in rows.items():
        table.add_row(name, *texts)
    return table


def variants() -> dict[str, Form]:
    """Forms with an ingredient missing."""
    full = FORMS["water"]()
    ground = {symbol: ("ground",) for symbol in full.states}
    return {
        "all of it": full,
        "no three-body": replace(full, terms=None),
        "no resonance": replace(full, channels=[]),
        "no ω: neutral atoms": replace(full, states=ground, channels=[]),
    }


def neutral(labels: Labels) -> Labels:
    """Keep what neutral atoms can be fitted to; their dipoles are zero."""
    return labels[[k for k, a in enumerate(labels.structures) if not a.info["charge"]]]


def ablation_table() -> Table:
    """Every variant fitted to the same data; errors up to 2 eV/atom above the minimum, no walls."""
    fitted, held_out = shipped_labels("water")
    table = Table("variant", "parameters", "ions", "geometries", "meV/atom", "eV/Å", "e·Å")
    table.title = "what the ingredients are worth, held out"
    for name, form in variants().items():
        start = form.start()
        settings = Settings(iterations=ITERATIONS, ridge=1e-8)
        some = neutral(fitted) if name.startswith("no ω") else fitted
        found = train(start, some, SCALES["water"], settings, prior=form.prior(start)).model
        for ions in (True, False):
            if ions and name.startswith("no ω"):
                continue
            usual = [k for k, g in enumerate(held_out.groups) if g not in (*CLOSE, "wall")]
            part = held_out[usual] if ions else neutral(held_out[usual])
            errors = errors_of(found, part).rmse()
            numbers = f"{1000 * errors['energy']:.1f}", f"{errors['force']:.3f}"
            shown = "with" if ions else "without"
            table.add_row(
                name,
                str(len(found.parameters)),
                shown,
                str(len(part)),
                *numbers,
                f"{errors['dipole']:.3f}",
            )
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", action="append", default=[], help="potential file to compare")
    parser.add_argument("--ablation", action="store_true", help="fit the variants, minutes")
    options = parser.parse_args()
    console = Console(width=120)
    calculators = methods(options.other)
    console.print(held_out_table(calculators))
    console.print(observables_table(calculators))
    if options.ablation:
        console.print(ablation_table())


if __name__ == "__main__":
    main()
