"""Warm starts and the preconditioner: few Hessian products, the same answers."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.units import fs, kB
from ecteam import ECTEAM
from strategies import placed_molecules


def moving_waters(seed):
    """216 molecules with the velocities of 300 K."""
    rng = np.random.default_rng(seed)
    atoms = placed_molecules(rng, 216, 3.105, 0.1)
    atoms.pbc = True
    scale = np.sqrt(kB * 300 / atoms.get_masses())[:, None]
    atoms.set_velocities(scale * rng.standard_normal((len(atoms), 3)))
    return atoms


@pytest.fixture(scope="module")
def waters():
    return moving_waters(3)


def products_of_steps(atoms, name):
    """Of sixteen steps of 0.25 fs, which lose no accuracy."""
    rough, precise = (ECTEAM(name, tolerance=tolerance) for tolerance in (1e-6, 1e-9))
    products = []
    for _ in range(16):
        atoms.positions += 0.25 * fs * atoms.get_velocities()
        rough.calculate(atoms, system_changes=["positions"])
        precise.calculate(atoms, system_changes=["positions"])
        products.append(rough.result.hessian_products)
        assert rough.result.kkt_residual <= 1e-6
    found, exact = rough.result, precise.result
    assert found.free_energy == pytest.approx(exact.free_energy, rel=0, abs=1e-8)
    np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=3e-6)
    return products


@pytest.mark.parametrize("name", ["water-unpolarised", "water"])
def test_products_of_a_dynamics_step(name):
    """After ten steps three products are enough."""
    products = [products_of_steps(moving_waters(seed), name)[10:] for seed in (3, 4, 5)]
    assert np.max(products) <= 5, products
    assert np.mean(products) <= 3.5, products


@pytest.mark.parametrize("potential", ["water-unpolarised", "water"])
@pytest.mark.parametrize("name", ["H2O", "H2O2"])
def test_the_inverse_is_exact_where_all_atoms_are_near(name, potential):
    """A Newton step on a small molecule takes a product or two; the look for a saddle four."""
    result = ecteam.evaluate(molecule(name), potential, solver="krylov")
    assert result.positive_definite
    starts = 3
    assert result.hessian_products <= starts * (2 * result.iterations + 6)


def test_an_irregular_path_is_no_worse_than_the_last_weights(waters):
    """Steps back and forth, of any length, and the same geometry twice."""
    rng = np.random.default_rng(1)
    atoms = Atoms(waters[:24], cell=None, pbc=False)
    atoms.calc = ECTEAM("water-unpolarised")
    start = atoms.positions.copy()
    for length in (0.0, 0.01, 0.01, 0.0, -0.02, 0.3, 1e-6, 2e-6, 0.0):
        atoms.positions = start + length * rng.uniform(-1, 1, start.shape)
        cold = ecteam.evaluate(atoms, "water-unpolarised")
        energy = atoms.get_potential_energy(force_consistent=True)
        assert energy == pytest.approx(cold.free_energy, rel=0, abs=1e-7)
