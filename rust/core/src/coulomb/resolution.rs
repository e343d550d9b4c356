//! How fine a mesh a given force error needs.
//!
//! A charge spread with B-splines of order p on a mesh of spacing h is not a plane wave's: every wave
//! k comes with aliases k + K_m, K_m = 2πm/h along an axis, of relative amplitude (κ/(κ + m))^p,
//! κ = kh/2π. Averaged over uncorrelated positions the aliases of the spreading and those of the
//! interpolated gradient add up to a mean-square force error (in the spirit of Wang, Dommert & Holm,
//! J. Chem. Phys. 133, 034117 (2010), here for the analytic derivative of smooth PME)
//!
//! ⟨ΔF²⟩ = q⁴ N/V² Σ_k g(k)² Σ_axes Σ_{m≠0} [(k + K_m)² + k²] (κ/(κ + m))^2p, g = 4π exp(−k²/4α²)/k².
//!
//! Relative to q²/a², a = (V/N)^⅓, the root is √(αa) f_p(αh); f_p is found here by quadrature.

use std::f64::consts::PI;
use std::sync::OnceLock;

/// Orders of B-splines in use.
pub(super) const ORDERS: [usize; 4] = [6, 8, 10, 12];
/// αh of the first tabulated resolution, and the ratio of two neighbours.
const FIRST: f64 = 0.02;
const RATIO: f64 = 1.1;
/// Tabulated resolutions: αh up to 1.1.
const COUNT: usize = 43;

/// Largest αh with a reciprocal force error (relative to q²/a²) of at most `accuracy` for a mean
/// distance `scale` = αa; the smallest tabulated one if none will do.
pub(super) fn resolution(order: usize, accuracy: f64, scale: f64) -> f64 {
    static TABLES: OnceLock<[[f64; COUNT]; ORDERS.len()]> = OnceLock::new();
    let tables = TABLES.get_or_init(|| ORDERS.map(tabulate));
    let row = ORDERS.iter().position(|&p| p == order).unwrap_or(0);
    let target = (accuracy / scale.sqrt()).ln();
    let errors = &tables[row];
    let k = errors.partition_point(|&error| error <= target);
    if k == 0 || k == COUNT {
        return FIRST * RATIO.powi(k.saturating_sub(1) as i32);
    }
    let part = (target - errors[k - 1]) / (errors[k] - errors[k - 1]);
    FIRST * RATIO.powf((k - 1) as f64 + part)
}

/// ln f_p at all resolutions.
fn tabulate(order: usize) -> [f64; COUNT] {
    std::array::from_fn(|k| error(order, FIRST * RATIO.powi(k as i32)).ln())
}

/// f_p(αh): midpoint rule over k (in units of α) and the cosine to an axis.
fn error(order: usize, h: f64) -> f64 {
    let (steps, cosines) = (48, 12);
    let end = (3.0_f64.sqrt() * PI / h).min(12.0);
    let dk = end / f64::from(steps);
    let mut sum = 0.0;
    for i in 0..steps {
        let k = dk * (f64::from(i) + 0.5);
        let g = 4.0 * PI * (-0.25 * k * k).exp() / (k * k);
        let aliases: f64 = (0..cosines)
            .map(|j| alias_strength(order, k, (f64::from(j) + 0.5) / f64::from(cosines), h))
            .sum();
        sum += k * k * g * g * 3.0 * aliases / f64::from(cosines);
    }
    // Σ_k → V/(2π)³ ∫ 4πk² dk.
    (4.0 * PI * sum * dk / (2.0 * PI).powi(3)).sqrt()
}

/// Σ_m [(k + K_m)² + k²] (κ/(κ + m))^2p along one axis.
fn alias_strength(order: usize, k: f64, cosine: f64, h: f64) -> f64 {
    // Waves beyond the mesh's are lost: as wrong as an alias of full strength.
    let kappa = (k * cosine * h / (2.0 * PI)).min(0.5);
    let alias = |m: f64| {
        let ratio: f64 = kappa / (kappa + m);
        ratio.powi(2 * order as i32) * ((2.0 * PI / h * (kappa + m)).powi(2) + k * k)
    };
    alias(-1.0) + alias(1.0)
}

/// Even numbers whose prime factors are at most 7: the lengths that the transform likes.
pub(super) fn smooth_even(at_least: usize) -> usize {
    let is_smooth = |n: usize| {
        let mut rest = n;
        for p in [2_usize, 3, 5, 7] {
            while rest.is_multiple_of(p) {
                rest /= p;
            }
        }
        rest == 1
    };
    let mut n = at_least.next_multiple_of(2);
    while !is_smooth(n) {
        n += 2;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finer_mesh_or_a_higher_order_is_more_accurate() {
        for order in ORDERS {
            let fine = resolution(order, 1e-6, 1.0);
            assert!(fine < resolution(order, 1e-4, 1.0));
            assert!(order == 12 || fine < resolution(order + 2, 1e-6, 1.0));
            let found = error(order, fine);
            assert!((0.9e-6..1.1e-6).contains(&found), "{order}: {found}");
        }
    }

    #[test]
    fn lengths_are_smooth() {
        assert_eq!([1, 12, 13, 22, 51, 97, 121].map(smooth_even), [2, 12, 14, 24, 54, 98, 126]);
    }
}
