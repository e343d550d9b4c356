"""Conservation of energy over 2 ps at constant energy, at the default options of the calculator."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from ase.units import fs
from ecteam.dynamics import molecular_dynamics
from strategies import placed_molecules

STEPS, TIMESTEP = 8000, 0.25  # fs
MOST = 1e-5  # eV per atom
SEED = 4


def relaxed(atoms, potential):
    atoms.calc = ecteam.ECTEAM(potential)
    FIRE(atoms, logfile=None).run(fmax=0.05, steps=500)
    return atoms


def water_dimer():
    atoms = placed_molecules(np.random.default_rng(0), 2, 2.9, 0.0)
    atoms.set_cell(None)
    return relaxed(atoms, "water-unpolarised")


def salt_cluster():
    atoms = bulk("NaCl", "rocksalt", a=5.4, cubic=True)
    return relaxed(Atoms(atoms.symbols, positions=atoms.positions), "halides")


def drift(totals):
    """|mean of the last fifth − mean of the first fifth|.

    The integrator's own energy oscillates around a constant; means over many periods leave only
    what a fit of a line would call its slope, without a line's sensitivity to where the run ends.
    """
    fifth = len(totals) // 5
    return abs(np.mean(totals[-fifth:]) - np.mean(totals[:fifth]))


@pytest.mark.parametrize(("make", "temperature"), [(water_dimer, 400), (salt_cluster, 600)])
def test_energy_is_conserved(make, temperature):
    """Velocities at 400 to 600 K: from a minimum about half of that goes into the bonds.

    What is left of the water dimer's bound is small, and all the integrator's: measured, the drift
    is the same for tolerances of 1e-6 and 1e-11 eV, and halves with the time step.
    """
    atoms = make()
    totals, temperatures = [], []
    for _ in molecular_dynamics(atoms, STEPS, TIMESTEP, temperature=temperature, seed=SEED):
        free = atoms.get_potential_energy(force_consistent=True)
        totals.append(free + atoms.get_kinetic_energy())
        temperatures.append(atoms.get_temperature())
    # A draw for so few atoms can be much colder or hotter than its mean.
    assert 200 < np.mean(temperatures) < 450
    assert drift(totals) / len(atoms) < MOST


def test_momentum_and_angular_momentum_are_conserved():
    atoms = water_dimer()
    for step in molecular_dynamics(atoms, 500, TIMESTEP, temperature=300, seed=2):
        if step == 1:
            before = atoms.get_angular_momentum()
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, rtol=0, atol=1e-8)
    np.testing.assert_allclose(atoms.get_angular_momentum(), before, rtol=0, atol=1e-6)


def test_dynamics_runs_backwards():
    """Reversed velocities retrace the path, though every step starts from the last weights."""
    atoms = water_dimer()
    start = atoms.positions.copy()
    for _ in molecular_dynamics(atoms, 200, TIMESTEP, temperature=300, seed=3):
        pass
    atoms.set_momenta(-atoms.get_momenta())
    VelocityVerlet(atoms, timestep=TIMESTEP * fs).run(200)
    np.testing.assert_allclose(atoms.positions, start, rtol=0, atol=1e-6)
