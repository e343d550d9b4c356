"""Potentials with one neutral state per element on a device; see `cuda/eam.cu`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, require
from ecteam.cuda.base import NOBODY, DeviceEvaluator
from ecteam.cuda.batch import Found
from ecteam.cuda.neighbors import NeighborList
from ecteam.cuda.one_state import OneStateBatch
from ecteam.cuda.result import Evaluation, stress_of
from ecteam.cuda.sources import Program, block_size
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System

# Bytes per atom of positions and results.
_BYTES_PER_ATOM = 120


@dataclass(frozen=True, eq=False)
class DeviceResult:
    """Results on the device, atoms in the user's order.

    Attributes
    ----------
    forces : (n, 3) float64
        eV/Å.
    energies : (n,) float64
        eV.
    background : (n,) float64
        Density at each atom, in the unit of the potential.
    virial : (6,) float64
        dE/dstrain, xx yy zz yz xz xy, eV.
    too_close : (1,) int32
        Not less than 2³¹ − 1 unless two atoms are closer than the potential allows.
    """

    forces: Array
    energies: Array
    background: Array
    virial: Array
    too_close: Array


class OneStateEvaluator(DeviceEvaluator):
    """Evaluates one potential; tables and neighbour list stay on the device between calls.

    Its potential must have one neutral state per element; of the options only ``skin`` (Å)
    matters here.

    Attributes
    ----------
    neighbors : NeighborList
        The list of the last call.
    """

    def _start(self, options: dict[str, Any]) -> None:
        self._program = Program("eam.cu", self._reals.defines)
        self._batch = OneStateBatch(self._potential, self._backend, self._reals)
        self.reset()
        self._take(np.zeros(0, dtype=np.uint8))

    def reset(self) -> None:
        """Forget tables and neighbour list."""
        self._numbers: Any = None

    def _evaluate(
        self, system: Arrays, total_charge: float | FloatArray, fragments: Any, warm: bool
    ) -> Evaluation | None:
        if np.any(total_charge):
            return None
        found = self.compute(self._backend.xp.asarray(system.positions), system)
        return None if self._wrong(found) else self._collect(found, system, np.size(total_charge))

    def evaluate_all(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate many structures, small ones together: for each its result or its error."""
        found: list[Any] = list(self._batch.evaluate(systems))
        rest = [k for k, result in enumerate(found) if result is None]
        for k, result in zip(rest, super().evaluate_all([systems[k] for k in rest]), strict=True):
            found[k] = result
        return found

    def _find_forces(
        self, positions: Array, system: Arrays, charge: Charge
    ) -> tuple[Array, Array] | None:
        if np.any(charge.total_charge):
            return None
        found = self.compute(positions, system)
        return None if self._wrong(found) else (found.forces, found.energies)

    def _wrong(self, found: DeviceResult) -> bool:
        """Return True if atoms are too close or a number is not finite; one read-back."""
        xp = self._backend.xp
        finite = xp.isfinite(found.forces).all() & xp.isfinite(found.energies).all()
        return not bool((finite & (found.too_close == NOBODY))[0])

    def renew(self, positions: Array, system: Arrays) -> None:
        """Make the neighbour list again."""
        self.neighbors.build(positions, system)
        self._sorted_species = self._species[self.neighbors.order]

    def compute(self, positions: Array, system: Arrays) -> DeviceResult:
        """Evaluate at positions that are on the device; all results stay there.

        Those in `system` are looked at only to name what is wrong.
        """
        if not np.array_equal(self._numbers, system.numbers):
            self._take(system.numbers)
        n = len(positions)
        require(self._backend, n * _BYTES_PER_ATOM, f"an evaluation of {n} atoms")
        if self.neighbors.update(positions, system):
            self._sorted_species = self._species[self.neighbors.order]
        return self.compute_listed()

    def compute_listed(self) -> DeviceResult:
        """Evaluate where the neighbour list has placed the atoms."""
        neighbors, program = self.neighbors, self._program
        xp, n = self._backend.xp, len(neighbors.order)
        energies, background, site_energies = (xp.empty(n) for _ in range(3))
        sites, too_close = xp.empty((n, 4)), xp.full(1, NOBODY, dtype=np.int32)
        forces, virials = xp.empty((n, 3)), xp.empty((-(-n // block_size()), 6))
        common = (*self._list(), *self._pair_tables)
        atoms = self._sorted_species, neighbors.order
        launch, (first, second) = self._backend.launch, self._kernels
        inputs = *common, neighbors.sorted, *atoms, *self._embedding
        launch(program, first, n, *inputs, background, site_energies, sites, too_close)
        outputs = forces, energies, virials
        launch(program, second, n, *common, sites, *atoms, site_energies, *outputs)
        virial = virials.sum(axis=0)
        if self._terms is not None:
            added = self._terms.compute(neighbors, self._sorted_species, too_close)
            forces[neighbors.order] += added.forces
            energies[neighbors.order] += added.energies
            virial += added.virial
        return DeviceResult(forces, energies, background, virial, too_close)

    def _take(self, numbers: Any) -> None:
        """Bring the tables of the elements of these atoms to the device."""
        self._numbers = None
        tables = _core.one_state_tables(self._potential, numbers)
        xp = self._backend.xp

        def upload(*names: str) -> list[Array]:
            return [xp.asarray(getattr(tables, name)) for name in names]

        numbers_of_pairs = np.int32(tables.elements), np.float64(tables.min_distance**2)
        rows = xp.asarray(tables.rows, dtype=self._reals.dtype)
        pair_numbers, places, knots = upload("pair_numbers", "pair_places", "knots")
        self._pair_tables = (*numbers_of_pairs, pair_numbers, places, rows, knots)
        self._embedding = upload("embedding_numbers", "embedding_places", "embedding_values")
        self._species = xp.asarray(tables.species)
        self._cutoff = tables.cutoff
        several = tables.elements > 1
        self._kernels = (
            ("density", "forces") if several else ("one_element_density", "one_element_forces")
        )
        # Atoms that act on each other by learned terms alone have no tables to look at.
        self._pairs = len(tables.pair_places) > 0
        self._terms = self._terms_of(numbers)
        self.neighbors = NeighborList(self._backend, self._potential.cutoff, self._skin)
        self._numbers = numbers.copy()

    def _list(self) -> tuple[Any, ...]:
        found = self.neighbors
        numbers = (np.int32(len(found.order)), np.int32(found.bits), np.float64(self._cutoff**2))
        counts = found.counts if self._pairs else self._backend.xp.zeros_like(found.counts)
        return (*numbers, counts, found.words, found.translations)

    def _collect(self, found: DeviceResult, system: Arrays, fragments: int) -> Evaluation:
        n, to_host = len(system.positions), self._backend.to_host
        energy = float(found.energies.sum())
        return Evaluation(
            energy=energy,
            free_energy=energy,
            energies=to_host(found.energies),
            forces=to_host(found.forces),
            stress=stress_of(to_host(found.virial), system),
            background=to_host(found.background),
            weights=np.ones((n, 1)),
            charges=np.zeros(n),
            induced_dipoles=np.zeros((n, 3)),
            dipole=np.zeros(3),
            chemical_potentials=np.zeros(fragments),
        )
