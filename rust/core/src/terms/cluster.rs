//! The neighbours of one atom, in blocks of lanes with one element each.

use crate::error::{Error, Result};
use crate::neighbors::Neighborhoods;
use crate::structure::{Structure, Vec3, dot, times};

use super::lanes::{LANES, Lanes};

/// Atoms nearer than this have no direction between them, Å.
const COINCIDENT: f64 = 1e-6;

/// Up to [`LANES`] neighbours of one element; unused lanes hold a unit vector and no atom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) element: usize,
    pub(super) count: usize,
    pub(super) atoms: [u32; LANES],
    /// Unit vectors from the centre.
    pub(super) unit: [Lanes; 3],
    /// Distances, Å; infinite in unused lanes.
    pub(super) distance: Lanes,
}

const EMPTY: Block = Block {
    element: 0,
    count: 0,
    atoms: [0; LANES],
    unit: [[0.0; LANES], [0.0; LANES], [1.0; LANES]],
    distance: [f64::INFINITY; LANES],
};

/// What is looked at: atoms, their elements in the potential, and who is near whom.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) structure: &'a Structure,
    pub(super) elements: &'a [u8],
    pub(super) neighborhoods: &'a Neighborhoods,
    pub(super) cutoff: f64,
}

impl Surroundings<'_> {
    /// The neighbours of an atom within the cutoff, by element.
    pub(super) fn gather(&self, atom: usize, kinds: usize, blocks: &mut Vec<Block>) -> Result<()> {
        blocks.clear();
        let (positions, cell) = (self.structure.positions(), self.structure.cell());
        let here = positions[atom];
        let limit = self.cutoff * self.cutoff;
        for kind in 0..kinds {
            for neighbor in self.neighborhoods.of(atom) {
                let other = neighbor.atom as usize;
                if usize::from(self.elements[other]) != kind {
                    continue;
                }
                let mut vector: Vec3 = [0, 1, 2].map(|d| positions[other][d] - here[d]);
                if neighbor.shift != [0; 3] {
                    let shift = times(&neighbor.shift.map(f64::from), cell);
                    (0..3).for_each(|d| vector[d] += shift[d]);
                }
                let square = dot(&vector, &vector);
                if square < limit {
                    put(blocks, kind, neighbor.atom, &vector, square.sqrt());
                    if square < COINCIDENT * COINCIDENT {
                        return Err(coincident(atom, other));
                    }
                }
            }
        }
        Ok(())
    }
}

fn put(blocks: &mut Vec<Block>, element: usize, atom: u32, vector: &Vec3, distance: f64) {
    let full = blocks.last().is_none_or(|b| b.count == LANES || b.element != element);
    if full {
        blocks.push(Block { element, ..EMPTY });
    }
    if let Some(block) = blocks.last_mut() {
        let lane = block.count;
        block.atoms[lane] = atom;
        let inverse = distance.recip();
        (0..3).for_each(|d| block.unit[d][lane] = vector[d] * inverse);
        block.distance[lane] = distance;
        block.count += 1;
    }
}

fn coincident(atom: usize, other: usize) -> Error {
    Error::invalid(
        format!("positions[{atom}]"),
        format!("atoms {atom} and {other} are less than {COINCIDENT:e} Å apart"),
    )
}
