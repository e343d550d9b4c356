"""What the ingredients of potentials are worth: fits without one of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import ecteam
import numpy as np
from ecteam.fit import Labels, Settings, errors_of, train
from ecteam.fit.form import Form
from ecteam.fit.shipped import CLOSE, FORMS, SCALES, STAGES, eliminated, shipped_labels
from ecteam.peers import within
from rich.table import Table

from . import halides, water
from .methods import ensemble
from .tables import Observable

HALIDE_ITERATIONS, WATER_ITERATIONS, STAGED_ITERATIONS = 30, 60, 20


def halide_variants() -> dict[str, Form]:
    """Forms with an ingredient missing."""
    full = FORMS["halides"]()
    elements = [pair for pair in full.decays if " " not in pair[0]]
    common = dict.fromkeys(elements, (1.2, 2.0, 3.3, 5.0))
    ground = {symbol: ("ground",) for symbol in full.states}
    convex = {"embedding[* 2]": (0.0, np.inf)}
    return {
        "all of it": full,
        "no polarisation": replace(full, polarisabilities=None),
        "no repulsion by state": replace(full, decays=common),
        "no resonance": replace(full, channels=[], bounds=convex),
        "no ω: neutral atoms": replace(
            full, states=ground, decays=common, channels=[], bounds=convex, polarisabilities=None
        ),
    }


def warm(form: Form, name: str) -> ecteam.Potential:
    """Start with the values of a shipped potential where a parameter has the same name."""
    shipped, start = ecteam.load(name), form.start()
    known = dict(zip(shipped.parameter_names, shipped.parameters, strict=True))
    values = zip(start.parameter_names, start.parameters, strict=True)
    return start.with_parameters(np.array([known.get(name, value) for name, value in values]))


def neutral(labels: Labels) -> Labels:
    """Keep what neutral atoms can be fitted to; their dipoles are zero."""
    return labels[[k for k, a in enumerate(labels.structures) if not a.info["charge"]]]


def halide_table() -> Table:
    """Fit every variant to the same data; held-out errors without walls, and the targets met."""
    fitted, held_out = shipped_labels("halides")
    chosen = [k for k, g in enumerate(held_out.groups) if g not in ("wall", "like-ions")]
    table = Table("variant", "parameters", "meV/atom", "eV/Å", "e·Å", "within target")
    table.title = "what the ingredients of halides are worth, held out"
    for name, form in halide_variants().items():
        start = warm(form, "halides")
        settings = Settings(iterations=HALIDE_ITERATIONS, ridge=1e-8)
        some, judged = fitted, held_out[chosen]
        if name.startswith("no ω"):
            some, judged = neutral(some), neutral(judged)
        prior, model = form.prior(start), form.model(start)
        found = train(model, some, SCALES["halides"], settings, prior=prior).model.potential
        rmse = errors_of(found, judged).rmse()
        errors = f"{1000 * rmse['energy']:.1f}", f"{rmse['force']:.3f}", f"{rmse['dipole']:.3f}"
        observables = [one for one in halides.observables() if one.target is not None]
        table.add_row(name, str(len(start.parameters)), *errors, _targets(found, observables))
    return table


def _targets(potential: ecteam.Potential, observables: Sequence[Observable]) -> str:
    """How many rows are within their target; what a potential cannot give is not."""
    methods = {"own": ensemble(potential, "")}
    met = sum(within(one.row(methods), "own") is True for one in observables)
    return f"{met} of {len(observables)}"


def unpolarised_variants() -> dict[str, Form]:
    """Forms with an ingredient missing."""
    full = FORMS["water-unpolarised"]()
    ground = {symbol: ("ground",) for symbol in full.states}
    return {
        "all of it": full,
        "no three-body": replace(full, terms=None),
        "no resonance": replace(full, channels=[]),
        "no ω: neutral atoms": replace(full, states=ground, channels=[]),
    }


def water_variants() -> dict[str, Form]:
    """Forms with an ingredient missing."""
    full = FORMS["water"]()
    common = {pair: decays for pair, decays in full.decays.items() if " " not in pair[0]}
    ground = {symbol: ("ground",) for symbol in full.states}
    rigid = replace(full, polarisabilities=None, polarisation_exponents=None)
    variants = {
        "all of it": full,
        "no polarisation": rigid,
        "no three-body": replace(full, terms=None),
        "no repulsion by state": replace(full, decays=common),
        "no resonance": replace(full, channels=[]),
        "no ω: neutral atoms": replace(rigid, states=ground, decays=common, channels=[]),
    }
    return {words: _without_eliminated(form) for words, form in variants.items()}


def _without_eliminated(form: Form) -> Form:
    """Leave out what the shipped potential does without."""
    own = form.start().parameter_names
    gone = eliminated(ecteam.load("water"), "water")
    return replace(form, left_out=[name for name in gone if name in own])


def refitted(name: str, form: Form, labels: Labels) -> ecteam.Potential:
    """Fit a form from nothing; where that takes stages, from the shipped values."""
    staged = name in STAGES
    start = warm(form, name) if staged else form.start()
    iterations = STAGED_ITERATIONS if staged else WATER_ITERATIONS
    settings = Settings(iterations=iterations, ridge=1e-8)
    model, prior = form.model(start), form.prior(start)
    return train(model, labels, SCALES[name], settings, prior=prior).model.potential


def water_table(name: str, variants: Mapping[str, Form]) -> Table:
    """Every variant fitted to the same data; errors up to 2 eV/atom above the minimum, no walls."""
    fitted, held_out = shipped_labels(name)
    table = Table("variant", "parameters", "ions", "geometries", "meV/atom", "eV/Å", "e·Å")
    table.add_column("within target")
    table.title = f"what the ingredients of {name} are worth, held out"
    for words, form in variants.items():
        alone = words.startswith("no ω")
        found = refitted(name, form, neutral(fitted) if alone else fitted)
        observables = [one for one in water.observables(name) if one.target is not None]
        for ions in (False,) if alone else (True, False):
            usual = [k for k, g in enumerate(held_out.groups) if g not in (*CLOSE, "wall")]
            part = held_out[usual] if ions else neutral(held_out[usual])
            errors = errors_of(found, part).rmse()
            table.add_row(
                words,
                str(len(form.model(found).parameters)),
                "with" if ions else "without",
                str(len(part)),
                f"{1000 * errors['energy']:.1f}",
                f"{errors['force']:.3f}",
                f"{errors['dipole']:.3f}",
                _targets(found, observables) if ions or alone else "",
            )
    return table


TABLES: dict[str, Callable[[], Table]] = {
    "halides": halide_table,
    "water": lambda: water_table("water", water_variants()),
    "water-unpolarised": lambda: water_table("water-unpolarised", unpolarised_variants()),
}
"""By name of the potential."""
