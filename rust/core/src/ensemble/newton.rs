//! The outer iteration: multipliers, residual, step, line search.

use super::damping::{self, Damping};
use super::multipliers::chemical_potentials;
use super::tangent::tangent;
use super::vectors::retract;
use super::{Constraints, FLOOR, Objective, Options, Outcome, dense, krylov};
use crate::error::{Error, Result};

/// Largest change of a weight that a step of negative curvature may ask for.
const LARGEST_CHANGE: f64 = 0.5;
/// Sufficient-decrease constant of the line search (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// Residual (eV) that [`relax`] may leave.
const LARGEST_RESIDUAL: f64 = 0.1;
/// How often a converged saddle point is left along its most negative direction.
const MAX_ESCAPES: usize = 5;
/// No further step is begun after so many Hessian products.
const MAX_PRODUCTS: usize = 2000;
/// Steps of shadow dynamics that one sparse inverse serves.
const SHADOW_USE: usize = 2;

/// Value, gradient and multipliers at the current weights (and vectors, after them in every list).
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) weights: Vec<f64>,
    pub(super) gradient: Vec<f64>,
    /// s = g − λ_i − μ q: zero on populated states, not negative on empty ones, at the solution; of
    /// vectors, their gradient.
    pub(super) slack: Vec<f64>,
    /// √ω on free weights, 0 on fixed ones; √s of a vector's softness.
    pub(super) root: Vec<f64>,
    pub(super) value: f64,
    /// μ of every fragment.
    pub(super) mu: Vec<f64>,
    pub(super) residual: f64,
}

/// A Newton-type step in the scaling y = δω/√ω.
pub(super) struct Step {
    pub(super) y: Vec<f64>,
    pub(super) products: usize,
    /// The most negative curvature that was met, in units of y, if any was.
    pub(super) curvature: Option<f64>,
    /// The Hessian's curvature by group where that was negative, 0 elsewhere; may be empty.
    pub(super) negative: Vec<f64>,
}

/// Minimise from `weights` (any positive numbers; projected first); the solution replaces them.
///
/// The KKT residual is the largest of −s_a (a state that should gain weight) and √ω_a·s_a
/// (a populated state that should lose weight), s as in [`Point::slack`], and √s|g| of vectors.
///
/// # Errors
/// [`Error::NotConverged`] names the groups ("atoms") with the largest residuals.
pub fn minimise(
    objective: &mut impl Objective,
    constraints: &Constraints,
    options: &Options,
    weights: &mut [f64],
) -> Result<Outcome> {
    let mut point = Point::start(objective, constraints, weights);
    let mut descent = Descent::new(options, constraints, &point);
    let mut used = 0;
    for iteration in 0..=options.max_iterations {
        used = iteration;
        let done = point.residual <= options.tolerance;
        if done && !descent.leaves_saddle(objective, constraints, &mut point) {
            return Ok(point.finish(
                constraints,
                weights,
                iteration,
                descent.products,
                descent.definite,
            ));
        }
        let last = iteration == options.max_iterations || descent.exhausted();
        if last || !done && !descent.step(objective, constraints, &mut point) {
            break;
        }
    }
    Err(Error::NotConverged {
        iterations: used,
        residual: point.residual,
        tolerance: options.tolerance,
        atoms: point.worst(constraints),
    })
}

/// A minimisation on its way.
struct Descent<'a> {
    options: &'a Options,
    dense: bool,
    damping: Damping,
    products: usize,
    definite: bool,
    escapes: usize,
}

impl<'a> Descent<'a> {
    fn new(options: &'a Options, constraints: &Constraints, point: &Point) -> Self {
        let dense = options.dense(point.weights.len());
        let damping = if dense {
            Damping::default()
        } else {
            Damping::start(point.residual, constraints.groups())
        };
        Self { options, dense, damping, products: 0, definite: true, escapes: 0 }
    }

    /// The dense solver's products are cheap, and bounded by the iterations.
    fn exhausted(&self) -> bool {
        !self.dense && self.products >= MAX_PRODUCTS
    }

    /// One Newton step; false if no progress is possible.
    fn step(
        &mut self,
        objective: &mut impl Objective,
        constraints: &Constraints,
        point: &mut Point,
    ) -> bool {
        let mut step = if self.dense {
            dense::step(objective, constraints, point)
        } else {
            let accuracy = krylov::Accuracy {
                tolerance: self.options.tolerance,
                most: krylov::MAX_PRODUCTS,
                shifts: &self.damping.shifts,
            };
            krylov::step(objective, constraints, point, accuracy)
        };
        self.products += step.products;
        self.definite = step.curvature.is_none();
        let whole = !self.dense && damping::limit_groups(constraints, point, &mut step.y);
        let learns = !(self.dense || self.definite && self.damping.shifts.is_empty());
        let before = learns.then(|| point.clone());
        let (value, slope) = (point.value, point.slope(&step.y));
        let moved = point.advance(objective, constraints, &step.y, !(whole || self.definite));
        if let Some(before) = before {
            let ratio = if moved { (point.value - value) / slope.min(-1e-300) } else { 0.0 };
            self.damping.learn(constraints, &step.negative, [&before, point], ratio);
        }
        if moved {
            return true;
        }
        if point.residual <= self.options.tolerance.max(1e-7) {
            return false;
        }
        // A poor step near rounding: fall back to the scaled gradient once.
        let y = steepest_descent(constraints, point);
        point.advance(objective, constraints, &y, true)
    }

    /// At a stationary point: go down if it is a saddle; true if the point has moved.
    fn leaves_saddle(
        &mut self,
        objective: &mut impl Objective,
        constraints: &Constraints,
        point: &mut Point,
    ) -> bool {
        if !(self.dense || self.options.leave_saddles) {
            return false;
        }
        let escape = if self.dense {
            dense::escape(objective, constraints, point)
        } else {
            krylov::escape(objective, constraints, point)
        };
        self.products += escape.products;
        self.definite = escape.curvature.is_none();
        if self.definite || self.escapes >= MAX_ESCAPES {
            return false;
        }
        self.escapes += 1;
        point.advance(objective, constraints, &escape.y, true)
    }
}

/// One Newton step of a few `products` from `weights`, without a test of convergence.
///
/// # Errors
/// [`Error::NotConverged`] if the Hessian is not positive definite along the way, or more than
/// [`LARGEST_RESIDUAL`] is left.
pub fn relax(
    objective: &mut impl Objective,
    constraints: &Constraints,
    products: usize,
    weights: &mut [f64],
) -> Result<Outcome> {
    let point = Point::start(objective, constraints, weights);
    // What a few products leave depends on the preconditioner. One of earlier steps lets it depend on
    // the direction of time too, and dynamics gain energy.
    let kept = objective.inverse().take().filter(|kept| kept.age < SHADOW_USE);
    *objective.inverse() = kept;
    let accuracy = krylov::Accuracy { tolerance: 0.0, most: products, shifts: &[] };
    let step = krylov::step(objective, constraints, &point, accuracy);
    let mut next = point.clone();
    retract(constraints, &point, &step.y, 1.0, &mut next.weights);
    next.value = objective.value_gradient(&next.weights, &mut next.gradient);
    next.update(constraints);
    if step.curvature.is_none() && next.residual <= LARGEST_RESIDUAL {
        return Ok(next.finish(constraints, weights, 1, step.products, true));
    }
    Err(Error::NotConverged {
        iterations: 1,
        residual: next.residual,
        tolerance: LARGEST_RESIDUAL,
        atoms: next.worst(constraints),
    })
}

/// Projected steepest descent in the Fisher–Rao metric.
fn steepest_descent(constraints: &Constraints, point: &Point) -> Vec<f64> {
    let mut y: Vec<f64> = point.slack.iter().zip(&point.root).map(|(s, r)| -s * r).collect();
    tangent(constraints, &point.root, &mut y);
    y
}

impl Point {
    pub(super) fn start(
        objective: &mut impl Objective,
        constraints: &Constraints,
        weights: &[f64],
    ) -> Self {
        let mut weights = weights.to_vec();
        constraints.project(&mut weights);
        constraints.clear_rigid(&mut weights);
        let n = weights.len();
        let mut point = Self {
            weights,
            gradient: vec![0.0; n],
            slack: vec![0.0; n],
            root: vec![0.0; n],
            ..Self::default()
        };
        point.value = objective.value_gradient(&point.weights, &mut point.gradient);
        point.update(constraints);
        point
    }

    /// Multipliers, slacks and residual from the gradient.
    pub(super) fn update(&mut self, constraints: &Constraints) {
        self.mu = chemical_potentials(constraints, &self.weights, &self.gradient);
        self.residual = 0.0;
        for g in 0..constraints.groups() {
            let group = constraints.group(g);
            let mu = self.mu[constraints.fragment(g)];
            let shifted = |a: usize| self.gradient[a] - mu * constraints.charges[a];
            let lambda: f64 = group
                .clone()
                .filter(|&a| constraints.allowed(a))
                .map(|a| self.weights[a] * shifted(a))
                .sum();
            for a in group {
                let slack = shifted(a) - lambda;
                if constraints.allowed(a) {
                    let excess = if slack < 0.0 { -slack } else { self.weights[a].sqrt() * slack };
                    self.residual = self.residual.max(excess);
                }
                self.slack[a] = slack;
                let fixed = self.weights[a] <= 2.0 * FLOOR && slack >= 0.0;
                let free = constraints.allowed(a) && !fixed;
                self.root[a] = if free { self.weights[a].sqrt() } else { 0.0 };
            }
        }
        self.update_vectors(constraints);
        if !self.value.is_finite() || !self.residual.is_finite() {
            self.residual = f64::INFINITY;
        }
    }

    /// Change of the value along `y` to first order.
    pub(super) fn slope(&self, y: &[f64]) -> f64 {
        y.iter().zip(&self.root).zip(&self.slack).map(|((y, r), s)| y * r * s).sum()
    }

    /// Move along `y` with a backtracking line search; false if no step decreases the value.
    fn advance(
        &mut self,
        objective: &mut impl Objective,
        constraints: &Constraints,
        y: &[f64],
        bounded: bool,
    ) -> bool {
        let slope = self.slope(y);
        let change = y.iter().zip(&self.root).fold(0.0_f64, |m, (y, r)| m.max((y * r).abs()));
        if !(change > 0.0 && change.is_finite()) {
            return false;
        }
        let mut scale =
            if bounded || change > 1.0 { (LARGEST_CHANGE / change).min(1.0) } else { 1.0 };
        if bounded && slope >= 0.0 {
            scale = 0.05 * LARGEST_CHANGE / change;
        }
        let noise = self.rounding();
        let mut trial = self.clone();
        for _ in 0..40 {
            retract(constraints, self, y, scale, &mut trial.weights);
            trial.value = objective.value_gradient(&trial.weights, &mut trial.gradient);
            trial.update(constraints);
            let gain = trial.value - self.value;
            let quiet = gain.abs() <= noise && trial.residual <= self.residual;
            if gain
                <= SUFFICIENT * scale * slope.min(0.0) - f64::from(u8::from(slope >= 0.0)) * noise
                || quiet
            {
                *self = trial;
                self.settle_vectors(objective, constraints);
                return true;
            }
            scale *= 0.4;
        }
        // Leave the objective at the point that is kept.
        self.value = objective.value_gradient(&self.weights, &mut self.gradient);
        false
    }

    /// Differences of the value below this are rounding: its terms are as large as the gradient, and
    /// the rounding of a long sum grows like the root of their number.
    fn rounding(&self) -> f64 {
        let terms: f64 =
            self.weights.iter().zip(&self.gradient).map(|(w, g)| w.abs() * g.abs()).sum();
        let n = self.weights.len() as f64;
        2e-15 * n.sqrt().max(1.0) * (self.value.abs() + terms + n)
    }

    fn finish(
        &self,
        constraints: &Constraints,
        weights: &mut [f64],
        iterations: usize,
        products: usize,
        definite: bool,
    ) -> Outcome {
        weights.copy_from_slice(&self.weights);
        for w in &mut weights[..constraints.weights()] {
            *w = if *w <= 2.0 * FLOOR { 0.0 } else { *w };
        }
        constraints.clear_rigid(weights);
        Outcome {
            value: self.value,
            chemical_potentials: self.mu.clone(),
            kkt_residual: self.residual,
            hessian_products: products,
            iterations,
            positive_definite: definite,
        }
    }

    /// The three groups with the largest residuals, in words.
    fn worst(&self, constraints: &Constraints) -> String {
        let residual = |g: usize| {
            let vector = constraints.vector(g).map(|k| (self.root[k] * self.slack[k]).abs());
            let largest = vector.fold(0.0, f64::max);
            constraints.group(g).filter(|&a| constraints.allowed(a)).fold(largest, |m, a| {
                let s = self.slack[a];
                m.max(if s < 0.0 { -s } else { s * self.weights[a].sqrt() })
            })
        };
        let mut groups: Vec<(usize, f64)> =
            (0..constraints.groups()).map(|g| (g, residual(g))).collect();
        groups.sort_by(|a, b| b.1.total_cmp(&a.1));
        let words: Vec<String> =
            groups.iter().take(3).map(|(g, r)| format!("atom {g} ({r:.2e} eV)")).collect();
        words.join(", ")
    }
}
