"""The shipped potential of learned terms, as a user meets it."""

import ecteam
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS


def crystal(repeat=1):
    atoms = bulk("Nb", "bcc", a=3.4, cubic=True) * repeat
    atoms.calc = ecteam.ECTEAM("niobium")
    return atoms


def test_lattice_constant():
    """PBE has 3.3223 Å, from the stresses of the data."""
    atoms = crystal()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    assert atoms.cell.lengths() == pytest.approx(3 * [3.3223], abs=0.01)
    assert np.abs(atoms.get_stress()).max() < 1e-4


def test_dynamics_conserve_energy():
    atoms = crystal(3)
    spread = np.sqrt(600 * units.kB * atoms.get_masses())[:, None]
    atoms.set_momenta(spread * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    dynamics = VelocityVerlet(atoms, timestep=1.0 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(300)
    assert np.ptp(energies) / len(atoms) < 1e-4


def test_card_names_the_formula_and_the_errors():
    potential = ecteam.load("niobium")
    fit = potential.to_dict()["fit"]
    assert fit["parameters"] == len(potential.parameters) == 55
    assert "ThreeBody" in repr(potential.expression)
    errors = {row["split"]: row for row in fit["errors"]}
    assert errors["held-out"]["force"] <= 0.105
    assert errors["held-out"]["energy"] <= 0.004
