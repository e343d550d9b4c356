"""Point charges through the whole engine: crystals whose atoms are whole ions."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy import constants

COULOMB = 14.399645478425668  # eV·Å/e², CODATA 2018; ASE's, of 2014, differs by 9e-9
# Sakamoto, J. Chem. Phys. 28, 164 (1958), and later sums to more digits.
MADELUNG = {"rocksalt": 1.747564594633182, "cesiumchloride": 1.762674773070988}
GAP = 1000.0  # eV: the ionic states win by so much that nothing else has weight


def test_coulomb_constant():
    """Editions of CODATA differ in the vacuum permittivity: 7e-10 between 2018 and 2022."""
    present = constants.e / (4 * np.pi * constants.epsilon_0) * 1e10
    assert present == pytest.approx(COULOMB, rel=1e-9)


def ion(charge, electrons):
    """Make a state so compact that its electrons shield their nucleus within 0.2 Å."""
    return {
        "name": "ion",
        "charge": charge,
        "multiplicity": 1,
        "energy": -GAP,
        "rbf": {"exponents": [150.0], "coefficients": [electrons]},
    }


def element(number, charge):
    ground = {
        "name": "ground",
        "charge": 0,
        "multiplicity": 1,
        "energy": 0,
        "rbf": {"exponents": [150.0], "coefficients": [number]},
    }
    return {"states": [ground, ion(charge, number - charge)]}


def ions(radius=8.0, temperature=0.0):
    """Make a potential of Li⁺ and F⁻ as point charges."""
    return ecteam.Potential.from_dict(
        {
            "format": "ecteam/1",
            "name": "ions",
            "description": "Whole ions.",
            "citation": "none",
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": {"Li": element(3, 1), "F": element(9, -1)},
            "repulsions": [],
            "resonances": [],
            "electronic_temperature": temperature,
            "cutoff": {"radius": radius, "switch_width": 1.0},
        }
    )


def crystal(structure, a):
    if structure == "rocksalt":
        return bulk("LiF", "rocksalt", a=a), a / 2
    return bulk("LiF", "cesiumchloride", a=a), a * np.sqrt(3) / 2


@pytest.mark.parametrize("temperature", [0.0, 0.02])
@pytest.mark.parametrize("radius", [5.0, 9.0])
@pytest.mark.parametrize("structure", MADELUNG)
def test_madelung_energy(structure, radius, temperature):
    atoms, distance = crystal(structure, 4.0)
    result = ecteam.evaluate(atoms, ions(radius, temperature), accuracy=1e-12, tolerance=1e-11)
    np.testing.assert_array_equal(result.charges, [1.0, -1.0])
    expected = -COULOMB * MADELUNG[structure] / distance
    assert result.energy + 2 * GAP == pytest.approx(expected, rel=1e-9)
    # E ∝ 1/a: the pressure is −E/3V.
    pressure = (result.energy + 2 * GAP) / (3 * atoms.get_volume())
    np.testing.assert_allclose(result.stress, 3 * [-pressure] + 3 * [0.0], rtol=1e-7, atol=1e-10)


def direct_sum(positions, charges):
    vectors = positions[:, None] - positions
    distances = np.linalg.norm(vectors, axis=2) + np.eye(len(charges))
    strength = COULOMB * np.outer(charges, charges) * (1 - np.eye(len(charges)))
    energy = 0.5 * (strength / distances).sum()
    forces = (strength[..., None] * vectors / distances[..., None] ** 3).sum(axis=1)
    return energy, forces


def test_finite_cluster_is_the_direct_sum():
    rng = np.random.default_rng(0)
    atoms = bulk("LiF", "rocksalt", a=4.0, cubic=True).repeat((3, 2, 2))
    atoms = Atoms(atoms.symbols, positions=atoms.positions + rng.uniform(-0.3, 0.3, (96, 3)))
    result = ecteam.evaluate(atoms, ions())
    charges = np.where(atoms.symbols == "Li", 1.0, -1.0)
    np.testing.assert_array_equal(result.charges, charges)
    energy, forces = direct_sum(atoms.positions, charges)
    assert result.energy + 96 * GAP == pytest.approx(energy, rel=1e-10)
    np.testing.assert_allclose(result.forces, forces, rtol=0, atol=1e-8)


def test_ewald_does_not_depend_on_how_it_is_split():
    rng = np.random.default_rng(1)
    atoms = bulk("LiF", "rocksalt", a=4.0, cubic=True)
    atoms.positions += rng.uniform(-0.3, 0.3, (8, 3))
    results = [
        ecteam.evaluate(atoms, ions(radius), accuracy=1e-12) for radius in (4.0, 6.0, 9.0, 14.0)
    ]
    for other in results[1:]:
        assert other.energy == pytest.approx(results[0].energy, rel=0, abs=1e-8)
        np.testing.assert_allclose(other.forces, results[0].forces, rtol=0, atol=1e-8)
        np.testing.assert_allclose(other.stress, results[0].stress, rtol=0, atol=1e-9)


@pytest.mark.parametrize("accuracy", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_promised_accuracy_is_kept(accuracy):
    rng = np.random.default_rng(2)
    atoms = bulk("LiF", "rocksalt", a=4.0, cubic=True).repeat(2)
    atoms.positions += rng.uniform(-0.4, 0.4, (64, 3))
    exact = ecteam.evaluate(atoms, ions(), accuracy=1e-13).forces
    error = ecteam.evaluate(atoms, ions(), accuracy=accuracy).forces - exact
    assert np.sqrt((error**2).mean()) <= accuracy * np.sqrt((exact**2).mean())


def test_shifted_force_of_two_ions():
    radius, distance = 8.0, 3.0
    atoms = Atoms("LiF", positions=[[0, 0, 0], [0, 0, distance]])
    result = ecteam.evaluate(atoms, ions(radius), electrostatics="shifted_force")
    pair = 1 / distance - 2 / radius + distance / radius**2
    expected = -COULOMB * pair - 2 * COULOMB / radius  # the self terms, each −q²/rc
    assert result.energy + 2 * GAP == pytest.approx(expected, rel=1e-9)
    slope = COULOMB * (1 / distance**2 - 1 / radius**2)
    assert result.forces[0, 2] == pytest.approx(slope, rel=1e-9)
