"""The Finnis–Sinclair potentials of bcc metals, analytic and as an eam/fs file.

M. W. Finnis and J. E. Sinclair, Philos. Mag. A 50, 45 (1984); erratum 53, 161 (1986):
E = ½ Σ V(r) − A Σ_i √ρ_i, V = (r − c)² (c₀ + c₁ r + c₂ r²) below c, ρ_i = Σ (r − d)² below d.
With the repulsive core of G. J. Ackland and R. Thetford, Philos. Mag. A 56, 15 (1987), which acts
only below the nearest-neighbour distance: V + B (b₀ − r)³ exp(−α r).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers


@dataclass(frozen=True)
class FinnisSinclair:
    """Parameters in Å and eV."""

    symbol: str
    d: float
    A: float
    c: float
    c0: float
    c1: float
    c2: float
    B: float
    alpha: float
    b0: float

    def pair(self, r):
        """V(r), eV."""
        inside = np.maximum(self.c - r, 0.0)
        core = self.B * np.maximum(self.b0 - r, 0.0) ** 3 * np.exp(-self.alpha * r)
        return inside**2 * (self.c0 + self.c1 * r + self.c2 * r**2) + core

    def density(self, r):
        """Contribution to ρ, Å²."""
        return np.maximum(self.d - r, 0.0) ** 2

    def write_setfl(self, path, cutoff=None, radial=2000, densities=4000, highest=40.0):
        """Write an eam/fs file, up to a larger cutoff on request (Å; the functions are 0 there)."""
        cutoff = cutoff or max(self.c, self.d)
        r = np.linspace(0, cutoff, radial)
        rho = np.linspace(0, highest, densities)
        tables = [-self.A * np.sqrt(rho), self.density(r), r * self.pair(r)]
        number = atomic_numbers[self.symbol]
        head = [
            f"Finnis-Sinclair {self.symbol}",
            "Philos. Mag. A 50, 45 (1984)",
            "",
            f"1 {self.symbol}",
            f"{densities} {float(rho[1])!r} {radial} {float(r[1])!r} {cutoff!r}",
            f"{number} {atomic_masses[number]} 3.3 bcc",
        ]
        rows = [repr(value) for table in tables for value in table.tolist()]
        Path(path).write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


NB = FinnisSinclair(
    "Nb", 3.915354, 3.013789, 4.20, -1.5640104, 2.0055779, -0.4663764, 48.0, 0.8, 2.8585
)
MO = FinnisSinclair(
    "Mo", 4.114825, 1.887117, 3.25, 43.4475218, -31.9332978, 6.0804249, 1223.0, 3.9, 2.7255
)
