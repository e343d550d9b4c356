//! A mesh over the cell and its convolution with the Coulomb interaction by Fourier transforms.
//!
//! Real values lie plane by plane (first axis), each row (third axis) followed by [`PAD`] more that
//! repeat its start, so that splines need not wrap. A convolution transforms rows and columns of a
//! plane while it is in the cache, then the lines across planes, multiplies, and goes back. The spectrum
//! of a plane takes the place of its real values.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use num_complex::Complex;
use rayon::prelude::*;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use super::scratch::{Number, with_complex, with_scratch};
use super::spline::moduli;
use crate::COULOMB;
use crate::structure::{Mat3, Vec3, dot, times};

/// Repeated values at the end of a row.
pub(super) const PAD: usize = 12;
/// Lines across planes that one task transforms.
const LINES: usize = 16;
/// Planes that one task collects from the lines: those of one cache line.
const PLANES: usize = 4;
/// Smaller meshes are transformed by one thread.
const MIN_PARALLEL: usize = 4096;

/// Where energy and virial of the modes are added up, one per task.
type Sums = [f64; 7];

/// Mesh, influence function and Fourier transforms of one cell.
#[derive(Debug, Clone)]
pub(super) struct Mesh<T: Number> {
    pub(super) shape: [usize; 3],
    alpha: f64,
    /// position · `inverse` = fractional coordinates.
    pub(super) inverse: Mat3,
    /// `COULOMB` 4π/V exp(−k²/4α²)/k² |b|², by (third, second, first) index.
    influence: Vec<T>,
    plans: Plans<T>,
}

#[derive(Clone)]
struct Plans<T> {
    across: [Arc<dyn Fft<T>>; 2],
    columns: [Arc<dyn Fft<T>>; 2],
    forward: Arc<dyn RealToComplex<T>>,
    backward: Arc<dyn ComplexToReal<T>>,
}

impl<T> fmt::Debug for Plans<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plans").finish_non_exhaustive()
    }
}

impl<T: Number> Plans<T> {
    fn new([nx, ny, nz]: [usize; 3]) -> Self {
        let (mut complex, mut real) = (FftPlanner::new(), RealFftPlanner::new());
        let mut both = |n| [complex.plan_fft_forward(n), complex.plan_fft_inverse(n)];
        Self {
            across: both(nx),
            columns: both(ny),
            forward: real.plan_fft_forward(nz),
            backward: real.plan_fft_inverse(nz),
        }
    }
}

/// Batches of transforms in place.
fn transform<T: Number>(plan: &Arc<dyn Fft<T>>, data: &mut [Complex<T>]) {
    with_complex(plan.get_inplace_scratch_len(), |scratch| {
        plan.process_with_scratch(data, scratch);
    });
}

impl<T: Number> Mesh<T> {
    /// For splines of an `order` and a lattice given by the inverse of its cell.
    pub(super) fn new(
        shape: [usize; 3],
        order: usize,
        alpha: f64,
        inverse: Mat3,
        volume: f64,
    ) -> Self {
        let plans = Plans::new(shape);
        let mut mesh = Self { shape, alpha, inverse, influence: Vec::new(), plans };
        mesh.fill_influence(order, volume);
        mesh
    }

    /// Another cell with the same mesh.
    pub(super) fn set_cell(&mut self, order: usize, inverse: Mat3, volume: f64) {
        self.inverse = inverse;
        self.fill_influence(order, volume);
    }

    /// Influence function by (first, second, third) index.
    pub(super) fn influence_by_first(&self) -> Vec<T> {
        let [nx, ny, _] = self.shape;
        let at = |x: usize, line: usize| self.influence[line * nx + x];
        let lines =
            move |x| (0..ny).flat_map(move |y| (0..self.half()).map(move |z| (x, z * ny + y)));
        (0..nx).flat_map(lines).map(|(x, line)| at(x, line)).collect()
    }

    pub(super) fn row(&self) -> usize {
        self.shape[2] + PAD
    }

    pub(super) fn plane(&self) -> usize {
        self.shape[1] * self.row()
    }

    /// Fractional coordinates of a place.
    pub(super) fn fraction(&self, place: &Place) -> Vec3 {
        [0, 1, 2].map(|d| (f64::from(place.first[d]) + place.past[d]) / self.shape[d] as f64)
    }

    /// Length of the real values.
    pub(super) fn len(&self) -> usize {
        self.shape[0] * self.plane()
    }

    /// Third indices of the half spectrum.
    fn half(&self) -> usize {
        self.shape[2] / 2 + 1
    }

    /// Planes of one task.
    fn grain(&self) -> usize {
        if self.len() < MIN_PARALLEL { self.shape[0] } else { 1 }
    }

    /// Lines across planes: one for each (third, second) index.
    fn lines(&self) -> usize {
        self.half() * self.shape[1]
    }

    fn fill_influence(&mut self, order: usize, volume: f64) {
        let [nx, ny, _] = self.shape;
        let moduli = self.shape.map(|n| moduli(order, n));
        let mut influence = std::mem::take(&mut self.influence);
        influence.resize(self.lines() * nx, T::zero());
        influence.par_chunks_mut(nx).enumerate().with_min_len(64).for_each(|(line, out)| {
            let (y, z) = (line % ny, line / ny);
            let modulus = 4.0 * PI * COULOMB / volume * moduli[1][y] * moduli[2][z];
            for (x, value) in out.iter_mut().enumerate() {
                let mode = |k: Vec3| modulus * moduli[0][x] * self.decay(dot(&k, &k));
                *value = T::nearest(self.wave([x, y, z]).map_or(0.0, mode));
            }
        });
        self.influence = influence;
    }

    /// exp(−k²/4α²)/k².
    fn decay(&self, k2: f64) -> f64 {
        (-0.25 * k2 / (self.alpha * self.alpha)).exp() / k2
    }

    /// Wave vector of a mode, Å⁻¹; none for k = 0 and for the highest frequency of an axis, which
    /// stands for +k and −k at once.
    fn wave(&self, index: [usize; 3]) -> Option<Vec3> {
        let mut m = [0.0; 3];
        for d in 0..3 {
            let n = self.shape[d];
            if 2 * index[d] == n {
                return None;
            }
            m[d] = if 2 * index[d] < n { index[d] as f64 } else { index[d] as f64 - n as f64 };
        }
        (index != [0; 3]).then(|| self.inverse.map(|row| 2.0 * PI * dot(&row, &m)))
    }

    /// Potential on the mesh of the charges that `spread(x, plane)` adds to every plane x.
    pub(super) fn convolve(&self, spread: impl Fn(usize, &mut [T]) + Sync, real: &mut [T]) {
        self.pass(spread, real, false);
    }

    /// As [`Self::convolve`]; returns ∂E/∂strain of the modes, eV.
    pub(super) fn convolve_with_virial(
        &self,
        spread: impl Fn(usize, &mut [T]) + Sync,
        real: &mut [T],
    ) -> Mat3 {
        let [energy, xx, yy, zz, yz, xz, xy] = self.pass(spread, real, true);
        let mut virial = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]];
        (0..3).for_each(|d| virial[d][d] -= energy);
        virial
    }

    fn pass(&self, spread: impl Fn(usize, &mut [T]) + Sync, real: &mut [T], virial: bool) -> Sums {
        with_complex(self.shape[0] * self.lines(), |lines| {
            real.par_chunks_mut(self.plane()).enumerate().with_min_len(self.grain()).for_each(
                |(x, plane)| {
                    plane.fill(T::zero());
                    spread(x, plane);
                    self.forward_plane(plane);
                },
            );
            let sums = self.multiply(real, lines, virial);
            real.par_chunks_mut(PLANES * self.plane())
                .enumerate()
                .with_min_len(self.grain())
                .for_each(|(group, planes)| {
                    self.collect_planes(PLANES * group, lines, planes);
                    let planes = planes.chunks_exact_mut(self.plane());
                    planes.for_each(|plane| self.backward_plane(plane));
                });
            sums
        })
    }

    /// The spectrum in the place of a plane's real values, by (third, second) index.
    fn spectrum<'a>(&self, plane: &'a mut [T]) -> &'a mut [Complex<T>] {
        bytemuck::cast_slice_mut(&mut plane[..2 * self.lines()])
    }

    /// Rows, then columns.
    fn forward_plane(&self, plane: &mut [T]) {
        let ([_, ny, nz], half) = (self.shape, self.half());
        let plan = &self.plans.forward;
        with_complex(ny * half + plan.get_scratch_len(), |buffer| {
            let (rows, scratch) = buffer.split_at_mut(ny * half);
            for (row, out) in plane.chunks_exact_mut(self.row()).zip(rows.chunks_exact_mut(half)) {
                for c in 0..PAD {
                    // Short rows are repeated more than once.
                    let repeated = row[nz + c];
                    row[c % nz] += repeated;
                }
                let done = plan.process_with_scratch(&mut row[..nz], out, scratch);
                debug_assert!(done.is_ok(), "lengths of the plan");
            }
            transpose(rows, half, self.spectrum(plane));
        });
        transform(&self.plans.columns[0], self.spectrum(plane));
    }

    /// The inverse of [`Self::forward_plane`], not normalised.
    fn backward_plane(&self, plane: &mut [T]) {
        let ([_, ny, nz], half) = (self.shape, self.half());
        transform(&self.plans.columns[1], self.spectrum(plane));
        let plan = &self.plans.backward;
        with_complex(ny * half + plan.get_scratch_len(), |buffer| {
            let (rows, scratch) = buffer.split_at_mut(ny * half);
            transpose(self.spectrum(plane), ny, rows);
            for (row, out) in rows.chunks_exact_mut(half).zip(plane.chunks_exact_mut(self.row())) {
                // Of real values; what is left is rounding.
                row[0].im = T::zero();
                row[half - 1].im = T::zero();
                let done = plan.process_with_scratch(row, &mut out[..nz], scratch);
                debug_assert!(done.is_ok(), "lengths of the plan");
                (0..PAD).for_each(|c| out[nz + c] = out[c % nz]);
            }
        });
    }

    /// Transform across planes, multiply with the influence function and transform back.
    fn multiply(&self, planes: &[T], lines: &mut [Complex<T>], virial: bool) -> Sums {
        let nx = self.shape[0];
        let planes: Vec<&[Complex<T>]> = planes
            .chunks_exact(self.plane())
            .map(|plane| bytemuck::cast_slice(&plane[..2 * self.lines()]))
            .collect();
        let work = |(task, lines): (usize, &mut [Complex<T>])| {
            let first = task * LINES;
            for (x, plane) in planes.iter().enumerate() {
                let values = &plane[first..first + lines.len() / nx];
                for (line, value) in lines.chunks_exact_mut(nx).zip(values) {
                    line[x] = *value;
                }
            }
            transform(&self.plans.across[0], lines);
            let mut sums = Sums::default();
            let influence = &self.influence[first * nx..][..lines.len()];
            if virial {
                for (l, line) in lines.chunks_exact(nx).enumerate() {
                    self.add_virial(first + l, line, &influence[l * nx..(l + 1) * nx], &mut sums);
                }
            }
            lines.iter_mut().zip(influence).for_each(|(value, g)| *value = *value * *g);
            transform(&self.plans.across[1], lines);
            sums
        };
        let grain = if self.len() < MIN_PARALLEL { usize::MAX } else { 1 };
        let tasks = lines.par_chunks_mut(LINES * nx).enumerate().with_min_len(grain);
        let parts: Vec<Sums> = tasks.map(work).collect();
        let mut total = Sums::default();
        for part in parts {
            total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        }
        total
    }

    /// Energy, and Σ_k E_k 2 k⊗k (1/k² + 1/4α²), of a line.
    fn add_virial(&self, line: usize, values: &[Complex<T>], influence: &[T], sums: &mut Sums) {
        let (y, z) = (line % self.shape[1], line / self.shape[1]);
        // Modes of the half spectrum stand for their mirror images too.
        let count = if z == 0 { 0.5 } else { 1.0 };
        for (x, (value, g)) in values.iter().zip(influence).enumerate() {
            let Some(k) = self.wave([x, y, z]) else { continue };
            let energy = count * g.double() * value.norm_sqr().double();
            let factor = 2.0 * energy * (1.0 / dot(&k, &k) + 0.25 / (self.alpha * self.alpha));
            sums[0] += energy;
            for (sum, [p, q]) in
                sums[1..].iter_mut().zip([[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]])
            {
                *sum += factor * k[p] * k[q];
            }
        }
    }

    /// Spectra of the planes from `first` on, back from the lines across them.
    fn collect_planes(&self, first: usize, lines: &[Complex<T>], planes: &mut [T]) {
        let nx = self.shape[0];
        let mut spectra: Vec<_> =
            planes.chunks_exact_mut(self.plane()).map(|plane| self.spectrum(plane)).collect();
        for (l, line) in lines.chunks_exact(nx).enumerate() {
            for (spectrum, value) in spectra.iter_mut().zip(&line[first..]) {
                spectrum[l] = *value;
            }
        }
    }
}

/// out (columns, rows) = values (rows, columns).
fn transpose<T: Number>(values: &[Complex<T>], columns: usize, out: &mut [Complex<T>]) {
    let rows = values.len() / columns;
    for (r, row) in values.chunks_exact(columns).enumerate() {
        for (c, value) in row.iter().enumerate() {
            out[c * rows + r] = *value;
        }
    }
}

/// Lend the real values of a mesh to `work`.
pub(super) fn with_values<T: Number, R>(mesh: &Mesh<T>, work: impl FnOnce(&mut [T]) -> R) -> R {
    with_scratch(mesh.len(), work)
}

/// Where an atom's splines lie.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) first: [u32; 3],
    pub(super) past: Vec3,
}

/// First mesh point of an atom's splines; they are the order's next ones along each axis.
pub(super) fn locate<T: Number>(mesh: &Mesh<T>, position: &Vec3) -> Place {
    let mut place = Place::default();
    let s = times(position, &mesh.inverse);
    for d in 0..3 {
        let u = (s[d] - s[d].floor()) * mesh.shape[d] as f64;
        // The product may round up to the number of points.
        let whole = (u as usize).min(mesh.shape[d] - 1);
        place.first[d] = whole as u32;
        place.past[d] = u - whole as f64;
    }
    place
}
