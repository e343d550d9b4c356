"""Densities as parameters: scales in the embedding, exponents and coefficients of the states."""

import ecteam
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ecteam.fit import Settings, labels_of, train
from ecteam.fit.problem import problem_of
from hypothesis import given, settings
from hypothesis import strategies as st
from one_state_potentials import crystal, one_state_potentials
from polarised import POLARISED
from predictions import Predictions, system
from small_fit import small
from strategies import POTENTIALS, placed_molecules

STATES = {
    "water-unpolarised": ["O ground", "O anion"],
    "halides": ["F anion", "Cl ground", "Na cation"],
}
FREED = {
    f"{kind} {name}": table[name].free_densities(*states)
    for kind, table in (("rigid", POTENTIALS), ("polarised", POLARISED))
    for name, states in STATES.items()
}
BOHR = 0.529177210903


def density_of(potential, symbol, k):
    rbf = potential.to_dict()["elements"][symbol]["states"][k]["rbf"]
    return np.array(rbf["exponents"]), np.array(rbf["coefficients"])


@settings(max_examples=20)
@given(name=st.sampled_from(sorted(FREED)), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_derivatives_are_those_of_central_differences(name, seed, data):
    potential, kind = FREED[name], name.split()[1]
    atoms = system(kind, seed)
    charge = data.draw(
        st.sampled_from([0.0, 0.7, -1.0] if kind == "water-unpolarised" else [0.0, 0.5])
    )
    coefficients = potential.coefficients
    values = np.array([c.value for c in coefficients])
    own = [k for k, c in enumerate(coefficients) if c.name.startswith("density")]
    k = data.draw(st.sampled_from(own))
    assert Predictions(potential, atoms, charge).error(values, k) < 1.0, coefficients[k].name


@settings(max_examples=20)
@given(name=st.sampled_from(sorted(FREED)), seed=st.integers(0, 2**32 - 1))
def test_electron_count_and_cusp_are_exact_after_any_change(name, seed):
    chosen = FREED[name].select("density[*")
    change = 1.0 + 1e-4 * np.random.default_rng(seed).normal(size=chosen.parameters.size)
    moved = chosen.with_parameters(chosen.parameters * change).potential
    assert moved.select("density[*").parameters == pytest.approx(chosen.parameters * change)
    for symbol, element in moved.to_dict()["elements"].items():
        for k, state in enumerate(element["states"]):
            if "solved" not in state.get("rbf", {}):
                continue
            zeta, c = density_of(moved, symbol, k)
            steepest = 2.0 * atomic_numbers[symbol] / BOHR
            cusps = c * zeta**3 * (steepest - zeta)
            assert c.sum() == pytest.approx(atomic_numbers[symbol] - state["charge"], abs=1e-11)
            assert abs(cusps.sum()) < 1e-13 * np.abs(cusps).sum()


def test_only_what_is_freed_becomes_a_parameter():
    water = ecteam.load("water-unpolarised")
    freed = water.free_densities("O anion")
    assert len(water.parameters) == 118
    assert "density_scale" not in water.to_json()
    assert not any(name.startswith("density") for name in water.parameter_names)
    scales = [c for c in water.coefficients if c.name.startswith("density")]
    assert all(c.fixed and c.value == 1.0 for c in scales)
    # H+ has no density to scale.
    assert [c.name.split("[")[1] for c in scales] == [
        "H ground]",
        "O ground]",
        "O anion]",
        "O dianion]",
    ]
    new = [name for name in freed.parameter_names if name.startswith("density")]
    assert set(freed.parameter_names) - set(water.parameter_names) == set(new)
    assert new[0] == "density[O anion: exponent 1]"
    # Eight exponents, and eight coefficients less two.
    assert len(new) == 14
    again = ecteam.Potential.from_json(freed.to_json())
    assert again == freed
    assert again.free_densities("O anion") == freed
    assert freed.with_parameters(freed.parameters) == freed
    atoms = [molecule("H2O")]
    assert freed.predictions(atoms) == pytest.approx(water.predictions(atoms), abs=1e-6)


def test_a_scale_acts_in_the_embedding_alone():
    water, atoms = ecteam.load("water-unpolarised"), molecule("H2O")
    fields = water.to_dict()
    for element in fields["elements"].values():
        for state in element["states"]:
            state.pop("embedding", None)
    bare = ecteam.Potential.from_dict(fields)

    def scaled(potential):
        chosen = potential.select("density_scale*")
        return chosen.with_parameters(np.full(chosen.parameters.size, 1.3)).potential

    assert np.array_equal(scaled(bare).predictions([atoms]), bare.predictions([atoms]))
    difference = scaled(water).predictions([atoms]) - water.predictions([atoms])
    assert np.abs(difference[1:10]).max() > 0.1
    assert ecteam.Potential.from_json(scaled(water).to_json()) == scaled(water)


@pytest.mark.parametrize("name", ["fs", "logarithmic"])
def test_a_scale_multiplies_tabulated_densities(tmp_path, name):
    """Of a potential whose atoms have one state, which is evaluated in another way."""
    potential, atoms = one_state_potentials(tmp_path)[name], crystal()
    fields = potential.to_dict()
    fields["elements"]["Ni"]["states"][0]["density_scale"] = 1.2
    tables = potential.to_dict()
    for table in tables["elements"]["Ni"]["states"][0]["density_tables"].values():
        table["values"] = [1.2 * x for x in table["values"]]
    found, expected = (
        ecteam.evaluate(atoms, ecteam.Potential.from_dict(f)) for f in (fields, tables)
    )
    assert found.energy == pytest.approx(expected.energy, rel=1e-12)
    assert found.forces == pytest.approx(expected.forces, abs=1e-9)
    assert abs(ecteam.evaluate(atoms, potential).energy - expected.energy) > 0.1


def labelled(potential, count):
    """Pairs of waters with the forces of a potential."""
    rng, found = np.random.default_rng(5), []
    for _ in range(count):
        atoms = placed_molecules(rng, 2, 2.9, 0.1)
        atoms.set_cell(None)
        result = ecteam.evaluate(atoms, potential, tolerance=1e-10)
        energy, forces = result.free_energy, result.forces
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        found.append(atoms)
    return labels_of(found)


def test_a_fit_finds_perturbed_densities():
    names = ["density_scale[O ground]", "density[O anion: exponent 2]"]
    start = FREED["rigid water-unpolarised"].select(*names)
    true = start.parameters * [1.0, 1.0]
    true[start.parameter_names.index(names[0])] *= 1.05
    true[start.parameter_names.index(names[1])] *= 0.98
    labels = labelled(start.with_parameters(true).potential, 6)
    found = train(start, labels, settings=Settings(tolerance=1e-12, ridge=0.0))
    assert found.converged
    assert found.model.parameters == pytest.approx(true, rel=1e-5)


def test_a_configuration_frees_densities():
    config = small(densities=["F anion"], free=["density*", "embedding*"])
    found = problem_of(config)
    names = found.model.parameter_names
    assert "density[F anion: exponent 1]" in names
    assert "density_scale[Li ground]" in names
    width = dict(zip(names, found.prior.width, strict=True))
    assert width["density_scale[Li ground]"] == 0.1
    assert width["density[F anion: exponent 1]"] == width["density[F anion: coefficient 1]"] == 0.2
    with pytest.raises(ecteam.InvalidInputError, match=r"densities.*nothing matches 'F anino'"):
        problem_of(small(densities=["F anino"]))


def test_scales_have_their_prior_about_one(tmp_path):
    halides = ecteam.load("halides")
    scales = halides.select("density_scale*")
    scales.with_parameters(scales.parameters + 0.1).potential.save(tmp_path / "start.json")
    widths = [{"parameters": ["density_scale*"], "width": 0.2}]
    config = small(
        start={"potential": str(tmp_path / "start.json")},
        free=["density_scale*"],
        prior={"widths": widths},
    )
    found = problem_of(config)
    assert found.model.parameters == pytest.approx(1.1)
    assert found.prior.centre == pytest.approx(1.0)
    assert found.prior.width == pytest.approx(0.2)


def test_bad_input():
    water = ecteam.load("water-unpolarised")
    with pytest.raises(ecteam.InvalidInputError, match="states: nothing matches 'O trication'"):
        water.free_densities("O trication")
    with pytest.raises(ecteam.InvalidInputError, match=r"density of H ground.*two or more"):
        water.free_densities("H ground")
    fields = water.to_dict()
    fields["elements"]["O"]["states"][1]["rbf"]["exponents"][-1] *= 1.01
    cuspless = ecteam.Potential.from_dict(fields)
    with pytest.raises(ecteam.InvalidInputError, match=r"density of O anion.*no nuclear cusp"):
        cuspless.free_densities("O anion")
    one = water.free_densities("O anion").select("density[O anion: coefficient 1]")
    negative = (
        r"states\[1\]\.rbf: must be a density of anion that is nowhere negative, got -.* at r ="
    )
    with pytest.raises(ecteam.PotentialFormatError, match=negative):
        one.with_parameters([-0.5])
    scale = water.select("density_scale[O anion]")
    for bad in (0.0, -1.0):
        with pytest.raises(ecteam.PotentialFormatError, match=r"density_scale: must be positive"):
            scale.with_parameters([bad])
    fields = water.to_dict()
    fields["elements"]["H"]["states"][1]["density_scale"] = 1.1
    with pytest.raises(ecteam.PotentialFormatError, match="absent in a state without a density"):
        ecteam.Potential.from_dict(fields)


@pytest.mark.parametrize("solved", [[7, 5], [5, 8], [5, 5]])
def test_bad_choices_of_what_is_solved(solved):
    fields = ecteam.load("water-unpolarised").to_dict()
    fields["elements"]["O"]["states"][1]["rbf"]["solved"] = solved
    with pytest.raises(ecteam.PotentialFormatError, match=r"rbf\.solved: must be two increasing"):
        ecteam.Potential.from_dict(fields)
