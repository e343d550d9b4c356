"""One structure at a time on a device: small ones by one block of threads, the others by many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ecteam.cuda.backend import Array
from ecteam.cuda.base import NOBODY
from ecteam.cuda.batch import StructureBatch, not_converged, total_of
from ecteam.cuda.evaluator import SAME_BRANCH, EnsembleEvaluator
from ecteam.cuda.history import History
from ecteam.cuda.result import Evaluation, StructureResults
from ecteam.cuda.structures import StructureGroup
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System

_SMALL = 100  # up to so many weights another branch is looked for

_Found = tuple[StructureResults, float | None]


class SingleStructure:
    """A small structure that is evaluated again and again, from the weights of the last time.

    The whole minimisation is one launch, see `structures.py`: what is read back are the longest
    list of neighbours and the results.

    Parameters
    ----------
    batch : StructureBatch
        What evaluates small structures.
    tolerance : float
        KKT residual, eV.
    interval : int
        Calls between two looks for a lower branch of weights; 0 for never.
    """

    def __init__(self, batch: StructureBatch, tolerance: float, interval: int) -> None:
        self._batch, self._tolerance, self._interval = batch, tolerance, interval
        self._backend = batch.backend
        self.reset()

    def reset(self) -> None:
        """Forget the structure and its weights."""
        self._kind: tuple[bytes, ...] | None = None
        self._charge: float | None = None
        self._group: StructureGroup | None = None
        self._history = History(self._backend.xp)
        self._warm_calls = 0

    def evaluate(self, system: System, warm: bool) -> Evaluation | None:
        """Evaluate; None for what is not for one block, or must be named by the engine.

        Raises
        ------
        NotConvergedError
            If the weights do not reach the tolerance.
        """
        positions = self._backend.xp.asarray(system.positions)
        found = self._minimum(positions, system, warm)
        if found is None:
            return None
        results, lower = found
        rows = self._batch.rows(results)
        if not rows.apart(0):
            return None
        result = rows.result(0, slice(len(positions)), system, self._tolerance)
        if not isinstance(result, Evaluation):
            raise result
        self._history.remember(positions, results.weights)
        return replace(result, lower_branch=lower)

    def find_forces(self, positions: Array, system: System) -> tuple[Array, Array] | None:
        """Find forces and the free energy on the device; None as :meth:`evaluate`."""
        # Whether they are in range, and in which cell, is found on the host.
        system = system._replace(positions=self._backend.to_host(positions))
        found = self._minimum(positions, system, True)
        if found is None:
            return None
        results, _ = found
        numbers = self._numbers(results)
        if int(results.too_close[0]) != NOBODY:
            return None
        if not numbers[7]:
            raise not_converged(numbers[3], int(numbers[5]), self._tolerance)
        self._history.remember(positions, results.weights)
        added = self._backend.xp.zeros(1) if results.added is None else results.added
        return results.forces, added + numbers[0] / len(added)

    def _minimum(self, positions: Array, system: System, warm: bool) -> _Found | None:
        """Weights at these positions, and how far another branch lies below, eV."""
        group = self._prepared(system)
        if group is None or not group.reachable[0]:
            return None
        start = self._history.predict(positions, group.states) if warm else None
        if start is None:
            return self._results(group, positions), None
        self._warm_calls += 1
        compare = self._interval > 0 and self._warm_calls % self._interval == 0
        found = self._results(group, positions, start, compare)
        numbers = self._numbers(found)
        if not numbers[7]:
            return self._results(group, positions), None
        if compare and group.weight_counts[0] <= _SMALL:
            others = self._numbers(self._results(group, positions))
            if others[7] and numbers[0] - others[0] > SAME_BRANCH:
                return found, numbers[0] - others[0]
        return found, None

    def _prepared(self, system: System) -> StructureGroup | None:
        """Bring a structure to the device, if it fits into a block; keep what stays the same."""
        if not self._batch.suits(system):
            return None
        kind, charge = (system.numbers.tobytes(), system.pbc.tobytes()), total_of(system)
        if kind != self._kind:
            self.reset()
        if kind != self._kind or charge != self._charge:
            tables = self._batch.fitting(system)
            self._group = None
            if tables is not None:
                self._group = self._batch.group([system], tables, single=True)
            self._kind, self._charge = kind, charge
        elif self._group is not None and system.pbc.any():
            self._group.take_cells([system.arrays])
        return self._group

    def _results(self, group: StructureGroup, positions: Array, *start: Any) -> StructureResults:
        ((_, results),) = group.compute(positions, *start)
        return results

    def _numbers(self, results: StructureResults) -> list[float]:
        numbers: list[float] = self._backend.to_host(results.numbers)[0].tolist()
        return numbers


class SizedEvaluator(EnsembleEvaluator):
    """Evaluates small structures by one block of threads (`SingleStructure`), the others by many.

    Small are those of up to 64 atoms (fewer with many states) in one fragment that `StructureBatch`
    takes.
    """

    def _start(self, options: dict[str, Any]) -> None:
        self._single: SingleStructure | None = None
        super()._start(options)
        self._single = SingleStructure(self.batch(), self._tolerance, self._interval)

    def reset(self) -> None:
        """Forget tables, neighbour list and weights."""
        super().reset()
        if self._single is not None:
            self._single.reset()

    def _evaluate(
        self, system: Arrays, total_charge: float | FloatArray, fragments: Any, warm: bool
    ) -> Evaluation | None:
        assert self._single is not None
        found = self._single.evaluate(System(*system, total_charge, fragments), warm)
        if found is not None:
            return found
        return super()._evaluate(system, total_charge, fragments, warm)

    def _find_forces(
        self, positions: Array, system: Arrays, charge: Charge
    ) -> tuple[Array, Array] | None:
        assert self._single is not None
        given = System(*system, *charge)
        found = self._single.find_forces(positions, given)
        return found if found is not None else super()._find_forces(positions, system, charge)
