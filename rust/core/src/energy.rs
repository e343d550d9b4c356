//! The energy of design 2.3 as a function of the weights, and its derivatives in the positions.
//!
//! Passes: background density → embedding per atom → pairs (electrostatics, embedding response,
//! resonance) → point charges → entropy. Hessian products repeat them linearised.

use crate::coulomb::Coulomb;
use crate::ensemble::Objective;
use crate::formulas::{entropy, resonance_mean};
use crate::model::{Channel, Model};
use crate::pairs::{ChargeKernel, Chunk, Pairs, slopes};
use crate::structure::{Mat3, Vec3};

/// Everything that is fixed while the weights are sought.
#[derive(Clone, Copy)]
pub struct Geometry<'a> {
    /// Compiled potential.
    pub model: &'a Model,
    /// Pairs within the cutoff.
    pub pairs: &'a Pairs,
    /// Point-charge kernel of the pairs.
    pub kernel: Option<&'a ChargeKernel>,
    /// Point charges beyond the pairs; absent when all states are neutral.
    pub coulomb: Option<&'a Coulomb>,
    /// Element index of every atom.
    pub elements: &'a [u8],
    /// First weight of every atom, and their total number.
    pub offsets: &'a [usize],
}

/// Arrays of one minimisation, reused between geometries.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    weights: Vec<f64>,
    inverse_weights: Vec<f64>,
    /// ρ̄_i, e/Å³.
    pub background: Vec<f64>,
    embedding_slope: Vec<f64>,
    mean_slope: Vec<f64>,
    mean_curvature: Vec<f64>,
    /// q_i, e.
    pub charges: Vec<f64>,
    potential: Vec<f64>,
    change: Vec<f64>,
    response: Vec<f64>,
    buffers: Vec<Vec<f64>>,
}

/// The energy at a geometry: an [`Objective`] of the weights.
pub struct Energy<'a> {
    geometry: Geometry<'a>,
    work: &'a mut Workspace,
}

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

impl<'a> Geometry<'a> {
    fn weights_of<'w>(&self, weights: &'w [f64], atom: u32) -> &'w [f64] {
        &weights[self.offsets[atom as usize]..self.offsets[atom as usize + 1]]
    }

    fn atoms(&self) -> usize {
        self.elements.len()
    }

    fn state_charges(&self, atom: usize) -> impl Iterator<Item = f64> + 'a {
        self.model.elements()[usize::from(self.elements[atom])].states.iter().map(|s| s.charge)
    }

    /// Σ_M x_iM q_M for every atom.
    fn charges(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend((0..self.atoms()).map(|i| {
            let states = &x[self.offsets[i]..self.offsets[i + 1]];
            states.iter().zip(self.state_charges(i)).map(|(x, q)| x * q).sum::<f64>()
        }));
    }

    /// Σ_{j≠i} Σ_N x_jN ρ_N(R_ij) for every atom.
    fn densities(&self, x: &[f64], buffers: &mut Vec<Vec<f64>>, out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.atoms(), 0.0);
        self.pairs.accumulate(buffers, out, |chunk, out| {
            for (record, _, v) in chunk.iter(self.model) {
                out[record.a as usize] += dot(v.at_a, self.weights_of(x, record.b));
                out[record.b as usize] += dot(v.at_b, self.weights_of(x, record.a));
            }
            0.0
        });
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Slots of a channel in the flat weights: initial and final on a, initial and final on b.
fn slots(channel: &Channel, a: usize, b: usize) -> [usize; 4] {
    [a + channel.first[0], a + channel.first[1], b + channel.second[0], b + channel.second[1]]
}

impl<'a> Energy<'a> {
    /// The energy at a geometry, with arrays to reuse.
    pub fn new(geometry: Geometry<'a>, work: &'a mut Workspace) -> Self {
        Self { geometry, work }
    }

    /// On-site and embedding energies: fills the gradient and the slopes per weight and atom.
    fn on_site(&mut self, gradient: &mut [f64]) -> f64 {
        let Geometry { model, offsets, elements, .. } = self.geometry;
        let work = &mut *self.work;
        work.mean_slope.clear();
        work.mean_curvature.clear();
        work.embedding_slope.resize(gradient.len(), 0.0);
        let mut energy = 0.0;
        for (i, &element) in elements.iter().enumerate() {
            let (mut mean_slope, mut mean_curvature) = (0.0, 0.0);
            for (m, state) in model.elements()[usize::from(element)].states.iter().enumerate() {
                let (a, jet) = (offsets[i] + m, state.embedding(work.background[i]));
                gradient[a] = state.energy + jet[0];
                work.embedding_slope[a] = jet[1];
                energy += work.weights[a] * gradient[a];
                mean_slope += work.weights[a] * jet[1];
                mean_curvature += work.weights[a] * jet[2];
            }
            work.mean_slope.push(mean_slope);
            work.mean_curvature.push(mean_curvature);
        }
        energy
    }

    /// Point charges beyond the pairs: adds q_M V_i to the gradient, returns ½ Σ q_i V_i.
    fn point_charges(&mut self, x: &[f64], gradient: &mut [f64], charges: &mut Vec<f64>) -> f64 {
        let geometry = self.geometry;
        geometry.charges(x, charges);
        let Some(coulomb) = geometry.coulomb else { return 0.0 };
        let potential = &mut self.work.potential;
        potential.clear();
        potential.resize(charges.len(), 0.0);
        coulomb.add_potential(charges, potential);
        for (i, v) in potential.iter().enumerate() {
            for (a, q) in (geometry.offsets[i]..).zip(geometry.state_charges(i)) {
                gradient[a] += q * v;
            }
        }
        0.5 * dot(charges, potential)
    }

    fn entropy(&self, gradient: &mut [f64]) -> f64 {
        let t = self.geometry.model.temperature();
        if t == 0.0 {
            return 0.0;
        }
        let mut sum = 0.0;
        for (g, w) in gradient.iter_mut().zip(&self.work.weights) {
            if *w > 0.0 {
                let jet = entropy(*w);
                sum += jet[0];
                *g += t * jet[1];
            }
        }
        t * sum
    }

    /// Forces, virial and per-atom energies at the weights of the last call of `value_gradient`.
    pub fn derivatives(&mut self) -> Derivatives {
        let geometry = self.geometry;
        let n = geometry.atoms();
        let mut flat = vec![0.0; PER_ATOM * n + 9];
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        geometry.pairs.accumulate(&mut buffers, &mut flat, |chunk, out| {
            pair_derivatives(&geometry, work, chunk, out);
            0.0
        });
        self.work.buffers = buffers;
        let mut forces: Vec<Vec3> =
            flat[..3 * n].chunks_exact(3).map(|f| [f[0], f[1], f[2]]).collect();
        let tail = &flat[PER_ATOM * n..];
        let mut virial: Mat3 = [0, 1, 2].map(|p| [0, 1, 2].map(|q| tail[3 * p + q]));
        let mut energies = flat[3 * n..4 * n].to_vec();
        for (i, e) in energies.iter_mut().enumerate() {
            *e += self.on_site_energy(i);
        }
        if let Some(coulomb) = geometry.coulomb {
            let mut potential = vec![0.0; n];
            coulomb.add_potential(&self.work.charges, &mut potential);
            for (e, (q, v)) in energies.iter_mut().zip(self.work.charges.iter().zip(&potential)) {
                *e += 0.5 * q * v;
            }
            coulomb.add_forces(&self.work.charges, &mut forces, &mut virial);
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

/// Adds φ·y to `gx` and φᵀ·x to `gy`; returns x·φ·y.
#[inline]
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

fn add_scaled(out: &mut [f64], start: usize, factor: f64, x: &[f64]) {
    out[start..start + x.len()].iter_mut().zip(x).for_each(|(o, x)| *o += factor * x);
}

impl Objective for Energy<'_> {
    fn value_gradient(&mut self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let geometry = self.geometry;
        let work = &mut *self.work;
        work.weights.clear();
        work.weights.extend_from_slice(weights);
        work.inverse_weights.clear();
        work.inverse_weights.extend(weights.iter().map(|&w| if w > 0.0 { w.recip() } else { 0.0 }));
        geometry.densities(weights, &mut work.buffers, &mut work.background);
        let mut value = self.on_site(gradient);
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        value += geometry.pairs.accumulate(&mut buffers, gradient, |chunk, out| {
            chunk
                .iter(geometry.model)
                .map(|(record, pair, v)| {
                    let at =
                        [geometry.offsets[record.a as usize], geometry.offsets[record.b as usize]];
                    let x = [record.a, record.b].map(|i| geometry.weights_of(weights, i));
                    let mut energy = add_bilinear(v.phi, x, out, at);
                    add_scaled(out, at[1], work.mean_slope[record.a as usize], v.at_a);
                    add_scaled(out, at[0], work.mean_slope[record.b as usize], v.at_b);
                    for (channel, t) in pair.channels.iter().zip(v.amplitudes) {
                        let at = slots(channel, at[0], at[1]);
                        let strength = t * resonance_mean(at.map(|s| weights[s]));
                        energy -= 2.0 * strength;
                        for s in at {
                            out[s] -= 0.5 * strength * work.inverse_weights[s];
                        }
                    }
                    energy
                })
                .sum()
        });
        self.work.buffers = buffers;
        let mut charges = std::mem::take(&mut self.work.charges);
        value += self.point_charges(weights, gradient, &mut charges);
        self.work.charges = charges;
        value + self.entropy(gradient)
    }

    fn product(&mut self, direction: &[f64], out: &mut [f64]) {
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
        let mut change = std::mem::take(&mut self.work.change);
        self.point_charges(direction, out, &mut change);
        self.work.change = change;
    }

    fn blocks(&mut self, out: &mut [f64]) {
        let geometry = self.geometry;
        let size = |i: usize| geometry.offsets[i + 1] - geometry.offsets[i];
        let mut starts = vec![0];
        for i in 0..geometry.atoms() {
            starts.push(starts[i] + size(i) * size(i));
        }
        out.fill(0.0);
        let t = geometry.model.temperature();
        for i in 0..geometry.atoms() {
            for m in 0..size(i) {
                out[starts[i] + m * (size(i) + 1)] =
                    t * self.work.inverse_weights[geometry.offsets[i] + m];
            }
        }
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let work = &*self.work;
        geometry.pairs.accumulate(&mut buffers, out, |chunk, out| {
            block_pass(&geometry, work, chunk, &starts, out);
            0.0
        });
        self.work.buffers = buffers;
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
    for (record, pair, v) in chunk.iter(geometry.model) {
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
    }
}

/// Diagonal blocks of resonance and of the embedding's response to the atom's own density.
fn block_pass(
    geometry: &Geometry,
    work: &Workspace,
    chunk: &Chunk,
    starts: &[usize],
    out: &mut [f64],
) {
    for (record, pair, v) in chunk.iter(geometry.model) {
        let (a, b) = (record.a as usize, record.b as usize);
        add_outer(&mut out[starts[a]..starts[a + 1]], work.mean_curvature[b], v.at_b);
        add_outer(&mut out[starts[b]..starts[b + 1]], work.mean_curvature[a], v.at_a);
        for (channel, t) in pair.channels.iter().zip(v.amplitudes) {
            let at = slots(channel, geometry.offsets[a], geometry.offsets[b]);
            let strength = 0.125 * t * resonance_mean(at.map(|s| work.weights[s]));
            for (atom, states, two) in
                [(a, channel.first, [at[0], at[1]]), (b, channel.second, [at[2], at[3]])]
            {
                let size = geometry.offsets[atom + 1] - geometry.offsets[atom];
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
    }
}

fn add_outer(block: &mut [f64], factor: f64, x: &[f64]) {
    for (row, x1) in block.chunks_exact_mut(x.len()).zip(x) {
        row.iter_mut().zip(x).for_each(|(o, x2)| *o += factor * x1 * x2);
    }
}
