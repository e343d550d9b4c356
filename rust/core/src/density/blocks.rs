//! Tabulated densities summed over blocks of neighbouring points.
//!
//! Points of a block share the atoms that reach them. For each atom all squared distances come first,
//! in lanes, then the profiles, one look-up a point, then the sums, in lanes again.

use std::collections::HashMap;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::RadialDensity;
use super::profile::{EVALUATIONS, Profile, START, piece_at};
use crate::neighbors::{Grid, Run};
use crate::structure::Vec3;

/// Most points of a block.
pub(super) const BLOCK: usize = 128;
/// Open systems of at most this many atoms are summed in full.
const FEW: usize = 16;
/// Points of a task.
const CHUNK: usize = 4096;

type Lane = [f64; BLOCK];

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

/// Points of a block by coordinate, and the sums at them: value and gradient.
struct Block {
    count: usize,
    points: [Lane; 3],
    sums: [Lane; 4],
}

impl Block {
    fn new() -> Self {
        Self { count: 0, points: [[0.0; BLOCK]; 3], sums: [[0.0; BLOCK]; 4] }
    }
}

/// One atom at all points of a block.
struct Work {
    differences: [Lane; 3],
    r2: Lane,
    /// Piece of the profile, position along it and its square.
    pieces: [u64; BLOCK],
    along: [Lane; 2],
    /// Value and slope/R.
    found: [Lane; 2],
}

impl Work {
    fn new() -> Self {
        Self {
            differences: [[0.0; BLOCK]; 3],
            r2: [0.0; BLOCK],
            pieces: [0; BLOCK],
            along: [[0.0; BLOCK]; 2],
            found: [[0.0; BLOCK]; 2],
        }
    }
}

/// What blocks of `n` points gave, without the excess of the last.
fn flat<T>(blocks: Vec<[T; BLOCK]>, n: usize) -> Vec<T> {
    let mut all = blocks.into_flattened();
    all.truncate(n);
    all
}

/// Tabulated densities of atoms sorted into bins.
pub(super) struct BlockSum<'a, R> {
    pub(super) grid: &'a Grid,
    pub(super) profiles: Profiles<'a, R>,
    pub(super) cutoff: f64,
    pub(super) open: bool,
}

impl<R: RadialDensity> BlockSum<'_, R> {
    /// Densities at all points.
    pub(super) fn values(&self, points: &[Vec3]) -> Vec<f64> {
        if !self.is_small() {
            return self.everywhere(points).0;
        }
        let mut density = Vec::new();
        let tasks = points.par_chunks(BLOCK).with_min_len(32);
        let block = |block: &mut Block, points: &[Vec3]| {
            self.all_atoms(block, points);
            block.sums[0]
        };
        tasks.map_init(Block::new, block).collect_into_vec(&mut density);
        flat(density, points.len())
    }

    /// Densities and gradients at all points.
    pub(super) fn values_and_gradients(&self, points: &[Vec3]) -> (Vec<f64>, Vec<Vec3>) {
        if !self.is_small() {
            return self.everywhere(points);
        }
        let (mut density, mut gradient) = (Vec::new(), Vec::new());
        let tasks = points.par_chunks(BLOCK).with_min_len(32);
        let block = |block: &mut Block, points: &[Vec3]| {
            self.all_atoms(block, points);
            let [value, x, y, z] = &block.sums;
            (*value, std::array::from_fn(|k| [x[k], y[k], z[k]]))
        };
        tasks.map_init(Block::new, block).unzip_into_vecs(&mut density, &mut gradient);
        (flat(density, points.len()), flat(gradient, points.len()))
    }

    fn is_small(&self) -> bool {
        self.open && self.grid.positions.len() <= FEW
    }

    /// All atoms of a small open system.
    fn all_atoms(&self, block: &mut Block, points: &[Vec3]) {
        let all = Run { start: 0, end: self.grid.positions.len() as u32, image: self.grid.home() };
        self.fill(block, points.iter().copied(), points.len(), &[all]);
    }

    /// Points sorted by bin.
    fn everywhere(&self, points: &[Vec3]) -> (Vec<f64>, Vec<Vec3>) {
        let order = self.sorted(points);
        let tasks = order.par_chunks(CHUNK);
        let sorted: Vec<[f64; 4]> =
            tasks.flat_map_iter(|order| self.by_bins(points, order)).collect();
        let (mut density, mut gradient) = (vec![0.0; points.len()], vec![[0.0; 3]; points.len()]);
        for (&(_, k), [value, slope @ ..]) in order.iter().zip(sorted) {
            (density[k as usize], gradient[k as usize]) = (value, slope);
        }
        (density, gradient)
    }

    /// Points by bin, each with its index.
    fn sorted(&self, points: &[Vec3]) -> Vec<([i32; 3], u32)> {
        let place = |(k, point): (usize, &Vec3)| (self.grid.locate(point).bin, k as u32);
        let mut order: Vec<_> = points.par_iter().enumerate().map(place).collect();
        order.par_sort_unstable();
        order
    }

    /// Sums at points in the order of their bins.
    fn by_bins(&self, points: &[Vec3], order: &[([i32; 3], u32)]) -> Vec<[f64; 4]> {
        let mut out = Vec::with_capacity(order.len());
        let (mut runs, mut block) = (Vec::new(), Block::new());
        for part in order.chunk_by(|a, b| a.0 == b.0) {
            self.grid.runs(part[0].0, false, &mut runs);
            for part in part.chunks(BLOCK) {
                let wrapped =
                    part.iter().map(|&(_, k)| self.grid.locate(&points[k as usize]).wrapped);
                self.fill(&mut block, wrapped, part.len(), &runs);
                out.extend((0..part.len()).map(|k| [0, 1, 2, 3].map(|c| block.sums[c][k])));
            }
        }
        out
    }

    /// Sums at some points.
    fn fill(
        &self,
        block: &mut Block,
        points: impl Iterator<Item = Vec3>,
        count: usize,
        runs: &[Run],
    ) {
        block.count = count;
        for (k, point) in points.enumerate() {
            (0..3).for_each(|d| block.points[d][k] = point[d]);
        }
        // What is beyond the last point repeats it.
        for axis in &mut block.points {
            let last = axis[count - 1];
            axis[count..].fill(last);
        }
        block.sums.iter_mut().for_each(|sum| sum[..count.next_multiple_of(8)].fill(0.0));
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
        let (sum, block) = (self.sum, self.block);
        let mut work = Work::new();
        for run in self.runs {
            let translation = sum.grid.images[run.image as usize].translation;
            for k in run.start as usize..run.end as usize {
                let at = [0, 1, 2].map(|d| sum.grid.positions[k][d] + translation[d]);
                let nearest = distances(block, &at, sum.cutoff * sum.cutoff, &mut work);
                if nearest < sum.cutoff * sum.cutoff {
                    look_up(simd, sum, sum.grid.order[k] as usize, nearest, block.count, &mut work);
                    add(block, sum.cutoff * sum.cutoff, &work);
                }
            }
        }
    }
}

/// Differences and R² to all points, and where in the profile they are; returns the least R².
#[inline(always)]
fn distances(block: &Block, at: &Vec3, limit: f64, work: &mut Work) -> f64 {
    let count = block.count.next_multiple_of(8).min(BLOCK);
    let [dx, dy, dz] = work.differences.each_mut().map(|axis| &mut axis[..count]);
    let [x, y, z] = block.points.each_ref().map(|axis| &axis[..count]);
    let r2 = &mut work.r2[..count];
    for k in 0..count {
        let d = [x[k] - at[0], y[k] - at[1], z[k] - at[2]];
        (dx[k], dy[k], dz[k]) = (d[0], d[1], d[2]);
        r2[k] = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    }
    let pieces = &mut work.pieces[..count];
    let [t, t2] = work.along.each_mut().map(|axis| &mut axis[..count]);
    for k in 0..count {
        let above = if r2[k] > START { r2[k] } else { START };
        let (piece, along) = piece_at(if above < limit { above } else { limit });
        (pieces[k], t[k], t2[k]) = (piece, along, along * along);
    }
    let mut nearest = [f64::INFINITY; 8];
    for r2 in r2.chunks_exact(8) {
        for lane in 0..8 {
            nearest[lane] = if r2[lane] < nearest[lane] { r2[lane] } else { nearest[lane] };
        }
    }
    nearest.into_iter().fold(f64::INFINITY, f64::min)
}

/// Density and slope/R of an atom at all points; beyond the cutoff those at the cutoff.
#[inline(always)]
fn look_up<S: Simd, R: RadialDensity>(
    simd: S,
    sum: &BlockSum<R>,
    atom: usize,
    nearest: f64,
    count: usize,
    work: &mut Work,
) {
    let Work { r2, pieces, along, found: [values, slopes], .. } = work;
    let limit = sum.cutoff * sum.cutoff;
    let Some(profile) = &sum.profiles.distinct[sum.profiles.of_atom[atom]] else {
        for k in 0..count {
            [values[k], slopes[k]] = directly(sum.profiles.radial, atom, r2[k], limit);
        }
        return;
    };
    let [t, t2] = along;
    for k in 0..count {
        [values[k], slopes[k]] = profile.at(simd, pieces[k], t[k], t2[k]);
    }
    if nearest < START {
        for k in (0..count).filter(|&k| r2[k] < START) {
            [values[k], slopes[k]] = directly(sum.profiles.radial, atom, r2[k], limit);
        }
    }
}

/// At a nucleus the slope has no direction: zero, its mean.
#[cold]
fn directly(radial: &impl RadialDensity, atom: usize, r2: f64, limit: f64) -> [f64; 2] {
    if r2 >= limit {
        return [0.0; 2];
    }
    let r = r2.sqrt();
    let (value, slope) = radial.value_slope(atom, r);
    [value, if r > 0.0 { slope / r } else { 0.0 }]
}

#[inline(always)]
fn add(block: &mut Block, limit: f64, work: &Work) {
    let count = block.count.next_multiple_of(8).min(BLOCK);
    let [value, gx, gy, gz] = &mut block.sums;
    let [dx, dy, dz] = &work.differences;
    let [values, slopes] = &work.found;
    for k in 0..count {
        let inside = f64::from(u8::from(work.r2[k] < limit));
        let slope = inside * slopes[k];
        value[k] += inside * values[k];
        gx[k] += slope * dx[k];
        gy[k] += slope * dy[k];
        gz[k] += slope * dz[k];
    }
}
