"""Newton–Krylov minimisation over state weights on a device.

The algorithm is that of the engine (`rust/core/src/ensemble`): exponential steps followed by the
Kullback–Leibler projection, Newton's equation in the scaling y = δω/√ω by projected conjugate
gradients. Vectors stay on the device; what is read back are the few numbers that decide how to go
on, once per product and once or a few times per step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.constraints import Constraints
from ecteam.structure import FloatArray

_MOST_PRODUCTS = 100  # of a Newton step
_LARGEST_CHANGE = 0.5  # of a weight, along negative curvature
_SUFFICIENT = 1e-4  # decrease of the line search (Armijo)
_MOST_ESCAPES = 5
_ESCAPE_ACCURACY = 1e-3
_SETTLED = 1e-6  # gradient (eV per unit of v/s) that the vector of an empty state may keep


class Objective(Protocol):
    """A function of the unknowns of `Constraints`, on the device."""

    def value_gradient(self, weights: Array, gradient: Array) -> Array:
        """Fill the gradient (eV); returns parts of the value (eV) that are to be added up."""

    def product(self, direction: Array, out: Array) -> None:
        """Fill the Hessian times a direction at the last point."""

    def blocks(self, out: Array) -> None:
        """Fill the Hessian's blocks (n, states, states) at the last point."""


@dataclass(frozen=True)
class Outcome:
    """What the minimisation found; see `ecteam_core::ensemble::Outcome`."""

    value: float
    chemical_potentials: FloatArray
    kkt_residual: float
    hessian_products: int
    iterations: int
    positive_definite: bool
    converged: bool


@dataclass(eq=False)
class _Point:
    """Weights, with vectors after them if there are any, and what belongs to them."""

    weights: Array
    gradient: Array
    slack: Array
    root: Array
    normal: Array
    square: Array = None  # of the normal
    value: float = math.inf
    potentials: Any = None  # of the fragments
    residual: float = math.inf
    terms: float = 0.0  # Σ |ω g|: the size of what the value is a sum of
    unsettled: float = 0.0  # largest gradient of a vector that should follow its field


@dataclass(eq=False)
class _Step:
    y: Array
    products: int
    positive_definite: bool


class Minimiser:
    """Minimises under constraints.

    Parameters
    ----------
    backend : Backend
        Where the arrays are.
    constraints : Constraints
        What the weights must fulfil.
    """

    def __init__(self, backend: Backend, constraints: Constraints) -> None:
        self._backend, self._xp = backend, backend.xp
        self.constraints = constraints

    def value(self, objective: Objective, weights: Array) -> float:
        """Value of an objective, eV."""
        return float(objective.value_gradient(weights, self.constraints.empty()).sum())

    def minimise(
        self,
        objective: Objective,
        start: Array,
        tolerance: float,
        max_iterations: int,
        leave_saddles: bool = True,
    ) -> tuple[Array, Outcome]:
        """Minimise from positive numbers; returns the weights and how they were found."""
        point = self._point(objective, self.constraints.project(start))
        products, escapes, iteration, definite = 0, 0, 0, True
        for iteration in range(max_iterations + 1):
            if point.residual <= tolerance:
                if leave_saddles:
                    escape = self._escape(objective, point, iteration)
                    products += escape.products
                    definite = escape.positive_definite
                    if not definite and escapes < _MOST_ESCAPES:
                        escapes += 1
                        moved = self._advance(objective, point, escape.y, True)
                        if moved is not None:
                            point = moved
                            continue
                break
            if iteration == max_iterations:
                break
            step = self._newton(objective, point)
            products += step.products
            definite = step.positive_definite
            moved = self._advance(objective, point, step.y, not definite)
            if moved is None and point.residual > max(tolerance, 1e-7):
                # A poor step near rounding: fall back to the scaled gradient once.
                moved = self._advance(objective, point, self._descent(point), True)
            if moved is None:
                break
            point = moved
        # Leave the objective at the point that is kept.
        self._evaluate(objective, point)
        found = Outcome(
            value=point.value,
            chemical_potentials=point.potentials,
            kkt_residual=point.residual,
            hessian_products=products,
            iterations=iteration,
            positive_definite=definite,
            converged=point.residual <= tolerance,
        )
        return point.weights, found

    def _point(self, objective: Objective, weights: Array) -> _Point:
        arrays = [self.constraints.empty() for _ in range(4)]
        point = _Point(weights, *arrays)
        self._evaluate(objective, point)
        return point

    def _evaluate(self, objective: Objective, point: _Point) -> None:
        """Value, gradient, multipliers and residual; one read-back."""
        xp, w, g, given = self._xp, point.weights, point.gradient, self.constraints
        parts = objective.value_gradient(w, g)
        moments = given.shares("moments", 3, w, g, given.charges, given.allowed)
        # Where every group is at a vertex the multiplier is sought on the host.
        varied = moments[:, 1] > 1e-20
        mu = xp.where(varied, moments[:, 0] / xp.where(varied, moments[:, 1], 1.0), 0.0)
        residuals = self._slacks(mu, point)
        vectors = self._vector_slacks(point)
        found = self._read(parts.sum()[None], residuals.max()[None], vectors, moments.ravel(), mu)
        value, residual, of_vectors, point.unsettled = map(float, found[:4])
        sums, point.potentials = found[4 : -len(mu)].reshape(-1, 3), found[-len(mu) :].copy()
        at_vertex = ~(sums[:, 1] > 1e-20)
        if at_vertex.any():
            potentials = given.vertex_potentials(w, g)
            point.potentials = np.where(at_vertex, potentials, point.potentials)
            residuals = self._slacks(xp.asarray(point.potentials), point)
            residual = float(self._read(residuals.max()[None])[0])
        point.value, point.terms = value, float(sums[:, 2].sum())
        point.residual = float(np.maximum(residual, of_vectors))  # NaN if one of them is
        if not (math.isfinite(point.value) and math.isfinite(point.residual)):
            point.residual = math.inf

    def _slacks(self, mu: Array, point: _Point) -> Array:
        given, residuals = self.constraints, self.constraints.blocks(1)
        inputs = mu, point.weights, point.gradient, given.charges, given.allowed, given.fragments
        outputs = point.slack, point.root, point.normal
        point.square = given.shares("slacks", 1, *inputs, *outputs, residuals)
        return residuals

    def _vector_slacks(self, point: _Point) -> Array:
        """Slacks of the vectors: largest residual, and gradient of one that should be settled."""
        given = self.constraints
        if given.softness is None:
            return self._xp.zeros(2)
        residuals = given.blocks(2)
        inputs = given.softness, point.weights, point.gradient
        outputs = point.slack, point.root, point.normal, residuals
        given.launch_vectors("vector_slacks", *inputs, *outputs)
        return residuals.max(axis=0)

    def _settle(self, objective: Objective, point: _Point) -> None:
        """Take the vectors of all but empty states to where their gradient vanishes."""
        given = self.constraints
        if point.unsettled > _SETTLED:
            given.launch_vectors("settle_vectors", given.softness, point.gradient, point.weights)
            self._evaluate(objective, point)

    def _moved(self, point: _Point, y: Array, scale: float) -> Array:
        """Unknowns after a step."""
        given, step = self.constraints, (np.float64(scale), point.weights, point.root, y)
        moved = given.empty()
        given.launch("retract", *step, moved)
        moved = given.project(moved)
        if given.softness is not None:
            inputs = step[0], given.softness, *step[1:]
            given.launch_vectors("move_vectors", *inputs, moved)
        return moved

    def _advance(
        self, objective: Objective, point: _Point, y: Array, bounded: bool
    ) -> _Point | None:
        """Move along `y` with a backtracking line search; None if no step decreases the value."""
        changes = self.constraints.blocks(1)
        slopes = self.constraints.sums("survey", 1, point.root, point.slack, y, changes)
        slope, change = map(float, self._read(slopes, changes.max()[None]))
        if not (0.0 < change < math.inf):
            return None
        scale = min(_LARGEST_CHANGE / change, 1.0) if bounded or change > 1.0 else 1.0
        if bounded and slope >= 0.0:
            scale = 0.05 * _LARGEST_CHANGE / change
        noise = 2e-15 * (abs(point.value) + point.terms + point.weights.size)
        for _ in range(40):
            trial = self._point(objective, self._moved(point, y, scale))
            gain = trial.value - point.value
            quiet = abs(gain) <= noise and trial.residual <= point.residual
            enough = _SUFFICIENT * scale * min(slope, 0.0) - (noise if slope >= 0.0 else 0.0)
            if gain <= enough or quiet:
                self._settle(objective, trial)
                return trial
            scale *= 0.4
        self._evaluate(objective, point)
        return None

    def _newton(self, objective: Objective, point: _Point) -> _Step:
        """Find a truncated Newton step; at negative curvature the best direction so far."""
        r, _ = self._tangent(point, -1.0, point.slack)
        y, p, products = self._conjugate_gradients(objective, point, r, None)
        if p is None:
            return _Step(y, products, positive_definite=True)
        return _Step(p if products == 1 else y, products, positive_definite=False)

    def _escape(self, objective: Objective, point: _Point, seed: int) -> _Step:
        """Search a stationary point for negative curvature from a vector without symmetry."""
        random = np.random.default_rng(seed).uniform(-0.5, 0.5, point.weights.shape)
        r, _ = self._tangent(point, 1.0, self._xp.asarray(random))
        _, p, products = self._conjugate_gradients(objective, point, r, _ESCAPE_ACCURACY)
        if p is None:
            return _Step(self._xp.zeros_like(r), products, positive_definite=True)
        return _Step(p, products, positive_definite=False)

    def _descent(self, point: _Point) -> Array:
        """Projected steepest descent in the Fisher–Rao metric."""
        return self._tangent(point, -1.0, point.slack)[0]

    def _tangent(
        self, point: _Point, factor: float, x: Array, p: Array | None = None
    ) -> tuple[Array, Array]:
        """Return factor · √ω x on the tangent space, and its products with p, and of p itself."""
        y, p = self.constraints.empty(), point.root if p is None else p
        normal = point.normal
        given = self.constraints
        along = given.shares("group_tangent", 1, np.float64(factor), point.root, normal, x, y)
        inputs = along, point.square, given.fragments, normal, p, y
        return y, given.sums("charge_tangent", 2, *inputs)

    def _conjugate_gradients(
        self, objective: Objective, point: _Point, r: Array, accuracy: float | None
    ) -> tuple[Array, Array | None, int]:
        """H y = r on the tangent space: y, a direction without positive curvature, products."""
        xp = self._xp
        precondition = _Preconditioner(self._backend, self.constraints, objective, point)
        z, rz = precondition(r)
        p, y, direction, hp = z.copy(), xp.zeros_like(z), point.root * z, self.constraints.empty()
        size = float(self._read(rz)[0])
        if size <= 0.0:
            return y, None, 0
        if accuracy is None:
            # Superlinear convergence of the outer iteration.
            accuracy = min(max(size**0.25, 1e-3), 0.1)
        target = size * accuracy**2
        for products in range(1, _MOST_PRODUCTS + 1):
            objective.product(direction, hp)
            # What the preconditioner does not see would grow by rounding.
            projected, curvature = self._tangent(point, 1.0, hp, p)
            self.constraints.launch("take_step", rz, curvature, p, projected, y, r)
            z, next_rz = precondition(r)
            along, own, size = map(float, self._read(curvature, next_rz))
            if not along > 1e-14 * own:
                return y, p, products
            if size <= max(target, 0.0):
                return y, None, products
            self.constraints.launch("turn", next_rz, rz, point.root, z, p, direction)
            rz = next_rz
        return y, None, _MOST_PRODUCTS

    def _read(self, *arrays: Array) -> Any:
        """Copy a few numbers to the host, all at once."""
        return self._backend.to_host(self._xp.concatenate(arrays))


class _Preconditioner:
    """Inverse of the block-diagonal Hessian on the tangent space of all constraints."""

    def __init__(
        self, backend: Backend, constraints: Constraints, objective: Objective, point: _Point
    ) -> None:
        self._constraints, self._point = constraints, point
        self._inverses = backend.xp.empty((*constraints.charges.shape, constraints.states))
        objective.blocks(self._inverses)
        constraints.launch("invert_blocks", point.root, self._inverses)
        self._response = constraints.empty()
        self._stiffness = self._apply_blocks(point.normal, self._response)

    def __call__(self, r: Array) -> tuple[Array, Array]:
        """M⁺ (r − ν · normal), without charge, and its product with r."""
        given = self._constraints
        z = given.empty()
        along = self._apply_blocks(r, z)
        inputs = along, self._stiffness, given.fragments, self._response, r, z
        return z, given.sums("take_charge", 1, *inputs)

    def _apply_blocks(self, r: Array, z: Array) -> Array:
        inputs = self._inverses, self._point.normal, r, z
        return self._constraints.shares("apply_blocks", 1, *inputs)
