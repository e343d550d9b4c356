"""Molecular dynamics on a device: positions and velocities stay there; see `cuda/dynamics.cu`."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.cuda.sources import Program, block_size
from ecteam.steps import Scheme, words_of
from ecteam.structure import Arrays, Charge, FloatArray

_PROGRAM = Program("dynamics.cu")
_NOBODY = np.iinfo(np.int32).max
_LONGEST = 32  # steps between two looks at the neighbour list
_MARGIN = 0.9  # of the steps that an atom of steady speed could take

AnyEvaluator: TypeAlias = OneStateEvaluator | EnsembleEvaluator


class DeviceSteps:
    """Moves atoms with the forces of a device; arguments and errors as `HostSteps`."""

    def __init__(
        self,
        evaluator: AnyEvaluator,
        system: Arrays,
        charge: Charge,
        masses: FloatArray,
        velocities: FloatArray,
        scheme: Scheme,
    ) -> None:
        if len(system.positions) == 0:
            raise _core.InvalidInputError("atoms: dynamics on a device needs at least one")
        backend = evaluator.backend
        self._backend, xp = backend, backend.xp
        self._timestep, self._scheme = np.float64(scheme.timestep), scheme
        counters = np.array([0, 0, *words_of(scheme.seed)], dtype=np.uint32)
        self._positions = xp.asarray(system.positions).copy()
        self._velocities = xp.asarray(velocities).copy()
        self._counters, self._masses = xp.asarray(counters), xp.asarray(masses)
        self._kinetic = xp.zeros(-(-len(masses) // block_size()))
        kind: Any = _Windows if isinstance(evaluator, OneStateEvaluator) else _EveryStep
        self._source = kind(evaluator, system, charge)
        self._forces, self._energy = self._source.step(self._positions)

    def advance(self, steps: int) -> None:
        """Take steps."""
        while steps > 0:
            window = min(steps, self._source.window)
            kept = self._copy() if self._source.window > 1 else None
            for _ in range(window):
                self._step()
            if kept is None or self._source.confirm(self._positions, window):
                steps -= window
                continue
            # An atom has left the list on the way: once more, with a new one.
            self._positions, self._velocities, self._counters, self._forces, self._energy = kept
            self._source.renew(self._positions)

    def _copy(self) -> tuple[Array, ...]:
        moving = self._positions, self._velocities, self._counters
        # A step replaces forces and energy, and writes over the others.
        return (*(array.copy() for array in moving), self._forces, self._energy)

    @property
    def positions(self) -> FloatArray:
        """A copy of the positions, (n, 3), Å."""
        return self._backend.to_host(self._positions)

    @property
    def velocities(self) -> FloatArray:
        """A copy of the velocities, (n, 3)."""
        return self._backend.to_host(self._velocities)

    @property
    def forces(self) -> FloatArray:
        """Forces at these positions, (n, 3), eV/Å."""
        return self._backend.to_host(self._forces)

    @property
    def potential_energy(self) -> float:
        """Free energy of the state weights' minimum, eV."""
        return float(self._energy.sum())

    @property
    def kinetic_energy(self) -> float:
        """Kinetic energy at these velocities, eV."""
        self._kick(0.0)
        return float(self._kinetic.sum())

    def _step(self) -> None:
        scheme = self._timestep, np.float64(self._scheme.kept), np.float64(self._scheme.thermal)
        moving = self._velocities, self._positions
        arrays = self._counters, self._masses, self._forces, *moving
        self._launch("kick_and_drift", *scheme, *arrays)
        self._forces, self._energy = self._source.step(self._positions)
        self._kick(self._timestep)
        self._backend.launch(_PROGRAM, "count_step", 1, np.int32(1), self._counters)

    def _kick(self, timestep: float) -> None:
        arrays = self._masses, self._forces, self._velocities, self._kinetic
        self._launch("kick", np.float64(timestep), *arrays)

    def _launch(self, kernel: str, *arguments: Any) -> None:
        n = len(self._masses)
        self._backend.launch(_PROGRAM, kernel, n, np.int32(n), *arguments)


class _EveryStep:
    """Forces of an evaluator that looks at its neighbour list at every step.

    Attributes
    ----------
    window : int
        Most steps to take before :meth:`confirm` is asked.
    """

    window = 1

    def __init__(self, evaluator: Any, system: Arrays, charge: Charge) -> None:
        self._evaluator, self._system, self._charge = evaluator, system, charge

    def step(self, positions: Array) -> tuple[Array, Array]:
        """Find forces (n, 3) and parts of the energy."""
        found: tuple[Array, Array] = self._evaluator.find_forces(
            positions, self._system, self._charge
        )
        return found

    def confirm(self, positions: Array, steps: int) -> bool:
        """Return True if so many steps were right: each of these looked at the list itself."""
        return True

    def renew(self, positions: Array) -> None:
        """Prepare to take steps once more from these positions: nothing is kept between steps."""


class _Windows(_EveryStep):
    """Forces from a neighbour list that is looked at after several steps: one read-back for all.

    The kernels keep the largest displacement since the list was made. Where it was too large the
    caller takes the steps once more, with a new list and fewer of them; single steps, which find
    errors, where an atom comes too close to another one.
    """

    def __init__(self, evaluator: OneStateEvaluator, system: Arrays, charge: Charge) -> None:
        super().__init__(evaluator, system, charge)
        self._backend = evaluator.backend
        self._largest = self._backend.xp.zeros(1)
        self._close = self._backend.xp.full(1, _NOBODY, dtype=np.int32)
        self._age = 0  # steps since the list was made
        self._speed = 0.0  # Å per step, of the fastest atom over that time

    def step(self, positions: Array) -> tuple[Array, Array]:
        """Find forces and energy after a step, with the list as it is."""
        if self.window == 1:
            self.window = 2
            return super().step(positions)
        moved = self._evaluator.neighbors.follow(positions)
        arguments = np.int32(len(moved)), moved, self._largest
        self._backend.launch(_PROGRAM, "keep_largest", 1, *arguments)
        found = self._evaluator.compute_listed()
        self._backend.xp.minimum(self._close, found.too_close, out=self._close)
        return found.forces, found.energies

    def confirm(self, positions: Array, steps: int) -> bool:
        """Return True if so many steps, which led here, were right; choose how many come next."""
        numbers = self._backend.xp.concatenate([self._largest, self._close])
        largest, close = self._backend.to_host(numbers).tolist()
        self._largest[...], self._close[...] = 0.0, _NOBODY
        reach2 = self._evaluator.neighbors.reach2
        self._age += steps
        right = bool(close == _NOBODY and largest <= reach2)
        if right:
            self._speed = math.sqrt(largest) / self._age
            self.window = self._steps_within(math.sqrt(reach2) - math.sqrt(largest))
            if self.window < 2:
                self.window = _LONGEST
                self.renew(positions)
        else:
            self.window = max(steps // 2, 1) if close == _NOBODY else 1
        return right

    def renew(self, positions: Array) -> None:
        """Make the list again."""
        self._evaluator.renew(positions, self._system)
        self._age = 0
        if self._speed > 0.0 and self.window > 1:
            within = self._steps_within(math.sqrt(self._evaluator.neighbors.reach2))
            self.window = max(min(self.window, within), 1)

    def _steps_within(self, distance: float) -> int:
        """Count the steps that keep the fastest atom, at its speed, within a distance."""
        if distance >= _LONGEST * self._speed:
            return _LONGEST
        return int(_MARGIN * distance / self._speed)
