"""Learned terms on the device, run on the CPU, against the engine."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ecteam import DeviceError, InvalidInputError, _core
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from ecteam.terms import Constant, NeighbourExponential, Pair, ThreeBody
from host_backend import HostBackend
from host_compiler import needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st
from one_state_potentials import crystal, one_state_potentials, strained
from strategies import placed_molecules, sheared
from test_terms import FAMILIES, expressions, with_random_parameters

pytestmark = needs_compiler
ENERGY, FORCE, STRESS = 1e-9, 1e-8, 1e-9
"""eV/atom, eV/Å and eV/Å³ by which the two may differ."""


def on_device(potential, backend=None, **options):
    kind = OneStateEvaluator if potential.core.one_state else EnsembleEvaluator
    return kind(potential.core, backend or HostBackend(), **options)


def check(potential, atoms, evaluator=None, scale=1.0, charge=0.0, **options):
    """Compare with the engine; returns what the device found."""
    system = *arrays_of(atoms), charge
    found = (evaluator or on_device(potential, **options)).evaluate(*system)
    engine = _core.Evaluator(potential.core, **options).evaluate(*system)
    assert not isinstance(found, _core.Evaluation)
    for name in ("energy", "free_energy"):
        both = getattr(found, name), getattr(engine, name)
        np.testing.assert_allclose(*both, rtol=0, atol=ENERGY * scale * len(atoms))
    np.testing.assert_allclose(found.energies, engine.energies, rtol=0, atol=ENERGY * scale)
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=FORCE * scale)
    assert (found.stress is None) == (engine.stress is None)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=STRESS * scale)
    return found


def niobium(repeat=(2, 2, 3)):
    atoms = bulk("Nb", "bcc", a=3.3, cubic=True).repeat(repeat)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize(
    "atoms",
    [
        niobium((5, 5, 6)),  # more than one block
        bulk("Nb", "bcc", a=3.3),  # its own neighbour
        strained(niobium((1, 1, 2)), True),
        strained(niobium(), (True, False, True)),
        strained(niobium(), False),
        Atoms("Nb"),
        Atoms("Nb2", positions=[[0, 0, 0], [1.9, 0.3, 0.2]]),
    ],
    ids="crystal primitive triclinic slab cluster lonely close".split(),
)
def test_niobium(atoms):
    check(ecteam.load("niobium"), atoms)


@settings(max_examples=25)
@given(expressions(), st.integers(0, 99))
def test_any_expression(expression, seed):
    potential = with_random_parameters(expression, ("Mo", "Nb"), seed)
    atoms = strained(niobium((1, 1, 2)), True)
    atoms.symbols = np.random.default_rng(seed).choice(["Mo", "Nb"], len(atoms))
    largest = np.abs(ecteam.evaluate(atoms, potential).forces).max()
    check(potential, atoms, scale=1.0 + largest)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("model", [Pair, ThreeBody, NeighbourExponential])
def test_around_the_cutoff(family, model):
    cutoff = 4.4
    parts = {"functions": 3, "family": family, "cutoff": cutoff}
    parts.update({"lmax": 3} if model is ThreeBody else {})
    potential = with_random_parameters(Constant() + model(**parts), ("Nb",), 1)
    evaluator = on_device(potential)
    ulps = [np.nextafter(cutoff, side) for side in (0.0, 9.0)]
    for r in [*ulps, cutoff, cutoff - 1e-3, cutoff - 1e-9, cutoff + 1e-9]:
        atoms = Atoms("Nb2", positions=[[0, 0, 0], [r, 0, 0]])
        found = check(potential, atoms, evaluator)
        if r >= cutoff:
            assert not found.forces.any()


def test_elements_that_do_not_occur():
    expression = Pair(2) + ThreeBody(2, lmax=2, cutoff=4.5)
    potential = with_random_parameters(expression, ("Mo", "Nb", "W"), 3)
    evaluator = on_device(potential)
    for symbols in (["Nb"], ["Mo", "W"], ["Mo", "Nb", "W"]):
        atoms = niobium((1, 1, 2))
        atoms.symbols = [symbols[k % len(symbols)] for k in range(len(atoms))]
        check(potential, atoms, evaluator)


def test_chosen_triples():
    expression = Pair(2) + ThreeBody(2, lmax=3, cutoff=4.5, triples=["Nb-Mo-Nb", "Mo-Mo-Nb"])
    atoms = niobium((1, 1, 2))
    atoms.symbols = ["Mo", "Nb"] * (len(atoms) // 2)
    check(with_random_parameters(expression, ("Mo", "Nb"), 3), atoms)


def test_terms_on_top_of_pairs(tmp_path):
    text = one_state_potentials(tmp_path)["fs"].to_dict()
    expression = Constant() + Pair(3, cutoff=6.5) + ThreeBody(2, lmax=3, cutoff=3.5)
    terms = with_random_parameters(expression, ("Cu", "Ni"), 5).to_dict()["terms"]
    text.pop("sha256", None)
    potential = ecteam.Potential.from_dict({**text, "terms": terms})
    atoms = strained(crystal(), True)
    check(potential, atoms)
    check(ecteam.Potential.from_dict(text), atoms)


@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_terms_on_top_of_states(charge):
    rng = np.random.default_rng(2)
    atoms = sheared(placed_molecules(rng, 4, 3.0, 0.1), rng)
    options = {"tolerance": 1e-11, "electrostatics": "shifted_force"}
    check(ecteam.load("water-unpolarised"), atoms, charge=charge, **options)


def test_constants_alone():
    potential = with_random_parameters(Constant(), ("Nb",), 0)
    check(potential, niobium((1, 1, 1)))


def test_a_warm_evaluator_follows_the_atoms():
    potential, backend = ecteam.load("niobium"), HostBackend()
    evaluator, atoms = on_device(potential, backend, skin=0.6), niobium()
    for _ in range(3):
        check(potential, atoms, evaluator)
        atoms.positions += np.random.default_rng(3).uniform(-0.12, 0.12, atoms.positions.shape)
    assert backend.launches.count("angular_forces") == 3
    assert backend.launches.count("search") == 2 + 1
    check(potential, atoms[:-3], evaluator)


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_the_order_of_the_threads_does_not_matter(precision):
    system = arrays_of(niobium((5, 5, 6)))
    runs = [
        on_device(ecteam.load("niobium"), HostBackend(back), precision=precision).evaluate(
            *system, 0.0
        )
        for back in (False, True)
    ]
    for name in ("forces", "energies", "stress"):
        forth, back = (getattr(run, name).tobytes() for run in runs)
        assert forth == back, name


def test_errors_are_the_engines():
    evaluator = on_device(ecteam.load("niobium"))
    together = Atoms("Nb2", positions=[[0, 0, 0], [0, 0, 1e-7]])
    with pytest.raises(InvalidInputError, match="atoms 0 and 1 are less than 1e-6 Å apart"):
        evaluator.evaluate(*arrays_of(together), 0.0)
    with pytest.raises(InvalidInputError, match="total_charge"):
        evaluator.evaluate(*arrays_of(niobium()), 1.0)
    with pytest.raises(InvalidInputError, match="potential: must have learned terms"):
        _core.term_tables(ecteam.load("halides").core, np.array([3], dtype=np.uint8))
    atoms = niobium((3, 3, 3))
    with pytest.raises(DeviceError, match="learned terms of 54 atoms needs"):
        on_device(ecteam.load("niobium"), HostBackend(memory=90_000)).evaluate(
            *arrays_of(atoms), 0.0
        )
