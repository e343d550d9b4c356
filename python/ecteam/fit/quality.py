"""How good a radial fit of a density is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ecteam.fit.rbf import FARTHEST, RadialFit, Target

__all__ = ["PROBES", "quality_report"]

Array = NDArray[np.float64]

PROBES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Å: distances where fit and density are compared."""


def quality_report(fit: RadialFit, target: Target) -> dict[str, Any]:
    """Compare a fit with the density it was made for.

    Parameters
    ----------
    fit : RadialFit
        Fitted density.
    target : Target
        Reference density and constraints.

    Returns
    -------
    dict
        ``absolute_error``: ∫|Δρ| in e; ``count_error``: e; ``target_count_error``: that of the
        reference on its grid, e; ``cusp_error``, ``hartree_error``, ``inverse_radius_error``,
        ``mean_radius_error``, ``squared_radius_error``: relative; ``smallest_density``:
        min ρ exp(ζ₀ r) in e/Å³ on 0..30 bohr; ``largest_coefficient``: in electron counts;
        ``probes``: per distance in Å, the reference density and the error of the fit in e/Å³.
    """
    errors = np.abs(fit.density(target.radii) - target.density)
    fine = np.concatenate([np.geomspace(1e-4, 0.1, 1000), np.linspace(0.0, FARTHEST, 6001)])
    scaled = fit.density(fine) * np.exp(fit.exponents[0] * fine)
    return {
        "absolute_error": float(target.volume @ errors),
        "count_error": fit.electrons() - target.electrons,
        "target_count_error": target.moment(0) - target.electrons,
        "cusp_error": fit.cusp_error(target.cusp),
        "hartree_error": fit.hartree() / target.hartree() - 1.0,
        "inverse_radius_error": fit.moment(-1) / target.moment(-1) - 1.0,
        "mean_radius_error": fit.moment(1) / target.moment(1) - 1.0,
        "squared_radius_error": fit.moment(2) / target.moment(2) - 1.0,
        "smallest_density": float(scaled.min()),
        "largest_coefficient": float(np.abs(fit.coefficients).max() / target.electrons),
        "probes": [_probe(fit, target, distance) for distance in PROBES],
    }


def _probe(fit: RadialFit, target: Target, distance: float) -> dict[str, float]:
    logarithm = np.log(np.maximum(target.density, 1e-300))
    reference = float(np.exp(CubicSpline(np.log(target.radii), logarithm)(np.log(distance))))
    value = float(fit.density(distance))
    return {"distance": distance, "reference": reference, "error": value - reference}
