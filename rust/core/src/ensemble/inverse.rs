//! A sparse approximate inverse of the Hessian on the tangent space of the groups.
//!
//! Every group gives up its heaviest weight: the others are free coordinates u, δω = Z u, and on
//! them A = Zᵀ∇²E Z. A⁻¹ is nearly as local as the strong couplings: L. Kolotilina & A. Yeremin's
//! factorised sparse approximate inverse (SIAM J. Matrix Anal. Appl. 14, 45 (1993)) A⁻¹ ≈ Gᵀ G takes
//! the rows of G from small dense factorisations of the group and the groups before it that it is
//! coupled to. It is positive definite whatever the Hessian has become since, and coordinates are
//! scaled with √ω, so that it may be used again when weights and geometry have changed a little.
//! Components of a group's vector are coordinates too, without a pivot and scaled with √s.

use rayon::prelude::*;

use super::Constraints;
use super::coarse::{Coarse, Field};
use crate::parallel::{BLOCK, blocks, grain, split};

mod couplings;
mod local;
mod sparse;

pub use couplings::Couplings;
use local::{Local, Source};
use sparse::Sparse;

/// Change of √ω that makes it useless, absolute and relative. The heaviest weight of a group of eight
/// has √ω > 0.35.
const LARGEST_CHANGE: f64 = 0.05;
const LARGEST_PART: f64 = 0.3;

/// √ω of weights without much charge.
const LIGHT: f64 = 0.01;

/// The factor G, by rows, and the coordinates it is for.
#[derive(Debug, Clone, Default)]
pub struct SparseInverse {
    /// Coordinates of group g: `firsts[g]..firsts[g + 1]`.
    firsts: Vec<u32>,
    /// The unknown of every coordinate, and the weight that its group gives up for it; a component of
    /// a vector twice.
    unknowns: Vec<[u32; 2]>,
    factor: Sparse,
    transposed: Sparse,
    scratch: [Vec<f64>; 3],
    /// √ω where it was made.
    root: Vec<f64>,
    /// Charge of a change of every coordinate.
    charges: Vec<f64>,
    /// Long-ranged part.
    coarse: Option<Coarse>,
    /// Minimisations begun since it was made.
    pub(super) age: usize,
    /// Added to the Hessian by group (see `damping`), eV.
    pub(super) shifts: Vec<f64>,
}

impl SparseInverse {
    /// From the `diagonal` blocks (see [`super::Objective::blocks`]) and couplings at weights of
    /// square root `root`, zero where a weight is fixed.
    pub(super) fn new(
        constraints: &Constraints,
        root: &[f64],
        diagonal: &[f64],
        couplings: &[Couplings],
    ) -> Self {
        let mut this = Self { root: root[..constraints.weights()].to_vec(), ..Self::default() };
        this.choose_coordinates(constraints, root);
        let source = Source::new(constraints, root, diagonal, couplings);
        let rows = blocks(constraints.groups()).map(|groups| {
            let (mut local, mut rows) = (Local::default(), Sparse::default());
            for g in groups {
                local.gather(&source, &this, g);
                local.factorise();
                local.push_rows(&mut rows);
            }
            rows
        });
        this.factor = Sparse::joined(&rows.collect::<Vec<_>>());
        this.transposed = this.factor.transposed();
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
        coarse.add_rows(|group, visit| {
            let mut row = Vec::new();
            for i in self.group(group).filter(|&i| self.is_free(i, root)) {
                row.clear();
                // The own group is the last of its row.
                row.extend(self.factor.row(i).map(|(c, g)| (groups[c], g * self.charges[c])));
                visit(&row);
            }
        });
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
        let [mut u, mut s, mut t] = std::mem::take(&mut self.scratch);
        self.gather(root, r, &mut u);
        self.square(root, &u, &mut s, &mut t);
        if let Some(coarse) = coarse {
            self.screen(coarse, &mut u, &t);
            self.square(root, &u, &mut s, &mut t);
        }
        let weights = self.root.len();
        z[..weights].fill(0.0);
        z[weights..].copy_from_slice(&r[weights..]);
        self.scatter(root, &t, z);
        self.scratch = [u, s, t];
    }

    /// Take from `u` the potential of the charges that `t` moves.
    fn screen(&self, coarse: &mut Coarse, u: &mut [f64], t: &[f64]) {
        let groups = self.firsts.len() - 1;
        let mut moved = vec![0.0; groups];
        let sum = |g: usize| self.group(g).map(|i| self.charges[i] * t[i]).sum();
        let tasks = moved.par_iter_mut().enumerate().with_min_len(grain(groups).max(BLOCK));
        tasks.for_each(|(g, moved)| *moved = sum(g));
        coarse.solve(&moved);
        split(u, groups, |g| self.firsts[g] as usize).zip(blocks(groups)).for_each(|(u, range)| {
            let first = self.firsts[range.start] as usize;
            for g in range {
                let potential = coarse.potential(g);
                self.group(g).for_each(|i| u[i - first] -= self.charges[i] * potential);
            }
        });
    }

    /// To coordinates: √ω_a (r_a/√ω_a − r_p/√ω_p), and vectors as they are.
    fn gather(&self, root: &[f64], r: &[f64], u: &mut Vec<f64>) {
        u.resize(self.unknowns.len(), 0.0);
        let along = |&[a, pivot]: &[u32; 2]| {
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
        };
        let tasks = u.par_chunks_mut(BLOCK).zip(self.unknowns.par_chunks(BLOCK));
        tasks.with_min_len(grain(self.unknowns.len())).for_each(|(u, unknowns)| {
            u.iter_mut().zip(unknowns).for_each(|(u, unknown)| *u = along(unknown));
        });
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

    /// t = Gᵀ s, s = G u.
    fn square(&self, root: &[f64], u: &[f64], s: &mut Vec<f64>, t: &mut Vec<f64>) {
        self.factor.multiply(u, |i| self.is_free(i, root), s);
        self.transposed.multiply(s, |_| true, t);
    }

    fn is_free(&self, i: usize, root: &[f64]) -> bool {
        root[self.unknowns[i][0] as usize] != 0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Charge;
    use super::*;
    use nalgebra::DMatrix;
    use proptest::prelude::*;

    /// Members of the groups: the first and the last have soft weights, and so a vector.
    const SIZES: [usize; 4] = [3 + 3, 2, 2, 3 + 3];
    const MEMBERS: usize = 16;
    const WEIGHTS: usize = 10;

    fn constraints() -> Constraints {
        let charges = [0.0, -1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 1.0].to_vec();
        let softness = [0.0, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.3, 0.2, 0.0].to_vec();
        Constraints::new(vec![0, 3, 5, 7, 10], charges, &Charge::Total(0.0))
            .unwrap()
            .with_vectors(softness)
    }

    /// Among the unknowns, weights and then three for every group.
    fn members(constraints: &Constraints) -> Vec<usize> {
        let of = |g: usize| constraints.group(g).chain(constraints.soft_vector(g));
        (0..SIZES.len()).flat_map(of).collect()
    }

    /// For a Hessian of all members.
    fn inverse(hessian: &DMatrix<f64>, root: &[f64]) -> SparseInverse {
        let (mut blocks, mut couplings, mut at) = (Vec::new(), Couplings::default(), 0);
        let starts: Vec<usize> = SIZES
            .iter()
            .map(|size| {
                at += size;
                at - size
            })
            .collect();
        for (a, &rows) in SIZES.iter().enumerate() {
            for (b, &columns) in SIZES.iter().enumerate().take(a + 1) {
                let at = |k: usize| (starts[a] + k / columns, starts[b] + k % columns);
                let block: Vec<f64> = (0..rows * columns).map(|k| hessian[at(k)]).collect();
                if a == b {
                    blocks.extend(block);
                } else {
                    couplings.push([a, b], &block, columns);
                }
            }
        }
        SparseInverse::new(&constraints(), root, &blocks, &[couplings])
    }

    /// R Rᵀ + `least`, R of random numbers.
    fn hessian(numbers: &[f64], least: f64) -> DMatrix<f64> {
        let r = DMatrix::from_row_slice(MEMBERS, MEMBERS, numbers);
        &r * r.transpose() + least * DMatrix::identity(MEMBERS, MEMBERS)
    }

    /// Without components along √ω of the groups.
    fn tangential(constraints: &Constraints, root: &[f64], x: &[f64]) -> Vec<f64> {
        let mut x = x.to_vec();
        for g in 0..constraints.groups() {
            let along: f64 = constraints.group(g).map(|a| root[a] * x[a]).sum();
            let norm: f64 = constraints.group(g).map(|a| root[a] * root[a]).sum();
            constraints.group(g).for_each(|a| x[a] -= along / norm * root[a]);
        }
        x
    }

    fn dot(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]
        /// Of a positive definite Hessian whose groups are all coupled.
        #[test]
        fn it_is_exact_where_all_groups_are_coupled(
            numbers in prop::collection::vec(-1.0..1.0_f64, MEMBERS * MEMBERS),
            root in prop::collection::vec(0.2..0.9_f64, 22),
            r in prop::collection::vec(-1.0..1.0_f64, 22),
        ) {
            let (constraints, hessian) = (constraints(), hessian(&numbers, 20.0));
            let members = members(&constraints);
            let mut z = vec![0.0; 22];
            inverse(&hessian, &root).apply_local(&root, &r, &mut z);
            let product = |x: &[f64]| -> Vec<f64> {
                let row = |k: usize| {
                    let along = |(l, &b): (usize, &usize)| hessian[(k, l)] * root[b] * x[b];
                    root[members[k]] * members.iter().enumerate().map(along).sum::<f64>()
                };
                let mut all = vec![0.0; 22];
                members.iter().enumerate().for_each(|(k, &a)| all[a] = row(k));
                all
            };
            let of_z = tangential(&constraints, &root, &product(&z));
            let expected = tangential(&constraints, &root, &r);
            for &a in &members {
                prop_assert!((of_z[a] - expected[a]).abs() < 1e-4, "{a}: {} {}", of_z[a], expected[a]);
            }
        }

        /// Whatever the Hessian, and at other weights and softness than it was made for.
        #[test]
        fn it_is_symmetric_and_positive_definite(
            numbers in prop::collection::vec(-1.0..1.0_f64, MEMBERS * MEMBERS),
            least in -5.0..5.0_f64,
            root in prop::collection::vec(0.2..0.9_f64, 22),
            change in prop::collection::vec(0.95..1.05_f64, 22),
            r in prop::collection::vec(-1.0..1.0_f64, 22),
            s in prop::collection::vec(-1.0..1.0_f64, 22),
        ) {
            let constraints = constraints();
            let mut inverse = inverse(&hessian(&numbers, least), &root);
            let root: Vec<f64> = root.iter().zip(change).map(|(x, by)| x * by).collect();
            let [r, s] = [r, s].map(|x| tangential(&constraints, &root, &x));
            let (mut of_r, mut of_s) = (vec![0.0; 22], vec![0.0; 22]);
            inverse.apply_local(&root, &r, &mut of_r);
            inverse.apply_local(&root, &s, &mut of_s);
            let size = dot(&r, &of_r) * dot(&s, &of_s);
            prop_assert!(dot(&r, &of_r) > 0.0);
            prop_assert!((dot(&s, &of_r) - dot(&r, &of_s)).abs() < 1e-9 * size.sqrt());
            let charges = tangential(&constraints, &root, &of_r);
            for a in 0..WEIGHTS {
                prop_assert!((charges[a] - of_r[a]).abs() < 1e-9 * (1.0 + of_r[a].abs()));
            }
        }
    }
}
