"""Potentials with state weights on the device, run on the CPU, against the engine."""

import numpy as np
import pytest
from ase import Atoms
from ecteam import ECTEAM, InvalidInputError, NotConvergedError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from hypothesis import given, settings
from strategies import POTENTIALS, finite, placed_ions, placed_molecules, sheared

pytestmark = needs_compiler
PRECISE = {"tolerance": 1e-11}
ENERGY, FORCE, WEIGHT, DIPOLE = 1e-9, 1e-8, 1e-9, 1e-9
"""eV/atom, eV/Å, 1 and e·Å by which the two may differ at a precise minimum."""


def on_device(potential, backend=None, **options):
    return EnsembleEvaluator(potential.core, backend or HostBackend(), **{**PRECISE, **options})


def charge_of(atoms):
    return float(atoms.info.get("charge", 0.0))


def check(potential, atoms, evaluator=None, engine=None, **options):
    """Compare with the engine at the same minimum; returns both results."""
    if isinstance(potential, str):
        potential = POTENTIALS[potential]
    system = *arrays_of(atoms), charge_of(atoms)
    found = (evaluator or on_device(potential, **options)).evaluate(*system)
    options = {**PRECISE, "solver": "krylov", **options}
    engine = (engine or _core.Evaluator(potential.core, **options)).evaluate(*system)
    assert not isinstance(found, _core.Evaluation)
    n = len(atoms)
    assert found.free_energy == pytest.approx(engine.free_energy, rel=0, abs=ENERGY * n)
    assert found.energy == pytest.approx(engine.energy, rel=0, abs=ENERGY * n)
    np.testing.assert_allclose(found.weights, engine.weights, rtol=0, atol=WEIGHT)
    both = found.induced_dipoles, engine.induced_dipoles
    np.testing.assert_allclose(*both, rtol=0, atol=DIPOLE)
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=FORCE)
    np.testing.assert_allclose(found.energies, engine.energies, rtol=0, atol=10 * ENERGY)
    for quantity in ("charges", "background", "dipole"):
        both = getattr(found, quantity), getattr(engine, quantity)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-8, err_msg=quantity)
    assert (found.stress is None) == (engine.stress is None)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=1e-10)
    assert found.kkt_residual <= 1e-11
    assert found.positive_definite == engine.positive_definite
    return found, engine


def waters(n, seed=0):
    rng = np.random.default_rng(seed)
    return placed_molecules(rng, n, 2.9, 0.1)


@pytest.mark.parametrize("name", ["toy", "water-unpolarised"])
@pytest.mark.parametrize("charge", [0.0, 1.0, -1.0])
def test_molecules(name, charge):
    atoms = waters(2)
    atoms.set_cell(None)
    atoms.info["charge"] = charge
    found, engine = check(name, atoms)
    np.testing.assert_allclose(found.chemical_potentials, engine.chemical_potentials, atol=1e-8)


def test_scales_of_densities():
    """They are in the tables that a device gets."""
    scales = POTENTIALS["water-unpolarised"].select("density_scale*")
    values = np.linspace(0.9, 1.2, scales.parameters.size)
    potential = scales.with_parameters(values).potential
    engine = _core.Evaluator(potential.core, **PRECISE, solver="krylov")
    check("water-unpolarised", waters(2), on_device(potential), engine)


def test_ions():
    atoms = placed_ions(np.random.default_rng(1), (2, 2, 2), 2.7)
    atoms.set_cell(None)
    check("halides", atoms)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, False)])
def test_shifted_forces_in_any_cell(pbc):
    atoms = sheared(waters(8), np.random.default_rng(3))
    atoms.pbc = pbc
    found, engine = check("water-unpolarised", atoms, electrostatics="shifted_force")
    assert found.hessian_products <= 1.5 * engine.hessian_products + 30


@pytest.mark.parametrize(("accuracy", "charge"), [(1e-6, 0.0), (1e-8, 0.5)])
def test_ewald_sums_on_a_mesh(accuracy, charge):
    atoms = sheared(waters(8), np.random.default_rng(3))
    atoms.info["charge"] = charge
    check("water-unpolarised", atoms, electrostatics="pme", accuracy=accuracy)


def test_a_mesh_in_a_cell_of_many_shapes():
    atoms = placed_ions(np.random.default_rng(2), (2, 2, 2), 2.8)
    atoms.pbc = True
    for stretch in (1.0, 1.02):
        atoms.set_cell(atoms.cell.array * [[1.0], [stretch], [stretch**2]], scale_atoms=True)
        check("halides", atoms, electrostatics="pme")


def test_a_cell_smaller_than_the_cutoff():
    atoms = sheared(waters(1), np.random.default_rng(4))
    check("toy", atoms, electrostatics="shifted_force")


def test_more_atoms_than_a_block():
    atoms = sheared(waters(100), np.random.default_rng(5))
    check("water-unpolarised", atoms, electrostatics="shifted_force")


@given(finite)
@settings(max_examples=10)
def test_random_systems(system):
    check(system.potential, system.atoms)


def test_an_extreme_charge_leaves_no_choice():
    atoms = waters(1)
    atoms.set_cell(None)
    atoms.info["charge"] = 2.0
    found, _ = check("toy", atoms)
    assert set(found.weights.ravel()) <= {0.0, 1.0}


def test_a_warm_evaluator_needs_fewer_products():
    atoms = waters(4)
    atoms.set_cell(None)
    potential = POTENTIALS["toy"]
    device = on_device(potential, branch_interval=3)
    engine = _core.Evaluator(potential.core, **PRECISE, solver="krylov", branch_interval=3)
    rng = np.random.default_rng(0)
    velocity = rng.uniform(-0.01, 0.01, (len(atoms), 3))
    products = []
    for _ in range(5):
        products.append(check("toy", atoms, device, engine)[0].hessian_products)
        atoms.positions += velocity
    compared = 3  # the third warm call looks for a lower branch as well
    assert max(products[1:compared] + products[compared + 1 :]) < products[0]
    atoms.positions[0] += 0.6  # another geometry: sought afresh
    check("toy", atoms, device, engine)


def test_the_order_of_the_threads_does_not_matter():
    atoms = sheared(waters(20), np.random.default_rng(3))
    options = {"electrostatics": "shifted_force"}
    runs = [
        on_device(POTENTIALS["water-unpolarised"], HostBackend(backwards), **options).evaluate(
            *arrays_of(atoms), 0.0
        )
        for backwards in (False, True)
    ]
    for name in ("weights", "forces", "energies", "stress"):
        forth, back = (getattr(run, name).tobytes() for run in runs)
        assert forth == back, name


def test_errors():
    water = POTENTIALS["water-unpolarised"]
    atoms = waters(1)
    atoms.set_cell(None)
    with pytest.raises(InvalidInputError, match="total_charge: no combination of states"):
        on_device(water).evaluate(*arrays_of(atoms), 40.0)
    atoms.cell, atoms.pbc = [9.0, 9.0, 9.0], [True, True, False]
    with pytest.raises(InvalidInputError, match="electrostatics: ewald and pme need three"):
        on_device(water).evaluate(*arrays_of(atoms), 0.0)
    atoms.pbc = False
    with pytest.raises(NotConvergedError, match="did not converge on the device") as caught:
        on_device(water, max_iterations=1).evaluate(*arrays_of(atoms), 0.0)
    assert caught.value.iterations == 1
    assert caught.value.residual > 1e-11
    close = Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.01]])
    with pytest.raises(InvalidInputError, match=r"apart; at least 0.1 Å is needed"):
        on_device(water).evaluate(*arrays_of(close), 0.0)
    assert on_device(water).evaluate(*arrays_of(Atoms()), 0.0).energy == 0.0


def test_the_calculator_runs_on_the_device(monkeypatch):
    backend = HostBackend()
    monkeypatch.setattr(backend_module, "CupyBackend", lambda: backend)
    atoms, other = waters(2), waters(2)
    for both, device in ((atoms, "cuda"), (other, "cpu")):
        both.set_cell(None)
        both.calc = ECTEAM("water-unpolarised", device=device, **PRECISE)
    for _ in range(2):
        np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), rtol=0, atol=FORCE)
        np.testing.assert_allclose(atoms.get_charges(), other.get_charges(), rtol=0, atol=1e-8)
        atoms.positions[3] += 0.02
        other.positions[3] += 0.02
    assert backend.launches.count("structure_forces") == 2
