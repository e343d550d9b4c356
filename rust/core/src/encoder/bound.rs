//! Lower bound of a linear function over the constraint set, by Lagrangian duality.

use crate::ensemble::Constraints;

/// Bisections of the multiplier.
const BISECTIONS: usize = 200;

/// A bound from below of Σ c_a s_a over all feasible s: max_μ μQ + Σ_groups min_a (c_a − μ q_a).
///
/// Every μ gives a valid bound (weak duality); the largest equals the minimum. For a convex f with
/// gradient c at a feasible ω, f(ω) − min f ≤ Σ c_a ω_a − bound: the duality gap.
pub fn lower_bound(constraints: &Constraints, c: &[f64]) -> f64 {
    let scale = c.iter().fold(1e-300_f64, |m, x| m.max(x.abs()));
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    let (mut best, start) = dual(constraints, c, 0.0);
    // Bracket the maximum of the concave, piecewise linear dual function. At extreme total charges
    // its slope never changes sign, and then it is zero from some μ on.
    let mut reach = scale;
    for _ in 0..BISECTIONS {
        let mu = if start > 0.0 { reach } else { -reach };
        let (value, slope) = dual(constraints, c, mu);
        best = best.max(value);
        if start > 0.0 {
            high = mu;
        } else {
            low = mu;
        }
        if slope * start <= 0.0 || reach > 1e12 * scale {
            break;
        }
        reach *= 2.0;
    }
    for _ in 0..BISECTIONS {
        let mu = 0.5 * (low + high);
        if mu == low || mu == high {
            break;
        }
        let (value, slope) = dual(constraints, c, mu);
        best = best.max(value);
        if slope > 0.0 {
            low = mu;
        } else {
            high = mu;
        }
    }
    best
}

/// Dual function and one of its slopes at μ.
fn dual(constraints: &Constraints, c: &[f64], mu: f64) -> (f64, f64) {
    let (mut value, mut slope) = (mu * constraints.total_charge(), constraints.total_charge());
    for g in 0..constraints.groups() {
        let allowed = constraints.group(g).filter(|&a| constraints.allowed(a));
        let costs = allowed.map(|a| (c[a] - mu * constraints.charges[a], a));
        if let Some((cost, a)) = costs.min_by(|x, y| x.0.total_cmp(&y.0)) {
            value += cost;
            slope -= constraints.charges[a];
        }
    }
    (value, slope)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ensemble::Charge;
    use proptest::prelude::*;

    proptest! {
        /// No feasible point is below the bound, and some vertex of the set reaches it.
        #[test]
        fn the_bound_is_the_minimum(
            c in prop::collection::vec(-10.0..10.0_f64, 6),
            x in prop::collection::vec(1e-6..1.0_f64, 6),
            q in -2.0..2.0_f64,
        ) {
            let charges = vec![1.0, 0.0, -1.0, 1.0, 0.0, -1.0];
            let set = Constraints::new(vec![0, 3, 6], charges.clone(), &Charge::Total(q)).unwrap();
            let bound = lower_bound(&set, &c);
            let mut w = x;
            set.project(&mut w);
            let value: f64 = w.iter().zip(&c).map(|(w, c)| w * c).sum();
            prop_assert!(value >= bound - 1e-9, "{value} {bound}");
            // Two groups of charge p and q − p: a fine scan over p finds the minimum.
            let cheapest = |c: &[f64], p: f64| {
                let between = |a: usize, b: usize| {
                    let (qa, qb) = (charges[a], charges[b]);
                    let t = (p - qb) / (qa - qb);
                    if (0.0..=1.0).contains(&t) { t * c[a] + (1.0 - t) * c[b] } else { f64::INFINITY }
                };
                between(0, 1).min(between(1, 2)).min(between(0, 2))
            };
            let breaks = [-1.0, 0.0, 1.0, q - 1.0, q, q + 1.0];
            let least = breaks
                .map(|p| cheapest(&c[..3], p) + cheapest(&c[3..], q - p))
                .into_iter()
                .fold(f64::INFINITY, f64::min);
            prop_assert!((least - bound).abs() < 1e-9, "{least} {bound}");
        }
    }
}
