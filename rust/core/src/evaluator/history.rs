//! The last few solutions, and what to make of them for the next minimisation.

use rayon::prelude::*;

use super::displacements::Displacements;
use crate::parallel::{BLOCK, grain};
use crate::structure::{Structure, Vec3};

/// An atom that moved further than this (Å) since the last call belongs to another geometry: the
/// weights are sought afresh, so that a pulled bond ends on its lowest branch.
const LARGEST_MOVE: f64 = 0.5;
/// Solutions kept.
pub(super) const DEPTH: usize = 10;
/// Part of the last displacement that a smooth path leaves unexplained.
const SMOOTH: f64 = 1e-3;
/// Part of the last displacement that a fit to earlier ones may leave unexplained.
const UNEXPLAINED: f64 = 0.5;
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

    /// Factors (sum 1) of the combination of geometries nearest to `positions`, by least squares; on a
    /// smooth path of the one that, a step earlier, also came nearest to the last solution: weights
    /// have frequencies that positions do not. None if even that is far from `positions`.
    fn factors(&self, positions: &[Vec3]) -> Option<Vec<f64>> {
        let flat = |k: usize| self.positions[k].as_flattened();
        let geometry =
            Displacements::new(positions.as_flattened(), (0..self.positions.len()).map(flat));
        let weights = self.unknowns[1..].iter().map(Vec::as_slice);
        let weights = Displacements::new(&self.unknowns[0], weights);
        let smooth = geometry.plus(&weights).combination();
        let smooth = smooth.filter(|factors| geometry.misfit(factors) <= SMOOTH * SMOOTH);
        let factors = smooth.or_else(|| geometry.combination())?;
        (geometry.misfit(&factors) <= UNEXPLAINED * UNEXPLAINED).then_some(factors)
    }
}

/// Put a copy of `new` before the others, at most [`DEPTH`] of them.
fn renew<T: Copy>(all: &mut Vec<Vec<T>>, new: &[T]) {
    let mut slot = if all.len() == DEPTH { all.pop().unwrap_or_default() } else { Vec::new() };
    slot.clear();
    slot.extend_from_slice(new);
    all.insert(0, slot);
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
    }
}
