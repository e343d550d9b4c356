r"""Constrained radial-basis-function fit of a spherical density.

.. math:: \rho(r) = \sum_k c_k \frac{\zeta_k^3}{8\pi} e^{-\zeta_k r}

with normalised 1s Slater functions and coefficients of either sign. The electron count and the
nuclear cusp (T. Kato, Commun. Pure Appl. Math. 10, 151 (1957)) hold to rounding, the density is
non-negative, and the smallest exponent is given (the decay is that of the ionisation energy,
J. Katriel and E. R. Davidson, PNAS 77, 4403 (1980)). For fixed exponents the coefficients solve a
convex quadratic programme; the other exponents follow by variable projection (G. H. Golub and
V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973)), first with the equalities only, which is a linear
solve, and with the whole programme where the inequalities matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import clarabel
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import null_space
from scipy.optimize import least_squares
from scipy.sparse import csc_matrix

from ecteam.slater import RadialFit, slater_functions, slater_moments

__all__ = ["MOST_FUNCTIONS", "RadialFit", "Target", "fit_density", "solve_coefficients"]

Array = NDArray[np.float64]

MOST_FUNCTIONS = 12
"""Largest number of functions that the potential format and the engine take."""
FARTHEST = 15.88
"""Å (30 bohr): the density is non-negative up to here, and beyond as its last term rules."""
LARGEST_EXPONENT = 199.0
"""1/Å: the potential format takes 200."""
LARGEST_RATIO = 8.0
"""Largest ratio of neighbouring exponents."""
SMALL_COEFFICIENTS = 3e-5
"""Weight of the coefficients (in electron counts) in the choice of the exponents."""
MARGINS = (1e-8, 1e-6, 1e-5, 1e-4, 1e-3)
"""Smallest scaled densities (per electron) tried until the density is positive in between."""
STARTS = (1.05, 1.1, 1.2, 1.3, 1.45, 1.7, 2.2, 3.0)
"""Largest exponents of the even-tempered starts, in cusps."""
NUCLEUS = 1e-3
"""Smallest scaled density (per electron) at the nucleus, so that the cusp does not drown in
rounding where the density vanishes there, as in 2p of hydrogen."""
FLOOR = 1e-6
"""1/Å³: density per electron below which an error weighs no more."""
MOMENT_WEIGHTS = {"inverse": 10.0, "mean": 1.0, "squared": 0.3, "hartree": 20.0}
"""Weights of the relative errors of ⟨1/r⟩, ⟨r⟩, ⟨r²⟩ and the Hartree energy, against
(∫(Δρ)²/ρ d³r / N)^½."""


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

    @cached_property
    def volume(self) -> Array:
        """Quadrature weights of ∫ d³r in Å³, shape (m,)."""
        return 4.0 * np.pi * self.radii**2 * self.weights

    def moment(self, power: int) -> float:
        """∫ ρ r^power d³r in e Å^power."""
        return float(self.volume @ (self.density * self.radii**power))

    @cached_property
    def potential(self) -> Array:
        """Electrostatic potential of the density over the Coulomb constant, e/Å, shape (m,)."""
        shells = self.volume * self.density
        inside = np.cumsum(shells) - 0.5 * shells
        outside = shells / self.radii
        beyond = outside.sum() - np.cumsum(outside) + 0.5 * outside
        return np.asarray(inside / self.radii + beyond)

    def hartree(self) -> float:
        """Self energy ½∬ρρ/r of the density in e²/Å."""
        return 0.5 * float(self.volume @ (self.density * self.potential))


def fit_density(
    target: Target, *, functions: int = 9, ratio: float = 1.15, limit: float = 40.0
) -> RadialFit:
    """Fit a density with constrained coefficients and optimised exponents.

    Parameters
    ----------
    target : Target
        Density and constraints.
    functions : int
        Number of functions, 3 to `MOST_FUNCTIONS`.
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
        If the number of functions is out of range, or the decay is not below the cusp.
    RuntimeError
        If the quadratic programme has no solution from any start.
    """
    if not 3 <= functions <= MOST_FUNCTIONS or not 0.0 < target.decay < target.cusp:
        raise ValueError(
            f"need 3 to {MOST_FUNCTIONS} functions and a decay between 0 and the cusp "
            f"{target.cusp:g} 1/Å, got {functions} and {target.decay:g} 1/Å"
        )
    search = _Search(target, functions, ratio, limit)
    starts = [search.unconstrained(highest) for highest in STARTS]
    starts.sort(key=search.cost)
    found: list[tuple[float, RadialFit]] = []
    for start in starts:
        try:
            found.append(search.constrained(start))
        except RuntimeError:
            continue
        if len(found) == 2:
            break
    if not found:
        raise RuntimeError("no start of the radial fit has a feasible density")
    return min(found, key=lambda item: item[0])[1]


def solve_coefficients(exponents: ArrayLike, target: Target, limit: float = 40.0) -> RadialFit:
    """Solve for the coefficients at given exponents: a convex quadratic programme.

    Minimises ∫ (Δρ)²/(ρ + δ) d³r, which bounds (∫|Δρ|)²/N, plus weighted squares of the errors of
    ⟨1/r⟩, ⟨r⟩, ⟨r²⟩ and (linearised) of the Hartree energy, subject to the exact count and cusp
    (eliminated through a null-space basis), ρ ≥ 0 and bounded coefficients.

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
        least = np.full(len(shape), margin * target.electrons)
        least[0] = NUCLEUS * target.electrons
        right = np.concatenate([shape @ particular - least, bound - particular, bound + particular])
        coefficients = particular + free @ _quadratic_programme(r, residual, rows, right)
        coefficients = _refined(coefficients, zeta, target)
        if (fine @ coefficients).min() >= 0.0:
            return RadialFit(zeta, coefficients)
    raise RuntimeError("radial fit: the density is negative between the points of the constraint")


class _Search:
    """Variable projection: bounded least squares in the logarithms of the exponent ratios."""

    def __init__(self, target: Target, functions: int, ratio: float, limit: float) -> None:
        self.target, self.limit = target, limit
        self.functions = functions
        self.bounds = (np.log(ratio), np.log(LARGEST_RATIO))

    def exponents(self, logarithms: Array) -> Array:
        steps = np.concatenate([[0.0], np.cumsum(logarithms)])
        return np.asarray(np.minimum(self.target.decay * np.exp(steps), LARGEST_EXPONENT))

    def unconstrained(self, highest: float) -> Array:
        """Optimise without inequalities, from exponents up to `highest` times the cusp."""
        low, high = self.bounds
        last = min(highest * self.target.cusp, 0.98 * LARGEST_EXPONENT)
        start = np.diff(np.log(np.geomspace(self.target.decay, last, self.functions)))
        return self._optimise(self._free_residuals, np.clip(start, low + 0.01, high - 0.01), 100)

    def constrained(self, start: Array) -> tuple[float, RadialFit]:
        """Solve the whole programme; optimise on where the inequalities cost more than a little."""
        fit = solve_coefficients(self.exponents(start), self.target, self.limit)
        cost = self._cost(fit)
        if cost > 1.1 * self.cost(start):
            start = self._optimise(self._residuals, start, 12)
            fit = solve_coefficients(self.exponents(start), self.target, self.limit)
            cost = self._cost(fit)
        return cost, fit

    def cost(self, logarithms: Array) -> float:
        return float(np.sum(self._free_residuals(logarithms) ** 2))

    def _cost(self, fit: RadialFit) -> float:
        return float(np.sum(self._residuals_of(fit.exponents, fit.coefficients) ** 2))

    def _optimise(
        self, residuals: Callable[[Array], Array], start: Array, evaluations: int
    ) -> Array:
        solution = least_squares(
            residuals, start, bounds=self.bounds, diff_step=1e-6, max_nfev=evaluations, ftol=1e-6
        )
        return np.asarray(solution.x)

    def _free_residuals(self, logarithms: Array) -> Array:
        zeta = self.exponents(logarithms)
        particular, free = _equalities(zeta, self.target)
        design, wanted = _weighted(zeta, self.target)
        ridge = SMALL_COEFFICIENTS / np.sqrt(self.target.electrons)
        matrix = np.vstack([design @ free, ridge * free])
        right = np.concatenate([wanted - design @ particular, -ridge * particular])
        unknown = np.linalg.lstsq(matrix, right, rcond=None)[0]
        return np.asarray(matrix @ unknown - right)

    def _residuals(self, logarithms: Array) -> Array:
        zeta = self.exponents(logarithms)
        fit = solve_coefficients(zeta, self.target, self.limit)
        return self._residuals_of(zeta, fit.coefficients)

    def _residuals_of(self, zeta: Array, coefficients: Array) -> Array:
        design, wanted = _weighted(zeta, self.target)
        ridge = SMALL_COEFFICIENTS / np.sqrt(self.target.electrons)
        return np.concatenate([design @ coefficients - wanted, ridge * coefficients])


def _shape(zeta: Array, points: int) -> Array:
    """Rows whose product with c is ρ times a positive factor, on 0..30 bohr and at infinity.

    The factor exp(ζ₀ r) keeps the far rows comparable with the near ones.
    """
    radii = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST, points)])
    rows = zeta**3 * np.exp(-np.multiply.outer(radii, zeta - zeta[0]))
    rows = np.vstack([rows, np.eye(len(zeta))[:1]])
    return np.asarray(rows / np.abs(rows).max(axis=1, keepdims=True))


def _constraints(zeta: Array, target: Target) -> tuple[Array, Array]:
    """Rows and right sides of the count and cusp constraints."""
    cusp = zeta**3 * (zeta - target.cusp)
    matrix = np.vstack([np.ones_like(zeta), cusp / np.abs(cusp).max()])
    return matrix, np.array([target.electrons, 0.0])


def _equalities(zeta: Array, target: Target) -> tuple[Array, Array]:
    """Particular solution and null space of the count and cusp constraints."""
    matrix, right = _constraints(zeta, target)
    particular = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return np.asarray(particular), np.asarray(null_space(matrix))


def _refined(coefficients: Array, zeta: Array, target: Target) -> Array:
    """Remove the rounding errors of count and cusp, which cancel from larger terms."""
    matrix, right = _constraints(zeta, target)
    exact, wanted = matrix.astype(np.longdouble), right.astype(np.longdouble)
    for _ in range(2):
        missing = np.asarray(wanted - exact @ coefficients, dtype=float)
        coefficients = coefficients + np.linalg.lstsq(matrix, missing, rcond=None)[0]
    return coefficients


def _weighted(zeta: Array, target: Target) -> tuple[Array, Array]:
    """Design matrix and right side: density errors over (ρN)^½, then errors of the moments."""
    scale = 1.0 / np.sqrt(target.electrons)
    root = scale * np.sqrt(target.volume / (target.density + FLOOR * target.electrons))
    basis = slater_functions(target.radii, zeta)
    rows, right = [root[:, None] * basis], [root * target.density]
    for name, power in (("inverse", -1), ("mean", 1), ("squared", 2)):
        weight = MOMENT_WEIGHTS[name] / target.moment(power)
        rows.append(weight * slater_moments(zeta, power)[None, :])
        right.append(np.array([MOMENT_WEIGHTS[name]]))
    # To first order in the error, the self energy errs by that of the density's own potential.
    weight = 0.5 * MOMENT_WEIGHTS["hartree"] / target.hartree()
    rows.append(2.0 * weight * ((target.volume * target.potential) @ basis)[None, :])
    right.append(np.array([2.0 * MOMENT_WEIGHTS["hartree"]]))
    return np.vstack(rows), np.concatenate(right)


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
