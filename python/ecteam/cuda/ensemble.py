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
from ecteam.cuda.sources import Program, block_size

_MOST_PRODUCTS = 100  # of a Newton step
_LARGEST_CHANGE = 0.5  # of a weight, along negative curvature
_SUFFICIENT = 1e-4  # decrease of the line search (Armijo)
_MOST_ESCAPES = 5
_ESCAPE_ACCURACY = 1e-3
_EXTREME = 1e-11  # charges closer to the extreme leave only the extreme states


class Objective(Protocol):
    """A function of the weights, (n, states) on the device."""

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
    chemical_potential: float
    kkt_residual: float
    hessian_products: int
    iterations: int
    positive_definite: bool
    converged: bool


@dataclass(eq=False)
class _Point:
    """Weights and what belongs to them."""

    weights: Array
    gradient: Array
    slack: Array
    root: Array
    normal: Array
    square: Array = None  # of the normal
    value: float = math.inf
    potential: float = 0.0
    residual: float = math.inf
    terms: float = 0.0  # Σ ω |g|: the size of what the value is a sum of


@dataclass(eq=False)
class _Step:
    y: Array
    products: int
    positive_definite: bool


class Minimiser:
    """Minimises under Σ_M ω_iM = 1, Σ ω q = Q and ω ≥ 0.

    Parameters
    ----------
    backend : Backend
        Where the arrays are.
    charges : (n, states) float64 array of the backend
        Charge of every state, e; 0 where there is none.
    exists : (n, states) bool array of the backend
        False where an element has fewer states.
    total_charge : float
        Q, e.
    """

    def __init__(
        self, backend: Backend, charges: Array, exists: Array, total_charge: float
    ) -> None:
        self._backend, self._xp = backend, backend.xp
        self._n, states = charges.shape
        self._program = Program("ensemble.cu", (("STATES", states), ("CHANNELS", 0)))
        self._blocks = -(-self._n // block_size())
        self.charges, self.exists, self.total_charge = charges, exists, total_charge
        low, high = self._limits(exists)
        margin = _EXTREME * (1.0 + max(abs(low), abs(high)))
        self.reachable = low - margin <= total_charge <= high + margin
        allowed = exists
        if high - low > margin:
            if total_charge >= high - margin:
                self.total_charge, allowed = high, exists & (charges == self._extreme[1][:, None])
            elif total_charge <= low + margin:
                self.total_charge, allowed = low, exists & (charges == self._extreme[0][:, None])
        self._allowed = self._xp.ascontiguousarray(allowed.astype(np.uint8))

    def _limits(self, exists: Array) -> tuple[float, float]:
        xp = self._xp
        lowest = xp.where(exists, self.charges, np.inf).min(axis=1)
        highest = xp.where(exists, self.charges, -np.inf).max(axis=1)
        self._extreme = (lowest, highest)
        return float(lowest.sum()), float(highest.sum())

    def project(self, given: Array) -> Array:
        """Replace positive numbers by the feasible weights nearest to them."""
        start, weights = self._empty(), self._empty()
        excess, slope = self._normalise(0.0, given, start)
        nu, low, high, best, best_nu = 0.0, -math.inf, math.inf, math.inf, 0.0
        for _ in range(200):
            if abs(excess) < best:
                best, best_nu = abs(excess), nu
            elif best < 1e-9:
                break
            if abs(excess) <= 1e-15:
                break
            low, high = (low, nu) if excess > 0.0 else (nu, high)
            nu = _next_multiplier(nu, excess, slope, low, high)
            if nu in (low, high):
                break
            excess, slope = self._normalise(nu, start, weights)
        self._normalise(best_nu, start, weights)
        return weights

    def value(self, objective: Objective, weights: Array) -> float:
        """Value of an objective, eV."""
        return float(objective.value_gradient(weights, self._empty()).sum())

    def minimise(
        self,
        objective: Objective,
        start: Array,
        tolerance: float,
        max_iterations: int,
        leave_saddles: bool = True,
    ) -> tuple[Array, Outcome]:
        """Minimise from positive numbers; returns the weights and how they were found."""
        point = self._point(objective, self.project(start))
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
            chemical_potential=point.potential,
            kkt_residual=point.residual,
            hessian_products=products,
            iterations=iteration,
            positive_definite=definite,
            converged=point.residual <= tolerance,
        )
        return point.weights, found

    def _point(self, objective: Objective, weights: Array) -> _Point:
        arrays = [self._empty() for _ in range(4)]
        point = _Point(weights, *arrays)
        self._evaluate(objective, point)
        return point

    def _evaluate(self, objective: Objective, point: _Point) -> None:
        """Value, gradient, multipliers and residual; one read-back."""
        xp, w, g = self._xp, point.weights, point.gradient
        parts = objective.value_gradient(w, g)
        common = (self.charges, self._allowed)
        moments = self._sums("moments", 3, w, g, *common)
        # Where every group is at a vertex the multiplier is sought on the host.
        varied = moments[1:2] > 1e-20
        mu = xp.where(varied, moments[0:1] / xp.where(varied, moments[1:2], 1.0), 0.0)
        residuals = self._slacks(mu, point)
        numbers = self._read(parts.sum()[None], moments, mu, residuals.max()[None])
        if not numbers[2] > 1e-20:
            mu = xp.asarray([_vertex_potential(xp, w, g, *common)])
            residuals = self._slacks(mu, point)
            numbers[4], numbers[5] = self._read(mu, residuals.max()[None])
        point.value, point.terms = float(numbers[0]), float(numbers[3])
        point.potential, point.residual = float(numbers[4]), float(numbers[5])
        if not (math.isfinite(point.value) and math.isfinite(point.residual)):
            point.residual = math.inf

    def _slacks(self, mu: Array, point: _Point) -> Array:
        sums, residuals = self._partials(1), self._partials(1)
        inputs = mu, point.weights, point.gradient, self.charges, self._allowed
        outputs = point.slack, point.root, point.normal, sums, residuals
        self._launch("slacks", *inputs, *outputs)
        point.square = sums.sum(axis=0)
        return residuals

    def _advance(
        self, objective: Objective, point: _Point, y: Array, bounded: bool
    ) -> _Point | None:
        """Move along `y` with a backtracking line search; None if no step decreases the value."""
        sums, changes = self._partials(1), self._partials(1)
        self._launch("survey", point.root, point.slack, y, sums, changes)
        slope, change = map(float, self._read(sums.sum()[None], changes.max()[None]))
        if not (0.0 < change < math.inf):
            return None
        scale = min(_LARGEST_CHANGE / change, 1.0) if bounded or change > 1.0 else 1.0
        if bounded and slope >= 0.0:
            scale = 0.05 * _LARGEST_CHANGE / change
        noise = 2e-15 * (abs(point.value) + point.terms + point.weights.size)
        moved = self._empty()
        for _ in range(40):
            self._launch("retract", np.float64(scale), point.weights, point.root, y, moved)
            trial = self._point(objective, self.project(moved))
            gain = trial.value - point.value
            quiet = abs(gain) <= noise and trial.residual <= point.residual
            enough = _SUFFICIENT * scale * min(slope, 0.0) - (noise if slope >= 0.0 else 0.0)
            if gain <= enough or quiet:
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
        y, p = self._empty(), point.root if p is None else p
        normal = point.normal
        along = self._sums("group_tangent", 1, np.float64(factor), point.root, normal, x, y)
        return y, self._sums("charge_tangent", 2, along, point.square, normal, p, y)

    def _conjugate_gradients(
        self, objective: Objective, point: _Point, r: Array, accuracy: float | None
    ) -> tuple[Array, Array | None, int]:
        """H y = r on the tangent space: y, a direction without positive curvature, products."""
        xp = self._xp
        precondition = _Preconditioner(self, objective, point)
        z, rz = precondition(r)
        p, y, direction, hp = z.copy(), xp.zeros_like(z), point.root * z, self._empty()
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
            self._launch("take_step", rz, curvature, p, projected, y, r)
            z, next_rz = precondition(r)
            along, own, size = map(float, self._read(curvature, next_rz))
            if not along > 1e-14 * own:
                return y, p, products
            if size <= max(target, 0.0):
                return y, None, products
            self._launch("turn", next_rz, rz, point.root, z, p, direction)
            rz = next_rz
        return y, None, _MOST_PRODUCTS

    def _normalise(self, nu: float, start: Array, out: Array) -> tuple[float, float]:
        """Σ ω q − Q and its derivative with respect to ν."""
        inputs = np.float64(nu), start, self.charges, self._allowed, out
        charge, slope = map(float, self._read(self._sums("normalise", 2, *inputs)))
        return charge - self.total_charge, slope

    def _launch(self, kernel: str, *arguments: Any) -> None:
        self._backend.launch(self._program, kernel, self._n, np.int32(self._n), *arguments)

    def _sums(self, kernel: str, count: int, *arguments: Any) -> Array:
        """Run a kernel whose last argument are sums, and add them up."""
        partials = self._partials(count)
        self._launch(kernel, *arguments, partials)
        return partials.sum(axis=0)

    def _partials(self, count: int) -> Array:
        return self._xp.empty((self._blocks, count))

    def _empty(self) -> Array:
        return self._xp.empty(self.charges.shape)

    def _read(self, *arrays: Array) -> Any:
        """Copy a few numbers to the host, all at once."""
        return self._backend.to_host(self._xp.concatenate(arrays))


class _Preconditioner:
    """Inverse of the block-diagonal Hessian on the tangent space of all constraints."""

    def __init__(self, minimiser: Minimiser, objective: Objective, point: _Point) -> None:
        xp, self._minimiser, self._point = minimiser._xp, minimiser, point
        n, states = point.weights.shape
        self._inverses = xp.empty((n, states, states))
        objective.blocks(self._inverses)
        minimiser._launch("invert_blocks", point.root, self._inverses)
        self._response = minimiser._empty()
        self._stiffness = self._apply_blocks(point.normal, self._response)

    def __call__(self, r: Array) -> tuple[Array, Array]:
        """M⁺ (r − ν · normal), without charge, and its product with r."""
        z = self._minimiser._empty()
        along = self._apply_blocks(r, z)
        inputs = along, self._stiffness, self._response, r, z
        return z, self._minimiser._sums("take_charge", 1, *inputs)

    def _apply_blocks(self, r: Array, z: Array) -> Array:
        inputs = self._inverses, self._point.normal, r, z
        return self._minimiser._sums("apply_blocks", 1, *inputs)


def _next_multiplier(nu: float, excess: float, slope: float, low: float, high: float) -> float:
    """Newton step on ν, bisected into the bracket, and bounded while there is no bracket."""
    limit = 4.0 + abs(nu)
    following = nu + min(max(-excess / max(slope, 1e-300), -limit), limit)
    return following if low < following < high else 0.5 * (low + high)


def _vertex_potential(
    xp: Any, weights: Array, gradient: Array, charges: Array, allowed: Array
) -> float:
    """Middle of the interval of potentials that keeps all empty states empty."""
    populated = weights.argmax(axis=1)[:, None]
    dq = charges - xp.take_along_axis(charges, populated, axis=1)
    dq = xp.where(allowed == 1, dq, 0.0)
    dg = gradient - xp.take_along_axis(gradient, populated, axis=1)
    ratio = dg / xp.where(dq == 0.0, 1.0, dq)
    high = float(xp.where(dq > 0.0, ratio, np.inf).min())
    low = float(xp.where(dq < 0.0, ratio, -np.inf).max())
    limits = [x for x in (low, high) if math.isfinite(x)]
    return sum(limits) / len(limits) if limits else 0.0
