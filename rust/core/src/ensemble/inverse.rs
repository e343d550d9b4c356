//! A sparse approximate inverse of the Hessian on the tangent space of the groups.
//!
//! Every group gives up its heaviest weight: the others are free coordinates u, δω = Z u, and on
//! them A = Zᵀ∇²E Z. A⁻¹ is nearly as local as the strong couplings: L. Kolotilina & A. Yeremin's
//! factorised sparse approximate inverse (SIAM J. Matrix Anal. Appl. 14, 45 (1993)) A⁻¹ ≈ Gᵀ G takes
//! the rows of G from small dense factorisations of the group and the groups before it that it is
//! coupled to. It is positive definite whatever the Hessian has become since, and coordinates are
//! scaled with √ω, so that it may be used again when weights and geometry have changed a little.
//! Components of a group's vector are coordinates too, without a pivot and scaled with √s.

use super::Constraints;
use super::coarse::{Coarse, Field};

/// Smallest pivot of a local factorisation relative to the diagonal entry.
const SMALLEST_PIVOT: f64 = 0.1;

/// Change of √ω that makes it useless, absolute and relative. The heaviest weight of a group of eight
/// has √ω > 0.35.
const LARGEST_CHANGE: f64 = 0.05;
const LARGEST_PART: f64 = 0.3;

/// √ω of weights without much charge.
const LIGHT: f64 = 0.01;

/// Second derivatives between groups: the strong ones.
#[derive(Debug, Clone, Default)]
pub struct Couplings {
    entries: Vec<Entry>,
    /// Blocks, a row for every member of the later group.
    values: Vec<f64>,
}

/// Two groups, the later first, where their block starts, and its columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    groups: [u32; 2],
    start: usize,
    columns: usize,
    rows: usize,
}

impl Couplings {
    /// Add a block of `values`, a row for every member (see [`Constraints::members`]) of group `a`, a
    /// column for every one of `b`, or only for their weights; a == b adds to the diagonal block.
    pub fn push(&mut self, [a, b]: [usize; 2], values: &[f64], columns: usize) {
        let (start, rows) = (self.values.len(), values.len() / columns);
        if a >= b {
            self.values.extend_from_slice(values);
        } else {
            for n in 0..columns {
                self.values.extend((0..rows).map(|m| values[m * columns + n]));
            }
        }
        let [columns, rows] = if a >= b { [columns, rows] } else { [rows, columns] };
        let groups = [a.max(b) as u32, a.min(b) as u32];
        self.entries.push(Entry { groups, start, columns, rows });
    }
}

/// The factor G, by rows, and the coordinates it is for.
#[derive(Debug, Clone, Default)]
pub struct SparseInverse {
    /// Coordinates of group g: `firsts[g]..firsts[g + 1]`.
    firsts: Vec<u32>,
    /// The weight of every coordinate, and the one that its group gives up for it; a component of a
    /// vector twice.
    unknowns: Vec<[u32; 2]>,
    starts: Vec<usize>,
    columns: Vec<u32>,
    /// Of an approximation: more digits would be lost on it.
    values: Vec<f32>,
    scratch: [Vec<f64>; 2],
    /// √ω where it was made.
    root: Vec<f64>,
    /// Charge of a change of every coordinate.
    charges: Vec<f64>,
    /// Long-ranged part.
    coarse: Option<Coarse>,
    /// Minimisations begun since it was made.
    pub(super) age: usize,
    /// Added to the Hessian (see `damping`), eV.
    pub(super) shift: f64,
}

/// What the local factorisations read.
struct Source<'a> {
    constraints: &'a Constraints,
    root: &'a [f64],
    /// Where the diagonal block of every group starts, and all of them.
    at: Vec<usize>,
    blocks: &'a [f64],
    couplings: &'a Couplings,
    /// Couplings of a group to earlier ones: `rows[g]..rows[g + 1]`, sorted.
    rows: Vec<usize>,
}

impl SparseInverse {
    /// From the diagonal blocks (see [`super::Objective::blocks`]) and couplings at weights of
    /// square root `root`, zero where a weight is fixed.
    pub(super) fn new(
        constraints: &Constraints,
        root: &[f64],
        blocks: &[f64],
        mut couplings: Couplings,
    ) -> Self {
        couplings.entries.sort_unstable();
        let mut this = Self { root: root[..constraints.weights()].to_vec(), ..Self::default() };
        this.choose_coordinates(constraints, root);
        let source = Source::new(constraints, root, blocks, &couplings);
        let mut local = Local::default();
        this.starts.push(0);
        for g in 0..constraints.groups() {
            local.gather(&source, &this, g);
            local.factorise();
            local.push_rows(&mut this);
        }
        this
    }

    fn choose_coordinates(&mut self, constraints: &Constraints, root: &[f64]) {
        self.firsts.push(0);
        for g in 0..constraints.groups() {
            let heaviest = constraints.group(g).max_by(|&a, &b| root[a].total_cmp(&root[b]));
            let pivot = heaviest.unwrap_or(0);
            let others = constraints.group(g).filter(|&a| a != pivot);
            self.unknowns.extend(others.map(|a| [a as u32, pivot as u32]));
            self.unknowns.extend(constraints.soft_vector(g).map(|k| [k as u32; 2]));
            self.firsts.push(self.unknowns.len() as u32);
        }
    }

    fn group(&self, g: usize) -> std::ops::Range<usize> {
        self.firsts[g] as usize..self.firsts[g + 1] as usize
    }

    /// False far from the weights it was made for, or if the groups are others.
    pub(super) fn fits(&self, constraints: &Constraints, root: &[f64]) -> bool {
        let near = |(&then, &now): (&f64, &f64)| {
            (then - now).abs() < LARGEST_CHANGE.min(LARGEST_PART * then.max(LIGHT))
        };
        self.firsts.len() == constraints.groups() + 1
            && self.root.len() == constraints.weights()
            && self.root.iter().zip(root).all(near)
    }

    /// Take account of a long-ranged interaction of the groups' charges.
    pub(super) fn add_field(&mut self, constraints: &Constraints, root: &[f64], field: Field) {
        let mut coarse = Coarse::new(field);
        let mut groups = Vec::with_capacity(self.unknowns.len());
        for g in 0..constraints.groups() {
            groups.extend(self.group(g).map(|_| g));
        }
        self.charges = (self.unknowns.iter())
            .map(|&[a, pivot]| {
                let [a, pivot] = [a, pivot].map(|a| a as usize);
                let charge = |a: usize| constraints.charges[a];
                if a == pivot { 0.0 } else { self.root[a] * (charge(a) - charge(pivot)) }
            })
            .collect();
        let mut row = Vec::new();
        for i in 0..self.unknowns.len() {
            if root[self.unknowns[i][0] as usize] == 0.0 {
                continue;
            }
            row.clear();
            // The own group is the last of its row.
            for k in (self.starts[i]..self.starts[i + 1]).rev() {
                let c = self.columns[k] as usize;
                row.push((groups[c], f64::from(self.values[k]) * self.charges[c]));
            }
            coarse.add_row(&row);
        }
        self.coarse = Some(coarse);
    }

    /// z ≈ A⁻¹ r in the scaling y = δω/√ω, tangential to all groups. Vectors of groups that are never
    /// soft keep their r.
    pub(super) fn apply(&mut self, root: &[f64], r: &[f64], z: &mut [f64]) {
        let mut coarse = self.coarse.take();
        self.apply_with(coarse.as_mut(), root, r, z);
        self.coarse = coarse;
    }

    /// [`Self::apply`] without the long-ranged part.
    pub(super) fn apply_local(&mut self, root: &[f64], r: &[f64], z: &mut [f64]) {
        self.apply_with(None, root, r, z);
    }

    fn apply_with(&mut self, coarse: Option<&mut Coarse>, root: &[f64], r: &[f64], z: &mut [f64]) {
        let [mut u, mut t] = std::mem::take(&mut self.scratch);
        self.gather(root, r, &mut u);
        self.square(root, &u, &mut t);
        if let Some(coarse) = coarse {
            self.screen(coarse, &mut u, &t);
            self.square(root, &u, &mut t);
        }
        let weights = self.root.len();
        z[..weights].fill(0.0);
        z[weights..].copy_from_slice(&r[weights..]);
        self.scatter(root, &t, z);
        self.scratch = [u, t];
    }

    /// Take from `u` the potential of the charges that `t` moves.
    fn screen(&self, coarse: &mut Coarse, u: &mut [f64], t: &[f64]) {
        let mut moved = vec![0.0; coarse.groups()];
        for (g, moved) in moved.iter_mut().enumerate() {
            *moved = self.group(g).map(|i| self.charges[i] * t[i]).sum();
        }
        let mut potential = vec![0.0; moved.len()];
        coarse.solve(&moved, &mut potential);
        for (g, v) in potential.iter().enumerate() {
            for i in self.group(g) {
                u[i] -= self.charges[i] * v;
            }
        }
    }

    /// To coordinates: √ω_a (r_a/√ω_a − r_p/√ω_p), and vectors as they are.
    fn gather(&self, root: &[f64], r: &[f64], u: &mut Vec<f64>) {
        u.clear();
        u.extend(self.unknowns.iter().map(|&[a, pivot]| {
            let (a, pivot) = (a as usize, pivot as usize);
            if a == pivot {
                return r[a];
            }
            let scale = self.scale(a, root);
            if root[a] > 0.0 {
                scale * r[a] / root[a] - scale * r[pivot] / root[pivot].max(f64::MIN_POSITIVE)
            } else {
                0.0
            }
        }));
    }

    /// From coordinates.
    fn scatter(&self, root: &[f64], t: &[f64], z: &mut [f64]) {
        for (&[a, pivot], t) in self.unknowns.iter().zip(t) {
            let (a, pivot) = (a as usize, pivot as usize);
            if a == pivot {
                z[a] = *t;
            } else if root[a] > 0.0 {
                let change = self.scale(a, root) * t;
                z[a] = change / root[a];
                z[pivot] -= change / root[pivot].max(f64::MIN_POSITIVE);
            }
        }
    }

    /// Unit of a coordinate: √ω of then; of now where it holds no charge to speak of, but may change
    /// many times over.
    fn scale(&self, a: usize, root: &[f64]) -> f64 {
        if self.root[a] < LIGHT { root[a] } else { self.root[a] }
    }

    /// t = Gᵀ G u.
    fn square(&self, root: &[f64], u: &[f64], t: &mut Vec<f64>) {
        t.clear();
        t.resize(u.len(), 0.0);
        for i in 0..u.len() {
            if root[self.unknowns[i][0] as usize] == 0.0 {
                continue;
            }
            let row = self.starts[i]..self.starts[i + 1];
            let mut sum = 0.0;
            for (c, g) in self.columns[row.clone()].iter().zip(&self.values[row.clone()]) {
                sum += f64::from(*g) * u[*c as usize];
            }
            for (c, g) in self.columns[row.clone()].iter().zip(&self.values[row]) {
                t[*c as usize] += f64::from(*g) * sum;
            }
        }
    }
}

impl<'a> Source<'a> {
    fn new(
        constraints: &'a Constraints,
        root: &'a [f64],
        blocks: &'a [f64],
        couplings: &'a Couplings,
    ) -> Self {
        let (mut at, mut rows) = (vec![0], vec![0]);
        for g in 0..constraints.groups() {
            at.push(at[g] + constraints.members(g).pow(2));
            let of_group = |e: &&Entry| e.groups[0] as usize == g;
            rows.push(rows[g] + couplings.entries[rows[g]..].iter().take_while(of_group).count());
        }
        Self { constraints, root, at, blocks, couplings, rows }
    }

    fn row(&self, g: usize) -> &[Entry] {
        &self.couplings.entries[self.rows[g]..self.rows[g + 1]]
    }

    /// Visit the blocks between two groups, a row for each member of the later one, and their columns.
    fn each_block(&self, later: usize, earlier: usize, mut visit: impl FnMut(&[f64], usize)) {
        if later == earlier {
            visit(
                &self.blocks[self.at[later]..self.at[later + 1]],
                self.constraints.members(later),
            );
        }
        let row = self.row(later);
        let first = row.partition_point(|e| (e.groups[1] as usize) < earlier);
        for entry in row[first..].iter().take_while(|e| e.groups[1] as usize == earlier) {
            let Entry { start, columns, rows, .. } = *entry;
            visit(&self.couplings.values[start..start + columns * rows], columns);
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
struct Local {
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
    fn gather(&mut self, source: &Source, inverse: &SparseInverse, g: usize) {
        self.groups.clear();
        self.groups.extend(source.row(g).iter().map(|e| e.groups[1] as usize));
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
    fn factorise(&mut self) {
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
    fn push_rows(&mut self, inverse: &mut SparseInverse) {
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
            for (g, c) in self.row.iter().zip(&self.coordinates) {
                inverse.columns.push(c.0);
                inverse.values.push(*g as f32);
            }
            inverse.starts.push(inverse.columns.len());
        }
    }
}
