"""Fisher information: spectrum, scalings, uncertainty that covers, words."""

from dataclasses import replace

import numpy as np
import pytest
from ecteam import InvalidInputError
from ecteam.fisher import Fisher, fisher
from ecteam.fit import Scales, Settings, labels_of, train
from ecteam.fit.factor import Accumulator
from toy_model import TRUE, ToyModel, crystals, labelled

NOISE = (2e-3, 0.05, 1e-3)
TRUE_SCALES = Scales(*NOISE)


@pytest.fixture(scope="module")
def labels():
    return labels_of(labelled(crystals(6), noise=NOISE))


def of_matrix(jacobian, residual=None, **options):
    sums = Accumulator(jacobian.shape[1])
    sums.add(jacobian, np.ones(len(jacobian)) if residual is None else residual)
    size = jacobian.shape[1]
    names = tuple(f"p{k}" for k in range(size))
    parameters = np.arange(1.0, size + 1.0)
    return Fisher(names, parameters, sums.factor(), np.zeros(size), **options)


def test_matrix_and_spectrum_are_those_of_the_weighted_jacobian(labels):
    found = fisher(ToyModel(), labels, TRUE_SCALES, scaling="none")
    _, jacobian = ToyModel().jacobian(labels.structures)
    weights = np.concatenate([TRUE_SCALES.row_weights(a, "") for a in labels.structures])
    matrix = jacobian.T @ (weights[:, None] ** 2 * jacobian)
    assert found.matrix == pytest.approx(matrix, rel=1e-9)
    assert found.eigenvalues[:3] == pytest.approx(np.linalg.eigvalsh(matrix)[::-1][:3], rel=1e-8)
    vectors = found.eigenvectors
    assert vectors.T @ vectors == pytest.approx(np.eye(5), abs=1e-12)
    assert vectors.T @ matrix @ vectors == pytest.approx(
        np.diag(found.eigenvalues), abs=1e-9 * found.eigenvalues[0]
    )


def test_unit_scaling_does_not_depend_on_units():
    random = np.random.default_rng(1)
    jacobian = random.normal(size=(50, 4)) @ random.normal(size=(4, 4))
    first = of_matrix(jacobian)
    second = of_matrix(jacobian * [1e-6, 1.0, 1e3, 42.0])
    assert first.eigenvalues == pytest.approx(second.eigenvalues, rel=1e-9)
    assert first.eigenvalues.sum() == pytest.approx(4.0)
    assert first.condition == pytest.approx(second.condition, rel=1e-9)
    assert first.effective_dimension == pytest.approx(second.effective_dimension)
    assert (
        of_matrix(jacobian, scaling="none").condition
        < of_matrix(jacobian * [1e-6, 1.0, 1e3, 42.0], scaling="none").condition / 1e6
    )
    relative = of_matrix(jacobian, scaling="relative")
    assert relative.eigenvalues == pytest.approx(
        of_matrix(jacobian * relative.parameters, scaling="none").eigenvalues
    )


def test_small_eigenvalues_are_right_beyond_double_precision_of_the_matrix():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 3)))[0]
    mix = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    found = of_matrix(basis * [1.0, 1e-5, 1e-10] @ mix, scaling="none")
    assert found.eigenvalues == pytest.approx([1.0, 1e-10, 1e-20], rel=1e-3)


def test_counts_of_directions():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 4)))[0]
    even = of_matrix(basis)
    assert even.condition == pytest.approx(1.0)
    assert even.stiff_directions == 4
    assert even.effective_dimension == pytest.approx(4.0, abs=0.01)
    assert even.sloppiness == pytest.approx(np.zeros(4))
    twin = basis.copy()
    twin[:, 3] = twin[:, 2] + 1e-4 * twin[:, 3]
    found = of_matrix(twin)
    assert found.stiff_directions == 3
    assert found.effective_dimension == pytest.approx(3.0, abs=0.01)
    assert {name for name, _ in found.participation(-1, 2)} == {"p2", "p3"}
    assert [share for _, share in found.participation(-1, 2)] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert found.sloppiness == pytest.approx([0, 0, 0.5, 0.5], abs=1e-3)
    twin[:, 3] = twin[:, 2]
    assert of_matrix(twin).condition == np.inf
    assert "say nothing at all about 1" in of_matrix(twin).summary()


def test_covariance_is_the_textbook_one():
    random = np.random.default_rng(4)
    jacobian, residual = random.normal(size=(30, 3)), random.normal(size=30)
    found = of_matrix(jacobian, residual)
    variance = residual @ residual / 27
    expected = variance * np.linalg.inv(jacobian.T @ jacobian)
    assert found.noise == pytest.approx(np.sqrt(variance))
    assert found.covariance == pytest.approx(expected, rel=1e-9)
    assert found.standard_errors == pytest.approx(np.sqrt(np.diag(expected)))
    direction = random.normal(size=(2, 3))
    assert found.standard_deviations(direction) == pytest.approx(
        np.sqrt(np.einsum("ni,ij,nj->n", direction, expected, direction))
    )
    prior = replace(found, precision=np.full(3, 5.0))
    narrower = variance * np.linalg.inv(jacobian.T @ jacobian + 5.0 * np.eye(3))
    assert prior.covariance == pytest.approx(narrower, rel=1e-9)


def test_intervals_cover_as_often_as_they_say():
    structures, probe = crystals(3, size=1), crystals(1, seed=9, size=1)
    truth = ToyModel().predictions(probe)
    inside = []
    for seed in range(80):
        labels = labels_of(labelled(structures, noise=NOISE, seed=seed))
        settings = Settings(ridge=0.0, tolerance=1e-8)
        fitted = train(ToyModel(TRUE), labels, TRUE_SCALES, settings)
        low, high = fisher(fitted.model, labels, TRUE_SCALES).interval(fitted.model, probe)
        inside.append((low <= truth) & (truth <= high))
    assert 0.92 <= np.mean(inside) <= 0.98


def test_uncertainty_needs_more_labels_than_parameters(labels):
    sums = Accumulator(3)
    sums.add(np.eye(3), np.ones(3))
    few = Fisher(("a", "b", "c"), np.ones(3), sums.factor(), np.zeros(3))
    with pytest.raises(InvalidInputError, match="more than 3 labels"):
        _ = few.covariance


def test_summary_and_data(labels):
    found = fisher(ToyModel(), labels, TRUE_SCALES)
    text = found.summary()
    for words in ("330 labels, 5 parameters", "stiff", "Condition number", "Determined worst"):
        assert words in text
    data = found.data()
    assert data["condition"] == found.condition
    assert data["sloppiest"][0][0] in found.names
    with pytest.raises(InvalidInputError, match="scaling: must be unit, relative, none"):
        fisher(ToyModel(), labels, scaling="log")
    with pytest.raises(InvalidInputError, match="level: must be between 0 and 1"):
        found.interval(ToyModel(), crystals(1), level=1.0)
