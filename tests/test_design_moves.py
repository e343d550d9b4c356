"""Formulas of the design loop and the moves that change them."""

import numpy as np
import pytest
from ecteam import InvalidInputError
from ecteam.design.moves import MOVES, Palette, Parent, draw
from ecteam.expressions import (
    factors,
    key_of,
    leaf_labels,
    leaves,
    parse,
    sum_of,
    summands,
    with_leaf,
)
from ecteam.terms import Constant, NeighbourExponential, Pair, ThreeBody
from test_design import CURVED, LINEAR


def test_formulas_are_read_as_they_are_written():
    for formula in (LINEAR, CURVED, "Pair(3) * (Constant() + Pair(2, family='bessel')) + Pair(2)"):
        expression = parse(formula)
        assert parse(repr(expression)) == expression
        assert key_of(parse(repr(expression))) == key_of(expression)
    assert parse("Pair(2) * ThreeBody(1, 2)") == Pair(2) * ThreeBody(1, 2)


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "Pair(2) - Pair(3)",
        "__import__('os')",
        "Pair(open('x'))",
        "Pair",
        "2 * Pair(2)",
        "Pair(2, n=3)",
    ],
)
def test_other_formulas_are_refused(formula):
    with pytest.raises(InvalidInputError):
        parse(formula)


def test_trees_come_apart_and_together():
    a, b, c = Pair(2), ThreeBody(1, 2), NeighbourExponential(2)
    tree = a + b * (a + c) + c
    assert summands(tree) == [a, b * (a + c), c]
    assert sum_of(summands(tree)) == tree
    assert factors(b * (a + c)) == [b, a + c]
    assert leaves(tree) == [a, b, a, c, c]
    assert leaf_labels(tree) == [
        "pair1",
        "three_body1",
        "pair2",
        "neighbour_exponential1",
        "neighbour_exponential2",
    ]
    assert with_leaf(tree, 3, a) == a + b * (a + a) + c
    names = tree.potential(["Nb"]).parameter_names
    labels = {name.split("[")[0] for name in names}
    assert labels <= set(leaf_labels(tree))


@pytest.mark.parametrize("name", MOVES)
def test_every_move_gives_other_valid_expressions(name):
    pair, bessel, three = Pair(4), Pair(2, family="bessel"), ThreeBody(2, 2)
    tree = Constant() + pair + bessel + three * (pair + bessel) + bessel * three + Pair(3)
    sloppiness = dict.fromkeys(leaf_labels(tree), 0.1) | {"three_body2": 0.9}
    found = MOVES[name](Parent(tree, sloppiness), Palette())
    assert found
    for expression in found[:: max(1, len(found) // 12)]:
        assert key_of(expression) != key_of(tree)
        assert len(expression.potential(["Nb"]).parameters) >= 1
    sizes = [len(e.potential(["Nb"]).parameters) for e in found[:: len(found) // 12 or 1]]
    size = len(tree.potential(["Nb"]).parameters)
    if name in ("remove", "shrink"):
        assert max(sizes) < size
    if name in ("add", "grow"):
        assert min(sizes) > size


def test_removal_begins_with_the_sloppiest_term_and_growth_with_the_stiffest():
    tree = Pair(3) + Pair(3, family="bessel") + ThreeBody(1, 2) + ThreeBody(2, 2)
    sloppiness = {"pair1": 0.0, "pair2": 0.9, "three_body1": 0.5, "three_body2": 0.2}
    parent = Parent(tree, sloppiness)
    assert MOVES["remove"](parent, Palette())[0] == sum_of(
        [part for k, part in enumerate(summands(tree)) if k != 1]
    )
    assert MOVES["grow"](parent, Palette())[0] == with_leaf(tree, 0, Pair(4))
    assert MOVES["shrink"](parent, Palette())[0] == with_leaf(tree, 1, Pair(2, family="bessel"))


def test_split_and_merge_are_inverse_for_products():
    a, b, c = Pair(2), Pair(3), ThreeBody(1, 2)
    product = c * (a + b)
    apart = MOVES["split"](Parent(product, {}), Palette())
    assert apart == [c * a + c * b]
    assert product in MOVES["merge"](Parent(apart[0], {}), Palette())


def test_draws_are_decided_by_the_seed():
    parent = Parent(parse(CURVED), {})
    for weights in ({}, {"add": 0.0, "swap": 5.0}):
        first = [draw(parent, Palette(), np.random.default_rng(k), weights) for k in range(20)]
        again = [draw(parent, Palette(), np.random.default_rng(k), weights) for k in range(20)]
        assert first == again
    assert "add" not in {name for name, _ in first}
