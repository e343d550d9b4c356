"""Functions of pairs in single precision on the device, run on the CPU, against double."""

import ecteam
import numpy as np
import pytest
from ase.build import bulk
from ecteam import ECTEAM, InvalidInputError
from ecteam.cuda import backend as backend_module
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import arrays_of
from host_backend import HostBackend
from host_compiler import needs_compiler
from one_state_potentials import crystal, one_state_potentials
from strategies import placed_molecules, sheared

FORCE, ENERGY, STRESS = 1e-4, 2e-5, 1e-6
"""eV/Å, eV per atom and eV/Å³ by which the two may differ."""


def liquid():
    rng = np.random.default_rng(3)
    return sheared(placed_molecules(rng, 8, 3.1, 0.05), rng)


def salt():
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def metal():
    atoms = bulk("Nb", "bcc", a=3.3, cubic=True).repeat((2, 2, 3))
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    return one_state_potentials(tmp_path_factory.mktemp("setfl"))["one"]


def both(potential, atoms, **options):
    kind = OneStateEvaluator if potential.core.one_state else EnsembleEvaluator
    return [
        kind(potential.core, HostBackend(), precision, **options).evaluate(*arrays_of(atoms), 0.0)
        for precision in ("mixed", "double")
    ]


@needs_compiler
@pytest.mark.parametrize(
    ("name", "atoms", "options"),
    [
        ("water-unpolarised", liquid(), {"electrostatics": "shifted_force"}),
        ("water-unpolarised", liquid(), {"electrostatics": "pme"}),
        ("halides", salt(), {"electrostatics": "pme"}),
        ("niobium", metal(), {}),
        ("copper", crystal(["Cu"]), {}),
    ],
    ids="water-shifted water-mesh salt niobium copper".split(),
)
def test_forces_are_close_to_those_of_doubles(copper, name, atoms, options):
    potential = copper if name == "copper" else ecteam.load(name)
    mixed, double = both(potential, atoms, **options)
    assert np.abs(double.forces).max() > 0.05
    assert (mixed.forces != double.forces).any(), "nothing was made in single precision"
    np.testing.assert_allclose(mixed.forces, double.forces, rtol=0, atol=FORCE)
    np.testing.assert_allclose(mixed.energies, double.energies, rtol=0, atol=ENERGY)
    np.testing.assert_allclose(mixed.stress, double.stress, rtol=0, atol=STRESS)
    np.testing.assert_allclose(mixed.weights, double.weights, rtol=0, atol=2e-6)
    assert mixed.kkt_residual <= 1e-8


@needs_compiler
def test_forces_are_the_slope_of_the_energy():
    """Of the energy in mixed precision: what it rounds does not jump from step to step."""
    atoms, step = liquid(), 5e-3
    options = {"electrostatics": "shifted_force", "tolerance": 1e-9}
    evaluator = EnsembleEvaluator(
        ecteam.load("water-unpolarised").core, HostBackend(), "mixed", **options
    )
    energies = []
    for shift in (-step, step, 0.0):
        moved = atoms.copy()
        moved.positions[4, 0] += shift
        found = evaluator.evaluate(*arrays_of(moved), 0.0)
        energies.append(found.free_energy)
    slope = (energies[0] - energies[1]) / (2 * step)
    assert found.forces[4, 0] == pytest.approx(slope, abs=2e-3)


@needs_compiler
def test_the_calculator_takes_a_precision(monkeypatch):
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    atoms, other = metal(), metal()
    atoms.calc = ECTEAM("niobium", device="cuda", precision="mixed")
    other.calc = ECTEAM("niobium")
    error = np.abs(atoms.get_forces() - other.get_forces()).max()
    assert 1e-9 < error < FORCE


def test_a_precision_must_exist_on_the_device(monkeypatch):
    atoms = metal()
    with pytest.raises(InvalidInputError, match="must be 'double' on the CPU, got 'mixed'"):
        ecteam.evaluate(atoms, "niobium", precision="mixed")
    with pytest.raises(InvalidInputError, match="must be 'double' on the CPU, got 'mixed'"):
        ECTEAM("niobium", precision="mixed")
    monkeypatch.setattr(backend_module, "CupyBackend", HostBackend)
    with pytest.raises(InvalidInputError, match="must be 'double' or 'mixed', got 'half'"):
        ecteam.evaluate(atoms, "niobium", device="cuda", precision="half")
