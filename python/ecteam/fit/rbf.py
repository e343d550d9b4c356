r"""Constrained radial-basis-function fit of a spherical density.

.. math:: \rho(r) = \sum_k c_k \frac{\zeta_k^3}{8\pi} e^{-\zeta_k r}

with normalised 1s Slater functions and coefficients of either sign. The electron count and the
nuclear cusp (T. Kato, Commun. Pure Appl. Math. 10, 151 (1957)) hold to rounding, the density is
non-negative, and the smallest exponent is given (the decay is that of the ionisation energy,
J. Katriel and E. R. Davidson, PNAS 77, 4403 (1980)). For fixed exponents the coefficients solve a
convex quadratic programme; the other exponents follow by variable projection (G. H. Golub and
V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973)).
"""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import null_space
from scipy.optimize import least_squares
from scipy.sparse import csc_matrix

__all__ = ["RadialFit", "Target", "fit_density", "solve_coefficients"]

Array = NDArray[np.float64]

FARTHEST = 15.88
"""Å (30 bohr): the density is non-negative up to here, and beyond as its last term rules."""


LARGEST_RATIO = 8.0
"""Largest ratio of neighbouring exponents."""
SMALL_COEFFICIENTS = 1e-3
"""Weight of the coefficients (in electron counts) in the choice of the exponents."""
MARGINS = (1e-8, 1e-6, 1e-5, 1e-4, 1e-3)
"""Smallest scaled densities (per electron) tried until the density is positive in between."""
FLOOR = 1e-6
"""1/Å³: density per electron below which an error weighs no more."""


@dataclass(frozen=True)
class Target:
    """Density to fit, on a radial quadrature.

    Attributes
    ----------
    radii : ndarray, shape (m,)
        Increasing radii in Å.
    weights : ndarray, shape (m,)
        Quadrature weights of ∫ dr in Å (without 4πr²).
    density : ndarray, shape (m,)
        Density in e/Å³.
    electrons : float
        Exact electron count.
    cusp : float
        -ρ'(0)/ρ(0) in 1/Å: twice the nuclear charge over the Bohr radius.
    decay : float
        Smallest exponent in 1/Å.
    """

    radii: Array
    weights: Array
    density: Array
    electrons: float
    cusp: float
    decay: float


@dataclass(frozen=True)
class RadialFit:
    """Sum of normalised 1s Slater functions.

    Attributes
    ----------
    exponents : ndarray, shape (k,)
        Increasing exponents in 1/Å.
    coefficients : ndarray, shape (k,)
        Electrons in each function, in e, of either sign.
    """

    exponents: Array
    coefficients: Array

    def density(self, radii: ArrayLike) -> Array:
        """Density in e/Å³ at radii in Å, same shape as `radii`."""
        return np.asarray(
            _basis(np.asarray(radii, dtype=float), self.exponents) @ self.coefficients
        )

    def electrons(self) -> float:
        """Electron count, Σ c."""
        return float(self.coefficients.sum())

    def cusp_error(self, cusp: float) -> float:
        """Relative error of the cusp, -ρ'(0)/(κ ρ(0)) - 1, for κ in 1/Å."""
        value = self.coefficients @ self.exponents**3
        slope = self.coefficients @ self.exponents**4
        return float(slope / (cusp * value) - 1.0)

    def inverse_radius(self) -> float:
        """∫ ρ/r dr in e/Å: Σ c ζ/2."""
        return float(self.coefficients @ self.exponents / 2.0)

    def squared_radius(self) -> float:
        """∫ ρ r² dr in e Å²: Σ 12 c/ζ²."""
        return float(self.coefficients @ (12.0 / self.exponents**2))

    def hartree(self) -> float:
        """Self energy ½∬ρρ/r in e²/Å (C. C. J. Roothaan, J. Chem. Phys. 19, 1445 (1951))."""
        a, b = self.exponents[:, None], self.exponents[None, :]
        coulomb = a * b * (a * a + 3.0 * a * b + b * b) / (2.0 * (a + b) ** 3)
        return float(0.5 * self.coefficients @ coulomb @ self.coefficients)


def fit_density(
    target: Target, *, functions: int = 9, ratio: float = 1.15, limit: float = 40.0
) -> RadialFit:
    """Fit a density with constrained coefficients and optimised exponents.

    Parameters
    ----------
    target : Target
        Density and constraints.
    functions : int
        Number of functions, at least 3.
    ratio : float
        Smallest ratio of neighbouring exponents.
    limit : float
        Largest coefficient in units of the electron count.

    Returns
    -------
    RadialFit
        The best of several even-tempered starts.

    Raises
    ------
    ValueError
        If there are fewer than 3 functions, or the decay is not below the cusp.
    RuntimeError
        If the quadratic programme has no solution from any start.
    """
    if functions < 3 or not 0.0 < target.decay < target.cusp:
        raise ValueError("need 3 functions or more and a decay between 0 and the cusp")
    found: list[tuple[float, RadialFit]] = []
    for highest in (1.3, 2.0, 3.0):
        start = np.geomspace(target.decay, highest * target.cusp, functions)
        try:
            found.append(_optimise(target, np.diff(np.log(start)), ratio, limit))
        except RuntimeError:
            continue
    if not found:
        raise RuntimeError("no start of the radial fit has a feasible density")
    return min(found, key=lambda item: item[0])[1]


def solve_coefficients(exponents: ArrayLike, target: Target, limit: float = 40.0) -> RadialFit:
    """Solve for the coefficients at given exponents: a convex quadratic programme.

    Minimises ∫ (Δρ)²/(ρ + δ) 4πr² dr, which bounds (∫|Δρ|)²/N, subject to the exact count and
    cusp (eliminated through a null-space basis), ρ ≥ 0 and bounded coefficients.

    Parameters
    ----------
    exponents : array_like, shape (k,)
        Increasing exponents in 1/Å.
    target : Target
        Density and constraints.
    limit : float
        Largest coefficient in units of the electron count.

    Returns
    -------
    RadialFit

    Raises
    ------
    RuntimeError
        If the programme is infeasible or the solver does not converge.
    """
    zeta = np.asarray(exponents, dtype=float)
    particular, free = _equalities(zeta, target)
    design, wanted = _weighted(zeta, target)
    q, r = np.linalg.qr(design @ free)
    residual = q.T @ (wanted - design @ particular)
    shape, fine = _shape(zeta, 240), _shape(zeta, 2400)
    bound = np.full(len(zeta), limit * target.electrons)
    rows = np.vstack([-shape @ free, free, -free])
    for margin in MARGINS:
        least = margin * target.electrons
        right = np.concatenate([shape @ particular - least, bound - particular, bound + particular])
        coefficients = particular + free @ _quadratic_programme(r, residual, rows, right)
        if (fine @ coefficients).min() >= 0.0:
            return RadialFit(zeta, coefficients)
    raise RuntimeError("radial fit: the density is negative between the points of the constraint")


def _optimise(target: Target, start: Array, ratio: float, limit: float) -> tuple[float, RadialFit]:
    """Variable projection: bounded least squares in the logarithms of the exponent ratios."""

    def exponents(logarithms: Array) -> Array:
        steps = np.concatenate([[0.0], np.cumsum(logarithms)])
        return np.asarray(target.decay * np.exp(steps))

    def residuals(logarithms: Array) -> Array:
        fit = solve_coefficients(exponents(logarithms), target, limit)
        design, wanted = _weighted(fit.exponents, target)
        penalty = SMALL_COEFFICIENTS * fit.coefficients / target.electrons
        return np.concatenate([design @ fit.coefficients - wanted, penalty])

    low, high = np.log(ratio), np.log(LARGEST_RATIO)
    solution = least_squares(
        residuals,
        np.clip(start, low + 0.01, high - 0.01),
        bounds=(low, high),
        diff_step=1e-5,
        max_nfev=80,
    )
    return float(solution.cost), solve_coefficients(exponents(solution.x), target, limit)


def _basis(radii: Array, zeta: Array) -> Array:
    return np.asarray(zeta**3 / (8.0 * np.pi) * np.exp(-np.multiply.outer(radii, zeta)))


def _shape(zeta: Array, points: int) -> Array:
    """Rows whose product with c is ρ times a positive factor, on 0..30 bohr and at infinity.

    The factor exp(ζ₀ r) keeps the far rows comparable with the near ones.
    """
    radii = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST, points)])
    rows = zeta**3 * np.exp(-np.multiply.outer(radii, zeta - zeta[0]))
    rows = np.vstack([rows, np.eye(len(zeta))[:1]])
    return np.asarray(rows / np.abs(rows).max(axis=1, keepdims=True))


def _equalities(zeta: Array, target: Target) -> tuple[Array, Array]:
    """Particular solution and null space of the count and cusp constraints."""
    cusp = zeta**3 * (zeta - target.cusp)
    matrix = np.vstack([np.ones_like(zeta), cusp / np.abs(cusp).max()])
    right = np.array([target.electrons, 0.0])
    particular = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return np.asarray(particular), np.asarray(null_space(matrix))


def _weighted(zeta: Array, target: Target) -> tuple[Array, Array]:
    volume = 4.0 * np.pi * target.radii**2 * target.weights
    root = np.sqrt(volume / (target.density + FLOOR * target.electrons))
    return np.asarray(root[:, None] * _basis(target.radii, zeta)), np.asarray(root * target.density)


def _quadratic_programme(r: Array, residual: Array, rows: Array, right: Array) -> Array:
    """Minimise ½|r x - residual|² subject to rows x ≤ right; r enters linearly, not squared."""
    n = r.shape[1]
    cost = csc_matrix(np.diag(np.concatenate([np.zeros(n), np.ones(n)])))
    matrix = np.block([[r, -np.eye(n)], [rows, np.zeros((len(rows), n))]])
    cones = [clarabel.ZeroConeT(n), clarabel.NonnegativeConeT(len(rows))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    solver = clarabel.DefaultSolver(
        cost,
        np.zeros(2 * n),
        csc_matrix(matrix),
        np.concatenate([residual, right]),
        cones,
        settings,
    )
    solution = solver.solve()
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        raise RuntimeError(f"radial fit: quadratic programme {solution.status}")
    return np.array(solution.x[:n])
