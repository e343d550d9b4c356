//! Projection onto the tangent space of the constraints.

use super::Constraints;

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
