"""Potentials with one neutral state per element on a device; see `cuda/eam.cu`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, require
from ecteam.cuda.batch import Found, one_by_one
from ecteam.cuda.neighbors import NeighborList
from ecteam.cuda.result import Evaluation, stress_of
from ecteam.cuda.sources import Program, block_size
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System

_PROGRAM = Program("eam.cu")
_NOBODY = np.iinfo(np.int32).max
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


class OneStateEvaluator:
    """Evaluates one potential; tables and neighbour list stay on the device between calls.

    Parameters
    ----------
    potential : _core.Potential
        With one neutral state per element and pair tables alone.
    backend : Backend
        Where to.
    **options
        As `_core.Evaluator`; only ``skin`` (Å) matters here.

    Attributes
    ----------
    neighbors : NeighborList
        The list of the last call.

    Raises
    ------
    InvalidInputError
        As the engine does, for an option out of range or a potential of another kind.
    """

    def __init__(self, potential: _core.Potential, backend: Backend, **options: Any) -> None:
        # Checks the options, and answers, with the same errors, what is not for the device.
        self._engine = _core.Evaluator(potential, **options)
        self._potential, self._backend = potential, backend
        self._skin = float(options.get("skin", 0.5))
        self.reset()
        self._take(np.zeros(0, dtype=np.uint8))

    @property
    def backend(self) -> Backend:
        """Where the arrays are."""
        return self._backend

    def reset(self) -> None:
        """Forget tables and neighbour list."""
        self._numbers: Any = None

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
        charge = total_charge, fragments
        if len(positions) == 0 or np.any(total_charge):
            return self._engine.evaluate(*system, *charge, warm)
        found = self.compute(self._backend.xp.asarray(positions), system)
        evaluation = self._collect(found, system, np.size(total_charge))
        if self._wrong(found):
            # The engine finds out what is wrong, and says it.
            return self._engine.evaluate(*system, *charge, warm)
        return evaluation

    def evaluate_all(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate many structures, one after another: for each its result or its error."""
        return one_by_one(self.evaluate, systems)

    def find_forces(self, positions: Array, system: Arrays, charge: Charge) -> tuple[Array, Array]:
        """Find forces (n, 3) eV/Å and parts of the energy (eV), all on the device.

        `positions` are on the device; of `system` they are not read.

        Raises
        ------
        InvalidInputError
            As :meth:`evaluate`.
        """
        if not np.any(charge.total_charge):
            found = self.compute(positions, system)
            if not self._wrong(found):
                return found.forces, found.energies
        xp, here = self._backend.xp, self._backend.to_host(positions)
        engine = self._engine.evaluate(*system._replace(positions=here), *charge)
        return xp.asarray(engine.forces), xp.asarray(engine.energies)

    def _wrong(self, found: DeviceResult) -> bool:
        """Return True if atoms are too close or a number is not finite; one read-back."""
        xp = self._backend.xp
        finite = xp.isfinite(found.forces).all() & xp.isfinite(found.energies).all()
        return not bool((finite & (found.too_close == _NOBODY))[0])

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
        neighbors = self.neighbors
        xp, n = self._backend.xp, len(neighbors.order)
        energies, background, site_energies = (xp.empty(n) for _ in range(3))
        sites, too_close = xp.empty((n, 4)), xp.full(1, _NOBODY, dtype=np.int32)
        forces, virials = xp.empty((n, 3)), xp.empty((-(-n // block_size()), 6))
        common = (*self._list(), *self._pair_tables)
        atoms = self._sorted_species, neighbors.order
        launch, (first, second) = self._backend.launch, self._kernels
        inputs = *common, neighbors.sorted, *atoms, *self._embedding
        launch(_PROGRAM, first, n, *inputs, background, site_energies, sites, too_close)
        launch(
            _PROGRAM, second, n, *common, sites, *atoms, site_energies, forces, energies, virials
        )
        return DeviceResult(forces, energies, background, virials.sum(axis=0), too_close)

    def _take(self, numbers: Any) -> None:
        """Bring the tables of the elements of these atoms to the device."""
        self._numbers = None
        tables = _core.one_state_tables(self._potential, numbers)
        xp = self._backend.xp

        def upload(*names: str) -> list[Array]:
            return [xp.asarray(getattr(tables, name)) for name in names]

        numbers_of_pairs = np.int32(tables.elements), np.float64(tables.min_distance**2)
        arrays = upload("pair_numbers", "pair_places", "rows", "knots")
        self._pair_tables = (*numbers_of_pairs, *arrays)
        self._embedding = upload("embedding_numbers", "embedding_places", "embedding_values")
        self._species = xp.asarray(tables.species)
        self._cutoff = tables.cutoff
        several = tables.elements > 1
        self._kernels = (
            ("density", "forces") if several else ("one_element_density", "one_element_forces")
        )
        self.neighbors = NeighborList(self._backend, tables.cutoff, self._skin)
        self._numbers = numbers.copy()

    def _list(self) -> tuple[Any, ...]:
        found = self.neighbors
        numbers = (np.int32(len(found.order)), np.int32(found.bits), np.float64(self._cutoff**2))
        return (*numbers, found.counts, found.words, found.translations)

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
            dipole=np.zeros(3),
            chemical_potentials=np.zeros(fragments),
        )
