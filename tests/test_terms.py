"""Learned terms: algebra of expressions, derivatives, invariance, and a direct sum as an oracle."""

import json

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ecteam import _core
from ecteam.expressions import parse
from ecteam.structure import arrays_of
from ecteam.terms import Constant, Expression, NeighbourExponential, Pair, Product, Sum, ThreeBody
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev, legendre
from strategies import random_rotation

FAMILIES = ("chebyshev", "bessel", "gaussian", "slater")


def single_models():
    """Draw models with small settings, of every kind and family."""
    radial = {
        "functions": st.integers(1, 3),
        "family": st.sampled_from(FAMILIES),
        "cutoff": st.sampled_from([3.6, 4.4]),
    }
    return st.one_of(
        st.just(Constant()),
        st.builds(Pair, **radial),
        st.builds(ThreeBody, lmax=st.integers(0, 4), **radial),
        st.builds(
            NeighbourExponential,
            function=st.sampled_from(["exponential", "square_root"]),
            **radial,
        ),
        st.builds(
            NeighbourExponential, function=st.just("spline"), knots=st.integers(4, 6), **radial
        ),
    )


def expressions():
    """Draw sums and products of them, nested."""
    grown = lambda inner: st.tuples(inner, inner, st.booleans()).map(  # noqa: E731
        lambda t: t[0] + t[1] if t[2] else t[0] * t[1]
    )
    return st.recursive(single_models(), grown, max_leaves=4)


def crystal(seed, elements=("Nb",), strain=0.03):
    rng = np.random.default_rng(seed)
    atoms = bulk("Nb", "bcc", a=3.3, cubic=True) * (2, 1, 1)
    atoms.symbols = rng.choice(elements, len(atoms))
    atoms.rattle(0.1, seed=seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.normal(size=(3, 3))), True)
    return atoms


def with_random_parameters(expression, elements, seed):
    potential = expression.potential(elements, seed=seed)
    start, bounds = potential.parameters, potential.parameter_bounds
    size = np.where(potential.linear_parameters, 0.5, 0.02)
    values = start + size * np.random.default_rng(seed).normal(size=start.shape)
    return potential.with_parameters(np.clip(values, bounds[:, 0], bounds[:, 1]))


@settings(deadline=None, max_examples=30)
@given(expressions(), st.integers(0, 99), st.sampled_from([("Nb",), ("Mo", "Nb")]))
def test_jacobian_matches_differences(expression, seed, elements):
    atoms, potential = crystal(seed, elements), with_random_parameters(expression, elements, seed)
    values, jacobian = potential.jacobian([atoms])
    assert np.allclose(values, potential.predictions([atoms]), rtol=0, atol=0)
    theta = potential.parameters
    assert jacobian.shape == (10 + 4 * len(atoms), len(theta))
    for k in np.random.default_rng(seed).permutation(len(theta))[:4]:
        step = np.zeros_like(theta)
        step[k] = 2e-5 * max(1.0, abs(theta[k]))
        # Five points: a square root bends within a hundredth.
        stencil = zip((1, -1, 2, -2), (8, -8, -1, 1), strict=True)
        numeric = sum(
            w * potential.with_parameters(theta + s * step).predictions([atoms]) for s, w in stencil
        ) / (12 * step[k])
        scale = np.abs(jacobian[:, k]).max() + 1e-3 * np.abs(values).max() + 1e-3
        assert np.abs(numeric - jacobian[:, k]).max() < 1e-6 * scale, potential.parameter_names[k]


@settings(deadline=None, max_examples=15)
@given(expressions(), st.integers(0, 99))
def test_forces_and_stress_match_differences(expression, seed):
    atoms = crystal(seed, ("Mo", "Nb"))
    atoms.calc = ecteam.ECTEAM(with_random_parameters(expression, ("Mo", "Nb"), seed))
    forces, stress = atoms.get_forces(), atoms.get_stress()
    scale = np.abs(forces).max() + abs(atoms.get_potential_energy()) + 1.0
    numeric = calculate_numerical_forces(atoms, 1e-4, iatoms=[0, 2])
    assert np.abs(numeric - forces[[0, 2]]).max() < 1e-6 * scale
    assert np.abs(calculate_numerical_stress(atoms, 1e-4) - stress).max() < 1e-6 * scale


@settings(deadline=None, max_examples=15)
@given(expressions(), st.integers(0, 99))
def test_invariance(expression, seed):
    rng = np.random.default_rng(seed)
    atoms = crystal(seed, ("Mo", "Nb"))
    potential = with_random_parameters(expression, ("Mo", "Nb"), seed)
    reference = ecteam.evaluate(atoms, potential)
    q, order = random_rotation(rng), rng.permutation(len(atoms))
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ q.T, scale_atoms=True)
    moved.positions += rng.normal(size=3)
    moved = moved[order]
    result = ecteam.evaluate(moved, potential)
    scale = 1.0 + np.abs(reference.forces).max() + abs(reference.energy)
    assert abs(result.energy - reference.energy) < 1e-10 * scale
    assert np.abs(result.forces - (reference.forces @ q.T)[order]).max() < 1e-10 * scale
    double = ecteam.evaluate(atoms * (1, 2, 1), potential)
    assert abs(double.energy - 2 * reference.energy) < 1e-9 * scale
    assert np.abs(reference.forces.sum(axis=0)).max() < 1e-10 * scale


def test_energies_match_a_direct_sum():
    """Written from the docstrings alone, with numpy's polynomials."""
    pair, three = Pair(3, cutoff=4.4), ThreeBody(2, 3, cutoff=4.0, span=(1.0, 4.0))
    function = NeighbourExponential(2, "exponential", family="slater", cutoff=4.4)
    potential = with_random_parameters(Constant() + pair + function * three, ["Nb"], 5)
    terms = potential.to_dict()["terms"]["terms"]
    c0, c2 = (np.array(t["coefficients"]) for t in terms[:2])
    outer, c3 = (np.array(t["coefficients"]) for t in terms[2]["factors"])
    atoms = crystal(3)
    i, _, _, d, vectors = ecteam.neighbor_list("ijSdD", atoms, 4.4)

    def radial(r, model, low, high):
        x = 2 * (r - low) / (high - low) - 1
        cut = np.where(r < model.cutoff, 1 - (r / model.cutoff) ** 2, 0) ** 3
        return chebyshev.chebvander(x, model.functions - 1) * cut[:, None]

    for atom, energy in enumerate(ecteam.evaluate(atoms, potential).energies):
        r, u = d[i == atom], vectors[i == atom] / d[i == atom][:, None]
        e2 = radial(r, pair, 0.0, 4.4).sum(axis=0) @ c2
        g, p = radial(r, three, 1.0, 4.0), legendre.legvander(u @ u.T, 3)
        b = np.einsum("jp,kq,jkl->pql", g, g, p)
        e3 = np.concatenate([b[0, 0], b[0, 1], b[1, 1]]) @ c3
        zeta = np.array([2 / 4.4, 20 / 4.4])
        slater = np.exp(-zeta * (r[:, None] - 2.2)) * (1 - (r[:, None] / 4.4) ** 2) ** 3
        expected = c0[0] + e2 + outer[0] * np.exp(-slater.sum(axis=0) @ outer[1:]) * e3
        assert energy == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_smooth_at_the_cutoff(family):
    """Energy, force and curvature of a dimer fall to zero where the cutoff function does."""
    expression = Pair(3, family, cutoff=4.0) + ThreeBody(2, 2, family, cutoff=4.0)
    potential = with_random_parameters(expression, ["Nb"], 1)

    def force(r):
        result = ecteam.evaluate(Atoms("Nb2", [[0, 0, 0], [0, 0, r]]), potential)
        return result.energy, result.forces[1, 2]

    assert force(4.0 + 1e-9) == (0.0, 0.0)
    slopes = [abs(force(4.0 - h)[1] / h) for h in (1e-2, 1e-3)]
    assert slopes[1] < 0.2 * slopes[0], "curvature at the cutoff"


def test_triples_choose_parameters():
    """What is left out is zero: the same energy and slopes as a model of all triples."""
    chosen = ThreeBody(2, 3, cutoff=4.4, triples=["Nb-Mo-Nb", "Nb-Nb-Mo"])
    part = with_random_parameters(chosen, ["Mo", "Nb"], 1)
    assert len(part.parameters) == 4 * (3 + 4)
    assert {name.split(" l=")[0] for name in part.parameter_names} == {
        *(f"three_body1[Mo: Nb{p} Nb{q}" for p, q in ((0, 0), (0, 1), (1, 1))),
        *(f"three_body1[Nb: Mo{p} Nb{q}" for p in (0, 1) for q in (0, 1)),
    }
    every = ThreeBody(2, 3, cutoff=4.4).potential(["Mo", "Nb"])
    values = dict(zip(part.parameter_names, part.parameters, strict=True))
    every = every.with_parameters([values.get(name, 0.0) for name in every.parameter_names])
    atoms = crystal(3, ["Mo", "Nb"])
    found, whole = (ecteam.evaluate(atoms, potential) for potential in (part, every))
    assert found.energy == whole.energy
    assert np.array_equal(found.forces, whole.forces)
    columns = [every.parameter_names.index(name) for name in part.parameter_names]
    assert np.array_equal(part.jacobian([atoms])[1], every.jacobian([atoms])[1][:, columns])


def test_what_triples_leave_out_is_zero():
    fields = ThreeBody(1, 0, triples=["Nb-Nb-Nb"]).potential(["Mo", "Nb"]).to_dict()
    fields["terms"]["coefficients"][0] = 0.5
    with pytest.raises(ecteam.PotentialFormatError, match=r"terms.coefficients\[0\]: must be 0"):
        ecteam.Potential.from_dict({**fields, "sha256": None})


@settings(deadline=None, max_examples=30)
@given(expressions())
def test_expressions_survive_the_file(expression):
    assert Expression.from_dict(expression.to_dict()) == expression
    potential = expression.potential(["Mo", "Nb"], seed=1)
    again = ecteam.Potential.from_json(potential.to_json())
    assert again == potential
    assert again.expression == expression
    assert len(set(again.parameter_names)) == len(again.parameters)
    namespace = {m.__name__: m for m in (Constant, Pair, ThreeBody, NeighbourExponential)}
    assert eval(repr(expression), namespace) == expression


def test_triples_survive_the_file():
    expression = Pair(2) + ThreeBody(2, 1, triples=["Mo-Nb-Mo", "Nb-Nb-Mo"])
    assert Expression.from_dict(expression.to_dict()) == parse(repr(expression)) == expression
    assert expression.potential(["Mo", "Nb"]).expression == expression


def test_algebra():
    a, b, c = Pair(2), ThreeBody(2, 1), NeighbourExponential(1)
    assert a + b + c == a + (b + c) == Sum((a, b, c))
    assert (a * b) * c == a * (b * c) == Product((a, b, c))
    assert repr(a * (b + c)) == "Pair(2) * (ThreeBody(2, lmax=1) + NeighbourExponential(1))"
    assert {a + b, a + b} == {a + b}
    with pytest.raises(TypeError):
        a + 1


@pytest.mark.parametrize("elements", [["Nb"], ["Mo", "Nb"]])
@pytest.mark.parametrize(
    "expression",
    [
        Pair(3) * ThreeBody(2, 1),
        ThreeBody(2, 1) * ThreeBody(2, 0) * Pair(2),
        NeighbourExponential(2) * (Constant() + ThreeBody(2, 1)),
        ThreeBody(1, 1) * NeighbourExponential(2, "spline", knots=4, range=(0.0, 8.0)),
    ],
)
def test_products_have_no_idle_scale(expression, elements):
    """What is held is just what another factor could undo: the Jacobian has full rank."""
    potential = with_random_parameters(expression, elements, 2)
    structures = [crystal(seed, elements) for seed in range(12)]
    _, jacobian = potential.jacobian(structures)
    jacobian = jacobian / np.linalg.norm(jacobian, axis=0)
    assert np.linalg.matrix_rank(jacobian, tol=1e-9) == len(potential.parameters)


def test_linear_parameters_are_linear():
    expression = (
        Constant() + Pair(2) + Pair(2) * ThreeBody(1, 1) + NeighbourExponential(1) * Pair(2)
    )
    potential = with_random_parameters(expression, ["Nb"], 3)
    atoms, theta, linear = crystal(1), potential.parameters, potential.linear_parameters
    assert 0 < linear.sum() < len(theta)
    values, jacobian = potential.jacobian([atoms])
    assert np.allclose(jacobian[:, linear] @ theta[linear], values, rtol=1e-9, atol=1e-8)
    scaled = potential.with_parameters(np.where(linear, 2 * theta, theta))
    assert np.allclose(scaled.predictions([atoms]), 2 * values, rtol=1e-9, atol=1e-8)


def test_terms_correct_another_potential():
    """They add to the energy of the states, and leave the weights alone."""
    fields = ecteam.load("water-unpolarised").to_dict()
    del fields["terms"]
    water = ecteam.Potential.from_dict(fields)
    expression = Pair(2, cutoff=4.0) + ThreeBody(2, 2, cutoff=4.0)
    terms = with_random_parameters(expression, ["H", "O"], 4)
    both = ecteam.Potential.from_dict({**fields, "terms": terms.to_dict()["terms"]})
    atoms = Atoms("OHHOH", [[0, 0, 0], [1, 0, 0], [-0.3, 0.9, 0], [2.7, 0.1, 0.2], [3.2, 0.9, 0]])
    atoms.info["charge"] = -1
    found, base = (ecteam.evaluate(atoms, p) for p in (both, water))
    atoms.info["charge"] = 0
    added = ecteam.evaluate(atoms, terms)
    assert found.energy == pytest.approx(base.energy + added.energy, abs=1e-9)
    assert np.allclose(found.forces, base.forces + added.forces, atol=1e-8)
    assert np.allclose(found.weights, base.weights, atol=1e-9)
    assert found.energies.sum() == pytest.approx(found.energy, abs=1e-9)


def triples(*names):
    return ThreeBody(1, 1, triples=names).potential(["Nb"])


def bad(expression, **changes):
    fields = expression.potential(["Nb"]).to_dict()
    fields["terms"].update(changes)
    return lambda: ecteam.Potential.from_json(json.dumps({**fields, "sha256": None}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pair(0).potential(["Nb"]), "terms.radial.functions"),
        (lambda: Pair(33).potential(["Nb"]), "terms.radial.functions"),
        (lambda: ThreeBody(2, 5).potential(["Nb"]), "terms.lmax: must be at most 4, got 5"),
        (lambda: triples("Nb-Nb"), "terms.triples[0]: must be neighbour, centre and neighbour"),
        (lambda: triples("Mo-Nb-Mo"), "terms.triples[0]: must be made of Nb, got `Mo-Nb-Mo`"),
        (lambda: triples(*2 * ["Nb-Nb-Nb"]), "terms.triples[1]: must be given once"),
        (lambda: triples(), "terms.triples: must be absent or a list of triples"),
        (
            lambda: (Pair(1) * ThreeBody(1, 1, triples=["Nb-Nb-Nb"])).potential(["Nb"]),
            "terms.factors[1].triples: must be absent in all factors but the first",
        ),
        (lambda: Pair(2, cutoff=-1.0).potential(["Nb"]), "terms.radial.cutoff"),
        (lambda: Pair(2, "bessel", span=(0.0, 1.0)).potential(["Nb"]), "terms.radial.span"),
        (lambda: Pair(2, "slater", span=(2.0, 1.0)).potential(["Nb"]), "increasing"),
        (lambda: Pair(2, "cubic").potential(["Nb"]), "cubic"),
        (lambda: NeighbourExponential(1, "spline", knots=3).potential(["Nb"]), "knots"),
        (lambda: Pair(1).potential(["Xx"]), "Xx"),
        (bad(Pair(2), coefficients=[1.0]), "terms.coefficients: must be a list of 2 entries"),
        (bad(Pair(2), colour="red"), "colour"),
        (bad(Pair(2) + Constant(), terms=[]), "terms.terms"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ecteam.PotentialFormatError, match=message.replace("[", r"\[")):
        make()


def test_deep_nesting_is_refused():
    leaf = {"kind": "constant", "coefficients": [0.0]}
    terms = leaf
    for k in range(40):
        kind, children = ("sum", "terms") if k % 2 else ("product", "factors")
        terms = {"kind": kind, children: [terms, leaf]}
    fields = Pair(1).potential(["Nb"]).to_dict()
    with pytest.raises(ecteam.PotentialFormatError, match="at most 16 models deep"):
        ecteam.Potential.from_dict({**fields, "terms": terms})


def test_knots_belong_to_splines():
    with pytest.raises(ecteam.InvalidInputError, match="knots: must be absent"):
        NeighbourExponential(1, knots=5)


def test_bad_parameters_and_structures():
    potential = Pair(2).potential(["Nb"])
    with pytest.raises(ecteam.InvalidInputError, match=r"parameters: must have shape \(2,\)"):
        potential.with_parameters(np.zeros(3))
    with pytest.raises(ecteam.InvalidInputError, match=r"pair1\[Nb-Nb 1\]: must be finite"):
        potential.with_parameters(np.array([0.0, np.nan]))
    with pytest.raises(ecteam.InvalidInputError, match="no element Cu"):
        potential.jacobian([bulk("Cu")])
    same_place = Atoms("Nb2", [[0, 0, 0], [0, 0, 0]])
    with pytest.raises(ecteam.InvalidInputError, match="atoms 0 and 1"):
        ecteam.evaluate(same_place, potential)


def test_a_product_that_overflows_is_reported():
    expression = Pair(1, cutoff=4.0) * NeighbourExponential(1, cutoff=4.0)
    potential = expression.potential(["Nb"])
    names = potential.parameter_names
    values = [1.0 if name.startswith("pair") else -1e4 for name in names]
    with pytest.raises(ecteam.InvalidInputError, match="beyond the numbers of a double"):
        ecteam.evaluate(crystal(1), potential.with_parameters(values))


def test_lone_atoms():
    """Without neighbours only constants are left."""
    potential = with_random_parameters(Constant() + Pair(2) + ThreeBody(2, 2), ["Nb"], 1)
    constant = dict(zip(potential.parameter_names, potential.parameters, strict=True))
    result = ecteam.evaluate(Atoms("Nb"), potential)
    assert result.energy == pytest.approx(constant["constant1[Nb]"])
    assert ecteam.evaluate(Atoms(), potential).energy == 0.0


def near_and_far(apart, close):
    """Water, a hydrogen `apart` (Å) from where its oxygen is at 4.4 Å, and two more far away."""
    molecule = np.array([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])
    moved = 0.5 * (apart - 4.4) * np.array([1.0, 0.0, 0.0])
    positions = [*(molecule - moved), [apart - moved[0], 1.0, 0.0]]
    return Atoms("OHHHHH", [*positions, [40.0, 0.0, 0.0], [40.0, close, 0.0]])


def test_an_error_leaves_no_neighbour_behind():
    """Atoms too close in a call: those after it see all neighbours, as from a cold start."""
    potential = ecteam.load("water-unpolarised")

    def evaluate(evaluator, apart, close=0.8):
        return evaluator.evaluate(*arrays_of(near_and_far(apart, close)), 0.0)

    follower, cold = (_core.Evaluator(potential.core, skin=2.0) for _ in range(2))
    with pytest.raises(ecteam.InvalidInputError, match="apart; at least"):
        evaluate(follower, 4.4, close=0.05)
    evaluate(follower, 6.0)
    found, expected = evaluate(follower, 2.8), evaluate(cold, 2.8)
    assert found.free_energy == pytest.approx(expected.free_energy, abs=1e-6)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-5)
