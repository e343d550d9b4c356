//! Second derivatives of the energy between the weights of near atoms.

use super::{Energy, Workspace, slots};
use crate::COULOMB;
use crate::ensemble::Couplings;
use crate::formulas::resonance_mean;
use crate::model::PairModel;
use crate::pairs::{Record, Values};

/// Atoms nearer than this (Å) are coupled in the preconditioner. The inverse of the Hessian decays
/// within an ångström or two; more costs more than it saves.
pub(super) const NEAR: f64 = 3.6;
/// Two atoms nearer than this (Å) to a third are coupled by the curvature of its embedding; at most
/// half of [`NEAR`], the reach that the mesh of `coarse` expects.
const BONDED: f64 = 1.8;
/// Subtracted from 1/R, Å⁻¹, between all atoms and of an atom with itself: the charges around a
/// small cluster screen its own. Without it a factorised inverse is too stiff, by twice the products.
/// The total charge is fixed, so a constant changes nothing where all atoms are near.
const SCREENING: f64 = 0.18;

impl Energy<'_> {
    /// Blocks of all pairs nearer than [`NEAR`].
    pub(super) fn near_couplings(&self) -> Couplings {
        let geometry = self.geometry;
        let mut found = Couplings::default();
        let mut block = Vec::new();
        let mut around: Vec<Vec<(u32, &[f64])>> = vec![Vec::new(); geometry.atoms()];
        for chunk in geometry.pairs.chunks() {
            for (record, pair, values) in chunk.iter(geometry.model) {
                if record.distance >= NEAR {
                    continue;
                }
                self.fill_block(record, pair, &values, &mut block);
                let (a, b) = (record.a, record.b);
                found.push([a, b].map(|i| i as usize), &block, pair.states[1]);
                if record.distance < BONDED {
                    around[a as usize].push((b, values.at_a));
                    around[b as usize].push((a, values.at_b));
                }
            }
        }
        self.couple_by_embedding(&around, &mut found);
        self.screen_atoms(&mut found);
        found
    }

    /// F″ of an atom's embedding times the densities of two neighbours' states.
    fn couple_by_embedding(&self, around: &[Vec<(u32, &[f64])>], found: &mut Couplings) {
        let mut block = Vec::new();
        for (neighbors, curvature) in around.iter().zip(&self.work.mean_curvature) {
            for (k, (a, at_a)) in neighbors.iter().enumerate() {
                for (b, at_b) in &neighbors[..k] {
                    block.clear();
                    for x in *at_a {
                        block.extend(at_b.iter().map(|y| curvature * x * y));
                    }
                    found.push([*a, *b].map(|i| i as usize), &block, at_b.len());
                }
            }
        }
    }

    fn screen_atoms(&self, found: &mut Couplings) {
        let mut block = Vec::new();
        for i in 0..self.geometry.atoms() {
            let charges = || self.geometry.state_charges(i);
            block.clear();
            for x in charges() {
                block.extend(charges().map(|y| -COULOMB * SCREENING * x * y));
            }
            found.push([i, i], &block, charges().count());
        }
    }

    fn fill_block(&self, record: &Record, pair: &PairModel, v: &Values, block: &mut Vec<f64>) {
        let geometry = self.geometry;
        let Workspace { weights, inverse_weights, embedding_slope, .. } = &*self.work;
        let (a, b) = (record.a as usize, record.b as usize);
        let at = [a, b].map(|i| geometry.offsets[i]);
        let columns = pair.states[1];
        block.clear();
        block.extend_from_slice(v.phi);
        let rest = geometry.coulomb.map_or(0.0, |coulomb| coulomb.rest(record.distance));
        let rest = rest - COULOMB * SCREENING;
        for (m, qa) in geometry.state_charges(a).enumerate() {
            for (n, qb) in geometry.state_charges(b).enumerate() {
                block[m * columns + n] += rest * qa * qb
                    + embedding_slope[at[0] + m] * v.at_a[n]
                    + embedding_slope[at[1] + n] * v.at_b[m];
            }
        }
        for (channel, t) in pair.channels.iter().zip(v.amplitudes) {
            let of = slots(channel, at[0], at[1]);
            let strength = 0.125 * t * resonance_mean(of.map(|s| weights[s]));
            for m in &of[..2] {
                for n in &of[2..] {
                    block[(m - at[0]) * columns + n - at[1]] -=
                        strength * inverse_weights[*m] * inverse_weights[*n];
                }
            }
        }
    }
}
