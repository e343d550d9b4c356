"""Steps of molecular dynamics in NumPy; twin of `cuda/dynamics.cu`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecteam import _core
from ecteam.structure import Arrays, Charge, FloatArray

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)

Words = npt.NDArray[np.uint64]


class Scheme(NamedTuple):
    """An integrator: BAOAB, and velocity Verlet where nothing is taken from the velocities.

    Attributes
    ----------
    timestep : float
        Å √(u/eV).
    kept : float
        What friction leaves of a velocity in a step, exp(−γ Δt).
    thermal : float
        √(k_B T (1 − kept²)), √eV.
    seed : int
        Of the noise, below 2⁶⁴.
    """

    timestep: float
    kept: float = 1.0
    thermal: float = 0.0
    seed: int = 0


class HostSteps:
    """Moves atoms with the forces of the engine.

    Parameters
    ----------
    evaluator : _core.Evaluator
        Kept warm from step to step.
    system : Arrays
        Where the atoms start.
    charge : Charge
        Of all atoms or of the fragments.
    masses : (n,) float64
        u.
    velocities : (n, 3) float64
        Å per Å √(u/eV).
    scheme : Scheme
        The integrator.
    """

    def __init__(
        self,
        evaluator: _core.Evaluator,
        system: Arrays,
        charge: Charge,
        masses: FloatArray,
        velocities: FloatArray,
        scheme: Scheme,
    ) -> None:
        self._evaluator, self._charge, self._scheme = evaluator, charge, scheme
        self._system = system._replace(positions=system.positions.copy())
        self._masses, self._velocities = masses[:, None], velocities.copy()
        self._step = 0
        self._forces: FloatArray
        self._energy: float
        self._find_forces()

    def advance(self, steps: int) -> None:
        """Take steps.

        Raises
        ------
        EcteamError
            As the evaluator; the atoms are where they were when it was raised.
        """
        half, kept = 0.5 * self._scheme.timestep, self._scheme.kept
        positions, velocities = self._system.positions, self._velocities
        for _ in range(steps):
            velocities += half / self._masses * self._forces
            positions += half * velocities
            velocities *= kept
            if self._scheme.thermal > 0.0:
                noise = normals(len(positions), self._step, self._scheme.seed)
                velocities += self._scheme.thermal / np.sqrt(self._masses) * noise
            positions += half * velocities
            self._find_forces()
            velocities += half / self._masses * self._forces
            self._step += 1

    @property
    def positions(self) -> FloatArray:
        """A copy of the positions, (n, 3), Å."""
        positions: FloatArray = self._system.positions.copy()
        return positions

    @property
    def velocities(self) -> FloatArray:
        """A copy of the velocities, (n, 3)."""
        velocities: FloatArray = self._velocities.copy()
        return velocities

    @property
    def forces(self) -> FloatArray:
        """Forces at these positions, (n, 3), eV/Å."""
        forces: FloatArray = self._forces.copy()
        return forces

    @property
    def potential_energy(self) -> float:
        """Free energy of the state weights' minimum, which the forces are the slope of, eV."""
        return self._energy

    @property
    def kinetic_energy(self) -> float:
        """Kinetic energy at these velocities, eV."""
        return float(0.5 * (self._masses * self._velocities**2).sum())

    def _find_forces(self) -> None:
        found: Any = self._evaluator.evaluate(*self._system, *self._charge)
        self._forces, self._energy = found.forces, found.free_energy


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Philox4x32-10: four words (4, n) for each counter (4, n), words of 32 bits.

    Salmon et al., Proc. SC11, 16 (2011).
    """
    x = [np.asarray(word, dtype=np.uint64) for word in counter]
    keys = np.array(key, dtype=np.uint64)
    for _ in range(10):
        first, second = (np.uint64(m) * x[2 * k] for k, m in enumerate(_MULTIPLIERS))
        x = [
            (second >> _HIGH) ^ x[1] ^ keys[0],
            second & _LOW,
            (first >> _HIGH) ^ x[3] ^ keys[1],
            first & _LOW,
        ]
        keys = (keys + np.array(_WEYL, dtype=np.uint64)) & _LOW
    return np.stack(x)


def normals(atoms: int, step: int, seed: int) -> FloatArray:
    """Three independent normal numbers for each atom at a step, (n, 3), by Box and Muller."""
    counter = np.zeros((4, atoms), dtype=np.uint64)
    counter[0] = np.arange(atoms)
    counter[1], counter[2] = words_of(step)
    uniform = (philox(counter, words_of(seed)) + 0.5) * 2.0**-32
    first, second = np.sqrt(-2.0 * np.log(uniform[[0, 2]]))
    angle, other = 2.0 * np.pi * uniform[[1, 3]]
    return np.stack([first * np.cos(angle), first * np.sin(angle), second * np.cos(other)], axis=1)


def words_of(number: int) -> tuple[int, int]:
    """Low and high 32 bits of a number below 2⁶⁴."""
    return number & 0xFFFFFFFF, number >> 32
