//! Atoms sorted into bins: which runs of atoms, in which images, lie within reach of a bin.

use rayon::prelude::*;

use super::SERIAL_BELOW;
use super::axis::{Axis, axes};
use super::lattice::{Basis, compact};
use crate::error::{Error, Result};
use crate::structure::{Mat3, Structure, Vec3, inverse, norm, times};

/// Most periodic images of the cell within the cutoff.
const MAX_IMAGES: f64 = 16e6;
/// Furthest an atom may lie outside the cell, cells.
const MAX_WRAP: i64 = 100_000_000;

/// A translation of the cell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Image {
    /// Multiples of the vectors of the structure's cell.
    pub(crate) shift: [i32; 3],
    /// The same translation, Å.
    pub(crate) translation: Vec3,
}

/// Sorted atoms `start..end`, all seen in the same image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index of [`Grid::images`].
    pub(crate) image: u32,
}

/// Cell list. "Sorted" atoms are in the order of their bins, ties in the user's order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    cell: Mat3,
    inverse: Mat3,
    axes: [Axis; 3],
    /// First sorted atom of each bin, and the number of atoms; the third axis runs fastest.
    starts: Vec<u32>,
    /// Bin of each atom in the user's order.
    bins: Vec<u32>,
    /// Index in the user's order of each sorted atom.
    pub(crate) order: Vec<u32>,
    /// Wrapped position of each sorted atom, Å.
    pub(crate) positions: Vec<Vec3>,
    /// Cell vectors taken from each sorted atom by the wrapping.
    pub(crate) wraps: Vec<[i32; 3]>,
    /// All translations that occur in a [`Run`].
    pub(crate) images: Vec<Image>,
}

/// Where a point lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Bin along each axis; outside the grid for points beyond the atoms of an open axis.
    pub(crate) bin: [i32; 3],
    /// The point moved into the cell, Å.
    pub(crate) wrapped: Vec3,
    /// Vectors of the compact cell that were taken away.
    wrap: [i64; 3],
}

impl Grid {
    /// Sort the atoms of `structure` for searches up to `cutoff` (Å); buffers are reused.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the cell is so small or flat that over 16 million images are
    /// within the cutoff, or an atom lies over 1e8 cells away from the cell.
    pub(crate) fn build(&mut self, structure: &Structure, cutoff: f64) -> Result<()> {
        let basis = compact(structure.cell(), structure.pbc());
        self.cell = basis.cell;
        self.inverse = inverse(&basis.cell);
        self.axes = axes(structure, &self.inverse, cutoff);
        self.images = Self::images_within(&basis, &self.axes)?;
        self.assign_bins(structure.positions());
        self.count_bins();
        self.sort(structure.positions(), |wrap| basis.in_original(wrap))
    }

    /// Index of the image without translation.
    pub(crate) fn home(&self) -> u32 {
        (self.images.len() / 2) as u32
    }

    /// Bin and wrapped position of any point, Å.
    pub(crate) fn locate(&self, point: &Vec3) -> Place {
        let mut place = Place { bin: [0; 3], wrapped: *point, wrap: [0; 3] };
        let fractional = times(point, &self.inverse);
        for d in 0..3 {
            (place.bin[d], place.wrap[d]) = self.axes[d].locate(fractional[d]);
        }
        if place.wrap != [0; 3] {
            let translation = times(&place.wrap.map(|n| n as f64), &self.cell);
            place.wrapped = [0, 1, 2].map(|d| point[d] - translation[d]);
        }
        place
    }

    /// Bin of a sorted atom.
    pub(crate) fn bin_of(&self, sorted: usize) -> u32 {
        self.bins[self.order[sorted] as usize]
    }

    /// First sorted atom of a bin.
    pub(crate) fn start_of(&self, bin: u32) -> usize {
        self.starts[bin as usize] as usize
    }

    /// Number of sorted atoms up to and including a bin.
    pub(crate) fn end_of(&self, bin: u32) -> usize {
        self.starts[bin as usize + 1] as usize
    }

    /// A flat bin index along each axis.
    pub(crate) fn unflatten(&self, bin: u32) -> [i32; 3] {
        let (ny, nz) = (self.axes[1].bins as u32, self.axes[2].bins as u32);
        [bin / (ny * nz), bin / nz % ny, bin % nz].map(|b| b as i32)
    }

    /// All atoms that may be within the cutoff of a place in `bin`, in a fixed order.
    ///
    /// With `half`, only those in the half space of bins after `bin`, and in `bin` itself.
    pub(crate) fn runs(&self, bin: [i32; 3], half: bool, runs: &mut Vec<Run>) {
        runs.clear();
        let [rx, ry, rz] = [0, 1, 2].map(|d| self.axes[d].reach);
        for dx in if half { 0 } else { -rx }..=rx {
            let Some((x, image_x)) = self.axes[0].fold(bin[0] + dx) else { continue };
            for dy in if half && dx == 0 { 0 } else { -ry }..=ry {
                let Some((y, image_y)) = self.axes[1].fold(bin[1] + dy) else { continue };
                let low = if half && dx == 0 && dy == 0 { 0 } else { -rz };
                let row = x * self.axes[1].bins + y;
                let image = self.image_index(image_x, image_y, 0);
                self.row(row, image, bin[2] + low..bin[2] + rz + 1, runs);
            }
        }
    }

    /// Append the runs of the bins `range` of the third axis, one for each image.
    fn row(&self, row: i32, image: i32, range: std::ops::Range<i32>, runs: &mut Vec<Run>) {
        let axis = &self.axes[2];
        let (first, last) = axis.images_of(&range);
        for shift in first..=last {
            let low = (range.start - shift * axis.bins).max(0);
            let high = (range.end - shift * axis.bins).min(axis.bins);
            if low < high {
                let start = self.starts[(row * axis.bins + low) as usize];
                let end = self.starts[(row * axis.bins + high) as usize];
                if start < end {
                    runs.push(Run { start, end, image: (image + shift) as u32 });
                }
            }
        }
    }

    fn image_index(&self, x: i32, y: i32, z: i32) -> i32 {
        let [nx, ny, nz] = [0, 1, 2].map(|d| self.axes[d].images);
        ((x + nx) * (2 * ny + 1) + y + ny) * (2 * nz + 1) + z + nz
    }

    /// All translations that a search meets, in the order of [`Self::image_index`].
    pub(super) fn images_within(basis: &Basis, axes: &[Axis; 3]) -> Result<Vec<Image>> {
        let [nx, ny, nz] = [0, 1, 2].map(|d| axes[d].images);
        let count: f64 = axes.iter().map(|axis| 2.0 * f64::from(axis.images) + 1.0).product();
        if count > MAX_IMAGES {
            return Err(Error::invalid(
                "cutoff",
                format!("reaches about {count:.1e} images of the cell, at most {MAX_IMAGES:.1e}"),
            ));
        }
        let mut images = Vec::with_capacity(count as usize);
        for x in -nx..=nx {
            for y in -ny..=ny {
                for z in -nz..=nz {
                    let shift = narrow(basis.in_original([x, y, z].map(i64::from)))?;
                    let translation = times(&[x, y, z].map(f64::from), &basis.cell);
                    images.push(Image { shift, translation });
                }
            }
        }
        Ok(images)
    }

    fn assign_bins(&mut self, positions: &[Vec3]) {
        let mut bins = std::mem::take(&mut self.bins);
        bins.resize(positions.len(), 0);
        let assign = |(bin, position): (&mut u32, &Vec3)| *bin = self.flat_bin(position);
        if positions.len() < SERIAL_BELOW {
            bins.iter_mut().zip(positions).for_each(assign);
        } else {
            bins.par_iter_mut().zip(positions).with_min_len(1024).for_each(assign);
        }
        self.bins = bins;
    }

    /// Bin of an atom, which lies in the grid up to rounding.
    fn flat_bin(&self, position: &Vec3) -> u32 {
        let bin = self.locate(position).bin;
        let [x, y, z] = [0, 1, 2].map(|d| bin[d].clamp(0, self.axes[d].bins - 1));
        ((x * self.axes[1].bins + y) * self.axes[2].bins + z) as u32
    }

    fn count_bins(&mut self) {
        let total: i32 = self.axes.iter().map(|axis| axis.bins).product();
        self.starts.clear();
        self.starts.resize(total as usize + 1, 0);
        for &bin in &self.bins {
            self.starts[bin as usize + 1] += 1;
        }
        for bin in 0..total as usize {
            self.starts[bin + 1] += self.starts[bin];
        }
    }

    /// Counting sort; `starts` serve as cursors and are moved back afterwards.
    fn sort(
        &mut self,
        positions: &[Vec3],
        in_original: impl Fn([i64; 3]) -> [i64; 3],
    ) -> Result<()> {
        let n = positions.len();
        self.order.resize(n, 0);
        self.positions.resize(n, [0.0; 3]);
        self.wraps.resize(n, [0; 3]);
        for (i, position) in positions.iter().enumerate() {
            let place = self.locate(position);
            let cursor = &mut self.starts[self.bins[i] as usize];
            let sorted = *cursor as usize;
            *cursor += 1;
            self.order[sorted] = i as u32;
            self.positions[sorted] = place.wrapped;
            self.wraps[sorted] = narrow(in_original(place.wrap))?;
        }
        let last = self.starts.len() - 1;
        self.starts.copy_within(0..last, 1);
        self.starts[0] = 0;
        Ok(())
    }
}

/// Whole cells as stored; far fewer than 2^31.
fn narrow(cells: [i64; 3]) -> Result<[i32; 3]> {
    if cells.iter().any(|n| n.abs() > MAX_WRAP) {
        return Err(Error::invalid(
            "positions",
            format!("an atom or image is {cells:?} cells away, at most {MAX_WRAP} are allowed"),
        ));
    }
    Ok(cells.map(|n| n as i32))
}

/// Distances between opposite faces of the cell with this inverse, Å.
pub(super) fn heights(inverse: &Mat3) -> Vec3 {
    [0, 1, 2].map(|d| 1.0 / norm(&[inverse[0][d], inverse[1][d], inverse[2][d]]))
}
