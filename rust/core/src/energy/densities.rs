//! What parameters of the states' densities do: to background densities, and to dipoles.

use super::Energy;
use super::parameters::{Explicit, Pair, Total, add};
use crate::model::{Change, Changes, ParameterSet, Side, Target};
use crate::structure::{Vec3, dot};

/// A dipole in the field of a state of the other atom: its energy is ω f₁ times [`Field::along`].
pub(super) struct Field {
    dipole: usize,
    moment: Vec3,
    /// The weight of the state.
    pub(super) state: usize,
    /// From the state to the dipole, Å: the vector of the pair times the sign.
    vector: Vec3,
    sign: f64,
}

impl Field {
    /// m·(R_dipole − R_state).
    pub(super) fn along(&self) -> f64 {
        dot(&self.moment, &self.vector)
    }
}

impl Pair<'_> {
    /// The atom that feels a state of the other, and the weight of the state.
    pub(super) fn feels(&self, at: Side, state: usize) -> (usize, usize) {
        match at {
            Side::First => (self.record.a as usize, self.at[1] + state),
            Side::Second => (self.record.b as usize, self.at[0] + state),
        }
    }
}

impl Energy<'_> {
    /// Derivatives of the background densities at fixed weights, and what follows for each atom: those
    /// of its embedding energies and of their mean slope.
    pub(super) fn backgrounds_by(
        &self,
        set: &ParameterSet,
        changes: &mut Changes,
        found: &mut Explicit,
    ) {
        let (work, p) = (&*self.work, set.len());
        let mut background = vec![0.0; found.slopes.len()];
        self.each_pair(|pair| {
            for change in set.of_pair(pair.record.kind, pair.record.distance, changes) {
                if let Target::Density(at, state) = change.target {
                    let (atom, a) = pair.feels(at, state);
                    background[atom * p + change.column] += work.weights[a] * change.value;
                }
            }
        });
        for i in 0..self.geometry.atoms() {
            let by = &background[i * p..][..p];
            add(&mut found.slopes[i * p..][..p], work.mean_curvature[i], by);
            for a in self.geometry.offsets[i]..self.geometry.offsets[i + 1] {
                add(&mut found.weights[a * p..][..p], work.embedding_slope[a], by);
            }
        }
    }

    /// A dipole of a pair and the state it feels.
    pub(super) fn field(&self, pair: &Pair, at: Side, state: usize) -> Field {
        let (dipole, state) = pair.feels(at, state);
        let sign = if at == Side::First { -1.0 } else { 1.0 };
        let (moment, vector) =
            (self.work.induced.dipoles[dipole], pair.record.vector.map(|x| sign * x));
        Field { dipole, moment, state, vector, sign }
    }

    /// Derivatives by weight and dipole.
    pub(super) fn field_by(&self, field: &Field, change: &Change, p: usize, out: &mut [f64]) {
        let weight = self.work.weights[field.state];
        out[field.state * p + change.column] += change.value * field.along();
        let first = self.geometry.weights() + 3 * field.dipole;
        for (d, x) in field.vector.iter().enumerate() {
            out[(first + d) * p + change.column] += change.value * weight * x;
        }
    }

    /// Force and virial by the direction of the dipole; those along the pair are its slope's.
    pub(super) fn field_force_by(
        &self,
        field: &Field,
        pair: &Pair,
        change: &Change,
        total: &mut Total,
    ) {
        let p = total.virial.len() / 9;
        let (a, b) = (pair.record.a as usize, pair.record.b as usize);
        let strength = field.sign * change.value * self.work.weights[field.state];
        for (d, m) in field.moment.iter().enumerate() {
            let slope = strength * m;
            total.forces[(3 * a + d) * p + change.column] += slope;
            total.forces[(3 * b + d) * p + change.column] -= slope;
            for (e, x) in pair.record.vector.iter().enumerate() {
                total.virial[(3 * d + e) * p + change.column] += slope * x;
            }
        }
    }
}
