//! Local factorisations: the rows of G that belong to one group.

use super::couplings::{Couplings, Sorted};
use super::sparse::Sparse;
use super::{Constraints, SparseInverse};

/// Smallest pivot of a local factorisation relative to the diagonal entry.
const SMALLEST_PIVOT: f64 = 0.1;

/// What the local factorisations read.
pub(super) struct Source<'a> {
    constraints: &'a Constraints,
    root: &'a [f64],
    /// Where the diagonal block of every group starts, and all of them.
    at: Vec<usize>,
    blocks: &'a [f64],
    couplings: Sorted<'a>,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        constraints: &'a Constraints,
        root: &'a [f64],
        blocks: &'a [f64],
        couplings: &'a [Couplings],
    ) -> Self {
        let mut at = vec![0];
        for g in 0..constraints.groups() {
            at.push(at[g] + constraints.members(g).pow(2));
        }
        let couplings = Sorted::new(couplings, constraints.groups());
        Self { constraints, root, at, blocks, couplings }
    }

    /// Visit the blocks between two groups, a row for each member of the later one, and their columns.
    fn each_block(&self, later: usize, earlier: usize, mut visit: impl FnMut(&[f64], usize)) {
        if later == earlier {
            visit(
                &self.blocks[self.at[later]..self.at[later + 1]],
                self.constraints.members(later),
            );
        }
        let row = self.couplings.of(later);
        let first = row.partition_point(|e| (e.earlier as usize) < earlier);
        for entry in row[first..].iter().take_while(|e| e.earlier as usize == earlier) {
            let (block, columns) = self.couplings.block(entry);
            visit(block, columns);
        }
    }

    /// Place of an unknown among the members of a group.
    fn place(&self, g: usize, unknown: usize) -> usize {
        let group = self.constraints.group(g);
        if unknown < self.constraints.weights() {
            unknown - group.start
        } else {
            group.len() + unknown - self.constraints.vector(g).start
        }
    }
}

/// The dense matrix of one group and the earlier ones it is coupled to.
#[derive(Debug, Default)]
pub(super) struct Local {
    groups: Vec<usize>,
    /// Coordinate, the places of its unknowns among the members of the group, its scale, and its
    /// group's place in `groups`.
    coordinates: Vec<(u32, [usize; 2], f64, usize)>,
    own: usize,
    /// Lower triangle, row-major; after [`Self::factorise`] the Cholesky factor.
    matrix: Vec<f64>,
    row: Vec<f64>,
}

impl Local {
    pub(super) fn gather(&mut self, source: &Source, inverse: &SparseInverse, g: usize) {
        self.groups.clear();
        self.groups.extend(source.couplings.of(g).iter().map(|e| e.earlier as usize));
        self.groups.push(g);
        self.groups.dedup();
        self.coordinates.clear();
        for (place, &h) in self.groups.iter().enumerate() {
            for i in inverse.group(h) {
                let [a, pivot] = inverse.unknowns[i].map(|a| a as usize);
                let at = [a, pivot].map(|a| source.place(h, a));
                self.coordinates.push((i as u32, at, source.root[a], place));
            }
        }
        self.own = self.coordinates.len() - inverse.group(g).len();
        let n = self.coordinates.len();
        self.matrix.clear();
        self.matrix.resize(n * n, 0.0);
        let firsts: Vec<usize> = (0..=self.groups.len())
            .map(|p| self.coordinates.partition_point(|c| c.3 < p))
            .collect();
        for p in 0..self.groups.len() {
            for q in 0..=p {
                let range = [firsts[p]..firsts[p + 1], firsts[q]..firsts[q + 1]];
                self.add(source, [p, q], &range);
            }
        }
    }

    /// Zᵀ B Z between two groups, scaled with √ω and √s. What a block does not hold is zero.
    fn add(&mut self, source: &Source, [p, q]: [usize; 2], range: &[std::ops::Range<usize>; 2]) {
        let n = self.coordinates.len();
        let Self { coordinates, matrix, groups, .. } = self;
        source.each_block(groups[p], groups[q], |block, columns| {
            let rows = block.len() / columns;
            for i in range[0].clone() {
                let (_, [a, pivot], scale, _) = coordinates[i];
                if a >= rows {
                    continue;
                }
                for j in range[1].clone().take_while(|&j| j <= i) {
                    let (_, [b, other], by, _) = coordinates[j];
                    if b >= columns {
                        continue;
                    }
                    let along = |a: usize| {
                        let taken = if b == other { 0.0 } else { block[a * columns + other] };
                        block[a * columns + b] - taken
                    };
                    let taken = if a == pivot { 0.0 } else { along(pivot) };
                    matrix[i * n + j] += scale * by * (along(a) - taken);
                }
            }
        });
    }

    /// Cholesky's factorisation. A coordinate whose pivot would be negative or small is cut off from
    /// those before it: raising the pivot alone lets the factor grow without bound.
    pub(super) fn factorise(&mut self) {
        let (n, a) = (self.coordinates.len(), &mut self.matrix);
        for i in 0..n {
            for j in 0..i {
                let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
                a[i * n + j] = (a[i * n + j] - dot) / a[j * n + j];
            }
            let dot: f64 = (0..i).map(|k| a[i * n + k] * a[i * n + k]).sum();
            let diagonal = a[i * n + i];
            let mut pivot = diagonal - dot;
            if pivot < SMALLEST_PIVOT * diagonal.abs() {
                a[i * n..i * n + i].fill(0.0);
                pivot = diagonal.abs();
            }
            a[i * n + i] = if pivot > 1e-12 { pivot.sqrt() } else { 1.0 };
        }
    }

    /// Rows of G: Lᵀ g = e_i on the coordinates up to i.
    pub(super) fn push_rows(&mut self, rows: &mut Sparse) {
        let (n, a) = (self.coordinates.len(), &self.matrix);
        for i in self.own..n {
            self.row.clear();
            self.row.resize(i + 1, 0.0);
            self.row[i] = 1.0;
            for k in (0..=i).rev() {
                self.row[k] /= a[k * n + k];
                let g = self.row[k];
                for j in 0..k {
                    self.row[j] -= a[k * n + j] * g;
                }
            }
            rows.push_row(self.coordinates.iter().zip(&self.row).map(|(c, g)| (c.0, *g)));
        }
    }
}
