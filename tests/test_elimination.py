"""Backward elimination: what it promises is what a fit without the parameters finds."""

from dataclasses import replace

import numpy as np
import pytest
from ecteam import InvalidInputError, load
from ecteam.fit import Settings, eliminate, labels_of, train
from ecteam.fit.shipped import FORMS, PARAMETERS, eliminated
from ecteam.terms import Pair, ThreeBody
from toy_model import CUTOFF, crystals, labelled

SETTINGS = Settings(ridge=0.0, tolerance=1e-12)
TERMS = Pair(5, cutoff=CUTOFF) + ThreeBody(2, 1, cutoff=CUTOFF)


@pytest.fixture(scope="module")
def labels():
    return labels_of(labelled(crystals(8), noise=(2e-3, 0.05, 1e-3)))


@pytest.fixture(scope="module")
def whole(labels):
    return train(TERMS.potential(["Nb"]).select(), labels, settings=SETTINGS)


def test_costs_are_those_of_fits_without_the_parameters(labels, whole):
    names = whole.model.parameter_names
    found = eliminate(whole, len(names) - 4, ["*"])
    for k, cost in enumerate(found.costs):
        start = TERMS.potential(["Nb"]).select()
        gone = found.names[: k + 1]
        zeros = start.with_parameters([0.0 if n in gone else 0.1 for n in names])
        again = train(zeros.without(gone), labels, settings=SETTINGS)
        assert again.cost - whole.cost == pytest.approx(cost, rel=1e-5)


def test_the_first_to_go_is_the_cheapest(labels, whole):
    first = eliminate(whole, len(whole.model.parameter_names) - 1, ["*"])
    for name in whole.model.parameter_names:
        only = eliminate(whole, len(whole.model.parameter_names) - 1, [name])
        assert only.names == (name,)
        assert only.costs[0] >= first.costs[0] * (1.0 - 1e-9)


def test_only_what_may_go_goes(whole):
    names = whole.model.parameter_names
    found = eliminate(whole, len(names) - 2, ["three_body*"])
    assert all(name.startswith("three_body") for name in found.names)
    assert eliminate(whole, len(names), ["*"]).names == ()
    with pytest.raises(InvalidInputError, match="count"):
        eliminate(whole, 0, ["three_body*"])
    for wrong in (["resonance*"], "three_body*"):
        with pytest.raises(InvalidInputError, match="patterns"):
            eliminate(whole, len(names) - 1, wrong)
    with pytest.raises(InvalidInputError, match=r"whole number, got 2\.5"):
        eliminate(whole, 2.5, ["*"])


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_the_card_counts_what_was_fitted(name):
    shipped = load(name)
    model = shipped.select().without(eliminated(shipped, name))
    assert len(model.parameters) == PARAMETERS[name] == shipped.to_dict()["fit"]["parameters"]
    assert np.count_nonzero(model.parameters) == PARAMETERS[name]


def test_what_the_data_do_not_determine_has_no_order(labels):
    twice = (Pair(3, cutoff=CUTOFF) + Pair(3, cutoff=CUTOFF)).potential(["Nb"]).select()
    found = train(twice, labels, settings=SETTINGS)
    with pytest.raises(InvalidInputError, match="determine"):
        eliminate(found, 3, ["*"])
    ridge = Settings(ridge=1e-10)
    found = train(twice, labels, settings=ridge)
    gone = eliminate(found, 3, ["*"])
    assert (gone.costs < 1e-3 * found.cost).all(), "only the ridge has to pay for equal terms"
    zeros = twice.with_parameters([0.0 if n in gone.names else 0.1 for n in twice.parameter_names])
    again = train(zeros.without(gone.names), labels, settings=ridge)
    assert again.cost == pytest.approx(found.cost, rel=1e-8)


def test_a_form_keeps_what_is_left_out_at_zero():
    full = FORMS["water"]()
    names = ("repulsion[H cation-H cation 2: amplitude]", "three_body1[O: H0 H0 l=1]")
    form = replace(full, left_out=names)
    every = full.start(3)
    for potential in (form.start(), form.start(3), form.inheriting(every)):
        known = dict(zip(potential.parameter_names, potential.parameters, strict=True))
        assert [known[name] for name in names] == [0.0, 0.0]
        assert len(form.model(potential).parameters) == len(potential.parameters) - 2
        assert form.prior(potential).centre.shape == form.model(potential).parameters.shape
    with pytest.raises(InvalidInputError, match="no such"):
        replace(full, left_out=["no such"]).start()
    for wrong in (["no such"], "abc"):
        with pytest.raises(InvalidInputError, match="names"):
            every.select().without(wrong)
