//! Vectors beside the weights: three unknowns without constraints for every group; steps of both.
//!
//! The vector v of a group costs |v|²/2s with the softness s = Σ_a ω_a s_a of its weights: jointly
//! convex in (v, ω), as x²/y is. All unknowns are one list, the weights first. The scaling y = δv/√s
//! makes that Hessian the identity, as y = δω/√ω makes the entropy's.

use std::ops::Range;

use rayon::prelude::*;

use super::newton::Point;
use super::{Constraints, Objective};
use crate::parallel::{BLOCK, grain, split};

/// Largest decrease of log ω in a step: a weight that resonance holds above zero must not be lost.
const LARGEST_DECREASE: f64 = 5.0;
/// Increases of log ω up to this are taken as such, larger ones as increases of ω.
const LOGARITHMIC: f64 = 3.0;
/// Softness below which a vector follows its field by itself.
const EMPTY: f64 = 1e-8;
/// Gradient (eV per unit of v/s) that such a vector may keep.
const SETTLED: f64 = 1e-6;
/// Unknowns of a vector.
pub(super) const DIMENSIONS: usize = 3;

impl Constraints {
    /// With a vector for every group, given the softness of every weight.
    ///
    /// # Panics
    /// Unless there is one softness for every weight.
    #[must_use]
    pub fn with_vectors(mut self, softness: Vec<f64>) -> Self {
        assert_eq!(softness.len(), self.weights(), "a softness for every weight");
        self.softness = softness;
        self
    }

    /// Number of weights: the first of the unknowns.
    pub fn weights(&self) -> usize {
        self.charges.len()
    }

    /// Number of weights and components of vectors.
    pub fn unknowns(&self) -> usize {
        self.weights() + if self.softness.is_empty() { 0 } else { DIMENSIONS * self.groups() }
    }

    /// The vector of group `g` among the unknowns; empty if groups have none.
    pub(super) fn vector(&self, g: usize) -> Range<usize> {
        if self.softness.is_empty() {
            return self.weights()..self.weights();
        }
        let start = self.weights() + DIMENSIONS * g;
        start..start + DIMENSIONS
    }

    /// y −= factor · x, the factor that of the group's fragment, and for its vector too.
    pub(super) fn subtract(&self, factors: &[f64], x: &[f64], y: &mut [f64]) {
        let of_vectors = |g: usize| self.vector(g).start - self.weights();
        let (weights, vectors) = y.split_at_mut(self.weights());
        let end =
            |g: usize| if g < self.groups() { of_vectors(g) } else { x.len() - self.weights() };
        let vectors = split(vectors, self.groups(), end);
        self.by_groups(weights).zip(vectors).for_each(|((weights, groups), vectors)| {
            let (begin, first) = (self.offsets[groups.start], self.vector(groups.start).start);
            for g in groups {
                let factor = factors[self.fragment(g)];
                self.group(g).for_each(|a| weights[a - begin] -= factor * x[a]);
                self.vector(g).for_each(|k| vectors[k - first] -= factor * x[k]);
            }
        });
    }

    /// The vector of group `g` if any of its weights is soft.
    pub(super) fn soft_vector(&self, g: usize) -> Range<usize> {
        let vector = self.vector(g);
        let soft = !vector.is_empty() && self.group(g).any(|a| self.softness[a] > 0.0);
        if soft { vector } else { vector.start..vector.start }
    }

    /// Number of weights of group `g`, and of components of its vector if any weight is soft.
    pub(super) fn members(&self, g: usize) -> usize {
        self.group(g).len() + self.soft_vector(g).len()
    }

    /// s of group `g`.
    pub(super) fn softness(&self, g: usize, unknowns: &[f64]) -> f64 {
        if self.softness.is_empty() {
            return 0.0;
        }
        self.group(g).map(|a| unknowns[a] * self.softness[a]).sum()
    }

    /// No vector where nothing is soft.
    pub(super) fn clear_rigid(&self, unknowns: &mut [f64]) {
        for g in 0..self.groups() {
            if self.softness(g, unknowns) <= 0.0 {
                unknowns[self.vector(g)].fill(0.0);
            }
        }
    }

    /// Move the vectors of `unknowns` to `moved`, whose weights have been moved and projected.
    ///
    /// To first order v ← v + √s y. Where the softness falls, v/s takes the step instead: the vector
    /// of a state that empties vanishes with it, and the energy |v|²/2s stays finite on the way.
    pub(super) fn move_vectors(
        &self,
        unknowns: &[f64],
        root: &[f64],
        (y, scale): (&[f64], f64),
        moved: &mut [f64],
    ) {
        if self.softness.is_empty() {
            return;
        }
        for g in 0..self.groups() {
            let (before, after) = (self.softness(g, unknowns), self.softness(g, moved));
            let change: f64 =
                self.group(g).map(|a| scale * root[a] * y[a] * self.softness[a]).sum();
            for k in self.vector(g) {
                let target = unknowns[k] + scale * root[k] * y[k];
                moved[k] = if before <= 0.0 {
                    0.0
                } else if change < 0.0 {
                    (target - unknowns[k] * change / before) * (after / before)
                } else {
                    target * (after / (before + change))
                };
            }
        }
    }
}

impl Point {
    /// Slack, scale and residual of the vectors.
    pub(super) fn update_vectors(&mut self, constraints: &Constraints) {
        for g in 0..constraints.groups() {
            let scale = constraints.softness(g, &self.weights).sqrt();
            for k in constraints.vector(g) {
                (self.slack[k], self.root[k]) = (self.gradient[k], scale);
                self.residual = self.residual.max((scale * self.gradient[k]).abs());
            }
        }
    }

    /// Take the vectors of all but empty states to where their gradient vanishes.
    ///
    /// In the scaling of a step they count for nothing, but v/s decides whether such a state should
    /// gain weight. What they do to others is as small as they are.
    pub(super) fn settle_vectors(
        &mut self,
        objective: &mut impl Objective,
        constraints: &Constraints,
    ) {
        let mut moved = false;
        for g in 0..constraints.groups() {
            let softness = constraints.softness(g, &self.weights);
            if !(softness > 0.0 && softness < EMPTY) {
                continue;
            }
            for k in constraints.vector(g) {
                moved |= self.gradient[k].abs() > SETTLED;
                self.weights[k] -= softness * self.gradient[k];
            }
        }
        if moved {
            self.value = objective.value_gradient(&self.weights, &mut self.gradient);
            self.update(constraints);
        }
    }
}

/// ω·exp(y/√ω) where weight is lost or a little gained, ω + √ω·y where much is: first-order equal,
/// never negative; then projected, and the vectors moved.
pub(super) fn retract(
    constraints: &Constraints,
    point: &Point,
    y: &[f64],
    scale: f64,
    out: &mut [f64],
) {
    let Point { weights, root, .. } = point;
    let moved = |a: usize| {
        let d = if root[a] > 0.0 { scale * y[a] / root[a] } else { 0.0 };
        let factor = if d < LOGARITHMIC { d.max(-LARGEST_DECREASE).exp() } else { 1.0 + d };
        weights[a] * factor
    };
    let n = constraints.weights();
    let tasks = out[..n].par_iter_mut().enumerate().with_min_len(grain(n).max(BLOCK));
    tasks.for_each(|(a, out)| *out = moved(a));
    constraints.project(out);
    constraints.move_vectors(weights, root, (y, scale), out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Charge;
    use super::*;

    fn constraints() -> Constraints {
        Constraints::new(vec![0, 2], vec![0.0, 0.0], &Charge::Total(0.0))
            .unwrap()
            .with_vectors(vec![3.0, 0.0])
    }

    /// Weights 0.5 ± h·0.5, the vector moved by h times (1, 2, 3)·√s.
    fn moved(h: f64) -> Vec<f64> {
        let set = constraints();
        let x = [0.5, 0.5, 0.2, -0.1, 0.4];
        let root = [0.5_f64.sqrt(), 0.5_f64.sqrt(), 1.5_f64.sqrt(), 1.5_f64.sqrt(), 1.5_f64.sqrt()];
        let y = [0.5 / root[0], -0.5 / root[1], 1.0, 2.0, 3.0];
        let mut out = vec![0.5 + 0.5 * h, 0.5 - 0.5 * h, 0.0, 0.0, 0.0];
        set.move_vectors(&x, &root, (&y, h), &mut out);
        out
    }

    #[test]
    fn vectors_move_along_the_step_to_first_order() {
        for h in [1e-4, -1e-4] {
            let found = moved(h);
            for (k, (x, y)) in [(0.2, 1.0), (-0.1, 2.0), (0.4, 3.0)].into_iter().enumerate() {
                let expected = x + h * 1.5_f64.sqrt() * y;
                assert!((found[2 + k] - expected).abs() < 1e-7, "{h}: {found:?}");
            }
        }
    }

    #[test]
    fn an_emptied_state_leaves_no_vector() {
        let set = constraints();
        let x = [0.5, 0.5, 0.2, -0.1, 0.4];
        let mut out = vec![1e-20, 1.0, 0.0, 0.0, 0.0];
        set.move_vectors(&x, &[1.0; 5], (&[-1.0, 1.0, 0.3, 0.0, 0.0], 1.0), &mut out);
        assert!(out[2..].iter().all(|v| v.abs() < 1e-19), "{out:?}");
        let mut rigid = vec![0.0, 1.0, 0.2, 0.1, 0.3];
        set.clear_rigid(&mut rigid);
        assert_eq!(rigid[2..], [0.0; 3]);
        assert_eq!((set.weights(), set.unknowns()), (2, 5));
    }
}
