"""From a configuration to what a fit needs: labels on three sides, a model, its prior."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ecteam._core import InvalidInputError
from ecteam.configuration import naming_field
from ecteam.expressions import parse
from ecteam.fit.config import (
    FitConfig,
    FormStart,
    Shape,
    Side,
    Start,
)
from ecteam.fit.form import Channel, Form, state_pairs
from ecteam.fit.labels import Labels, check_elements
from ecteam.fit.model import FloatArray
from ecteam.fit.settings import Prior
from ecteam.fit.sides import divided
from ecteam.fit.sources import labels_of_sources
from ecteam.parameters import Selection, matching
from ecteam.potential import Potential, load
from ecteam.structure import charge_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """What is fitted to what.

    Attributes
    ----------
    model : Selection
        Start: a potential, its parameters and their bounds.
    prior : Prior
        Of the parameters.
    sides : dict of str to Labels
        ``train``, ``validation`` and ``test``; energies are relative to isolated atoms.
    dropped : list of str
        Origins of structures left out because a copy is on another side.
    config : FitConfig
        Where all this comes from.
    """

    model: Selection
    prior: Prior
    sides: dict[Side, Labels]
    dropped: list[str]
    config: FitConfig

    def digest(self) -> str:
        """SHA-256 of labels, sides, start and prior: another one is another fit."""
        found = hashlib.sha256(self.model.potential.sha256.encode())
        found.update(repr(self.model.chosen).encode())
        own = self.config.optimiser
        found.update(repr((self.config.scales, own.ridge, own.relevance)).encode())
        for values in (self.model.parameter_bounds, self.prior.centre, self.prior.width):
            found.update(values.tobytes())
        for side, labels in self.sides.items():
            found.update(side.encode())
            for atoms, target, group in zip(
                labels.structures, labels.targets, labels.groups, strict=True
            ):
                charge = charge_of(atoms)
                found.update(f"{group} {np.asarray(charge.total_charge).tolist()}".encode())
                found.update(b"" if charge.fragments is None else charge.fragments.tobytes())
                found.update(atoms.positions.tobytes() + atoms.numbers.tobytes())
                found.update(atoms.cell.array.tobytes() + target.tobytes())
        return found.hexdigest()


def problem_of(config: FitConfig) -> Problem:
    """Read the data, make the start, and check that they fit together.

    Raises
    ------
    InvalidInputError
        If a file cannot be read, a pattern matches nothing, a side that is needed is empty, an
        element is unknown, or an isolated atom is missing; the message names the field.
    PotentialFormatError
        If the start is not a potential.
    """
    labels, sides = labels_of_sources(config)
    _check_groups(config, set(labels.groups))
    parts, dropped = divided(labels, sides)
    for side in ("validation", "test"):
        if getattr(config.split, side) > 0.0 and not len(parts[side]):
            logger.warning("split: no structure is on the side %s; try another seed", side)
    if not len(parts["train"]):
        raise InvalidInputError("data: no structure is left to train on")
    potential = start_of(config)
    check_elements(labels, set(potential.elements))
    with naming_field("free"):
        model = _renamed(potential, config).select(*config.free)
    model = _bounded(model, config)
    return Problem(model, prior_of(config, model), parts, dropped, config)


def _check_groups(config: FitConfig, known: set[str]) -> None:
    """Refuse groups that no structure belongs to: a misspelt one would count for nothing."""
    named = [(f"scales.emphasis.{group}", group) for group in config.scales.emphasis]
    named += [(f"curves[{k}].group", curve.group) for k, curve in enumerate(config.curves)]
    for where, group in named:
        if group not in known:
            groups = ", ".join(sorted(known))
            raise InvalidInputError(
                f"{where}: must be a group of the data, {groups}, got {group!r}"
            )


def start_of(config: FitConfig) -> Potential:
    """Make the starting potential: given, constructed or a form, freed, and the learned terms."""
    with naming_field("start"):
        potential = _bare_start(config.start)
    if config.densities:
        with naming_field("densities"):
            potential = potential.free_densities(*config.densities)
    with naming_field("terms"):
        return _with_terms(potential, config.terms) if config.terms else potential


def _bare_start(start: Start) -> Potential:
    if start.potential is not None:
        return load(start.potential)
    if start.library is not None:
        own = start.library
        return Potential.from_library(
            own.elements,
            states=own.states,
            embedding="dimers" if own.embedding == "dimers" else None,
            electronic_temperature=own.electronic_temperature,
            radius=own.radius,
            switch_width=own.switch_width,
        )
    assert start.form is not None
    return form_of(start.form).start(start.form.seed)


def form_of(start: FormStart) -> Form:
    """Form of a configuration.

    Raises
    ------
    InvalidInputError
        If a pair of elements or states is unknown.
    """
    return Form(
        name="fit",
        description="",
        citation="",
        states=start.states,
        decays=_decays(start),
        channels=[Channel(c.pair, c.first, c.second) for c in start.channels],
        electronic_temperature=start.electronic_temperature,
        radius=start.radius,
        switch_width=start.switch_width,
        coefficients=start.coefficients,
    )


def _decays(start: FormStart) -> dict[tuple[str, str], Sequence[float]]:
    """Decays of each pair; ``*`` is for the pairs of elements of which nothing is said."""
    pairs = list(combinations_with_replacement(sorted(start.states), 2))
    resolved = {f"{a}-{b}": (a, b) for a, b in state_pairs(start.states)}
    named = {f"{a}-{b}": (a, b) for a, b in pairs} | resolved
    for name in start.decays:
        if name != "*" and name not in named:
            raise InvalidInputError(
                f"start.form.decays.{name}: must be '*' or one of {', '.join(named)}"
            )
    own: dict[tuple[str, str], Sequence[float]] = {
        pair: start.decays[name] for name, pair in named.items() if name in start.decays
    }
    silent = set(pairs) - {(a.split()[0], b.split()[0]) for a, b in own}
    default: Sequence[float] = start.decays.get("*", ())
    return {p: own.get(p, default) for p in pairs if p in own or p in silent} | own


def _with_terms(potential: Potential, formula: str) -> Potential:
    """Add learned terms; those that are there already keep their values."""
    fields = potential.to_dict()
    added = parse(formula).potential(sorted(potential.elements)).to_dict()["terms"]
    old = fields.get("terms")
    fields["terms"] = added if old is None else {"kind": "sum", "terms": [old, added]}
    return Potential.from_dict(fields)


def _renamed(potential: Potential, config: FitConfig) -> Potential:
    fields = potential.to_dict()
    fields["name"] = config.name
    for name in ("description", "citation"):
        fields[name] = getattr(config, name) or fields[name]
    fields.pop("fit", None)
    return Potential.from_dict(fields)


def _bounded(model: Selection, config: FitConfig) -> Selection:
    """Narrow the bounds; a start outside is moved onto them."""
    names = model.parameter_names
    low, high = np.full((2, len(names)), np.inf) * [[-1.0], [1.0]]
    for k, bound in enumerate(config.bounds):
        chosen = matching(names, bound.parameters, f"bounds[{k}].parameters")
        low[chosen], high[chosen] = bound.lowest, bound.highest
    for k, shape in enumerate(config.shapes):
        for j, (lowest, highest) in _signs(names, shape, f"shapes[{k}]").items():
            low[j], high[j] = max(low[j], lowest), min(high[j], highest)
    narrowed = model.within(low, high)
    bounds = narrowed.parameter_bounds
    empty = np.flatnonzero(bounds[:, 0] > bounds[:, 1])
    if empty.size:
        raise InvalidInputError(
            f"bounds: nothing is left for {names[empty[0]]}, from {bounds[empty[0], 0]:g} to "
            f"{bounds[empty[0], 1]:g}"
        )
    return narrowed.with_parameters(np.clip(narrowed.parameters, *bounds.T))


def _signs(names: Sequence[str], shape: Shape, where: str) -> dict[int, tuple[float, float]]:
    """Bounds of the embedding coefficients that make a shape certain, by parameter."""
    embeddings = [n for n in names if n.startswith("embedding[")]
    owners = [n.removeprefix("embedding[").rpartition(" ")[0] for n in embeddings]
    found: dict[int, tuple[float, float]] = {}
    for j in matching(owners, shape.states, f"{where}.states"):
        number = int(embeddings[j].rstrip("]").split()[-1])
        negative = {"convex": number == 1, "concave": number > 1}.get(
            shape.shape, shape.shape == "falling"
        )
        found[names.index(embeddings[j])] = (-np.inf, 0.0) if negative else (0.0, np.inf)
    return found


def prior_of(config: FitConfig, model: Selection) -> Prior:
    """Prior of the parameters: around the start, or around another potential's values.

    A density scale is 1 for the density of an isolated atom, wherever the fit starts.

    Raises
    ------
    InvalidInputError
        If a pattern matches nothing, or a relative width is asked for around zero.
    """
    names, centre = model.parameter_names, model.parameters
    centre[[name.startswith("density_scale[") for name in names]] = 1.0
    if config.prior.centre is not None:
        with naming_field("prior.centre"):
            values = {c.name: c.value for c in load(config.prior.centre).coefficients}
        centre = np.array([values.get(n, v) for n, v in zip(names, centre, strict=True)])
    width = _own_widths(config, names)
    for k, item in enumerate(config.prior.widths):
        where = f"prior.widths[{k}]"
        for j in matching(names, item.parameters, f"{where}.parameters"):
            width[j] = item.width or (item.relative or 0.0) * abs(centre[j])
            if not width[j] > 0.0:
                raise InvalidInputError(
                    f"{where}.relative: must be a width for {names[j]}, whose centre is 0"
                )
    return Prior(centre, width)


def _own_widths(config: FitConfig, names: Sequence[str]) -> FloatArray:
    """Widths that a form brings along; none otherwise."""
    if config.start.form is None:
        return np.full(len(names), np.inf)
    form = form_of(config.start.form)
    return np.array([form.width(name) for name in names])
