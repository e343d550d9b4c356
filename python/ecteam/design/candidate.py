"""One candidate: build, train, validate, look at its Fisher information, time it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ecteam import _core
from ecteam._core import InvalidInputError
from ecteam.design.config import Config, config_of
from ecteam.design.crystals import crystal_deviations
from ecteam.expressions import key_of, leaf_labels, leaves, parse
from ecteam.fisher import Fisher
from ecteam.fit.factor import Factor, solve
from ecteam.fit.labels import (
    Labels,
    check_elements,
    check_separate,
    folds_of,
    read_labels,
    split,
)
from ecteam.fit.model import PROPERTIES, FloatArray, NotFiniteError
from ecteam.fit.sweep import Sweep, errors_of, sweep
from ecteam.fit.training import Trained, train
from ecteam.potential import Potential, load
from ecteam.structure import arrays_of, total_charge_of
from ecteam.terms import Expression

Record = dict[str, Any]

REPEATS = 5
"""Timings of which the shortest counts."""
TIMED_ATOMS = 400
"""A periodic structure has at least so many atoms when it is timed."""


@dataclass(frozen=True)
class Proposal:
    """A candidate before it is trained.

    Attributes
    ----------
    formula : str
        Expression.
    parent, move : str
        Key of the candidate it was made from, and how; empty for the first ones.
    generation : int
        Round.
    start : mapping of str to float
        Values to start from, by parameter name; the others start at the expression's own.
    """

    formula: str
    parent: str = ""
    move: str = "start"
    generation: int = 0
    start: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Sets:
    """Structures of a run: for the search, for the final training, and for the test."""

    search: Labels
    train: Labels
    test: Labels


def load_sets(config: Config) -> Sets:
    """Read the structures of a run and check them.

    Raises
    ------
    InvalidInputError
        If files cannot be read, a label is not finite, an element is not in the list, or a
        geometry is in both training and test set.
    """
    data = config.data
    train_set = read_labels(*data.train)
    if data.test:
        test = read_labels(*data.test)
        check_separate(train_set, test)
    else:
        train_set, test = split(train_set, data.test_fraction, config.seed)
    for labels in (train_set, test):
        check_elements(labels, set(config.elements))
    return Sets(_sample(train_set, data.sample, config.seed), train_set, test)


def _sample(labels: Labels, count: int, seed: int) -> Labels:
    """Choose structures, the same share of every group."""
    if count == 0 or count >= len(labels):
        return labels
    order = np.random.default_rng(seed).permutation(len(labels))
    by_group: dict[str, list[int]] = {}
    for k in order.tolist():
        by_group.setdefault(labels.groups[k], []).append(k)
    share = count / len(labels)
    chosen = [k for group in by_group.values() for k in group[: max(1, round(share * len(group)))]]
    return labels[sorted(chosen)]


@lru_cache(maxsize=2)
def _sets_of(text: str) -> Sets:
    """Read the sets of a configuration, once in every process."""
    return load_sets(config_of(json.loads(text)))


def potential_of(expression: Expression, config: Config, seed: int | None = None) -> Potential:
    """Untrained potential of an expression, on top of the base if there is one.

    With a seed the nonlinear parameters are varied.

    Raises
    ------
    PotentialFormatError
        If a setting is outside its range.
    InvalidInputError
        If the base has other elements, or learned terms of its own.
    """
    alone = expression.potential(list(config.elements), seed=seed)
    if not config.base:
        return alone
    fields = load(config.base).to_dict()
    if sorted(fields["elements"]) != sorted(config.elements) or "terms" in fields:
        raise InvalidInputError(
            f"base: must be a potential of {', '.join(sorted(config.elements))} without learned "
            f"terms, got {config.base!r}"
        )
    fields.pop("fit", None)
    return Potential.from_dict({**fields, "terms": alone.to_dict()["terms"]})


def evaluate(proposal: Proposal, config_text: str) -> Record:
    """Train a candidate on the search set and judge it.

    Returns
    -------
    dict
        ``key``, ``formula``, ``parent``, ``move``, ``generation``; ``parameters`` (their number),
        ``values`` by name; ``training`` and ``validation`` root-mean-square errors; ``properties``,
        relative deviations of the crystal's; ``error``, validation errors and deviations in units
        of the scales (root mean square over both); ``fisher``;
        ``condition``; ``sloppiness`` by leaf; ``cost`` (µs an atom); ``iterations``,
        ``converged``, ``unidentified``, ``seconds``.
    """
    begin = time.perf_counter()
    config = config_of(json.loads(config_text))
    labels = _sets_of(config_text).search
    expression = parse(proposal.formula)
    trained = best_start(expression, proposal, config, labels)
    record = judged(trained, labels, config)
    return {
        "key": key_of(expression),
        "formula": proposal.formula,
        "parent": proposal.parent,
        "move": proposal.move,
        "generation": proposal.generation,
        **record,
        "sloppiness": leaf_sloppiness(expression, trained),
        "seconds": time.perf_counter() - begin,
    }


def best_start(
    expression: Expression, proposal: Proposal, config: Config, labels: Labels
) -> Trained[Potential]:
    """Train from the parent's values and from the expression's own; keep the lowest cost.

    Raises
    ------
    NotFiniteError
        If every start overflows.
    """
    seeds = [None, *range(config.seed, config.seed + config.search.starts - 1)]
    starts = [potential_of(expression, config, seed) for seed in seeds]
    if proposal.start:
        starts[0] = _warm(starts[0], proposal.start)
    if starts[0].linear_parameters.all():
        starts = starts[:1]
    found: list[Trained[Potential]] = []
    problem: NotFiniteError | None = None
    for start in starts:
        try:
            found.append(train(start, labels, config.scales, config.training))
        except NotFiniteError as error:
            problem = error
    if not found:
        raise problem or NotFiniteError("no start")
    return min(found, key=lambda trained: trained.cost)


def _warm(model: Potential, start: Mapping[str, float]) -> Potential:
    values = np.array(model.parameters)
    for k, name in enumerate(model.parameter_names):
        values[k] = start.get(name, values[k])
    return model.with_parameters(np.clip(values, *model.parameter_bounds.T))


def judged(trained: Trained[Potential], labels: Labels, config: Config) -> Record:
    """Errors, spectrum and cost of a trained model."""
    model = trained.model
    folds = folds_of(labels, config.data.folds, config.seed)
    found = sweep(model, labels, config.scales, folds)
    validation = cross_validation(found, trained.precision, model.parameters, config)
    fisher = Fisher(
        tuple(model.parameter_names), np.array(model.parameters), trained.factor, trained.precision
    )
    spectrum = fisher.data()
    deviations = crystal_deviations(model, config.elements[0], config.properties)
    return {
        "parameters": len(model.parameters),
        "values": dict(zip(model.parameter_names, model.parameters.tolist(), strict=True)),
        "training": trained.errors.rmse(),
        "validation": validation,
        "properties": deviations,
        "error": scaled_error(validation, deviations, config),
        "fisher": spectrum,
        "condition": spectrum["condition"],
        "cost": microseconds(model, labels),
        "iterations": trained.iterations,
        "converged": trained.converged,
        "unidentified": list(trained.unidentified),
    }


def scaled_error(
    errors: Mapping[str, float], deviations: Mapping[str, float], config: Config
) -> float:
    """Root mean square over labels and crystal properties of the errors in units of the scales."""
    parts = [value / getattr(config.scales, name) for name, value in errors.items()]
    parts += [value / config.property_scale for value in deviations.values()]
    return float(np.sqrt(np.mean(np.square(parts))))


def cross_validation(
    found: Sweep, precision: FloatArray, parameters: FloatArray, config: Config
) -> dict[str, float]:
    """Root-mean-square error of each property on folds left out of the training.

    Every fold is left out by one linear least-squares step from the fit to all: exact for linear
    parameters, to first order for the others. It needs no further pass over the data.
    """
    squares = dict.fromkeys(PROPERTIES, 0.0)
    counts = dict.fromkeys(PROPERTIES, 0)
    for fold in sorted({key[0] for key in found.factors}):
        rest = Factor.merged([f for key, f in found.factors.items() if key[0] != fold])
        penalised = rest.with_prior(precision, -parameters)
        step = solve(penalised.triangle, penalised.projected).step
        for (other, group, name), factor in found.factors.items():
            if other == fold:
                squares[name] += config.scales.of(name, group) ** 2 * factor.chi_squared(step)
                counts[name] += factor.rows
    return {
        name: float(np.sqrt(squares[name] / counts[name])) for name in PROPERTIES if counts[name]
    }


def leaf_sloppiness(expression: Expression, trained: Trained[Potential]) -> dict[str, float]:
    """Mean sloppiness of the parameters of each leaf, by label; none for a leaf without any."""
    model = trained.model
    values = Fisher(
        tuple(model.parameter_names), np.array(model.parameters), trained.factor, trained.precision
    ).sloppiness
    found = {}
    for label, _ in zip(leaf_labels(expression), leaves(expression), strict=True):
        own = [
            values[k]
            for k, name in enumerate(model.parameter_names)
            if name.startswith(f"{label}[")
        ]
        if own:
            found[label] = float(np.mean(own))
    return found


def microseconds(model: Potential, labels: Labels) -> float:
    """Time of a step of dynamics with the largest structure, µs an atom: the best of five.

    A periodic structure is repeated to some hundred atoms; the neighbour list is at hand.
    """
    largest = max(labels.structures, key=len)
    times = math.ceil((TIMED_ATOMS / len(largest)) ** (1 / 3)) if largest.pbc.all() else 1
    system = largest.repeat(times)
    evaluator, arrays = _core.Evaluator(model.core), arrays_of(system)
    charge = times**3 * total_charge_of(largest, None)
    shortest = np.inf
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        evaluator.evaluate(*arrays, charge)
        shortest = min(shortest, time.perf_counter() - begin)
    return float(1e6 * shortest / len(system))


def final(record: Record, config_text: str) -> Record:
    """Train a chosen candidate on all training structures and measure it on the test set."""
    config, sets = config_of(json.loads(config_text)), _sets_of(config_text)
    expression = parse(record["formula"])
    proposal = Proposal(record["formula"], start=record["values"])
    trained = best_start(expression, proposal, config, sets.train)
    errors = errors_of(trained.model, sets.test)
    return {
        **{name: record[name] for name in ("key", "formula", "parent", "move", "generation")},
        **judged(trained, sets.train, config),
        "test": errors.rmse(),
        "test_mae": errors.mae(),
        "geometries": {"train": len(sets.train), "held-out": len(sets.test)},
    }
