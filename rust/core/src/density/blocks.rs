//! Tabulated densities summed over blocks of neighbouring points.
//!
//! Points of a block share the atoms that reach the box around them. Of each atom, distance, place in
//! the profile, polynomial and sums of a few points stay in registers.

use std::collections::HashMap;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::profile::{EVALUATIONS, Place, Profile, START};
use super::{RadialDensity, are_places};
use crate::neighbors::{Grid, Run};
use crate::structure::Vec3;

/// Most points of a block.
const BLOCK: usize = 128;
/// Points of a block are a multiple of this, more than any register holds.
const LANES: usize = 8;
/// Open systems of at most this many atoms are summed in full.
const FEW: usize = 16;
/// Points of a task: what is kept for them fits the second cache.
const TASK: usize = 16384;

type Lane = [f64; BLOCK];

/// Where densities, and gradients if they are asked for, are written.
pub(super) struct Output<'a> {
    pub(super) density: &'a mut [f64],
    pub(super) gradient: Option<&'a mut [Vec3]>,
}

impl Output<'_> {
    /// Call `write` for tasks of at most so many points; false if a point is no place. That is looked at
    /// in each task, so that points are fetched once.
    pub(super) fn in_tasks(
        mut self,
        points: &[Vec3],
        most: usize,
        write: &(impl Fn(&[Vec3], &mut Output) + Sync),
    ) -> bool {
        if points.len() <= most {
            let good = are_places(points);
            if good {
                write(points, &mut self);
            }
            return good;
        }
        let middle = (points.len() / 2).next_multiple_of(most);
        let (low, high) = self.split_at(middle);
        let (first, second) = rayon::join(
            || low.in_tasks(&points[..middle], most, write),
            || high.in_tasks(&points[middle..], most, write),
        );
        first && second
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (density, other) = self.density.split_at_mut(middle);
        let (gradient, others) = self.gradient.map(|all| all.split_at_mut(middle)).unzip();
        (Self { density, gradient }, Self { density: other, gradient: others })
    }

    pub(super) fn set(&mut self, k: usize, (value, slope): (f64, Vec3)) {
        self.density[k] = value;
        if let Some(gradient) = &mut self.gradient {
            gradient[k] = slope;
        }
    }
}

/// Profiles of all atoms.
pub(super) struct Profiles<'a, R> {
    radial: &'a R,
    distinct: Vec<Option<Profile>>,
    /// Index of each atom's profile.
    of_atom: Vec<usize>,
}

impl<'a, R: RadialDensity> Profiles<'a, R> {
    /// `None` if tabulating would cost more than it saves.
    pub(super) fn new(radial: &'a R, atoms: usize, points: usize) -> Option<Self> {
        let (mut firsts, mut of_atom) = (Vec::new(), Vec::with_capacity(atoms));
        let mut known = HashMap::new();
        for atom in 0..atoms {
            let next = firsts.len();
            let index = *known.entry(radial.same_as(atom)).or_insert(next);
            if index == next {
                firsts.push(atom);
            }
            of_atom.push(index);
        }
        if points * atoms < 2 * EVALUATIONS * firsts.len()
            || radial.cutoff() * radial.cutoff() <= START
        {
            return None;
        }
        let distinct = firsts.par_iter().map(|&atom| Profile::new(radial, atom)).collect();
        Some(Self { radial, distinct, of_atom })
    }
}

/// Points of a block by coordinate, the box around them, and the sums at them: value and gradient.
struct Block {
    count: usize,
    points: [Lane; 3],
    low: Vec3,
    high: Vec3,
    sums: [Lane; 4],
}

impl Block {
    fn new() -> Self {
        let (low, high) = ([0.0; 3], [0.0; 3]);
        Self { count: 0, points: [[0.0; BLOCK]; 3], low, high, sums: [[0.0; BLOCK]; 4] }
    }

    /// Take over points, at least one, and clear the sums.
    fn fill(&mut self, points: impl Iterator<Item = Vec3>, count: usize) {
        self.count = count;
        // Local, so that they stay in registers.
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for (k, point) in points.enumerate() {
            for d in 0..3 {
                self.points[d][k] = point[d];
                low[d] = if point[d] < low[d] { point[d] } else { low[d] };
                high[d] = if point[d] > high[d] { point[d] } else { high[d] };
            }
        }
        (self.low, self.high) = (low, high);
        let end = self.end();
        // What is beyond the last point repeats it.
        for axis in &mut self.points {
            let last = axis[count - 1];
            axis[count..end].fill(last);
        }
        self.sums.iter_mut().for_each(|sum| sum[..end].fill(0.0));
    }

    /// End of the lanes in use.
    fn end(&self) -> usize {
        self.count.next_multiple_of(LANES)
    }

    /// Squared distance from a place to the box.
    fn distance2(&self, at: &Vec3) -> f64 {
        let outside = |d: usize| (self.low[d] - at[d]).max(at[d] - self.high[d]).max(0.0);
        [0, 1, 2].map(outside).iter().map(|x| x * x).sum()
    }

    /// Value and gradient at a point.
    fn sum(&self, k: usize) -> (f64, Vec3) {
        let [value, x, y, z] = &self.sums;
        (value[k], [x[k], y[k], z[k]])
    }
}

/// Tabulated densities of atoms sorted into bins.
pub(super) struct BlockSum<'a, R> {
    pub(super) grid: &'a Grid,
    pub(super) profiles: Profiles<'a, R>,
    pub(super) cutoff: f64,
    pub(super) open: bool,
}

impl<R: RadialDensity> BlockSum<'_, R> {
    /// Write the sums at all points; false if a point is no place.
    pub(super) fn write(&self, points: &[Vec3], out: Output) -> bool {
        let is_small = self.open && self.grid.positions.len() <= FEW;
        out.in_tasks(points, TASK, &|points, out| {
            if is_small { self.in_turn(points, out) } else { self.by_bins(points, out) }
        })
    }

    /// All atoms of a small open system.
    fn in_turn(&self, points: &[Vec3], out: &mut Output) {
        let all = Run { start: 0, end: self.grid.positions.len() as u32, image: self.grid.home() };
        let mut block = Block::new();
        for (part, points) in points.chunks(BLOCK).enumerate() {
            block.fill(points.iter().copied(), points.len());
            self.add(&[all], &mut block);
            (0..points.len()).for_each(|k| out.set(BLOCK * part + k, block.sum(k)));
        }
    }

    /// Points of a bin share the atoms that may reach them.
    fn by_bins(&self, points: &[Vec3], out: &mut Output) {
        let place = |(k, point): (usize, &Vec3)| (self.grid.locate(point).bin, k as u32);
        let mut order: Vec<_> = points.iter().enumerate().map(place).collect();
        order.sort_unstable();
        let (mut runs, mut block) = (Vec::new(), Block::new());
        for part in order.chunk_by(|a, b| a.0 == b.0) {
            self.grid.runs(part[0].0, false, &mut runs);
            for part in part.chunks(BLOCK) {
                let wrapped =
                    part.iter().map(|&(_, k)| self.grid.locate(&points[k as usize]).wrapped);
                block.fill(wrapped, part.len());
                self.add(&runs, &mut block);
                let rows = part.iter().enumerate();
                rows.for_each(|(k, &(_, point))| out.set(point as usize, block.sum(k)));
            }
        }
    }

    fn add(&self, runs: &[Run], block: &mut Block) {
        Arch::new().dispatch(AddRuns { sum: self, runs, block });
    }
}

/// Every atom of some runs at the points of a block.
struct AddRuns<'a, R> {
    sum: &'a BlockSum<'a, R>,
    runs: &'a [Run],
    block: &'a mut Block,
}

impl<R: RadialDensity> WithSimd for AddRuns<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { sum, runs, block } = self;
        let limit = sum.cutoff * sum.cutoff;
        for run in runs {
            let translation = sum.grid.images[run.image as usize].translation;
            for k in run.start as usize..run.end as usize {
                let at = [0, 1, 2].map(|d| sum.grid.positions[k][d] + translation[d]);
                let nearest = block.distance2(&at);
                if nearest >= limit {
                    continue;
                }
                let atom = sum.grid.order[k] as usize;
                let profile = sum.profiles.distinct[sum.profiles.of_atom[atom]].as_ref();
                if let Some(profile) = profile {
                    add_profile(simd, block, &at, profile, limit);
                }
                let direct = if profile.is_some() { START } else { limit };
                if nearest < direct {
                    add_directly(simd, block, &at, direct, |r| {
                        sum.profiles.radial.value_slope(atom, r)
                    });
                }
            }
        }
    }
}

/// Differences to a place, and R², of the points in a register.
#[inline(always)]
fn separation<S: Simd>(simd: S, points: [S::f64s; 3], at: [S::f64s; 3]) -> ([S::f64s; 3], S::f64s) {
    let d = [0, 1, 2].map(|axis| simd.sub_f64s(points[axis], at[axis]));
    let r2 = simd.mul_add_e_f64s(d[1], d[1], simd.mul_f64s(d[0], d[0]));
    (d, simd.mul_add_e_f64s(d[2], d[2], r2))
}

/// Add a tabulated density at all points between [`START`] and the cutoff.
#[inline(always)]
fn add_profile<S: Simd>(simd: S, block: &mut Block, at: &Vec3, profile: &Profile, limit: f64) {
    let end = block.end().min(BLOCK);
    let at = at.map(|x| simd.splat_f64s(x));
    let (start, last) = (simd.splat_f64s(START), simd.splat_f64s(limit.next_down()));
    let [x, y, z] = block.points.each_ref().map(|axis| S::as_simd_f64s(&axis[..end]).0);
    let n = x.len();
    let (y, z) = (&y[..n], &z[..n]);
    let [value, gx, gy, gz] =
        block.sums.each_mut().map(|sum| &mut S::as_mut_simd_f64s(&mut sum[..end]).0[..n]);
    for k in 0..n {
        let (d, r2) = separation(simd, [x[k], y[k], z[k]], at);
        let inside = simd.min_f64s(simd.max_f64s(r2, start), last);
        let zero = simd.splat_f64s(0.0);
        let is_inside = simd.equal_f64s(inside, r2);
        let [found, slope] = profile.at(simd, &Place::of(simd, inside));
        let found = simd.select_f64s(is_inside, found, zero);
        let slope = simd.select_f64s(is_inside, slope, zero);
        value[k] = simd.add_f64s(value[k], found);
        gx[k] = simd.mul_add_e_f64s(slope, d[0], gx[k]);
        gy[k] = simd.mul_add_e_f64s(slope, d[1], gy[k]);
        gz[k] = simd.mul_add_e_f64s(slope, d[2], gz[k]);
    }
}

/// Add a density at the points with R² below `limit`; at a nucleus the slope has no direction: zero, its
/// mean.
#[inline(always)]
fn add_directly<S: Simd>(
    simd: S,
    block: &mut Block,
    at: &Vec3,
    limit: f64,
    value_slope: impl Fn(f64) -> (f64, f64),
) {
    let at = at.map(|x| simd.splat_f64s(x));
    for first in (0..block.count).step_by(S::F64_LANES) {
        let part = block.points.each_ref().map(|axis| S::as_simd_f64s(&axis[first..]).0[0]);
        let (d, r2) = separation(simd, part, at);
        let numbers = [d[0], d[1], d[2], r2];
        let [dx, dy, dz, r2] = numbers.each_ref().map(as_numbers);
        for lane in (0..S::F64_LANES).filter(|&lane| r2[lane] < limit) {
            let r = r2[lane].sqrt();
            let (value, slope) = value_slope(r);
            let factor = if r > 0.0 { slope / r } else { 0.0 };
            let add = [value, factor * dx[lane], factor * dy[lane], factor * dz[lane]];
            block.sums.iter_mut().zip(add).for_each(|(sum, x)| sum[first + lane] += x);
        }
    }
}

/// The numbers in a register.
#[inline(always)]
fn as_numbers<T: pulp::bytemuck::Pod>(register: &T) -> &[f64] {
    pulp::bytemuck::cast_slice(std::slice::from_ref(register))
}
