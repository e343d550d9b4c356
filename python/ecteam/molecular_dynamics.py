"""Molecular dynamics that stays on the device it runs on."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator

from ecteam._core import InvalidInputError
from ecteam.evaluate import Device, make_evaluator
from ecteam.potential import Potential, load
from ecteam.steps import HostSteps, Scheme
from ecteam.structure import FloatArray, arrays_of, charge_of

Observer = Callable[["Dynamics"], object]


class Dynamics:
    """Newton's or Langevin's equations of motion; the same script runs on a CPU and on a device.

    Without friction the integrator is velocity Verlet. With friction it is BAOAB (Leimkuhler and
    Matthews, Appl. Math. Res. Express 2013, 34): half a kick, half a drift, friction and noise,
    half a drift, half a kick. The noise of an atom at a step depends on the seed, the step and the
    atom alone (Philox4x32-10), so that two runs on one kind of device have the same bits. The total
    momentum is conserved without friction, and not with it.

    On a device positions, velocities and state weights stay there: a step moves no vector to the
    host.

    Parameters
    ----------
    atoms : ase.Atoms
        Where to start; their momenta are kept, and they are not moved: see :attr:`atoms`.
    potential : str, Path or Potential
        See :func:`ecteam.load`.
    timestep : float
        In ASE's unit of time: ``0.5 * ase.units.fs``.
    temperature : float, optional
        K, of the Langevin equation; only with `friction`.
    friction : float
        γ of the Langevin equation, 1/time, e.g. ``0.01 / ase.units.fs``. Default 0: none.
    seed : int
        Of the noise, from 0 to 2⁶⁴ − 1.
    total_charge, fragments, device, **options
        As :func:`ecteam.evaluate`.

    Attributes
    ----------
    step : int
        Number of steps taken.

    Raises
    ------
    InvalidInputError
        For an argument out of range, atoms with constraints, and as :func:`ecteam.evaluate`.
    DeviceError
        If the device, or enough of its memory, is not to be had.
    """

    def __init__(
        self,
        atoms: Atoms,
        potential: str | Path | Potential,
        timestep: float,
        *,
        temperature: float | None = None,
        friction: float = 0.0,
        seed: int = 0,
        total_charge: float | npt.ArrayLike | None = None,
        fragments: npt.ArrayLike | None = None,
        device: Device = "cpu",
        **options: Any,
    ) -> None:
        self._potential, self.step = load(potential), 0
        scheme = _scheme(timestep, temperature, friction, seed)
        system, charge = arrays_of(atoms), charge_of(atoms, total_charge, fragments)
        if atoms.constraints:
            raise InvalidInputError("atoms: must have no constraints, dynamics would ignore them")
        self._template, self._time_step = atoms.copy(), scheme.timestep
        evaluator: Any = make_evaluator(self._potential, device, **options)
        motion = *_motion(atoms), scheme
        steps: Any = HostSteps
        if device != "cpu":
            from ecteam.cuda.dynamics import DeviceSteps

            steps = DeviceSteps
        self._steps: HostSteps = steps(evaluator, system, charge, *motion)

    def run(self, steps: int, observe: Observer | None = None, every: int = 1) -> None:
        """Take steps.

        Parameters
        ----------
        steps : int
            Number of steps.
        observe : callable, optional
            Called with this object after every `every` steps.
        every : int
            Default 1. On a device fewer calls are faster: between them it needs no host.

        Raises
        ------
        InvalidInputError, NotConvergedError, DeviceError
            As :func:`ecteam.evaluate`.
        """
        _check("steps", steps, 0)
        _check("every", every, 1)
        last = self.step + steps
        while self.step < last:
            due = every - self.step % every if observe else steps
            count = min(due, last - self.step)
            self._steps.advance(count)
            self.step += count
            if observe and self.step % every == 0:
                observe(self)

    @property
    def time(self) -> float:
        """Time simulated, in ASE's unit."""
        return self.step * self._time_step

    @property
    def positions(self) -> FloatArray:
        """A copy, (n, 3), Å."""
        return self._steps.positions

    @property
    def velocities(self) -> FloatArray:
        """A copy, (n, 3), Å per ASE's unit of time."""
        return self._steps.velocities

    @property
    def forces(self) -> FloatArray:
        """−∂(free energy)/∂R, (n, 3), eV/Å."""
        return self._steps.forces

    @property
    def potential_energy(self) -> float:
        """Free energy at the minimising weights, eV."""
        return self._steps.potential_energy

    @property
    def kinetic_energy(self) -> float:
        """Kinetic energy, eV."""
        return self._steps.kinetic_energy

    @property
    def total_energy(self) -> float:
        """What is conserved without friction, eV."""
        return self.potential_energy + self.kinetic_energy

    @property
    def temperature(self) -> float:
        """2 E_kin / (3 n k_B), K."""
        return 2.0 * self.kinetic_energy / (3.0 * max(len(self._template), 1) * units.kB)

    @property
    def atoms(self) -> Atoms:
        """A copy of the atoms where they are now, with momenta, forces and the free energy."""
        atoms: Atoms = self._template.copy()
        atoms.positions = self.positions
        atoms.set_velocities(self.velocities)
        atoms.calc = SinglePointCalculator(
            atoms, forces=self.forces, free_energy=self.potential_energy
        )
        return atoms


def _scheme(timestep: float, temperature: float | None, friction: float, seed: int) -> Scheme:
    """Check the arguments of the integrator."""
    if not (_finite(timestep) and timestep > 0.0):
        raise InvalidInputError(f"timestep: must be positive and finite, got {timestep!r}")
    if not (_finite(friction) and friction >= 0.0):
        raise InvalidInputError(f"friction: must be finite and not negative, got {friction!r}")
    if (temperature is None) != (friction == 0.0):
        raise InvalidInputError(
            f"temperature: must be given with friction, and only with it, got {temperature!r} with "
            f"friction {friction!r}"
        )
    if temperature is not None and not (_finite(temperature) and temperature >= 0.0):
        raise InvalidInputError(f"temperature: must be finite, at least 0 K, got {temperature!r}")
    _check("seed", seed, 0)
    if seed >= 1 << 64:
        raise InvalidInputError(f"seed: must be below 2**64, got {seed}")
    kept = math.exp(-friction * timestep)
    thermal = math.sqrt(units.kB * (temperature or 0.0) * -math.expm1(-2.0 * friction * timestep))
    return Scheme(float(timestep), kept, thermal, int(seed))


def _finite(value: object) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _motion(atoms: Atoms) -> tuple[FloatArray, FloatArray]:
    """Masses (n,) and velocities (n, 3), checked."""
    masses = atoms.get_masses()
    light = np.flatnonzero(~((masses > 0.0) & np.isfinite(masses)))
    if light.size:
        i = light[0]
        raise InvalidInputError(f"masses[{i}]: must be positive and finite, got {masses[i]}")
    momenta = atoms.get_momenta()
    lost = np.argwhere(~np.isfinite(momenta))
    if lost.size:
        i, axis = lost[0]
        raise InvalidInputError(f"momenta[{i}, {axis}]: must be finite, got {momenta[i, axis]}")
    return masses, np.ascontiguousarray(momenta / masses[:, None])


def _check(name: str, value: int, lowest: int) -> None:
    if not isinstance(value, int | np.integer) or value < lowest:
        raise InvalidInputError(f"{name}: must be a whole number, at least {lowest}, got {value!r}")
