"""What the potentials of water say: the molecule, the dimer, and a box that stays liquid."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.optimize import BFGS, FIRE
from ecteam.dynamics import molecular_dynamics
from strategies import placed_molecules

DIMER = [
    [-0.41, 1.34, 0.85],
    [-0.54, 1.13, 1.78],
    [-0.17, 0.49, 0.44],
    [0.32, -1.02, -0.63],
    [-0.34, -1.13, -1.32],
    [1.13, -0.81, -1.11],
]
"""Å, close to its minimum."""

both = pytest.mark.parametrize("name", ["water", "water-unpolarised"])


@both
def test_molecule(name):
    """Compare with PBE0/aug-cc-pVDZ, relaxed."""
    water = molecule("H2O")
    water.calc = ecteam.ECTEAM(name)
    BFGS(water, logfile=None).run(fmax=0.002)
    assert water.get_distance(0, 1) == pytest.approx(0.9617, abs=0.003)
    assert water.get_angle(1, 0, 2) == pytest.approx(104.48, abs=0.5)


def test_dimer():
    """Its hydrogen bond is that of PBE0/aug-cc-pVDZ: 2.880 Å, 0.2243 eV."""
    dimer, water = Atoms("OHHOHH", positions=DIMER), molecule("H2O")
    for atoms in (dimer, water):
        atoms.calc = ecteam.ECTEAM("water")
        BFGS(atoms, logfile=None).run(fmax=0.005, steps=300)
    assert dimer.get_distance(0, 3) == pytest.approx(2.880, abs=0.02)
    bound = 2.0 * water.get_potential_energy() - dimer.get_potential_energy()
    assert bound == pytest.approx(0.2243, rel=0.03)


def box(name: str) -> Atoms:
    """Make 27 molecules at the density of the liquid, relaxed until no contact is strained."""
    atoms = placed_molecules(np.random.default_rng(300), 27, 3.11, 0.0)
    atoms.pbc = True
    atoms.calc = ecteam.ECTEAM(name)
    FIRE(atoms, logfile=None, maxstep=0.05).run(fmax=0.6, steps=60)
    return atoms


@both
def test_a_box_of_water_stays_liquid(name):
    """No two molecules fall into each other, none falls apart, and energy is conserved."""
    atoms = box(name)
    totals = []
    for step in molecular_dynamics(atoms, 200, 0.5, 300.0, seed=1):
        if step % 20:
            continue
        free_energy = atoms.get_potential_energy(force_consistent=True)
        totals.append((free_energy + atoms.get_kinetic_energy()) / len(atoms))
        apart = atoms.get_all_distances(mic=True)
        np.fill_diagonal(apart, np.inf)
        oxygen = atoms.numbers == 8
        assert apart[np.ix_(oxygen, oxygen)].min() > 2.3
        assert apart[np.ix_(~oxygen, ~oxygen)].min() > 1.2
        assert apart[np.ix_(~oxygen, oxygen)].min(axis=1).max() < 1.3
    assert np.ptp(totals) < 1e-3


@both
def test_molecules_are_bound_but_not_too_well(name):
    """Relaxed from a lattice; the heat of vaporisation of the liquid is 0.43 eV."""
    free = ecteam.evaluate(molecule("H2O"), name).free_energy
    atoms = box(name)
    FIRE(atoms, logfile=None, maxstep=0.05).run(fmax=0.3, steps=200)
    bound = atoms.get_potential_energy(force_consistent=True) / 27 - free
    assert -0.6 < bound < -0.1
