"""What all evaluators on a device have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.batch import Found, one_by_one
from ecteam.cuda.precision import reals
from ecteam.cuda.result import Evaluation
from ecteam.cuda.terms import LearnedTerms
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System

NOBODY = int(np.iinfo(np.int32).max)
"""In place of the first atom with a neighbour too close, if there is none."""


class DeviceEvaluator(ABC):
    """Evaluates one potential; what it looks up stays on the device between calls.

    Parameters
    ----------
    potential : _core.Potential
        What to evaluate, learned terms included.
    backend : Backend
        Where to.
    precision : str
        ``"double"``, or ``"mixed"``: the functions of pairs in single precision, see
        :func:`ecteam.evaluate`.
    **options
        As `_core.Evaluator`.

    Raises
    ------
    InvalidInputError
        As the engine does, for an option out of range; for a potential of another kind; for
        ``shadow``.
    """

    def __init__(
        self,
        potential: _core.Potential,
        backend: Backend,
        precision: str = "double",
        **options: Any,
    ) -> None:
        # Checks the options, and answers, with the same errors, what is not for the device.
        self._engine = _core.Evaluator(potential, **options)
        if options.get("shadow"):
            raise _core.InvalidInputError("shadow: must be False on a CUDA device, got True")
        self._potential, self._backend = potential, backend
        self._reals = reals(precision)
        self._skin = float(options.get("skin", 0.5))
        self._start(options)

    @abstractmethod
    def _start(self, options: dict[str, Any]) -> None:
        """Read the options that matter, and refuse a potential of another kind."""

    @property
    def backend(self) -> Backend:
        """Where the arrays are."""
        return self._backend

    @abstractmethod
    def reset(self) -> None:
        """Forget everything that was kept between calls."""

    def evaluate(
        self,
        positions: FloatArray,
        numbers: Any,
        cell: FloatArray,
        pbc: Any,
        total_charge: float | FloatArray,
        fragments: Any = None,
        warm: bool = True,
    ) -> Evaluation | _core.Evaluation:
        """Evaluate a structure; arguments, errors and result as `_core.Evaluator.evaluate`."""
        system = Arrays(positions, numbers, cell, pbc)
        found = None
        if len(positions) > 0 and _fit(len(positions), total_charge, fragments):
            found = self._evaluate(system, total_charge, fragments, warm)
        if found is None:
            # The engine finds out what is wrong, and says it.
            return self._engine.evaluate(*system, total_charge, fragments, warm)
        return found

    def evaluate_all(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate many structures cold: for each its result or its error."""
        return one_by_one(self.evaluate, systems)

    def find_forces(self, positions: Array, system: Arrays, charge: Charge) -> tuple[Array, Array]:
        """Find forces (n, 3) eV/Å and parts of the free energy (eV), all on the device.

        `positions` are on the device; of `system` they are not read.

        Raises
        ------
        InvalidInputError, NotConvergedError
            As :meth:`evaluate`.
        """
        found = None
        if _fit(len(positions), charge.total_charge, charge.fragments):
            found = self._find_forces(positions, system, charge)
        if found is not None:
            return found
        xp, here = self._backend.xp, self._backend.to_host(positions)
        engine = self._engine.evaluate(*system._replace(positions=here), *charge)
        return xp.asarray(engine.forces), xp.full(1, engine.free_energy)

    @abstractmethod
    def _find_forces(
        self, positions: Array, system: Arrays, charge: Charge
    ) -> tuple[Array, Array] | None:
        """Find forces and parts of the free energy; None for what the engine refuses."""

    @abstractmethod
    def _evaluate(
        self, system: Arrays, total_charge: float | FloatArray, fragments: Any, warm: bool
    ) -> Evaluation | None:
        """Evaluate at least one atom; None for what the engine refuses."""

    def _terms_of(self, numbers: Any) -> LearnedTerms | None:
        """Learned terms of the elements of these atoms, if there are any."""
        if not self._potential.has_terms:
            return None
        tables = _core.term_tables(self._potential, numbers)
        return LearnedTerms(self._backend, tables, self._reals)


def _fit(atoms: int, total_charge: float | FloatArray, fragments: Any) -> bool:
    """Return True if every atom has a fragment, and every fragment a charge."""
    charges = np.size(total_charge)
    if fragments is None:
        return charges == 1
    return len(fragments) == atoms and bool(np.max(fragments, initial=0) < charges)
