"""Disordered systems from nothing: they converge, whatever their size, in few Hessian products."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial import cKDTree

WATER = np.array([[0, 0, 0], [0.757, 0.586, 0], [-0.757, 0.586, 0]])
DENSITY = 0.0334  # molecules/Å³ at 1 g/cm³


def random_water(molecules, nearest, density=DENSITY, seed=0):
    """Molecules anywhere and at any angle, no two atoms of two nearer than `nearest` (Å)."""
    rng = np.random.default_rng(seed)
    side = (molecules / density) ** (1 / 3)
    positions = np.empty((0, 3, 3))
    while len(positions) < molecules:
        turns, _ = np.linalg.qr(rng.standard_normal((molecules, 3, 3)))
        new = (rng.uniform(0, side, (molecules, 1, 3)) + WATER @ turns) % side
        both = np.concatenate([positions, new])
        tree = cKDTree(both.reshape(-1, 3), boxsize=side)
        keep = np.ones(len(both), dtype=bool)
        for first, second in sorted(tree.query_pairs(nearest)):
            a, b = first // 3, second // 3
            if a != b and keep[a] and b >= len(positions):
                keep[b] = False
        positions = both[keep][:molecules]
    symbols = ["O", "H", "H"] * molecules
    return Atoms(symbols, positions=positions.reshape(-1, 3), cell=[side] * 3, pbc=True)


SYSTEMS = {
    "random": lambda: random_water(600, 1.5),
    "close": lambda: random_water(600, 1.0),
    "compressed": lambda: random_water(400, 0.7, 1.5 * DENSITY),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_random_liquids_converge_in_few_products(name):
    atoms = SYSTEMS[name]()
    result = ecteam.evaluate(atoms, "water-unpolarised", tolerance=1e-6, electrostatics="pme")
    assert result.kkt_residual <= 1e-6
    assert result.positive_definite
    # A search for negative curvature at the end is included.
    assert result.hessian_products <= 60
    assert result.iterations <= 12


@pytest.mark.parametrize(("amplitude", "most"), [(0.3, 40), (0.6, 48)])
def test_rattled_salt_converges(amplitude, most):
    """Its ions have induced dipoles: a preconditioner of the weights alone takes 53 at 0.6 Å."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(4)
    atoms.rattle(amplitude, seed=0)
    result = ecteam.evaluate(atoms, "halides", tolerance=1e-6, electrostatics="pme")
    assert result.kkt_residual <= 1e-6
    assert result.hessian_products <= most


def test_products_do_not_grow_with_the_system():
    """From 375 to 3,000 atoms; without the mesh of the preconditioner twice as many."""
    found = [
        ecteam.evaluate(
            random_water(n, 1.5), "water-unpolarised", tolerance=1e-6, electrostatics="pme"
        )
        for n in (125, 1000)
    ]
    products = [result.hessian_products for result in found]
    assert products[1] <= 1.4 * products[0]


def test_mesh_and_sum_find_the_same_weights():
    """The preconditioner knows the mesh's charges only; the answer does not depend on it."""
    atoms = random_water(125, 1.5)
    on_mesh, summed = (
        ecteam.evaluate(atoms, "water-unpolarised", electrostatics=method, accuracy=1e-9)
        for method in ("pme", "ewald")
    )
    assert on_mesh.free_energy == pytest.approx(summed.free_energy, rel=1e-8)
    np.testing.assert_allclose(on_mesh.weights, summed.weights, rtol=0, atol=1e-6)


def test_the_same_liquid_gives_the_same_bits():
    atoms = random_water(125, 1.5)
    first, second = (
        ecteam.evaluate(atoms, "water-unpolarised", electrostatics="pme") for _ in range(2)
    )
    for name in ("free_energy", "weights", "forces", "hessian_products"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
