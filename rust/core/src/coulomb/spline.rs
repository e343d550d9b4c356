//! Cardinal B-splines M_p of particle-mesh Ewald as polynomials between two mesh points.
//!
//! M_p(x) = [x M_{p−1}(x) + (p − x) M_{p−1}(x − 1)]/(p − 1) (Essmann et al., J. Chem. Phys. 103,
//! 8577 (1995), eq. 4.1). At t ∈ [0, 1) past mesh point m the p points m … m + p − 1 have the weights
//! M_p(p − 1 − a + t), a = 0 … p − 1; all of them come from one Horner scheme in t.

use std::f64::consts::PI;

/// Weights of `P` mesh points as polynomials in t: `[power][point]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spline<const P: usize> {
    powers: [[f64; P]; P],
}

impl<const P: usize> Spline<P> {
    pub(super) fn new() -> Self {
        let pieces = pieces(P);
        let mut powers = [[0.0; P]; P];
        for (power, row) in powers.iter_mut().enumerate() {
            for (a, coefficient) in row.iter_mut().enumerate() {
                *coefficient = pieces[P - 1 - a][power];
            }
        }
        Self { powers }
    }

    /// Weights at `t`.
    #[inline(always)]
    pub(super) fn weights(&self, t: f64) -> [f64; P] {
        let mut w = self.powers[P - 1];
        for power in (0..P - 1).rev() {
            for a in 0..P {
                w[a] = w[a] * t + self.powers[power][a];
            }
        }
        w
    }

    /// Derivatives of the weights at `t`.
    #[inline(always)]
    pub(super) fn slopes(&self, t: f64) -> [f64; P] {
        let mut w = self.powers[P - 1].map(|c| c * (P - 1) as f64);
        for power in (1..P - 1).rev() {
            for a in 0..P {
                w[a] = w[a] * t + self.powers[power][a] * power as f64;
            }
        }
        w
    }

    /// Second derivatives of the weights at `t`.
    #[inline(always)]
    pub(super) fn curvatures(&self, t: f64) -> [f64; P] {
        let factor = |power: usize| (power * (power - 1)) as f64;
        let mut w = self.powers[P - 1].map(|c| c * factor(P - 1));
        for power in (2..P - 1).rev() {
            for a in 0..P {
                w[a] = w[a] * t + self.powers[power][a] * factor(power);
            }
        }
        w
    }
}

/// Coefficients of the weights of `order` mesh points in t, `[power][point]`.
pub(super) fn powers(order: usize) -> Vec<f64> {
    let pieces = pieces(order);
    (0..order)
        .flat_map(|power| (0..order).map(move |a| (power, a)))
        .map(|(power, a)| pieces[order - 1 - a][power])
        .collect()
}

/// Coefficients in t of M_p(i + t) for i = 0 … p − 1.
fn pieces(order: usize) -> Vec<Vec<f64>> {
    let mut pieces = vec![vec![1.0]];
    for p in 2..=order {
        let next = |i: usize| {
            let mut sum = vec![0.0; p];
            // (i + t) M_{p−1}(i + t) and (p − i − t) M_{p−1}(i − 1 + t).
            let terms = [(Some(i), i as f64, 1.0), (i.checked_sub(1), (p - i) as f64, -1.0)];
            for (piece, constant, linear) in terms {
                let Some(old) = piece.and_then(|k| pieces.get(k)) else { continue };
                for (power, c) in old.iter().enumerate() {
                    sum[power] += constant * c / (p - 1) as f64;
                    sum[power + 1] += linear * c / (p - 1) as f64;
                }
            }
            sum
        };
        pieces = (0..p).map(next).collect();
    }
    pieces
}

/// |b(m)|² for m = 0 … n − 1: what the B-splines of an order take from a plane wave, inverted
/// (Essmann et al., eq. 4.4).
pub(super) fn moduli(order: usize, n: usize) -> Vec<f64> {
    let at_knots: Vec<f64> = pieces(order).iter().map(|piece| piece[0]).collect();
    let modulus = |m: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (j, value) in at_knots.iter().enumerate() {
            let (sin, cos) = (2.0 * PI * ((m * j) % n) as f64 / n as f64).sin_cos();
            re += value * cos;
            im += value * sin;
        }
        1.0 / (re * re + im * im)
    };
    (0..n).map(modulus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_slopes_are_their_derivatives() {
        let spline = Spline::<8>::new();
        for k in 1..10 {
            let (t, h) = (0.1 * f64::from(k) - 0.05, 1e-4);
            let (w, d) = (spline.weights(t), spline.slopes(t));
            assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let (up, down) = (spline.weights(t + h), spline.weights(t - h));
            let (steep, flat) = (spline.slopes(t + h), spline.slopes(t - h));
            for (a, c) in spline.curvatures(t).into_iter().enumerate() {
                assert!(((steep[a] - flat[a]) / (2.0 * h) - c).abs() < 1e-7);
                assert!(((up[a] - down[a]) / (2.0 * h) - d[a]).abs() < 1e-8);
            }
        }
    }

    #[test]
    fn weights_are_those_of_the_cubic_spline() {
        let spline = Spline::<4>::new();
        for t in [0.0, 0.3, 0.9] {
            let expected = crate::formulas::b_splines(t);
            for (a, w) in spline.weights(t).iter().enumerate() {
                assert!((w - expected[a][0]).abs() < 1e-15, "{t} {a}");
            }
        }
    }
}
