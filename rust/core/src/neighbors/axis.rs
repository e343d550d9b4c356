//! Division of one cell direction into bins.

use std::ops::Range;

use rayon::prelude::*;

use super::grid::heights;
use crate::structure::{Mat3, Structure, times};

/// Bins per cutoff: more follow the sphere better, fewer cost less bookkeeping.
const BINS_PER_CUTOFF: f64 = 2.0;
/// Cutoffs that remain of a gap without atoms: enough that its sides are not searched for each other
/// (shortening is always safe, it only adds candidates).
const GAP: f64 = 3.0;
/// Cap on the bins, per atom: distant atoms must not cost memory.
const BINS_PER_ATOM: f64 = 2.0;

/// Bins along one direction of the (compact) cell, in fractional coordinates; directions without
/// periodicity have a unit vector, so there fractional is Å.
#[derive(Debug, Clone, Default)]
pub(super) struct Axis {
    periodic: bool,
    /// Fractional coordinate of the first face of bin 0.
    pub(super) origin: f64,
    /// Bins per fractional unit.
    pub(super) scale: f64,
    /// Number of bins, at least 1.
    pub(super) bins: i32,
    /// Bins to search on either side.
    pub(super) reach: i32,
    /// Images of the cell reached on either side; 0 if not periodic.
    pub(super) images: i32,
    /// Empty space that gets no bins, in order.
    gaps: Vec<Gap>,
}

/// Empty space along an open axis, shortened to [`GAP`] cutoffs when bins are counted.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// Coordinates of the atoms on both sides, Å.
    start: f64,
    end: f64,
    /// Cutoff, Å.
    padded: f64,
    /// Length taken out before this gap, and with it, Å.
    removed_before: f64,
    removed_after: f64,
}

impl Gap {
    /// Squeezed coordinate of a point in or after this gap, before the next. Points within the
    /// cutoff of a side keep their distance to it, others are over a cutoff from both.
    fn squeeze(&self, x: f64) -> f64 {
        if x >= self.end - self.padded {
            x - self.removed_after
        } else {
            x.min(self.start + 0.5 * GAP * self.padded) - self.removed_before
        }
    }
}

/// Bins for searches up to `cutoff` (Å) in a cell with this inverse.
pub(super) fn axes(structure: &Structure, inverse: &Mat3, cutoff: f64) -> [Axis; 3] {
    let padded = padded(cutoff);
    let extent = extents(structure, inverse);
    let heights = heights(inverse);
    let pbc = structure.pbc();
    let mut lengths =
        [0, 1, 2].map(|d| if pbc[d] { heights[d] } else { extent[d].1 - extent[d].0 });
    let cap = most_bins(structure.len());
    let mut gaps = [const { Vec::new() }; 3];
    if wanted(lengths, padded).iter().product::<f64>() > cap {
        for d in (0..3).filter(|&d| !pbc[d]) {
            gaps[d] = find_gaps(structure, inverse, d, padded);
            lengths[d] -= gaps[d].last().map_or(0.0, |gap| gap.removed_after);
        }
    }
    let bins = capped(wanted(lengths, padded), cap);
    std::array::from_fn(|d| {
        Axis::new(pbc[d], extent[d].0, lengths[d], bins[d], padded, std::mem::take(&mut gaps[d]))
    })
}

/// [`axes`] of these lengths (Å) for atoms whose positions are not at hand.
pub(super) fn uniform_axes(
    pbc: [bool; 3],
    origin: [f64; 3],
    lengths: [f64; 3],
    atoms: usize,
    cutoff: f64,
) -> [Axis; 3] {
    let padded = padded(cutoff);
    let bins = capped(wanted(lengths, padded), most_bins(atoms));
    std::array::from_fn(|d| Axis::new(pbc[d], origin[d], lengths[d], bins[d], padded, Vec::new()))
}

/// Bins overlap a little, so that rounding near a face cannot lose a pair.
fn padded(cutoff: f64) -> f64 {
    cutoff * (1.0 + 1e-9) + 1e-8
}

fn wanted(lengths: [f64; 3], padded: f64) -> [f64; 3] {
    lengths.map(|x| (BINS_PER_CUTOFF * x / padded).floor().max(1.0))
}

fn most_bins(atoms: usize) -> f64 {
    (BINS_PER_ATOM * atoms as f64).clamp(8.0, 1e9)
}

/// Gaps between the atoms along an open direction that are far wider than the search.
fn find_gaps(structure: &Structure, inverse: &Mat3, d: usize, padded: f64) -> Vec<Gap> {
    let coordinate = |position| times(position, inverse)[d];
    let mut sorted: Vec<f64> = structure.positions().iter().map(coordinate).collect();
    sorted.par_sort_unstable_by(f64::total_cmp);
    let mut removed = 0.0;
    let mut gaps = Vec::new();
    for ends in sorted.windows(2) {
        let excess = ends[1] - ends[0] - GAP * padded;
        if excess > 0.0 {
            gaps.push(Gap {
                start: ends[0],
                end: ends[1],
                padded,
                removed_before: removed,
                removed_after: removed + excess,
            });
            removed += excess;
        }
    }
    gaps
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
    /// `bins` bins for the `length` from `origin`; an open axis may get wider ones.
    fn new(
        periodic: bool,
        origin: f64,
        length: f64,
        bins: f64,
        padded: f64,
        gaps: Vec<Gap>,
    ) -> Self {
        let width =
            if periodic { length / bins } else { (length / bins).max(padded / BINS_PER_CUTOFF) };
        let reach = (padded / width * (1.0 - 1e-12)).ceil().min(1e8) as i32;
        let origin = if periodic { 0.0 } else { origin };
        let scale = if periodic { bins } else { 1.0 / width };
        let bins = bins as i32;
        let images = if periodic { (reach + bins - 1) / bins } else { 0 };
        Self { periodic, origin, scale, bins, reach, images, gaps }
    }

    /// A coordinate along an open axis after shortening the gaps before it.
    fn squeeze(&self, x: f64) -> f64 {
        let before = self.gaps.partition_point(|gap| gap.start < x);
        if before == 0 { x } else { self.gaps[before - 1].squeeze(x) }
    }

    /// Bin of a fractional coordinate and the whole cells taken from it.
    pub(super) fn locate(&self, fractional: f64) -> (i32, i64) {
        if self.periodic {
            let cells = fractional.floor();
            let bin = ((fractional - cells) * self.scale) as i32;
            return (bin.min(self.bins - 1), cells as i64);
        }
        let bin = ((self.squeeze(fractional) - self.origin) * self.scale).floor();
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
