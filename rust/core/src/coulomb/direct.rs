//! Coulomb's law between all pairs of a finite system.

use rayon::prelude::*;

use crate::COULOMB;
use crate::structure::{Mat3, Vec3};

/// Up to this many atoms the matrix `COULOMB`/R is stored (2 MiB).
const MAX_STORED: usize = 512;
/// From this many atoms on rows are shared among threads.
const MIN_PARALLEL: usize = 256;
/// Rows of one task.
const ROWS: usize = 32;

/// All pairs, with the matrix of small systems.
#[derive(Debug, Clone, Default)]
pub(super) struct Direct {
    positions: Vec<Vec3>,
    /// Coordinates by axis, for the sums without a matrix.
    axes: [Vec<f64>; 3],
    /// `COULOMB`/R by rows, zero on the diagonal; empty above `MAX_STORED` atoms.
    matrix: Vec<f64>,
}

impl Direct {
    pub(super) fn prepare(&mut self, positions: &[Vec3]) {
        self.positions.clear();
        self.positions.extend_from_slice(positions);
        for (d, axis) in self.axes.iter_mut().enumerate() {
            axis.clear();
            axis.extend(positions.iter().map(|r| r[d]));
        }
        self.matrix.clear();
        if positions.len() <= MAX_STORED {
            self.fill_matrix();
        }
    }

    pub(super) fn positions(&self) -> &[Vec3] {
        &self.positions
    }

    fn fill_matrix(&mut self) {
        for (i, a) in self.positions.iter().enumerate() {
            let row = self.positions.iter().map(|b| COULOMB / distance2(a, b).sqrt());
            self.matrix.extend(row);
            let n = self.positions.len();
            self.matrix[i * n + i] = 0.0;
        }
    }

    /// V_i += `COULOMB` Σ_{j≠i} q_j/R_ij.
    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        assert_eq!(charges.len(), self.positions.len(), "charges of the prepared atoms");
        if charges.len() < MIN_PARALLEL {
            self.add_rows(0, charges, potential);
        } else {
            let tasks = potential.par_chunks_mut(ROWS).enumerate();
            tasks.for_each(|(t, rows)| self.add_rows(t * ROWS, charges, rows));
        }
    }

    fn add_rows(&self, first: usize, charges: &[f64], potential: &mut [f64]) {
        let n = charges.len();
        for (i, v) in (first..).zip(potential) {
            *v += match self.matrix.get(i * n..(i + 1) * n) {
                Some(row) => dot(row, charges),
                None => {
                    COULOMB * (self.row_sum(i, 0, i, charges) + self.row_sum(i, i + 1, n, charges))
                }
            };
        }
    }

    /// Σ_j q_j/R_ij for j from `start` to `end`, in four interleaved partial sums.
    fn row_sum(&self, i: usize, start: usize, end: usize, charges: &[f64]) -> f64 {
        let [x, y, z] = &self.axes;
        let (xs, ys, zs, qs) =
            (&x[start..end], &y[start..end], &z[start..end], &charges[start..end]);
        let term = |j: usize| {
            let (dx, dy, dz) = (xs[j] - x[i], ys[j] - y[i], zs[j] - z[i]);
            qs[j] / (dx * dx + dy * dy + dz * dz).sqrt()
        };
        let whole = qs.len() / 4 * 4;
        let mut sums = [0.0; 4];
        for j in (0..whole).step_by(4) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += term(j + lane);
            }
        }
        sums.iter().sum::<f64>() + (whole..qs.len()).map(term).sum::<f64>()
    }

    /// Forces, and the virial −½ Σ_ij `COULOMB` q_i q_j d⊗d/R³.
    pub(super) fn add_forces(&self, charges: &[f64], forces: &mut [Vec3], virial: &mut Mat3) {
        assert_eq!(charges.len(), self.positions.len(), "charges of the prepared atoms");
        let tasks = forces.par_chunks_mut(ROWS).enumerate().with_min_len(MIN_PARALLEL / ROWS);
        let parts: Vec<Mat3> =
            tasks.map(|(t, rows)| self.add_row_forces(t * ROWS, charges, rows)).collect();
        for part in parts {
            for (total, row) in virial.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                *total += row;
            }
        }
    }

    fn add_row_forces(&self, first: usize, charges: &[f64], forces: &mut [Vec3]) -> Mat3 {
        let mut virial = [[0.0; 3]; 3];
        for (i, force) in (first..).zip(forces) {
            for (j, b) in self.positions.iter().enumerate().filter(|&(j, _)| j != i) {
                let a = &self.positions[i];
                let r2 = distance2(a, b);
                let factor = COULOMB * charges[i] * charges[j] / (r2 * r2.sqrt());
                let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
                for p in 0..3 {
                    force[p] += factor * d[p];
                    for q in 0..3 {
                        virial[p][q] -= 0.5 * factor * d[p] * d[q];
                    }
                }
            }
        }
        virial
    }
}

fn distance2(a: &Vec3, b: &Vec3) -> f64 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

/// Σ a_j b_j in four interleaved partial sums.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (heads, tails) = (a.chunks_exact(4).zip(b.chunks_exact(4)), a.len() / 4 * 4);
    let mut sums = [0.0; 4];
    for (x, y) in heads {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let tail: f64 = a[tails..].iter().zip(&b[tails..]).map(|(x, y)| x * y).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
}
