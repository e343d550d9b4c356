//! Forces, virial and per-atom energies at the minimising weights (envelope theorem).

use pulp::Simd;

use super::{Energy, Geometry, Workspace, dot, slots};
use crate::formulas::resonance_mean;
use crate::model::PairModel;
use crate::pairs::{Record, Values, Visitor, slopes_in};
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
            let (geometry, scratch) = (&geometry, Vec::new());
            let mut pass = PairDerivatives { geometry, work, out: &mut *out, scratch };
            chunk.pass(geometry.model, &mut pass);
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
        } else {
            self.far_charges(&mut forces, &mut virial, &mut energies);
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
struct PairDerivatives<'a> {
    geometry: &'a Geometry<'a>,
    work: &'a Workspace,
    out: &'a mut [f64],
    scratch: Vec<f64>,
}

impl Visitor for PairDerivatives<'_> {
    const VECTORS: bool = true;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn visit<S: Simd>(&mut self, simd: S, record: &Record, pair: &PairModel, values: &Values) {
        let Self { geometry, work, out, scratch } = self;
        let n = geometry.atoms();
        let d = slopes_in(simd, pair, geometry.kernel, record, values, scratch);
        let (a, b) = (record.a as usize, record.b as usize);
        let (start_a, start_b) = (geometry.offsets[a], geometry.offsets[b]);
        // Lengths of the values are known to the compiler, those of all weights are not.
        let wa = &work.weights[start_a..start_a + values.at_b.len()];
        let wb = &work.weights[start_b..start_b + values.at_a.len()];
        let mut energy = bilinear(values.phi, wa, wb);
        let mut slope = bilinear(&d.phi[..values.phi.len()], wa, wb)
            + work.mean_slope[a] * dot(d.at_a, wb)
            + work.mean_slope[b] * dot(d.at_b, wa);
        for (k, channel) in pair.channels.iter().enumerate() {
            let at = slots(channel, start_a, start_b);
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
#[inline(always)]
#[allow(clippy::inline_always)]
fn bilinear(phi: &[f64], x: &[f64], y: &[f64]) -> f64 {
    phi.chunks_exact(y.len()).zip(x).map(|(row, x)| x * dot(row, y)).sum()
}
