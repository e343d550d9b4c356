"""Which coefficients a fit can do without: backward elimination by its Fisher information.

Near a minimum the cost grows quadratically: with A = JᵀWJ + penalty, setting a parameter to zero
and letting the others follow costs θ_k²/(A⁻¹)_kk (B. Hassibi and D. G. Stork, Adv. Neural Inf.
Process. Syst. 5, 164 (1993)). The cheapest goes, the others follow, and so on; no geometry is
evaluated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import numpy.typing as npt

from ecteam._core import InvalidInputError
from ecteam.fit.factor import inverse_root
from ecteam.fit.training import M, Trained
from ecteam.parameters import matching

FloatArray = npt.NDArray[np.float64]


SINGULAR = 1e-12
"""Smallest singular value of an information that can be inverted, relative to the largest."""


@dataclass(frozen=True)
class Elimination:
    """What was left out, in order, and what it costs.

    Attributes
    ----------
    names : tuple of str
        Parameters that become zero.
    costs : (K,) float64
        Growth of the weighted sum of squares, penalties of the fit included, after each of them, in
        all; what a fit without them ends with if the model is linear and no bound is met.
    """

    names: tuple[str, ...]
    costs: FloatArray


def eliminate(trained: Trained[M], count: int, patterns: Sequence[str]) -> Elimination:
    """Choose the parameters to set to zero until `count` are left.

    Parameters
    ----------
    trained : Trained
        A fit at its minimum.
    count : int
        Parameters to keep.
    patterns : sequence of str
        Names of those that may go, see :meth:`ecteam.Potential.select`: of a linear function zero
        means that it is not there.

    Returns
    -------
    Elimination
        Their names, and the growth of the cost.

    Raises
    ------
    InvalidInputError
        If fewer may go than have to, a pattern matches nothing, or the data, ridge and prior of the
        fit leave a direction undetermined.
    """
    names = trained.model.parameter_names
    if isinstance(patterns, str):
        raise InvalidInputError(f"patterns: must be a list of names, got {patterns!r}")
    if not isinstance(count, Integral):
        raise InvalidInputError(f"count: must be a whole number, got {count!r}")
    open_, excess = matching(names, patterns, "patterns"), len(names) - count
    if not 0 <= excess <= len(open_):
        raise InvalidInputError(
            f"count: must be from {len(names) - len(open_)} to {len(names)}, got {count}"
        )
    values = np.asarray(trained.model.parameters, dtype=np.float64).copy()
    covariance = _covariance(trained)
    gone: list[int] = []
    costs = np.zeros(excess)
    for step in range(excess):
        left = [k for k in open_ if k not in gone]
        growth = values[left] ** 2 / np.diagonal(covariance)[left]
        k = left[int(growth.argmin())]
        costs[step] = growth.min()
        column = covariance[:, k] / covariance[k, k]
        values -= column * values[k]
        covariance -= np.outer(column, covariance[k])
        # Rounding must not bring it back.
        values[k], covariance[k, :], covariance[:, k] = 0.0, 0.0, 0.0
        gone.append(k)
    return Elimination(tuple(names[k] for k in gone), np.cumsum(costs))


def _covariance(trained: Trained[M]) -> FloatArray:
    """(JᵀWJ + penalty)⁻¹."""
    penalised = trained.factor.with_prior(trained.precision, np.zeros_like(trained.precision))
    root, known = inverse_root(penalised.triangle, SINGULAR)
    if not known.all():
        raise InvalidInputError(
            "trained: the data do not determine every parameter, and what does not matter has no "
            "order; train with a ridge or a prior"
        )
    return np.asarray(root @ root.T)
