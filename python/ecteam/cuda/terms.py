"""Learned terms on a device; see `cuda/terms.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, require
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Derivatives
from ecteam.cuda.sources import Program, block_size


class LearnedTerms:
    """The learned terms of a potential for the elements that occur.

    Parameters
    ----------
    backend : Backend
        Where to.
    tables : _core.TermTables
        What is looked up.
    reals : Reals
        Numbers of the pairs.
    """

    def __init__(self, backend: Backend, tables: _core.TermTables, reals: Reals) -> None:
        self._backend, self._xp, self._tables = backend, backend.xp, tables
        self._real = reals.dtype
        self._scalars, self._angular = tables.sums
        self._elements = tables.elements
        lmax = tables.lmax or 0
        self._harmonics = (lmax + 1) ** 2
        self._program = Program("terms.cu", (("LMAX", lmax), *reals.defines))
        upload = self._xp.asarray
        numbers, places = upload(tables.function_numbers), upload(tables.function_places)
        self._functions = numbers, places, upload(tables.rows, dtype=self._real)
        self._nodes, self._children = upload(tables.nodes), upload(tables.children)
        self._coefficients = upload(tables.coefficients)

    def compute(self, neighbors: Any, species: Array, too_close: Array) -> Derivatives:
        """Energies, forces and dE/dstrain of the atoms of a list, in its order.

        Parameters
        ----------
        neighbors : NeighborList or PairList
            At least as long as the terms reach.
        species : (n,) uint8
            Place of every atom's element among those that occur.
        too_close : (1,) int32
            Becomes an atom in the place of another one, if there is any.
        """
        xp, n = self._xp, len(neighbors.order)
        size = self._bytes(n, neighbors.words.shape[0])
        require(self._backend, size, f"learned terms of {n} atoms")
        pairs = self._select(neighbors, species, too_close)
        scalar_sums = xp.empty((self._scalars, n))
        channels = self._elements * self._angular
        angular_sums = xp.empty((channels, self._harmonics, n))
        scalars, functions = np.int32(self._scalars), self._functions
        inputs = *pairs, *functions
        first, angular = np.int32(self._scalars * self._elements**2), np.int32(self._angular)
        self._launch("scalar_sums", self._scalars * n, *inputs, scalars, scalar_sums)
        self._launch("angular_sums", channels * n, *inputs, first, angular, angular_sums)
        energies, slopes, angular_slopes = self._models(species, scalar_sums, angular_sums)
        forces, virials = xp.empty((n, 3)), self._parts(n)
        self._launch("scalar_forces", n, *inputs, scalars, slopes, forces, virials)
        virial = virials.sum(axis=0)
        threads = self._angular * n
        if threads > 0:
            parts, virials = xp.empty((self._angular, n, 3)), self._parts(threads)
            inputs = *inputs, first, angular, angular_slopes
            self._launch("angular_forces", threads, *inputs, parts, virials)
            forces += parts.sum(axis=0)
            virial += virials.sum(axis=0)
        return Derivatives(forces, energies, virial)

    def _select(self, neighbors: Any, species: Array, too_close: Array) -> tuple[Any, ...]:
        """Pairs within the cutoff, as the kernels read them."""
        xp, n = self._xp, len(neighbors.order)
        counts, words = xp.empty(n, dtype=np.int32), xp.empty_like(neighbors.words)
        bits, cutoff2 = np.int32(neighbors.bits), np.float64(self._tables.cutoff**2)
        listed = neighbors.counts, neighbors.words, neighbors.translations
        inputs = np.int32(n), bits, cutoff2, *listed, neighbors.sorted
        self._launch("select_pairs", n, *inputs, counts, words, too_close)
        places = neighbors.translations, neighbors.sorted, species
        return np.int32(n), bits, counts, words, *places, np.int32(self._elements)

    def _models(
        self, species: Array, scalar_sums: Array, angular_sums: Array
    ) -> tuple[Array, Array, Array]:
        """Energies, and their derivatives in scalar and in angular sums."""
        xp, n, count = self._xp, len(species), len(self._nodes)
        values, adjoints = xp.empty((count, n)), xp.empty((count, n))
        energies, slopes = xp.empty(n), xp.empty((self._scalars, n))
        sizes = np.int32(n), np.int32(self._elements), np.int32(self._angular)
        common = *sizes, species, np.int32(count), self._nodes
        inputs = *common, self._children, self._coefficients, scalar_sums, angular_sums
        self._launch("models", n, *inputs, values, adjoints, slopes, energies)
        channels = len(angular_sums)
        angular_slopes = xp.empty((channels, n, self._harmonics), dtype=self._real)
        factors = self._coefficients, angular_sums, adjoints
        self._launch("angular_slopes", channels * n, *common, *factors, angular_slopes)
        return energies, slopes, angular_slopes

    def _parts(self, threads: int) -> Array:
        return self._xp.empty((-(-threads // block_size()), 6))

    def _launch(self, kernel: str, threads: int, *arguments: Any) -> None:
        if threads > 0:
            self._backend.launch(self._program, kernel, threads, *arguments)

    def _bytes(self, atoms: int, capacity: int) -> int:
        """Memory of one call."""
        angular = 2 * self._elements * self._angular * self._harmonics
        numbers = 2 * (self._scalars + len(self._nodes)) + angular + 3 * self._angular + 10
        return atoms * (4 * capacity + 8 * numbers)
