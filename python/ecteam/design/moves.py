"""Moves: how a candidate becomes the next one.

Each move takes a trained candidate and gives all expressions it can become; the search draws from
them. The moves *remove*, *shrink* and *grow* read the Fisher information: they act where
parameters are sloppiest or stiffest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ecteam import terms
from ecteam.expressions import (
    factors,
    leaf_labels,
    leaves,
    product_of,
    sum_of,
    summands,
    with_leaf,
)
from ecteam.terms import Expression

Settings = dict[str, Any]

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
    inner : tuple of float
        Å: inner end of the distances that a Chebyshev family spans; 0 for the family's own. No pair
        of atoms in the data is much closer than the best one.
    functions : tuple of str
        Functions of neighbour sums.
    most_functions : int
        Radial functions of a leaf.
    """

    families: tuple[str, ...] = ("chebyshev", "bessel", "gaussian", "slater")
    cutoffs: tuple[float, ...] = (4.0, 4.75, 5.5)
    inner: tuple[float, ...] = (0.0, 2.0)
    functions: tuple[str, ...] = ("exponential", "square_root")
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
    """Change family, cutoff or function of one leaf, or the radial functions of all of a kind."""
    found = []
    own = leaves(parent.expression)
    for k, leaf in enumerate(own):
        for other in _variants(leaf, palette):
            found.append(with_leaf(parent.expression, k, other))
    for kind in sorted({leaf.kind for leaf in own} - {"constant"}):
        for radial in _radials(palette):
            changed = parent.expression
            for k, leaf in enumerate(own):
                if leaf.kind == kind:
                    changed = with_leaf(changed, k, _changed(leaf, **radial))
            if changed != parent.expression:
                found.append(changed)
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


def _radials(palette: Palette) -> list[Settings]:
    """Every family with every cutoff, and every inner end for Chebyshev's."""
    found: list[Settings] = []
    for family in palette.families:
        for cutoff in palette.cutoffs:
            for inner in palette.inner if family == "chebyshev" else (0.0,):
                span = (inner, cutoff) if inner else None
                found.append({"family": family, "cutoff": cutoff, "span": span})
    return found


def _small_leaves(palette: Palette) -> list[Expression]:
    found: list[Expression] = []
    for radial in _radials(palette):
        found += [terms.Pair(n, **radial) for n in (2, 3, 4)]
        for function in palette.functions:
            outer: Settings = {"function": function, **radial}
            found += [terms.NeighbourExponential(n, **outer) for n in (2, 3)]
    return found


def _small_terms(palette: Palette) -> list[Expression]:
    found = _small_leaves(palette)
    for radial in _radials(palette):
        for n, degree in ((1, 2), (1, 4), (2, 2), (2, 4), (3, 3)):
            three = terms.ThreeBody(n, degree, **radial)
            found += [three, terms.Pair(2, **radial) * three] if n == 1 else [three]
    return found


def _radial(leaf: Expression) -> Settings:
    return {name: getattr(leaf, name) for name in ("family", "cutoff", "span")}


def _changed(leaf: Expression, **settings: Any) -> Expression:
    """Copy a leaf with other settings."""
    changed: Expression = replace(leaf, **settings)  # type: ignore[type-var]
    return changed


def _variants(leaf: Expression, palette: Palette) -> list[Expression]:
    if leaf.kind == "constant":
        return []
    own = _radial(leaf)
    # One thing at a time; the span follows the cutoff.
    found = [
        _changed(leaf, **radial)
        for radial in _radials(palette)
        if sum(radial[name] != own[name] for name in ("family", "cutoff")) <= 1 and radial != own
    ]
    if isinstance(leaf, terms.NeighbourExponential):
        found += [
            _changed(leaf, function=function)
            for function in palette.functions
            if function != leaf.function
        ]
    return found


def _halves(part: Expression, palette: Palette) -> list[list[Expression]]:
    if not isinstance(part, terms.Pair) or part.functions < 2:
        return []
    own, half = _radial(part), part.functions // 2
    return [
        [_changed(part, functions=part.functions - half), terms.Pair(half, **radial)]
        for radial in _radials(palette)
        if radial["family"] == own["family"] and radial["cutoff"] < own["cutoff"]
    ]


def _expanded(part: Expression) -> list[list[Expression]]:
    """Write A (B + C) as A B + A C."""
    own = factors(part)
    found = []
    for k, factor in enumerate(own):
        if factor.kind == "sum" and len(own) > 1:
            rest = [*own[:k], *own[k + 1 :]]
            found.append([product_of([*rest, term]) for term in summands(factor)])
    return found


def _alike(a: terms.ThreeBody, b: terms.ThreeBody) -> bool:
    return (a.family, a.triples) == (b.family, b.triples)


def _joined(a: Expression, b: Expression, palette: Palette) -> Expression | None:
    if isinstance(a, terms.Pair) and isinstance(b, terms.Pair) and a.family == b.family:
        longer = a if a.cutoff >= b.cutoff else b
        total = min(a.functions + b.functions, palette.most_functions)
        return _changed(longer, functions=total)
    if isinstance(a, terms.ThreeBody) and isinstance(b, terms.ThreeBody) and _alike(a, b):
        larger = a if a.functions >= b.functions else b
        return _changed(larger, lmax=max(a.lmax, b.lmax))
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
    wanted = getattr(leaf, "functions", 0) + change
    if 1 <= wanted <= palette.most_functions:
        found.append(_changed(leaf, functions=wanted))
    if isinstance(leaf, terms.ThreeBody) and 0 <= leaf.lmax + change <= MOST_DEGREE:
        found.append(_changed(leaf, lmax=leaf.lmax + change))
    return found
