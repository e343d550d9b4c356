//! Derivatives by the parameters at fixed weights, and along the weights' response to them.
//!
//! At the minimum dA/dθ = ∂E/∂θ. Forces also see the response dω/dθ = −H⁻¹ ∂²E/∂ω∂θ on the tangent
//! space of the constraints (implicit function theorem; see `ensemble::respond`).
//! Tables have one row per quantity and one column per parameter.

use super::{Energy, Geometry, slots};
use crate::formulas::{resonance_mean, root_polynomial};
use crate::model::{Change, Changes, ParameterSet, Target};
use crate::pairs::{Record, Values, slopes};
use crate::potential::{Embedding, Parameter};
use crate::structure::{Mat3, Vec3};

/// Derivatives at fixed weights.
#[derive(Debug, Clone)]
pub struct Explicit {
    /// ∂E/∂θ, eV per unit of the parameter.
    pub energy: Vec<f64>,
    /// ∂²E/∂ω∂θ, a row for each weight and component of a dipole.
    pub weights: Vec<f64>,
    /// ∂²E/∂ρ̄∂θ, a row for each atom.
    pub(super) slopes: Vec<f64>,
}

/// Total derivatives of forces, virial and charges, a row for each number.
#[derive(Debug, Clone)]
pub struct Total {
    /// Of the forces, 3N rows.
    pub forces: Vec<f64>,
    /// Of dA/dstrain, 9 rows.
    pub virial: Vec<f64>,
    /// Of the charges, N rows.
    pub charges: Vec<f64>,
}

/// The pieces of one pair that all passes need.
pub(super) struct Pair<'a> {
    pub(super) record: &'a Record,
    channels: &'a [crate::model::Channel],
    values: Values<'a>,
    /// First weights of the two atoms.
    pub(super) at: [usize; 2],
}

impl Energy<'_> {
    /// Derivatives at fixed weights, those of the last call of `value_gradient`.
    pub fn explicit(&self, set: &ParameterSet) -> Explicit {
        let (n, p) = (self.geometry.atoms(), set.len());
        let mut found = Explicit {
            energy: vec![0.0; p],
            weights: vec![0.0; self.geometry.unknowns() * p],
            slopes: vec![0.0; n * p],
        };
        for (column, parameter) in set.parameters.iter().enumerate() {
            self.on_site_by(*parameter, column, p, &mut found);
        }
        let mut changes = Changes::default();
        if set.has_densities() {
            self.backgrounds_by(set, &mut changes, &mut found);
        }
        self.each_pair(|pair| {
            let Record { a, b, kind, distance, .. } = *pair.record;
            for (atom, start, densities) in
                [(a, pair.at[1], pair.values.at_a), (b, pair.at[0], pair.values.at_b)]
            {
                let slope = &found.slopes[atom as usize * p..][..p];
                for (m, density) in densities.iter().enumerate() {
                    add(&mut found.weights[(start + m) * p..][..p], *density, slope);
                }
            }
            for change in set.of_pair(kind, distance, &mut changes) {
                self.pair_by(&pair, change, p, &mut found);
            }
        });
        found
    }

    /// Temperature, state energies, polarisabilities, embedding functions.
    fn on_site_by(&self, parameter: Parameter, column: usize, p: usize, found: &mut Explicit) {
        let Geometry { model, elements, offsets, .. } = self.geometry;
        let weights = &self.work.weights;
        match parameter {
            Parameter::Temperature => {
                for (a, w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    found.energy[column] += w * w.ln();
                    found.weights[a * p + column] += w.ln() + 1.0;
                }
            }
            Parameter::Energy(element, state) => {
                for i in (0..elements.len()).filter(|&i| usize::from(elements[i]) == element) {
                    found.energy[column] += weights[offsets[i] + state];
                    found.weights[(offsets[i] + state) * p + column] = 1.0;
                }
            }
            Parameter::Polarisability(element, state) => {
                for i in (0..elements.len()).filter(|&i| usize::from(elements[i]) == element) {
                    found.energy[column] += self.by_polarisability(i, state, |k, value| {
                        found.weights[k * p + column] += value;
                    });
                }
            }
            Parameter::Embedding(element, state, power) => {
                let Some(function) = model.file().elements.values().nth(element) else { return };
                let Some(Embedding::RootPolynomial { shift, .. }) =
                    function.states[state].embedding
                else {
                    return;
                };
                let mut unit = vec![0.0; power + 1];
                unit[power] = 1.0;
                for i in (0..elements.len()).filter(|&i| usize::from(elements[i]) == element) {
                    let jet = root_polynomial(shift, &unit, self.work.background[i].max(0.0));
                    let a = offsets[i] + state;
                    found.energy[column] += weights[a] * jet[0];
                    found.weights[a * p + column] += jet[0];
                    found.slopes[i * p + column] += weights[a] * jet[1];
                }
            }
            _ => {}
        }
    }

    /// A change of a radial function of a pair.
    fn pair_by(&self, pair: &Pair, change: &Change, p: usize, found: &mut Explicit) {
        let (weights, Change { column, target, value, .. }) = (&self.work.weights, *change);
        found.energy[column] += value * self.factor(pair, target);
        match target {
            // The same for every ensemble: it lies along the constraints.
            Target::Energy => {}
            Target::StateEnergy(m, n) => {
                let (a, b) = (pair.at[0] + m, pair.at[1] + n);
                found.weights[a * p + column] += value * weights[b];
                found.weights[b * p + column] += value * weights[a];
            }
            Target::Amplitude(channel) => {
                let at = slots(&pair.channels[channel], pair.at[0], pair.at[1]);
                let strength = 0.5 * value * resonance_mean(at.map(|s| weights[s]));
                for s in at {
                    found.weights[s * p + column] -= strength * self.work.inverse_weights[s];
                }
            }
            Target::Density(at, state) => {
                let (atom, a) = pair.feels(at, state);
                found.weights[a * p + column] += value * self.work.mean_slope[atom];
            }
            Target::Field(at, state) => {
                let field = self.field(pair, at, state);
                self.field_by(&field, change, p, &mut found.weights);
            }
        }
    }

    /// What a radial function of a pair is multiplied with in the energy.
    fn factor(&self, pair: &Pair, target: Target) -> f64 {
        let weights = &self.work.weights;
        match target {
            Target::Energy => 1.0,
            Target::StateEnergy(m, n) => weights[pair.at[0] + m] * weights[pair.at[1] + n],
            Target::Amplitude(channel) => {
                let at = slots(&pair.channels[channel], pair.at[0], pair.at[1]);
                -2.0 * resonance_mean(at.map(|s| weights[s]))
            }
            Target::Density(at, state) => {
                let (atom, a) = pair.feels(at, state);
                weights[a] * self.work.mean_slope[atom]
            }
            Target::Field(at, state) => {
                let field = self.field(pair, at, state);
                weights[field.state] * field.along()
            }
        }
    }

    /// Total derivatives of forces, virial and charges; `response` is dω/dθ, a row for each
    /// unknown.
    pub fn total(&self, set: &ParameterSet, explicit: &Explicit, response: &[f64]) -> Total {
        let (n, p) = (self.geometry.atoms(), set.len());
        let mut total = Total {
            forces: vec![0.0; 3 * n * p],
            virial: vec![0.0; 9 * p],
            charges: vec![0.0; n * p],
        };
        let slopes = self.slopes_along(explicit, response, p);
        let mut slope = vec![0.0; p];
        let (mut scratch, mut changes) = (Vec::new(), Changes::default());
        self.each_pair(|pair| {
            slope.fill(0.0);
            self.pair_slope_along(&pair, response, &slopes, &mut scratch, &mut slope);
            let Record { a, b, kind, vector, distance, .. } = *pair.record;
            for change in set.of_pair(kind, distance, &mut changes) {
                slope[change.column] += change.slope * self.factor(&pair, change.target);
                if let Target::Field(at, state) = change.target {
                    self.field_force_by(&self.field(&pair, at, state), &pair, change, &mut total);
                }
            }
            for d in 0..3 {
                let along = vector[d] / distance;
                add(&mut total.forces[(3 * a as usize + d) * p..][..p], along, &slope);
                add(&mut total.forces[(3 * b as usize + d) * p..][..p], -along, &slope);
                for (e, x) in vector.iter().enumerate() {
                    add(&mut total.virial[(3 * d + e) * p..][..p], along * x, &slope);
                }
            }
        });
        self.charges_along(response, &mut total);
        total
    }

    /// Derivatives of Σ_M ω_iM F′_M(ρ̄_i), a row for each atom.
    fn slopes_along(&self, explicit: &Explicit, response: &[f64], p: usize) -> Vec<f64> {
        let work = &*self.work;
        let mut background = vec![0.0; explicit.slopes.len()];
        self.each_pair(|pair| {
            let Record { a, b, .. } = *pair.record;
            for (atom, start, densities) in
                [(a, pair.at[1], pair.values.at_a), (b, pair.at[0], pair.values.at_b)]
            {
                let out = &mut background[atom as usize * p..][..p];
                for (m, density) in densities.iter().enumerate() {
                    add(out, *density, &response[(start + m) * p..][..p]);
                }
            }
        });
        let mut slopes = explicit.slopes.clone();
        for i in 0..self.geometry.atoms() {
            let out = &mut slopes[i * p..][..p];
            add(out, work.mean_curvature[i], &background[i * p..][..p]);
            for a in self.geometry.offsets[i]..self.geometry.offsets[i + 1] {
                add(out, work.embedding_slope[a], &response[a * p..][..p]);
            }
        }
        slopes
    }

    /// Adds the derivatives of a pair's dE/dR by weights and embedding slopes.
    fn pair_slope_along(
        &self,
        pair: &Pair,
        response: &[f64],
        mean_slopes: &[f64],
        scratch: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        let (geometry, work, p) = (&self.geometry, &*self.work, out.len());
        let Record { a, b, kind, .. } = *pair.record;
        let (a, b) = (a as usize, b as usize);
        let elements = geometry.model.elements().len();
        let model = geometry.model.pair(kind as usize / elements, kind as usize % elements);
        let d = slopes(model, geometry.kernel, pair.record, &pair.values, scratch);
        let weights = |i: usize| &work.weights[geometry.offsets[i]..geometry.offsets[i + 1]];
        let (wa, wb) = (weights(a), weights(b));
        add(out, super::dot(d.at_a, wb), &mean_slopes[a * p..][..p]);
        add(out, super::dot(d.at_b, wa), &mean_slopes[b * p..][..p]);
        for (m, row) in d.phi.chunks_exact(wb.len()).enumerate() {
            let factor = super::dot(row, wb) + work.mean_slope[b] * d.at_b[m];
            add(out, factor, &response[(pair.at[0] + m) * p..][..p]);
        }
        for n in 0..wb.len() {
            let column = d.phi.iter().skip(n).step_by(wb.len());
            let factor: f64 = column.zip(wa).map(|(phi, w)| phi * w).sum();
            let factor = factor + work.mean_slope[a] * d.at_a[n];
            add(out, factor, &response[(pair.at[1] + n) * p..][..p]);
        }
        for (channel, slope) in pair.channels.iter().zip(d.amplitudes) {
            let at = slots(channel, pair.at[0], pair.at[1]);
            let strength = 0.5 * slope * resonance_mean(at.map(|s| work.weights[s]));
            for s in at {
                add(out, -strength * work.inverse_weights[s], &response[s * p..][..p]);
            }
        }
    }

    /// Charges, and the forces and the virial of the point charges beyond the pairs. These are
    /// quadratic in the charges: F(q + δ) − F(q − δ) is twice their derivative along δ.
    fn charges_along(&self, response: &[f64], total: &mut Total) {
        let geometry = &self.geometry;
        let n = geometry.atoms();
        let p = total.virial.len() / 9;
        for i in 0..n {
            for (a, q) in (geometry.offsets[i]..).zip(geometry.state_charges(i)) {
                add(&mut total.charges[i * p..][..p], q, &response[a * p..][..p]);
            }
        }
        if geometry.is_polarisable() {
            self.quadratic_forces_along(response, total);
            return;
        }
        let Some(coulomb) = geometry.coulomb else { return };
        let charges = &self.work.charges;
        let size = largest(charges.iter().copied()).max(1e-3);
        for column in 0..p {
            let change = || (0..n).map(|i| total.charges[i * p + column]);
            let scale = size / largest(change());
            if !scale.is_finite() {
                continue;
            }
            let shifted = |sign: f64| {
                let moved: Vec<f64> =
                    change().zip(charges).map(|(d, q)| q + sign * scale * d).collect();
                let (mut forces, mut virial): (Vec<Vec3>, Mat3) =
                    (vec![[0.0; 3]; n], [[0.0; 3]; 3]);
                coulomb.add_forces(&moved, &mut forces, &mut virial);
                (forces, virial)
            };
            let ((f1, v1), (f2, v2)) = (shifted(1.0), shifted(-1.0));
            let half = 0.5 / scale;
            for (k, (x, y)) in f1.iter().flatten().zip(f2.iter().flatten()).enumerate() {
                total.forces[k * p + column] += half * (x - y);
            }
            for (k, (x, y)) in v1.iter().flatten().zip(v2.iter().flatten()).enumerate() {
                total.virial[k * p + column] += half * (x - y);
            }
        }
    }

    pub(super) fn each_pair(&self, mut visit: impl FnMut(Pair)) {
        let geometry = self.geometry;
        for chunk in geometry.pairs.chunks() {
            chunk.each(geometry.model, |record, model, values| {
                let at = [record.a, record.b].map(|i| geometry.offsets[i as usize]);
                visit(Pair { record, channels: &model.channels, values: *values, at });
            });
        }
    }
}

pub(super) fn add(out: &mut [f64], factor: f64, x: &[f64]) {
    out.iter_mut().zip(x).for_each(|(o, x)| *o += factor * x);
}

fn largest(x: impl Iterator<Item = f64>) -> f64 {
    x.fold(0.0, |m, x| m.max(x.abs()))
}
