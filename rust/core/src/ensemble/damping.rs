//! Damping of Newton steps far from a solution.
//!
//! Where the Hessian H is not positive definite, or its quadratic model poor, the step minimises the
//! model plus ½ τ |y|² (Levenberg & Marquardt), in the Fisher–Rao scaling a distance between
//! ensembles. τ acts on all atoms alike, and no atom's change is limited by that of another: the
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
/// τ falls by this after a step that brought this part of the change to first order (½ at best).
const FALL: f64 = 0.2;
const GOOD: f64 = 0.3;
/// Smaller ones (eV) are none.
const SMALLEST: f64 = 0.02;

/// τ, adapted from step to step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Damping {
    /// τ, eV.
    pub(super) shift: f64,
}

impl Damping {
    /// For a first residual (eV).
    pub(super) fn start(residual: f64) -> Self {
        let far = residual > FAR && residual.is_finite();
        Self { shift: if far { FIRST * residual } else { 0.0 } }
    }

    /// After a step that met a negative `curvature`, or brought `ratio` of the change to first order.
    pub(super) fn learn(&mut self, curvature: Option<f64>, ratio: f64) {
        if let Some(curvature) = curvature {
            self.shift = (GROWTH * self.shift).max(OF_CURVATURE * curvature.abs());
        } else if ratio > GOOD {
            self.shift *= FALL;
            if self.shift < SMALLEST {
                self.shift = 0.0;
            }
        }
    }
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
    use super::*;

    #[test]
    fn damping_follows_curvature_and_success() {
        assert_eq!(Damping::start(0.5).shift, 0.0);
        assert_eq!(Damping::start(f64::INFINITY).shift, 0.0);
        let mut damping = Damping::start(5.0);
        assert_eq!(damping.shift, 1.0);
        damping.learn(None, 0.1);
        assert_eq!(damping.shift, 1.0);
        damping.learn(Some(-3.0), 0.5);
        assert_eq!(damping.shift, 6.0);
        (0..4).for_each(|_| damping.learn(None, 0.5));
        assert_eq!(damping.shift, 0.0);
        damping.learn(Some(-0.1), 0.5);
        assert_eq!(damping.shift, 0.2);
    }
}
