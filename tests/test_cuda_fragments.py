"""Fragments with charges of their own on the device, run on the CPU, against the engine."""

import numpy as np
import pytest
from ecteam import ECTEAM, InvalidInputError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.constraints import Constraints
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from strategies import POTENTIALS, placed_ions, placed_molecules, sheared

pytestmark = needs_compiler
PRECISE = {"tolerance": 1e-11}


def waters(n, periodic=False):
    rng = np.random.default_rng(n)
    atoms = placed_molecules(rng, n, 2.9, 0.1)
    if periodic:
        return sheared(atoms, rng)
    atoms.set_cell(None)
    return atoms


def molecules_of(atoms):
    """Number of the molecule of every atom, atoms in any order."""
    return (np.arange(len(atoms)) // 3).astype(np.uint32)


def check(name, atoms, charges, fragments, **options):
    """Compare with the engine; returns what the device found."""
    core, options = POTENTIALS[name].core, {**PRECISE, **options}
    given = *arrays_of(atoms), np.asarray(charges, dtype=float), fragments
    found = EnsembleEvaluator(core, HostBackend(), **options).evaluate(*given)
    engine = _core.Evaluator(core, **options, solver="krylov").evaluate(*given)
    assert not isinstance(found, _core.Evaluation)
    assert found.free_energy == pytest.approx(engine.free_energy, rel=0, abs=1e-9 * len(atoms))
    np.testing.assert_allclose(found.weights, engine.weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=1e-8)
    dipoles = found.induced_dipoles, engine.induced_dipoles
    np.testing.assert_allclose(*dipoles, rtol=0, atol=1e-9)
    potentials = found.chemical_potentials, engine.chemical_potentials
    np.testing.assert_allclose(*potentials, rtol=0, atol=1e-8)
    sums = np.bincount(fragments, weights=found.charges, minlength=len(charges))
    np.testing.assert_allclose(sums, charges, rtol=0, atol=1e-10)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=1e-10)
    return found


@pytest.mark.parametrize("charges", [[0.0, 0.0, 0.0], [0.0, -1.0, 1.0], [0.3, -0.1, 0.0]])
def test_molecules_keep_their_charges(charges):
    atoms = waters(3)
    check("toy", atoms, charges, molecules_of(atoms))


def test_fragments_without_order_in_a_cell():
    atoms = waters(8, periodic=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(atoms))
    fragments = molecules_of(atoms)[order]
    charges = [0.0, -0.5, 0.0, 0.0, 0.5, 0.0, 0.2, 0.0]
    check("water-unpolarised", atoms[order], charges, fragments, electrostatics="shifted_force")


def test_extreme_charges_leave_no_choice_in_their_fragment():
    atoms = placed_ions(np.random.default_rng(1), (2, 2, 1), 2.8)
    atoms.set_cell(None)
    cations = np.isin(atoms.numbers, [3, 11])
    fragments = np.where(np.arange(4) < 2, 0, 1).astype(np.uint32)
    most = float(cations[:2].sum())
    found = check("halides", atoms, [most, 0.0], fragments)
    assert set(found.weights[:2].ravel()) <= {0.0, 1.0}


def test_one_fragment_and_an_empty_one():
    atoms = waters(2)
    one = check("toy", atoms, [0.0], np.zeros(6, dtype=np.uint32))
    two = check("toy", atoms, [0.0, 0.0], np.zeros(6, dtype=np.uint32))
    np.testing.assert_allclose(one.weights, two.weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("backwards", [False, True])
def test_long_fragments_are_added_up_in_two_stages(backwards):
    rng, n = np.random.default_rng(0), 9000
    backend = HostBackend(backwards)
    charges = np.tile([1.0, 0.0, -1.0], (n, 1))
    totals, fragments = np.array([100.0, -20.0]), (np.arange(n) % 10 > 0).astype(np.int32)
    exists = np.ones((n, 3), dtype=bool)
    constraints = Constraints(backend, charges, exists, totals, fragments)
    weights = constraints.project(rng.uniform(1e-3, 1.0, (n, 3)))
    sums = np.bincount(fragments, weights=(weights * charges).sum(axis=1))
    np.testing.assert_allclose(sums, totals, rtol=0, atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    assert backend.launches.count("segment_sums") == 2 * (
        1 + backend.launches.count("normalise")
    ), "fragments of more than 4096 atoms: two stages"


def test_the_order_of_the_threads_does_not_matter():
    atoms = waters(3)
    given = *arrays_of(atoms), np.zeros(3), molecules_of(atoms)
    core = POTENTIALS["toy"].core
    runs = [EnsembleEvaluator(core, HostBackend(back)).evaluate(*given) for back in (False, True)]
    for name in ("weights", "forces", "chemical_potentials"):
        forth, back = (getattr(run, name).tobytes() for run in runs)
        assert forth == back, name


@pytest.mark.parametrize(
    ("charges", "fragments", "message"),
    [
        ([0.0, 0.0], [0, 0, 1, 1, 1], "fragments: must name a fragment for each of 6 atoms"),
        ([0.0, 0.0], [0, 0, 0, 1, 1, 2], r"fragments\[5\]: must be below 2"),
        ([0.0, 40.0], [0, 0, 0, 1, 1, 1], r"total_charge\[1\]: no combination of states"),
    ],
)
def test_errors_are_the_engines(charges, fragments, message):
    evaluator = EnsembleEvaluator(POTENTIALS["toy"].core, HostBackend())
    fragments = np.array(fragments, dtype=np.uint32)
    with pytest.raises(InvalidInputError, match=message):
        evaluator.evaluate(*arrays_of(waters(2)), np.array(charges), fragments)


def test_the_calculator_takes_fragments(monkeypatch):
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    atoms, other = waters(2), waters(2)
    for both, device in ((atoms, "cuda"), (other, "cpu")):
        both.calc = ECTEAM(
            "water-unpolarised", [0.0, -1.0], fragments=molecules_of(both), device=device
        )
    np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), rtol=0, atol=1e-6)
    assert atoms.calc.result.chemical_potentials.shape == (2,)
