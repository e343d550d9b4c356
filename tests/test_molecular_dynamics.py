"""Dynamics on the CPU and on the device, the kernels run on the CPU."""

import ecteam
import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixAtoms
from ase.md.verlet import VelocityVerlet
from ecteam import ECTEAM, Dynamics, InvalidInputError
from ecteam.cuda import backend as backend_module
from ecteam.steps import normals, philox
from host_backend import HostBackend
from host_compiler import needs_compiler
from one_state_potentials import crystal, one_state_potentials
from strategies import POTENTIALS, placed_molecules

FS = units.fs
LANGEVIN = {"temperature": 900.0, "friction": 0.05 / FS, "seed": 7}


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    return one_state_potentials(tmp_path_factory.mktemp("setfl"))["fs"]


@pytest.fixture
def backend(monkeypatch):
    backend = HostBackend()
    monkeypatch.setattr(backend_module, "CupyBackend", lambda: backend)
    return backend


def hot(atoms, temperature=600.0):
    spread = np.sqrt(units.kB * temperature / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * np.random.default_rng(1).standard_normal((len(atoms), 3)))
    return atoms


def waters():
    atoms = placed_molecules(np.random.default_rng(0), 2, 2.9, 0.05)
    atoms.set_cell(None)
    return hot(atoms)


def same(one, other, tolerance=1e-11):
    np.testing.assert_allclose(one.positions, other.positions, rtol=0, atol=tolerance)
    np.testing.assert_allclose(one.velocities, other.velocities, rtol=0, atol=tolerance)
    assert one.total_energy == pytest.approx(other.total_energy, rel=0, abs=100 * tolerance)
    assert one.step == other.step


def test_random_words_are_those_published():
    """Known answers of the authors' Random123 library."""
    zeros = philox(np.zeros((4, 1), dtype=np.uint64), (0, 0))
    assert zeros[:, 0].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = philox(np.full((4, 1), 0xFFFFFFFF, dtype=np.uint64), (0xFFFFFFFF, 0xFFFFFFFF))
    assert ones[:, 0].tolist() == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def test_noise_is_normal_and_of_one_step_and_seed():
    noise = normals(40_000, 3, 7)
    assert abs(noise.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose(np.cov(noise.T), np.eye(3), atol=0.03)
    assert abs((noise**4).mean() - 3.0) < 0.1
    for other in (normals(40_000, 4, 7), normals(40_000, 3, 8), normals(40_000, 3 + 2**32, 7)):
        assert abs((noise * other).mean()) < 0.02


@pytest.mark.parametrize("make", [waters, lambda: hot(crystal())], ids=["water", "metal"])
def test_without_friction_it_is_ases_velocity_verlet(copper, make):
    atoms = make()
    potential = "water-unpolarised" if "O" in atoms.symbols else copper
    dynamics = Dynamics(atoms, potential, 0.5 * FS)
    dynamics.run(20)
    start = atoms.positions.copy()
    atoms.calc = ECTEAM(potential)
    VelocityVerlet(atoms, 0.5 * FS).run(20)
    assert np.abs(atoms.positions - start).max() > 0.02
    np.testing.assert_allclose(dynamics.positions, atoms.positions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(dynamics.velocities, atoms.get_velocities(), rtol=0, atol=1e-9)
    free = atoms.get_potential_energy(force_consistent=True)
    assert dynamics.potential_energy == pytest.approx(free, abs=1e-9)
    assert dynamics.atoms.get_potential_energy(force_consistent=True) == dynamics.potential_energy
    np.testing.assert_allclose(dynamics.atoms.get_forces(), atoms.get_forces(), atol=1e-7)
    assert dynamics.time == pytest.approx(10 * FS)
    assert dynamics.temperature == pytest.approx(atoms.get_temperature(), rel=1e-7)


def test_energy_is_conserved(copper):
    start = hot(crystal(), 300)
    dynamics = Dynamics(start, copper, 2.0 * FS)
    energies = []
    dynamics.run(1500, lambda d: energies.append(d.total_energy), every=10)
    fifth = len(energies) // 5
    drift = np.mean(energies[-fifth:]) - np.mean(energies[:fifth])
    assert abs(drift) / 48 < 1e-5
    momenta = [atoms.get_momenta().sum(axis=0) for atoms in (start, dynamics.atoms)]
    np.testing.assert_allclose(*momenta, atol=1e-9)


def test_friction_and_noise_share_the_energy_among_all(copper):
    dynamics = Dynamics(crystal(), copper, 4.0 * FS, **LANGEVIN)
    dynamics.run(300)
    light = dynamics.atoms.symbols == "Ni"
    assert 0 < light.sum() < len(light)
    energies = []
    masses = dynamics.atoms.get_masses()[:, None]
    dynamics.run(4000, lambda d: energies.append(masses * d.velocities**2 / units.kB), every=5)
    mean = np.mean(energies, axis=0)
    for part in (mean[light], mean[~light], mean[:, 0], mean[:, 1], mean[:, 2]):
        assert part.mean() == pytest.approx(LANGEVIN["temperature"], rel=0.05)


@needs_compiler
@pytest.mark.parametrize("options", [{}, LANGEVIN], ids=["nve", "langevin"])
def test_the_device_moves_atoms_as_the_cpu(copper, backend, options):
    atoms, options = hot(crystal(), 900), {"skin": 0.4, **options}
    device = Dynamics(atoms, copper, 2.0 * FS, device="cuda", **options)
    host = Dynamics(atoms, copper, 2.0 * FS, **options)
    backend.launches.clear()
    for steps in (1, 60, 1, 20):
        device.run(steps)
        host.run(steps)
        same(device, host)
    searches, kicks = (backend.launches.count(name) for name in ("search", "count_step"))
    assert 2 <= searches <= 20, "the list was made again, and not at every step"
    assert kicks <= 82 + 30, "few steps were taken twice"


@needs_compiler
def test_steps_too_long_for_the_skin_are_taken_again(copper, backend):
    atoms = hot(crystal(), 3000)
    device = Dynamics(atoms, copper, 3.0 * FS, device="cuda", skin=0.05)
    host = Dynamics(atoms, copper, 3.0 * FS, skin=0.05)
    device.run(25)
    host.run(25)
    same(device, host, 1e-10)


@needs_compiler
@pytest.mark.parametrize("potential", ["water-unpolarised", "toy"])
def test_state_weights_on_the_device(backend, potential):
    options = {"tolerance": 1e-11, "branch_interval": 0}
    arguments = waters(), POTENTIALS[potential], 0.25 * FS
    device = Dynamics(*arguments, device="cuda", **options)
    host = Dynamics(*arguments, solver="krylov", **options)
    device.run(6)
    host.run(6)
    same(device, host, 1e-9)
    np.testing.assert_allclose(device.forces, host.forces, rtol=0, atol=1e-7)


@needs_compiler
def test_the_order_of_the_threads_does_not_matter(copper, monkeypatch):
    found = []
    for backwards in (False, True):
        backend = HostBackend(backwards)
        monkeypatch.setattr(backend_module, "CupyBackend", lambda backend=backend: backend)
        atoms = hot(crystal(repeat=(3, 3, 3)))
        dynamics = Dynamics(atoms, copper, 2.0 * FS, device="cuda", **LANGEVIN)
        dynamics.run(20)
        found.append((dynamics.positions.tobytes(), dynamics.total_energy))
    assert found[0] == found[1]


@needs_compiler
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_errors_on_the_way_are_the_engines(copper, backend, device):
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.0]])
    atoms.set_velocities([[0, 0, 0], [0, 0, -2.0 + 1e-9]])
    bare = ecteam.Potential.from_dict(without_forces(copper))
    dynamics = Dynamics(atoms, bare, 1.0, device=device)
    with pytest.raises(InvalidInputError, match=r"atoms 0 and 1 are .* Å apart"):
        dynamics.run(3)
    wild = Atoms("Cu", positions=[[0, 0, 0]])
    wild.set_velocities([[1e6, 0, 0]])
    with pytest.raises(InvalidInputError, match=r"positions\[0, 0\]: must be finite and within"):
        Dynamics(wild, bare, 1.0, device=device).run(5)


def without_forces(potential):
    """Return the text of a potential of copper and nickel whose tables are zero."""
    text = potential.to_dict()
    text.pop("sha256", None)
    for element in text["elements"].values():
        for table in element["states"][0]["density_tables"].values():
            table["values"] = [0.0] * len(table["values"])
    for repulsion in text["repulsions"]:
        values = repulsion["function"]["values"]
        repulsion["function"]["values"] = [0.0] * len(values)
    return text


def test_observers_see_the_steps_they_asked_for(copper):
    dynamics, seen = Dynamics(hot(crystal()), copper, 1.0 * FS), []
    dynamics.run(7, lambda d: seen.append(d.step), every=3)
    dynamics.run(4, lambda d: seen.append(d.step), every=3)
    assert seen == [3, 6, 9]
    assert dynamics.step == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timestep": 0.0}, "timestep: must be positive"),
        ({"timestep": "1"}, "timestep: must be positive and finite, got '1'"),
        ({"timestep": 1.0, "friction": None}, "friction: must be finite and not negative"),
        ({"timestep": 1.0, "friction": -1.0}, "friction: must be finite and not negative"),
        ({"timestep": 1.0, "friction": 1.0}, "temperature: must be given with friction"),
        ({"timestep": 1.0, "temperature": 300.0}, "temperature: must be given with friction"),
        ({"timestep": 1.0, "friction": 1.0, "temperature": -1.0}, "at least 0 K"),
        ({"timestep": 1.0, "seed": -1}, "seed: must be a whole number"),
        ({"timestep": 1.0, "seed": 1 << 64}, "seed: must be below"),
        ({"timestep": 1.0, "device": "tpu"}, "device: must be"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(InvalidInputError, match=message):
        Dynamics(waters(), "water-unpolarised", **options)


def test_runs_and_atoms_out_of_range():
    dynamics = Dynamics(waters(), "water-unpolarised", FS)
    with pytest.raises(InvalidInputError, match="steps: must be a whole number"):
        dynamics.run(-1)
    with pytest.raises(InvalidInputError, match="every: must be a whole number, at least 1"):
        dynamics.run(1, print, every=0)
    fixed = waters()
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(InvalidInputError, match="constraints"):
        Dynamics(fixed, "water-unpolarised", FS)
    massless = waters()
    massless.set_masses(np.where(np.arange(len(massless)) == 1, 0.0, 1.0))
    with pytest.raises(InvalidInputError, match=r"masses\[1\]: must be positive and finite, got 0"):
        Dynamics(massless, "water-unpolarised", FS)
    lost = waters()
    lost.set_momenta(np.where(np.arange(3) == 2, np.nan, np.zeros((len(lost), 1))))
    with pytest.raises(InvalidInputError, match=r"momenta\[0, 2\]: must be finite, got nan"):
        Dynamics(lost, "water-unpolarised", FS)


@needs_compiler
def test_what_the_device_does_not_do(backend):
    with pytest.raises(InvalidInputError, match="needs at least one"):
        Dynamics(Atoms(), "water-unpolarised", FS, device="cuda")
