"""Learned terms on top of the potential `water`: what they buy, and what they blur.

    python benches/studies/water.py [--formula FORMULA ...]

The terms are trained on the geometries that `water` was fitted to, its own parameters fixed; errors
are on the geometries held out. The Fisher information then holds all parameters: those of `water`
by central differences, those of the terms exactly.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import ecteam
import numpy as np
import scipy.linalg
from ecteam.design.expressions import parse
from ecteam.fit import Labels, Scales, errors_of, train
from ecteam.fit.dataset import Dataset, load_dataset
from rich.console import Console
from rich.table import Table

RADIAL = "cutoff=4.5, span=(0.7, 4.5)"
FORMULAS = (
    f"Pair(4, {RADIAL})",
    f"Pair(8, {RADIAL})",
    f"Pair(6, {RADIAL}) + ThreeBody(1, lmax=3, {RADIAL})",
    f"Pair(6, {RADIAL}) + ThreeBody(2, lmax=2, {RADIAL})",
    f"Pair(6, {RADIAL}) + ThreeBody(2, lmax=4, {RADIAL})",
    f"Pair(6, {RADIAL}) + ThreeBody(3, lmax=4, {RADIAL})",
)
# Walls, atoms pushed together with hundreds of eV, only keep the terms from digging holes.
SCALES = Scales(energy=0.005, force=0.1, stress=np.inf, emphasis={"wall": 0.01})
STEP = 1e-4
Path_ = tuple[Any, ...]


def labels_of(dataset: Dataset, chosen: np.ndarray) -> Labels:
    """Energies and forces of some geometries as rows, without stress."""
    ends = np.cumsum(dataset.sizes)[:-1]
    forces = np.split(dataset.forces, ends)
    targets = [
        np.concatenate([[energy], force.ravel(), np.full(6, np.nan)])
        for energy, force in zip(dataset.energies, forces, strict=True)
    ]
    labels = Labels(dataset.structures, targets, dataset.groups)
    return labels[np.flatnonzero(chosen).tolist()]


def fitted_numbers(fields: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Paths of embedding coefficients, repulsion amplitudes, and the two of each channel."""
    for element, content in fields["elements"].items():
        for k, state in enumerate(content["states"]):
            for n in range(len(state.get("embedding", {}).get("coefficients", ()))):
                yield ("elements", element, "states", k, "embedding", "coefficients", n)
    for k in range(len(fields["repulsions"])):
        yield ("repulsions", k, "function", "amplitude")
    for k in range(len(fields["resonances"])):
        yield ("resonances", k, "amplitude", "amplitude")
        yield ("resonances", k, "amplitude", "decay")


def moved(potential: ecteam.Potential, path: Path_, change: float) -> ecteam.Potential:
    """Multiply one number of the file by 1 + `change`."""
    fields = copy.deepcopy(potential.to_dict())
    place = fields
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] *= 1.0 + change
    return ecteam.Potential.from_dict(fields)


def weights(labels: Labels) -> np.ndarray:
    """1/scale of every row with a label, 0 without."""
    rows = [
        np.where(np.isfinite(target), SCALES.row_weights(atoms, group), 0.0)
        for atoms, target, group in zip(
            labels.structures, labels.targets, labels.groups, strict=True
        )
    ]
    return np.concatenate(rows)


def own_jacobian(potential: ecteam.Potential, labels: Labels) -> np.ndarray:
    """Weighted derivatives by the potential's own parameters, relative to their values."""
    columns = [
        moved(potential, path, STEP).predictions(labels.structures)
        - moved(potential, path, -STEP).predictions(labels.structures)
        for path in fitted_numbers(potential.to_dict())
    ]
    return np.stack(columns, axis=1) / (2.0 * STEP) * weights(labels)[:, None]


def blurred(own: np.ndarray, terms: np.ndarray) -> tuple[int, float]:
    """Own directions that keep a tenth of their information, and how much wider errors become.

    With free terms the information is the Schur complement: what is left of the own columns beside
    those of the terms. The widening is the median over the own parameters; a ridge of 1e-8 of each
    parameter's information stands for a weak prior.
    """
    q = np.linalg.qr(terms / np.maximum(np.linalg.norm(terms, axis=0), 1e-300))[0]
    left = own - q @ (q.T @ own)
    ridge = np.diag(1e-8 * (own**2).sum(axis=0))
    fixed, free = own.T @ own + ridge, left.T @ left + ridge
    kept = scipy.linalg.eigvalsh(free, fixed)
    wider = np.sqrt(np.diag(np.linalg.inv(free)) / np.diag(np.linalg.inv(fixed)))
    return int((kept >= 0.1).sum()), float(np.median(wider))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formula", action="append", help="instead of the built-in ones")
    formulas = parser.parse_args().formula or FORMULAS
    data = files("ecteam") / "data" / "reference"
    dataset = load_dataset(*(str(data / f"{n}.extxyz.gz") for n in ("water", "walls-water")))
    train_set = labels_of(dataset, ~dataset.held_out)
    molecules = np.array([group != "wall" for group in dataset.groups])
    held_out = labels_of(dataset, dataset.held_out & molecules)
    water = ecteam.load("water")
    table = Table(
        *("terms", "parameters", "meV/atom", "eV/Å"),
        *("own directions that keep 10 %", "own errors wider by"),
        title=f"held-out RMSE of {len(held_out)} geometries",
    )
    rmse = errors_of(water, held_out).rmse()
    own_count = len(list(fitted_numbers(water.to_dict())))
    table.add_row("none", "0", f"{1000 * rmse['energy']:.1f}", f"{rmse['force']:.3f}", "", "")
    for formula in formulas:
        alone = parse(formula).potential(["H", "O"])
        both = {**water.to_dict(), "terms": alone.to_dict()["terms"]}
        found = train(ecteam.Potential.from_dict(both), train_set, SCALES).model
        rmse = errors_of(found, held_out).rmse()
        terms = found.jacobian(train_set.structures)[1] * weights(train_set)[:, None]
        kept, wider = blurred(own_jacobian(found, train_set), terms)
        errors = f"{1000 * rmse['energy']:.1f}", f"{rmse['force']:.3f}"
        size = str(len(found.parameters))
        table.add_row(formula, size, *errors, f"{kept} of {own_count}", f"{wider:.1f}")
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
