//! Polynomials through the values of a function at Chebyshev's points of [−1, 1].

use std::f64::consts::PI;

/// The `k`-th of `n` zeros of T_n.
pub(crate) fn point(k: usize, n: usize) -> f64 {
    angle(k, n).cos()
}

fn angle(k: usize, n: usize) -> f64 {
    PI * (k as f64 + 0.5) / n as f64
}

/// Coefficients of T_0 … T_{n−1} from the values at the n points.
pub(crate) fn series(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let coefficient = |m: usize| {
        let terms = values.iter().enumerate();
        let sum: f64 = terms.map(|(k, v)| v * (m as f64 * angle(k, n)).cos()).sum();
        sum * if m == 0 { 1.0 } else { 2.0 } / n as f64
    };
    (0..n).map(coefficient).collect()
}

/// A Chebyshev series by powers of its argument: T_{m+1} = 2y T_m − T_{m−1}.
pub(crate) fn powers(series: &[f64]) -> Vec<f64> {
    let n = series.len();
    let mut sum = vec![0.0; n];
    let (mut before, mut current) = (vec![0.0; n], vec![0.0; n]);
    current[0] = 1.0;
    for (m, c) in series.iter().enumerate() {
        sum.iter_mut().zip(&current).for_each(|(s, t)| *s += c * t);
        let factor = if m == 0 { 1.0 } else { 2.0 };
        let next =
            (0..n).map(|k| if k > 0 { factor * current[k - 1] } else { 0.0 } - before[k]).collect();
        before = std::mem::replace(&mut current, next);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_is_found_again() {
        let values: Vec<f64> =
            (0..6).map(|k| point(k, 6)).map(|y| 1.0 - 3.0 * y * y + 0.5 * y.powi(5)).collect();
        let expected = [1.0, 0.0, -3.0, 0.0, 0.0, 0.5];
        for (found, c) in powers(&series(&values)).iter().zip(expected) {
            assert!((found - c).abs() < 1e-14);
        }
    }
}
