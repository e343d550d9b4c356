"""Fit the charge-transfer potentials that ship with the package.

``python -m ecteam.fit.shipped water -o water.json``
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ecteam.fit.form import Channel, Fields, Form
from ecteam.fit.labels import Labels, Scales, folds_of, read_labels
from ecteam.fit.settings import Settings
from ecteam.fit.sweep import Errors, errors_of
from ecteam.fit.training import Step, train
from ecteam.fit.water import CITATION, WATER_SCALES, stages, unpolarised_water, water
from ecteam.library import read_library
from ecteam.parameters import Selection
from ecteam.potential import Potential, load
from ecteam.terms import NeighbourExponential, ThreeBody

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
METALS, HALOGENS = ("Li", "Na", "K"), ("F", "Cl")


def halides() -> Form:
    """Li, Na, K (ground, cation) and F, Cl (ground, anion); F⁻, Cl⁻ and K⁺ are polarised."""
    ion = dict.fromkeys(HALOGENS, "anion") | dict.fromkeys(METALS, "cation")
    return Form(
        name="halides",
        description="Fluorides and chlorides of lithium, sodium and potassium: molecules, "
        "clusters, ions, crystals.",
        citation=CITATION,
        states={symbol: ("ground", name) for symbol, name in ion.items()},
        decays=_halide_decays(ion),
        channels=[
            Channel((x, m), ("ground", "anion"), ("ground", "cation"))
            for x in HALOGENS
            for m in METALS
        ],
        electronic_temperature=0.02,
        radius=10.0,
        switch_width=4.0,
        coefficients=2,
        # Wider ones let the pair functions and the embedding of neutral atoms cancel in molecules,
        # and atoms of a hot crystal fall into each other.
        embedding_widths={"ground": 6.0, "anion": 0.5, "cation": 0.5},
        bounds={"embedding[* 2]": (0.0, np.inf), "resonance[*: decay]": (0.3, np.inf)},
        resonance=(1.0, 1.2),
        polarisabilities={
            symbol: {ion[symbol]: read_library()[symbol][ion[symbol]].polarisability or 0.0}
            for symbol in ("F", "Cl", "K")
        },
        # The molecules' dipoles say how far the field of a cation reaches into an anion.
        polarisation_exponents={"F": 1.15, "Cl": 1.06, "K": 2.5},
    )


def _halide_decays(ion: Mapping[str, str]) -> dict[tuple[str, str], Sequence[float]]:
    """Walls between all states, bonds between neutral atoms, what ions do to each other."""
    decays: dict[tuple[str, str], Sequence[float]] = {}
    for a, b in combinations_with_replacement(sorted(ion), 2):
        decays[a, b] = 3.3, 5.0
        decays[f"{a} ground", f"{b} ground"] = 1.2, 2.0, 3.3
        decays[f"{a} {ion[a]}", f"{b} {ion[b]}"] = 1.5, 3.0, 5.0
    return decays


def oxides() -> Form:
    """Mg (ground, cation, dication) and O (ground, anion, dianion)."""
    metal, oxygen = ("ground", "cation", "dication"), ("ground", "anion", "dianion")
    hops = [(metal[:2], oxygen[:2]), (metal[1:], oxygen[:2])]
    hops += [(metal[:2], oxygen[1:]), (metal[1:], oxygen[1:])]
    return Form(
        name="oxides",
        description="Magnesium oxide: molecule (CCSD(T)), its cation and clusters (PBE0), crystal "
        "(experiment; rigid ions where it is far from order). Not for more oxygen than metal.",
        citation=CITATION,
        states={"Mg": metal, "O": oxygen},
        decays={
            pair: (1.5, 2.5, 4.0, 6.5) for pair in combinations_with_replacement(("Mg", "O"), 2)
        },
        channels=[Channel(("Mg", "O"), first, second) for first, second in hops],
        electronic_temperature=0.05,
        radius=8.0,
        switch_width=3.0,
        coefficients=2,
        terms=ThreeBody(2, lmax=1, family="slater", cutoff=4.5),
        resonance=(2.0, 1.5),
    )


def copper() -> Form:
    """Cu (ground, cation, anion): electrons and holes hop, and repulsion depends on the states.

    The square root of a neighbour sum binds the metal: the true density of the atom, mostly 3d, is
    too short-ranged for that. Chebyshev functions stay bounded where atoms collide.
    """
    ground, cation, anion = "ground", "cation", "anion"
    hops = [((ground, cation), (ground, anion)), ((ground, cation), (cation, ground))]
    hops.append(((ground, anion), (anion, ground)))
    pairs = ((ground, cation), (ground, anion), (cation, cation), (anion, anion), (anion, cation))
    resolved: dict[tuple[str, str], Sequence[float]] = {
        (f"Cu {a}", f"Cu {b}"): (1.0, 2.0, 3.5) for a, b in pairs
    }
    binding = NeighbourExponential(3, "square_root", cutoff=6.0)
    return Form(
        name="copper",
        description="Copper: clusters of charge -1, 0 and +1 (PBE, atomic ions observed), crystal, "
        "surfaces and melt (PBE at the lattice constant of experiment). Cu3 comes out equilateral, "
        "in the reference its angle is 69 degrees.",
        citation=CITATION,
        states={"Cu": (ground, cation, anion)},
        decays={("Cu", "Cu"): (1.2, 2.0, 3.3, 5.0, 8.0), **resolved},
        channels=[Channel(("Cu", "Cu"), first, second) for first, second in hops],
        electronic_temperature=0.05,
        radius=6.0,
        switch_width=2.5,
        coefficients=3,
        terms=binding + ThreeBody(3, lmax=3, cutoff=5.0),
        # Weaker ones leave the charge of an ion on one atom, and the fit never finds out.
        resonance=(20.0, 1.2),
    )


FORMS = {
    "water": water,
    "water-unpolarised": unpolarised_water,
    "halides": halides,
    "oxides": oxides,
    "copper": copper,
}
STAGES = {"water": stages}
"""Other forms whose fits come before, with their tolerances (:class:`ecteam.fit.Settings`)."""
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
    count = len(fitted) + len(held_out)
    fields["fit"] = {
        "method": "variable projection and Levenberg-Marquardt with exact derivatives on "
        f"energies, forces and dipoles, ecteam {version('ecteam')}; Gaussian prior; one geometry "
        "in ten of every group held out by a hash",
        "data": f"{count} geometries; {', '.join(levels)}; {', '.join(DATA_SETS[name])}",
        "parameters": len(potential.parameters),
        "errors": card(potential, name),
    }
    return Potential.from_dict(fields)


def fit_shipped(
    name: str, seed: int | None, iterations: int, progress: Progress, start: Potential | None = None
) -> tuple[float, Potential]:
    """Cost and potential of one start; Ctrl-C ends it with the best so far."""
    full = FORMS[name]()
    before = STAGES[name](full) if name in STAGES and start is None else []
    best, cost = start, np.inf
    task = progress.add_task(f"{name}, start {seed}", total=iterations)

    def report(step: Step[Selection]) -> None:
        nonlocal best, cost
        best, cost = step.model.potential, step.cost
        words = f"{name}, start {seed}: {cost:.0f}"
        progress.update(task, completed=step.state.iterations, description=words)

    labels = shipped_labels(name)[0]
    for form, tolerance in [*before, (full, Settings.tolerance)]:
        best = form.start(seed) if best is None else form.inheriting(best)
        try:
            settings = Settings(iterations=iterations, ridge=1e-8, tolerance=tolerance)
            model, prior = form.model(best), form.prior(best)
            found = train(model, labels, SCALES[name], settings, prior=prior, report=report)
            best, cost = found.model.potential, found.cost
        except KeyboardInterrupt:
            logging.getLogger(__name__).warning("stopped by the user; the best so far is kept")
            break
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
