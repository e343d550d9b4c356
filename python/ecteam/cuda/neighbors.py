"""Cell list and neighbour list on a device; see `cuda/neighbors.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, bytes_of, require
from ecteam.cuda.sources import Program, block_size
from ecteam.structure import Arrays

_PROGRAM = Program("neighbors.cu")
_LARGEST = 1e6  # Å, the engine's limit of a coordinate
# Room for the next lists, so that they need not be searched twice.
_SPARE, _STEP = 1.1, 8
# Bytes per atom of everything here but the list, the sort included.
_BYTES_PER_ATOM = 240


class NeighborList:
    """Full lists of all atoms within cutoff + skin, made again when an atom has moved skin/2.

    Attributes
    ----------
    order : (n,) int32
        Atom in the user's order of every sorted atom.
    sorted : (n, 4) float64
        Positions of the sorted atoms in the cell of the plan, Å, and a spare number.
    counts : (n,) int32
        Number of neighbours of every sorted atom.
    words : (capacity, n) uint32
        Neighbours: image << bits | sorted atom.
    translations : (n_images, 3) float64
        Å.
    """

    def __init__(self, backend: Backend, cutoff: float, skin: float) -> None:
        self._backend = backend
        self._cutoff, self._skin = cutoff, skin
        self._frame: tuple[bytes, bytes] | None = None
        self._n = 0
        self.bits = 1
        self.words: Array = backend.xp.zeros((0, 0), dtype=np.uint32)

    def update(self, positions: Array, system: Arrays) -> bool:
        """Place the atoms; returns True if the list was made again.

        `positions` are those of `system`, on the device.
        """
        frame = (system.cell.tobytes(), system.pbc.tobytes())
        if self._frame == frame and self._n == len(positions):
            self._place(positions)
            # The only number that is read back.
            if float(self._moved.max()) <= self.reach2:
                return False
        self._frame = None
        self.build(positions, system)
        self._frame = frame
        return True

    def follow(self, positions: Array) -> Array:
        """Place the atoms in the list as it is.

        Returns parts of the largest squared displacement since it was made (Å²), on the device: up
        to (skin/2)² nothing is missing from the list.
        """
        self._place(positions)
        return self._moved

    @property
    def reach2(self) -> float:
        """Squared displacement up to which the list is whole, Å²."""
        return (0.5 * self._skin) ** 2

    def build(self, positions: Array, system: Arrays) -> None:
        """Make the list."""
        xp, n = self._backend.xp, len(positions)
        largest = float(xp.abs(positions).max())
        if not largest <= _LARGEST:
            _core.check_structure(self._backend.to_host(positions), *system[1:])
        require(self._backend, n * _BYTES_PER_ATOM, f"a neighbour list of {n} atoms")
        self._n = n
        reach = self._cutoff + self._skin
        frame = _core.Frame(system.cell, system.pbc)
        plan = frame.bins(n, self._corners(positions, frame, system), reach)
        self._take_plan(plan, system)
        self._sort(positions, plan)
        self._place(positions)
        self._before[...] = self.sorted
        self._search(reach)

    def pairs(self) -> tuple[Array, Array, Array]:
        """All pairs of the list: i, j (n_pairs,) and shifts S (n_pairs, 3), as `neighbor_list`."""
        xp = self._backend.xp
        rows = xp.arange(self.words.shape[0])[:, None]
        k, first = xp.nonzero(rows < self.counts)
        words = self.words[k, first].astype(np.int64)
        second, image = words & ((1 << self.bits) - 1), words >> self.bits
        # Atoms were moved by whole cells before the search.
        wraps = self._wraps @ self._multiples
        shifts = self._shifts[image] + wraps[first] - wraps[second]
        return self.order[first], self.order[second], shifts

    def _corners(self, positions: Array, frame: _core.Frame, system: Arrays) -> Any:
        """Smallest and largest fractional coordinates along the open axes."""
        corners = np.zeros((2, 3))
        for axis in np.flatnonzero(~system.pbc):
            x, y, z = frame.inverse[:, axis].tolist()
            along = positions[:, 0] * x + positions[:, 1] * y + positions[:, 2] * z
            corners[:, axis] = float(along.min()), float(along.max())
        return corners

    def _take_plan(self, plan: _core.BinPlan, system: Arrays) -> None:
        xp = self._backend.xp
        self.bits = max(1, (self._n - 1).bit_length())
        images = len(plan.translations)
        if images > 1 << (32 - self.bits):
            raise _core.InvalidInputError(
                f"cutoff: reaches {images} images of the cell; with {self._n} atoms a list on "
                f"the device holds at most {1 << (32 - self.bits)}"
            )
        parts = (plan.cell.ravel(), plan.inverse.ravel(), plan.origin, plan.scale)
        self._plan = xp.asarray(np.concatenate(parts))
        counts = (plan.bins, plan.reach, plan.images, system.pbc)
        self._plan_counts = xp.asarray(np.concatenate(counts).astype(np.int32))
        self._multiples = xp.asarray(plan.multiples)
        self._shifts = xp.asarray(plan.shifts)
        self.translations = xp.asarray(plan.translations)

    def _sort(self, positions: Array, plan: _core.BinPlan) -> None:
        """Put the atoms in the order of their bins; a stable sort keeps ties as they were."""
        xp, n = self._backend.xp, self._n
        bins, wraps = xp.empty(n, dtype=np.int32), xp.empty((n, 3), dtype=np.int32)
        launch, plan_arrays = self._backend.launch, (self._plan, self._plan_counts)
        launch(_PROGRAM, "assign_bins", n, np.int32(n), positions, *plan_arrays, bins, wraps)
        order = xp.argsort(bins, kind="stable")
        self.order = order.astype(np.int32)
        self._bins, self._wraps = bins[order], wraps[order]
        total = int(np.prod(plan.bins))
        self._starts = xp.empty(total + 1, dtype=np.int32)
        numbers = np.int32(n), np.int32(total)
        launch(_PROGRAM, "find_starts", total + 1, *numbers, self._bins, self._starts)
        self.sorted, self._before = xp.zeros((n, 4)), xp.zeros((n, 4))
        self._moved = xp.zeros(-(-n // block_size()))

    def _place(self, positions: Array) -> None:
        inputs = np.int32(self._n), positions, self.order, self._wraps, self._plan, self._before
        self._backend.launch(_PROGRAM, "place", self._n, *inputs, self.sorted, self._moved)

    def _search(self, reach: float) -> None:
        xp, n = self._backend.xp, self._n
        self.counts = xp.empty(n, dtype=np.int32)
        capacity = self.words.shape[0] if self.words.shape[1] == n else 0
        self._search_once(reach, capacity)
        needed = int(self.counts.max())
        if needed > capacity:
            capacity = -(-int(_SPARE * needed) // _STEP) * _STEP
            self.words = None  # first give back the memory of the old list
            shape = (capacity, n)
            require(self._backend, bytes_of(shape, np.uint32), f"a list of {n} atoms")
            self.words = xp.zeros(shape, dtype=np.uint32)
            self._search_once(reach, capacity)

    def _search_once(self, reach: float, capacity: int) -> None:
        numbers = np.int32(self._n), np.int32(capacity), np.int32(self.bits)
        bins = self._bins, self._starts, self._plan_counts, self.translations
        inputs = *numbers, np.float64(reach * reach), self.sorted, *bins
        self._backend.launch(_PROGRAM, "search", self._n, *inputs, self.counts, self.words)
