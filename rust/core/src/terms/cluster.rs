//! The neighbours of one atom, in blocks of lanes with one element each.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::neighbors::Neighborhoods;
use crate::structure::{Structure, Vec3, dot, times};

use super::lanes::{LANES, Lanes, ZERO};

/// Atoms nearer than this have no direction between them, Å.
const COINCIDENT: f64 = 1e-6;
/// Squared distance of lanes without an atom, Å².
const FAR: f64 = 1e12;

/// Up to [`LANES`] neighbours of one element and shell; unused lanes hold a unit vector far away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) element: usize,
    pub(super) count: usize,
    /// No neighbour is nearer, Å.
    pub(super) nearest: f64,
    pub(super) atoms: [u32; LANES],
    /// Unit vectors from the centre.
    pub(super) unit: [Lanes; 3],
    /// Distances, Å.
    pub(super) distance: Lanes,
}

impl Block {
    /// Without atoms, so far away that nothing reaches them.
    fn empty(element: usize, nearest: f64) -> Self {
        let unit = [ZERO, ZERO, [FAR; LANES]];
        Self { element, count: 0, nearest, atoms: [0; LANES], unit, distance: [FAR; LANES] }
    }

    /// From pair vectors in `unit` and squares in `distance` to unit vectors and distances.
    #[inline(always)]
    fn normalise(&mut self) {
        for w in 0..LANES {
            let distance = self.distance[w].sqrt();
            let inverse = distance.recip();
            self.distance[w] = distance;
            for d in 0..3 {
                self.unit[d][w] *= inverse;
            }
        }
    }
}

/// A neighbour within the cutoff.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Near {
    atom: u32,
    kind: usize,
    vector: Vec3,
    square: f64,
}

/// What is looked at: atoms, their elements in the potential, and who is near whom.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) structure: &'a Structure,
    pub(super) elements: &'a [u8],
    pub(super) neighborhoods: &'a Neighborhoods,
}

impl Surroundings<'_> {
    /// The neighbours of an atom within the last of `cutoffs`, by element and by shell between two
    /// cutoffs, so that a function of short range can pass over whole blocks.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        atom: usize,
        kinds: usize,
        cutoffs: &[f64],
        near: &mut Vec<Near>,
        blocks: &mut Vec<Block>,
    ) -> Result<()> {
        let count = self.collect(atom, cutoffs.last().copied().unwrap_or(0.0), near);
        let near = &near[..count];
        if let Some(n) = near.iter().find(|n| n.square < COINCIDENT * COINCIDENT) {
            return Err(coincident(atom, n.atom as usize));
        }
        blocks.clear();
        for kind in 0..kinds {
            let mut inner = 0.0;
            for &outer in cutoffs {
                let shell = inner * inner..outer * outer;
                pack(near, kind, shell, inner, blocks);
                inner = outer;
            }
        }
        blocks.iter_mut().for_each(Block::normalise);
        Ok(())
    }

    /// Pair vectors shorter than a cutoff into `near`; returns how many.
    #[inline(always)]
    fn collect(&self, atom: usize, cutoff: f64, near: &mut Vec<Near>) -> usize {
        let (positions, cell) = (self.structure.positions(), self.structure.cell());
        let (here, limit) = (positions[atom], cutoff * cutoff);
        let listed = self.neighborhoods.of(atom);
        near.resize(near.len().max(listed.len()), Near::default());
        let mut count = 0;
        for neighbor in listed {
            let other = neighbor.atom as usize;
            let mut vector: Vec3 = [0, 1, 2].map(|d| positions[other][d] - here[d]);
            if neighbor.shift != [0; 3] {
                let shift = times(&neighbor.shift.map(f64::from), cell);
                (0..3).for_each(|d| vector[d] += shift[d]);
            }
            let square = dot(&vector, &vector);
            // Written in any case and kept if near: there is no branch to guess wrong.
            let kind = usize::from(self.elements[other]);
            near[count] = Near { atom: neighbor.atom, kind, vector, square };
            count += usize::from(square < limit);
        }
        count
    }
}

/// Append the neighbours of an element whose squared distance is in a range.
#[inline(always)]
fn pack(near: &[Near], kind: usize, shell: Range<f64>, nearest: f64, blocks: &mut Vec<Block>) {
    let mut lane = LANES;
    for n in near {
        if n.kind != kind || !shell.contains(&n.square) {
            continue;
        }
        if lane == LANES {
            blocks.push(Block::empty(kind, nearest));
            lane = 0;
        }
        if let Some(block) = blocks.last_mut() {
            block.atoms[lane] = n.atom;
            (0..3).for_each(|d| block.unit[d][lane] = n.vector[d]);
            block.distance[lane] = n.square;
            lane += 1;
            block.count = lane;
        }
    }
}

fn coincident(atom: usize, other: usize) -> Error {
    Error::invalid(
        format!("positions[{atom}]"),
        format!("atoms {atom} and {other} are less than {COINCIDENT:e} Å apart"),
    )
}
