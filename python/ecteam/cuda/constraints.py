"""The constraint set of the weights on a device: sums of one, and the charges of fragments.

Twin of `rust/core/src/ensemble/constraints.rs`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.sources import Program, block_size
from ecteam.structure import FloatArray

_EXTREME = 1e-11  # charges closer to the extreme leave only the extreme states
_UNBOUNDED = 1e300
_BEST, _DONE = 4, 5  # columns of a multiplier, see ensemble.cu
_ROUNDS, _UNSEEN = (
    200,
    4,
)  # of the search for multipliers: at most, and between two looks of the host
_MEMBERS = 4096  # of a fragment, that one block adds up


class Constraints:
    """Σ_M ω_iM = 1, ω ≥ 0, and Σ ω q = Q in every fragment; vectors are not constrained.

    Unknowns are the weights (n, states); with a softness of theirs, one array of all weights and
    after them three components of a vector for each atom, see `vectors.cu`.

    Parameters
    ----------
    backend : Backend
        Where the arrays are.
    charges : (n, states) float64 array of the backend
        Charge of every state, e; 0 where there is none.
    exists : (n, states) bool array of the backend
        False where an element has fewer states.
    totals : (f,) float64
        Q of every fragment, e.
    fragments : (n,) int32 array of the backend, optional
        Fragment of every atom; one by default.
    softness : (n, states) float64 array of the backend, optional
        Softness of the vectors in every state; no vectors by default.

    Attributes
    ----------
    reachable : bool
        False if no combination of states has these charges.
    allowed : (n, states) uint8
        0 also for states that must be empty because the charge is an extreme one.
    """

    def __init__(
        self,
        backend: Backend,
        charges: Array,
        exists: Array,
        totals: FloatArray,
        fragments: Array | None = None,
        softness: Array | None = None,
    ) -> None:
        self._backend, self._xp = backend, backend.xp
        self._n, self.states = charges.shape
        self.softness = softness
        self.totals, self.charges = totals.astype(np.float64), charges
        self._exists = exists
        several = int(len(totals) > 1)
        defines = (("STATES", self.states), ("CHANNELS", 0), ("FRAGMENTS", several))
        vectors = ("VECTORS", int(softness is not None))
        self._program = Program("ensemble.cu", (*defines, vectors))
        self._vectors = Program("vectors.cu", defines[:2])
        self.fragments = self._xp.zeros(self._n, dtype=np.int32) if fragments is None else fragments
        self._parts = _Parts(backend, self._program, self.fragments, len(totals))
        self._tickets = self._xp.zeros(1, dtype=np.uint32)
        self._restrict()
        self._device_totals = self._xp.asarray(self.totals)
        fresh = [0.0, -_UNBOUNDED, _UNBOUNDED, _UNBOUNDED, 0.0, 0.0]
        self._multipliers = self._xp.asarray(np.tile(fresh, (len(totals), 1)))

    def _restrict(self) -> None:
        """Leave only the extreme states of fragments whose charge is an extreme one."""
        xp, exists = self._xp, self._exists
        lowest = xp.where(exists, self.charges, np.inf).min(axis=1)[:, None]
        highest = xp.where(exists, self.charges, -np.inf).max(axis=1)[:, None]
        limits = xp.concatenate([lowest, highest], axis=1)
        low, high = self._backend.to_host(self._parts.sums(limits)).T
        margin = _EXTREME * (1.0 + np.maximum(np.abs(low), np.abs(high)))
        inside = (low - margin <= self.totals) & (self.totals <= high + margin)
        self.reachable = bool(inside.all())
        varied = high - low > margin
        at_high = varied & (self.totals >= high - margin)
        at_low = varied & ~at_high & (self.totals <= low + margin)
        self.totals = np.where(at_high, high, np.where(at_low, low, self.totals))
        high_here, low_here = (
            xp.asarray(flags)[self.fragments][:, None] for flags in (at_high, at_low)
        )
        allowed = exists & (~high_here | (self.charges == highest))
        allowed = allowed & (~low_here | (self.charges == lowest))
        self.allowed = xp.ascontiguousarray(allowed.astype(np.uint8))

    def project(self, given: Array) -> Array:
        """Replace positive numbers by the feasible weights nearest to them.

        Vectors are copied, but for those where nothing is soft, which vanish. The multipliers are
        sought on the device; the host looks at them every few rounds.
        """
        start, weights = self.empty(), self.empty()
        multipliers = self._multipliers.copy()
        nus = self._xp.zeros(len(self.totals))
        charges = self._normalise(nus, given, start)
        for _ in range(_ROUNDS // _UNSEEN):
            for _ in range(_UNSEEN):
                inputs = charges, self._device_totals, multipliers
                self._launch("next_multipliers", len(nus), *inputs, nus)
                charges = self._normalise(nus, start, weights)
            if float(multipliers[:, _DONE].min()) > 0.0:
                break
        else:
            best = self._xp.ascontiguousarray(multipliers[:, _BEST])
            self._normalise(best, start, weights)
        if self.softness is not None:
            self.launch_vectors("keep_vectors", self.softness, given, weights)
        return weights

    def _normalise(self, nus: Array, start: Array, out: Array) -> Array:
        """Σ ω q of every fragment and its derivative with respect to ν."""
        inputs = nus, start, self.charges, self.allowed, self.fragments, out
        return self.shares("normalise", 2, *inputs)

    def empty(self) -> Array:
        """Return an array of one number for each unknown."""
        if self.softness is None:
            return self._xp.empty(self.charges.shape)
        return self._xp.empty(self._n * (self.states + 3))

    def weights_of(self, unknowns: Array) -> Array:
        """Return the weights (n, states) among the unknowns."""
        return unknowns.reshape(-1)[: self.charges.size].reshape(self.charges.shape)

    def rows_of(self, unknowns: Array) -> Array:
        """Return the unknowns by atom, (n, states) or (n, states + 3)."""
        weights = self.weights_of(unknowns)
        if self.softness is None:
            return weights
        vectors = unknowns[self.charges.size :].reshape(self._n, 3)
        return self._xp.concatenate([weights, vectors], axis=1)

    def unknowns_of(self, rows: Array) -> Array:
        """Return the unknowns of rows by atom; vectors that are missing are zero."""
        if self.softness is None:
            return rows
        unknowns = self._xp.zeros(self._n * (self.states + 3))
        unknowns[: self.charges.size] = rows[:, : self.states].reshape(-1)
        if rows.shape[1] > self.states:
            unknowns[self.charges.size :] = rows[:, self.states :].reshape(-1)
        return unknowns

    def blocks(self, count: int) -> Array:
        """Return an array of some numbers for each block of threads."""
        return self._xp.empty((-(-self._n // block_size()), count))

    def launch(self, kernel: str, *arguments: Any) -> None:
        """Run a kernel of the minimisation."""
        self._launch(kernel, self._n, *arguments)

    def launch_vectors(self, kernel: str, *arguments: Any) -> None:
        """Run a kernel of the vectors."""
        inputs = np.int32(self._n), *arguments
        self._backend.launch(self._vectors, kernel, self._n, *inputs)

    def sums(self, kernel: str, count: int, *arguments: Any) -> Array:
        """Run a kernel whose last arguments are sums over the atoms; (count,)."""
        totals = self._xp.empty(count * (1 + -(-self._n // block_size())))
        self.launch(kernel, *arguments, totals, self._tickets)
        return totals[:count]

    def shares(self, kernel: str, count: int, *arguments: Any) -> Array:
        """Run a kernel whose last arguments are sums by fragment; (f, count)."""
        if len(self.totals) == 1:
            return self.sums(kernel, count, *arguments)[None]
        shares = self._xp.empty((self._n, count))
        self.launch(kernel, *arguments, shares, self._tickets)
        return self._parts.sums(shares)

    def _launch(self, kernel: str, threads: int, *arguments: Any) -> None:
        self._backend.launch(self._program, kernel, threads, np.int32(threads), *arguments)

    def vertex_potentials(self, weights: Array, gradient: Array) -> FloatArray:
        """Middle of the interval of potentials that keeps all empty states of a fragment empty."""
        xp, to_host = self._xp, self._backend.to_host
        weights, gradient = self.weights_of(weights), self.weights_of(gradient)
        populated = weights.argmax(axis=1)[:, None]
        dq = self.charges - xp.take_along_axis(self.charges, populated, axis=1)
        dq = xp.where(self._exists, dq, 0.0)
        dg = gradient - xp.take_along_axis(gradient, populated, axis=1)
        ratio = dg / xp.where(dq == 0.0, 1.0, dq)
        fragments, count = to_host(self.fragments), len(self.totals)
        high, low = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(high, fragments, to_host(xp.where(dq > 0.0, ratio, np.inf).min(axis=1)))
        np.maximum.at(low, fragments, to_host(xp.where(dq < 0.0, ratio, -np.inf).max(axis=1)))
        return np.array([_middle(*limits) for limits in zip(low, high, strict=True)])


class _Parts:
    """Adds numbers of atoms up by fragment, in a fixed order."""

    def __init__(self, backend: Backend, program: Program, fragments: Array, count: int) -> None:
        xp, self._backend, self._program = backend.xp, backend, program
        self._count = count
        sizes = np.bincount(backend.to_host(fragments), minlength=count) if count > 1 else None
        if sizes is None:
            return
        self._members = xp.argsort(fragments, kind="stable").astype(np.int32)
        pieces = np.maximum(-(-sizes // _MEMBERS), 1)
        first, self._starts = np.cumsum(sizes) - sizes, []
        piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = np.append(np.repeat(first, pieces) + _MEMBERS * piece, sizes.sum())
        stages = [starts] if pieces.max() == 1 else [starts, np.append(0, np.cumsum(pieces))]
        self._starts = [xp.asarray(stage.astype(np.int32)) for stage in stages]
        self._rows = xp.arange(len(piece), dtype=np.int32)

    def sums(self, values: Array) -> Array:
        """Sum rows (n, k) to (f, k)."""
        if self._count == 1:
            return values.sum(axis=0)[None]
        members = self._members
        for starts in self._starts:
            values = self._segments(starts, members, values)
            members = self._rows
        return values

    def _segments(self, starts: Array, members: Array, values: Array) -> Array:
        segments, count = len(starts) - 1, values.shape[1]
        out = self._backend.xp.empty((segments, count))
        threads, inputs = segments * block_size(), (np.int32(count), starts, members, values)
        self._backend.launch(self._program, "segment_sums", threads, *inputs, out)
        return out


def _middle(low: float, high: float) -> float:
    limits = [x for x in (low, high) if math.isfinite(x)]
    return sum(limits) / len(limits) if limits else 0.0
