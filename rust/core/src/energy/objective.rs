//! Value, gradient, Hessian products and diagonal blocks of the energy in the weights.

use pulp::Simd;

use super::{Energy, Geometry, Workspace, dot, slots};
use crate::ensemble::{Couplings, Field, Objective, SparseInverse};
use crate::formulas::resonance_mean;
use crate::model::PairModel;
use crate::pairs::{Chunk, Record, Values, Visitor};

impl Objective for Energy<'_> {
    fn value_gradient(&mut self, unknowns: &[f64], gradient: &mut [f64]) -> f64 {
        let weights = self.geometry.weights();
        let mut value = self.near_value_gradient(&unknowns[..weights], &mut gradient[..weights]);
        gradient[weights..].fill(0.0);
        self.set_dipoles(unknowns);
        value += self.polarisation(gradient);
        value += self.charges_value(unknowns, gradient);
        value + self.entropy(gradient)
    }

    fn product(&mut self, direction: &[f64], out: &mut [f64]) {
        self.near_product(direction, out);
        self.polarisation_product(direction, out);
        self.charges_product(direction, false, out);
    }

    fn blocks(&mut self, out: &mut [f64]) {
        let geometry = self.geometry;
        let mut starts = vec![0];
        for i in 0..geometry.atoms() {
            starts.push(starts[i] + geometry.members(i).pow(2));
        }
        out.fill(0.0);
        let t = geometry.model.temperature();
        for i in 0..geometry.atoms() {
            let (size, first) = (geometry.members(i), geometry.offsets[i]);
            for (m, a) in (first..geometry.offsets[i + 1]).enumerate() {
                out[starts[i] + m * (size + 1)] = t * self.work.inverse_weights[a];
            }
            self.add_own_block(i, &mut out[starts[i]..starts[i + 1]]);
        }
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        geometry.pairs.accumulate(&mut buffers, out, |chunk, out| {
            block_pass(&geometry, work, chunk, &starts, out);
            0.0
        });
        self.work.buffers = buffers;
    }

    fn tangent_product(&mut self, direction: &[f64], rough: bool, out: &mut [f64]) {
        self.product_on_tangent(direction, rough, out);
    }

    fn couplings(&mut self) -> Vec<Couplings> {
        self.near_couplings()
    }

    fn field(&mut self) -> Option<Field> {
        self.coarse_field()
    }

    fn inverse(&mut self) -> &mut Option<SparseInverse> {
        &mut self.work.inverse
    }
}

impl Energy<'_> {
    /// On-site terms, embedding, electrostatics of near pairs and resonance.
    fn near_value_gradient(&mut self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let geometry = self.geometry;
        let work = &mut *self.work;
        work.sites = None;
        work.weights.clear();
        work.weights.extend_from_slice(weights);
        work.inverse_weights.clear();
        work.inverse_weights.extend(weights.iter().map(|&w| if w > 0.0 { w.recip() } else { 0.0 }));
        geometry.densities(weights, &mut work.buffers, &mut work.background);
        let mut value = self.on_site(gradient);
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        value += geometry.pairs.accumulate(&mut buffers, gradient, |chunk, out| {
            let offsets = geometry.offsets;
            let mut pass = PairGradient { offsets, work, weights, out, energy: 0.0 };
            chunk.pass(geometry.model, &mut pass);
            pass.energy
        });
        self.work.buffers = buffers;
        value + self.resonance(gradient)
    }

    /// Hessian of [`Self::near_value_gradient`] and of the entropy.
    fn near_product(&mut self, direction: &[f64], out: &mut [f64]) {
        out[self.geometry.weights()..].fill(0.0);
        let geometry = self.geometry;
        let t = geometry.model.temperature();
        let work = &mut *self.work;
        let mut response = std::mem::take(&mut work.response);
        geometry.densities(direction, &mut work.buffers, &mut response);
        for i in 0..geometry.atoms() {
            let group = geometry.offsets[i]..geometry.offsets[i + 1];
            let change = response[i];
            let coupling = dot(&direction[group.clone()], &work.embedding_slope[group.clone()]);
            for a in group {
                out[a] =
                    work.embedding_slope[a] * change + t * direction[a] * work.inverse_weights[a];
            }
            // From here on: the factor of ρ_N(R_ij) in the neighbours' rows.
            response[i] = coupling + work.mean_curvature[i] * change;
        }
        let mut buffers = std::mem::take(&mut work.buffers);
        let work = &*self.work;
        geometry.pairs.accumulate(&mut buffers, out, |chunk, out| {
            product_pass(&geometry, work, chunk, direction, &response, out);
            0.0
        });
        self.work.buffers = buffers;
        self.work.response = response;
    }
}

/// Gradient and energy of electrostatics of near pairs and of the embedding's response.
struct PairGradient<'a> {
    offsets: &'a [usize],
    work: &'a Workspace,
    weights: &'a [f64],
    out: &'a mut [f64],
    energy: f64,
}

impl Visitor for PairGradient<'_> {
    const VECTORS: bool = false;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn visit<S: Simd>(&mut self, _: S, record: &Record, _: &PairModel, v: &Values) {
        let Self { work, weights, out, .. } = self;
        let [a, b] = [record.a, record.b].map(|i| i as usize);
        let at = [a, b].map(|i| self.offsets[i]);
        let x = &weights[at[0]..at[0] + v.at_b.len()];
        let y = &weights[at[1]..at[1] + v.at_a.len()];
        self.energy += add_bilinear(v.phi, [x, y], out, at);
        add_scaled(out, at[1], work.mean_slope[a], v.at_a);
        add_scaled(out, at[0], work.mean_slope[b], v.at_b);
    }
}

fn product_pass(
    geometry: &Geometry,
    work: &Workspace,
    chunk: &Chunk,
    direction: &[f64],
    response: &[f64],
    out: &mut [f64],
) {
    chunk.each(geometry.model, |record, pair, v| {
        let at = [geometry.offsets[record.a as usize], geometry.offsets[record.b as usize]];
        let x = [record.a, record.b].map(|i| geometry.weights_of(direction, i));
        add_bilinear(v.phi, x, out, at);
        add_scaled(out, at[1], response[record.a as usize], v.at_a);
        add_scaled(out, at[0], response[record.b as usize], v.at_b);
        for (channel, t) in pair.channels.iter().zip(v.amplitudes) {
            let at = slots(channel, at[0], at[1]);
            let y = at.map(|s| direction[s] * work.inverse_weights[s]);
            let total: f64 = y.iter().sum();
            let strength = 0.125 * t * resonance_mean(at.map(|s| work.weights[s]));
            for (s, y) in at.into_iter().zip(y) {
                out[s] -= strength * work.inverse_weights[s] * (total - 4.0 * y);
            }
        }
    });
}

/// Diagonal blocks of resonance and of the embedding's response to the atom's own density.
fn block_pass(
    geometry: &Geometry,
    work: &Workspace,
    chunk: &Chunk,
    starts: &[usize],
    out: &mut [f64],
) {
    chunk.each(geometry.model, |record, pair, v| {
        let (a, b) = (record.a as usize, record.b as usize);
        let sizes = [a, b].map(|i| geometry.members(i));
        add_outer(&mut out[starts[a]..starts[a + 1]], sizes[0], work.mean_curvature[b], v.at_b);
        add_outer(&mut out[starts[b]..starts[b + 1]], sizes[1], work.mean_curvature[a], v.at_a);
        for (channel, t) in pair.channels.iter().zip(v.amplitudes) {
            let at = slots(channel, geometry.offsets[a], geometry.offsets[b]);
            let strength = 0.125 * t * resonance_mean(at.map(|s| work.weights[s]));
            for (atom, states, two) in
                [(a, channel.first, [at[0], at[1]]), (b, channel.second, [at[2], at[3]])]
            {
                let size = geometry.members(atom);
                let block = &mut out[starts[atom]..starts[atom + 1]];
                let inverse = two.map(|s| work.inverse_weights[s]);
                for (m, x) in states.iter().zip(inverse) {
                    for (n, y) in states.iter().zip(inverse) {
                        let factor = if m == n { 3.0 } else { -1.0 };
                        block[m * size + n] += factor * strength * x * y;
                    }
                }
            }
        }
    });
}

fn add_outer(block: &mut [f64], size: usize, factor: f64, x: &[f64]) {
    for (row, x1) in block.chunks_exact_mut(size).zip(x) {
        row.iter_mut().zip(x).for_each(|(o, x2)| *o += factor * x1 * x2);
    }
}

/// Adds φ·y to `gx` and φᵀ·x to `gy`; returns x·φ·y.
#[inline(always)]
#[allow(clippy::inline_always)]
fn add_bilinear(phi: &[f64], [x, y]: [&[f64]; 2], out: &mut [f64], [a, b]: [usize; 2]) -> f64 {
    let mut energy = 0.0;
    for (m, row) in phi.chunks_exact(y.len()).enumerate() {
        let s = dot(row, y);
        out[a + m] += s;
        energy += x[m] * s;
        for (n, value) in row.iter().enumerate() {
            out[b + n] += x[m] * value;
        }
    }
    energy
}

#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn add_scaled(out: &mut [f64], start: usize, factor: f64, x: &[f64]) {
    out[start..start + x.len()].iter_mut().zip(x).for_each(|(o, x)| *o += factor * x);
}
