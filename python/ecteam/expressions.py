"""Expressions as text and as trees: parse a formula, look at its leaves, put it together again."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add, mul

from ecteam import terms
from ecteam._core import InvalidInputError
from ecteam.terms import Expression

LEAVES: dict[str, Callable[..., Expression]] = {
    "Constant": terms.Constant,
    "NeighbourExponential": terms.NeighbourExponential,
    "Pair": terms.Pair,
    "ThreeBody": terms.ThreeBody,
}
"""What a formula may call."""


def parse(formula: str) -> Expression:
    """Read an expression from its formula, as ``repr`` writes it.

    Only the names of terms, +, ×  (written ``*``) and literal arguments are understood; nothing
    is executed.

    Raises
    ------
    InvalidInputError
        Naming the part of the formula that is not understood, or the argument that is out of range.
    """
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise InvalidInputError(f"formula: {formula!r} is not an expression: {error}") from None
    return _build(tree, formula)


def _build(node: ast.expr, formula: str) -> Expression:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        join = add if isinstance(node.op, ast.Add) else mul
        found: Expression = join(_build(node.left, formula), _build(node.right, formula))
        return found
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LEAVES:
        try:
            positional = [ast.literal_eval(argument) for argument in node.args]
            named = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
            return LEAVES[node.func.id](*positional, **named)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(f"formula: {ast.unparse(node)}: {error}") from None
    raise InvalidInputError(
        f"formula: {formula!r}: must be made of {', '.join(LEAVES)}, + and *, "
        f"got {ast.unparse(node)!r}"
    )


def key_of(expression: Expression) -> str:
    """Name an expression, whatever the order of its terms; the same in every run."""
    return hashlib.sha256(_canonical(expression).encode()).hexdigest()[:12]


def _canonical(expression: Expression) -> str:
    """Text that does not depend on the order of terms and factors."""
    if not expression.children:
        return json.dumps(expression.to_dict(), sort_keys=True)
    return f"{expression.kind}({','.join(sorted(map(_canonical, expression.children)))})"


def summands(expression: Expression) -> list[Expression]:
    """Terms of a sum, however it was nested; an expression that is no sum is its own term."""
    if expression.kind != "sum":
        return [expression]
    return [term for child in expression.children for term in summands(child)]


def factors(expression: Expression) -> list[Expression]:
    """Factors of a product, however it was nested."""
    if expression.kind != "product":
        return [expression]
    return [factor for child in expression.children for factor in factors(child)]


def sum_of(parts: Sequence[Expression]) -> Expression:
    """Add up one or more expressions; of several constants one is enough."""
    flat = [term for part in parts for term in summands(part)]
    constants = [term for term in flat if term.kind == "constant"]
    kept = [term for term in flat if term.kind != "constant"]
    return reduce(add, constants[:1] + kept)


def product_of(parts: Sequence[Expression]) -> Expression:
    """Multiply one or more expressions; a constant factor is left out, the others have scale."""
    kept = [part for part in parts if part.kind != "constant"]
    return reduce(mul, kept or parts[:1])


def leaves(expression: Expression) -> list[Expression]:
    """Single-term models from left to right."""
    if not expression.children:
        return [expression]
    return [leaf for child in expression.children for leaf in leaves(child)]


def leaf_labels(expression: Expression) -> list[str]:
    """Begin the parameter names of each leaf: its kind and its number among that kind."""
    counts: dict[str, int] = {}
    labels = []
    for leaf in leaves(expression):
        counts[leaf.kind] = counts.get(leaf.kind, 0) + 1
        labels.append(f"{leaf.kind}{counts[leaf.kind]}")
    return labels


def with_leaf(expression: Expression, index: int, leaf: Expression) -> Expression:
    """Replace the leaf of this index."""
    replaced, _ = _with_leaf(expression, index, leaf)
    return replaced


def _with_leaf(tree: Expression, index: int, leaf: Expression) -> tuple[Expression, int]:
    """Give the new tree and how far the index lies beyond it, negative once it is replaced."""
    if not tree.children:
        return (leaf if index == 0 else tree), index - 1
    children = []
    for child in tree.children:
        child, index = _with_leaf(child, index, leaf)
        children.append(child)
    return (sum_of if tree.kind == "sum" else product_of)(children), index
