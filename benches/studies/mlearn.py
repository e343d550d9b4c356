"""The mlearn benchmark: Mo, Cu, Ni and Li with one setting for all four.

    python benches/studies/mlearn.py FOLDER [--formula FORMULA]

FOLDER holds mlearn_ELEMENT_train.extxyz.gz and mlearn_ELEMENT_test.extxyz.gz, the published split
of Zuo et al., J. Phys. Chem. A 124, 731 (2020). A formula has its lengths in units of d, the median
distance of the nearest neighbour in the training set, so no element has a number of its own.
Beside it stands a plain linear model: one radial basis from 0 to 2 d for both kinds of terms.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np
from ecteam.expressions import parse
from ecteam.fit import Errors, Labels, Scales, Settings, errors_of, read_labels, train
from ecteam.neighbors import neighbor_list
from rich.console import Console
from rich.table import Table

ELEMENTS = ("Mo", "Cu", "Ni", "Li")
LARGEST_DISTANCE = 5.0
# Test MAE, meV/atom and eV/Å: Zuo et al., J. Phys. Chem. A 124, 731 (2020).
PUBLISHED = {
    "GAP": {"Ni": (0.42, 0.02), "Cu": (0.46, 0.01), "Li": (0.49, 0.01), "Mo": (2.24, 0.09)},
    "MTP": {"Ni": (0.48, 0.01), "Cu": (0.41, 0.01), "Li": (0.49, 0.01), "Mo": (2.83, 0.09)},
}
TARGET = 1.3
SCALES = Scales(energy=0.0007, force=0.1, stress=np.inf)
FORMULAS = {
    "plain linear": ("Constant() + Pair(12, cutoff=2.0*d) + ThreeBody(5, lmax=4, cutoff=2.0*d)"),
    "composed": (
        "Constant() + Pair(12, cutoff=2.9*d, span=(0.74*d, 2.9*d))"
        " + ThreeBody(4, lmax=4, cutoff=1.6*d, span=(0.74*d, 1.6*d))"
        " + ThreeBody(4, lmax=4, cutoff=2.2*d, span=(0.74*d, 2.2*d))"
    ),
}


def unit_length(labels: Labels) -> float:
    """Median distance of an atom to its nearest neighbour, Å."""
    nearest = []
    for atoms in labels.structures:
        i, distances = neighbor_list("id", atoms, LARGEST_DISTANCE)
        least = np.full(len(atoms), LARGEST_DISTANCE)
        np.minimum.at(least, i, distances)
        nearest.append(least)
    return float(np.median(np.concatenate(nearest)))


def in_angstrom(formula: str, d: float) -> str:
    """Replace ``x*d`` by numbers."""
    return re.sub(r"([\d.]+)\*d", lambda found: f"{float(found[1]) * d:.4f}", formula)


def fit(element: str, formula: str, folder: Path) -> tuple[int, Errors, float]:
    """Train; give the number of parameters, test errors and seconds."""
    labels, test = (
        read_labels(folder / f"mlearn_{element}_{part}.extxyz.gz") for part in ("train", "test")
    )
    expression = parse(in_angstrom(formula, unit_length(labels)))
    start = expression.potential([element])
    begin = time.perf_counter()
    found = train(start, labels, SCALES, Settings()).model
    return len(found.parameters), errors_of(found, test), time.perf_counter() - begin


def row(element: str, name: str, formula: str, folder: Path) -> list[str]:
    """One line of the table."""
    size, errors, seconds = fit(element, formula, folder)
    mae, rmse = errors.mae(), errors.rmse()
    energy, force = 1000 * mae["energy"], mae["force"]
    known = PUBLISHED["MTP"][element]
    ratios = (energy / known[0], force / known[1])
    return [
        element,
        name,
        str(size),
        f"{energy:.2f}",
        f"{force:.4f}",
        f"{ratios[0]:.2f}",
        f"{ratios[1]:.2f}",
        "yes" if max(ratios) <= TARGET else "no",
        f"{1000 * rmse['energy']:.2f}",
        f"{rmse['force']:.4f}",
        f"{seconds:.0f}",
    ]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--formula", help="in place of the composed one; lengths as 1.5*d")
    parser.add_argument("--elements", nargs="+", choices=ELEMENTS, default=ELEMENTS)
    arguments = parser.parse_args()
    formulas = dict(FORMULAS)
    if arguments.formula:
        formulas["composed"] = arguments.formula
    table = Table(
        "element", "model", "parameters", "MAE meV/atom", "MAE eV/Å", title="mlearn, test"
    )
    for name in ("energy/MTP", "force/MTP", f"≤ {TARGET}", "RMSE meV/atom", "RMSE eV/Å", "s"):
        table.add_column(name)
    for element in arguments.elements:
        for name, published in PUBLISHED.items():
            energy, force = published[element]
            table.add_row(element, f"{name}, published", "", f"{energy:.2f}", f"{force:.2f}")
        for name, formula in formulas.items():
            table.add_row(*row(element, name, formula, arguments.folder))
    Console(width=140).print(table)
    print("Published force errors have two decimals: 0.01 stands for 0.005 to 0.015.")
    for name, formula in formulas.items():
        print(f"{name}: {formula}")


if __name__ == "__main__":
    main()
