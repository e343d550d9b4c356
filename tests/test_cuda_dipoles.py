"""Induced dipoles on the device, run on the CPU, against the engine."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ecteam import DeviceError, Dynamics, InvalidInputError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.constraints import Constraints
from ecteam.cuda.ensemble import Minimiser
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from ecteam.systems import System
from host_backend import HostBackend
from host_compiler import needs_compiler
from polarised import POLARISED
from strategies import placed_ions, placed_molecules, sheared
from test_cuda_ensemble import PRECISE, check, on_device

pytestmark = needs_compiler
SHIFTED, MESH = {"electrostatics": "shifted_force"}, {"electrostatics": "pme"}


def ions(periodic=False):
    atoms = placed_ions(np.random.default_rng(1), (2, 2, 2), 2.7)
    if periodic:
        return sheared(atoms, np.random.default_rng(3))
    atoms.set_cell(None)
    return atoms


def waters(n, periodic=False):
    rng = np.random.default_rng(n)
    atoms = placed_molecules(rng, n, 2.9, 0.1)
    if periodic:
        return sheared(atoms, rng)
    atoms.set_cell(None)
    return atoms


@pytest.mark.parametrize("name", ["toy", "water-unpolarised"])
@pytest.mark.parametrize("charge", [0.0, 1.0, -1.0])
def test_molecules(name, charge):
    atoms = waters(2)
    atoms.info["charge"] = charge
    found, _ = check(POLARISED[name], atoms)
    assert np.abs(found.induced_dipoles).max() > 0.1


def test_the_shipped_salt():
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(2)
    atoms.rattle(0.1, seed=2)
    found, engine = check("halides", atoms, **MESH)
    assert np.abs(found.induced_dipoles).max() > 0.05
    assert found.hessian_products <= 1.5 * engine.hessian_products + 30


@pytest.mark.parametrize("options", [SHIFTED, MESH, {**MESH, "accuracy": 1e-9}])
@pytest.mark.parametrize("charge", [0.0, 0.5])
def test_a_triclinic_cell(options, charge):
    atoms = waters(8, periodic=True)
    atoms.info["charge"] = charge
    check(POLARISED["water-unpolarised"], atoms, **options)


@pytest.mark.parametrize("pbc", [True, (True, False, True)])
def test_a_cell_smaller_than_the_cutoff(pbc):
    atoms = ions(periodic=True)
    atoms.pbc = pbc
    check("halides", atoms, **SHIFTED)


def test_more_atoms_than_a_block():
    atoms = placed_ions(np.random.default_rng(2), (7, 7, 7), 2.8)[:342]
    atoms.set_cell(None)
    check("halides", atoms)


def test_molecules_that_keep_their_charges():
    atoms, fragments = waters(3), np.repeat(np.arange(3, dtype=np.uint32), 3)
    core, given = (
        POLARISED["water-unpolarised"].core,
        (*arrays_of(atoms), np.array([0.2, 0.0, -0.2])),
    )
    found = on_device(POLARISED["water-unpolarised"]).evaluate(*given, fragments)
    engine = _core.Evaluator(core, **PRECISE, solver="krylov").evaluate(*given, fragments)
    for name in ("weights", "induced_dipoles", "chemical_potentials"):
        both = getattr(found, name), getattr(engine, name)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-9, err_msg=name)


def test_a_warm_evaluator_follows_its_dipoles():
    atoms, potential = ions(), POLARISED["halides"]
    device, engine = on_device(potential), _core.Evaluator(potential.core, **PRECISE)
    velocity = np.random.default_rng(0).uniform(-0.01, 0.01, (len(atoms), 3))
    products = []
    for _ in range(4):
        products.append(check(potential, atoms, device, engine)[0].hessian_products)
        atoms.positions += velocity
    assert max(products[1:]) < products[0]


def test_many_structures():
    structures = [ions(), ions(periodic=True)]
    systems = [(*arrays_of(atoms), 0.0, None) for atoms in structures]
    device = on_device(POLARISED["halides"], **SHIFTED)
    together = device.evaluate_all([System(*system) for system in systems])
    for system, found in zip(systems, together, strict=True):
        alone = on_device(POLARISED["halides"], **SHIFTED).evaluate(*system[:5])
        np.testing.assert_array_equal(found.induced_dipoles, alone.induced_dipoles)


def test_the_order_of_the_threads_does_not_matter():
    system = *arrays_of(waters(8, periodic=True)), 0.0
    runs = [
        on_device(POLARISED["water-unpolarised"], HostBackend(backwards), **MESH).evaluate(*system)
        for backwards in (False, True)
    ]
    for name in ("weights", "induced_dipoles", "forces", "energies", "stress"):
        forth, back = (getattr(run, name).tobytes() for run in runs)
        assert forth == back, name


def test_functions_are_looked_up_where_there_is_no_room_for_them():
    system = *arrays_of(ions(periodic=True)), 0.0
    rich, poor = (on_device(POLARISED["halides"], HostBackend(), **SHIFTED) for _ in range(2))
    found = rich.evaluate(*system)
    poor.backend.memory = rich.energy.memory[0] - 1
    other = poor.evaluate(*system)
    assert (rich.energy.looks_up, poor.energy.looks_up) == (False, True)
    assert poor.energy.pair_bytes < 0.3 * rich.energy.pair_bytes
    for name in ("weights", "induced_dipoles", "forces", "energies", "stress"):
        both = getattr(found, name), getattr(other, name)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-9, err_msg=name)
    poor.backend.memory = rich.energy.memory[1] - 1
    poor.reset()
    with pytest.raises(DeviceError, match="state weights of 8 atoms needs"):
        poor.evaluate(*system)


def test_mixed_precision():
    system = *arrays_of(ions(periodic=True)), 0.0
    mixed, double = (
        EnsembleEvaluator(POLARISED["halides"].core, HostBackend(), precision, **MESH)
        for precision in ("mixed", "double")
    )
    found, exact = mixed.evaluate(*system), double.evaluate(*system)
    assert (found.forces != exact.forces).any()
    np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.induced_dipoles, exact.induced_dipoles, rtol=0, atol=1e-4)


class OneSoftState:
    """½|v|²/s − f·v and Σ ω e of one group: v follows the field f, v = s f."""

    def __init__(self, softness, field, energies):
        self.softness, self.field, self.energies = softness, field, energies

    def value_gradient(self, unknowns, gradient):
        weights, vector = unknowns[:2], unknowns[2:]
        s = weights @ self.softness
        gradient[:2] = self.energies - 0.5 * vector @ vector / s**2 * self.softness
        gradient[2:] = vector / s - self.field
        self.unknowns = unknowns.copy()
        value = weights @ self.energies + 0.5 * vector @ vector / s - self.field @ vector
        return np.array([value])

    def product(self, direction, out):
        weights, vector = self.unknowns[:2], self.unknowns[2:]
        s, soft = weights @ self.softness, self.softness
        relative = direction[:2] @ soft / s
        along = (direction[2:] - relative * vector) / s
        out[2:] = along
        out[:2] = -soft * (along @ vector) / s

    def blocks(self, out):
        out[...] = 0.0


def test_the_vector_of_an_empty_state_follows_its_field():
    """A state 5 eV above the other, and rid of it: v/s is the field where s is nearly nothing."""
    softness, field = np.array([[0.0, 0.3]]), np.array([1.0, -2.0, 0.5])
    charges, exists = np.zeros((1, 2)), np.ones((1, 2), dtype=bool)
    constraints = Constraints(HostBackend(), charges, exists, np.zeros(1), softness=softness)
    objective = OneSoftState(softness[0], field, np.array([0.0, 5.0]))
    start = constraints.unknowns_of(np.array([[1.0 - 1e-10, 1e-10]]))
    minimiser = Minimiser(HostBackend(), constraints)
    point = minimiser._point(objective, constraints.project(start))
    assert point.unsettled == pytest.approx(2.0)
    minimiser._settle(objective, point)
    assert point.unsettled < 1e-12
    np.testing.assert_allclose(point.weights[2:] / (0.3 * point.weights[1]), field, rtol=1e-12)


def test_where_nothing_is_soft_there_is_no_vector():
    softness = np.array([[0.0, 0.3], [0.0, 0.0]])
    charges, exists = np.zeros((2, 2)), np.ones((2, 2), dtype=bool)
    constraints = Constraints(HostBackend(), charges, exists, np.zeros(1), softness=softness)
    rows = np.array([[0.5, 0.5, 1.0, 2.0, 3.0], [0.5, 0.5, 1.0, 2.0, 3.0]])
    found = constraints.rows_of(constraints.project(constraints.unknowns_of(rows)))
    np.testing.assert_allclose(found[0], rows[0])
    np.testing.assert_allclose(found[1], [0.5, 0.5, 0.0, 0.0, 0.0])


def test_dynamics(monkeypatch):
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    atoms = ions()
    atoms.set_velocities(np.random.default_rng(1).normal(0.0, 0.02, (len(atoms), 3)))
    arguments = atoms, POLARISED["halides"], 1.0 * units.fs
    device = Dynamics(*arguments, device="cuda", **PRECISE)
    host = Dynamics(*arguments, solver="krylov", **PRECISE)
    for run in (device, host):
        run.run(5)
    np.testing.assert_allclose(device.positions, host.positions, rtol=0, atol=1e-10)
    assert device.total_energy == pytest.approx(host.total_energy, rel=0, abs=1e-8)


def test_what_is_refused():
    for name in ("halides", "water-unpolarised"):
        with pytest.raises(InvalidInputError, match="shadow: must be False on a CUDA device"):
            on_device(POLARISED[name], shadow=True)
