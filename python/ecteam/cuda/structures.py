"""Many small structures in one launch on a device: a block of threads for each.

The whole minimisation over a structure's weights is one kernel (`cuda/structure_weights.cu`): the
host launches it once for all structures and reads the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, require
from ecteam.cuda.cells import EXTENT, Cells
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Derivatives, StructureResults
from ecteam.cuda.sources import Program
from ecteam.cuda.terms import LearnedTerms
from ecteam.cuda.waves import Waves
from ecteam.structure import Arrays, FloatArray

_BLOCK, _SINGLE_BLOCK = 64, 128
_SHARED = 48 * 1024  # bytes that every device has for a block
_SIZES = (32, 48, 64)
MOST_ATOMS = _SIZES[-1]
"""Of a structure in one block of threads."""
_NOBODY = np.iinfo(np.int32).max
_EXTREME = 1e-11  # charges closer to the extreme leave only the extreme states


def room_for(atoms: int, states: int, block: int = _BLOCK) -> int:
    """Atoms that a block is made for, to hold a structure; 0 if its shared memory cannot."""
    vectors, lanes = 19 * states + states**2 + 13, (states + 2) * block
    for room in _SIZES:
        if atoms <= room and 8 * (room * vectors + lanes) + 1024 <= _SHARED:
            return room
    return 0


class Limits(NamedTuple):
    """When a minimisation ends: KKT residual (eV), iterations."""

    tolerance: float
    iterations: int


class PairList(NamedTuple):
    """Pairs of atoms of all structures, as in `NeighborList`."""

    order: Array
    sorted: Array
    bits: int
    counts: Array
    words: Array
    translations: Array


class StructureGroup:
    """Structures of the same elements and periodicity, on a device.

    Parameters
    ----------
    backend : Backend
        Where to.
    reals : Reals
        Numbers of the pairs.
    tables : _core.EnsembleTables
        For all elements of the structures, in the order of their atomic numbers.
    systems : sequence of Arrays
        Each of at least one atom, and with `room_for` it.
    total_charges : (s,) array_like of float
        e.
    limits : Limits
        Of the minimisations.
    single : bool
        For a structure that is alone: more threads share its pairs.

    Attributes
    ----------
    firsts : (s + 1,) int array
        First atom of each structure among all.
    reachable : (s,) bool array
        False where no weights have the total charge.
    states : int
        Columns of the weights.
    weight_counts : (s,) int32 array
        Number of weights of each structure.
    """

    def __init__(
        self,
        backend: Backend,
        reals: Reals,
        tables: _core.EnsembleTables,
        systems: Sequence[Arrays],
        total_charges: npt.ArrayLike,
        limits: Limits,
        single: bool = False,
    ) -> None:
        self._backend, self._tables, self._limits = backend, tables, limits
        self.states = tables.states
        self._real = reals.dtype
        self._terms: LearnedTerms | None = None
        counts = [len(system.positions) for system in systems]
        self.firsts = np.concatenate([[0], np.cumsum(counts)])
        self._most = max(counts)
        wide = single and room_for(self._most, tables.states, _SINGLE_BLOCK) > 0
        self._block = _SINGLE_BLOCK if wide else _BLOCK
        sizes = (("STATES", tables.states), ("CHANNELS", tables.channels), ("BLOCK", self._block))
        room = room_for(self._most, tables.states, self._block)
        self._defines = (*sizes, ("ATOMS", room), *reals.defines)
        self._take_atoms(systems)
        self._take_charges(np.asarray(total_charges, dtype=np.float64))
        self._take_tables()
        self.take_cells(systems)

    def compute(
        self, positions: Array, weights: Array = None, leave_saddles: bool = True
    ) -> Iterator[tuple[slice, StructureResults]]:
        """Evaluate all structures at positions (N, 3) on the device, as many at once as fit.

        From `weights` (N, states), if they are given, else from what the tables say; a minimum
        from which a direction without curvature leads down is left if `leave_saddles`. Yields the
        structures that were evaluated together, and their results.

        Raises
        ------
        DeviceError
            If there is no room for one of them.
        """
        atoms = self._placed(positions)
        counts, longest = self._count(atoms)
        pairs = longest.astype(np.int64) * np.diff(self.firsts)
        added = self._learned(atoms)
        for part in self._parts(pairs):
            start = weights, leave_saddles
            found = self._compute_part(part, pairs[part], atoms, counts, start)
            if added is not None:
                forces, energies = found.forces + added.forces, found.energies + added.energies
                changed = {"forces": forces, "energies": energies, "added": added.energies}
                found = replace(found, **changed)
            yield part, found

    def add_terms(self, terms: LearnedTerms, cutoff: float) -> None:
        """Add learned terms, which reach as far as the cutoff (Å), of structures not periodic."""
        self._terms, self._reach = terms, cutoff

    def _learned(self, atoms: Array) -> Derivatives | None:
        """Energies and forces of the learned terms."""
        if self._terms is None:
            return None
        xp, n = self._backend.xp, len(atoms)
        counts, words = xp.empty(n, np.int32), xp.zeros((max(self._most - 1, 1), n), np.uint32)
        inputs = np.int32(n), np.float64(self._reach**2), atoms, self._translations
        extents = self._upload(self._extents)
        kernel = "structure_pairs.cu", "list_structure_pairs"
        self._launch(*kernel, extents, *inputs, counts, words)
        order = xp.arange(n, dtype=np.int32)
        bits = max(1, (n - 1).bit_length())
        pairs = PairList(order, atoms, bits, counts, words, self._translations)
        # Atoms in one place are too close for the states as well.
        nobody = xp.full(1, _NOBODY, dtype=np.int32)
        return self._terms.compute(pairs, self._species, nobody)

    def _take_atoms(self, systems: Sequence[Arrays]) -> None:
        numbers = np.concatenate([system.numbers for system in systems])
        _, places = np.unique(numbers, return_inverse=True)
        self._host_species = species = np.asarray(self._tables.species)[places]
        self._species = self._backend.xp.asarray(species)
        weights = np.add.reduceat(np.asarray(self._tables.counts)[species], self.firsts[:-1])
        self.weight_counts = weights.astype(np.int32)
        self._weight_counts = self._backend.xp.asarray(self.weight_counts)

    def _take_charges(self, total: FloatArray) -> None:
        """Which states are allowed: only the extreme ones at an extreme charge."""
        charges = np.asarray(self._tables.charges)
        exists = np.arange(self._tables.states) < np.asarray(self._tables.counts)[:, None]
        lowest = np.where(exists, charges, np.inf).min(axis=1)
        highest = np.where(exists, charges, -np.inf).max(axis=1)
        species, starts = self._host_species, self.firsts[:-1]
        low = np.add.reduceat(lowest[species], starts)
        high = np.add.reduceat(highest[species], starts)
        margin = _EXTREME * (1.0 + np.maximum(abs(low), abs(high)))
        self.reachable = (low - margin <= total) & (total <= high + margin)
        free = high - low > margin
        at_high = free & (total >= high - margin)
        at_low = free & ~at_high & (total <= low + margin)
        total = np.where(at_high, high, np.where(at_low, low, total))
        atoms = np.diff(self.firsts)
        only_high, only_low = np.repeat(at_high, atoms), np.repeat(at_low, atoms)
        allowed = exists[species]
        allowed &= ~only_high[:, None] | (charges == highest[:, None])[species]
        allowed &= ~only_low[:, None] | (charges == lowest[:, None])[species]
        self._allowed = self._backend.xp.asarray(allowed.astype(np.uint8))
        self._total_charges = self._backend.xp.asarray(total)

    def _take_tables(self) -> None:
        tables, upload = self._tables, self._backend.xp.asarray
        elements = np.int32(len(tables.counts))
        places, channels = upload(tables.pair_places), upload(tables.channel_states)
        self._pair_inputs = elements, self._species, places, channels
        numbers, rows = upload(tables.pair_numbers), upload(tables.rows, dtype=self._real)
        self._charges = upload(tables.charges)
        kernel = upload(tables.kernel_rows, dtype=self._real)
        intervals = np.int32(len(tables.kernel_rows) // 6)
        self._kernel = (*map(np.float64, tables.kernel_numbers), intervals, kernel)
        self._fill_inputs = elements, self._species, numbers, places, rows, self._charges
        self._force_inputs = numbers, rows, self._charges
        names = ("embedding_numbers", "embedding_places", "embedding_values")
        self._embedding = tuple(upload(getattr(tables, name)) for name in names)
        self._starts = upload(tables.starts)
        self._start_count = np.int32(len(tables.starts) // len(tables.counts))
        self._coulomb = np.float64(tables.coulomb if tables.electrostatics == "direct" else 0.0)
        self._waves = Waves(self._tables) if tables.electrostatics == "screened" else None
        own = self._waves.self_potential if self._waves else tables.self_potential
        self._self_potential = np.float64(own)

    def take_cells(self, systems: Sequence[Arrays]) -> None:
        """Take cells, of which positions are a part: images within the cutoff, its own first."""
        cells = Cells(systems, self._tables.cutoff)
        self._extents, self._shifts = cells.extents, cells.shifts
        self._translations = self._backend.xp.asarray(cells.translations)
        if self._waves is not None:
            lattices = np.array([self._waves.lattice(system) for system in systems])
            self._lattices = self._backend.xp.asarray(lattices)

    def _placed(self, positions: Array) -> Array:
        """Positions in the cells, four numbers for each atom."""
        atoms = self._backend.xp.zeros((len(positions), 4))
        atoms[:, :3] = positions + self._backend.xp.asarray(self._shifts)
        return atoms

    def _count(self, atoms: Array) -> tuple[Array, npt.NDArray[np.int32]]:
        """Pairs of every atom, and on the host the most of each structure."""
        xp, structures = self._backend.xp, len(self._extents)
        counts, longest = xp.empty(len(atoms), np.int32), xp.empty(structures, np.int32)
        cutoff2 = np.float64(self._tables.cutoff**2)
        inputs = self._upload(self._extents), cutoff2, atoms, self._translations
        self._launch("structure_pairs.cu", "count_structure_pairs", *inputs, counts, longest)
        return counts, self._backend.to_host(longest)

    def _parts(self, pairs: npt.NDArray[np.int64]) -> Iterator[slice]:
        """Cut the structures into runs that fit together into half of the memory that is there."""
        atoms = np.diff(self.firsts)
        width = self._tables.states * (self._tables.states + 2) + self._tables.channels
        pair_size = 4 + np.dtype(self._real).itemsize * width
        atom_size = 8 * (2 * self._tables.states + 9)
        sizes = pairs * pair_size + 8 * atoms**2 + atoms * atom_size
        room, start, used = self._backend.available_bytes() // 2, 0, 0
        for k, size in enumerate(sizes.tolist()):
            if k > start and used + size > room:
                yield slice(start, k)
                start, used = k, 0
            if size > room:
                require(self._backend, 2 * size, f"a structure of {atoms[k]} atoms")
            used += size
        yield slice(start, len(sizes))

    def _compute_part(
        self,
        part: slice,
        pairs: npt.NDArray[np.int64],
        atoms: Array,
        counts: Array,
        start: tuple[Array, bool],
    ) -> StructureResults:
        xp, tables = self._backend.xp, self._tables
        extents = self._extents[part].copy()
        squares = extents["atoms"].astype(np.int64) ** 2
        extents["first_pair"] = np.cumsum(pairs) - pairs
        extents["first_charge_pair"] = np.cumsum(squares) - squares
        self._now, total = self._upload(extents), int(pairs.sum())
        width = tables.states * (tables.states + 2) + tables.channels
        words, values = xp.empty(total, np.uint32), xp.empty(total * width, self._real)
        charge_pairs = xp.empty(int(squares.sum()) if self._coulomb or self._waves else 0)
        too_close = xp.full(len(extents), _NOBODY, dtype=np.int32)
        limits = np.float64(tables.cutoff**2), np.float64(tables.min_distance**2)
        inputs = *limits, atoms, self._translations, *self._fill_inputs, *self._kernel
        outputs = words, values, charge_pairs, too_close
        self._run("structure_pairs.cu", "fill_structure_pairs", *inputs, self._coulomb, *outputs)
        ewald: tuple[Any, ...] = ()
        if self._waves is not None:
            ewald = self._lattices[part], *self._waves.numbers, atoms
            self._run("structure_ewald.cu", "fill_ewald_pairs", *ewald, charge_pairs)
        near = counts, words, values
        found = self._minimise(part, near, charge_pairs, *start)
        results = self._forces(near, atoms, too_close, *found)
        if ewald:
            added = results.sites, results.forces, results.virials
            self._run("structure_ewald.cu", "ewald_forces", *ewald, *added)
        return results

    def _minimise(
        self,
        part: slice,
        near: tuple[Array, ...],
        charge_pairs: Array,
        given: Array,
        leave_saddles: bool,
    ) -> Any:
        xp, tables, n = self._backend.xp, self._tables, int(self.firsts[-1])
        energies = xp.empty((n, tables.states))
        weights = xp.empty_like(energies) if given is None else given.copy()
        means, sites = xp.empty((n, 2)), xp.empty((n, 3))
        numbers = xp.zeros((part.stop - part.start, 8))
        scalars = np.float64(tables.temperature), self._self_potential
        direct = np.int32(charge_pairs.size > 0), charge_pairs
        inputs = *near, *self._pair_inputs, *direct, *scalars, *self._embedding
        charges = self._charges, self._allowed, self._total_charges[part]
        count = self._start_count if given is None else np.int32(0)
        starts = count, self._starts, self._weight_counts[part]
        tolerance, iterations = self._limits
        limits = np.float64(tolerance), np.int32(iterations), np.int32(leave_saddles)
        outputs = weights, energies, means, sites, numbers
        kernel = "structure_weights.cu", "minimise_structures"
        self._run(*kernel, *inputs, *charges, *starts, *limits, *outputs)
        return outputs

    def _forces(
        self,
        near: tuple[Array, ...],
        atoms: Array,
        too_close: Array,
        weights: Array,
        energies: Array,
        means: Array,
        sites: Array,
        numbers: Array,
    ) -> StructureResults:
        xp, n = self._backend.xp, len(atoms)
        forces, atom_energies = xp.empty((n, 3)), xp.empty(n)
        virials = xp.empty((len(numbers), 6))
        geometry = atoms, self._translations, *self._force_inputs, *self._kernel
        electric = self._self_potential, self._coulomb
        site = weights, energies, means, sites
        inputs = *near, *self._pair_inputs, *geometry, *electric, *site
        outputs = forces, atom_energies, virials
        self._run("structure_forces.cu", "structure_forces", *inputs, *outputs)
        return StructureResults(numbers, weights, sites, atom_energies, forces, virials, too_close)

    def _upload(self, extents: npt.NDArray[Any]) -> Array:
        return self._backend.xp.asarray(np.ascontiguousarray(extents).view(np.uint8))

    def _run(self, file: str, kernel: str, *arguments: Any) -> None:
        """Launch for the structures of the present part."""
        self._launch(file, kernel, self._now, *arguments)

    def _launch(self, file: str, kernel: str, extents: Array, *arguments: Any) -> None:
        threads = len(extents) // EXTENT.itemsize * self._block
        program = Program(file, self._defines)
        self._backend.launch(program, kernel, threads, extents, *arguments)
