//! The k vectors of an Ewald sum, in blocks for matrix products.
//!
//! k = 2π (h a* + k b* + l c*) with integers h, k, l. By inversion symmetry half of them suffice:
//! a *row* is a pair (h, k) with h > 0 or h = 0, k ≥ 0; it holds l = 0, ±1, ±2, … . Rows of similar
//! length in l form a *block*. Every vector carries the weight w = 8π/V · `COULOMB` ·
//! exp(−k²/4α²)/k², so that E = ½ Σ w |S(k)|² over the half space.

use std::f64::consts::PI;
use std::ops::Range;

use crate::COULOMB;
use crate::structure::{Mat3, Structure, Vec3, dot, norm};

/// Rows of a block.
pub(super) const ROWS: usize = 32;

/// Rows of similar length in l.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Its rows in [`Modes::rows`].
    pub(super) rows: Range<usize>,
    /// l = 0 … columns − 1.
    pub(super) columns: usize,
    /// First weight in [`Modes::weights`].
    pub(super) first: usize,
}

impl Block {
    /// Number of (row, l) pairs; the weight of one is at `first + l·rows + row`.
    pub(super) fn pairs(&self) -> usize {
        self.rows.len() * self.columns
    }
}

/// All k vectors within a sphere for one cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    /// The cell they belong to.
    cell: Option<Mat3>,
    /// A reduced, reordered cell of the same lattice (rows), its longest vector last.
    reduced: Mat3,
    /// position · `inverse` = fractional coordinates in the reduced cell.
    pub(super) inverse: Mat3,
    /// Å³.
    pub(super) volume: f64,
    /// Largest |h|, |k|, |l|.
    pub(super) largest: [usize; 3],
    /// (h, k).
    pub(super) rows: Vec<[i32; 2]>,
    pub(super) blocks: Vec<Block>,
    /// [w(h,k,l), w(h,k,−l)], zero outside the sphere and for the second of a double.
    pub(super) weights: Vec<[f64; 2]>,
}

impl Modes {
    /// Vectors with |k| ≤ `radius` (Å⁻¹) for the cell of `structure`; nothing to do if it is the
    /// cell of the last call.
    pub(super) fn prepare(&mut self, structure: &Structure, alpha: f64, radius: f64) {
        if self.cell == Some(*structure.cell()) {
            return;
        }
        self.cell = Some(*structure.cell());
        self.volume = structure.volume();
        let (reduced, inverse) = reduce(structure.cell(), structure.inverse());
        (self.reduced, self.inverse) = (reduced, inverse);
        self.largest = reduced.map(|a| (radius * norm(&a) / (2.0 * PI)) as usize);
        self.fill_rows(radius);
        self.fill_weights(alpha, radius);
    }

    /// k in Å⁻¹.
    pub(super) fn vector(&self, row: [i32; 2], l: i32) -> Vec3 {
        let index = [row[0], row[1], l].map(f64::from);
        self.inverse.map(|a| 2.0 * PI * dot(&a, &index))
    }

    /// Rows with any vector in the sphere, longest first, cut into blocks.
    fn fill_rows(&mut self, radius: f64) {
        let [h_max, k_max, _] = self.largest.map(|m| m as i32);
        let all = (0..=h_max)
            .flat_map(|h| (if h == 0 { 0 } else { -k_max }..=k_max).map(move |k| [h, k]));
        let mut rows: Vec<_> = all.map(|row| (self.columns(row, radius), row)).collect();
        rows.retain(|&(columns, _)| columns > 0);
        rows.sort_by_key(|&(columns, _)| std::cmp::Reverse(columns));
        self.blocks.clear();
        let mut first = 0;
        for (index, part) in rows.chunks(ROWS).enumerate() {
            let start = index * ROWS;
            let block = Block { rows: start..start + part.len(), columns: part[0].0, first };
            first += block.pairs();
            self.blocks.push(block);
        }
        self.rows = rows.into_iter().map(|(_, row)| row).collect();
    }

    /// 1 + the largest l ≥ 0 for which (h, k, l) or (h, k, −l) is in the sphere; 0 without any.
    fn columns(&self, row: [i32; 2], radius: f64) -> usize {
        let inside = |l: i32| self.is_used(row, l, radius) || self.is_used(row, -l, radius);
        (0..=self.largest[2]).rev().find(|&l| inside(l as i32)).map_or(0, |l| l + 1)
    }

    /// In the sphere, not zero, and not the mirror image of another.
    fn is_used(&self, row: [i32; 2], l: i32, radius: f64) -> bool {
        let k = self.vector(row, l);
        (row != [0, 0] || l > 0) && dot(&k, &k) <= radius * radius
    }

    fn fill_weights(&mut self, alpha: f64, radius: f64) {
        let mut weights = std::mem::take(&mut self.weights);
        weights.clear();
        for block in &self.blocks {
            for l in 0..block.columns as i32 {
                for &row in &self.rows[block.rows.clone()] {
                    let plus = self.weight(row, l, alpha, radius);
                    let minus = if l > 0 { self.weight(row, -l, alpha, radius) } else { 0.0 };
                    weights.push([plus, minus]);
                }
            }
        }
        self.weights = weights;
    }

    fn weight(&self, row: [i32; 2], l: i32, alpha: f64, radius: f64) -> f64 {
        if !self.is_used(row, l, radius) {
            return 0.0;
        }
        let k = self.vector(row, l);
        let k2 = dot(&k, &k);
        8.0 * PI * COULOMB / self.volume * (-k2 / (4.0 * alpha * alpha)).exp() / k2
    }
}

/// A cell of the same lattice with short vectors, the longest last, and its inverse: each vector
/// in turn is shortened by whole multiples of the others until none gets shorter. Skewed cells
/// then need no more phase factors than compact ones.
pub(super) fn reduce(cell: &Mat3, inverse: &Mat3) -> (Mat3, Mat3) {
    let (mut cell, mut dual) = (*cell, transpose(inverse));
    while (0..3).any(|i| (0..3).any(|j| i != j && shorten(&mut cell, &mut dual, i, j))) {}
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| norm(&cell[i]).total_cmp(&norm(&cell[j])));
    (order.map(|i| cell[i]), transpose(&order.map(|i| dual[i])))
}

/// a_i −= n a_j (and a*_j += n a*_i) if that makes a_i shorter by more than rounding.
fn shorten(cell: &mut Mat3, dual: &mut Mat3, i: usize, j: usize) -> bool {
    let n = (dot(&cell[i], &cell[j]) / dot(&cell[j], &cell[j])).round();
    let shorter = [0, 1, 2].map(|d| cell[i][d] - n * cell[j][d]);
    if dot(&shorter, &shorter) >= (1.0 - 1e-9) * dot(&cell[i], &cell[i]) {
        return false;
    }
    cell[i] = shorter;
    dual[j] = [0, 1, 2].map(|d| dual[j][d] + n * dual[i][d]);
    true
}

fn transpose(m: &Mat3) -> Mat3 {
    [0, 1, 2].map(|i| [m[0][i], m[1][i], m[2][i]])
}
