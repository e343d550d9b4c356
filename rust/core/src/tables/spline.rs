//! Cubic splines through uniformly spaced values.

use crate::formulas::Jet;

/// Jets at the knots of the cubic not-a-knot spline through uniformly spaced values
/// (the spline of `scipy.interpolate.InterpolatedUnivariateSpline(k=3)`).
pub fn spline_jets(spacing: f64, values: &[f64]) -> Vec<Jet> {
    let n = values.len();
    let moments = spline_moments(spacing, values);
    (0..n)
        .map(|k| {
            let slope = if k + 1 < n {
                (values[k + 1] - values[k]) / spacing
                    - spacing * (2.0 * moments[k] + moments[k + 1]) / 6.0
            } else {
                (values[k] - values[k - 1]) / spacing
                    + spacing * (2.0 * moments[k] + moments[k - 1]) / 6.0
            };
            [values[k], slope, moments[k]]
        })
        .collect()
}

/// Second derivatives at the knots. Not-a-knot ends (third derivative continuous at the second and
/// the last but one knot) make the first and last moments linear extrapolations of their neighbours.
fn spline_moments(spacing: f64, values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let second = |k: usize| (values[k - 1] - 2.0 * values[k] + values[k + 1]) / (spacing * spacing);
    // Interior rows m[k−1] + 4m[k] + m[k+1] = 6·second(k); m[0] = 2m[1] − m[2] turns the first
    // into 6m[1] = 6·second(1), likewise the last.
    let mut moments = vec![0.0; n];
    moments[1] = second(1);
    moments[n - 2] = second(n - 2);
    let mut diagonal = vec![4.0; n];
    for k in 2..n - 2 {
        moments[k] = 6.0 * second(k);
    }
    if n > 4 {
        moments[2] -= moments[1];
        moments[n - 3] -= moments[n - 2];
    }
    for k in 3..n.saturating_sub(2) {
        let factor = 1.0 / diagonal[k - 1];
        diagonal[k] -= factor;
        moments[k] -= factor * moments[k - 1];
    }
    for k in (2..n.saturating_sub(2)).rev() {
        let next = if k + 1 < n - 2 { moments[k + 1] } else { 0.0 };
        moments[k] = (moments[k] - next) / diagonal[k];
    }
    moments[0] = 2.0 * moments[1] - moments[2];
    moments[n - 1] = 2.0 * moments[n - 2] - moments[n - 3];
    moments
}
