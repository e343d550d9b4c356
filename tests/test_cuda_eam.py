"""One-state potentials on the device, run on the CPU, against the engine."""

import pickle
import sys
import types

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ecteam import ECTEAM, DeviceError, InvalidInputError, _core
from ecteam.cuda import backend as backend_module
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from hypothesis import given, settings
from hypothesis import strategies as st
from one_state_potentials import EMBEDDINGS, crystal, one_state_potentials, strained

ENERGY, FORCE, STRESS = 1e-9, 1e-8, 1e-9
"""eV/atom, eV/Å and eV/Å³ by which the two may differ."""


@pytest.fixture(scope="module")
def potentials(tmp_path_factory):
    return one_state_potentials(tmp_path_factory.mktemp("setfl"))


def on_device(potential, backend=None, **options):
    return OneStateEvaluator(potential.core, backend or HostBackend(), **options)


def check(potential, atoms, evaluator=None):
    """Compare with the engine; returns what the engine found."""
    system = arrays_of(atoms)
    found = (evaluator or on_device(potential)).evaluate(*system, 0.0)
    engine = _core.Evaluator(potential.core).evaluate(*system, 0.0)
    assert not isinstance(found, _core.Evaluation)
    assert found.energy == pytest.approx(engine.energy, rel=0, abs=ENERGY * len(atoms))
    np.testing.assert_allclose(found.energies, engine.energies, rtol=0, atol=ENERGY)
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=FORCE)
    np.testing.assert_allclose(found.background, engine.background, rtol=1e-10, atol=1e-12)
    assert (found.stress is None) == (engine.stress is None)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=STRESS)
    for name in ("weights", "charges", "dipole", "free_energy"):
        np.testing.assert_allclose(getattr(found, name), getattr(engine, name), atol=1e-7)
    return engine


@needs_compiler
@pytest.mark.parametrize("name", ["alloy", "fs", *EMBEDDINGS])
def test_crystals_of_two_elements(potentials, name):
    engine = check(potentials[name], crystal())
    assert np.abs(engine.forces).max() > 0.1


@needs_compiler
@pytest.mark.parametrize("name", ["one", "fs"])
@pytest.mark.parametrize(
    "atoms",
    [
        crystal(["Cu"], (4, 4, 5)),  # more than one block
        bulk("Cu", a=3.6),  # its own neighbour
        strained(crystal(["Cu"], (1, 2, 2)), True),
        strained(crystal(["Cu"], (2, 2, 2)), (True, False, True)),
        strained(crystal(["Cu"], (2, 2, 2)), (False, False, True)),
        crystal(["Cu"], (2, 2, 2), a=2.4),  # densities beyond the table of the embedding energy
        Atoms("Cu2", positions=[[0, 0, 0], [0.8, 0.3, 0.2]]),  # closer than the rows reach
        Atoms("Cu"),
        Atoms("Cu2", positions=[[0, 0, 0], [0, 5.49999, 0]]),
    ],
    ids="crystal primitive triclinic slab chain dense close lonely far".split(),
)
def test_systems(potentials, name, atoms):
    check(potentials[name], atoms)


@needs_compiler
@given(st.integers(0, 9999), st.integers(1, 25), st.tuples(*3 * [st.booleans()]))
@settings(max_examples=40)
def test_random_alloys(potentials, seed, n, pbc):
    rng = np.random.default_rng(seed)
    cell = (6 * n) ** (1 / 3) * 1.8 * (np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3)))
    positions = rng.uniform(-0.5, 1.5, (n, 3)) @ cell
    atoms = Atoms(rng.choice(["Ni", "Cu"], n), positions=positions, cell=cell, pbc=pbc)
    distances = atoms.get_all_distances(mic=True) + 10 * np.eye(n)
    shortest = min(distances.min(), np.linalg.norm(cell, axis=1).min())
    if shortest > 0.5:  # forces are beyond 10³ eV/Å below
        check(potentials["fs"], atoms)


@needs_compiler
def test_a_warm_evaluator_follows_the_atoms(potentials):
    backend = HostBackend()
    evaluator = on_device(potentials["fs"], backend, skin=0.6)
    atoms = crystal()
    rng = np.random.default_rng(3)
    for _ in range(4):
        check(potentials["fs"], atoms, evaluator)
        atoms.positions += rng.uniform(-0.12, 0.12, (len(atoms), 3))
    searches = backend.launches.count("search")
    assert searches == 2 + 1, "the first list, and one after an atom had moved 0.3 Å"
    atoms.symbols[:] = "Cu"
    check(potentials["fs"], atoms, evaluator)
    check(potentials["fs"], atoms[:-3], evaluator)
    atoms.set_cell(atoms.cell.array * 1.01, scale_atoms=True)
    check(potentials["fs"], atoms, evaluator)


@needs_compiler
def test_the_order_of_the_threads_does_not_matter(potentials):
    system = arrays_of(crystal(repeat=(4, 4, 5)))
    found = [
        on_device(potentials["fs"], HostBackend(backwards)).evaluate(*system, 0.0)
        for backwards in (False, True)
    ]
    for name in ("forces", "energies", "background", "stress"):
        forth, back = (getattr(result, name).tobytes() for result in found)
        assert forth == back, name


@needs_compiler
def test_errors_are_the_engines(potentials):
    evaluator = on_device(potentials["fs"])
    gold = Atoms("CuAu", positions=[[0, 0, 0], [0, 0, 3]])
    with pytest.raises(InvalidInputError, match=r"numbers\[1\]: the potential .* no element Au"):
        evaluator.evaluate(*arrays_of(gold), 0.0)
    with pytest.raises(InvalidInputError, match=r"atoms 0 and 1 are 1.000e-7 Å apart"):
        evaluator.evaluate(*arrays_of(Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1e-7]])), 0.0)
    with pytest.raises(InvalidInputError, match="total_charge"):
        evaluator.evaluate(*arrays_of(bulk("Cu")), 1.0)
    assert evaluator.evaluate(*arrays_of(Atoms()), 0.0).energy == 0.0
    with pytest.raises(InvalidInputError, match="skin"):
        on_device(potentials["fs"], skin=-1.0)
    with pytest.raises(DeviceError, match="a neighbour list of 48 atoms needs"):
        on_device(potentials["fs"], HostBackend(memory=9000)).evaluate(*arrays_of(crystal()), 0.0)


def test_potentials_that_seek_weights_are_refused():
    with pytest.raises(InvalidInputError, match="potential: must have one neutral state per"):
        OneStateEvaluator(ecteam.load("water-unpolarised").core, HostBackend())


@needs_compiler
def test_the_calculator_runs_on_the_device(potentials, monkeypatch):
    backend = HostBackend()
    monkeypatch.setattr(backend_module, "CupyBackend", lambda: backend)
    potential = potentials["one"]
    atoms, other = crystal(["Cu"]), crystal(["Cu"])
    atoms.calc, other.calc = ECTEAM(potential, device="cuda", skin=0.3), ECTEAM(potential)
    for _ in range(2):
        np.testing.assert_allclose(atoms.get_forces(), other.get_forces(), atol=FORCE)
        np.testing.assert_allclose(atoms.get_stress(), other.get_stress(), atol=STRESS)
        atoms.positions[3] += 0.05
        other.positions[3] += 0.05
    assert backend.launches.count("one_element_forces") == 2
    atoms.calc = pickle.loads(pickle.dumps(atoms.calc))
    assert atoms.get_potential_energy() == pytest.approx(other.get_potential_energy(), abs=1e-8)
    assert backend.launches.count("one_element_forces") == 3
    result = ecteam.evaluate(atoms, potential, device="cuda")
    assert result.state_names[0] == ("ground",)


def test_a_device_that_is_not_there_is_named(potentials, monkeypatch):
    atoms = bulk("Cu")
    with pytest.raises(InvalidInputError, match="device: must be 'cpu' or 'cuda', got 'tpu'"):
        ecteam.evaluate(atoms, potentials["one"], device="tpu")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match=r"CuPy cannot be imported .*ecteam\[cuda13\]"):
        ecteam.evaluate(atoms, potentials["one"], device="cuda")

    class NoDriver(RuntimeError):
        pass

    def get_device_count():
        raise NoDriver("cudaErrorNoDevice")

    runtime = types.SimpleNamespace(getDeviceCount=get_device_count, CUDARuntimeError=NoDriver)
    cupy = types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(DeviceError, match=r"no CUDA device can be used .*cudaErrorNoDevice"):
        ECTEAM(potentials["one"], device="cuda")
    runtime.getDeviceCount = lambda: 0
    with pytest.raises(DeviceError, match="there is no CUDA device"):
        ECTEAM(potentials["one"], device="cuda")
