//! The last two solutions, and what to make of them for the next minimisation.

use crate::structure::{Structure, Vec3};

/// An atom that moved further than this (Å) since the last call belongs to another geometry: the
/// weights are sought afresh, so that a pulled bond ends on its lowest branch.
const LARGEST_MOVE: f64 = 0.5;

/// The last two solutions, to start from.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    numbers: Vec<u8>,
    pbc: [bool; 3],
    positions: [Vec<Vec3>; 2],
    weights: [Vec<f64>; 2],
}

impl History {
    pub(super) fn push(&mut self, structure: &Structure, weights: &[f64]) {
        if self.numbers != structure.numbers() || self.pbc != structure.pbc() {
            *self = Self::default();
            self.numbers = structure.numbers().to_vec();
            self.pbc = structure.pbc();
        }
        self.positions.swap(0, 1);
        self.weights.swap(0, 1);
        self.positions[0] = structure.positions().to_vec();
        self.weights[0] = weights.to_vec();
    }

    /// Weights to start from: the last ones, extrapolated time-reversibly (2ω_n − ω_{n−1}) when
    /// the atoms move on as in the step before, as they do in dynamics.
    pub(super) fn predict(&self, structure: &Structure) -> Option<Vec<f64>> {
        if self.weights[0].is_empty()
            || self.numbers != structure.numbers()
            || self.pbc != structure.pbc()
        {
            return None;
        }
        if self.largest_move(structure) > LARGEST_MOVE {
            return None;
        }
        let [last, before] = &self.weights;
        if !self.steady(structure) {
            return Some(last.clone());
        }
        let extrapolate = |(w, b): (&f64, &f64)| (2.0 * w - b).max(0.2 * w);
        Some(last.iter().zip(before).map(extrapolate).collect())
    }

    fn largest_move(&self, structure: &Structure) -> f64 {
        let moves = structure.positions().iter().zip(&self.positions[0]);
        moves.fold(0.0_f64, |most, (new, old)| {
            (0..3).fold(most, |most, d| most.max((new[d] - old[d]).abs()))
        })
    }

    /// The last two displacements differ by less than half of the last.
    fn steady(&self, structure: &Structure) -> bool {
        let [last, before] = &self.positions;
        if before.len() != last.len() {
            return false;
        }
        let (mut step, mut bend) = (0.0_f64, 0.0_f64);
        for ((new, last), before) in structure.positions().iter().zip(last).zip(before) {
            for d in 0..3 {
                step = step.max((last[d] - before[d]).abs());
                bend = bend.max((new[d] - 2.0 * last[d] + before[d]).abs());
            }
        }
        step > 0.0 && bend < 0.5 * step
    }
}
