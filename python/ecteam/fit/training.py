"""Training: linear parameters by regularised least squares, the others by variable projection.

With the columns of the Jacobian ordered linear parameters first, the lower right corner of its QR
triangle is the Jacobian of the nonlinear parameters after the linear ones have been projected out
(G. H. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), in L. Kaufman's approximation,
BIT 15, 49 (1975)). One pass over the data gives a Levenberg–Marquardt step in the nonlinear
parameters, within their bounds, and the exact linear parameters where it was taken.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import lsq_linear

from ecteam._core import EcteamError
from ecteam.fit.factor import Factor, relevance, solve
from ecteam.fit.labels import Labels, Scales, check_elements
from ecteam.fit.model import BoolArray, FloatArray, Model, NotFiniteError
from ecteam.fit.settings import Prior, Settings
from ecteam.fit.sweep import Errors, Sweep, predicted, sweep

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

START_DAMPING = 1e-3
"""First Levenberg–Marquardt damping, relative to the information of each parameter."""
MOST_DAMPING = 1e12
"""Beyond it no step lowers the cost: the fit is over."""
RELEVANCE_ROUNDS = 3
"""Fits with automatic relevance determination: priors and nonlinear parameters take turns."""
STALE = 1.05
"""Ratio of costs before and after the linear solve from which on the Jacobian is taken anew."""


@dataclass(frozen=True)
class Trained(Generic[M]):
    """A trained model and how it got there.

    Attributes
    ----------
    model : Model
        With the fitted parameters.
    factor : Factor
        Of the weighted data at these parameters, without the penalty.
    precision : (P,) float64
        Penalty of each parameter in the units of the weighted data.
    errors : Errors
        On the training data.
    unidentified : tuple of str
        Parameters the data do not determine.
    irrelevant : tuple of str
        Parameters that automatic relevance determination set to zero.
    iterations : int
        Levenberg–Marquardt steps tried.
    converged : bool
        Whether the cost had stopped falling.
    cost : float
        Weighted sum of squares, without the penalty.
    seconds : float
        Wall time.
    """

    model: M
    factor: Factor
    precision: FloatArray
    errors: Errors
    unidentified: tuple[str, ...]
    irrelevant: tuple[str, ...]
    iterations: int
    converged: bool
    cost: float
    seconds: float


@dataclass(frozen=True)
class State:
    """Where a fit stands, all of it: :func:`train` continues from here with the same bits.

    Attributes
    ----------
    parameters : (P,) float64
        Where the Jacobian was taken; the best linear parameters are a solve away.
    precision : (P,) float64
        Penalty of each parameter.
    damping : float
        Of the next step.
    iterations, round : int
        Steps tried in this round, and the round of relevance determination.
    converged : bool
        Whether the cost has stopped falling.
    """

    parameters: FloatArray
    precision: FloatArray
    damping: float
    iterations: int = 0
    round: int = 0
    converged: bool = False


@dataclass(frozen=True)
class Step(Generic[M]):
    """What a fit reports after every step it tries.

    Attributes
    ----------
    model : Model
        The best so far.
    cost : float
        Weighted sum of squares of the best, with the penalty.
    gain : float
        Fall of the cost over the fall that the linear model promised, for the step just tried; NaN
        if the model failed there.
    accepted : bool
        Whether the step was taken.
    rejected : tuple of str
        Structures whose weights did not converge at the best parameters.
    state : State
        To go on from.
    """

    model: M
    cost: float
    gain: float
    accepted: bool
    rejected: tuple[str, ...]
    state: State


@dataclass
class _Point(Generic[M]):
    """A model, the data about it, and the best linear parameters for its nonlinear ones."""

    model: M
    sweep: Sweep
    factor: Factor
    step: FloatArray
    cost: float

    @property
    def best(self) -> M:
        return self.model.with_parameters(self.model.parameters + self.step)


class _Fit(Generic[M]):
    """State of one fit."""

    def __init__(
        self, model: M, labels: Labels, scales: Scales, settings: Settings, prior: Prior | None
    ) -> None:
        self.labels, self.scales, self.settings = labels, scales, settings
        size = len(model.parameters)
        self.prior = prior or Prior(np.zeros(size), np.full(size, np.inf))
        self.prior.check(size)
        bounds = model.parameter_bounds
        free = np.isinf(bounds).all(axis=1)
        # A bounded parameter goes with the nonlinear ones: the linear solve knows no bounds.
        self.linear: BoolArray = np.asarray(model.linear_parameters, dtype=bool) & free
        self.order = [*np.flatnonzero(self.linear), *np.flatnonzero(~self.linear)]
        self.count = int(self.linear.sum())
        self.bounds = bounds[~self.linear]
        self.precision: FloatArray | None = None
        self.damping = START_DAMPING
        self.iterations = 0
        self.round = 0
        self.converged = False

    def begin(self, model: M, state: State | None) -> _Point[M]:
        """Give the first point: the start, or where another fit was left."""
        if state is not None:
            # A potential makes its tables where it is first used: there, as the first fit did.
            predicted(model, self.labels)
            self.precision, self.damping = state.precision, state.damping
            self.iterations, self.round = state.iterations, state.round
            self.converged = state.converged
            return self.point(model.with_parameters(state.parameters))
        return self.settled(self.point(model))

    def settled(self, point: _Point[M]) -> _Point[M]:
        """Take the best linear parameters: a factor of zero hides what it multiplies."""
        return point if self.count == len(self.order) else self.point(point.best)

    def point(self, model: M) -> _Point[M]:
        """Sweep the data and solve for the linear parameters."""
        found = sweep(model, self.labels, self.scales)
        plain = found.factor
        if self.precision is None:
            self.precision = self._ridge(plain)
        penalised = plain.with_prior(self.precision, self.prior.centre - model.parameters)
        ordered = penalised.permuted(self.order)
        corner, count = ordered.triangle, self.count
        step = np.zeros(len(self.order))
        step[self.linear] = solve(corner[:count, :count], ordered.projected[:count]).step
        if not np.isfinite(step).all():
            raise NotFiniteError("the linear parameters are not finite")
        return _Point(model, found, ordered, step, penalised.chi_squared(step))

    def _ridge(self, factor: Factor) -> FloatArray:
        norms = np.linalg.norm(factor.triangle, axis=0)
        unseen = np.where(norms > 0.0, norms, 1.0)
        ridge = np.where(self.linear, self.settings.ridge * unseen**2, 0.0)
        return np.where(np.isfinite(self.prior.width), self.prior.width**-2.0, ridge)

    def move(self, point: _Point[M], damping: float) -> FloatArray:
        """Levenberg–Marquardt step: nonlinear within bounds, linear to follow, in the order."""
        count, triangle, projected = self.count, point.factor.triangle, point.factor.projected
        corner, right = triangle[count:, count:], projected[count:]
        # What is left of a column after projection, but not nothing.
        size = np.linalg.norm(corner, axis=0) + 1e-6 * np.linalg.norm(triangle[:, count:], axis=0)
        scale = np.sqrt(damping) * np.where(size > 0.0, size, 1.0)
        rows = np.vstack([corner, np.diag(scale)])
        values = point.model.parameters[~self.linear]
        low, high = (self.bounds - values[:, None]).T
        target = np.concatenate([right, np.zeros(len(scale))])
        nonlinear = _bounded(rows, target, low, high)
        rest = projected[:count] - triangle[:count, count:] @ nonlinear
        step = np.zeros(len(self.order))
        step[~self.linear] = nonlinear
        step[self.linear] = solve(triangle[:count, :count], rest).step
        return step

    def run(self, point: _Point[M], report: Callable[[Step[M]], None]) -> _Point[M]:
        """Lower the cost until it stops falling."""
        if self.count == len(self.order):
            self.converged = True
        while not self.converged and self.iterations < self.settings.iterations:
            self.iterations += 1
            point = self.step(point, report)
        return point

    def step(self, point: _Point[M], report: Callable[[Step[M]], None]) -> _Point[M]:
        """Try one step; give the better of the two points."""
        trial, promised = self.attempt(point)
        fall = np.nan if trial is None else point.cost - trial.cost
        if trial is None or not trial.cost < point.cost:
            self.damping *= 8.0
            self.converged = self.damping >= MOST_DAMPING
        else:
            self.damping = max(self.damping / 5.0, 1e-12)
            self.converged = fall < self.settings.tolerance * point.cost
            point = trial
        gain = fall / promised if promised > 0.0 else np.nan
        rejected = tuple(point.sweep.errors.rejected)
        better = trial is point
        report(Step(point.best, point.cost, gain, better, rejected, self.state(point)))
        return point

    def state(self, point: _Point[M]) -> State:
        """Give what :meth:`begin` needs to be here again."""
        assert self.precision is not None
        return State(
            point.model.parameters,
            self.precision,
            self.damping,
            self.iterations,
            self.round,
            self.converged,
        )

    def attempt(self, point: _Point[M]) -> tuple[_Point[M] | None, float]:
        """Try a step; None where the model fails. Also the promised fall of the cost."""
        move = self.move(point, self.damping)
        promised = point.cost - point.factor.chi_squared(move[self.order])
        parameters = np.clip(point.model.parameters + move, *point.model.parameter_bounds.T)
        try:
            trial = self.point(point.model.with_parameters(parameters))
            before = trial.factor.chi_squared()
            if trial.cost < point.cost and before > STALE * trial.cost:
                trial = self.point(trial.best)
        except EcteamError as error:
            # The structures were sound before: these parameters are not.
            logger.info("step rejected: %s", error)
            return None, promised
        return trial, promised

    def relevant(self, point: _Point[M]) -> _Point[M]:
        """Begin a round with the penalties that the data ask for."""
        self.determine_relevance(point)
        self.iterations, self.damping, self.converged = 0, START_DAMPING, False
        return self.settled(self.point(point.best))

    def determine_relevance(self, point: _Point[M]) -> None:
        """Find the penalty of each linear parameter where the fit stands."""
        loose = self.linear & np.isinf(self.prior.width)
        origin = np.where(loose, -point.model.parameters, 0.0)
        found = relevance(point.sweep.factor.shifted(origin), loose)
        self.precision = np.where(loose, found, self.prior.width**-2.0)


def train(
    model: M,
    labels: Labels,
    scales: Scales | None = None,
    settings: Settings | None = None,
    *,
    prior: Prior | None = None,
    report: Callable[[Step[M]], None] | None = None,
    resume: State | None = None,
) -> Trained[M]:
    """Fit the parameters of a model to labelled structures.

    Minimises Σ (residual/scale)² plus the penalty. In a singular design the ridge picks the
    smallest linear parameters (in scaled units), no ridge the shortest way from the start; the
    parameters that the data do not determine are named.

    Parameters
    ----------
    model : Model
        Starting point; its nonlinear parameters matter.
    labels : Labels
        Training data; any subset of energies, forces and stresses.
    scales : Scales, optional
        Expected errors.
    settings : Settings, optional
        Regularisation and when to stop.
    prior : Prior, optional
        Of the parameters; default: none, only the ridge.
    report : callable, optional
        Called after every step that is tried; an exception it raises ends the training.
    resume : State, optional
        State of an earlier call with the same arguments: the fit ends with the same bits as one
        that was never interrupted. Only the largest number of iterations may differ.

    Raises
    ------
    InvalidInputError
        If the data hold an element the model lacks.
    NotFiniteError
        If the model overflows where the fit starts.
    """
    begin = time.perf_counter()
    settings = settings or Settings()
    check_elements(labels, set(model.elements))
    fit = _Fit(model, labels, scales or Scales(), settings, prior)
    told = report or (lambda _: None)
    point = fit.run(fit.begin(model, resume), told)
    while settings.relevance and fit.round < RELEVANCE_ROUNDS:
        fit.round += 1
        point = fit.run(fit.relevant(point), told)
    return _finished(fit, point, time.perf_counter() - begin)


def _finished(fit: _Fit[M], point: _Point[M], seconds: float) -> Trained[M]:
    found = point.best
    assert fit.precision is not None
    final = sweep(found, fit.labels, fit.scales)
    factor = final.factor
    names = np.array(found.parameter_names, dtype=object)
    unidentified = solve(factor.triangle, factor.projected).unidentified
    tiny = np.abs(found.parameters) * np.linalg.norm(factor.triangle, axis=0)
    noise = np.sqrt(factor.chi_squared() / max(factor.rows, 1))
    irrelevant = fit.linear & (tiny < 1e-3 * noise) & fit.settings.relevance
    if unidentified.any():
        logger.warning("the data do not determine %s", ", ".join(names[unidentified]))
    return Trained(
        found,
        factor,
        fit.precision,
        final.errors,
        tuple(names[unidentified]),
        tuple(names[irrelevant]),
        fit.iterations,
        fit.converged,
        factor.chi_squared(),
        seconds,
    )


def _bounded(rows: FloatArray, target: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Least squares within bounds; a parameter on its bound may stay there."""
    step = np.linalg.lstsq(rows, target, rcond=None)[0]
    if ((step >= low) & (step <= high)).all():
        return np.asarray(step)
    free = low < high
    bounds = (np.minimum(low, 0.0)[free], np.maximum(high, 0.0)[free])
    step = np.zeros_like(step)
    step[free] = lsq_linear(rows[:, free], target, bounds, method="bvls").x
    return np.asarray(np.clip(step, low, high))
