"""Parameters of potentials: names, selections, and exact derivatives of everything predicted."""

import ecteam
import numpy as np
import pytest
from ase.build import bulk, molecule
from ecteam import _core
from ecteam.rows import row_count
from ecteam.structure import arrays_of
from ecteam.terms import Pair, ThreeBody
from hypothesis import given, settings
from hypothesis import strategies as st
from predictions import Predictions, system
from strategies import POTENTIALS, placed_molecules


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(POTENTIALS)), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_derivatives_are_those_of_central_differences(name, seed, data):
    potential, atoms = POTENTIALS[name], system(name, seed)
    charge = data.draw(st.sampled_from([0.0, 0.7, -1.0] if name != "halides" else [0.0, 0.5]))
    coefficients = potential.coefficients
    values = np.array([c.value for c in coefficients])
    rows = Predictions(potential, atoms, charge)
    k = data.draw(st.integers(0, len(values) - 1))
    derivative, present = rows.jacobian([k])
    assert derivative.shape == (row_count(atoms),)
    assert present == pytest.approx(rows.at(values), rel=1e-9, abs=1e-9)
    assert rows.error(values, k) < 1.0, coefficients[k].name


def test_many_atoms_go_through_the_iterative_solver():
    """Beyond 600 weights no Hessian is factorised; the answer is that of differences."""
    rng = np.random.default_rng(3)
    atoms = placed_molecules(rng, 90, 3.1, 0.05)
    atoms.pbc = True
    potential = POTENTIALS["water-unpolarised"]
    values = np.array([c.value for c in potential.coefficients])
    rows = Predictions(potential, atoms, 0.0)
    names = [c.name for c in potential.coefficients]
    channel = "resonance[H ground>cation O ground>anion: amplitude]"
    for name in ("embedding[O anion 1]", channel, "density_scale[O anion]"):
        k = names.index(name)
        numeric = rows.differences(values, k)
        assert rows.jacobian([k])[0] == pytest.approx(numeric, abs=1e-6 * np.abs(numeric).max())


def test_learned_terms_beside_the_states():
    expression = Pair(2, cutoff=4.0) + ThreeBody(1, lmax=1, cutoff=4.0)
    terms = expression.potential(["H", "O"], seed=1).to_dict()["terms"]
    potential = ecteam.Potential.from_dict(
        {**ecteam.load("water-unpolarised").to_dict(), "terms": terms}
    )
    names = potential.parameter_names
    assert names[0] == "embedding[H ground 1]"
    assert names[-1].startswith("three_body1[O:")
    own = potential.select("embedding*", "!*dianion*", "pair1*")
    assert own.parameter_names[:3] == ["embedding[H ground 1]", *names[1:3]]
    assert not any("dianion" in name or "three" in name for name in own.parameter_names)
    atoms = molecule("H2O")
    values, whole = potential.jacobian([atoms])
    same, part = own.jacobian([atoms])
    assert np.array_equal(values, same)
    columns = [names.index(name) for name in own.parameter_names]
    assert np.allclose(part, whole[:, columns], rtol=0, atol=1e-12)
    moved = own.with_parameters(own.parameters + 0.01)
    expected = values + 0.01 * part[:, own.linear_parameters].sum(axis=1)
    linear = own.potential.select("pair1*")
    assert linear.linear_parameters.all()
    shifted = linear.with_parameters(linear.parameters + 0.01).predictions([atoms])
    assert shifted == pytest.approx(expected, abs=1e-9)
    assert moved.potential.select("three*").parameters == pytest.approx(
        potential.select("three*").parameters
    )


def test_what_is_fixed_and_what_is_linear():
    potential = ecteam.load("water-unpolarised")
    every = {c.name: c for c in potential.coefficients}
    assert every["electronic_temperature"].fixed
    assert every["energy[H cation]"].fixed
    assert every["repulsion[H-O 1: decay]"].fixed
    assert every["repulsion[H-O 1: amplitude]"].linear
    assert not every["embedding[O ground 1]"].linear
    assert len(potential.parameters) == 118
    assert "energy[H cation]" in potential.select("*").parameter_names
    again = potential.with_parameters(potential.parameters)
    assert again == potential
    assert ecteam.load("niobium").parameters.size == 55


def test_repulsions_are_exactly_linear():
    potential, atoms = ecteam.load("water-unpolarised"), molecule("H2O")
    chosen = potential.select("repulsion*amplitude]")
    values, jacobian = chosen.jacobian([atoms])
    step = np.linspace(-1.0, 1.0, chosen.parameters.size)
    moved = chosen.with_parameters(chosen.parameters + step)
    assert moved.predictions([atoms]) == pytest.approx(values + jacobian @ step, abs=1e-7)


def test_bad_selections_and_values():
    potential = ecteam.load("water-unpolarised")
    with pytest.raises(ecteam.InvalidInputError, match="nothing matches 'embeding"):
        potential.select("embeding*")
    with pytest.raises(ecteam.InvalidInputError, match=r"parameters: must have shape \(2,\)"):
        potential.select("resonance*amplitude]").with_parameters([1.0])
    with pytest.raises(ecteam.PotentialFormatError, match=r"resonances\[0\]"):
        potential.select("resonance*amplitude]").with_parameters([-1.0, 1.0])
    core, size = potential.core, len(potential.coefficients)
    batch = _core.Batch()
    batch.add(*arrays_of(molecule("H2O")), 0.0)
    with pytest.raises(ecteam.InvalidInputError, match=f"chosen: must be below {size}"):
        batch.jacobian(core, 0, 1, [size])
    with pytest.raises(ecteam.InvalidInputError, match="chosen: must increase"):
        batch.jacobian(core, 0, 1, [3, 1])


def test_an_unknown_element_is_named_with_its_structure():
    with pytest.raises(ecteam.InvalidInputError, match=r"structures\[1\].*no element Cu"):
        ecteam.load("water-unpolarised").jacobian([molecule("H2O"), bulk("Cu")])
