"""One small structure at a time: one block of threads of the device, run on the CPU."""

import ecteam
import numpy as np
import pytest
from ase import Atoms, units
from ecteam import ECTEAM, Dynamics, InvalidInputError, NotConvergedError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.single import SizedEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from strategies import POTENTIALS, RIGID, placed_molecules, sheared

pytestmark = needs_compiler
PRECISE = {"tolerance": 1e-11}
LAUNCHES = ["count_structure_pairs", "fill_structure_pairs", "minimise_structures"]
LAUNCHES += ["structure_forces"]
FIELDS = "free_energy energy energies forces weights charges background dipole".split()


def waters(n, charge=0.0):
    atoms = placed_molecules(np.random.default_rng(n), n, 2.9, 0.1)
    atoms.set_cell(None)
    atoms.info["charge"] = charge
    return atoms


def periodic(n):
    rng = np.random.default_rng(n)
    return sheared(placed_molecules(rng, n, 3.0, 0.1), rng)


def evaluators(name="toy", **options):
    options = {**PRECISE, **options}
    core = POTENTIALS[name].core
    return SizedEvaluator(core, HostBackend(), **options), _core.Evaluator(
        core, solver="krylov", **options
    )


def same(atoms, device, engine):
    system = *arrays_of(atoms), float(atoms.info.get("charge", 0.0))
    found, expected = device.evaluate(*system), engine.evaluate(*system)
    assert not isinstance(found, _core.Evaluation)
    for name in FIELDS:
        both = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(*both, rtol=0, atol=1e-8, err_msg=name)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=0, atol=1e-9)
    if expected.stress is not None:
        np.testing.assert_allclose(found.stress, expected.stress, rtol=0, atol=1e-10)
    assert found.kkt_residual <= 1e-11
    return found


@pytest.mark.parametrize("name", ["toy", "water-unpolarised"])
def test_a_calculator_stays_in_one_block_and_follows_its_weights(name):
    atoms, (device, engine) = waters(2), evaluators(name, branch_interval=0)
    velocity = np.random.default_rng(0).uniform(-0.01, 0.01, (6, 3))
    products = []
    for _ in range(4):
        products.append(same(atoms, device, engine).hessian_products)
        atoms.positions += velocity
    assert max(products[1:]) < products[0]
    launched = [name for name in device.backend.launches if name in LAUNCHES]
    assert launched == 4 * LAUNCHES
    atoms.positions[0] += 0.6  # another geometry: sought afresh
    same(atoms, device, engine)
    atoms.info["charge"] = 1.0
    same(atoms, device, engine)
    same(waters(1), device, engine)
    assert "pair_forces" not in device.backend.launches


@pytest.mark.parametrize("electrostatics", ["shifted_force", "ewald"])
def test_a_periodic_structure_takes_each_cell(electrostatics):
    atoms, (device, engine) = periodic(3), evaluators(electrostatics=electrostatics)
    for stretch in (1.0, 1.01, 1.02):
        atoms.set_cell(atoms.cell.array * stretch, scale_atoms=True)
        atoms.positions[1] += atoms.cell.array[0]  # out of the cell, and to the same place
        same(atoms, device, engine)
    assert [name for name in device.backend.launches if "ewald" not in name] == 3 * LAUNCHES
    assert ("fill_ewald_pairs" in device.backend.launches) == (electrostatics == "ewald")


def test_a_lower_branch_is_looked_for_now_and_then():
    atoms, (device, engine) = waters(1), evaluators(branch_interval=2)
    for _ in range(3):
        same(atoms, device, engine)
        atoms.positions[1, 0] += 0.003
    # The second warm call starts cold as well.
    assert device.backend.launches.count("minimise_structures") == 4


def test_a_lower_branch_is_reported():
    """The ions of a molecule pulled apart end above its neutral atoms."""
    atoms = Atoms("LiF", [[0, 0, 0], [0, 0, 1.6]])
    core, options = RIGID["halides"].core, {"branch_interval": 20}
    device = SizedEvaluator(core, HostBackend(), **options)
    engine = _core.Evaluator(core, solver="krylov", **options)
    found = expected = None
    for _ in range(21):
        found, expected = (e.evaluate(*arrays_of(atoms), 0.0) for e in (device, engine))
        atoms.positions[1, 2] += 0.4
    assert found.lower_branch == pytest.approx(expected.lower_branch, abs=1e-6)
    assert found.lower_branch > 0.1


def test_large_structures_go_another_way():
    device, engine = evaluators()
    same(waters(22), device, engine)
    assert "minimise_structures" not in device.backend.launches
    fragments = np.repeat(np.arange(2, dtype=np.uint32), 3)
    device.evaluate(*arrays_of(waters(2)), np.zeros(2), fragments)
    assert "minimise_structures" not in device.backend.launches
    assert device.backend.launches.count("pair_forces") == 2


def test_steps_stay_in_one_block(monkeypatch):
    backend = HostBackend()
    monkeypatch.setattr(backend_module, "CupyBackend", lambda: backend)
    atoms = waters(2)
    atoms.set_velocities(np.random.default_rng(1).normal(0.0, 0.05, (6, 3)))
    arguments = atoms, "water-unpolarised", 0.25 * units.fs
    device = Dynamics(*arguments, device="cuda", **PRECISE)
    host = Dynamics(*arguments, solver="krylov", **PRECISE)
    for run in (device, host):
        run.run(4)
    np.testing.assert_allclose(device.positions, host.positions, rtol=0, atol=1e-10)
    assert device.total_energy == pytest.approx(host.total_energy, rel=0, abs=1e-8)
    assert backend.launches.count("minimise_structures") == 5
    assert "pair_forces" not in backend.launches


def test_errors(monkeypatch):
    backend = HostBackend()
    monkeypatch.setattr(backend_module, "CupyBackend", lambda: backend)
    atoms = waters(1)
    atoms.calc = ECTEAM("water-unpolarised", device="cuda")
    atoms.get_potential_energy()
    atoms.positions[1] = atoms.positions[0] + [0.0, 0.0, 0.01]
    with pytest.raises(InvalidInputError, match="apart"):
        atoms.get_potential_energy()
    atoms.positions[1] = np.nan
    with pytest.raises(InvalidInputError, match=r"positions\[1, 0\]"):
        atoms.get_potential_energy()
    with pytest.raises(InvalidInputError, match="no combination of states"):
        ecteam.evaluate(waters(1), "water-unpolarised", 40.0, device="cuda")
    with pytest.raises(NotConvergedError, match="after 1 iterations") as caught:
        ecteam.evaluate(waters(1), "water-unpolarised", device="cuda", max_iterations=1, **PRECISE)
    assert caught.value.residual > 1e-11
