//! Superposed electron density at points.
//!
//! A few points are evaluated one by one; for many, the radial densities are tabulated first, with
//! relative errors below 1e-9 (see `profile`), and summed over blocks of points.

// Only what is inlined into a dispatched function is compiled for the vector instructions at hand.
#![allow(clippy::inline_always)]

mod blocks;
mod profile;

use blocks::{BlockSum, Output, Profiles};

use crate::error::{Error, Result};
use crate::neighbors::{Grid, Run, check};
use crate::structure::{Structure, Vec3};

/// Most points of a task.
const CHUNK: usize = 256;
/// Largest coordinate of a point, Å.
const MAX_COORDINATE: f64 = 1e6;

/// Spherical electron densities of the atoms of a structure.
pub trait RadialDensity: Sync {
    /// Distance from which on all densities are zero, Å.
    fn cutoff(&self) -> f64;
    /// Density (e/Å³) of `atom` at distance `r` (Å), and its slope (e/Å⁴); called for r up to 5 % beyond the
    /// cutoff.
    fn value_slope(&self, atom: usize, r: f64) -> (f64, f64);
    /// The same number for atoms of the same density.
    fn same_as(&self, atom: usize) -> usize {
        atom
    }
}

/// `Σ_i ρ_i(|p − R_i|)` over all atoms and their images, at each of `points` (m, 3) in Å.
///
/// Returns (m,) densities in e/Å³, the same whatever the number of threads.
///
/// # Errors
/// Those of [`write_density`].
pub fn density_at_points(
    structure: &Structure,
    radial: &impl RadialDensity,
    points: &[Vec3],
) -> Result<Vec<f64>> {
    let mut density = vec![0.0; points.len()];
    write_density(structure, radial, points, &mut density, None)?;
    Ok(density)
}

/// As [`density_at_points`], with the gradient with respect to the points.
///
/// Returns (m,) densities in e/Å³ and (m, 3) gradients in e/Å⁴; an atom exactly at a point adds
/// no gradient (the mean over all directions).
///
/// # Errors
/// Those of [`write_density`].
pub fn density_and_gradient_at_points(
    structure: &Structure,
    radial: &impl RadialDensity,
    points: &[Vec3],
) -> Result<(Vec<f64>, Vec<Vec3>)> {
    let (mut density, mut gradient) = (vec![0.0; points.len()], vec![[0.0; 3]; points.len()]);
    write_density(structure, radial, points, &mut density, Some(&mut gradient))?;
    Ok((density, gradient))
}

/// Write densities (m,), and gradients (m, 3) if asked for, to arrays of the caller; see
/// [`density_and_gradient_at_points`].
///
/// # Errors
/// [`Error::InvalidInput`] naming the index of a point that is not finite or beyond 1e6 Å; a
/// density cutoff outside 0 … 1000 Å; a cell so small that over 16 million images are reached.
///
/// # Panics
/// If an array is shorter than the points.
pub fn write_density(
    structure: &Structure,
    radial: &impl RadialDensity,
    points: &[Vec3],
    density: &mut [f64],
    gradient: Option<&mut [Vec3]>,
) -> Result<()> {
    let sum = Superposition::new(structure, radial)?;
    let out = Output { density, gradient };
    let blocks = sum.in_blocks(points.len());
    let done = match &blocks {
        Some(blocks) => blocks.write(points, out),
        None => sum.write(points, out),
    };
    if done { Ok(()) } else { Err(bad_point(points)) }
}

/// Atoms sorted into bins, and their densities.
struct Superposition<'a, R> {
    grid: Grid,
    radial: &'a R,
    cutoff: f64,
    open: bool,
}

/// The atoms near a bin; consecutive points are often in the same one.
#[derive(Default)]
struct Near {
    bin: Option<[i32; 3]>,
    runs: Vec<Run>,
}

impl<'a, R: RadialDensity> Superposition<'a, R> {
    fn new(structure: &Structure, radial: &'a R) -> Result<Self> {
        let cutoff = radial.cutoff();
        check(structure, cutoff)?;
        let mut grid = Grid::default();
        grid.build(structure, cutoff)?;
        Ok(Self { grid, radial, cutoff, open: structure.pbc() == [false; 3] })
    }

    /// The same with tables, if there are points enough to pay for them.
    fn in_blocks(&self, points: usize) -> Option<BlockSum<'_, R>> {
        let profiles = Profiles::new(self.radial, self.grid.positions.len(), points)?;
        Some(BlockSum { grid: &self.grid, profiles, cutoff: self.cutoff, open: self.open })
    }

    /// Write the sums at all points, one by one; false if a point is no place.
    fn write(&self, points: &[Vec3], out: Output) -> bool {
        out.in_tasks(points, CHUNK, &|points, out| {
            let mut near = Near::default();
            for (k, point) in points.iter().enumerate() {
                out.set(k, self.at(point, &mut near));
            }
        })
    }

    /// Density and gradient at a point.
    fn at(&self, point: &Vec3, near: &mut Near) -> (f64, Vec3) {
        let place = self.grid.locate(point);
        if near.bin != Some(place.bin) {
            near.bin = Some(place.bin);
            self.grid.runs(place.bin, false, &mut near.runs);
        }
        let mut total = (0.0, [0.0; 3]);
        for run in &near.runs {
            let translation = self.grid.images[run.image as usize].translation;
            let from = [0, 1, 2].map(|d| place.wrapped[d] - translation[d]);
            self.add_run(run, &from, &mut total);
        }
        total
    }

    #[inline]
    fn add_run(&self, run: &Run, point: &Vec3, total: &mut (f64, Vec3)) {
        let atoms = run.start as usize..run.end as usize;
        for (position, &atom) in
            self.grid.positions[atoms.clone()].iter().zip(&self.grid.order[atoms])
        {
            let r = [0, 1, 2].map(|d| point[d] - position[d]);
            let distance2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
            if distance2 >= self.cutoff * self.cutoff {
                continue;
            }
            let distance = distance2.sqrt();
            let (value, slope) = self.radial.value_slope(atom as usize, distance);
            total.0 += value;
            if distance > 0.0 {
                let factor = slope / distance;
                total.1 = [0, 1, 2].map(|d| total.1[d] + factor * r[d]);
            }
        }
    }
}

/// True if points are finite and not too far away.
fn are_places(points: &[Vec3]) -> bool {
    // Without an early exit the loop runs in lanes.
    points.as_flattened().iter().fold(true, |ok, x| ok & (x.abs() <= MAX_COORDINATE))
}

/// The first point that is no place.
fn bad_point(points: &[Vec3]) -> Error {
    let bad = points.iter().position(|point| !are_places(&[*point])).unwrap_or(0);
    Error::invalid(
        format!("points[{bad}]"),
        format!("must be finite and within ±{MAX_COORDINATE:e} Å, got {:?}", points[bad]),
    )
}
