"""Times of calls that users of the Python layer make; see README.md here."""

from __future__ import annotations

from typing import Any

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.md.verlet import VelocityVerlet
from ase.units import fs
from ecteam.benchmark import water
from ecteam.charges import PointCharges
from ecteam.density import electron_density
from ecteam.neighbors import neighbor_list

WATER = ecteam.load("water")


def displaced(atoms: Atoms) -> Atoms:
    """Move all atoms by some 0.05 Å."""
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.mark.parametrize("potential", ["water", "water-unpolarised"])
@pytest.mark.parametrize("molecules", [1, 64])
def test_evaluate(benchmark: Any, molecules: int, potential: str) -> None:
    """From nothing: a molecule in open space, a periodic box."""
    atoms = displaced(molecule("H2O") if molecules == 1 else water(molecules))
    result = benchmark(ecteam.evaluate, atoms, ecteam.load(potential))
    assert result.kkt_residual < 1e-8


@pytest.mark.parametrize("molecules", [1, 64])
def test_step_of_dynamics(benchmark: Any, molecules: int) -> None:
    """Ten steps of ASE's dynamics, 0.25 fs."""
    atoms = molecule("H2O") if molecules == 1 else water(molecules)
    atoms.calc = ecteam.ECTEAM(WATER)
    dynamics = VelocityVerlet(atoms, 0.25 * fs)
    dynamics.run(10)
    benchmark(dynamics.run, 10)
    assert np.isfinite(atoms.get_forces()).all()


@pytest.mark.parametrize("quantities", ["ij", "ijSdD"])
def test_neighbor_list(benchmark: Any, quantities: str) -> None:
    """4,000 atoms of copper, 54 neighbours of each."""
    atoms = displaced(bulk("Cu", cubic=True).repeat(10))
    i, *_ = benchmark(neighbor_list, quantities, atoms, 5.5)
    assert len(i) > 50 * len(atoms)


@pytest.mark.parametrize("method", ["ewald", "pme"])
def test_point_charges(benchmark: Any, method: Any) -> None:
    """512 ions of rock salt."""
    atoms = displaced(bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(4))
    charges = np.where(atoms.numbers == 11, 1.0, -1.0)
    found = benchmark(PointCharges(method).evaluate, atoms, charges)
    assert found.energy < 0


def test_electron_density(benchmark: Any) -> None:
    """A molecule at 100,000 points."""
    atoms = molecule("H2O")
    points = np.random.default_rng(1).uniform(-4, 4, (100_000, 3))
    result = ecteam.evaluate(atoms, WATER)
    density = benchmark(electron_density, atoms, result, points)
    assert np.isfinite(density).all()


@pytest.mark.parametrize("molecules", [1, 4])
def test_jacobian(benchmark: Any, molecules: int) -> None:
    """Predictions and their derivatives by all parameters that a fit adjusts."""
    atoms = displaced(molecule("H2O") if molecules == 1 else water(molecules))
    predictions, derivatives = benchmark(WATER.jacobian, [atoms])
    assert derivatives.shape == (len(predictions), len(WATER.parameters))
