//! Second derivatives of the energy between the weights and dipoles of near atoms.

use rayon::prelude::*;

use super::{Energy, Workspace, slots};
use crate::COULOMB;
use crate::ensemble::Couplings;
use crate::formulas::resonance_mean;
use crate::model::{DipoleValues, PairModel};
use crate::pairs::{Chunk, Record, Values};
use crate::structure::Vec3;

/// Atoms nearer than this (Å) are coupled in the preconditioner. The inverse of the Hessian decays
/// within an ångström or two; more costs more than it saves.
pub(super) const NEAR: f64 = 3.6;
/// Two atoms nearer than this (Å) to a third are coupled by the curvature of its embedding, if nearer
/// than [`NEAR`] to each other: the mesh of `coarse` relies on that.
const BONDED: f64 = 2.2;
/// Subtracted from 1/R, Å⁻¹, between all atoms and of an atom with itself: the charges around a
/// small cluster screen its own. Without it a factorised inverse is too stiff, by twice the products.
/// The total charge is fixed, so a constant changes nothing where all atoms are near.
const SCREENING: f64 = 0.18;

/// An atom near another, its centre.
#[derive(Clone, Copy)]
struct Bonded<'a> {
    centre: u32,
    atom: u32,
    /// Densities of its states at the centre.
    at: &'a [f64],
    /// Vector from the centre to it, Å.
    to: Vec3,
}

impl Bonded<'_> {
    fn is_near(&self, other: &Self) -> bool {
        let apart: Vec3 = [0, 1, 2].map(|d| self.to[d] - other.to[d]);
        crate::structure::dot(&apart, &apart) < NEAR * NEAR
    }
}

impl Energy<'_> {
    /// Blocks of all pairs nearer than [`NEAR`].
    pub(super) fn near_couplings(&self) -> Vec<Couplings> {
        let chunks = self.geometry.pairs.chunks();
        let parts = chunks.par_iter().map(|chunk| {
            let (mut found, mut bonds) = (Couplings::default(), Vec::new());
            self.couple_pairs(chunk, &mut found, &mut bonds);
            self.couple_dipoles(chunk, &mut found);
            (found, bonds)
        });
        let (mut parts, bonds): (Vec<_>, Vec<_>) = parts.unzip();
        let mut bonds = bonds.concat();
        bonds.sort_by_key(|bond| bond.centre);
        let mut found = Couplings::default();
        self.couple_by_embedding(&bonds, &mut found);
        self.screen_atoms(&mut found);
        parts.push(found);
        parts
    }

    fn couple_pairs<'b>(
        &self,
        chunk: &'b Chunk,
        found: &mut Couplings,
        bonds: &mut Vec<Bonded<'b>>,
    ) {
        let mut block = Vec::new();
        chunk.each(self.geometry.model, |record, pair, values| {
            if record.distance >= NEAR {
                return;
            }
            self.fill_block(record, pair, values, &mut block);
            let (a, b) = (record.a, record.b);
            found.push([a, b].map(|i| i as usize), &block, pair.states[1]);
            if record.distance < BONDED {
                let back = record.vector.map(|x| -x);
                bonds.push(Bonded { centre: a, atom: b, at: values.at_a, to: record.vector });
                bonds.push(Bonded { centre: b, atom: a, at: values.at_b, to: back });
            }
        });
    }

    /// Dipoles with near dipoles and weights.
    fn couple_dipoles(&self, chunk: &Chunk, found: &mut Couplings) {
        let geometry = self.geometry;
        let mut block = Vec::new();
        chunk.each_dipole(geometry.model, |record, values| {
            // An atom's dipoles and charges do not see those of its own images but by their sum.
            if record.distance < NEAR && record.a != record.b {
                let pair = [record.a, record.b].map(|i| i as usize);
                self.fill_dipole_block(record, &values, &mut block);
                found.push(pair, &block, geometry.members(pair[1]));
            }
        });
    }

    fn fill_dipole_block(&self, record: &Record, v: &DipoleValues, block: &mut Vec<f64>) {
        let geometry = self.geometry;
        let [a, b] = [record.a, record.b].map(|i| i as usize);
        let [rows, columns] = [a, b].map(|i| geometry.members(i));
        let [of_a, of_b] = [v.second.len(), v.first.len()];
        let d = &record.vector;
        let [f1, f2] = geometry.coulomb.map_or([0.0; 2], |c| c.rest_of_dipoles(record.distance));
        block.clear();
        block.resize(rows * columns, 0.0);
        let mut add = |m: usize, n: usize, x: f64| block[m * columns + n] += x;
        for p in 0..rows - of_a {
            for ((n, x), q) in v.first.iter().enumerate().zip(geometry.state_charges(b)) {
                add(of_a + p, n, -(x + q * f1) * d[p]);
            }
        }
        for p in 0..columns - of_b {
            for ((m, x), q) in v.second.iter().enumerate().zip(geometry.state_charges(a)) {
                add(m, of_b + p, (x + q * f1) * d[p]);
            }
        }
        if rows > of_a && columns > of_b {
            let [b1, b2] = [v.both[0] + f1, v.both[1] + f2];
            for p in 0..3 {
                add(of_a + p, of_b + p, -b1);
                (0..3).for_each(|q| add(of_a + p, of_b + q, -b2 * d[p] * d[q]));
            }
        }
    }

    /// F″ of an atom's embedding times the densities of two neighbours' states; `bonds` by centre.
    fn couple_by_embedding(&self, bonds: &[Bonded], found: &mut Couplings) {
        let mut block = Vec::new();
        for neighbors in bonds.chunk_by(|a, b| a.centre == b.centre) {
            let curvature = self.work.mean_curvature[neighbors[0].centre as usize];
            for (k, a) in neighbors.iter().enumerate() {
                for b in neighbors[..k].iter().filter(|b| a.is_near(b)) {
                    block.clear();
                    for x in a.at {
                        block.extend(b.at.iter().map(|y| curvature * x * y));
                    }
                    found.push([a.atom, b.atom].map(|i| i as usize), &block, b.at.len());
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
