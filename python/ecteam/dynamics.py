"""Relaxation and molecular dynamics for the command line, on ASE's optimisers and integrators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from ase import Atoms
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE
from ase.units import fs, kB

from ecteam._core import NotConvergedError
from ecteam.structure import FloatArray

# BFGS diagonalises a matrix of all coordinates at every step; FIRE's step is linear in the atoms.
_LARGEST_BFGS = 200
_MAX_RELAX_STEPS = 1000


@dataclass(frozen=True)
class Conservation:
    """How well a run at constant energy kept kinetic plus free energy.

    Attributes
    ----------
    timestep, duration : float
        fs.
    temperature : float
        Mean kinetic temperature, K.
    drift : float
        Rise of the least-squares line through all steps, over the whole run, eV per atom.
    fluctuation : float
        Root-mean-square deviation from that line, eV per atom.
    """

    timestep: float
    duration: float
    temperature: float
    drift: float
    fluctuation: float

    def data(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return {
            "duration_fs": self.duration,
            "timestep_fs": self.timestep,
            "mean_temperature": self.temperature,
            "drift_per_atom": self.drift,
            "fluctuation_per_atom": self.fluctuation,
        }


class Record:
    """What should be conserved, and the temperature, step by step."""

    def __init__(self, timestep: float) -> None:
        self._timestep = timestep
        self._conserved: list[float] = []
        self._temperatures: list[float] = []

    def add(self, atoms: Atoms) -> None:
        """Take note of a step."""
        free_energy = atoms.get_potential_energy(force_consistent=True)
        self._conserved.append((free_energy + atoms.get_kinetic_energy()) / max(len(atoms), 1))
        self._temperatures.append(float(atoms.get_temperature()) if len(atoms) else 0.0)

    def conservation(self) -> Conservation | None:
        """Sum up; None before the second step."""
        steps = len(self._conserved)
        if steps < 2:
            return None
        drift, fluctuation = _line(np.array(self._conserved))
        temperature = float(np.mean(self._temperatures))
        return Conservation(self._timestep, steps * self._timestep, temperature, drift, fluctuation)


def _line(values: FloatArray) -> tuple[float, float]:
    """Rise of the least-squares line over the whole run, and the rms deviation from it."""
    time = np.linspace(0.0, 1.0, len(values))
    slope, start = np.polyfit(time, values - values[0], 1)
    rest = values - values[0] - start - slope * time
    return float(slope), float(np.sqrt(np.mean(rest**2)))


def verlet_error(
    velocities: FloatArray, forces: FloatArray, masses: FloatArray, step: float
) -> FloatArray:
    """Error of the energy along a run of velocity Verlet, of second order in its step.

    What is left of the energy without it (the modified Hamiltonian: E. Hairer, C. Lubich and
    G. Wanner, Acta Numerica 12, 399 (2003)) fluctuates a hundred times less, and shows a drift
    sooner.

    Parameters
    ----------
    velocities, forces : (m, n, 3) arrays
        Of n atoms at m consecutive steps, in ASE's units and eV/Å.
    masses : (n,) array
        u.
    step : float
        In ASE's unit of time.

    Returns
    -------
    (m - 2,) array
        eV, at all steps but the first and the last.
    """
    change = (forces[2:] - forces[:-2]) / (2.0 * step)
    squares = (forces[1:-1] ** 2 / masses[:, None]).sum(axis=(1, 2))
    second = (velocities[1:-1] * change).sum(axis=(1, 2)) / 12.0 + squares / 24.0
    return np.asarray(step**2 * second)


def relax(atoms: Atoms, fmax: float) -> Iterator[float]:
    """Move the atoms to a minimum; yield the largest force after every step, eV/Å.

    Parameters
    ----------
    atoms : ase.Atoms or an ASE filter
        With a calculator; moved in place. A cell filter moves the cell too.
    fmax : float
        Largest force at the end, eV/Å.

    Raises
    ------
    NotConvergedError
        If 1000 steps are not enough.
    """
    if not len(atoms):
        return
    optimizer_class = BFGS if len(atoms) <= _LARGEST_BFGS else FIRE
    optimizer = optimizer_class(atoms, logfile=None)
    # ASE yields the start before the first step.
    for _ in islice(optimizer.irun(fmax=fmax, steps=_MAX_RELAX_STEPS), 1, None):
        yield _largest_force(atoms)
    force = _largest_force(atoms)
    if force > fmax:
        error = NotConvergedError(
            f"relaxation: largest force {force:.3g} eV/Å after {_MAX_RELAX_STEPS} steps, "
            f"wanted {fmax} eV/Å"
        )
        error.iterations, error.residual = _MAX_RELAX_STEPS, force
        raise error


def molecular_dynamics(
    atoms: Atoms, steps: int, timestep: float, temperature: float, seed: int
) -> Iterator[int]:
    """Run at constant energy from velocities drawn at `temperature`; yield the step number.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator; moved in place. The total momentum is zero.
    steps : int
        Number of steps.
    timestep : float
        fs.
    temperature : float
        K, of the drawn velocities.
    seed : int
        Of the random numbers.
    """
    _draw_momenta(atoms, temperature, seed)
    integrator = VelocityVerlet(atoms, timestep=timestep * fs)
    for step in range(1, steps + 1):
        integrator.run(1)
        yield step


def _draw_momenta(atoms: Atoms, temperature: float, seed: int) -> None:
    """Give the atoms Maxwell-Boltzmann momenta without motion of the centre of mass."""
    masses = atoms.get_masses()[:, None]
    momenta = np.random.default_rng(seed).standard_normal((len(atoms), 3))
    momenta *= np.sqrt(masses * kB * temperature)
    momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)


def _largest_force(atoms: Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
