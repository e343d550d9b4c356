"""Extended-Lagrangian dynamics of the weights: two products a step, energy conserved."""

import ecteam
import numpy as np
import pytest
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.units import fs, kB
from ecteam import ECTEAM, benchmark
from ecteam.dynamics import verlet_error
from strategies import RIGID, placed_molecules

SALT = RIGID["halides"]
MOST = 1e-5  # eV/atom/ps


def moving(atoms, temperature):
    rng = np.random.default_rng(4)
    scale = np.sqrt(2 * kB * temperature / atoms.get_masses())[:, None]
    atoms.set_velocities(scale * rng.standard_normal((len(atoms), 3)))
    return atoms


def salt():
    return moving(bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(2), 300.0)


def total_energy(atoms):
    return atoms.get_potential_energy(force_consistent=True) + atoms.get_kinetic_energy()


def test_two_products_a_step_and_no_drift():
    """0.5 ps of rock salt at 1 fs: nothing but the fluctuations of the integrator."""
    atoms = salt()
    atoms.calc = ECTEAM(SALT, shadow=True)
    dynamics = VelocityVerlet(atoms, 1.0 * fs)
    energies, products = [], []
    for _ in range(500):
        dynamics.run(1)
        energies.append(total_energy(atoms) / len(atoms))
        products.append(atoms.calc.result.hessian_products)
    assert max(products[10:]) == 2
    first, last = np.mean(energies[20:120]), np.mean(energies[-100:])
    assert abs(last - first) < 5e-6
    assert np.std(energies[20:]) < 1e-5


def test_water_does_not_heat():
    """0.2 ps of six molecules; with one inverse for eight steps it was 6e-5 eV/atom/ps."""
    atoms = placed_molecules(np.random.default_rng(0), 6, 2.9, 0.0)
    atoms.set_cell(None)
    moving(atoms, 150.0).calc = ECTEAM("water-unpolarised", shadow=True)
    dynamics = VelocityVerlet(atoms, 0.25 * fs)
    rows = [
        (total_energy(atoms), atoms.get_velocities(), atoms.get_forces())
        for _ in dynamics.irun(800)
    ]
    totals, velocities, forces = map(np.array, zip(*rows, strict=True))
    error = verlet_error(velocities, forces, atoms.get_masses(), 0.25 * fs)
    energies = (totals[1:-1] - error)[100:]
    times = 0.25e-3 * np.arange(len(energies))  # ps
    slope = np.polyfit(times, energies / len(atoms), 1)[0]
    assert abs(slope) < MOST


def test_the_weights_stay_near_the_minimum():
    atoms = moving(benchmark.water(27), 50.0)
    atoms.calc = ECTEAM("water-unpolarised", shadow=True)
    precise = ECTEAM("water-unpolarised", tolerance=1e-9)
    dynamics = VelocityVerlet(atoms, 0.25 * fs)
    for _ in range(40):
        dynamics.run(1)
        precise.calculate(atoms, system_changes=["positions"])
    found, exact = atoms.calc.result, precise.result
    assert found.hessian_products == 2
    assert 1e-9 < found.kkt_residual < 1e-2
    # Second order in the error of the weights, and first.
    assert found.free_energy == pytest.approx(exact.free_energy, rel=0, abs=1e-5)
    np.testing.assert_allclose(found.forces, exact.forces, rtol=0, atol=5e-3)
    assert found.charges.sum() == pytest.approx(0.0, rel=0, abs=1e-12)


def test_a_jump_is_converged():
    """A geometry that dynamics does not lead to is solved to the tolerance."""
    atoms = salt()
    atoms.calc = ECTEAM(SALT, shadow=True)
    VelocityVerlet(atoms, 1.0 * fs).run(12)
    assert atoms.calc.result.hessian_products == 2
    atoms.positions[0] += [0.9, 0.0, 0.0]
    cold = ecteam.evaluate(atoms, SALT)
    assert atoms.get_potential_energy(force_consistent=True) == pytest.approx(
        cold.free_energy, rel=0, abs=1e-8
    )
    assert atoms.calc.result.kkt_residual <= 1e-8
