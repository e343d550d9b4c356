//! Radial functions of all pairs within the cutoff, looked up once per geometry.

mod compact;
mod dipoles;

use rayon::prelude::*;

use crate::coulomb::Kernel;
use crate::error::{Error, Result};
use crate::formulas::Jet;
use crate::model::{Model, PairModel};
use crate::neighbors::Pair;
use crate::structure::{Structure, Vec3, dot, times};
use crate::tables::Table;

pub use compact::{Compact, Slots};
use dipoles::Dipoles;
pub(crate) use dipoles::dipole_slopes;

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
    /// Where its values start in the chunk.
    pub start: usize,
    /// R_b − R_a with the image shift, Å.
    pub vector: Vec3,
    /// |vector|, Å.
    pub distance: f64,
}

/// Pairs handled by one thread, with their values in [`Values`] order.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Pairs.
    pub records: Vec<Record>,
    values: Vec<f64>,
    /// By kind.
    compact: Vec<Compact>,
    /// Of pairs with a polarisable atom.
    dipoles: Dipoles,
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
    charges: Vec<Vec<f64>>,
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
        let charges =
            model.elements().iter().map(|e| e.states.iter().map(|s| s.charge).collect()).collect();
        Some(Self { kernel: *kernel, table, charges })
    }

    /// R·K(R).
    pub(crate) fn into_table(self) -> Table {
        self.table
    }

    /// Add strength·q_M·q_N to every pair of states (M major) of two elements.
    fn add(&self, strength: f64, [a, b]: [usize; 2], energies: &mut [f64]) {
        let (first, second) = (&self.charges[a], &self.charges[b]);
        for (row, qa) in energies.chunks_exact_mut(second.len()).zip(first) {
            row.iter_mut().zip(second).for_each(|(x, qb)| *x += strength * qa * qb);
        }
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
        let fill = |(k, chunk): (usize, &mut Chunk)| {
            chunk.fill(model, kernel, structure, elements, part(k))
        };
        if n == 1 {
            fill((0, &mut self.chunks[0]))?;
        } else {
            self.chunks.par_iter_mut().enumerate().try_for_each(fill)?;
        }
        self.count = self.chunks.iter().map(|c| c.records.len()).sum();
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
        let (mut energy, energies) = rayon::join(
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
        for (buffer, e) in buffers.iter().zip(energies) {
            out.iter_mut().zip(buffer).for_each(|(x, y)| *x += y);
            energy += e;
        }
        energy
    }
}

impl Chunk {
    fn fill(
        &mut self,
        model: &Model,
        kernel: Option<&ChargeKernel>,
        structure: &Structure,
        elements: &[u8],
        list: &[Pair],
    ) -> Result<()> {
        self.records.clear();
        self.values.clear();
        let n_elements = model.elements().len();
        self.compact.resize_with(n_elements * n_elements, Compact::default);
        self.compact.iter_mut().for_each(Compact::clear);
        self.dipoles.clear();
        let cutoff2 = model.cutoff().radius.powi(2);
        let positions = structure.positions();
        for pair in list {
            let (i, j) = (pair.i as usize, pair.j as usize);
            let mut vector: Vec3 = [0, 1, 2].map(|d| positions[j][d] - positions[i][d]);
            if pair.shift != [0; 3] {
                let shift = times(&pair.shift.map(f64::from), structure.cell());
                (0..3).for_each(|d| vector[d] += shift[d]);
            }
            let distance2 = dot(&vector, &vector);
            if distance2 >= cutoff2 {
                continue;
            }
            let distance = distance2.sqrt();
            if distance < model.min_distance() {
                return Err(too_close(model, pair, distance));
            }
            let swap = elements[i] > elements[j];
            let (a, b) = if swap { (j, i) } else { (i, j) };
            let kind = usize::from(elements[a]) * n_elements + usize::from(elements[b]);
            self.records.push(Record {
                a: a as u32,
                b: b as u32,
                kind: kind as u32,
                start: self.values.len(),
                vector: if swap { vector.map(|x| -x) } else { vector },
                distance,
            });
            self.push_values(model, kernel, kind, distance);
            self.dipoles.push(model, kernel, &self.records);
            let start = self.records[self.records.len() - 1].start;
            let pair = model.pair(kind / n_elements, kind % n_elements);
            let values = Values::split(&self.values[start..], pair);
            self.compact[kind].push([a as u32, b as u32], &values, pair);
        }
        Ok(())
    }

    fn push_values(&mut self, model: &Model, kernel: Option<&ChargeKernel>, kind: usize, r: f64) {
        let (ea, eb) = (kind / model.elements().len(), kind % model.elements().len());
        let pair = model.pair(ea, eb);
        let start = self.values.len();
        self.values.resize(start + pair.table.functions(), 0.0);
        let values = &mut self.values[start..];
        pair.table.values(&pair.table.lookup(r), values);
        let inverse = r.recip();
        let energies = pair.states[0] * pair.states[1];
        values[..energies].iter_mut().for_each(|x| *x *= inverse);
        if let Some(kernel) = kernel {
            let strength = kernel.table.single(r).0 * inverse;
            kernel.add(strength, [ea, eb], &mut values[..energies]);
        }
    }

    /// The pairs once more, by kind: what products on the tangent space need.
    pub fn compact(&self) -> &[Compact] {
        &self.compact
    }

    /// Pairs with their element-pair model and values.
    pub fn iter<'a>(
        &'a self,
        model: &'a Model,
    ) -> impl Iterator<Item = (&'a Record, &'a PairModel, Values<'a>)> {
        let n = model.elements().len();
        self.records.iter().map(move |record| {
            let pair = model.pair(record.kind as usize / n, record.kind as usize % n);
            let all = &self.values[record.start..record.start + pair.table.functions()];
            (record, pair, Values::split(all, pair))
        })
    }
}

/// Slopes of all functions of a pair at its distance, in [`Values`] order (dφ/dR, dρ/dR, dt/dR).
pub fn slopes<'a>(
    pair: &PairModel,
    kernel: Option<&ChargeKernel>,
    record: &Record,
    values: &Values,
    n_elements: usize,
    out: &'a mut Vec<f64>,
) -> Values<'a> {
    let r = record.distance;
    out.clear();
    out.resize(pair.table.functions(), 0.0);
    pair.table.slopes(&pair.table.lookup(r), out);
    let inverse = r.recip();
    let energies = pair.states[0] * pair.states[1];
    // d(T/R)/dR = (T′ − φ)/R, with the kernel's own T added.
    if let Some(kernel) = kernel {
        let kind = record.kind as usize;
        let slope = kernel.table.single(r).1;
        kernel.add(slope, [kind / n_elements, kind % n_elements], &mut out[..energies]);
    }
    for (x, phi) in out[..energies].iter_mut().zip(values.phi) {
        *x = (*x - phi) * inverse;
    }
    Values::split(out, pair)
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
