"""Plain Ewald sums of small structures on a device; see `cuda/structure_ewald.cu`."""

from __future__ import annotations

import math

import numpy as np

from ecteam import _core
from ecteam.structure import Arrays, FloatArray

_MOST_WAVES = 1 << 17  # that are looked at, in and around the sphere


class Waves:
    """The waves |k| ≤ radius of an Ewald sum, as `rust/core/src/coulomb/ewald.rs` chooses them.

    Attributes
    ----------
    numbers : tuple of float64
        Splitting α and radius (Å⁻¹), Coulomb constant (eV·Å/e²).
    self_potential : float
        Potential of an atom's own screening charge, eV/e².
    """

    def __init__(self, tables: _core.EnsembleTables) -> None:
        alpha, coulomb = tables.kernel_parameter, tables.coulomb
        # exp(−k²/4α²) is as small there as erfc(αR) is at the cutoff.
        self._radius = 2.0 * alpha**2 * tables.cutoff
        self.numbers = np.float64(alpha), np.float64(self._radius), np.float64(coulomb)
        self.self_potential = -2.0 * coulomb * alpha / math.sqrt(math.pi)

    def suit(self, system: Arrays) -> bool:
        """Return True unless there are so many waves that a mesh is better."""
        reach = self._reach(system)
        return bool((reach[0] + 1) * np.prod(2.0 * reach[1:] + 1) <= _MOST_WAVES)

    def lattice(self, system: Arrays) -> FloatArray:
        """Return inverse cell, volume (Å³) and reach along the reciprocal vectors, (13,)."""
        frame = _core.Frame(system.cell, system.pbc)
        return np.concatenate([frame.inverse.ravel(), [frame.volume], self._reach(system)])

    def _reach(self, system: Arrays) -> FloatArray:
        """Largest multiples of the reciprocal vectors: k·a = 2π n is at most |k||a|."""
        reach: FloatArray = np.floor(
            self._radius * np.linalg.norm(system.cell, axis=1) / (2.0 * math.pi)
        )
        return reach
