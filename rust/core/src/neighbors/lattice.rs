//! Shorter vectors for the same lattice, so that bins of skewed cells stay compact.

use crate::structure::{Mat3, Vec3, dot};

/// A basis of the lattice of a cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis {
    /// Rows are the vectors, Å.
    pub(super) cell: Mat3,
    /// The same vectors as whole multiples of the rows of the cell they come from.
    pub(super) multiples: [[i64; 3]; 3],
}

/// Pairwise shortest vectors for the lattice of the periodic rows of `cell`.
///
/// Other rows, and all rows of a cell that is already compact, are kept bit for bit.
pub(super) fn compact(cell: &Mat3, pbc: [bool; 3]) -> Basis {
    const MAX_SWEEPS: usize = 100;
    let mut basis = Basis { cell: *cell, multiples: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] };
    for _ in 0..MAX_SWEEPS {
        let mut shortened = false;
        for (a, b) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
            shortened |= pbc[a] && pbc[b] && shorten(&mut basis, a, b, cell);
        }
        if !shortened {
            break;
        }
    }
    basis
}

/// Take the nearest multiple of row `a` from row `b` if that makes `b` shorter.
fn shorten(basis: &mut Basis, a: usize, b: usize, original: &Mat3) -> bool {
    let (short, long) = (basis.cell[a], basis.cell[b]);
    let steps = (dot(&long, &short) / dot(&short, &short)).round() as i64;
    let row = [0, 1, 2].map(|d| basis.multiples[b][d] - steps * basis.multiples[a][d]);
    let candidate = combine(row, original);
    let improves = dot(&candidate, &candidate) < dot(&long, &long) * (1.0 - 1e-9);
    if improves {
        basis.multiples[b] = row;
        basis.cell[b] = candidate;
    }
    improves
}

fn combine(multiples: [i64; 3], cell: &Mat3) -> Vec3 {
    crate::structure::times(&multiples.map(|m| m as f64), cell)
}

impl Basis {
    /// The translation `shift` · [`Self::cell`] in multiples of the original rows.
    pub(super) fn in_original(&self, shift: [i64; 3]) -> [i64; 3] {
        let m = &self.multiples;
        [0, 1, 2].map(|d| shift[0] * m[0][d] + shift[1] * m[1][d] + shift[2] * m[2][d])
    }
}
