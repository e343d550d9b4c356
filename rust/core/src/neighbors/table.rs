//! From neighbours of sorted atoms to lists in the user's order.

use std::ops::Range;

use super::grid::Grid;
use super::search::{Hits, separation};
use super::{SERIAL_BELOW, check_expected_pairs};
use crate::error::Result;
use crate::structure::{Structure, Vec3};

/// Atoms per task.
const GRAIN: usize = 256;

/// A neighbour list in the order of the search; buffers are reused.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    grid: Grid,
    hits: Hits,
    /// Sorted index of each atom in the user's order.
    sorted: Vec<u32>,
}

/// One entry of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) i: u32,
    pub(super) j: u32,
    pub(super) shift: [i32; 3],
    /// From atom i to the image of atom j, Å.
    pub(super) vector: Vec3,
}

/// Arrays that entries are written to; they can be divided between threads.
pub(super) trait Output: Send + Sized {
    /// The first `at` entries, and the others.
    fn split(self, at: usize) -> (Self, Self);
    /// Write all of `entries`, one for each entry of the arrays.
    fn write(self, entries: impl Iterator<Item = Entry>);
}

impl Table {
    /// Find all neighbours closer than `cutoff` (Å), or one of each pair (`half`), and set
    /// `starts` to the (n + 1,) offsets of the atoms in the user's order.
    pub(super) fn build(
        &mut self,
        structure: &Structure,
        cutoff: f64,
        half: bool,
        starts: &mut Vec<usize>,
    ) -> Result<()> {
        check_expected_pairs(structure, cutoff)?;
        self.grid.build(structure, cutoff)?;
        self.hits.search(&self.grid, cutoff, half)?;
        self.sorted.resize(structure.len(), 0);
        for (sorted, &i) in self.grid.order.iter().enumerate() {
            self.sorted[i as usize] = sorted as u32;
        }
        starts.clear();
        starts.push(0);
        let mut end = 0;
        starts.extend(self.sorted.iter().map(|&sorted| {
            end += self.hits.of(sorted as usize).len();
            end
        }));
        Ok(())
    }

    /// Write all entries in the order of `starts`.
    pub(super) fn fill(&self, starts: &[usize], out: impl Output) {
        self.fill_atoms(0..self.sorted.len(), starts, out);
    }

    fn fill_atoms<O: Output>(&self, atoms: Range<usize>, starts: &[usize], out: O) {
        let serial = self.sorted.len() < SERIAL_BELOW || atoms.len() <= GRAIN;
        if serial {
            let (first, mut rest) = (starts[atoms.start], out);
            let mut done = first;
            for i in atoms {
                let (mine, others) = rest.split(starts[i + 1] - done);
                mine.write(self.entries(i));
                (rest, done) = (others, starts[i + 1]);
            }
            return;
        }
        let middle = usize::midpoint(atoms.start, atoms.end);
        let (low, high) = out.split(starts[middle] - starts[atoms.start]);
        rayon::join(
            || self.fill_atoms(atoms.start..middle, starts, low),
            || self.fill_atoms(middle..atoms.end, starts, high),
        );
    }

    /// Entries of one atom (user's index).
    fn entries(&self, i: usize) -> impl Iterator<Item = Entry> {
        let grid = &self.grid;
        let sorted = self.sorted[i] as usize;
        let (here, wrap) = (grid.positions[sorted], grid.wraps[sorted]);
        self.hits.of(sorted).iter().map(move |hit| {
            let (there, image) = (hit.atom as usize, &grid.images[hit.image as usize]);
            let other = grid.wraps[there];
            Entry {
                i: i as u32,
                j: grid.order[there],
                shift: [0, 1, 2].map(|d| image.shift[d] + wrap[d] - other[d]),
                vector: separation(&here, &grid.positions[there], &image.translation),
            }
        })
    }
}
