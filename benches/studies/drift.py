"""Drift of the conserved energy of water: weights converged at every step, and propagated.

    python benches/studies/drift.py --molecules 64 --ps 20

What is fitted by a line is kinetic plus free energy, and the same without the integrator's own
error of second order (`ecteam.dynamics.verlet_error`): with that, a tenth of a picosecond shows
drifts of 1e-6 eV/atom/ps.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ecteam import ECTEAM, benchmark
from ecteam.dynamics import verlet_error

BLOCKS = 20
SETTLING = 0.02
"""Part of a run that is left out: the propagated weights take some 100 steps to settle."""


class Drift(NamedTuple):
    """Slope of a line and its standard error, eV/atom/ps; fluctuation about the mean, eV/atom."""

    slope: float
    error: float
    fluctuation: float


def equilibrated(molecules: int, ps: float) -> Atoms:
    """Water at 1 g/cm³ and 300 K."""
    atoms = benchmark.water(molecules)
    atoms.calc = ECTEAM("water-unpolarised")
    rng = np.random.default_rng(0)
    step = 0.25 * units.fs
    friction = 0.05 / units.fs
    Langevin(atoms, step, temperature_K=300, friction=friction, fixcm=False, rng=rng).run(
        round(4000 * ps)
    )
    return atoms


def drift(energies: np.ndarray, timestep: float) -> Drift:
    """Fit a line to means over blocks: neighbouring steps are not independent."""
    energies = energies[round(SETTLING * len(energies)) :]
    length = len(energies) // BLOCKS
    means = energies[: BLOCKS * length].reshape(BLOCKS, length).mean(axis=1)
    times = timestep * 1e-3 * length * np.arange(BLOCKS)
    (slope, _), covariance = np.polyfit(times, means, 1, cov=True)
    return Drift(float(slope), float(np.sqrt(covariance[0, 0])), float(energies.std()))


def measure(atoms: Atoms, ps: float, timestep: float, **options: object) -> None:
    """Run at constant energy from where `atoms` are, and print."""
    atoms = atoms.copy()
    atoms.calc = ECTEAM("water-unpolarised", **options)
    dynamics = VelocityVerlet(atoms, timestep * units.fs)
    totals, sums, velocities, forces, products = [], [], [], [], []
    for _ in dynamics.irun(round(1000 * ps / timestep)):
        totals.append(
            atoms.get_potential_energy(force_consistent=True) + atoms.get_kinetic_energy()
        )
        forces = [*forces[-2:], atoms.get_forces()]
        velocities = [*velocities[-2:], atoms.get_velocities()]
        products.append(atoms.calc.result.hessian_products)
        if len(forces) == 3:
            window = np.array(velocities), np.array(forces), atoms.get_masses()
            sums.append(totals[-2] - verlet_error(*window, timestep * units.fs)[0])
    for name, values in (("energy", totals), ("corrected", sums)):
        found = drift(np.array(values) / len(atoms), timestep)
        print(
            f"{options} {timestep} fs, {name}: {found.slope:+.1e} ± {found.error:.0e} eV/atom/ps,"
        )
        print(f"    fluctuation {found.fluctuation:.0e} eV/atom, {np.mean(products):.2f} products")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--ps", type=float, default=20.0)
    parser.add_argument("--equilibration", type=float, default=1.0, help="ps")
    parser.add_argument("--timesteps", type=float, nargs="+", default=[0.25, 0.5], help="fs")
    arguments = parser.parse_args()
    atoms = equilibrated(arguments.molecules, arguments.equilibration)
    for timestep in arguments.timesteps:
        measure(atoms, arguments.ps, timestep, tolerance=1e-6)
        measure(atoms, arguments.ps, timestep, shadow=True)


if __name__ == "__main__":
    main()
