//! Phase factors of the atoms, and the two passes of an Ewald sum as matrix products.
//!
//! exp(ik·r) = P(h, k)·Z(l) separates into a factor of the row (h, k) and one of l. With P and Z as
//! real matrices (cosine and sine side by side) the structure factors of a block are Pᵀ·(q Z), and
//! the potentials are the row sums of Z ∘ (P·G), G being the weighted structure factors. Each pass
//! costs two multiplications and additions per atom and vector, like a matrix-vector product with
//! the matrix of all cosines and sines, but runs from the cache.
//!
//! Atoms come in chunks, rows in blocks; a *panel* is P of one chunk and one block, column-major.

use std::f64::consts::PI;

use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};
use rayon::prelude::*;

use super::modes::{Block, Modes, ROWS};
use super::scratch::with_scratch;
use crate::structure::{Mat3, Vec3, times};

/// Atoms of a chunk.
const CHUNK: usize = 96;
/// P is stored up to this many complex numbers, else rebuilt from the axis tables.
const MAX_STORED: usize = 8 << 20;
/// Smallest dimension of a matrix product for which nalgebra calls its blocked kernel.
const MIN_PRODUCT: usize = 6;
/// Atoms × k vectors from which the passes run in parallel.
const MIN_PARALLEL: usize = 100_000;

/// cos and sin of 2π m s for one fractional coordinate: by chunk, by m, all cosines, all sines.
#[derive(Debug, Clone, Default)]
struct Axis {
    columns: usize,
    values: Vec<f64>,
}

impl Axis {
    fn prepare(&mut self, positions: &[Vec3], inverse: &Mat3, axis: usize, largest: usize) {
        self.columns = 2 * (largest + 1);
        self.values.resize(self.columns * positions.len(), 0.0);
        let tables = self.values.chunks_mut(self.columns * CHUNK);
        for (atoms, table) in positions.chunks(CHUNK).zip(tables) {
            fill_axis(atoms.iter().map(|r| times(r, inverse)[axis]), atoms.len(), table);
        }
    }

    /// Columns of the `chunk`-th chunk, `atoms` long each.
    fn chunk(&self, chunk: usize, atoms: usize) -> &[f64] {
        let start = chunk * CHUNK * self.columns;
        &self.values[start..start + atoms * self.columns]
    }
}

/// cos and sin of 2π m s, m = 0, 1, …, by the recurrence e(m) = e(m − 1)·e(1).
fn fill_axis(coordinates: impl Iterator<Item = f64>, atoms: usize, table: &mut [f64]) {
    table[..atoms].fill(1.0);
    table[atoms..2 * atoms].fill(0.0);
    if table.len() == 2 * atoms {
        return;
    }
    for (i, s) in coordinates.enumerate() {
        let (sin, cos) = (2.0 * PI * (s - s.round())).sin_cos();
        (table[2 * atoms + i], table[3 * atoms + i]) = (cos, sin);
    }
    for start in (4 * atoms..table.len()).step_by(2 * atoms) {
        let (before, next) = table.split_at_mut(start);
        let (first, last) = (&before[2 * atoms..4 * atoms], &before[start - 2 * atoms..]);
        for i in 0..atoms {
            let (c, s) = (first[i], first[atoms + i]);
            next[i] = last[i] * c - last[atoms + i] * s;
            next[atoms + i] = last[atoms + i] * c + last[i] * s;
        }
    }
}

/// Phase factors of all atoms at one geometry.
#[derive(Debug, Clone, Default)]
pub(super) struct Phases {
    n_atoms: usize,
    parallel: bool,
    axes: [Axis; 3],
    /// Panels by chunk and block; empty when they are rebuilt.
    panels: Vec<f64>,
}

impl Phases {
    pub(super) fn n_atoms(&self) -> usize {
        self.n_atoms
    }

    pub(super) fn prepare(&mut self, positions: &[Vec3], modes: &Modes) {
        self.n_atoms = positions.len();
        self.parallel = 2 * positions.len() * modes.weights.len() >= MIN_PARALLEL;
        for (d, axis) in self.axes.iter_mut().enumerate() {
            axis.prepare(positions, &modes.inverse, d, modes.largest[d]);
        }
        let mut panels = std::mem::take(&mut self.panels);
        let size = modes.rows.len() * positions.len();
        panels.resize(if size <= MAX_STORED { 2 * size } else { 0 }, 0.0);
        if !panels.is_empty() {
            let chunks = panels.par_chunks_mut(2 * modes.rows.len() * CHUNK).enumerate();
            chunks.for_each(|(chunk, panel)| self.fill_panel(&modes.rows, chunk, panel));
        }
        self.panels = panels;
    }

    fn chunk_atoms(&self, chunk: usize) -> usize {
        CHUNK.min(self.n_atoms - chunk * CHUNK)
    }

    /// cos and sin of 2π (h s_0 + k s_1) for each of `rows`.
    fn fill_panel(&self, rows: &[[i32; 2]], chunk: usize, panel: &mut [f64]) {
        let n = self.chunk_atoms(chunk);
        let [x, y] = [0, 1].map(|d: usize| self.axes[d].chunk(chunk, n));
        for (&[h, k], out) in rows.iter().zip(panel.chunks_exact_mut(2 * n)) {
            let (xs, ys) = (&x[2 * n * h as usize..], &y[2 * n * k.unsigned_abs() as usize..]);
            let ((xc, xs), (yc, ys)) = ((&xs[..n], &xs[n..2 * n]), (&ys[..n], &ys[n..2 * n]));
            let sign = f64::from(k.signum());
            let (cosines, sines) = out.split_at_mut(n);
            for i in 0..n {
                cosines[i] = xc[i] * yc[i] - sign * xs[i] * ys[i];
                sines[i] = xs[i] * yc[i] + sign * xc[i] * ys[i];
            }
        }
    }

    fn with_panel(&self, modes: &Modes, block: &Block, chunk: usize, work: impl FnOnce(&[f64])) {
        let n = self.chunk_atoms(chunk);
        let length = 2 * n * block.rows.len();
        if self.panels.is_empty() {
            with_scratch(length, |panel| {
                self.fill_panel(&modes.rows[block.rows.clone()], chunk, panel);
                work(panel);
            });
        } else {
            let start = 2 * (chunk * CHUNK * modes.rows.len() + n * block.rows.start);
            work(&self.panels[start..start + length]);
        }
    }

    /// Σ_i q_i P Z for every block: matrices (2 rows, 2 columns), cos and sin interleaved, in
    /// `factors` one after the other. Parallel over blocks.
    pub(super) fn structure_factors(&self, modes: &Modes, charges: &[f64], factors: &mut [f64]) {
        with_scratch(self.axes[2].values.len(), |charged| {
            self.fill_charged(charges, charged);
            let charged = &*charged;
            let work = |(block, out): (&Block, &mut [f64])| {
                out.fill(0.0);
                for chunk in 0..self.n_atoms.div_ceil(CHUNK) {
                    self.with_panel(modes, block, chunk, |panel| {
                        self.accumulate_factors(panel, block, chunk, charged, out);
                    });
                }
            };
            let tasks = split(&modes.blocks, factors);
            if self.parallel {
                tasks.into_par_iter().for_each(work);
            } else {
                tasks.into_iter().for_each(work);
            }
        });
    }

    /// q Z.
    fn fill_charged(&self, charges: &[f64], charged: &mut [f64]) {
        let Axis { columns, values } = &self.axes[2];
        let chunks = values.chunks(columns * CHUNK).zip(charged.chunks_mut(columns * CHUNK));
        for (q, (z, out)) in charges.chunks(CHUNK).zip(chunks) {
            for (z, out) in z.chunks_exact(q.len()).zip(out.chunks_exact_mut(q.len())) {
                for i in 0..q.len() {
                    out[i] = q[i] * z[i];
                }
            }
        }
    }

    fn accumulate_factors(
        &self,
        panel: &[f64],
        block: &Block,
        chunk: usize,
        charged: &[f64],
        out: &mut [f64],
    ) {
        let n = self.chunk_atoms(chunk);
        let (rows, columns) = (2 * block.rows.len(), 2 * block.columns);
        let start = chunk * CHUNK * self.axes[2].columns;
        let z = &charged[start..start + n * columns];
        if rows.min(columns).min(n) < MIN_PRODUCT {
            return add_small_product(panel, z, n, out);
        }
        let z = DMatrixView::from_slice(z, n, columns);
        let p = DMatrixView::<f64, Dyn, Dyn>::from_slice_with_strides(panel, rows, n, n, 1);
        DMatrixViewMut::from_slice(out, rows, columns).gemm(1.0, &p, &z, 1.0);
    }

    /// out_i += Σ over blocks, rows and columns of Z ∘ (P·G). Parallel over atoms.
    pub(super) fn gather(&self, modes: &Modes, factors: &[f64], out: &mut [f64]) {
        let work = |(chunk, out): (usize, &mut [f64])| {
            with_scratch(out.len() * self.axes[2].columns, |products| {
                self.products(modes, factors, chunk, products);
                let z = self.axes[2].chunk(chunk, out.len());
                let columns = z.chunks_exact(out.len()).zip(products.chunks_exact(out.len()));
                for (z, product) in columns {
                    for i in 0..out.len() {
                        out[i] += z[i] * product[i];
                    }
                }
            });
        };
        if self.parallel {
            out.par_chunks_mut(CHUNK).enumerate().for_each(work);
        } else {
            out.chunks_mut(CHUNK).enumerate().for_each(work);
        }
    }

    /// P·G of one chunk, (atoms, 2 (l_max + 1)).
    fn products(&self, modes: &Modes, factors: &[f64], chunk: usize, products: &mut [f64]) {
        let n = self.chunk_atoms(chunk);
        products.fill(0.0);
        for block in &modes.blocks {
            let (rows, columns) = (2 * block.rows.len(), 2 * block.columns);
            let start = 4 * block.first;
            let g = DMatrixView::from_slice(&factors[start..start + rows * columns], rows, columns);
            self.with_panel(modes, block, chunk, |panel| {
                let p = DMatrixView::from_slice(panel, n, rows);
                let mut product =
                    DMatrixViewMut::from_slice(&mut products[..n * columns], n, columns);
                product.gemm(1.0, &p, &g, 1.0);
            });
        }
    }
}

/// out += panelᵀ·z, all column-major with columns of `n` in the factors.
///
/// nalgebra multiplies small matrices with code of its own, which is not made for strided factors.
fn add_small_product(panel: &[f64], z: &[f64], n: usize, out: &mut [f64]) {
    let rows = panel.len() / n;
    for (z, out) in z.chunks_exact(n).zip(out.chunks_exact_mut(rows)) {
        for (p, out) in panel.chunks_exact(n).zip(out) {
            *out += p.iter().zip(z).map(|(p, z)| p * z).sum::<f64>();
        }
    }
}

/// Each block with its own part of `factors`.
fn split<'a>(blocks: &'a [Block], factors: &'a mut [f64]) -> Vec<(&'a Block, &'a mut [f64])> {
    debug_assert!(blocks.iter().all(|block| block.rows.len() <= ROWS));
    let mut rest = factors;
    let part = |block: &'a Block| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(4 * block.pairs());
        rest = tail;
        (block, head)
    };
    blocks.iter().map(part).collect()
}
