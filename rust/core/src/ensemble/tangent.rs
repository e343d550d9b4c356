//! Projection onto the tangent space of the constraints.

use rayon::prelude::*;

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
    constraints.by_groups(&mut y[..constraints.weights()]).for_each(|(y, groups)| {
        let begin = constraints.offsets[groups.start];
        for group in groups.map(|g| constraints.group(g)) {
            let root = &root[group.clone()];
            let y = &mut y[group.start - begin..group.end - begin];
            let along: f64 = root.iter().zip(&*y).map(|(r, y)| r * y).sum();
            let norm: f64 = root.iter().map(|r| r * r).sum();
            let along = if norm > 0.0 { along / norm } else { 0.0 };
            y.iter_mut().zip(root).for_each(|(y, r)| *y -= along * r);
        }
    });
    let sums = constraints.sums(|g| {
        let group = constraints.group(g);
        let along = group.clone().map(|a| charge[a] * y[a]).sum();
        [along, group.map(|a| charge[a] * charge[a]).sum()]
    });
    let along = |&[along, norm]: &[f64; 2]| if norm > 0.0 { along / norm } else { 0.0 };
    constraints.subtract(&sums.iter().map(along).collect::<Vec<_>>(), charge, y);
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
