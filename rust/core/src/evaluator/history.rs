//! The last few solutions, and what to make of them for the next minimisation.

use std::ops::Range;

use rayon::prelude::*;

use crate::parallel::{BLOCK, grain, sum};
use crate::structure::{Structure, Vec3};

/// An atom that moved further than this (Å) since the last call belongs to another geometry: the
/// weights are sought afresh, so that a pulled bond ends on its lowest branch.
const LARGEST_MOVE: f64 = 0.5;
/// Solutions kept.
const DEPTH: usize = 8;
/// Part of the last displacement that a fit to earlier ones may leave unexplained.
const UNEXPLAINED: f64 = 0.5;
/// Regularisation of the fit relative to its largest diagonal entry.
const RIDGE: f64 = 1e-14;
/// Where the fit leaves a choice (on a straight path, say) it extrapolates with this order.
const ORDER: usize = 5;
/// Largest sum of the factors' sizes, that of polynomials through all solutions: more would amplify
/// errors of the weights, on a path that earlier displacements hardly span.
const LARGEST_SUM: f64 = 256.0;
/// A weight falls to no less than this part of itself in one prediction.
const LARGEST_FALL: f64 = 0.2;

/// Positions and weights of the last solutions, the latest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    numbers: Vec<u8>,
    pbc: [bool; 3],
    positions: Vec<Vec<Vec3>>,
    /// Weights, and after them what may have any sign.
    unknowns: Vec<Vec<f64>>,
    weights: usize,
}

impl History {
    /// Take a solution, of which the first `weights` are not negative.
    pub(super) fn push(&mut self, structure: &Structure, unknowns: &[f64], weights: usize) {
        if self.numbers != structure.numbers() || self.pbc != structure.pbc() {
            *self = Self::default();
            self.numbers = structure.numbers().to_vec();
            self.pbc = structure.pbc();
        }
        renew(&mut self.positions, structure.positions());
        self.weights = weights;
        renew(&mut self.unknowns, unknowns);
    }

    /// Weights to start from: the combination of earlier solutions whose geometries, combined alike,
    /// come nearest to this one. In dynamics that extrapolates with an order that grows with the
    /// smoothness of the path; where the path is not smooth it is the last solution.
    pub(super) fn predict(&self, structure: &Structure) -> Option<Vec<f64>> {
        let last = self.last(structure)?;
        let Some(factors) = self.factors(structure.positions()) else {
            return Some(last.to_vec());
        };
        let mut found = vec![0.0; last.len()];
        let tasks = found.par_chunks_mut(BLOCK).enumerate().with_min_len(grain(last.len()));
        tasks.for_each(|(b, found)| {
            for (unknowns, factor) in self.unknowns.iter().zip(&factors) {
                let part = &unknowns[b * BLOCK..];
                found.iter_mut().zip(part).for_each(|(x, w)| *x += factor * w);
            }
        });
        found[..self.weights].iter_mut().zip(last).for_each(|(x, w)| *x = x.max(LARGEST_FALL * w));
        Some(found)
    }

    /// The last weights, if they are those of a geometry nearby.
    pub(super) fn last(&self, structure: &Structure) -> Option<&[f64]> {
        let last = self.unknowns.first()?;
        let same = self.numbers == structure.numbers() && self.pbc == structure.pbc();
        (same && self.largest_move(structure) <= LARGEST_MOVE).then_some(last)
    }

    fn largest_move(&self, structure: &Structure) -> f64 {
        let moves = structure.positions().iter().zip(&self.positions[0]);
        moves.fold(0.0_f64, |most, (new, old)| {
            (0..3).fold(most, |most, d| most.max((new[d] - old[d]).abs()))
        })
    }

    /// Factors (sum 1) of the combination of geometries nearest to `positions`, by least squares;
    /// none if even that is far from it.
    fn factors(&self, positions: &[Vec3]) -> Option<Vec<f64>> {
        let products = self.scalar_products(positions);
        // Displacements along a line are linearly dependent: use as many as are not.
        let factors = (1..self.positions.len()).rev().find_map(|m| combination(&products, m))?;
        let explained: f64 =
            factors[1..].iter().zip(&products[1..]).map(|(f, row)| f * row[0]).sum();
        let whole = products[0][0];
        (whole - explained <= UNEXPLAINED * UNEXPLAINED * whole).then_some(factors)
    }

    /// Scalar products of the displacements from the last geometry: of the new one (row 0) and of
    /// the earlier ones.
    fn scalar_products(&self, positions: &[Vec3]) -> [[f64; DEPTH]; DEPTH] {
        let of_atoms = |atoms: Range<usize>| {
            let mut sums = [0.0; DEPTH * DEPTH];
            for (i, d) in atoms.flat_map(|i| [0, 1, 2].map(|d| (i, d))) {
                let last = self.positions[0][i][d];
                let mut moves = [0.0; DEPTH];
                moves[0] = positions[i][d] - last;
                for (x, earlier) in moves[1..].iter_mut().zip(&self.positions[1..]) {
                    *x = earlier[i][d] - last;
                }
                for (row, x) in sums.chunks_exact_mut(DEPTH).zip(moves) {
                    row.iter_mut().zip(moves).for_each(|(sum, y)| *sum += x * y);
                }
            }
            sums
        };
        let sums = sum(positions.len(), of_atoms);
        std::array::from_fn(|a| std::array::from_fn(|b| sums[a * DEPTH + b]))
    }
}

/// Factors of the last geometry and of `m` earlier ones; none if their displacements are dependent
/// or the factors large.
fn combination(products: &[[f64; DEPTH]; DEPTH], m: usize) -> Option<Vec<f64>> {
    let largest = (1..=m).fold(0.0_f64, |most, a| most.max(products[a][a]));
    let mut matrix: Vec<f64> =
        products[1..=m].iter().flat_map(|row| &row[1..=m]).copied().collect();
    (0..m).for_each(|a| matrix[a * (m + 1)] += RIDGE * largest);
    let preferred = polynomial(ORDER.min(m + 1));
    let mut factors: Vec<f64> = products[1..=m].iter().map(|row| row[0]).collect();
    factors.iter_mut().zip(&preferred[1..]).for_each(|(x, f)| *x += RIDGE * largest * f);
    solve(&mut matrix, &mut factors)?;
    factors.insert(0, 1.0 - factors.iter().sum::<f64>());
    (factors.iter().map(|f| f.abs()).sum::<f64>() <= LARGEST_SUM).then_some(factors)
}

/// Factors of the last `order` values of a polynomial of that degree less one, for the next value.
fn polynomial(order: usize) -> Vec<f64> {
    let mut factor = -1.0;
    let next = |j: usize| {
        factor *= -((order - j) as f64) / (j + 1) as f64;
        factor
    };
    (0..order).map(next).collect()
}

/// Put a copy of `new` before the others, at most [`DEPTH`] of them.
fn renew<T: Copy>(all: &mut Vec<Vec<T>>, new: &[T]) {
    let mut slot = if all.len() == DEPTH { all.pop().unwrap_or_default() } else { Vec::new() };
    slot.clear();
    slot.extend_from_slice(new);
    all.insert(0, slot);
}

/// Solve a positive definite system in place (Cholesky); none if it is not one.
fn solve(a: &mut [f64], b: &mut [f64]) -> Option<()> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            if i > j {
                a[i * n + j] = rest / a[j * n + j];
            } else if rest > 0.0 {
                a[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
        let dot: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Three atoms on a curved path, and weights that are functions of their positions.
    fn at(time: f64) -> (Structure, Vec<f64>) {
        let place =
            |k: f64| [k + 0.1 * (time + k).sin(), 0.1 * (1.3 * time).cos() * k, 0.05 * time];
        let positions: Vec<Vec3> = [1.0, 2.0, 4.0].map(place).to_vec();
        let weights = positions.iter().flatten().map(|x| 0.5 + 0.1 * (2.0 * x).sin()).collect();
        (Structure::new(positions, vec![1; 3], [[0.0; 3]; 3], [false; 3]).unwrap(), weights)
    }

    fn error(times: &[f64], next: f64) -> f64 {
        let mut history = History::default();
        for time in times {
            let (structure, weights) = at(*time);
            history.push(&structure, &weights, weights.len());
        }
        let (structure, weights) = at(next);
        let found = history.predict(&structure).unwrap();
        found.iter().zip(weights).fold(0.0, |most, (x, y)| (x - y).abs().max(most))
    }

    #[test]
    fn the_order_grows_with_the_number_of_solutions() {
        let times: Vec<f64> = (0..8).map(|k| 0.1 * f64::from(k)).collect();
        let errors = [1, 2, 4, 8].map(|n| error(&times[8 - n..], 0.8));
        assert!(errors[0] < 0.02 && errors[3] < 3e-5, "{errors:?}");
        assert!(errors.windows(2).all(|e| e[1] < 0.5 * e[0]), "{errors:?}");
    }

    #[test]
    fn steps_of_any_length_extrapolate() {
        assert!(error(&[0.0, 0.13, 0.2, 0.31, 0.4, 0.47, 0.6, 0.66], 0.75) < 1e-4);
    }

    #[test]
    fn a_jump_starts_from_the_last_weights_and_a_leap_from_none() {
        let mut history = History::default();
        for k in 0..8 {
            let (structure, weights) = at(0.001 * f64::from(k));
            history.push(&structure, &weights, weights.len());
        }
        let moved = |by: f64| {
            let (structure, weights) = at(0.007);
            let positions = structure.positions().iter().map(|r| [r[0], r[1] + by * r[0], r[2]]);
            let structure =
                Structure::new(positions.collect(), vec![1; 3], [[0.0; 3]; 3], [false; 3]);
            (structure.unwrap(), weights)
        };
        let (structure, weights) = moved(0.1);
        assert_eq!(history.predict(&structure), Some(weights));
        assert_eq!(history.predict(&moved(0.3).0), None);
        assert_eq!(polynomial(4), [4.0, -6.0, 4.0, -1.0]);
    }
}
