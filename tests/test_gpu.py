"""The same calls on a CUDA device and on the CPU: only where there is a device.

With ECTEAM_REQUIRE_GPU=1 they fail instead of being skipped.
"""

import os
import shutil
import subprocess
import sys

import ecteam
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ecteam import ECTEAM, DeviceError, Dynamics
from ecteam.cuda.backend import CupyBackend
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.cuda.neighbors import NeighborList
from ecteam.structure import arrays_of
from one_state_potentials import EMBEDDINGS, crystal, one_state_potentials, strained
from strategies import POTENTIALS, placed_ions, placed_molecules, sheared

pytestmark = pytest.mark.gpu
ENERGY, FORCE, STRESS = 1e-9, 1e-8, 1e-9


@pytest.fixture(scope="module")
def backend():
    try:
        return CupyBackend()
    except DeviceError as error:
        if os.environ.get("ECTEAM_REQUIRE_GPU") == "1":
            pytest.fail(f"ECTEAM_REQUIRE_GPU=1, but {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def potentials(tmp_path_factory):
    return one_state_potentials(tmp_path_factory.mktemp("setfl"))


def check(potential, atoms, **options):
    found = ecteam.evaluate(atoms, potential, device="cuda", **options)
    engine = ecteam.evaluate(atoms, potential, **options)
    assert found.energy == pytest.approx(engine.energy, rel=0, abs=ENERGY * len(atoms))
    np.testing.assert_allclose(found.energies, engine.energies, rtol=0, atol=ENERGY)
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=FORCE)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=STRESS)


@pytest.mark.parametrize("name", ["alloy", "fs", *EMBEDDINGS])
def test_crystals_of_two_elements(backend, potentials, name):
    check(potentials[name], crystal())


@pytest.mark.parametrize(
    "atoms",
    [
        Atoms("Cu"),
        bulk("Cu", a=3.6),
        strained(crystal(["Cu"], (1, 2, 2)), True),
        strained(crystal(["Cu"], (2, 2, 2)), (True, False, True)),
        crystal(["Cu"], (7, 6, 6)),
        crystal(["Cu"], (30, 29, 29)),
    ],
    ids="lonely primitive triclinic slab thousand hundred-thousand".split(),
)
def test_systems(backend, potentials, atoms):
    check(potentials["one"], atoms)


@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 0, 1), (0, 0, 0)])
def test_neighbor_lists_are_equal(backend, pbc):
    atoms = strained(crystal(repeat=(3, 2, 2)), pbc)
    system = arrays_of(atoms)
    neighbors = NeighborList(backend, 6.1, 0.0)
    neighbors.update(backend.xp.asarray(system.positions), system)
    found = np.column_stack([backend.to_host(part) for part in neighbors.pairs()])
    engine = np.column_stack(ecteam.neighbor_list("ijS", atoms, 6.1))
    order = [np.lexsort(pairs.T[::-1]) for pairs in (found, engine)]
    np.testing.assert_array_equal(found[order[0]], engine[order[1]])


def niobium(repeat=(5, 5, 6)):
    atoms = bulk("Nb", "bcc", a=3.3, cubic=True).repeat(repeat)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize(
    "atoms",
    [
        niobium(),
        niobium((20, 20, 20)),
        bulk("Nb", "bcc", a=3.3),
        strained(niobium((1, 1, 2)), True),
        strained(niobium((2, 2, 3)), (True, False, True)),
        strained(niobium((2, 2, 3)), False),
        Atoms("Nb"),
    ],
    ids="crystal large primitive triclinic slab cluster lonely".split(),
)
def test_learned_terms(backend, atoms):
    check("niobium", atoms)


def test_fragments(backend):
    rng = np.random.default_rng(1)
    atoms = sheared(placed_molecules(rng, 27, 3.0, 0.1), rng)
    order = rng.permutation(len(atoms))
    check(
        "water-unpolarised",
        atoms[order],
        total_charge=rng.permutation(np.tile([0.0, 0.3, -0.3], 9)),
        fragments=order // 3,
        electrostatics="shifted_force",
        tolerance=1e-11,
    )


@pytest.mark.parametrize("name", ["water-unpolarised", "halides", "niobium", "copper"])
def test_mixed_precision(backend, potentials, name):
    rng = np.random.default_rng(3)
    atoms = {
        "water-unpolarised": sheared(placed_molecules(rng, 64, 3.1, 0.05), rng),
        "halides": bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(3),
        "niobium": niobium(),
        "copper": crystal(["Cu"], (4, 4, 4)),
    }[name]
    if name == "halides":
        atoms.rattle(0.1, seed=2)
    potential = potentials["one"] if name == "copper" else name
    mixed = ecteam.evaluate(atoms, potential, device="cuda", precision="mixed")
    engine = ecteam.evaluate(atoms, potential)
    error = np.abs(mixed.forces - engine.forces).max()
    assert 1e-9 < error < 1e-4
    np.testing.assert_allclose(mixed.energies, engine.energies, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["fs", "niobium", "water-unpolarised"])
def test_two_runs_have_the_same_bits(backend, potentials, name):
    rng = np.random.default_rng(1)
    atoms = {
        "fs": crystal(repeat=(8, 8, 8)),
        "niobium": niobium(),
        "water-unpolarised": sheared(placed_molecules(rng, 27, 3.0, 0.1), rng),
    }[name]
    potential = potentials.get(name, name)
    runs = [ecteam.evaluate(atoms, potential, device="cuda") for _ in range(2)]
    for name in ("energy", "forces", "energies", "stress"):
        first, second = (np.asarray(getattr(run, name)).tobytes() for run in runs)
        assert first == second, name


def test_dynamics_conserves_the_energy(backend, potentials):
    atoms = crystal(["Cu"], (5, 5, 5))
    atoms.calc = ECTEAM(potentials["one"], device="cuda")
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    start = atoms.get_total_energy()
    VelocityVerlet(atoms, 1.0 * units.fs).run(500)
    assert abs(atoms.get_total_energy() - start) / len(atoms) < 1e-5


@pytest.mark.parametrize(
    ("name", "charge", "options"),
    [
        ("molecule", 0.0, {}),
        ("molecule", 1.0, {}),
        ("liquid", 0.0, {"electrostatics": "pme"}),
        ("liquid", -1.0, {"electrostatics": "pme"}),
        ("liquid", 0.0, {"electrostatics": "shifted_force"}),
        ("big liquid", 0.0, {"electrostatics": "pme"}),
    ],
)
def test_state_weights(backend, name, charge, options):
    rng = np.random.default_rng(1)
    atoms = placed_molecules(rng, {"molecule": 2, "liquid": 8, "big liquid": 1000}[name], 3.0, 0.1)
    atoms = sheared(atoms, rng) if "liquid" in name else atoms
    options = {**options, "tolerance": 1e-11}
    found = ecteam.evaluate(atoms, "water-unpolarised", charge, device="cuda", **options)
    engine = ecteam.evaluate(atoms, "water-unpolarised", charge, solver="krylov", **options)
    np.testing.assert_allclose(found.weights, engine.weights, rtol=0, atol=1e-9)
    assert found.energy == pytest.approx(engine.energy, rel=0, abs=ENERGY * len(atoms))
    np.testing.assert_allclose(found.forces, engine.forces, rtol=0, atol=FORCE)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=STRESS)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ions", {}),
        ("ions", {"precision": "mixed"}),
        ("triclinic", {"electrostatics": "pme"}),
        ("triclinic", {"electrostatics": "shifted_force"}),
        ("salt", {"electrostatics": "pme"}),
    ],
)
def test_induced_dipoles(backend, kind, options):
    atoms = placed_ions(np.random.default_rng(1), (2, 2, 2), 2.7)
    atoms = sheared(atoms, np.random.default_rng(3))
    if kind == "ions":
        atoms.set_cell(None)
        atoms.pbc = False
    if kind == "salt":
        atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(2)
        atoms.rattle(0.1, seed=2)
    options = {**options, "tolerance": 1e-11}
    found = ecteam.evaluate(atoms, "halides", device="cuda", **options)
    mixed = options.pop("precision", "double") == "mixed"
    engine = ecteam.evaluate(atoms, "halides", solver="krylov", **options)
    assert np.abs(engine.induced_dipoles).max() > 0.01
    for name, exact, rough in (
        ("induced_dipoles", 1e-9, 1e-4),
        ("weights", 1e-9, 1e-4),
        ("forces", FORCE, 1e-4),
        ("energies", 1e-8, 2e-5),
    ):
        both = getattr(found, name), getattr(engine, name)
        np.testing.assert_allclose(*both, rtol=0, atol=rough if mixed else exact, err_msg=name)
    if engine.stress is not None:
        np.testing.assert_allclose(found.stress, engine.stress, rtol=0, atol=STRESS)


def molecules(count):
    """Clusters of one to seven water molecules, some of them charged."""
    found = []
    for k in range(count):
        atoms = placed_molecules(np.random.default_rng(k), k % 7 + 1, 3.0, 0.1)
        atoms.set_cell(None)
        atoms.info["charge"] = float(k % 5 == 4)
        found.append(atoms)
    return found


@pytest.mark.parametrize("name", ["water-unpolarised", "toy"])
def test_many_structures_in_one_call(backend, name):
    structures, options = molecules(200), {"tolerance": 1e-11}
    found = ecteam.evaluate(structures, POTENTIALS[name], device="cuda", **options)
    again = ecteam.evaluate(structures, POTENTIALS[name], device="cuda", **options)
    engines = ecteam.evaluate(structures, POTENTIALS[name], solver="krylov", **options)
    for result, other, engine in zip(found, again, engines, strict=True):
        np.testing.assert_allclose(result.weights, engine.weights, rtol=0, atol=1e-9)
        np.testing.assert_allclose(result.forces, engine.forces, rtol=0, atol=FORCE)
        assert result.energy == pytest.approx(engine.energy, rel=0, abs=1e-9)
        assert result.forces.tobytes() == other.forces.tobytes()


@pytest.mark.parametrize("electrostatics", ["ewald", "shifted_force"])
def test_many_periodic_structures_in_one_call(backend, electrostatics):
    structures = []
    for k in range(60):
        rng = np.random.default_rng(k)
        structures.append(sheared(placed_molecules(rng, k % 7 + 1, 3.0, 0.1), rng))
    options = {"tolerance": 1e-11, "electrostatics": electrostatics}
    found = ecteam.evaluate(structures, POTENTIALS["toy"], device="cuda", **options)
    engines = ecteam.evaluate(structures, POTENTIALS["toy"], solver="krylov", **options)
    for result, engine in zip(found, engines, strict=True):
        np.testing.assert_allclose(result.weights, engine.weights, rtol=0, atol=1e-9)
        np.testing.assert_allclose(result.forces, engine.forces, rtol=0, atol=FORCE)
        np.testing.assert_allclose(result.stress, engine.stress, rtol=0, atol=STRESS)


@pytest.mark.parametrize("name", ["one", "alloy", "fs"])
def test_many_crystals_in_one_call(backend, potentials, name):
    symbols = ["Cu"] if name == "one" else ["Ni", "Cu"]
    structures = [crystal(symbols, (1, 1, k % 4 + 1), seed=k) for k in range(100)]
    found = ecteam.evaluate(structures, potentials[name], device="cuda")
    engines = ecteam.evaluate(structures, potentials[name])
    for result, engine in zip(found, engines, strict=True):
        np.testing.assert_allclose(result.forces, engine.forces, rtol=0, atol=FORCE)
        np.testing.assert_allclose(result.energies, engine.energies, rtol=0, atol=ENERGY)
        np.testing.assert_allclose(result.stress, engine.stress, rtol=0, atol=STRESS)


def test_a_calculator_of_a_small_structure_follows_its_weights(backend):
    device, host = molecules(7)[-1], molecules(7)[-1]
    device.calc = ECTEAM("water-unpolarised", device="cuda", tolerance=1e-11)
    host.calc = ECTEAM("water-unpolarised", solver="krylov", tolerance=1e-11)
    move = np.random.default_rng(0).uniform(-0.01, 0.01, (len(device), 3))
    for _ in range(5):
        np.testing.assert_allclose(device.get_forces(), host.get_forces(), rtol=0, atol=FORCE)
        for atoms in (device, host):
            atoms.positions += move


@pytest.mark.parametrize("options", [{}, {"temperature": 600.0, "friction": 0.05 / units.fs}])
def test_dynamics_on_the_device(backend, potentials, options):
    atoms = crystal(repeat=(5, 5, 5))
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(0))
    arguments = atoms, potentials["fs"], 1.0 * units.fs
    runs = [Dynamics(*arguments, device=device, **options) for device in ("cuda", "cuda", "cpu")]
    for run in runs:
        run.run(20)
    device, again, host = runs
    assert device.positions.tobytes() == again.positions.tobytes()
    np.testing.assert_allclose(device.positions, host.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(device.velocities, host.velocities, rtol=0, atol=1e-9)
    before = device.total_energy
    device.run(500)
    if not options:
        assert abs(device.total_energy - before) / len(atoms) < 1e-5
    else:
        assert device.temperature == pytest.approx(600.0, rel=0.2)


def test_dynamics_with_state_weights(backend):
    atoms = molecules(7)[-1]
    arguments, options = (atoms, "water-unpolarised", 0.25 * units.fs), {"tolerance": 1e-11}
    device = Dynamics(*arguments, device="cuda", **options)
    host = Dynamics(*arguments, solver="krylov", **options)
    device.run(20)
    host.run(20)
    np.testing.assert_allclose(device.positions, host.positions, rtol=0, atol=1e-8)


def test_pairs_are_looked_up_where_memory_is_short(backend, monkeypatch):
    rng = np.random.default_rng(1)
    system = *arrays_of(sheared(placed_molecules(rng, 64, 3.0, 0.1), rng)), 0.0
    options = {"electrostatics": "shifted_force", "tolerance": 1e-11}
    rich, poor = (EnsembleEvaluator(POTENTIALS["toy"].core, backend, **options) for _ in range(2))
    found = rich.evaluate(*system)
    # Between what lists and vectors take, and what the functions of all pairs do.
    monkeypatch.setattr(CupyBackend, "available_bytes", lambda _: rich.energy.memory[0] - 1)
    other = poor.evaluate(*system)
    assert (rich.energy.looks_up, poor.energy.looks_up) == (False, True)
    np.testing.assert_allclose(found.forces, other.forces, rtol=0, atol=FORCE)


@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_the_sanitizer_finds_nothing(backend, tmp_path, tool):
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("no compute-sanitizer")
    one_state_potentials(tmp_path)
    script = (
        "import ecteam, sys\nfrom ase.build import bulk\n"
        "potential = ecteam.read_setfl(sys.argv[1])\n"
        "atoms = bulk('Cu', cubic=True, a=3.6) * (4, 4, 5)\n"
        "ecteam.evaluate(atoms, potential, device='cuda')\n"
        "from ase.build import molecule\n"
        "water = molecule('H2O', cell=[9, 9, 9], pbc=True)\n"
        "ecteam.evaluate(water, 'water-unpolarised', device='cuda')\n"
        "ecteam.evaluate(water, 'water-unpolarised', device='cuda', precision='mixed')\n"
        "options = {'fragments': [0, 0, 1], 'device': 'cuda'}\n"
        "ecteam.evaluate(water, 'water-unpolarised', [0.1, -0.1], **options)\n"
        "salt = bulk('NaCl', 'rocksalt', a=5.6, cubic=True)\n"
        "ecteam.evaluate(salt, 'halides', device='cuda')\n"
        "oxide = bulk('MgO', 'rocksalt', a=4.2, cubic=True)\n"
        "ecteam.evaluate([oxide, oxide], 'oxides', device='cuda')\n"
        "ecteam.evaluate([atoms[:20], atoms[:7]], potential, device='cuda')\n"
        "niobium = bulk('Nb', cubic=True) * (5, 5, 6)\n"
        "ecteam.evaluate(niobium, 'niobium', device='cuda')\n"
        "water.pbc = False\n"
        "ecteam.evaluate([water, water], 'water-unpolarised', device='cuda')\n"
        "ecteam.Dynamics(atoms, potential, 0.1, device='cuda').run(5)\n"
    )
    command = [sanitizer, "--tool", tool, "--error-exitcode", "1", sys.executable, "-c", script]
    done = subprocess.run([*command, tmp_path / "fs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
