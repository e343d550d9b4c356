"""Fit the charge-transfer potentials that ship with the package.

``python -m ecteam.fit.shipped water -o water.json``
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ecteam.fit.elimination import eliminate
from ecteam.fit.form import Fields, Form
from ecteam.fit.forms import HALOGENS, METALS, copper, halides, oxides
from ecteam.fit.labels import Labels, Scales, folds_of, read_labels
from ecteam.fit.settings import Settings
from ecteam.fit.sweep import Errors, errors_of
from ecteam.fit.training import Step, Trained, train
from ecteam.fit.water import WATER_SCALES, stages, unpolarised_water, water
from ecteam.library import read_library
from ecteam.parameters import Selection, matching
from ecteam.potential import Potential, load

DATA = files("ecteam") / "data"
HIGHEST_ENERGY = 2.0
"""eV/atom above the lowest molecule of the same composition: higher ones are left out. Compressed
crystals and walls stay, they keep the fit from collapsing."""
HIGHEST_CLOSE = 6.0
"""The same for :data:`CLOSE`, which are there for their energy."""
CLOSE = ("h2o-squeezed", "h2o-collapse")
"""Groups of atoms pushed together: random ones, and those that earlier fits fell into."""
FOLDS = 10
"""One part in ten of every group of geometries is never fitted."""


SALTS = ("like-ions", "m2x-plus", "mx2-minus", "mx", "mx-2", "mx-3", "mx-4", "mx-chain", "mx-mixed")
"""Groups of ionic clusters whose energies come from a density functional."""


FORMS = {
    "water": water,
    "water-unpolarised": unpolarised_water,
    "halides": halides,
    "oxides": oxides,
    "copper": copper,
}
STAGES = {"water": stages}
"""Other forms whose fits come before, with their tolerances (:class:`ecteam.fit.Settings`)."""
PARAMETERS = {"water": 120}
"""Parameters to keep: the others are left out by the Fisher information, and the fit goes on."""
CHOICES = {
    "water": (
        "repulsion*",
        "three_body*",
        *(f"!repulsion[{pair} *" for pair in ("H-H", "H-O", "O-O")),
    )
}
"""Those that may be left out. Repulsions that do not depend on states are the walls."""
CHOOSING = 1e-4
"""Tolerance of the fit before."""
MOST_OXYGENS = {"water": 3}
"""Larger clusters are never fitted."""
DATA_SETS = {
    "water-unpolarised": ("water", "close-water", "walls-water"),
    "water": ("water", "close-water", "polarised-water", "walls-water"),
    "halides": ("halides", "potassium", "like-ions", "ion-pairs", "crystals", "walls-halides"),
    "oxides": ("oxides", "magnesia", "crystals-oxides", "rattled-oxides", "walls-oxides"),
    "copper": ("copper", "metals", "walls-copper"),
}
LEFT_OUT = ("mx",)
"""Groups that are not fitted: a density functional leaves too little charge on a stretched metal
halide, and ``ion-pair`` has those curves without that error."""
SCALES = {
    "water": WATER_SCALES,
    "water-unpolarised": Scales(
        energy=0.003,
        force=0.08,
        stress=np.inf,
        dipole=0.07,
        softening=0.05,
        emphasis={
            "wall": 0.3,
            "h2o-squeezed": 0.7,
            "h2o-dimer": 1.5,
            **dict.fromkeys(("h2o-collapse", "h2o-md"), 2.0),
        },
    ),
    "halides": Scales(
        energy=0.01,
        force=0.3,
        stress=np.inf,
        dipole=0.08,
        softening=0.3,
        emphasis={
            "wall": 0.2,
            "like-ions": 0.2,
            "crystal": 2.0,
            "ion-pair": {"energy": 5.0, "dipole": 4.0},
        },
    ),
    "oxides": Scales(
        energy=0.02,
        force=0.3,
        stress=np.inf,
        dipole=0.15,
        softening=0.3,
        emphasis={
            "wall": 0.03,
            "crystal": 4.0,
            "strained": {"energy": 10.0, "force": 3.0},
            "rattled": 0.3,
            "mgo": 3.0,
            "oo": 0.5,
        },
    ),
    "copper": Scales(
        energy=0.02,
        force=0.15,
        stress=np.inf,
        dipole=0.4,
        softening=0.3,
        emphasis={
            "wall": 0.5,
            "strained": 30.0,
            "crystal": 8.0,
            "surface": 2.0,
            "moving": {"energy": 2.0, "force": 0.4},
            "cu3": {"energy": 5.0, "force": 2.0},
            "cu3-plus": 2.5,
            **dict.fromkeys(("cu2", "cu3-minus"), 2.0),
        },
    ),
}
"""Expected errors. Walls and squeezed molecules only have to be there; what keeps a liquid from
collapsing, and from being bound too well, counts more."""


def shipped_labels(name: str) -> tuple[Labels, Labels]:
    """Geometries of a shipped potential: those that are fitted, and those that never are."""
    labels = read_labels(*(str(DATA / "reference" / f"{p}.extxyz.gz") for p in DATA_SETS[name]))
    labels = ions_observed(labels)
    lone = np.array([len(atoms) == 1 and not atoms.pbc.any() for atoms in labels.structures])
    highest = np.array(
        [_highest(atoms, g) for atoms, g in zip(labels.structures, labels.groups, strict=True)]
    )
    wanted = np.array([group not in LEFT_OUT for group in labels.groups])
    kept = wanted & ~lone & (labels.excess <= highest)
    labels = labels[np.flatnonzero(kept).tolist()]
    folds = np.array(folds_of(labels, FOLDS))
    oxygens = np.array([atoms.symbols.count("O") for atoms in labels.structures])
    folds[oxygens > MOST_OXYGENS.get(name, np.inf)] = 0
    return labels[np.flatnonzero(folds > 0).tolist()], labels[np.flatnonzero(folds == 0).tolist()]


def ions_observed(labels: Labels) -> Labels:
    """Put the observed in place of the computed energies of the ions that salts are made of.

    The states of a potential have observed ionisation energies and affinities. Those of a density
    functional are off by 0.1 eV, an error that a fit would have to make good at short range. The
    energy of a salt among its ions has no such error.
    """
    library = read_library()
    shift = {
        symbol: library[symbol][_ion(symbol)].energy - target[0]
        for atoms, target in zip(labels.structures, labels.targets, strict=True)
        if len(atoms) == 1 and atoms.info["charge"]
        for symbol in atoms.symbols
        if symbol in METALS + HALOGENS
    }
    targets = []
    for atoms, target in zip(labels.structures, labels.targets, strict=True):
        moved = target.copy()
        if atoms.info["group"] in SALTS:
            moved[0] += sum(shift[symbol] for symbol in atoms.symbols)
        targets.append(moved)
    return replace(labels, targets=targets)


def _ion(symbol: str) -> str:
    return "cation" if symbol in METALS else "anion"


def _highest(atoms: Atoms, group: str) -> float:
    """Energy above which a structure is left out, eV/atom above the lowest of its composition."""
    if atoms.pbc.any() or group in ("wall", "like-ions", "ion-pair"):
        return np.inf
    return HIGHEST_CLOSE if group in CLOSE else HIGHEST_ENERGY


def card_errors(found: Errors, labels: Labels, split: str) -> list[Fields]:
    """Root-mean-square errors by group, as in a potential file.

    Energies in eV/atom, force components in eV/Å, dipole components in e·Å. The tens of eV of the
    walls, of like ions and of squeezed molecules would hide everything else in a common average:
    ``all`` is without them.
    """
    rows = []
    for group in [*sorted(set(labels.groups)), "all"]:
        usual = [g for g in set(labels.groups) if g not in ("wall", "like-ions", "h2o-squeezed")]
        members = usual if group == "all" else [group]
        count = sum(g in members for g in labels.groups)
        row: Fields = {"group": group, "split": split, "geometries": count}
        for name in ("energy", "force", "dipole"):
            parts = [found.sums[g, name] for g in members if (g, name) in found.sums]
            squares, numbers = sum(p.squares for p in parts), sum(p.count for p in parts)
            if numbers:
                row[name] = float(f"{np.sqrt(squares / numbers):.4g}")
        if count:
            rows.append(row)
    return rows


def card(potential: Potential, name: str) -> list[Fields]:
    """Errors of a shipped potential on its own data, fitted and held out."""
    return [
        row
        for labels, split in zip(shipped_labels(name), ("train", "held-out"), strict=True)
        for row in card_errors(errors_of(potential, labels), labels, split)
    ]


def sealed(potential: Potential, name: str) -> Potential:
    """Potential with what it was fitted to and its errors."""
    fields: dict[str, Any] = potential.to_dict()
    fitted, held_out = shipped_labels(name)
    levels = sorted({str(atoms.info["level"]) for atoms in fitted.structures})
    count, most = len(fitted) + len(held_out), MOST_OXYGENS.get(name)
    larger = "" if most is None else f", and every one with more than {most} oxygens"
    fields["fit"] = {
        "method": "variable projection and Levenberg-Marquardt with exact derivatives on "
        f"energies, forces and dipoles, ecteam {version('ecteam')}; Gaussian prior; one geometry "
        f"in ten of every group held out by a hash{larger}",
        "data": f"{count} geometries; {', '.join(levels)}; {', '.join(DATA_SETS[name])}",
        "parameters": len(potential.parameters) - len(eliminated(potential, name)),
        "errors": card(potential, name),
    }
    return Potential.from_dict(fields)


def eliminated(potential: Potential, name: str) -> tuple[str, ...]:
    """Coefficients that the fit of a shipped potential has set to zero and does not count."""
    if name not in PARAMETERS:
        return ()
    model = potential.select()
    names, values = model.parameter_names, model.parameters
    return tuple(names[k] for k in matching(names, CHOICES[name], "names") if values[k] == 0.0)


def fit_shipped(
    name: str, seed: int | None, iterations: int, progress: Progress, start: Potential | None = None
) -> tuple[float, Potential]:
    """Cost and potential of one start; Ctrl-C ends it with the best so far."""
    full, labels = FORMS[name](), shipped_labels(name)[0]
    best, cost = start, np.inf
    task = progress.add_task(f"{name}, start {seed}", total=iterations)

    def report(step: Step[Selection]) -> None:
        nonlocal best, cost
        best, cost = step.model.potential, step.cost
        words = f"{name}, start {seed}: {cost:.0f}"
        progress.update(task, completed=step.state.iterations, description=words)

    def fitted(form: Form, tolerance: float = Settings.tolerance) -> Trained[Selection]:
        nonlocal best, cost
        best = form.start(seed) if best is None else form.inheriting(best)
        settings = Settings(iterations=iterations, ridge=1e-8, tolerance=tolerance)
        model, prior = form.model(best), form.prior(best)
        found = train(model, labels, SCALES[name], settings, prior=prior, report=report)
        best, cost = found.model.potential, found.cost
        return found

    try:
        for form, tolerance in STAGES[name](full) if name in STAGES and start is None else []:
            fitted(form, tolerance)
        found = fitted(full, CHOOSING if name in PARAMETERS else Settings.tolerance)
        if name in PARAMETERS:
            full = replace(full, left_out=eliminate(found, PARAMETERS[name], CHOICES[name]).names)
            fitted(full)
    except KeyboardInterrupt:
        logging.getLogger(__name__).warning("stopped by the user; the best so far is kept")
    assert best is not None
    return cost, full.inheriting(best)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ecteam.fit.shipped", description=__doc__)
    parser.add_argument("form", choices=sorted(FORMS))
    parser.add_argument("-o", "--output", type=Path, required=True, help="potential file")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", help="random starts; the best is kept")
    parser.add_argument("--start", help="potential to start from, instead")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    start = None if options.start is None else load(options.start)
    with Progress(*columns) as progress:
        runs = [
            fit_shipped(options.form, seed, options.iterations, progress, start)
            for seed in options.seeds or [None]
        ]
    sealed(min(runs, key=lambda run: run[0])[1], options.form).save(options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
