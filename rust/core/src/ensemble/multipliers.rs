//! Lagrange multipliers of the charges.

use super::Constraints;

/// μ of every fragment by weighted least squares of the stationarity conditions; where every group
/// is at a vertex, the middle of the interval that keeps all empty states empty.
pub(super) fn chemical_potentials(
    constraints: &Constraints,
    weights: &[f64],
    gradient: &[f64],
) -> Vec<f64> {
    let sums = constraints.sums(|g| {
        let group = constraints.group(g).filter(|&a| constraints.allowed(a));
        let (mut mean_q, mut mean_g) = (0.0, 0.0);
        for a in group.clone() {
            mean_q += weights[a] * constraints.charges[a];
            mean_g += weights[a] * gradient[a];
        }
        let [mut covariance, mut variance] = [0.0; 2];
        for a in group {
            let dq = constraints.charges[a] - mean_q;
            covariance += weights[a] * dq * (gradient[a] - mean_g);
            variance += weights[a] * dq * dq;
        }
        [covariance, variance]
    });
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
