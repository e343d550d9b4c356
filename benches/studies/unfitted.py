"""Unfitted potentials beside coupled cluster: HF, LiF, NaCl, H2O, O2, N2.

    python benches/studies/unfitted.py RUNS -o python/ecteam/data/unfitted.json

RUNS keeps the reference calculations (needs PySCF; some 5 minutes on one core), so that a second
call only repeats the predictions. Energies and geometries of the reference are those of
UHF-CCSD(T)/aug-cc-pVDZ + UMP2/aug-cc-pVTZ − UMP2/aug-cc-pVDZ, from polynomials through a few
points; dipole and Hirshfeld charges those of CCSD/aug-cc-pVDZ (unrelaxed density) at that geometry.
"""

from __future__ import annotations

import argparse
import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ecteam.baseline import MOLECULES, Molecule, predict
from ecteam.dimers import read_dimers
from ecteam.library import read_library
from ecteam.reference.composite import Composite, composite_energy
from ecteam.reference.level import GROUND_SPIN, Level, Structure
from ecteam.reference.molecules import single_point
from ecteam.reference.runs import collect_runs, run_tasks, write_atomic
from scipy.optimize import minimize

LEVEL = Composite("aug-cc-pVDZ", "aug-cc-pVTZ")
DENSITY = Level.parse("CCSD(T)/aug-cc-pVDZ")
OFFSETS = {1: [(-0.06, -0.03, 0.0, 0.03, 0.06)], 2: [(-0.03, 0.0, 0.03), (-4.0, 0.0, 4.0)]}
"""Å and degrees from the start, for molecules of one and of two coordinates."""


def structure_of(molecule: Molecule, coordinates: np.ndarray) -> Structure:
    """Structure of a reference calculation."""
    atoms = molecule.atoms(coordinates)
    places = tuple(tuple(float(x) for x in row) for row in atoms.positions)
    return Structure(molecule.symbols, places, 0, molecule.spin)


def stencil(molecule: Molecule) -> dict[str, np.ndarray]:
    """Points of the reference calculations by name."""
    offsets = itertools.product(*OFFSETS[len(molecule.start)])
    points = [np.array(molecule.start) + offset for offset in offsets]
    return {" ".join(f"{x:g}" for x in point): point for point in points}


def compute(folder: Path) -> dict[str, Any]:
    """Energies of all points and atoms, eV."""
    tasks = {
        f"{name} {label}": partial(composite_energy, structure_of(molecule, point), LEVEL)
        for name, molecule in MOLECULES.items()
        for label, point in stencil(molecule).items()
    }
    for symbol in sorted({s for molecule in MOLECULES.values() for s in molecule.symbols}):
        atom = Structure((symbol,), ((0.0, 0.0, 0.0),), 0, GROUND_SPIN[symbol])
        tasks[symbol] = partial(composite_energy, atom, LEVEL)
    run_tasks(tasks, folder, description=LEVEL.label)
    results, failures = collect_runs(folder)
    if failures:
        raise SystemExit(f"failed: {failures}")
    return {name: result["energy"] for name, result in results.items()}


def minimum(molecule: Molecule, points: np.ndarray, energies: np.ndarray) -> tuple[Any, float]:
    """Coordinates and energy of the minimum of a polynomial through the points."""
    powers = list(itertools.product(range(5), repeat=1))
    if len(molecule.start) == 2:
        powers = [(a, b) for a in range(3) for b in range(3)]
    centre, scale = np.array(molecule.start), np.ptp(points, axis=0)

    def terms(x: np.ndarray) -> np.ndarray:
        return np.prod(((x - centre) / scale)[..., None, :] ** np.array(powers), axis=-1)

    coefficients = np.linalg.solve(terms(points), energies)
    found = minimize(lambda x: float(terms(x) @ coefficients), centre, method="Nelder-Mead")
    if np.any(np.abs(found.x - centre) > 0.6 * scale):
        raise SystemExit(f"{molecule.symbols}: the minimum {found.x} is outside the points")
    return found.x, float(found.fun)


def reference(folder: Path) -> dict[str, Any]:
    """Compute the rows of the reference."""
    energies = compute(folder / "energies")
    rows, tasks = {}, {}
    for name, molecule in MOLECULES.items():
        points = stencil(molecule)
        values = np.array([energies[f"{name} {label}"] for label in points])
        found, lowest = minimum(molecule, np.array(list(points.values())), values)
        rows[name] = {
            "length": round(float(found[0]), 5),
            "angle": round(float(found[1]), 3) if len(found) > 1 else None,
            "depth": sum(energies[symbol] for symbol in molecule.symbols) - lowest,
        }
        tasks[name] = partial(single_point, structure_of(molecule, found), DENSITY)
    run_tasks(tasks, folder / "densities", description=DENSITY.label)
    densities, _ = collect_runs(folder / "densities")
    for name, row in rows.items():
        row["dipole"] = float(np.linalg.norm(densities[name]["dipole"]))
        row["charges"] = densities[name]["hirshfeld"]
    return rows


def rounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Numbers to five decimals."""
    pick = {
        key: [round(x, 5) for x in value] if isinstance(value, list) else value
        for key, value in fields.items()
    }
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in pick.items()}


def main() -> None:
    """Compute what is missing, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    known = reference(arguments.runs)
    document = {
        "library": read_library().sha256,
        "dimers": read_dimers().sha256,
        "units": {"length": "Å", "angle": "degree", "depth": "eV", "dipole": "e·Å", "charges": "e"},
        "reference": f"{LEVEL.label}; dipole and Hirshfeld charges CCSD/{DENSITY.basis}",
        "molecules": {
            name: {"unfitted": rounded(predict(name)), "reference": rounded(known[name])}
            for name in MOLECULES
        },
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    write_atomic(arguments.output, text.encode())


if __name__ == "__main__":
    main()
