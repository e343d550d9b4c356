"""Warm starts and the preconditioner: few Hessian products, the same answers."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.units import fs, kB
from ecteam import ECTEAM
from strategies import placed_molecules


@pytest.fixture(scope="module")
def waters():
    """216 molecules with the velocities of 300 K."""
    rng = np.random.default_rng(3)
    atoms = placed_molecules(rng, 216, 3.105, 0.1)
    atoms.pbc = True
    scale = np.sqrt(kB * 300 / atoms.get_masses())[:, None]
    atoms.set_velocities(scale * rng.standard_normal((len(atoms), 3)))
    return atoms


@pytest.mark.parametrize("name", ["water-unpolarised", "water"])
def test_products_of_a_dynamics_step(waters, name):
    """0.25 fs a step: after ten of them eight products are enough, at no loss of accuracy."""
    atoms = waters.copy()
    rough, precise = (ECTEAM(name, tolerance=tolerance) for tolerance in (1e-6, 1e-9))
    products = []
    for _ in range(16):
        atoms.positions += 0.25 * fs * atoms.get_velocities()
        rough.calculate(atoms, system_changes=["positions"])
        precise.calculate(atoms, system_changes=["positions"])
        products.append(rough.result.hessian_products)
        assert rough.result.kkt_residual <= 1e-6
    assert max(products[10:]) <= 8, products
    found, exact = rough.result, precise.result
    assert found.free_energy == pytest.approx(exact.free_energy, rel=0, abs=1e-8)
    np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=3e-6)


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
