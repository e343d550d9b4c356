"""The potential `copper`: three total charges of the same three atoms, and the metal."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.units import fs, kB
from ecteam.properties import elastic_constants, relaxed_crystal

BONDS = {0: 2.38, 1: 2.37, -1: 2.34}
"""Å."""


@pytest.fixture(scope="module")
def potential():
    return ecteam.load("copper")


def calculator(potential, charge=0):
    return ecteam.ECTEAM(potential, total_charge=charge)


def triangle(angle, bond=2.4):
    half = np.radians(angle) / 2.0
    x, y = bond * np.cos(half), bond * np.sin(half)
    return Atoms("Cu3", positions=[[0, 0, 0], [x, y, 0.01], [x, -y, 0.01]])


def relaxed(potential, angle, charge):
    atoms = triangle(angle)
    atoms.calc = calculator(potential, charge)
    assert BFGS(atoms, logfile=None, maxstep=0.05).run(fmax=0.01, steps=300)
    return atoms


def energy(atoms):
    return atoms.get_potential_energy(force_consistent=True)


def test_the_charge_decides_the_shape_of_the_trimer(potential):
    """Cation: equilateral; anion: linear. No energy of positions alone can have both."""
    for start in (70.0, 110.0):
        cation, anion = (relaxed(potential, start, charge) for charge in (1, -1))
        sides = cation.get_all_distances()[np.triu_indices(3, 1)]
        assert sides == pytest.approx([2.37] * 3, abs=0.03)
        assert anion.get_angle(1, 0, 2) > 170.0
        assert anion.get_distance(0, 1) == pytest.approx(2.34, abs=0.03)
        assert anion.get_charges().sum() == pytest.approx(-1.0, abs=1e-9)


def test_the_same_positions_with_three_total_charges(potential):
    """What straightening costs: 1.6 eV for the cation, -1.1 eV for the anion, 0.2 eV neutral."""
    cost = {}
    for charge in (0, 1, -1):
        ends = []
        for angle in (60.0, 180.0):
            atoms = triangle(angle, BONDS[charge])
            atoms.calc = calculator(potential, charge)
            ends.append(energy(atoms))
        cost[charge] = ends[1] - ends[0]
    assert cost[1] > 0.6
    assert 0.0 < cost[0] < 0.4
    assert cost[-1] < -0.6


def test_charges_follow_the_symmetry(potential):
    for charge in (1, -1):
        pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4]])
        found = ecteam.evaluate(pair, potential, total_charge=charge)
        if charge == 1:
            assert found.charges == pytest.approx([0.5, 0.5], abs=1e-3)
        assert found.charges.sum() == pytest.approx(charge, abs=1e-9)


def test_crystal(potential):
    """Experiment: 3.595 Å, 3.49 eV, 142 GPa (176, 125, 82 GPa)."""
    crystal = relaxed_crystal(bulk("Cu", cubic=True), lambda: calculator(potential))
    assert crystal.cell.lengths()[0] == pytest.approx(3.595, rel=0.015)
    assert -energy(crystal) / 4 == pytest.approx(3.49, rel=0.02)
    c11, c12, c44 = elastic_constants(crystal, lambda: calculator(potential))
    assert (c11 + 2 * c12) / 3 == pytest.approx(142.0, rel=0.10)
    assert c11 > c12 + 10
    assert c44 > 50
    assert crystal.get_charges() == pytest.approx(np.zeros(4), abs=1e-6)


@pytest.mark.parametrize(("temperature", "steps"), [(300, 60), (1200, 60)])
def test_dynamics_of_the_crystal_conserve_energy(potential, temperature, steps):
    atoms = bulk("Cu", cubic=True, a=3.63) * (2, 2, 2)
    atoms.calc = calculator(potential)
    spread = np.sqrt(2.0 * kB * temperature * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    before = energy(atoms) + atoms.get_kinetic_energy()
    VelocityVerlet(atoms, 2.0 * fs).run(steps)
    assert energy(atoms) + atoms.get_kinetic_energy() == pytest.approx(before, abs=2e-3 * 32)
    closest = np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 1].min()
    assert closest > 1.9


def test_atoms_do_not_fall_into_each_other(potential):
    """Three atoms, two of them ever closer: the energy rises."""
    for charge in (0, 1, -1):
        energies = []
        for r in (1.8, 1.5, 1.2, 0.9, 0.7):
            atoms = Atoms("Cu3", positions=[[0, 0, 0], [0, 0, r], [2.4, 0, 0]])
            energies.append(ecteam.evaluate(atoms, potential, total_charge=charge).free_energy)
        assert (np.diff(energies) > 0).all(), charge
