"""Six salts from the shipped `halides`: molecules, crystals, dissociation, beside experiment."""

from itertools import combinations_with_replacement

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import Debye
from ecteam.reference.salts import COULOMB, SALTS, coulomb_crossing
from scipy.optimize import minimize_scalar

HALIDES = ecteam.load("halides")
ions = pytest.mark.parametrize("salt", SALTS, ids=lambda salt: salt.name)


def molecule(salt, distance):
    atoms = Atoms(salt.name, positions=[[0, 0, distance], [0, 0, 0]])
    return ecteam.evaluate(atoms, HALIDES)


def crystal(salt, constant):
    return ecteam.evaluate(bulk(salt.name, "rocksalt", a=constant), HALIDES).free_energy / 2


def lowest(function, around, tolerance):
    bounds = (0.85 * around, 1.15 * around)
    return minimize_scalar(function, bounds=bounds, method="bounded", options={"xatol": tolerance})


@ions
def test_molecules(salt):
    """Bond within 0.03 Å, dissociation to neutral atoms within 5 %, dipole within 0.5 D."""
    found = lowest(lambda r: molecule(salt, r).free_energy, salt.bond, 1e-3)
    assert found.x == pytest.approx(salt.bond, abs=0.03)
    assert -found.fun == pytest.approx(salt.dissociation, rel=0.05)
    dipole = np.linalg.norm(molecule(salt, found.x).dipole) / Debye
    assert dipole == pytest.approx(salt.dipole, abs=0.5)


@ions
def test_crystals(salt):
    """Lattice constant within 1.5 %, cohesion within 4 %."""
    found = lowest(lambda a: crystal(salt, a), salt.lattice_constant, 1e-2)
    assert found.x == pytest.approx(salt.lattice_constant, rel=0.015)
    assert -found.fun == pytest.approx(salt.cohesion, rel=0.04)


@ions
def test_molecules_end_as_neutral_atoms(salt):
    """The charge jumps within 10 % of where the Coulomb energy has paid for the ions."""
    crossing = coulomb_crossing(salt.name)
    near, far = molecule(salt, 0.9 * crossing), molecule(salt, 1.1 * crossing)
    assert abs(near.charges[0]) > 0.5
    assert abs(far.charges[0]) < 0.01
    assert far.free_energy == pytest.approx(0.0, abs=0.01)


@ions
def test_nothing_is_below_the_bond(salt):
    """No distance down to half the bond length is lower in energy than the bond."""
    bound = molecule(salt, salt.bond).free_energy
    for distance in np.linspace(0.5, 0.9, 9) * salt.bond:
        assert molecule(salt, distance).free_energy > bound


def test_like_ions_repel():
    """Whatever charge an ensemble takes, two of its ions do not fall into each other."""
    charges = {s: 1 for s in ("Li", "Na", "K")} | {s: -1 for s in ("F", "Cl")}
    for pair in combinations_with_replacement(charges, 2):
        if charges[pair[0]] == charges[pair[1]]:
            energies = [
                ecteam.evaluate(
                    Atoms(pair, positions=[[0, 0, 0], [0, 0, r]]),
                    HALIDES,
                    [charges[symbol] for symbol in pair],
                    fragments=[0, 1],
                ).free_energy
                for r in np.linspace(0.6, 3.0, 13)
            ]
            assert (np.diff(energies) < 0.0).all(), pair


def test_a_stretched_anion_is_polarised():
    """Beyond point charges, half the polarisability times the square of the field is left."""
    r, (energy, moment) = 6.0, (0.0, 0.0)
    atoms = Atoms("KCl", positions=[[0, 0, r], [0, 0, 0]])
    result = ecteam.evaluate(atoms, HALIDES)
    moment = result.charges[0] * r - np.linalg.norm(result.dipole)
    assert moment == pytest.approx((5.19 + 0.81) / r**2, rel=0.15)
    states = HALIDES.to_dict()["elements"]
    ionic = states["K"]["states"][1]["energy"] + states["Cl"]["states"][1]["energy"]
    energy = result.free_energy - ionic + COULOMB / r
    assert energy < -0.5 * COULOMB * 5.19 / r**4 * 0.8


@ions
def test_a_rattled_crystal_comes_back(salt):
    """Displacements of 0.2 Å cost energy, and every ion keeps most of its charge."""
    atoms = bulk(salt.name, "rocksalt", a=1.02 * salt.lattice_constant, cubic=True)
    perfect = ecteam.evaluate(atoms, HALIDES)
    rng = np.random.default_rng(1)
    for _ in range(3):
        moved = atoms.copy()
        moved.positions += 0.2 * rng.normal(size=(8, 3))
        result = ecteam.evaluate(moved, HALIDES)
        assert result.free_energy > perfect.free_energy + 0.2
        assert np.abs(result.charges).min() > 0.5
