"""Potentials with state weights on a device: the ways into the minimisation, and its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array
from ecteam.cuda.base import NOBODY, DeviceEvaluator
from ecteam.cuda.batch import BatchSource, Found, StructureBatch, not_converged
from ecteam.cuda.constraints import Constraints
from ecteam.cuda.energy import WeightEnergy
from ecteam.cuda.ensemble import Minimiser, Outcome
from ecteam.cuda.history import History
from ecteam.cuda.neighbors import NeighborList
from ecteam.cuda.result import Derivatives, Evaluation, stress_of
from ecteam.cuda.structures import Limits
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System

_SMALL = 100  # up to so many weights all starts are tried
SAME_BRANCH = 1e-6  # eV

_Found = tuple[Array, Outcome]


class EnsembleEvaluator(DeviceEvaluator):
    """Evaluates one potential; tables, neighbour list and weights stay on the device between calls.

    The solver is always the Krylov one, a periodic sum always on a mesh.

    Attributes
    ----------
    energy : WeightEnergy
        The energy at the geometry and the weights of the last call.
    """

    def _start(self, options: dict[str, Any]) -> None:
        self._tolerance = float(options.get("tolerance", 1e-8))
        self._most_iterations = int(options.get("max_iterations", 200))
        self._interval = int(options.get("branch_interval", 20))
        self._sum = (options.get("electrostatics", "auto"), float(options.get("accuracy", 1e-6)))
        self.reset()
        self._tables_of(np.zeros(0, dtype=np.uint8), np.zeros(3, dtype=bool))

    def reset(self) -> None:
        """Forget tables, neighbour list and weights."""
        self._numbers: Any = None
        self._pbc: Any = None
        self._warm_calls = 0
        self._history = History(self._backend.xp)

    def _evaluate(
        self, system: Arrays, total_charge: float | FloatArray, fragments: Any, warm: bool
    ) -> Evaluation | None:
        positions = self._backend.xp.asarray(system.positions)
        found = self._minimum(positions, system, Charge(total_charge, fragments), warm)
        if found is None:
            return None
        (unknowns, outcome), lower = found
        return self._collect(unknowns, outcome, lower, positions, system)

    def evaluate_all(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate many structures cold, small ones together: for each its result or its error."""
        return self.batch().evaluate(systems)

    def batch(self) -> StructureBatch:
        """Return what evaluates many structures with this evaluator's potential and options."""
        limits = Limits(self._tolerance, self._most_iterations)
        source = BatchSource(self._potential, self._backend, self._reals, self._sum, limits)
        return StructureBatch(source, self._terms_of, self.evaluate)

    def _find_forces(
        self, positions: Array, system: Arrays, charge: Charge
    ) -> tuple[Array, Array] | None:
        found = self._minimum(positions, system, charge, True)
        if found is None:
            return None
        (unknowns, outcome), _ = found
        self._history.remember(positions, self._unsorted(self._constraints.rows_of(unknowns)))
        derivatives, energy = self.energy.derivatives(), self._backend.xp.full(1, outcome.value)
        if self._added is None:
            return self._unsorted(derivatives.forces), energy
        return self._unsorted(derivatives.forces + self._added.forces), (
            energy + self._added.energies.sum()
        )

    def _minimum(
        self, positions: Array, system: Arrays, charge: Charge, warm: bool
    ) -> tuple[_Found, float | None] | None:
        """Weights at these positions, and how far another branch lies below; None for bad input."""
        self._prepare(positions, system)
        minimiser = self._minimiser(np.atleast_1d(charge.total_charge), charge.fragments)
        self._constraints = minimiser.constraints
        if not minimiser.constraints.reachable or int(self.energy.too_close[0]) != NOBODY:
            return None
        found, lower = self._search(minimiser, positions, warm)
        if not found[1].converged:
            raise not_converged(found[1].kkt_residual, found[1].iterations, self._tolerance)
        return found, lower

    def _prepare(self, positions: Array, system: Arrays) -> None:
        """Neighbour list and functions of all pairs at these positions."""
        same = np.array_equal(self._numbers, system.numbers)
        if not same or not np.array_equal(self._pbc, system.pbc):
            self.reset()
            tables = self._tables_of(system.numbers, system.pbc)
            xp = self._backend.xp
            self._species = xp.asarray(tables.species)
            self._state_charges = xp.asarray(tables.charges)
            self._counts = xp.asarray(tables.counts)
            shape = -1, len(tables.counts), tables.states
            self._starts = xp.asarray(tables.starts.reshape(shape))
            self.energy = WeightEnergy(self._backend, tables, self._reals)
            self._softness: Array = None
            if len(tables.polarisabilities):
                self._softness = xp.asarray(tables.polarisabilities / tables.coulomb)
            self._terms = self._terms_of(system.numbers)
            reach = max(self._potential.cutoff, tables.min_distance)
            self._neighbors = NeighborList(self._backend, reach, self._skin)
            self._numbers, self._pbc = system.numbers.copy(), system.pbc.copy()
        self._neighbors.update(positions, system)
        species = self._species[self._neighbors.order]
        self.energy.prepare(self._neighbors, species, system)
        self._added: Derivatives | None = None
        if self._terms is not None:
            self._added = self._terms.compute(self._neighbors, species, self.energy.too_close)

    def _tables_of(self, numbers: Any, pbc: Any) -> _core.EnsembleTables:
        return _core.ensemble_tables(self._potential, numbers, pbc.tolist(), *self._sum)

    def _minimiser(self, totals: FloatArray, fragments: Any) -> Minimiser:
        xp, order = self._backend.xp, self._neighbors.order
        species = self._species[order]
        exists = xp.arange(self.energy.states)[None, :] < self._counts[species][:, None]
        if fragments is not None:
            fragments = xp.asarray(fragments.astype(np.int32))[order]
        charges = self._state_charges[species]
        softness = None if self._softness is None else self._softness[species]
        constraints = Constraints(self._backend, charges, exists, totals, fragments, softness)
        return Minimiser(self._backend, constraints)

    def _search(
        self, minimiser: Minimiser, positions: Array, warm: bool
    ) -> tuple[_Found, float | None]:
        """Minimise; returns what was found, and how far another branch lies below, eV."""
        start = self._history.predict(positions, self.energy.states) if warm else None
        if start is None:
            return self._cold(minimiser), None
        self._warm_calls += 1
        compare = self._interval > 0 and self._warm_calls % self._interval == 0
        # A branch followed from a minimum is seldom lost: look now and then.
        start = minimiser.constraints.unknowns_of(start[self._neighbors.order])
        found = self._from(minimiser, start, leave_saddles=compare)
        if not found[1].converged:
            return self._cold(minimiser), None
        if compare and self._small():
            other = self._cold(minimiser)[1]
            # Leave the energy at the weights that are kept.
            minimiser.value(self.energy, found[0])
            below = found[1].value - other.value
            if other.converged and below > SAME_BRANCH:
                return found, below
        return found, None

    def _from(self, minimiser: Minimiser, start: Array, leave_saddles: bool = True) -> _Found:
        limits = self._tolerance, self._most_iterations, leave_saddles
        return minimiser.minimise(self.energy, start, *limits)

    def _cold(self, minimiser: Minimiser) -> _Found:
        """Small systems: the lowest minimum of all starts. Large ones: the start of lowest energy.

        The other starts of a large system are tried only if that fails.
        """
        species = self._species[self._neighbors.order]
        given = minimiser.constraints
        starts = [given.project(given.unknowns_of(start[species])) for start in self._starts]
        if not self._small():
            starts.sort(key=lambda weights: minimiser.value(self.energy, weights))
        best, products = None, 0
        for start in starts:
            found = self._from(minimiser, start)
            products += found[1].hessian_products
            lower = best is None or found[1].value < best[1].value - 1e-9
            if best is None or (found[1].converged and (lower or not best[1].converged)):
                best = found
            if found[1].converged and not self._small():
                break
        assert best is not None
        minimiser.value(self.energy, best[0])
        return best

    def _small(self) -> bool:
        vectors = 0 if self._softness is None else 3 * len(self._species)
        return int(self._counts[self._species].sum()) + vectors <= _SMALL

    def _collect(
        self,
        unknowns: Array,
        outcome: Outcome,
        lower_branch: float | None,
        positions: Array,
        system: Arrays,
    ) -> Evaluation:
        """Results in the user's order."""
        xp = self._backend.xp
        found, added = self.energy.derivatives(), 0.0
        if self._added is not None:
            found, added = found + self._added, float(self._added.energies.sum())
        unsorted, to_host = self._unsorted, self._backend.to_host
        rows = self._constraints.rows_of(unknowns)
        weights = xp.where(
            rows[:, : self.energy.states] <= 2e-30, 0.0, rows[:, : self.energy.states]
        )
        own = unsorted(rows)
        self._history.remember(positions, own)
        charges = to_host(unsorted(self.energy.charges))
        dipoles = np.zeros((len(charges), 3))
        if self._softness is not None:
            dipoles = to_host(own[:, self.energy.states :])
        return Evaluation(
            energy=outcome.value + added - self.energy.entropy(weights),
            free_energy=outcome.value + added,
            energies=to_host(unsorted(found.energies)),
            forces=to_host(unsorted(found.forces)),
            stress=stress_of(to_host(found.virial), system),
            background=to_host(unsorted(self.energy.background)),
            weights=self._padded(to_host(unsorted(weights))),
            charges=charges,
            induced_dipoles=dipoles,
            dipole=charges @ system.positions + dipoles.sum(axis=0),
            chemical_potentials=outcome.chemical_potentials,
            kkt_residual=outcome.kkt_residual,
            hessian_products=outcome.hessian_products,
            iterations=outcome.iterations,
            positive_definite=outcome.positive_definite,
            lower_branch=lower_branch,
        )

    def _unsorted(self, values: Array) -> Array:
        """Put what belongs to the sorted atoms into the user's order."""
        out = self._backend.xp.empty_like(values)
        out[self._neighbors.order] = values
        return out

    def _padded(self, weights: FloatArray) -> FloatArray:
        """As many columns as the potential has states of any element."""
        columns = max(len(states) for states in self._potential.elements.values())
        return np.pad(weights, ((0, 0), (0, columns - weights.shape[1])))
