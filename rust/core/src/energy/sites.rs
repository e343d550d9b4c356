//! Hessian products on the tangent space of the atoms: changes of weights that sum to zero on each.
//!
//! The resonance −2t (ω_M ω_M′)^¼ (ω_N ω_N′)^¼ is a product of factors s of the two atoms. With
//! Y = y_M + y_M′, y = δω/ω, a pair of states (a hop) of an atom answers to
//! B = Σ t s Y over its neighbours' hops: δ(∂E/∂ω_M) = −s/(8ω_M) [A (Y − 4y_M) + B], A = Σ t s.

use std::ops::Range;

use rayon::prelude::*;

use super::{Energy, Geometry, dot};
use crate::pairs::{Chunk, Slots};
use crate::parallel::{BLOCK, blocks, total};

/// Where states and hops of an atom lie; see [`Slots`].
#[derive(Debug, Clone, Default)]
pub(super) struct Sites {
    stride: usize,
    /// Pairs of states of every element.
    hops: Vec<Vec<[usize; 2]>>,
    /// For every kind of pair: states but the first, slots of the channels' hops.
    kinds: Vec<([usize; 2], Vec<[usize; 2]>)>,
}

impl Sites {
    /// For the kinds of pairs that occur: tables of others need not be made.
    fn new(geometry: &Geometry) -> Self {
        let (model, chunks) = (geometry.model, geometry.pairs.chunks());
        let n = model.elements().len();
        let occurs = |kind: usize| chunks.iter().any(|c| !c.kinds()[kind].is_empty());
        let mut sites = Self { hops: vec![Vec::new(); n], ..Self::default() };
        let pairs = || (0..n * n).filter(|&kind| occurs(kind)).map(|kind| [kind / n, kind % n]);
        for [a, b] in pairs() {
            for channel in &model.pair(a, b).channels {
                sites.hop(a, channel.first);
                sites.hop(b, channel.second);
            }
        }
        let states = |e: usize| model.elements()[e].states.len() - 1;
        sites.stride = (0..n).map(|e| states(e) + sites.hops[e].len()).max().unwrap_or(0) + 1;
        sites.kinds = vec![([0; 2], Vec::new()); n * n];
        for [a, b] in pairs() {
            let slot = |sites: &mut Self, e: usize, hop| states(e) + sites.hop(e, hop);
            let slots = |c: &crate::model::Channel| {
                [slot(&mut sites, a, c.first), slot(&mut sites, b, c.second)]
            };
            let hops = model.pair(a, b).channels.iter().map(slots).collect();
            sites.kinds[a * n + b] = ([states(a), states(b)], hops);
        }
        sites
    }

    fn hop(&mut self, element: usize, hop: [usize; 2]) -> usize {
        let hops = &mut self.hops[element];
        hops.iter().position(|h| *h == hop).unwrap_or_else(|| {
            hops.push(hop);
            hops.len() - 1
        })
    }

    fn slots(&self, kind: usize) -> Slots<'_> {
        let (states, hops) = &self.kinds[kind];
        Slots { stride: self.stride, states: *states, hops }
    }

    fn couple(&self, chunk: &Chunk, x: &[f64], out: &mut [f64]) {
        for (kind, pairs) in chunk.kinds().iter().enumerate() {
            pairs.couple(self.slots(kind), x, out);
        }
    }

    /// First slot of an atom, its pairs of states and the slot of the first of them.
    fn of(&self, geometry: &Geometry, atom: usize) -> (usize, &[[usize; 2]], usize) {
        let at = self.stride * atom;
        let states = geometry.offsets[atom + 1] - geometry.offsets[atom];
        (at, &self.hops[usize::from(geometry.elements[atom])], at + states - 1)
    }
}

impl Energy<'_> {
    /// s of every hop, and A; other slots are zero.
    fn prepare_hops(&mut self) {
        let geometry = self.geometry;
        let work = &mut *self.work;
        let sites = Sites::new(&geometry);
        let size = sites.stride * geometry.atoms();
        for array in [&mut work.factors, &mut work.strengths] {
            array.clear();
            array.resize(size, 0.0);
        }
        for i in 0..geometry.atoms() {
            let (_, hops, start) = sites.of(&geometry, i);
            for (k, hop) in hops.iter().enumerate() {
                let [x, y] = hop.map(|m| work.weights[geometry.offsets[i] + m]);
                work.factors[start + k] = (x * y).sqrt().sqrt();
            }
        }
        let mut buffers = std::mem::take(&mut work.buffers);
        let factors = &work.factors;
        geometry.pairs.accumulate(&mut buffers, &mut work.strengths, |chunk, out| {
            sites.couple(chunk, factors, out);
            0.0
        });
        work.buffers = buffers;
        work.sites = Some(sites);
    }

    /// Adds the resonance to the gradient and returns it: −2 Σ t s s′ over pairs is −Σ s A.
    pub(super) fn resonance(&mut self, gradient: &mut [f64]) -> f64 {
        self.prepare_hops();
        let (geometry, work) = (&self.geometry, &*self.work);
        let Some(sites) = &work.sites else { return 0.0 };
        let part = |(gradient, atoms): (&mut [f64], Range<usize>)| {
            let (mut energy, begin) = (0.0, geometry.offsets[atoms.start]);
            for i in atoms {
                let (_, hops, start) = sites.of(geometry, i);
                for (k, hop) in (start..).zip(hops) {
                    let strength = work.factors[k] * work.strengths[k];
                    energy -= strength;
                    for a in hop.map(|m| geometry.offsets[i] + m) {
                        gradient[a - begin] -= 0.5 * strength * work.inverse_weights[a];
                    }
                }
            }
            [energy]
        };
        let [energy] = total(geometry.by_atoms(gradient).map(part));
        energy
    }

    /// `out` = ∇²E · `direction` up to a constant for each atom; `direction` sums to zero on each.
    /// `rough`: long-ranged sums on a rough mesh.
    pub(super) fn product_on_tangent(&mut self, direction: &[f64], rough: bool, out: &mut [f64]) {
        let sites = self.work.sites.take().unwrap_or_default();
        let geometry = self.geometry;
        let mut x = std::mem::take(&mut self.work.site_input);
        let mut found = std::mem::take(&mut self.work.site_output);
        let mut buffers = std::mem::take(&mut self.work.buffers);
        self.fill_sites(&sites, direction, &mut x);
        found.clear();
        found.resize(x.len(), 0.0);
        geometry.pairs.accumulate(&mut buffers, &mut found, |chunk, out| {
            sites.couple(chunk, &x, out);
            0.0
        });
        let mut response = std::mem::take(&mut self.work.response);
        out[geometry.weights()..].fill(0.0);
        self.respond_on_site(&sites, direction, &found, &mut response, out);
        geometry.pairs.accumulate(&mut buffers, &mut found, |chunk, out| {
            for (kind, pairs) in chunk.kinds().iter().enumerate() {
                pairs.respond(sites.slots(kind), &response, out);
            }
            0.0
        });
        geometry.by_atoms(&mut out[..geometry.weights()]).for_each(|(out, atoms)| {
            let begin = geometry.offsets[atoms.start];
            for i in atoms {
                let (at, _, hops) = sites.of(&geometry, i);
                let states = &mut out[geometry.offsets[i] + 1 - begin..];
                states.iter_mut().zip(&found[at..hops]).for_each(|(o, x)| *o += x);
            }
        });
        let work = &mut *self.work;
        work.response = response;
        work.buffers = buffers;
        work.site_input = x;
        work.site_output = found;
        work.sites = Some(sites);
        self.polarisation_product(direction, out);
        self.charges_product(direction, rough, out);
    }

    /// Changes of the states but the first, and s Y of the hops.
    fn fill_sites(&self, sites: &Sites, direction: &[f64], x: &mut Vec<f64>) {
        let (geometry, work) = (&self.geometry, &*self.work);
        x.clear();
        x.resize(sites.stride * geometry.atoms(), 0.0);
        let tasks = x.par_chunks_mut(sites.stride.max(1) * BLOCK).zip(blocks(geometry.atoms()));
        tasks.for_each(|(x, atoms)| {
            let begin = sites.stride * atoms.start;
            for i in atoms {
                let (at, hops, start) = sites.of(geometry, i);
                let states = geometry.offsets[i] + 1..geometry.offsets[i + 1];
                x[at - begin..start - begin].copy_from_slice(&direction[states.clone()]);
                for (k, hop) in (start..).zip(hops) {
                    let along = |m: &usize| {
                        let a = states.start - 1 + m;
                        direction[a] * work.inverse_weights[a]
                    };
                    x[k - begin] = work.factors[k] * hop.iter().map(along).sum::<f64>();
                }
            }
        });
    }

    /// Embedding, resonance and entropy on the atoms; `response` is the change of F′.
    fn respond_on_site(
        &self,
        sites: &Sites,
        direction: &[f64],
        found: &[f64],
        response: &mut Vec<f64>,
        out: &mut [f64],
    ) {
        let (geometry, work) = (&self.geometry, &*self.work);
        let t = geometry.model.temperature();
        let of_atom = |i: usize, out: &mut [f64]| {
            let (at, hops, start) = sites.of(geometry, i);
            let group = geometry.offsets[i]..geometry.offsets[i + 1];
            let change = found[at + sites.stride - 1];
            for (a, out) in group.clone().zip(&mut *out) {
                *out =
                    work.embedding_slope[a] * change + t * direction[a] * work.inverse_weights[a];
            }
            for (k, hop) in (start..).zip(hops) {
                let y =
                    hop.map(|m| direction[group.start + m] * work.inverse_weights[group.start + m]);
                let factor = 0.125 * work.factors[k];
                for (&m, y_m) in hop.iter().zip(y) {
                    let answer = work.strengths[k] * (y[0] + y[1] - 4.0 * y_m) + found[k];
                    out[m] -= factor * work.inverse_weights[group.start + m] * answer;
                }
            }
            let coupling = dot(&direction[group.clone()], &work.embedding_slope[group]);
            coupling + work.mean_curvature[i] * change
        };
        response.resize(geometry.atoms(), 0.0);
        let tasks = geometry.by_atoms(&mut out[..geometry.weights()]);
        tasks.zip(response.par_chunks_mut(BLOCK)).for_each(|((out, atoms), response)| {
            let begin = geometry.offsets[atoms.start];
            for (i, response) in atoms.zip(response) {
                *response = of_atom(i, &mut out[geometry.offsets[i] - begin..]);
            }
        });
    }
}
