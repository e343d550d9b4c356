"""Embedding functions by direct construction from homonuclear dimer curves.

For two atoms of one element at distance R, with weights that are 0 or 1, the energy of the model is

    X₂   2 F₀(ρ₀) + φ₀₀        X₂^q   ε_q + F_q(ρ₀) + F₀(ρ_q) + φ₀q,    ρ_M = ρ_M(R).

Setting it equal to E(X₂) − 2 E(X) and to E(X₂^q) − E(X) − E(X^q) + ε_q gives F at the density
ρ₀(R), first of the neutral state, then of the ions. A hole or an added electron shared by the two
atoms lowers the energy; as one atom has it here, F of the ion contains that lowering.

Between the points F is the cubic spline in ln(1 + ρ̄/scale) that is straight at both ends: it
vanishes at ρ̄ = 0, and beyond the largest density of the curve it goes on as a straight line: up,
except for hydrogen, whose F falls all the way and leaves repulsion to the nuclei in φ. The scale is
the smallest density of the curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ecteam import _core
from ecteam.dimers import Dimers

__all__ = ["dimer_embeddings"]

Array = NDArray[np.float64]
FAINT = 1e-9
"""e/Å³: fainter densities say nothing about distance, next to those of other atoms."""
INTERVALS = 512
"""Of the uniform tables in a potential file."""


class _LogarithmicSpline:
    """F(ρ̄) through values at rising densities; F(0) = 0."""

    def __init__(self, densities: Array, values: Array) -> None:
        self.scale = float(densities[0])
        knots = np.concatenate([[0.0], self._argument(densities)])
        self.last = float(knots[-1])
        natural = ((2, 0.0), (2, 0.0))
        self.spline = CubicSpline(knots, np.concatenate([[0.0], values]), bc_type=natural)

    def _argument(self, densities: Array) -> Array:
        return np.log1p(densities / self.scale)

    def __call__(self, densities: Array) -> Array:
        argument = self._argument(densities)
        inside = np.minimum(argument, self.last)
        beyond = float(self.spline(self.last, 1)) * (argument - inside)
        return np.asarray(self.spline(inside) + beyond)

    def fields(self) -> dict[str, Any]:
        """Embedding of a potential file."""
        arguments = np.linspace(0.0, self.last, INTERVALS + 1)
        values = self.spline(arguments)
        values[0] = 0.0
        table = {"spacing": self.last / INTERVALS, "values": values.tolist()}
        return {"form": "logarithmic", "scale": self.scale, "table": table}


def dimer_embeddings(
    bare: _core.Potential, symbol: str, states: Sequence[str], dimers: Dimers
) -> dict[str, dict[str, Any]]:
    """Embedding functions of the states of an element.

    Parameters
    ----------
    bare : Potential
        The potential without embedding functions, which gives φ and ρ, switched off at its cutoff.
    symbol : str
        Element.
    states : sequence of str
        Its states in the order of the potential, the neutral ground state first.
    dimers : Dimers
        Curves; points where ρ₀ is below `FAINT` are not used.

    Returns
    -------
    dict of str to dict
        Embedding of each state as in a potential file.

    Raises
    ------
    InvalidInputError
        If a state has no curve.
    """
    found: dict[str, dict[str, Any]] = {}
    ground: Callable[[Array], Array] | None = None
    for k, name in enumerate(states):
        curve = dimers.curve(symbol, name)
        functions = bare.pair_functions(symbol, symbol, curve.distances)
        used = functions[:, len(states) ** 2] > FAINT
        # φ of the ground state with state k; the ground state has no charge.
        electrostatics, densities = functions[used, k], functions[used, len(states) ** 2 :]
        rest = curve.energies[used] - electrostatics
        values = 0.5 * rest if ground is None else rest - ground(densities[:, k])
        spline = _LogarithmicSpline(densities[::-1, 0], values[::-1])
        found[name] = spline.fields()
        ground = ground or spline
    return found
