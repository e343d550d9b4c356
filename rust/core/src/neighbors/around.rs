//! All neighbours of each atom, from a half list.

use rayon::prelude::*;

use super::{Pair, SERIAL_BELOW};
use crate::structure::{Structure, dot};

/// A neighbour of an atom.
#[derive(Debug, Clone, Copy, Default)]
pub struct Neighbor {
    /// The other atom.
    pub atom: u32,
    /// Cell vectors added to it.
    pub shift: [i32; 3],
}

/// Every pair of a half list seen from both of its atoms; buffers are reused.
#[derive(Debug, Clone, Default)]
pub struct Neighborhoods {
    starts: Vec<usize>,
    entries: Vec<Neighbor>,
    /// Which pairs of the list are near.
    near: Vec<bool>,
}

impl Neighborhoods {
    /// Sort the pairs of a structure that are closer than `reach` (Å) by atom; the order follows from
    /// that of the pairs.
    pub fn build(&mut self, structure: &Structure, pairs: &[Pair], reach: f64) {
        let atoms = structure.len();
        let is_near = |pair: &Pair| {
            let vector = pair.vector(structure.positions(), structure.cell());
            dot(&vector, &vector) < reach * reach
        };
        pairs.par_iter().with_min_len(SERIAL_BELOW).map(is_near).collect_into_vec(&mut self.near);
        let near = || pairs.iter().zip(&self.near).filter(|(_, near)| **near).map(|(pair, _)| pair);
        self.starts.clear();
        self.starts.resize(atoms + 1, 0);
        for pair in near() {
            self.starts[pair.i as usize + 1] += 1;
            self.starts[pair.j as usize + 1] += 1;
        }
        for i in 0..atoms {
            self.starts[i + 1] += self.starts[i];
        }
        self.entries.clear();
        self.entries.resize(self.starts[atoms], Neighbor::default());
        let mut next = self.starts.clone();
        let mut put = |at: u32, neighbor: Neighbor| {
            self.entries[next[at as usize]] = neighbor;
            next[at as usize] += 1;
        };
        for pair in near() {
            put(pair.i, Neighbor { atom: pair.j, shift: pair.shift });
            put(pair.j, Neighbor { atom: pair.i, shift: pair.shift.map(|s| -s) });
        }
    }

    /// Neighbours of an atom.
    ///
    /// # Panics
    /// If `atom` is not an atom of the last build.
    pub fn of(&self, atom: usize) -> &[Neighbor] {
        &self.entries[self.starts[atom]..self.starts[atom + 1]]
    }
}
