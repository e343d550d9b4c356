//! Vectors of all pairs of an atom, and what a single model has of them.

use super::lanes::{LANES, Lanes, ZERO};

/// Vectors of all pairs of an atom, by block.
pub(super) type Field = Vec<[Lanes; 3]>;

/// Derivatives of a single model in one coefficient: of its value, and of its slopes.
pub(super) struct Derivative {
    pub(super) coefficient: usize,
    pub(super) value: f64,
    pub(super) slope: Field,
}

/// Value, slopes and derivatives of a single model.
pub(super) struct Local {
    pub(super) value: f64,
    pub(super) slope: Field,
    pub(super) derivatives: Vec<Derivative>,
}

#[inline(always)]
pub(super) fn add_lanes(sum: &mut Lanes, factor: f64, lanes: &Lanes) {
    for w in 0..LANES {
        sum[w] += factor * lanes[w];
    }
}

#[inline(always)]
pub(super) fn scaled(field: &Field, factor: f64) -> Field {
    field.iter().map(|v| v.map(|lanes| lanes.map(|x| factor * x))).collect()
}

/// An empty field is zero.
#[inline(always)]
pub(super) fn add_scaled(sum: &mut Field, field: &Field, factor: f64) {
    if sum.is_empty() {
        *sum = scaled(field, factor);
        return;
    }
    for (x, y) in sum.iter_mut().zip(field) {
        for d in 0..3 {
            for w in 0..LANES {
                x[d][w] += factor * y[d][w];
            }
        }
    }
}

#[inline(always)]
pub(super) fn weighted<'a>(
    weights: &[f64],
    fields: impl Iterator<Item = &'a Field>,
    blocks: usize,
) -> Field {
    let mut sum = vec![[ZERO; 3]; blocks];
    weights.iter().zip(fields).for_each(|(&w, field)| add_scaled(&mut sum, field, w));
    sum
}
