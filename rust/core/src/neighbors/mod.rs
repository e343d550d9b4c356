//! Neighbour lists for any cell and any mix of periodic directions, in O(N).
//!
//! The vector of a pair is `r = R_j − R_i + S·cell` with the positions R exactly as given: atoms may
//! lie outside the cell, the shifts S account for it.

mod around;
mod axis;
mod full;
mod grid;
mod lattice;
mod plan;
mod reference;
mod search;
mod table;
mod verlet;

pub use around::{Neighbor, Neighborhoods};
pub use full::{Columns, FullList, FullSearch, neighbor_list};
pub(crate) use grid::{Grid, Run};
pub use plan::BinPlan;
pub(crate) use reference::Reference;
pub(crate) use search::{Hits, separation};
pub use verlet::{NeighborList, Pair};

use crate::error::{Error, Result};
use crate::structure::{Structure, dot};

/// Largest cutoff accepted, Å.
pub const MAX_CUTOFF: f64 = 1000.0;
/// Most pairs a list may hold.
pub const MAX_PAIRS: u64 = 2_000_000_000;
/// Fewer atoms are not worth a second thread.
const SERIAL_BELOW: usize = 2000;
/// Open systems with fewer atoms are searched pair by pair.
const DIRECT_BELOW: usize = 60;

/// Refuse a cutoff that is not a positive number up to [`MAX_CUTOFF`].
fn check_cutoff(cutoff: f64) -> Result<()> {
    if !(cutoff > 0.0 && cutoff <= MAX_CUTOFF) {
        return Err(Error::invalid(
            "cutoff",
            format!("must be positive and at most {MAX_CUTOFF} Å, got {cutoff}"),
        ));
    }
    Ok(())
}

/// Refuse a bad cutoff, and more atoms than their indices can count.
pub(crate) fn check(structure: &Structure, cutoff: f64) -> Result<()> {
    check_cutoff(cutoff)?;
    if structure.len() > i32::MAX as usize {
        return Err(Error::invalid(
            "positions",
            format!("must be fewer than 2^31 atoms, got {}", structure.len()),
        ));
    }
    Ok(())
}

/// Refuse, before any work, lists whose expected length is far beyond [`MAX_PAIRS`].
///
/// Counts the images of each atom in the sphere, and in a fully periodic cell all atoms; what
/// this misses is caught while searching.
pub(crate) fn check_expected_pairs(structure: &Structure, cutoff: f64) -> Result<()> {
    check_expected(structure, structure.len(), cutoff)
}

/// [`check_expected_pairs`] for so many atoms in the cell of a structure.
fn check_expected(structure: &Structure, atoms: usize, cutoff: f64) -> Result<()> {
    let n = atoms as f64;
    let periodic = structure.pbc().iter().filter(|&&p| p).count();
    let ball = match periodic {
        0 => return Ok(()),
        1 => 2.0 * cutoff,
        2 => std::f64::consts::PI * cutoff.powi(2),
        _ => 4.0 / 3.0 * std::f64::consts::PI * cutoff.powi(3),
    };
    // Vectors of open directions have length one and are orthogonal, so this is also a length
    // or an area.
    let images = ball / structure.volume();
    let neighbors = if periodic == 3 { n * images } else { images };
    if n * neighbors > 2.0 * MAX_PAIRS as f64 { Err(too_many_pairs()) } else { Ok(()) }
}

fn too_many_pairs() -> Error {
    Error::invalid(
        "cutoff",
        format!("gives more than {MAX_PAIRS} pairs; use a smaller cutoff or fewer atoms"),
    )
}

/// True for systems small and open enough for a plain double loop.
fn is_small_open(structure: &Structure) -> bool {
    structure.len() < DIRECT_BELOW && structure.pbc() == [false; 3]
}

/// Call `keep(i, j)` for the pairs i < j of an open system closer than `cutoff` (Å), in order.
fn direct_pairs(structure: &Structure, cutoff: f64, mut keep: impl FnMut(usize, usize)) {
    let positions = structure.positions();
    for (i, here) in positions.iter().enumerate() {
        for (j, there) in positions.iter().enumerate().skip(i + 1) {
            let r = search::separation(here, there, &[0.0; 3]);
            if dot(&r, &r) < cutoff * cutoff {
                keep(i, j);
            }
        }
    }
}
