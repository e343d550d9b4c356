//! The outer iteration: multipliers, residual, step, line search.

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
    mu: Vec<f64>,
    pub(super) residual: f64,
}

/// A Newton-type step in the scaling y = δω/√ω.
pub(super) struct Step {
    pub(super) y: Vec<f64>,
    pub(super) products: usize,
    pub(super) positive_definite: bool,
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
    let dense = options.dense(weights.len());
    let mut products = 0;
    let mut definite = true;
    let (mut escapes, mut used) = (0, 0);
    for iteration in 0..=options.max_iterations {
        used = iteration;
        let done = point.residual <= options.tolerance;
        if done || iteration == options.max_iterations {
            if done && (dense || options.leave_saddles) {
                let escape = if dense {
                    dense::escape(objective, constraints, &point)
                } else {
                    krylov::escape(objective, constraints, &point)
                };
                products += escape.products;
                definite = escape.positive_definite;
                if !definite && escapes < MAX_ESCAPES {
                    escapes += 1;
                    if point.advance(objective, constraints, &escape.y, true) {
                        continue;
                    }
                }
            }
            if done {
                return Ok(point.finish(constraints, weights, iteration, products, definite));
            }
            break;
        }
        let step = if dense {
            dense::step(objective, constraints, &point)
        } else {
            krylov::step(objective, constraints, &point, options.tolerance, krylov::MAX_PRODUCTS)
        };
        products += step.products;
        definite = step.positive_definite;
        if !point.advance(objective, constraints, &step.y, !definite) {
            if point.residual <= options.tolerance.max(1e-7) {
                break;
            }
            // A poor step near rounding: fall back to the scaled gradient once.
            let y: Vec<f64> = descent(constraints, &point);
            if !point.advance(objective, constraints, &y, true) {
                break;
            }
        }
    }
    Err(Error::NotConverged {
        iterations: used,
        residual: point.residual,
        tolerance: options.tolerance,
        atoms: point.worst(constraints),
    })
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
    let step = krylov::step(objective, constraints, &point, 0.0, products);
    let mut next = point.clone();
    retract(constraints, &point, &step.y, 1.0, &mut next.weights);
    next.value = objective.value_gradient(&next.weights, &mut next.gradient);
    next.update(constraints);
    if step.positive_definite && next.residual <= LARGEST_RESIDUAL {
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
fn descent(constraints: &Constraints, point: &Point) -> Vec<f64> {
    let mut y: Vec<f64> = point.slack.iter().zip(&point.root).map(|(s, r)| -s * r).collect();
    tangent(constraints, &point.root, &mut y);
    y
}

/// Remove from `y` its components along the constraint normals √ω (per group) and √ω·q.
pub(super) fn tangent(constraints: &Constraints, root: &[f64], y: &mut [f64]) {
    remove_normals(constraints, root, &centred_charges(constraints, root), y);
}

/// As [`tangent`], the charge normal given ([`centred_charges`]).
pub(super) fn remove_normals(
    constraints: &Constraints,
    root: &[f64],
    charge: &[f64],
    y: &mut [f64],
) {
    let mut along_charge = vec![0.0; constraints.fragments()];
    let mut norm_of_charge = along_charge.clone();
    for g in 0..constraints.groups() {
        let f = constraints.fragment(g);
        let (mut along, mut norm) = (0.0, 0.0);
        for a in constraints.group(g) {
            along += root[a] * y[a];
            norm += root[a] * root[a];
        }
        let along = if norm > 0.0 { along / norm } else { 0.0 };
        for a in constraints.group(g) {
            y[a] -= along * root[a];
            along_charge[f] += charge[a] * y[a];
            norm_of_charge[f] += charge[a] * charge[a];
        }
    }
    for g in 0..constraints.groups() {
        let f = constraints.fragment(g);
        if norm_of_charge[f] > 0.0 {
            let along = along_charge[f] / norm_of_charge[f];
            constraints.group(g).for_each(|a| y[a] -= along * charge[a]);
        }
    }
}

/// √ω (q − q̄_group) on free weights: the charge normal orthogonal to the group normals.
pub(super) fn centred_charges(constraints: &Constraints, root: &[f64]) -> Vec<f64> {
    let mut centred = vec![0.0; root.len()];
    for g in 0..constraints.groups() {
        let group = constraints.group(g);
        let norm: f64 = root[group.clone()].iter().map(|r| r * r).sum();
        if norm == 0.0 {
            continue;
        }
        let charge = |a: usize| root[a] * root[a] * constraints.charges[a];
        let mean = group.clone().map(charge).sum::<f64>() / norm;
        group.for_each(|a| centred[a] = root[a] * (constraints.charges[a] - mean));
    }
    centred
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
    fn update(&mut self, constraints: &Constraints) {
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

    /// Move along `y` with a backtracking line search; false if no step decreases the value.
    fn advance(
        &mut self,
        objective: &mut impl Objective,
        constraints: &Constraints,
        y: &[f64],
        bounded: bool,
    ) -> bool {
        let slope: f64 =
            y.iter().zip(&self.root).zip(&self.slack).map(|((y, r), s)| y * r * s).sum();
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

/// μ of every fragment by weighted least squares of the stationarity conditions; where every group
/// is at a vertex, the middle of the interval that keeps all empty states empty.
fn chemical_potentials(constraints: &Constraints, weights: &[f64], gradient: &[f64]) -> Vec<f64> {
    let mut sums = vec![[0.0; 2]; constraints.fragments()];
    for g in 0..constraints.groups() {
        let group = constraints.group(g).filter(|&a| constraints.allowed(a));
        let (mut mean_q, mut mean_g) = (0.0, 0.0);
        for a in group.clone() {
            mean_q += weights[a] * constraints.charges[a];
            mean_g += weights[a] * gradient[a];
        }
        let [covariance, variance] = &mut sums[constraints.fragment(g)];
        for a in group {
            let dq = constraints.charges[a] - mean_q;
            *covariance += weights[a] * dq * (gradient[a] - mean_g);
            *variance += weights[a] * dq * dq;
        }
    }
    if sums.iter().all(|[_, variance]| *variance > 1e-20) {
        return sums.iter().map(|[covariance, variance]| covariance / variance).collect();
    }
    let at_vertex = vertex_potentials(constraints, weights, gradient);
    let smooth = |(&[covariance, variance], vertex): (&[f64; 2], f64)| {
        if variance > 1e-20 { covariance / variance } else { vertex }
    };
    sums.iter().zip(at_vertex).map(smooth).collect()
}

fn vertex_potentials(constraints: &Constraints, weights: &[f64], gradient: &[f64]) -> Vec<f64> {
    let mut intervals = vec![[f64::NEG_INFINITY, f64::INFINITY]; constraints.fragments()];
    for g in 0..constraints.groups() {
        let group = constraints.group(g);
        let Some(v) = group.clone().max_by(|&a, &b| weights[a].total_cmp(&weights[b])) else {
            continue;
        };
        let [low, high] = &mut intervals[constraints.fragment(g)];
        for a in group {
            let dq = constraints.charges[a] - constraints.charges[v];
            let ratio = (gradient[a] - gradient[v]) / dq;
            if dq > 0.0 {
                *high = high.min(ratio);
            } else if dq < 0.0 {
                *low = low.max(ratio);
            }
        }
    }
    let middle = |[low, high]: [f64; 2]| match (low.is_finite(), high.is_finite()) {
        (true, true) => 0.5 * (low + high),
        (true, false) => low,
        (false, true) => high,
        (false, false) => 0.0,
    };
    intervals.into_iter().map(middle).collect()
}
