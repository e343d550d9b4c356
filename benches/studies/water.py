"""Learned terms on top of the potential `water`: what they buy, and what they blur.

    python benches/studies/water.py [--formula FORMULA ...]

The terms are trained on the geometries that `water` was fitted to, its own parameters fixed or free
with them; errors are on the geometries held out. The Fisher information then holds all parameters.
"""

from __future__ import annotations

import argparse

import ecteam
import numpy as np
import scipy.linalg
from ecteam.expressions import parse
from ecteam.fit import Labels, Model, Scales, errors_of, train
from ecteam.fit.shipped import shipped_labels
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


def weights(labels: Labels) -> np.ndarray:
    """1/scale of every row with a label, 0 without."""
    rows = [
        np.where(np.isfinite(target), SCALES.row_weights(atoms, group), 0.0)
        for atoms, target, group in zip(
            labels.structures, labels.targets, labels.groups, strict=True
        )
    ]
    return np.concatenate(rows)


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


def errors(model: Model, labels: Labels) -> tuple[str, str]:
    """Energy in meV/atom and force in eV/Å."""
    rmse = errors_of(model, labels).rmse()
    return f"{1000 * rmse['energy']:.1f}", f"{rmse['force']:.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formula", action="append", help="instead of the built-in ones")
    formulas = parser.parse_args().formula or FORMULAS
    train_set, held_out = shipped_labels("water")
    held_out = held_out[[k for k, group in enumerate(held_out.groups) if group != "wall"]]
    water = ecteam.load("water")
    own = water.parameter_names
    table = Table(
        *("terms", "parameters", "meV/atom", "eV/Å", "all free, meV/atom", "eV/Å"),
        *("own directions that keep 10 %", "own errors wider by"),
        title=f"held-out RMSE of {len(held_out)} geometries",
    )
    table.add_row("none", "0", *errors(water, held_out), "", "", "", "")
    for formula in formulas:
        alone = parse(formula).potential(["H", "O"])
        both = ecteam.Potential.from_dict({**water.to_dict(), "terms": alone.to_dict()["terms"]})
        names = [name for name in both.parameter_names if name not in own]
        found = train(both.select(*names), train_set, SCALES).model
        free = train(found.potential, train_set, SCALES).model
        jacobian = found.potential.jacobian(train_set.structures)[1] * weights(train_set)[:, None]
        kept, wider = blurred(jacobian[:, : len(own)], jacobian[:, len(own) :])
        numbers = *errors(found, held_out), *errors(free, held_out)
        table.add_row(formula, str(len(names)), *numbers, f"{kept} of {len(own)}", f"{wider:.1f}")
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
