//! Damping of Newton steps far from a solution.
//!
//! Where the Hessian H is not positive definite, or its quadratic model poor, the step minimises the
//! model plus ½ Σ τ |y|² over the groups (Levenberg & Marquardt; J. Nocedal & S. Wright, Numerical
//! Optimization (2006), section 10.3), in the Fisher–Rao scaling a distance between ensembles. Every
//! group has its own τ, raised where negative curvature was met or the gradient turned round: a few
//! bad groups do not hold up the others, and no group's change is limited by that of another. So the
//! number of steps does not grow with the number of atoms.

use super::Constraints;
use super::newton::Point;

/// Largest change of a weight in a step.
const LARGEST_CHANGE: f64 = 0.5;
/// First τ relative to the residual, above a residual (eV) that warm starts do not have.
const FIRST: f64 = 0.2;
const FAR: f64 = 1.0;
/// τ grows by this, and to this multiple of a negative curvature, after one was met.
const GROWTH: f64 = 4.0;
const OF_CURVATURE: f64 = 2.0;
/// A group has met it if its share of the curvature is negative and this part of the largest such.
const SHARE: f64 = 0.05;
/// τ falls by this after a step that brought this part of the change to first order (½ at best).
const FALL: f64 = 0.35;
const GOOD: f64 = 0.3;
/// Changes of a group's energy (eV) too small to judge it by.
const QUIET: f64 = 1e-4;
/// τ grows at least to this (eV) where a step was poor.
const LEAST: f64 = 0.1;
/// Smaller ones (eV) are none.
const SMALLEST: f64 = 0.02;

/// τ of every group, adapted from step to step.
#[derive(Debug, Clone, Default)]
pub(super) struct Damping {
    /// τ, eV; empty if nothing is damped.
    pub(super) shifts: Vec<f64>,
}

impl Damping {
    /// For a first residual (eV).
    pub(super) fn start(residual: f64, groups: usize) -> Self {
        let far = residual > FAR && residual.is_finite();
        Self { shifts: if far { vec![FIRST * residual; groups] } else { Vec::new() } }
    }

    /// After a step from `before` to `after` that met `negative` curvature of groups (see `Step`), or
    /// brought `ratio` of the change to first order.
    pub(super) fn learn(
        &mut self,
        constraints: &Constraints,
        negative: &[f64],
        [before, after]: [&Point; 2],
        ratio: f64,
    ) {
        self.shifts.resize(constraints.groups(), 0.0);
        for (g, shift) in self.shifts.iter_mut().enumerate() {
            let curvature = negative.get(g).copied().unwrap_or(0.0);
            if curvature < 0.0 {
                *shift = (GROWTH * *shift).max(OF_CURVATURE * curvature.abs());
            } else if is_good(slopes(constraints, g, before, after)) {
                *shift *= FALL;
                if *shift < SMALLEST {
                    *shift = 0.0;
                }
            } else if ratio < GOOD {
                *shift = (GROWTH * *shift).max(LEAST);
            }
        }
        if self.shifts.iter().all(|shift| *shift == 0.0) {
            self.shifts.clear();
        }
    }
}

/// Change of a group's energy in a step to first order, by the gradients before and after it.
fn slopes(constraints: &Constraints, g: usize, before: &Point, after: &Point) -> [f64; 2] {
    let members = constraints.group(g).chain(constraints.vector(g));
    members.fold([0.0; 2], |[first, last], k| {
        let change = after.weights[k] - before.weights[k];
        [first + change * before.slack[k], last + change * after.slack[k]]
    })
}

/// Their mean is [`GOOD`] times the first at least, as of a whole step.
fn is_good([first, last]: [f64; 2]) -> bool {
    last <= (1.0 - 2.0 * GOOD) * first.abs() + QUIET
}

/// Add the Hessian of ½ Σ τ |p|² times `p` to `product`.
pub(super) fn add(constraints: &Constraints, shifts: &[f64], p: &[f64], product: &mut [f64]) {
    for (g, shift) in shifts.iter().enumerate() {
        let members = constraints.group(g).chain(constraints.vector(g));
        members.for_each(|k| product[k] += shift * p[k]);
    }
}

/// The Hessian's curvature by group along `p` of negative curvature, given its damped `product`; zero
/// where it is not negative.
pub(super) fn negative(
    constraints: &Constraints,
    shifts: &[f64],
    [p, product]: [&[f64]; 2],
) -> Vec<f64> {
    let share = |g: usize| {
        let members = constraints.group(g).chain(constraints.vector(g));
        members.fold([0.0; 2], |[along, size], k| [along + p[k] * product[k], size + p[k] * p[k]])
    };
    let shares: Vec<[f64; 2]> = (0..constraints.groups()).map(share).collect();
    let least = SHARE * shares.iter().fold(0.0_f64, |least, [along, _]| least.min(*along));
    let of = |(g, [along, size]): (usize, &[f64; 2])| {
        let met = *along < least;
        if met { along / size - shifts.get(g).copied().unwrap_or(0.0) } else { 0.0 }
    };
    shares.iter().enumerate().map(of).collect()
}

/// Scale down the changes `y` of the groups whose weights would change too much, each by itself; false
/// (and `y` as it was) if that does not lead down.
pub(super) fn limit_groups(constraints: &Constraints, point: &Point, y: &mut [f64]) -> bool {
    let mut limited = y.to_vec();
    for g in 0..constraints.groups() {
        let group = constraints.group(g);
        let change = group.clone().fold(0.0_f64, |m, a| m.max((y[a] * point.root[a]).abs()));
        if change > LARGEST_CHANGE {
            let members = group.chain(constraints.vector(g));
            members.for_each(|k| limited[k] *= LARGEST_CHANGE / change);
        }
    }
    let down = point.slope(&limited) < 0.0;
    if down {
        y.copy_from_slice(&limited);
    }
    down
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Charge;
    use super::*;

    /// Three groups of two weights.
    fn constraints() -> Constraints {
        let charges = [0.0, 1.0].repeat(3);
        Constraints::new(vec![0, 2, 4, 6], charges, &Charge::Total(1.0)).unwrap()
    }

    /// The first weight of every group, and its slack; the others have none.
    fn point(weights: [f64; 3], slacks: [f64; 3]) -> Point {
        let weights = weights.iter().flat_map(|w| [*w, 1.0 - w]).collect();
        let slack = slacks.iter().flat_map(|s| [*s, 0.0]).collect();
        Point { weights, slack, ..Point::default() }
    }

    #[test]
    fn only_a_far_start_is_damped() {
        assert!(Damping::start(0.5, 3).shifts.is_empty());
        assert!(Damping::start(f64::INFINITY, 3).shifts.is_empty());
        assert_eq!(Damping::start(5.0, 3).shifts, [1.0; 3]);
    }

    #[test]
    fn damping_follows_curvature_and_success_of_every_group() {
        let set = constraints();
        let before = point([0.5; 3], [-1.0; 3]);
        // The gradient of the last group turns round.
        let after = point([0.6; 3], [0.0, -0.1, 0.9]);
        let mut damping = Damping { shifts: vec![1.0; 3] };
        damping.learn(&set, &[-3.0, 0.0, 0.0], [&before, &after], 0.5);
        assert_eq!(damping.shifts, [6.0, FALL, 1.0]);
        damping.learn(&set, &[], [&before, &after], 0.1);
        assert_eq!(damping.shifts, [6.0 * FALL, FALL * FALL, GROWTH]);
        let still = point([0.6; 3], [0.0; 3]);
        (0..6).for_each(|_| damping.learn(&set, &[], [&before, &still], 0.5));
        assert!(damping.shifts.is_empty());
        damping.learn(&set, &[], [&before, &after], 0.1);
        assert_eq!(damping.shifts, [0.0, 0.0, LEAST]);
    }

    #[test]
    fn negative_curvature_is_found_where_it_is() {
        let set = constraints();
        let p = [1.0, -1.0, 1.0, -1.0, 0.1, -0.1];
        // Curvatures −3, 2 and −1 before the shifts; the last one's share is small.
        let mut product: Vec<f64> = p.to_vec();
        product.iter_mut().zip([-3.0, -3.0, 2.0, 2.0, -1.0, -1.0]).for_each(|(x, by)| *x *= by);
        let shifts = [1.0, 0.5, 0.0];
        add(&set, &shifts, &p, &mut product);
        assert_eq!(product[..4], [-2.0, 2.0, 2.5, -2.5]);
        assert_eq!(negative(&set, &shifts, [&p, &product]), [-3.0, 0.0, 0.0]);
    }
}
