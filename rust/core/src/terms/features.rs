//! Neighbour sums of one atom, with what their derivatives need.

use pulp::Simd;

use super::cluster::{Block, Near};
use super::harmonics::harmonics;
use super::lanes::{Lanes, ZERO, add_product};
use super::layout::{AngularGroup, Layout, SumGroup};
use super::pieces::Pieces;

/// Value and slope of a radial function at the distances of a block.
pub(super) type Function = [Lanes; 2];

/// Neighbour sums and, per block of neighbours, the functions they are made of.
#[derive(Debug, Default)]
pub(super) struct Features {
    pub(super) blocks: Vec<Block>,
    pub(super) near: Vec<Near>,
    /// S by channel.
    pub(super) sums: Vec<f64>,
    /// A of all groups, see [`AngularGroup::first`].
    pub(super) angular: Vec<f64>,
    /// Functions of the scalar sums: (group, block, column).
    scalars: Grouped<Function>,
    /// Functions of the angular sums: (group, block, radial function).
    radials: Grouped<Function>,
    /// (one group, block, lm).
    harmonics: Grouped<Lanes>,
    lanes: Vec<Lanes>,
}

/// Rows of equal length for each block, one set of them per group.
#[derive(Debug, Default)]
struct Grouped<T> {
    data: Vec<T>,
    /// Start and length of the rows of each group.
    groups: Vec<[usize; 2]>,
}

impl<T: Copy> Grouped<T> {
    fn clear(&mut self) {
        self.data.clear();
        self.groups.clear();
    }

    /// Rows of a new group, to be written.
    fn push(&mut self, rows: usize, length: usize, empty: T) -> &mut [T] {
        let start = self.data.len();
        self.groups.push([start, length]);
        self.data.resize(start + rows * length, empty);
        &mut self.data[start..]
    }

    #[inline(always)]
    fn row(&self, group: usize, block: usize) -> &[T] {
        let [start, length] = self.groups[group];
        &self.data[start + block * length..][..length]
    }
}

impl Features {
    /// All sums of an atom whose neighbours are in `blocks`.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(
        &mut self,
        simd: S,
        layout: &Layout,
        centre: usize,
        elements: usize,
    ) {
        self.sums.clear();
        self.sums.resize(layout.channels, 0.0);
        self.angular.clear();
        self.angular.resize(layout.angular_sums(elements), 0.0);
        self.scalars.clear();
        self.radials.clear();
        self.harmonics.clear();
        for group in &layout.sums {
            self.add_sums(group, centre * elements);
        }
        self.add_harmonics(simd, layout);
        for group in &layout.angular {
            self.add_angular(simd, group);
        }
    }

    /// Functions of the scalar sums of a group, by column.
    #[inline(always)]
    pub(super) fn scalars(&self, group: usize, block: usize) -> &[Function] {
        self.scalars.row(group, block)
    }

    /// Radial functions of the angular sums of a group.
    #[inline(always)]
    pub(super) fn radials(&self, group: usize, block: usize) -> &[Function] {
        self.radials.row(group, block)
    }

    /// Harmonics of a block.
    #[inline(always)]
    pub(super) fn harmonics(&self, block: usize) -> &[Lanes] {
        self.harmonics.row(0, block)
    }

    /// Harmonics of all blocks that a group reaches, for all groups.
    #[inline(always)]
    fn add_harmonics<S: Simd>(&mut self, simd: S, layout: &Layout) {
        let count = layout.harmonics;
        let out = self.harmonics.push(self.blocks.len(), count, ZERO);
        for (block, out) in self.blocks.iter().zip(out.chunks_exact_mut(count.max(1))) {
            let reaching = layout.angular.iter().filter(|g| block.nearest < g.radial.cutoff);
            if let Some(lmax) = reaching.map(|g| g.lmax).max() {
                harmonics(simd, lmax, &block.unit, out);
            }
        }
    }

    #[inline(always)]
    fn add_sums(&mut self, group: &SumGroup, row: usize) {
        let n = group.channels.len();
        let out = self.scalars.push(self.blocks.len(), n, [ZERO; 2]);
        for (block, out) in self.blocks.iter().zip(out.chunks_exact_mut(n)) {
            let table = &group.tables[row + block.element];
            if block.nearest >= group.cutoff {
                continue;
            }
            look_up(table, block, group.cutoff, out);
            for (function, &channel) in out.iter().zip(&group.channels) {
                self.sums[channel] += function[0].iter().sum::<f64>();
            }
        }
    }

    #[inline(always)]
    fn add_angular<S: Simd>(&mut self, simd: S, group: &AngularGroup) {
        let (n, lm, count) = (group.radial.functions, group.harmonics(), self.blocks.len());
        self.lanes.clear();
        self.lanes.resize(n * lm, ZERO);
        let radials = self.radials.push(count, n, [ZERO; 2]);
        for (b, h) in radials.chunks_exact_mut(n).enumerate() {
            let block = &self.blocks[b];
            if block.nearest < group.radial.cutoff {
                look_up(&group.table, block, group.radial.cutoff, h);
                accumulate(simd, h, &self.harmonics.row(0, b)[..lm], &mut self.lanes);
            }
            if self.blocks.get(b + 1).is_none_or(|next| next.element != block.element) {
                let first = group.first + block.element * n * lm;
                for (sum, lanes) in self.angular[first..].iter_mut().zip(&mut self.lanes) {
                    *sum = lanes.iter().sum();
                    *lanes = ZERO;
                }
            }
        }
    }
}

/// Add g_n S_lm, lane by lane.
#[inline(always)]
fn accumulate<S: Simd>(simd: S, radials: &[Function], angles: &[Lanes], lanes: &mut [Lanes]) {
    for (function, row) in radials.iter().zip(lanes.chunks_exact_mut(angles.len())) {
        for (sum, s) in row.iter_mut().zip(angles) {
            add_product(simd, sum, &function[0], s);
        }
    }
}

/// Values and slopes of all columns of a table at the distances of a block; zero beyond the cutoff.
#[inline(always)]
fn look_up(table: &Pieces, block: &Block, cutoff: f64, out: &mut [Function]) {
    if table.functions() == 0 {
        return;
    }
    for lane in 0..block.count {
        let r = block.distance[lane];
        if r < cutoff {
            table.at(r, |column, [value, slope]| {
                out[column][0][lane] = value;
                out[column][1][lane] = slope;
            });
        }
    }
}
