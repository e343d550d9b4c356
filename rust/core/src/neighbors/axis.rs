//! Division of one cell direction into bins.

use std::ops::Range;

use super::grid::heights;
use crate::structure::{Mat3, Structure, times};

/// Bins per cutoff: more follow the sphere better, fewer cost less bookkeeping.
const BINS_PER_CUTOFF: f64 = 2.0;
/// Cap on the bins, per atom: distant atoms must not cost memory.
const BINS_PER_ATOM: f64 = 2.0;

/// Bins along one direction of the (compact) cell, in fractional coordinates; directions without
/// periodicity have a unit vector, so there fractional is Å.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Axis {
    periodic: bool,
    /// Fractional coordinate of the first face of bin 0.
    origin: f64,
    /// Bins per fractional unit.
    scale: f64,
    /// Number of bins, at least 1.
    pub(super) bins: i32,
    /// Bins to search on either side.
    pub(super) reach: i32,
    /// Images of the cell reached on either side; 0 if not periodic.
    pub(super) images: i32,
}

/// Bins for searches up to `cutoff` (Å) in a cell with this inverse.
pub(super) fn axes(structure: &Structure, inverse: &Mat3, cutoff: f64) -> [Axis; 3] {
    // Bins overlap a little, so that rounding near a face cannot lose a pair.
    let padded = cutoff * (1.0 + 1e-9) + 1e-8;
    let extent = extents(structure, inverse);
    let heights = heights(inverse);
    let lengths =
        [0, 1, 2].map(|d| if structure.pbc()[d] { heights[d] } else { extent[d].1 - extent[d].0 });
    let wanted = lengths.map(|length| (BINS_PER_CUTOFF * length / padded).floor().max(1.0));
    let cap = (BINS_PER_ATOM * structure.len() as f64).clamp(8.0, 1e9);
    let bins = capped(wanted, cap);
    [0, 1, 2].map(|d| {
        let periodic = structure.pbc()[d];
        let origin = if periodic { 0.0 } else { extent[d].0 };
        let shortest = padded / BINS_PER_CUTOFF;
        let width = lengths[d] / bins[d];
        let width = if periodic { width } else { width.max(shortest) };
        let bins = bins[d] as i32;
        let reach = (padded / width * (1.0 - 1e-12)).ceil().min(1e8) as i32;
        let scale = if periodic { f64::from(bins) } else { 1.0 / width };
        let images = if periodic { (reach + bins - 1) / bins } else { 0 };
        Axis { periodic, origin, scale, bins, reach, images }
    })
}

/// Smallest and largest coordinate along the directions without periodicity.
fn extents(structure: &Structure, inverse: &Mat3) -> [(f64, f64); 3] {
    let mut extents = [(f64::INFINITY, f64::NEG_INFINITY); 3];
    if structure.is_empty() || structure.pbc() == [true; 3] {
        return [(0.0, 0.0); 3];
    }
    for position in structure.positions() {
        let fractional = times(position, inverse);
        for (extent, x) in extents.iter_mut().zip(fractional) {
            *extent = (extent.0.min(x), extent.1.max(x));
        }
    }
    extents
}

/// Halve the largest number of bins until their product is at most `cap`.
fn capped(mut bins: [f64; 3], cap: f64) -> [f64; 3] {
    while bins.iter().product::<f64>() > cap {
        let largest = (0..3).max_by(|&a, &b| bins[a].total_cmp(&bins[b])).unwrap_or(0);
        bins[largest] = (0.5 * bins[largest]).floor().max(1.0);
    }
    bins
}

impl Axis {
    /// Bin of a fractional coordinate and the whole cells taken from it.
    pub(super) fn locate(&self, fractional: f64) -> (i32, i64) {
        if self.periodic {
            let cells = fractional.floor();
            let bin = ((fractional - cells) * self.scale) as i32;
            return (bin.min(self.bins - 1), cells as i64);
        }
        let bin = ((fractional - self.origin) * self.scale).floor();
        // Beyond its reach the grid holds nothing, wherever exactly the point is.
        let beyond = f64::from(self.reach + 1);
        (bin.clamp(-beyond, f64::from(self.bins) + beyond) as i32, 0)
    }

    /// The bin in the cell, and the image it belongs to, of a bin counted beyond the faces.
    pub(super) fn fold(&self, bin: i32) -> Option<(i32, i32)> {
        if self.periodic {
            Some((bin.rem_euclid(self.bins), bin.div_euclid(self.bins)))
        } else {
            (0..self.bins).contains(&bin).then_some((bin, 0))
        }
    }

    /// First and last image with bins in `range`.
    pub(super) fn images_of(&self, range: &Range<i32>) -> (i32, i32) {
        if self.periodic {
            (range.start.div_euclid(self.bins), (range.end - 1).div_euclid(self.bins))
        } else {
            (0, 0)
        }
    }
}
