"""What induced dipoles buy for halides: one fit with them and one without, alike in all else.

    python benches/studies/polarisation.py --iterations 60 -o fits

Both start from the shipped potential `halides` and fit molecules, ions, chains, dimers and walls of
its data (no crystals: they take most of the time). The polarisabilities are held: cations and
halogen atoms are those of the library, anions are stiffer than in vacuum, as between cations.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ecteam import Potential, load, polarised
from ecteam.fit.labels import Labels
from ecteam.fit.settings import Settings
from ecteam.fit.shipped import FORMS, SCALES, shipped_labels
from ecteam.fit.sweep import errors_of
from ecteam.fit.training import train

VALUES = {
    "Li": {"cation": 0.028},
    "Na": {"cation": 0.135},
    "F": {"ground": 0.554, "anion": 1.0},
    "Cl": {"ground": 2.163, "anion": 3.0},
}
"""Å³."""
EXPONENTS = {"Li": 4.0, "Na": 3.0, "F": 3.0, "Cl": 2.2}
"""1/Å."""
GROUPS = ("mx", "mm", "xx", "m2x-plus", "mx2-minus", "mx-2", "mx-chain", "wall")


def chosen(labels: Labels) -> Labels:
    """Labels of the groups that are fitted."""
    return labels[[k for k, group in enumerate(labels.groups) if group in GROUPS]]


def fitted(start: Potential, iterations: int) -> tuple[Potential, float]:
    """Fit, and its weighted sum of squares."""
    prior = FORMS["halides"]().prior(load("halides"))
    settings = Settings(iterations=iterations, ridge=1e-8)
    labels = chosen(shipped_labels("halides")[0])
    found = train(start, labels, SCALES["halides"], settings, prior=prior)
    return found.model, found.cost


def print_errors(name: str, potential: Potential) -> None:
    """Root-mean-square errors by group, fitted and held out."""
    for split, labels in zip(("train", "held-out"), shipped_labels("halides"), strict=True):
        errors = errors_of(potential, chosen(labels))
        for group in GROUPS:
            parts = {q: errors.sums.get((group, q)) for q in ("energy", "force", "dipole")}
            words = [
                f"{q} {np.sqrt(part.squares / part.count):.4f}" for q, part in parts.items() if part
            ]
            print(f"{name:10s} {split:9s} {group:10s}", *words)


def main() -> None:
    """Fit both and print their errors (eV/atom, eV/Å, e·Å)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the fits")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rigid = load("halides")
    starts = {"rigid": rigid, "polarised": polarised(rigid, VALUES, EXPONENTS)}
    for name, start in starts.items():
        potential, cost = fitted(start, options.iterations)
        potential.save(options.output / f"{name}.json")
        print(f"{name}: cost {cost:.1f}")
        print_errors(name, potential)


if __name__ == "__main__":
    main()
