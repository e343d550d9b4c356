//! Primal–dual interior-point method for a convex function under the constraints of the weights
//! (S. Boyd and L. Vandenberghe, Convex Optimization, section 11.7), stopped by a duality gap.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::bound::lower_bound;
use crate::ensemble::Constraints;
use crate::error::{Error, Result};

/// Fraction of the way to the boundary that a step may go.
const TO_BOUNDARY: f64 = 0.995;
/// Decrease of the centring parameter after a long and after a short step.
const CENTRING: [f64; 2] = [0.05, 0.4];
/// Halvings of a step that does not reduce the residual.
const MAX_HALVINGS: usize = 20;

/// A convex, twice differentiable function of the weights.
pub trait Convex {
    /// Value and gradient.
    fn value_gradient(&self, weights: &DVector<f64>) -> (f64, DVector<f64>);
    /// Hessian, positive semidefinite.
    fn hessian(&self, weights: &DVector<f64>) -> DMatrix<f64>;
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// Duality gap to reach.
    pub tolerance: f64,
    /// Largest number of iterations.
    pub max_iterations: usize,
    /// Unit of the gap, for the error.
    pub unit: &'static str,
}

/// What [`minimise`] found.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Value of the function.
    pub value: f64,
    /// The value is at most this much above the minimum.
    pub gap: f64,
    /// Newton steps.
    pub iterations: usize,
}

/// Minimise over the weights, which are returned in place and satisfy the constraints exactly.
///
/// # Errors
/// [`Error::GapNotClosed`] if the gap stays above the tolerance.
pub fn minimise(
    objective: &impl Convex,
    constraints: &Constraints,
    stop: &Stop,
    weights: &mut [f64],
) -> Result<Outcome> {
    weights.fill(1.0);
    constraints.project(weights);
    let rows = Rows::new(constraints);
    let mut state: Option<State> = None;
    let mut smallest = f64::INFINITY;
    for iterations in 0..=stop.max_iterations {
        let at = DVector::from_column_slice(weights);
        let (value, gradient) = objective.value_gradient(&at);
        let gap = at.dot(&gradient) - lower_bound(constraints, gradient.as_slice());
        smallest = smallest.min(gap);
        // Rounding can make a closed gap slightly negative.
        if gap <= stop.tolerance {
            return Ok(Outcome { value, gap: gap.max(0.0), iterations });
        }
        let current = state.take().unwrap_or_else(|| rows.start(&at, &gradient));
        let Some(next) = rows.advance(objective, &current, &gradient) else {
            break;
        };
        rows.scatter(&next.x, weights);
        constraints.project(weights);
        state = Some(next);
    }
    Err(Error::GapNotClosed {
        iterations: stop.max_iterations,
        gap: smallest,
        tolerance: stop.tolerance,
        unit: stop.unit,
    })
}

/// The linear constraints on the weights that may be positive.
struct Rows {
    free: Vec<usize>,
    all: usize,
    groups: usize,
    /// One row per group; then the charges, unless the groups leave no choice of charge.
    matrix: DMatrix<f64>,
    target: DVector<f64>,
}

/// Weights, multipliers of the linear constraints and of ω ≥ 0, and the next centring.
#[derive(Clone)]
struct State {
    x: DVector<f64>,
    y: DVector<f64>,
    z: DVector<f64>,
    centring: f64,
}

impl Rows {
    fn new(constraints: &Constraints) -> Self {
        let all = constraints.charges.len();
        let free: Vec<usize> = (0..all).filter(|&a| constraints.allowed(a)).collect();
        let groups = constraints.groups();
        let height = groups + usize::from(has_choice_of_charge(constraints));
        let mut matrix = DMatrix::zeros(height, free.len());
        let mut target = DVector::from_element(height, 1.0);
        for (column, &a) in free.iter().enumerate() {
            // Every group holds a weight at least, so the offsets increase.
            let group = constraints.offsets.partition_point(|&offset| offset <= a) - 1;
            matrix[(group, column)] = 1.0;
            if height > groups {
                matrix[(groups, column)] = constraints.charges[a];
            }
        }
        if height > groups {
            target[groups] = constraints.total_charge();
        }
        Self { free, all, groups, matrix, target }
    }

    fn gather(&self, full: &DVector<f64>) -> DVector<f64> {
        DVector::from_iterator(self.free.len(), self.free.iter().map(|&a| full[a]))
    }

    fn scatter(&self, x: &DVector<f64>, full: &mut [f64]) {
        full.fill(0.0);
        self.free.iter().zip(x.iter()).for_each(|(&a, &value)| full[a] = value);
    }

    fn full(&self, x: &DVector<f64>) -> DVector<f64> {
        let mut full = DVector::zeros(self.all);
        self.scatter(x, full.as_mut_slice());
        full
    }

    /// Multipliers that are dual feasible: y below the smallest slope of its group, z the rest.
    fn start(&self, weights: &DVector<f64>, gradient: &DVector<f64>) -> State {
        let c = self.gather(gradient);
        let spread = (c.max() - c.min()).max(f64::MIN_POSITIVE);
        let mut y = DVector::zeros(self.target.len());
        for g in 0..self.groups {
            let members = (0..c.len()).filter(|&k| self.matrix[(g, k)] == 1.0);
            y[g] = members.fold(f64::INFINITY, |least, k| least.min(c[k])) - spread;
        }
        let z = &c - self.matrix.tr_mul(&y);
        State { x: self.gather(weights), y, z, centring: CENTRING[1] }
    }

    /// One Newton step; `None` if rounding leaves no way on.
    fn advance(
        &self,
        objective: &impl Convex,
        state: &State,
        gradient: &DVector<f64>,
    ) -> Option<State> {
        let n = self.free.len();
        let target = state.centring * state.x.dot(&state.z) / n as f64;
        let full = objective.hessian(&self.full(&state.x));
        let hessian =
            DMatrix::from_fn(n, n, |row, column| full[(self.free[row], self.free[column])]);
        let direction = self.direction(state, &hessian, &self.gather(gradient), target)?;
        let before = self.residual(state, &self.gather(gradient), target);
        let longest = direction.longest(state);
        let mut length = longest;
        for _ in 0..MAX_HALVINGS {
            let next = direction.walk(state, length);
            let (_, slope) = objective.value_gradient(&self.full(&next.x));
            let after = self.residual(&next, &self.gather(&slope), target);
            if after <= (1.0 - 0.01 * length) * before {
                let centring = CENTRING[usize::from(length < 0.8)];
                return Some(State { centring, ..next });
            }
            length *= 0.5;
        }
        // Newton's direction reduces the residual unless that is rounding: then go all the way.
        let next = direction.walk(state, longest);
        let finite = next.x.iter().chain(next.z.iter()).all(|value| value.is_finite());
        finite.then_some(State { centring: CENTRING[1], ..next })
    }

    /// Norm of the optimality conditions, complementarity relaxed to xz = `target`.
    fn residual(&self, state: &State, gradient: &DVector<f64>, target: f64) -> f64 {
        let slope = gradient - self.matrix.tr_mul(&state.y) - &state.z;
        let product = state.x.component_mul(&state.z).map(|xz| xz - target);
        (slope.norm_squared() + product.norm_squared()).sqrt()
    }

    /// Newton direction, with the rows eliminated: (A M⁻¹ Aᵀ) dy = r − A M⁻¹ s, M = H + z/x.
    fn direction(
        &self,
        state: &State,
        hessian: &DMatrix<f64>,
        gradient: &DVector<f64>,
        target: f64,
    ) -> Option<State> {
        let barrier = state.z.component_div(&state.x);
        let factor = factorise(&(hessian + DMatrix::from_diagonal(&barrier)))?;
        let pull = state.x.map(|x| target / x) - gradient + self.matrix.tr_mul(&state.y);
        let columns = factor.solve(&self.matrix.transpose());
        let schur = factorise(&(&self.matrix * &columns))?;
        let missing = &self.target - &self.matrix * &state.x;
        let y = schur.solve(&(missing - columns.tr_mul(&pull)));
        let x = factor.solve(&(pull + self.matrix.tr_mul(&y)));
        let z = state.x.map(|x| target / x) - &state.z - barrier.component_mul(&x);
        Some(State { x, y, z, centring: 0.0 })
    }
}

impl State {
    /// Longest step (up to 1) that keeps the weights and their multipliers positive.
    fn longest(&self, from: &Self) -> f64 {
        let pairs = from.x.iter().zip(self.x.iter()).chain(from.z.iter().zip(self.z.iter()));
        let limits = pairs.filter(|(_, step)| **step < 0.0).map(|(at, step)| -at / step);
        limits.fold(1.0, |length: f64, limit| length.min(TO_BOUNDARY * limit))
    }

    fn walk(&self, from: &Self, length: f64) -> Self {
        Self {
            x: &from.x + &self.x * length,
            y: &from.y + &self.y * length,
            z: &from.z + &self.z * length,
            centring: from.centring,
        }
    }
}

/// Cholesky factor; states that depend on each other linearly need a shift within rounding.
fn factorise(matrix: &DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let largest = matrix.diagonal().amax();
    let shifts = [0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10];
    shifts.iter().find_map(|shift| {
        let mut shifted = matrix.clone();
        (0..shifted.nrows()).for_each(|k| shifted[(k, k)] += shift * largest);
        Cholesky::new(shifted)
    })
}

/// False if the allowed states of every group have one charge.
fn has_choice_of_charge(constraints: &Constraints) -> bool {
    (0..constraints.groups()).any(|g| {
        let allowed = constraints.group(g).filter(|&a| constraints.allowed(a));
        let mut charges = allowed.map(|a| constraints.charges[a]);
        charges.next().is_some_and(|first| charges.any(|q| q != first))
    })
}
