"""Moves: how a candidate becomes the next one.

Each move takes a trained candidate and gives all expressions it can become; the search draws from
them. The moves *remove*, *shrink* and *grow* read the Fisher information: they act where
parameters are sloppiest or stiffest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecteam import terms
from ecteam.design.expressions import (
    factors,
    leaf_labels,
    leaves,
    product_of,
    sum_of,
    summands,
    with_leaf,
)
from ecteam.terms import Expression

MOST_DEGREE = 4
"""Of the Legendre polynomials of three-body terms."""
WORST = 2
"""Act on this many of the sloppiest or stiffest leaves."""


@dataclass(frozen=True)
class Palette:
    """What moves may build.

    Attributes
    ----------
    families : tuple of str
        Radial families.
    cutoffs : tuple of float
        Å.
    kinds : tuple of str
        Functions of neighbour sums.
    most_functions : int
        Radial functions of a leaf.
    """

    families: tuple[str, ...] = ("chebyshev", "bessel", "gaussian", "slater")
    cutoffs: tuple[float, ...] = (4.0, 4.75, 5.5)
    kinds: tuple[str, ...] = ("exponential", "sqrt")
    most_functions: int = 10


@dataclass(frozen=True)
class Parent:
    """A trained candidate, as moves see it.

    Attributes
    ----------
    expression : Expression
        Its formula.
    sloppiness : mapping of str to float
        Mean share of the parameters of each leaf that lies in sloppy directions, by label.
    """

    expression: Expression
    sloppiness: Mapping[str, float] = field(default_factory=dict)


Move = Callable[[Parent, Palette], list[Expression]]


def add(parent: Parent, palette: Palette) -> list[Expression]:
    """Add a small term."""
    return [parent.expression + term for term in _small_terms(palette)]


def multiply(parent: Parent, palette: Palette) -> list[Expression]:
    """Multiply a term by (1 + a small term), which starts as 1, or by a small term."""
    parts = summands(parent.expression)
    found = []
    for k, part in enumerate(parts):
        if part.kind == "constant" or len(leaves(part)) > 3:
            continue
        for small in _small_leaves(palette):
            for factor in (terms.Constant() + small, small):
                found.append(sum_of([*parts[:k], part * factor, *parts[k + 1 :]]))
    return found


def swap(parent: Parent, palette: Palette) -> list[Expression]:
    """Change family, cutoff or kind of one leaf."""
    found = []
    for k, leaf in enumerate(leaves(parent.expression)):
        for other in _variants(leaf, palette):
            found.append(with_leaf(parent.expression, k, other))
    return found


def split(parent: Parent, palette: Palette) -> list[Expression]:
    """Halve a pair term between two cutoffs, or expand a product over a sum."""
    parts = summands(parent.expression)
    found = []
    for k, part in enumerate(parts):
        for halves in (*_halves(part, palette), *_expanded(part)):
            found.append(sum_of([*parts[:k], *halves, *parts[k + 1 :]]))
    return found


def merge(parent: Parent, palette: Palette) -> list[Expression]:
    """Join two alike leaves, or two products with a common factor."""
    parts = summands(parent.expression)
    found = []
    for a in range(len(parts)):
        for b in range(a + 1, len(parts)):
            joined = _joined(parts[a], parts[b], palette)
            if joined is not None:
                rest = [part for k, part in enumerate(parts) if k not in (a, b)]
                found.append(sum_of([*rest, joined]))
    return found


def remove(parent: Parent, palette: Palette) -> list[Expression]:
    """Take the sloppiest terms away, and the sloppiest factors."""
    parts = summands(parent.expression)
    scores = _term_sloppiness(parent, parts)
    found = []
    for k in sorted(range(len(parts)), key=lambda k: -scores[k])[:WORST]:
        rest = [*parts[:k], *parts[k + 1 :]]
        if rest:
            found.append(sum_of(rest))
        own = factors(parts[k])
        for j in range(len(own)) if len(own) > 1 else ():
            smaller = product_of([*own[:j], *own[j + 1 :]])
            found.append(sum_of([*parts[:k], smaller, *parts[k + 1 :]]))
    return found


def shrink(parent: Parent, palette: Palette) -> list[Expression]:
    """Take a radial function or a degree from the sloppiest leaves."""
    return _resized(parent, palette, -1)


def grow(parent: Parent, palette: Palette) -> list[Expression]:
    """Give a radial function or a degree to the stiffest leaves."""
    return _resized(parent, palette, +1)


MOVES: dict[str, Move] = {
    "add": add,
    "multiply": multiply,
    "swap": swap,
    "split": split,
    "merge": merge,
    "remove": remove,
    "shrink": shrink,
    "grow": grow,
}


def draw(
    parent: Parent, palette: Palette, random: np.random.Generator, weights: Mapping[str, float]
) -> tuple[str, Expression] | None:
    """Draw a move and one of its results; None if no move applies."""
    names = [name for name in MOVES if weights.get(name, 1.0) > 0.0]
    share = np.array([weights.get(name, 1.0) for name in names])
    for name in random.choice(names, len(names), replace=False, p=share / share.sum()):
        found = MOVES[str(name)](parent, palette)
        if found:
            return str(name), found[int(random.integers(len(found)))]
    return None


def _small_leaves(palette: Palette) -> list[Expression]:
    found: list[Expression] = []
    for family in palette.families:
        for cutoff in palette.cutoffs:
            for n in (2, 3, 4):
                found.append(terms.Pair(n, family=family, cutoff=cutoff))
    for kind in palette.kinds:
        for family in palette.families:
            for n in (2, 3):
                settings: dict[str, Any] = {"family": family, "cutoff": palette.cutoffs[-1]}
                found.append(terms.NeighbourExponential(n, kind=kind, **settings))
    return found


def _small_terms(palette: Palette) -> list[Expression]:
    found = _small_leaves(palette)
    pairs = [terms.Pair(2, family=f, cutoff=palette.cutoffs[-1]) for f in palette.families]
    for family in palette.families:
        for cutoff in palette.cutoffs:
            for n, degree in ((1, 2), (1, 4), (2, 2), (2, 4), (3, 3)):
                three = terms.ThreeBody(n, degree, family=family, cutoff=cutoff)
                found.append(three)
                if n == 1:
                    found += [pair * three for pair in pairs]
    return found


def _changed(leaf: Expression, **settings: Any) -> Expression:
    """Copy a leaf with other settings."""
    return leaf.replace(**settings)


def _variants(leaf: Expression, palette: Palette) -> list[Expression]:
    if leaf.kind == "constant":
        return []
    found = []
    for family in palette.families:
        if family != leaf.family:
            found.append(_changed(leaf, family=family))
    for cutoff in palette.cutoffs:
        if cutoff != leaf.cutoff:
            found.append(_changed(leaf, cutoff=cutoff))
    if leaf.kind == "neighbour_exponential":
        found += [
            _changed(leaf, function=kind) for kind in palette.kinds if kind != leaf.function
        ]
    return found


def _halves(part: Expression, palette: Palette) -> list[list[Expression]]:
    if part.kind != "pair" or part.n < 2:
        return []
    shorter = [cutoff for cutoff in palette.cutoffs if cutoff < part.cutoff]
    half = part.n // 2
    return [
        [_changed(part, n=part.n - half), _changed(part, n=half, cutoff=cutoff)]
        for cutoff in shorter
    ]


def _expanded(part: Expression) -> list[list[Expression]]:
    """A (B + C) as A B + A C."""
    own = factors(part)
    found = []
    for k, factor in enumerate(own):
        if factor.kind == "sum" and len(own) > 1:
            rest = [*own[:k], *own[k + 1 :]]
            found.append([product_of([*rest, term]) for term in summands(factor)])
    return found


def _joined(a: Expression, b: Expression, palette: Palette) -> Expression | None:
    if a.kind == b.kind and a.kind in ("pair", "three_body") and a.family == b.family:
        n = min(a.n + b.n, palette.most_functions) if a.kind == "pair" else max(a.n, b.n)
        settings: dict[str, Any] = {"n": n, "cutoff": max(a.cutoff, b.cutoff)}
        if a.kind == "three_body":
            settings["lmax"] = max(a.lmax, b.lmax)
        return _changed(a, **settings)
    first, second = factors(a), factors(b)
    common = [factor for factor in first if factor in second]
    if not common or (len(first) < 2 and len(second) < 2):
        return None
    rests = [_without(first, common[0]), _without(second, common[0])]
    return common[0] * sum_of([product_of(rest) if rest else terms.Constant() for rest in rests])


def _without(parts: Sequence[Expression], part: Expression) -> list[Expression]:
    position = list(parts).index(part)
    return [other for k, other in enumerate(parts) if k != position]


def _term_sloppiness(parent: Parent, parts: Sequence[Expression]) -> list[float]:
    labels = iter(leaf_labels(parent.expression))
    scores = []
    for part in parts:
        own = [parent.sloppiness.get(next(labels), 0.0) for _ in leaves(part)]
        scores.append(float(np.mean(own)))
    return scores


def _resized(parent: Parent, palette: Palette, change: int) -> list[Expression]:
    """Resize the sloppiest leaves if they shrink, the stiffest if they grow."""
    labels, own = leaf_labels(parent.expression), leaves(parent.expression)
    sized = [k for k, leaf in enumerate(own) if leaf.kind != "constant"]
    order = sorted(sized, key=lambda k: change * parent.sloppiness.get(labels[k], 0.0))
    found: list[Expression] = []
    for k in order[:WORST]:
        for leaf in _sizes(own[k], palette, change):
            found.append(with_leaf(parent.expression, k, leaf))
    return found


def _sizes(leaf: Expression, palette: Palette, change: int) -> list[Expression]:
    found = []
    if 1 <= leaf.n + change <= palette.most_functions:
        found.append(_changed(leaf, n=leaf.n + change))
    if leaf.kind == "three_body" and 0 <= leaf.lmax + change <= MOST_DEGREE:
        found.append(_changed(leaf, lmax=leaf.lmax + change))
    return found
