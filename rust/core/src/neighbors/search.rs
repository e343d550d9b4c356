//! All neighbours of all atoms, found bin by bin.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::grid::{Grid, Run};
use super::{MAX_PAIRS, SERIAL_BELOW, too_many_pairs};
use crate::error::Result;
use crate::structure::Vec3;

/// Sorted atoms per task; fixed, so that the result does not depend on the number of threads.
const CHUNK: usize = 128;

/// A neighbour: sorted index and index of [`Grid::images`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hit {
    pub(crate) atom: u32,
    pub(crate) image: u32,
}

/// Neighbours of each sorted atom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hits {
    chunks: Vec<Chunk>,
}

/// The neighbours of up to [`CHUNK`] atoms, with buffers for the search.
#[derive(Debug, Clone, Default)]
struct Chunk {
    hits: Vec<Hit>,
    /// End of each atom's neighbours in `hits`.
    ends: Vec<usize>,
    runs: Vec<Run>,
    scratch: Vec<Hit>,
}

impl Hits {
    /// Search `grid` for neighbours closer than `cutoff` (Å), all or one of each pair (`half`).
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) if there are too many pairs.
    pub(crate) fn search(&mut self, grid: &Grid, cutoff: f64, half: bool) -> Result<()> {
        let n = grid.order.len();
        self.chunks.resize_with(n.div_ceil(CHUNK), Chunk::default);
        let found = AtomicU64::new(0);
        let task = |(c, chunk): (usize, &mut Chunk)| {
            let atoms = c * CHUNK..n.min((c + 1) * CHUNK);
            chunk.search(grid, atoms, cutoff * cutoff, half, &found);
        };
        if n < SERIAL_BELOW {
            self.chunks.iter_mut().enumerate().for_each(task);
        } else {
            self.chunks.par_iter_mut().enumerate().for_each(task);
        }
        if found.load(Ordering::Relaxed) > MAX_PAIRS { Err(too_many_pairs()) } else { Ok(()) }
    }

    /// Neighbours of a sorted atom.
    pub(crate) fn of(&self, atom: usize) -> &[Hit] {
        let (chunk, local) = (&self.chunks[atom / CHUNK], atom % CHUNK);
        let start = if local == 0 { 0 } else { chunk.ends[local - 1] };
        &chunk.hits[start..chunk.ends[local]]
    }
}

impl Chunk {
    fn search(
        &mut self,
        grid: &Grid,
        atoms: Range<usize>,
        cutoff2: f64,
        half: bool,
        found: &AtomicU64,
    ) {
        self.hits.clear();
        self.ends.clear();
        let (mut bin_end, count) = (atoms.start, atoms.len());
        for atom in atoms {
            if atom == bin_end {
                bin_end = self.enter_bin(grid, atom, half);
            }
            let before = self.hits.len();
            self.search_atom(grid, atom, cutoff2, half);
            let new = (self.hits.len() - before) as u64;
            if found.fetch_add(new, Ordering::Relaxed) + new > MAX_PAIRS {
                return;
            }
            if before == 0 {
                // The others will have about as many: no growth in many steps.
                self.hits.reserve((new as usize * count * 9 / 8).min(1 << 20));
            }
            self.ends.push(self.hits.len());
        }
    }

    /// Prepare the runs for the bin of `atom`; returns the end of that bin.
    fn enter_bin(&mut self, grid: &Grid, atom: usize, half: bool) -> usize {
        let bin = grid.bin_of(atom);
        grid.runs(grid.unflatten(bin), half, &mut self.runs);
        let candidates = self.runs.iter().map(|run| (run.end - run.start) as usize).sum();
        if self.scratch.len() < candidates {
            self.scratch.resize(candidates, Hit::default());
        }
        grid.end_of(bin)
    }

    fn search_atom(&mut self, grid: &Grid, atom: usize, cutoff2: f64, half: bool) {
        let here = grid.positions[atom];
        let mut kept = 0;
        for run in &self.runs {
            let translation = grid.images[run.image as usize].translation;
            let mut sweep = |range: Range<usize>| {
                let sweep = Sweep { here, translation, cutoff2, image: run.image };
                kept += sweep.keep(&grid.positions, range, &mut self.scratch[kept..]);
            };
            let range = run.start as usize..run.end as usize;
            if run.image == grid.home() && range.contains(&atom) {
                // The atom is no neighbour of itself; in a half list neither are those before it.
                if !half {
                    sweep(range.start..atom);
                }
                sweep(atom + 1..range.end);
            } else {
                sweep(range);
            }
        }
        self.hits.extend_from_slice(&self.scratch[..kept]);
    }
}

/// One atom against a run of atoms in one image.
struct Sweep {
    here: Vec3,
    translation: Vec3,
    cutoff2: f64,
    image: u32,
}

impl Sweep {
    /// Write the atoms of `range` within the cutoff to the front of `out`; returns their number.
    #[inline]
    fn keep(&self, positions: &[Vec3], range: Range<usize>, out: &mut [Hit]) -> usize {
        let mut kept = 0;
        for (atom, position) in (range.start..).zip(&positions[range]) {
            let r = separation(&self.here, position, &self.translation);
            // Written in any case and overwritten if too far: no branch to mispredict.
            out[kept] = Hit { atom: atom as u32, image: self.image };
            kept += usize::from(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < self.cutoff2);
        }
        kept
    }
}

/// (there − here) + translation: exactly the opposite vector if seen from the other atom.
#[inline]
pub(crate) fn separation(here: &Vec3, there: &Vec3, translation: &Vec3) -> Vec3 {
    [0, 1, 2].map(|d| (there[d] - here[d]) + translation[d])
}
