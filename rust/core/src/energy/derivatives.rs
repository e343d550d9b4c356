//! Forces, virial and per-atom energies at the minimising weights (envelope theorem).

use super::{Energy, Geometry, Workspace, dot, slots};
use crate::evaluator::Watch;
use crate::formulas::resonance_mean;
use crate::pairs::{Chunk, slopes};
use crate::structure::{Mat3, Vec3};

/// Forces, virial and per-atom energies at given weights.
#[derive(Debug, Clone, Default)]
pub struct Derivatives {
    /// −dA/dR at fixed weights, eV/Å.
    pub forces: Vec<Vec3>,
    /// dA/dstrain, eV (symmetric).
    pub virial: Mat3,
    /// Share of every atom in the energy without the entropy, eV.
    pub energies: Vec<f64>,
}

/// Numbers a pair pass accumulates per atom: force, energy; then nine for the virial.
const PER_ATOM: usize = 4;

impl Energy<'_> {
    /// Forces, virial and per-atom energies at the weights of the last call of `value_gradient`.
    pub fn derivatives(&mut self) -> Derivatives {
        let geometry = self.geometry;
        let n = geometry.atoms();
        let mut flat = vec![0.0; PER_ATOM * n + 9];
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        geometry.pairs.accumulate(&mut buffers, &mut flat, |chunk, out| {
            pair_derivatives(&geometry, work, chunk, out);
            if geometry.is_polarisable() {
                geometry.add_dipole_forces(&work.unknowns, chunk, out);
            }
            0.0
        });
        self.work.buffers = buffers;
        let mut forces: Vec<Vec3> =
            flat[..3 * n].chunks_exact(3).map(|f| [f[0], f[1], f[2]]).collect();
        let tail = &flat[PER_ATOM * n..];
        let mut virial: Mat3 = [0, 1, 2].map(|p| [0, 1, 2].map(|q| tail[3 * p + q]));
        let mut energies = flat[3 * n..4 * n].to_vec();
        for (i, e) in energies.iter_mut().enumerate() {
            *e += self.on_site_energy(i) + self.own_energy(i);
        }
        if geometry.is_polarisable() {
            self.far_multipoles(&mut forces, &mut virial, &mut energies);
        } else if let Some(coulomb) = geometry.coulomb {
            let Workspace { charges, potential, potential_is_of_charges, long_range, .. } =
                &mut *self.work;
            let mut watch = Watch::start();
            if *potential_is_of_charges {
                coulomb.add_forces(charges, &mut forces, &mut virial);
            } else {
                potential.fill(0.0);
                coulomb.add_all(charges, potential, &mut forces, &mut virial);
                *potential_is_of_charges = true;
            }
            *long_range += watch.lap();
            for (e, (q, v)) in energies.iter_mut().zip(charges.iter().zip(&*potential)) {
                *e += 0.5 * q * v;
            }
        }
        Derivatives { forces, virial, energies }
    }

    fn on_site_energy(&self, atom: usize) -> f64 {
        let geometry = &self.geometry;
        let states = &geometry.model.elements()[usize::from(geometry.elements[atom])].states;
        let weights = &self.work.weights[geometry.offsets[atom]..];
        states
            .iter()
            .zip(weights)
            .map(|(s, w)| w * (s.energy + s.embedding(self.work.background[atom])[0]))
            .sum()
    }
}

/// Pair contributions to forces (first 3n), energies (next n) and virial (last 9).
fn pair_derivatives(geometry: &Geometry, work: &Workspace, chunk: &Chunk, out: &mut [f64]) {
    let n = geometry.atoms();
    let mut scratch = Vec::new();
    for (record, pair, values) in chunk.iter(geometry.model) {
        let n_elements = geometry.model.elements().len();
        let d = slopes(pair, geometry.kernel, record, &values, n_elements, &mut scratch);
        let (a, b) = (record.a as usize, record.b as usize);
        let (wa, wb) = (
            geometry.weights_of(&work.weights, record.a),
            geometry.weights_of(&work.weights, record.b),
        );
        let mut energy = bilinear(values.phi, wa, wb);
        let mut slope = bilinear(d.phi, wa, wb)
            + work.mean_slope[a] * dot(d.at_a, wb)
            + work.mean_slope[b] * dot(d.at_b, wa);
        for (k, channel) in pair.channels.iter().enumerate() {
            let at = slots(channel, geometry.offsets[a], geometry.offsets[b]);
            let mean = resonance_mean(at.map(|s| work.weights[s]));
            energy -= 2.0 * values.amplitudes[k] * mean;
            slope -= 2.0 * d.amplitudes[k] * mean;
        }
        out[3 * n + a] += 0.5 * energy;
        out[3 * n + b] += 0.5 * energy;
        let factor = slope / record.distance;
        for p in 0..3 {
            let f = factor * record.vector[p];
            out[3 * a + p] += f;
            out[3 * b + p] -= f;
            for q in 0..3 {
                out[PER_ATOM * n + 3 * p + q] += f * record.vector[q];
            }
        }
    }
}

/// Σ_MN x_M φ_MN y_N.
fn bilinear(phi: &[f64], x: &[f64], y: &[f64]) -> f64 {
    phi.chunks_exact(y.len()).zip(x).map(|(row, x)| x * dot(row, y)).sum()
}
