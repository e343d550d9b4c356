//! Radial functions of all pairs within the cutoff, looked up once per geometry.

mod dipoles;
mod fill;
mod frame;
mod kind;

use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::coulomb::Kernel;
use crate::error::{Error, Result};
use crate::formulas::Jet;
use crate::model::{Model, PairModel};
use crate::neighbors::Pair;
use crate::parallel::add_all;
use crate::structure::{Structure, Vec3};
use crate::tables::Table;

pub(crate) use dipoles::dipole_slopes;
use fill::Source;
use frame::Frame;
pub use kind::{KindPairs, Slots};

/// Below this many pairs everything runs in one chunk: threads would cost more than they bring.
const SERIAL_PAIRS: usize = 4000;

/// A pair of atoms, ordered so that element(a) ≤ element(b).
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// First atom.
    pub a: u32,
    /// Second atom (may be an image of `a`).
    pub b: u32,
    /// Index of the pair of elements: element(a)·n_elements + element(b).
    pub kind: u32,
    /// R_b − R_a with the image shift, Å.
    pub vector: Vec3,
    /// |vector|, Å.
    pub distance: f64,
}

/// Pairs handled by one thread.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// By kind.
    kinds: Vec<KindPairs>,
    frame: Frame,
}

/// The values of one pair.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// φ_MN, eV, M major.
    pub phi: &'a [f64],
    /// Densities of b's states at a, e/Å³.
    pub at_a: &'a [f64],
    /// Densities of a's states at b, e/Å³.
    pub at_b: &'a [f64],
    /// Channel amplitudes, eV.
    pub amplitudes: &'a [f64],
}

impl<'a> Values<'a> {
    fn split(all: &'a [f64], pair: &PairModel) -> Self {
        let [na, nb] = pair.states;
        let (phi, rest) = all.split_at(na * nb);
        let (at_a, rest) = rest.split_at(nb);
        let (at_b, amplitudes) = rest.split_at(na);
        Self { phi, at_a, at_b, amplitudes }
    }
}

/// The point-charge part of a pair: R·K(R) as a table, and the charges of all states.
#[derive(Debug, Clone)]
pub struct ChargeKernel {
    kernel: Kernel,
    table: Table,
    /// q_M q_N of all states (M major) of every kind of pair.
    products: Vec<Vec<f64>>,
}

impl ChargeKernel {
    /// Tabulate a kernel up to the cutoff; `None` if there is nothing to add to pairs.
    pub fn new(kernel: &Kernel, model: &Model) -> Option<Self> {
        if matches!(kernel, Kernel::None) {
            return None;
        }
        let domain = [model.min_distance(), 0.2, model.cutoff().radius];
        let table = Table::compile(
            domain,
            128,
            1,
            |_, r, _| 1e-11 * r.max(1.0),
            |r, row: &mut [Jet]| row[0] = kernel.times_r(r),
        );
        let charges: Vec<Vec<f64>> =
            model.elements().iter().map(|e| e.states.iter().map(|s| s.charge).collect()).collect();
        let products = |(a, b): (&Vec<f64>, &Vec<f64>)| {
            a.iter().flat_map(|x| b.iter().map(move |y| x * y)).collect()
        };
        let kinds = charges.iter().flat_map(|a| charges.iter().map(move |b| (a, b)));
        Some(Self { kernel: *kernel, table, products: kinds.map(products).collect() })
    }

    /// R·K(R).
    pub(crate) fn into_table(self) -> Table {
        self.table
    }

    /// Add strength·q_M·q_N to every pair of states (M major) of a kind of pair.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn add(&self, strength: f64, kind: usize, energies: &mut [f64]) {
        energies.iter_mut().zip(&self.products[kind]).for_each(|(x, q)| *x += strength * q);
    }
}

/// Pairs within the cutoff, divided among threads.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    chunks: Vec<Chunk>,
    count: usize,
}

impl Pairs {
    /// Select the pairs within the model's cutoff and look up their values.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] names two atoms that are closer than the model's tables allow.
    pub fn fill(
        &mut self,
        model: &Model,
        kernel: Option<&ChargeKernel>,
        structure: &Structure,
        elements: &[u8],
        list: &[Pair],
    ) -> Result<()> {
        let n = if list.len() < SERIAL_PAIRS { 1 } else { rayon::current_num_threads() };
        self.chunks.resize_with(n, Chunk::default);
        let size = list.len().div_ceil(n).max(1);
        let part = |k: usize| &list[(k * size).min(list.len())..((k + 1) * size).min(list.len())];
        let source = Source { model, kernel, structure, elements };
        let positions = Arc::new(structure.positions().to_vec());
        self.chunks.iter_mut().for_each(|chunk| chunk.frame.reset(positions.clone()));
        let fill = |(k, chunk): (usize, &mut Chunk)| chunk.fill(source, part(k));
        if n == 1 {
            fill((0, &mut self.chunks[0]))?;
        } else {
            self.chunks.par_iter_mut().enumerate().try_for_each(fill)?;
        }
        self.count = self.chunks.iter().flat_map(|c| &c.kinds).map(KindPairs::len).sum();
        Ok(())
    }

    /// Number of pairs within the cutoff.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The pairs in their fixed order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Add the contributions of all chunks to `out`, in a fixed order; returns the summed energy.
    pub fn accumulate(
        &self,
        buffers: &mut Vec<Vec<f64>>,
        out: &mut [f64],
        pass: impl Fn(&Chunk, &mut [f64]) -> f64 + Sync,
    ) -> f64 {
        let (first, others) = (&self.chunks[0], &self.chunks[1..]);
        if others.is_empty() {
            return pass(first, out);
        }
        let n = out.len();
        buffers.resize_with(others.len(), Vec::new);
        let (energy, energies) = rayon::join(
            || pass(first, out),
            || -> Vec<f64> {
                let private = |(chunk, buffer): (&Chunk, &mut Vec<f64>)| {
                    buffer.clear();
                    buffer.resize(n, 0.0);
                    pass(chunk, buffer)
                };
                others.par_iter().zip(buffers.par_iter_mut()).map(private).collect()
            },
        );
        add_all(out, buffers, |x, y| *x += y);
        energies.into_iter().fold(energy, |sum, e| sum + e)
    }
}

impl Chunk {
    /// The pairs by kind.
    pub fn kinds(&self) -> &[KindPairs] {
        &self.kinds
    }

    /// Visit the pairs with their element-pair model and values.
    pub fn each<'a>(
        &'a self,
        model: &Model,
        mut visit: impl FnMut(&Record, &PairModel, &Values<'a>),
    ) {
        let n = model.elements().len();
        for (kind, pairs) in self.occupied() {
            let pair = model.pair(kind / n, kind % n);
            for k in 0..pairs.len() {
                let values = pairs.values(k, pair.states, pair.channels.len());
                visit(&pairs.record(&self.frame, kind, k), pair, &values);
            }
        }
    }

    /// [`Self::each`], compiled for the vector instructions at hand.
    pub(crate) fn pass(&self, model: &Model, visitor: &mut impl Visitor) {
        Arch::new().dispatch(Pass { chunk: self, model, visitor });
    }

    fn occupied(&self) -> impl Iterator<Item = (usize, &KindPairs)> {
        self.kinds.iter().enumerate().filter(|(_, pairs)| !pairs.is_empty())
    }
}

/// What is done with every pair in an inner loop. A closure would not be inlined there, and lose the
/// vector instructions.
pub(crate) trait Visitor {
    /// Without, vector and distance of all records are zero.
    const VECTORS: bool;
    /// Take a pair.
    fn visit<S: Simd>(&mut self, simd: S, record: &Record, pair: &PairModel, values: &Values);
}

struct Pass<'a, V> {
    chunk: &'a Chunk,
    model: &'a Model,
    visitor: &'a mut V,
}

impl<V: Visitor> WithSimd for Pass<'_, V> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { chunk, model, visitor } = self;
        let n = model.elements().len();
        for (kind, pairs) in chunk.occupied() {
            let pair = model.pair(kind / n, kind % n);
            let frame = &chunk.frame;
            // Literal sizes unroll the loops.
            match pair.states {
                [2, 2] => visit_all(simd, pairs, (frame, kind, pair, [2, 2]), visitor),
                [2, 3] => visit_all(simd, pairs, (frame, kind, pair, [2, 3]), visitor),
                [3, 3] => visit_all(simd, pairs, (frame, kind, pair, [3, 3]), visitor),
                states => visit_all(simd, pairs, (frame, kind, pair, states), visitor),
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn visit_all<S: Simd, V: Visitor>(
    simd: S,
    pairs: &KindPairs,
    (frame, kind, pair, states): (&Frame, usize, &PairModel, [usize; 2]),
    visitor: &mut V,
) {
    let channels = pair.channels.len();
    for k in 0..pairs.len() {
        let values = pairs.values(k, states, channels);
        let record = if V::VECTORS {
            pairs.record(frame, kind, k)
        } else {
            let [a, b] = pairs.atoms(k);
            Record { a, b, kind: kind as u32, vector: [0.0; 3], distance: 0.0 }
        };
        visitor.visit(simd, &record, pair, &values);
    }
}

/// Slopes of all functions of a pair at its distance, in [`Values`] order (dφ/dR, dρ/dR, dt/dR).
pub fn slopes<'a>(
    pair: &PairModel,
    kernel: Option<&ChargeKernel>,
    record: &Record,
    values: &Values,
    out: &'a mut Vec<f64>,
) -> Values<'a> {
    slopes_in(pulp::Scalar::new(), pair, kernel, record, values, out)
}

/// [`slopes`] in the lanes of a machine.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn slopes_in<'a, S: Simd>(
    simd: S,
    pair: &PairModel,
    kernel: Option<&ChargeKernel>,
    record: &Record,
    values: &Values,
    out: &'a mut Vec<f64>,
) -> Values<'a> {
    let r = record.distance;
    out.resize(pair.table.stride(), 0.0);
    pair.table.slopes_in(simd, &pair.table.lookup(r), out);
    let inverse = r.recip();
    let energies = pair.states[0] * pair.states[1];
    // d(T/R)/dR = (T′ − φ)/R, with the kernel's own T added.
    if let Some(kernel) = kernel {
        kernel.add(kernel.table.single_slope(r), record.kind as usize, &mut out[..energies]);
    }
    for (x, phi) in out[..energies].iter_mut().zip(values.phi) {
        *x = (*x - phi) * inverse;
    }
    Values::split(&out[..pair.table.functions()], pair)
}

/// Two atoms nearer than the model's tables begin.
pub(crate) fn too_close(model: &Model, pair: &Pair, distance: f64) -> Error {
    let image =
        if pair.shift == [0; 3] { String::new() } else { format!(" (image {:?})", pair.shift) };
    Error::invalid(
        format!("positions[{}]", pair.i),
        format!(
            "atoms {} and {}{image} are {distance:.3e} Å apart; at least {} Å is needed",
            pair.i,
            pair.j,
            model.min_distance()
        ),
    )
}
