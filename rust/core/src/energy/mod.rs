//! The energy of design 2.3 as a function of the weights, and its derivatives in the positions.
//!
//! Passes: background density → embedding per atom → pairs (electrostatics, embedding response,
//! resonance) → induced dipoles → point charges and dipoles → entropy. Hessian products repeat them
//! linearised.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::coulomb::Coulomb;
use crate::ensemble::SparseInverse;
use crate::formulas::entropy;
use crate::model::{Channel, Model, PairModel};
use crate::pairs::{ChargeKernel, Pairs, Record, Values, Visitor};
use crate::parallel::{BLOCK, blocks, grain, split, total};
use crate::structure::{Mat3, Vec3};

mod coarse;
mod couplings;
mod densities;
mod derivatives;
mod objective;
mod parameters;
mod points;
mod polarisation;
mod sites;

pub use derivatives::Derivatives;
pub use parameters::{Explicit, Total};
use polarisation::Induced;
use sites::Sites;

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
    /// Weights and dipoles, where there are dipoles.
    unknowns: Vec<f64>,
    induced: Induced,
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
    /// Where hops lie, and s and A of all (`sites`) at the last value and gradient.
    sites: Option<Sites>,
    factors: Vec<f64>,
    strengths: Vec<f64>,
    site_input: Vec<f64>,
    site_output: Vec<f64>,
    /// `potential` is that of `charges`, not of a direction.
    potential_is_of_charges: bool,
    /// Forces and virial of `charges` beyond the pairs, where they were summed with the potential.
    far_slopes: Option<(Vec<Vec3>, Mat3)>,
    /// Kept from one geometry to the next.
    inverse: Option<SparseInverse>,
    /// Seconds spent in long-ranged sums.
    long_range: f64,
}

/// The energy at a geometry: an [`Objective`] of the weights.
pub struct Energy<'a> {
    geometry: Geometry<'a>,
    work: &'a mut Workspace,
    /// Values taken so far.
    values: usize,
}

impl Workspace {
    /// True if the last value and gradient were those of `unknowns`, at whatever geometry.
    pub fn is_at(&self, unknowns: &[f64]) -> bool {
        let (weights, dipoles) = unknowns.split_at(self.weights.len().min(unknowns.len()));
        self.weights == weights && self.induced.dipoles.as_flattened() == dipoles
    }

    /// Seconds spent in long-ranged sums since the last call.
    pub fn take_long_range(&mut self) -> f64 {
        std::mem::take(&mut self.long_range)
    }
}

impl<'a> Geometry<'a> {
    fn weights_of<'w>(&self, weights: &'w [f64], atom: u32) -> &'w [f64] {
        &weights[self.offsets[atom as usize]..self.offsets[atom as usize + 1]]
    }

    fn atoms(&self) -> usize {
        self.elements.len()
    }

    /// The parts of a list of weights that belong to blocks of atoms, and the atoms.
    fn by_atoms<'w>(
        &self,
        weights: &'w mut [f64],
    ) -> impl IndexedParallelIterator<Item = (&'w mut [f64], Range<usize>)> + use<'w> {
        split(weights, self.atoms(), |i| self.offsets[i]).zip(blocks(self.atoms()))
    }

    fn state_charges(&self, atom: usize) -> impl Iterator<Item = f64> + 'a {
        self.model.elements()[usize::from(self.elements[atom])].states.iter().map(|s| s.charge)
    }

    /// Σ_M x_iM q_M for every atom.
    fn charges(&self, x: &[f64], out: &mut Vec<f64>) {
        let charge = |i: usize| {
            let states = &x[self.offsets[i]..self.offsets[i + 1]];
            states.iter().zip(self.state_charges(i)).map(|(x, q)| x * q).sum()
        };
        out.resize(self.atoms(), 0.0);
        out.par_chunks_mut(BLOCK).zip(blocks(self.atoms())).for_each(|(out, atoms)| {
            out.iter_mut().zip(atoms).for_each(|(out, i)| *out = charge(i));
        });
    }

    /// Σ_{j≠i} Σ_N x_jN ρ_N(R_ij) for every atom.
    fn densities(&self, x: &[f64], buffers: &mut Vec<Vec<f64>>, out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.atoms(), 0.0);
        self.pairs.accumulate(buffers, out, |chunk, out| {
            chunk.pass(self.model, &mut Densities { offsets: self.offsets, x, out });
            0.0
        });
    }
}

/// Adds Σ_N x_jN ρ_N(R_ij) to atom i of every pair, and the other way round.
struct Densities<'a> {
    offsets: &'a [usize],
    x: &'a [f64],
    out: &'a mut [f64],
}

impl Visitor for Densities<'_> {
    const VECTORS: bool = false;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn visit<S: Simd>(&mut self, _: S, record: &Record, _: &PairModel, v: &Values) {
        let [a, b] = [record.a, record.b].map(|i| i as usize);
        let [at_a, at_b] = [a, b].map(|i| self.offsets[i]);
        self.out[a] += dot(v.at_a, &self.x[at_b..at_b + v.at_a.len()]);
        self.out[b] += dot(v.at_b, &self.x[at_a..at_a + v.at_b.len()]);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
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
        Self { geometry, work, values: 0 }
    }

    /// On-site and embedding energies: fills the gradient and the slopes per weight and atom.
    fn on_site(&mut self, gradient: &mut [f64]) -> f64 {
        let Geometry { model, offsets, elements, .. } = self.geometry;
        let Workspace { weights, background, embedding_slope, mean_slope, mean_curvature, .. } =
            &mut *self.work;
        mean_slope.resize(elements.len(), 0.0);
        mean_curvature.resize(elements.len(), 0.0);
        embedding_slope.resize(gradient.len(), 0.0);
        // Sums of energy, slope and curvature over the states of an atom.
        let of_atom = |i: usize, gradient: &mut [f64], slopes: &mut [f64]| {
            let mut sums = [0.0; 3];
            let states = &model.elements()[usize::from(elements[i])].states;
            for (m, state) in states.iter().enumerate() {
                let (weight, jet) = (weights[offsets[i] + m], state.embedding(background[i]));
                (gradient[m], slopes[m]) = (state.energy + jet[0], jet[1]);
                let terms = [gradient[m], jet[1], jet[2]];
                sums.iter_mut().zip(terms).for_each(|(sum, x)| *sum += weight * x);
            }
            sums
        };
        let means = mean_slope.par_chunks_mut(BLOCK).zip(mean_curvature.par_chunks_mut(BLOCK));
        let tasks = self.geometry.by_atoms(gradient).zip(self.geometry.by_atoms(embedding_slope));
        let [energy] = total(tasks.zip(means).map(|(((gradient, atoms), (slopes, _)), means)| {
            let (mut energy, begin) = (0.0, offsets[atoms.start]);
            for (i, (slope, curvature)) in atoms.zip(means.0.iter_mut().zip(means.1)) {
                let at = offsets[i] - begin;
                let term;
                [term, *slope, *curvature] = of_atom(i, &mut gradient[at..], &mut slopes[at..]);
                energy += term;
            }
            [energy]
        }));
        energy
    }

    fn entropy(&self, gradient: &mut [f64]) -> f64 {
        let t = self.geometry.model.temperature();
        if t == 0.0 {
            return 0.0;
        }
        let weights = &self.work.weights;
        let tasks = gradient[..weights.len()].par_chunks_mut(BLOCK).zip(weights.par_chunks(BLOCK));
        let [sum] = total(tasks.with_min_len(grain(weights.len())).map(|(gradient, weights)| {
            let mut sum = 0.0;
            for (g, w) in gradient.iter_mut().zip(weights).filter(|(_, w)| **w > 0.0) {
                let jet = entropy(*w);
                sum += jet[0];
                *g += t * jet[1];
            }
            [sum]
        }));
        t * sum
    }
}
