r"""Linear least squares in constant memory: the triangle of a QR factorisation, row by row.

For weighted rows [J | r] the triangle R with RᵀR = [J | r]ᵀ[J | r] is all that training, Fisher
information and cross validation need: it has the size of the parameters, not of the data. Rows
are folded in chunk by chunk by Householder QR, which keeps directions apart down to 1e-16 of the
largest *singular value*. Beyond :data:`QR_LIMIT` columns the normal equations are summed instead,
at half the arithmetic, and directions below 1e-8 are lost in rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from ecteam.fit.model import BoolArray, FloatArray

QR_LIMIT = 500
"""Largest number of columns for QR."""


@dataclass(frozen=True)
class Factor:
    """Square-root form of least squares in a step δ: χ²(δ) = |triangle δ − projected|² + rest².

    Attributes
    ----------
    triangle : (P, P) float64
        Upper triangle R, JᵀWJ = RᵀR.
    projected : (P,) float64
        Residual, reference minus model, in the range of J.
    rest : float
        Norm of the residual that no step can change.
    rows : int
        Number of labels.
    """

    triangle: FloatArray
    projected: FloatArray
    rest: float
    rows: int

    def chi_squared(self, step: FloatArray | None = None) -> float:
        """Weighted sum of squares after a step; none: where the Jacobian was taken."""
        left = -self.projected if step is None else self.triangle @ step - self.projected
        return float(left @ left) + self.rest**2

    def shifted(self, step: FloatArray) -> Factor:
        """Give the same factor about another point of a linear model."""
        return Factor(self.triangle, self.projected - self.triangle @ step, self.rest, self.rows)

    def with_prior(self, precision: FloatArray, step: FloatArray) -> Factor:
        """Add the penalty Σ precision (δ − step)²; the number of labels stays."""
        used = np.flatnonzero(precision > 0.0)
        rows = np.zeros((used.size, self.projected.size + 1))
        rows[np.arange(used.size), used] = np.sqrt(precision[used])
        rows[:, -1] = np.sqrt(precision[used]) * step[used]
        return _factor(np.vstack([self._square(), rows]), self.rows)

    def permuted(self, order: Sequence[int]) -> Factor:
        """Give the factor for the parameters in another order."""
        return _factor(self._square()[:, [*order, -1]], self.rows)

    def _square(self) -> FloatArray:
        size = self.projected.size
        square = np.zeros((size + 1, size + 1))
        square[:size, :size] = self.triangle
        square[:size, -1] = self.projected
        square[size, -1] = self.rest
        return square

    @staticmethod
    def merged(factors: list[Factor]) -> Factor:
        """Give the factor of all rows of several."""
        stacked = np.vstack([factor._square() for factor in factors])
        return _factor(stacked, sum(factor.rows for factor in factors))


class Accumulator:
    """Folds rows into a factor; memory does not grow with them."""

    def __init__(self, parameters: int) -> None:
        self._size = parameters + 1
        self._square = np.zeros((0, self._size))
        self._rows = 0
        self._normal = parameters > QR_LIMIT

    def add(self, jacobian: FloatArray, residual: FloatArray) -> None:
        """Fold in weighted rows: (R, P) and (R,)."""
        rows = np.column_stack([jacobian, residual])
        self._rows += len(rows)
        if self._normal:
            gram = rows.T @ rows
            self._square = gram if not self._square.size else self._square + gram
        else:
            self._square = _triangle(np.vstack([self._square, rows]))

    def factor(self) -> Factor:
        """Give the factor of all rows so far."""
        square = self._square
        if self._normal and square.size:
            values, vectors = np.linalg.eigh(square)
            square = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
        return _factor(square.reshape(-1, self._size), self._rows)


def _triangle(rows: FloatArray) -> FloatArray:
    return np.asarray(qr(rows, mode="r", check_finite=False)[0][: rows.shape[1]])


def _factor(stacked: FloatArray, rows: int) -> Factor:
    size = stacked.shape[1]
    square = np.zeros((size, size))
    triangle = _triangle(stacked)
    square[: len(triangle)] = triangle
    return Factor(square[:-1, :-1], square[:-1, -1], abs(float(square[-1, -1])), rows)


@dataclass(frozen=True)
class Solution:
    """A step and how well it is determined.

    Attributes
    ----------
    step : (P,) float64
    rank : int
        Independent directions; the step has no part along the others (in scaled parameters).
    unidentified : (P,) bool
        Parameters that the rows do not pin down.
    """

    step: FloatArray
    rank: int
    unidentified: BoolArray


def solve(triangle: FloatArray, projected: FloatArray) -> Solution:
    """Smallest step in parameters scaled to unit columns, by singular value decomposition.

    A singular design is no error: directions below rounding get no step, and the parameters that
    have a share above 1 % in them are marked.
    """
    size = projected.size
    norms = np.linalg.norm(triangle, axis=0)
    scale = np.where(norms > 0.0, norms, 1.0)
    left, values, right = np.linalg.svd(triangle / scale)
    small = values <= (values[0] if size else 0.0) * np.finfo(float).eps * 10 * max(size, 1)
    inverse = np.where(small, 0.0, 1.0 / np.where(small, 1.0, values))
    step = right.T @ (inverse * (left.T @ projected)) / scale
    return Solution(step, int((~small).sum()), (right[small] ** 2).sum(axis=0) > 0.01)


def inverse_root(triangle: FloatArray, smallest: float) -> tuple[FloatArray, BoolArray]:
    """Matrix L with L Lᵀ = (RᵀR)⁻¹ of a triangle R, (P, P), and which of its columns are known.

    The columns are directions of parameters scaled to unit columns of R. Those with singular values
    below `smallest` of the largest have no information: they are zero, though infinite.
    """
    norms = np.linalg.norm(triangle, axis=0)
    scale = 1.0 / np.where(norms > 0.0, norms, 1.0)
    _, values, right = np.linalg.svd(triangle * scale)
    known = np.asarray(values > smallest * values.max(initial=0.0))
    inverse = np.where(known, 1.0 / np.where(known, values, 1.0), 0.0)
    return np.asarray(scale[:, None] * right.T * inverse), known


def relevance(factor: Factor, chosen: BoolArray, rounds: int = 100) -> FloatArray:
    """Precisions of independent Gaussian priors around zero by evidence maximisation.

    Automatic relevance determination (D. J. C. MacKay, Neural Comput. 4, 415 (1992)) in
    parameters of unit columns, about a point where all chosen parameters are zero. A coefficient
    that the data do not ask for gets a precision that pins it to zero.

    Parameters
    ----------
    factor : Factor
        About the point where the chosen parameters are zero.
    chosen : (P,) bool
        Parameters that get a prior.
    rounds : int
        Most iterations.

    Returns
    -------
    (P,) float64
        In units of the weighted rows; 0 for parameters not chosen.
    """
    norms = np.linalg.norm(factor.triangle, axis=0)
    scale = np.where(norms > 0.0, norms, 1.0)
    gram = (factor.triangle / scale).T @ (factor.triangle / scale)
    right = (factor.triangle / scale).T @ factor.projected
    noise = factor.rest**2 / max(factor.rows - factor.projected.size, 1)
    alpha = np.where(chosen, 1e-8, 0.0)
    for _ in range(rounds):
        covariance = np.linalg.pinv(gram + np.diag(alpha), hermitian=True)
        mean = covariance @ right
        determined = np.clip(1.0 - alpha * np.diag(covariance), 1e-12, 1.0)
        left = factor.triangle @ (mean / scale) - factor.projected
        free = max(factor.rows - determined.sum(), 1.0)
        noise = (float(left @ left) + factor.rest**2) / free
        wanted = noise * determined / np.maximum(mean**2, 1e-300)
        new = np.where(chosen, np.minimum(wanted, IRRELEVANT), 0.0)
        done = np.allclose(np.log1p(new), np.log1p(alpha), rtol=1e-3)
        alpha = new
        if done:
            break
    return np.asarray(alpha * scale**2)


IRRELEVANT = 1e8
"""Precision, in units of a parameter's own information, that counts as certainty of zero."""
