"""The potential `oxides`: magnesium oxide from the molecule to the crystal."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.units import GPa, fs, kB
from ecteam.properties import elastic_constants, relaxed_crystal
from ecteam.reference.crystals import CRYSTALS, crystal_frames
from scipy.optimize import minimize_scalar


@pytest.fixture(scope="module")
def potential():
    return ecteam.load("oxides")


@pytest.fixture(scope="module")
def crystal(potential):
    start = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    return relaxed_crystal(start, lambda: ecteam.ECTEAM(potential))


def energy(atoms):
    return atoms.get_potential_energy(force_consistent=True)


def test_crystal(potential, crystal):
    """Experiment without zero-point motion: 4.188 Å, 5.203 eV/atom, 169.8 GPa."""
    constant, atomisation, modulus = CRYSTALS["MgO"]
    assert crystal.cell.lengths()[0] == pytest.approx(constant, rel=0.005)
    assert -energy(crystal) / 8 == pytest.approx(atomisation, rel=0.01)
    c11, c12, c44 = elastic_constants(crystal, lambda: ecteam.ECTEAM(potential))
    assert (c11 + 2 * c12) / 3 == pytest.approx(modulus, rel=0.10)
    assert (c11 - c12) / 2 == pytest.approx(106.5, rel=0.15)
    assert c44 == pytest.approx(157.6, rel=0.10)


def test_molecule(potential):
    """Experiment: 1.749 Å and 2.73 eV, to which the coupled-cluster data do not reach."""

    def at(r):
        return ecteam.evaluate(Atoms("MgO", positions=[[0, 0, 0], [0, 0, r]]), potential)

    found = minimize_scalar(lambda r: at(r).free_energy, bounds=(1.5, 2.1), method="bounded")
    assert found.x == pytest.approx(1.749, abs=0.05)
    assert -found.fun == pytest.approx(2.73, abs=0.5)
    assert at(8.0).free_energy == pytest.approx(0.0, abs=0.01)
    assert at(8.0).charges == pytest.approx([0.0, 0.0], abs=0.01)


@pytest.mark.parametrize("temperature", [300, 1500])
def test_dynamics_of_the_crystal_conserve_energy(potential, crystal, temperature):
    atoms = crystal.copy() * (2, 2, 2)
    atoms.calc = ecteam.ECTEAM(potential)
    spread = np.sqrt(2.0 * kB * temperature * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    before = energy(atoms) + atoms.get_kinetic_energy()
    VelocityVerlet(atoms, 1.0 * fs).run(100)
    assert energy(atoms) + atoms.get_kinetic_energy() == pytest.approx(before, abs=2e-3 * 64)
    nearest = np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 1].min()
    assert nearest > 1.5


def test_reference_crystals_are_harmonic_where_they_say_so():
    """Energy of a sheared cell is 2 C44 ε² V; forces are slopes of the energy."""
    frames = {atoms.info["name"]: atoms for atoms in crystal_frames(["MgO"])}
    volume, rest = 4.188**3 / 4.0, frames["MgO-1.00"].info["energy"]
    sheared = frames["MgO-shear+0.030"].info["energy"] - rest
    assert sheared == pytest.approx(2.0 * 157.6 * GPa * 0.03**2 * volume, rel=1e-6)
    near, far = (frames[f"MgO-optical-1-{x}"] for x in ("0.04", "0.08"))
    assert far.info["energy"] - rest == pytest.approx(4.0 * (near.info["energy"] - rest), rel=1e-6)
    slope = (far.info["energy"] - near.info["energy"]) / 0.04
    mean = -0.5 * (near.arrays["forces"][0, 0] + far.arrays["forces"][0, 0])
    assert slope == pytest.approx(mean, rel=1e-6)


def test_the_dication_is_in_the_library():
    state = ecteam.states("Mg")["dication"]
    assert state.charge == 2
    assert state.bound
    assert state.energy == pytest.approx(7.646 + 15.035, abs=2e-3)
