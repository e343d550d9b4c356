"""Radial fits of the densities of atomic states, with as few functions as the targets allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ecteam.fit.quality import quality_report
from ecteam.fit.rbf import MOST_FUNCTIONS, Target, fit_density
from ecteam.slater import RadialFit

__all__ = ["fit_state", "goals", "misses", "with_tail"]

Quality = dict[str, Any]

COUNTS = (5, 6, 8, 10, 11, MOST_FUNCTIONS)
"""Function counts tried, fewest first."""
AMPLE = 0.5
"""A fit that reaches this fraction of every target needs no more functions."""
TAIL_DENSITY = 1e-8
"""e/Å³: density below which Gaussians are no longer right."""


def goals(*, shells: int, heavy: bool, anion: bool) -> dict[str, float]:
    """Largest allowed errors of a fit, by their names in the quality report.

    Parameters
    ----------
    shells : int
        Occupied electron shells (largest principal quantum number).
    heavy, anion : bool
        Whether the element is beyond Ar, and whether the state is negative: weaker targets.
    """
    return {
        "absolute_error": shells * (0.02 if heavy else 0.01),
        "hartree_error": 2e-4,
        "squared_radius_error": 0.03 if anion else 0.01,
    }


def fit_state(
    target: Target, reference: Target, allowed: dict[str, float]
) -> tuple[RadialFit, Quality]:
    """Fit a density; the fewest functions that meet the targets amply, else the best.

    Parameters
    ----------
    target : Target
        Density to fit and constraints.
    reference : Target
        Density the quality is judged against (without an imposed tail).
    allowed : dict of str to float
        Largest allowed errors, see :func:`goals`.

    Returns
    -------
    RadialFit, dict
        The fit and its quality.

    Raises
    ------
    RuntimeError
        If no count of functions gives a feasible fit.
    """
    if np.isclose(target.decay, target.cusp, rtol=1e-9):
        exact = RadialFit(np.array([target.cusp]), np.array([target.electrons]))
        return exact, quality_report(exact, reference)
    best: tuple[float, RadialFit, Quality] | None = None
    for functions in COUNTS:
        try:
            fit = fit_density(target, functions=functions)
        except RuntimeError:
            continue
        quality = quality_report(fit, reference)
        excess = max(abs(quality[key]) / largest for key, largest in allowed.items())
        if best is None or excess < best[0]:
            best = excess, fit, quality
        if excess <= AMPLE:
            break
    if best is None:
        raise RuntimeError("no feasible radial fit with any count of functions")
    return best[1], best[2]


def misses(quality: Quality, allowed: dict[str, float]) -> list[str]:
    """Targets that a fit misses, in words."""
    return [
        f"{key} {abs(quality[key]):.2g}, target {largest:g}"
        for key, largest in allowed.items()
        if abs(quality[key]) > largest
    ]


def with_tail(target: Target, power: float) -> Target:
    """Replace the far density by its asymptotic form r^power exp(-decay r).

    J. Katriel and E. R. Davidson, PNAS 77, 4403 (1980); the density is rescaled to its count.
    """
    first = int(np.flatnonzero(target.density > TAIL_DENSITY).max())
    radii, start = target.radii[first:], target.radii[first]
    density = target.density.copy()
    falling = (radii / start) ** power * np.exp(-target.decay * (radii - start))
    density[first:] = density[first] * falling
    longer = replace(target, density=density)
    return replace(longer, density=density * target.electrons / longer.moment(0))
