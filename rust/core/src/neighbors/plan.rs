//! How to share atoms among bins where the positions are elsewhere, on a device.

use super::axis::uniform_axes;
use super::grid::{Grid, heights};
use super::lattice::compact;
use super::{check_cutoff, check_expected};
use crate::error::Result;
use crate::structure::{Mat3, Structure, Vec3, inverse};

/// Bins of a cell, as [`Grid`] has them, but without regard to gaps between the atoms.
#[derive(Debug, Clone)]
pub struct BinPlan {
    /// Short vectors for the lattice of the cell (rows, Å), and the inverse.
    pub cell: Mat3,
    /// Fractional = position · inverse.
    pub inverse: Mat3,
    /// The rows of [`Self::cell`] as multiples of those of the structure's cell.
    pub multiples: [[i64; 3]; 3],
    /// Fractional coordinate of the first face of bin 0.
    pub origin: Vec3,
    /// Bins per fractional unit.
    pub scale: Vec3,
    /// Number of bins; the third axis runs fastest.
    pub bins: [i32; 3],
    /// Bins to search on either side.
    pub reach: [i32; 3],
    /// Images of the cell reached on either side; their index runs fastest along the third axis.
    pub images: [i32; 3],
    /// Translation of every image in multiples of the structure's cell, and in Å.
    pub shifts: Vec<[i32; 3]>,
    /// The same in Å.
    pub translations: Vec<Vec3>,
}

impl BinPlan {
    /// Bins for `atoms` atoms in the cell of `frame` (its own atoms do not matter), which lie
    /// between `lowest` and `highest` (fractional) along the axes that are not periodic.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) for a cutoff out of range, or one that
    /// reaches too many images or pairs.
    pub fn new(
        frame: &Structure,
        atoms: usize,
        [lowest, highest]: [Vec3; 2],
        cutoff: f64,
    ) -> Result<Self> {
        check_cutoff(cutoff)?;
        check_expected(frame, atoms, cutoff)?;
        let basis = compact(frame.cell(), frame.pbc());
        let inverse = inverse(&basis.cell);
        let heights = heights(&inverse);
        let lengths = [0, 1, 2]
            .map(|d| if frame.pbc()[d] { heights[d] } else { (highest[d] - lowest[d]).max(0.0) });
        let axes = uniform_axes(frame.pbc(), lowest, lengths, atoms, cutoff);
        let images = Grid::images_within(&basis, &axes)?;
        Ok(Self {
            cell: basis.cell,
            inverse,
            multiples: basis.multiples,
            origin: [0, 1, 2].map(|d| axes[d].origin),
            scale: [0, 1, 2].map(|d| axes[d].scale),
            bins: [0, 1, 2].map(|d| axes[d].bins),
            reach: [0, 1, 2].map(|d| axes[d].reach),
            images: [0, 1, 2].map(|d| axes[d].images),
            shifts: images.iter().map(|image| image.shift).collect(),
            translations: images.iter().map(|image| image.translation).collect(),
        })
    }
}
