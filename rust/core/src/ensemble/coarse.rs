//! What a long-ranged interaction of the groups' charges adds to a local approximate inverse.
//!
//! With charges spread on the nodes of a mesh by Q (trilinear) and the interaction J of the nodes,
//! the Hessian is H = L + Q J Qᵀ, L local with the approximate inverse M. Then
//! H⁻¹ ≈ M − M Q (J⁻¹ + Qᵀ M Q)⁻¹ Qᵀ M (Sherman, Morrison & Woodbury). For a Coulomb interaction J⁻¹
//! is a Laplacian, Qᵀ M Q the charge that a potential draws near a node: a screened Poisson equation,
//! sparse and well-conditioned whatever the size of the system. Without it the smallest wave vectors
//! would need a number of products that grows like the edge of the system.

use rayon::prelude::*;

use crate::parallel::grain;

mod equation;

/// Nodes that a group's charge is spread on.
const CORNERS: usize = 8;
/// Nodes along an axis that the groups of one row of the inverse reach.
const BOX: usize = 4;
/// Nodes along an axis that one node is coupled to, at most.
const REACH: usize = 5;
/// Nodes of a box.
const CUBE: usize = BOX * BOX * BOX;
/// Nodes whose rows are summed at once, and nodes of a task.
const BATCH: usize = 64;

/// A periodic mesh of nodes, spaced by at least the range of the couplings, and the groups in it.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// Nodes along the axes.
    pub shape: [usize; 3],
    /// First node of every group along the axes, and its position past it in units of the spacing.
    pub places: Vec<([u32; 3], [f64; 3])>,
    /// J⁻¹ (e²/eV) between a node and its neighbours −1, 0, 1 along the axes.
    pub stiffness: [[[f64; 3]; 3]; 3],
}

/// The equation on the mesh.
#[derive(Debug, Clone, Default)]
pub(super) struct Coarse {
    field: Field,
    /// Groups sorted by their first node, and the first of each node.
    groups: Vec<u32>,
    starts: Vec<u32>,
    /// Couplings of a node along the axes.
    width: [usize; 3],
    /// J⁻¹ + Qᵀ M Q: for every node the couplings to the nodes around it.
    matrix: Vec<f64>,
    /// Right-hand side, solution, residual, preconditioned residual, direction, product.
    vectors: [Vec<f64>; 6],
}

impl Coarse {
    /// Only J⁻¹.
    pub(super) fn new(field: Field) -> Self {
        let width = field.shape.map(|n| n.min(REACH));
        let nodes = field.shape.iter().product::<usize>();
        let mut this = Self { field, width, ..Self::default() };
        this.sort_groups(nodes);
        this.matrix = vec![0.0; nodes * this.couplings()];
        this.vectors = std::array::from_fn(|_| vec![0.0; nodes]);
        let places = [0, 1, 2].map(|d| this.coupling_places(d));
        for node in 0..nodes {
            let stiffness = this.field.stiffness;
            let couplings = this.row(this.position(node));
            for k in 0..27 {
                let [x, y, z] = [k / 9, k / 3 % 3, k % 3];
                // Offsets of −1 to 1.
                let [i, j, k] = [places[0][x + 2], places[1][y + 2], places[2][z + 2]];
                couplings[i + j + k] += stiffness[x][y][z];
            }
        }
        this
    }

    fn sort_groups(&mut self, nodes: usize) {
        let first: Vec<usize> =
            self.field.places.iter().map(|(at, _)| self.node(at.map(|m| m as i32))).collect();
        self.starts = vec![0; nodes + 2];
        for &node in &first {
            self.starts[node + 2] += 1;
        }
        (2..nodes + 2).for_each(|node| self.starts[node] += self.starts[node - 1]);
        self.groups = vec![0; first.len()];
        for (g, &node) in first.iter().enumerate() {
            let next = &mut self.starts[node + 1];
            self.groups[*next as usize] = g as u32;
            *next += 1;
        }
        self.starts.pop();
    }

    /// Groups whose first node this is.
    fn groups_at(&self, node: usize) -> impl Iterator<Item = usize> {
        let range = self.starts[node] as usize..self.starts[node + 1] as usize;
        self.groups[range].iter().map(|&g| g as usize)
    }

    fn couplings(&self) -> usize {
        self.width.iter().product()
    }

    fn position(&self, node: usize) -> [i32; 3] {
        let [_, ny, nz] = self.field.shape;
        [node / (ny * nz), node / nz % ny, node % nz].map(|x| x as i32)
    }

    /// Add (g Q)ᵀ(g Q) for the rows g of the factor of M = Gᵀ G that `each_row` visits for every group,
    /// given the charges by group: all near the first, the own one.
    pub(super) fn add_rows(
        &mut self,
        each_row: impl Fn(usize, &mut dyn FnMut(&[(usize, f64)])) + Sync,
    ) {
        let nodes: Vec<usize> = (0..self.starts.len() - 1).collect();
        for batch in nodes.chunks(BATCH) {
            let tasks = batch.par_iter().with_min_len(grain(self.groups.len()));
            let sums: Vec<_> = tasks.map(|&node| self.sum_rows(node, &each_row)).collect();
            batch.iter().zip(&sums).for_each(|(&node, sums)| self.add_around(node, sums));
        }
    }

    /// Of the groups at a node, on the box that begins one node before it: the lower triangle.
    fn sum_rows(
        &self,
        node: usize,
        each_row: &impl Fn(usize, &mut dyn FnMut(&[(usize, f64)])),
    ) -> Vec<[f64; CUBE]> {
        let mut sums = vec![[0.0; CUBE]; CUBE];
        let mut filled = Vec::with_capacity(CUBE);
        for group in self.groups_at(node) {
            each_row(group, &mut |charges| {
                let near = self.charges_near(self.position(node), charges);
                filled.clear();
                filled.extend(near.into_iter().enumerate().filter(|(_, charge)| *charge != 0.0));
                for (n, (k, x)) in filled.iter().enumerate() {
                    filled[..=n].iter().for_each(|(l, y)| sums[*k][*l] += x * y);
                }
            });
        }
        sums
    }

    /// Add what [`Self::sum_rows`] found to the matrix.
    fn add_around(&mut self, node: usize, sums: &[[f64; CUBE]]) {
        let origin = self.position(node);
        let split = |k: usize| [k / (BOX * BOX), k / BOX % BOX, k % BOX];
        let places = [0, 1, 2].map(|d| self.coupling_places(d));
        let filled: Vec<usize> = (0..CUBE).filter(|&k| sums[k][k] != 0.0).collect();
        for &k in &filled {
            let at = split(k);
            let couplings = self.row([0, 1, 2].map(|d| origin[d] - 1 + at[d] as i32));
            for &l in &filled {
                let to = split(l);
                let [x, y, z] = [0, 1, 2].map(|d| places[d][to[d] + BOX - 1 - at[d]]);
                couplings[x + y + z] += sums[k.max(l)][k.min(l)];
            }
        }
    }

    /// Charges of groups on the nodes of a box that begins one node before `origin`.
    fn charges_near(&self, origin: [i32; 3], charges: &[(usize, f64)]) -> [f64; CUBE] {
        let mut sums = [0.0; CUBE];
        for &(group, charge) in charges {
            let (node, past) = self.field.places[group];
            let shift = [0, 1, 2].map(|d| {
                let n = self.field.shape[d] as i32;
                (node[d] as i32 - origin[d] + 1).rem_euclid(n).min(BOX as i32 - 2) as usize
            });
            for (corner, part) in corners(past) {
                let [x, y, z] = [0, 1, 2].map(|d| shift[d] + corner[d]);
                sums[(x * BOX + y) * BOX + z] += part * charge;
            }
        }
        sums
    }

    /// What offsets of −3 to 3 nodes along an axis add to the place of a coupling. (Three nodes apart
    /// are never coupled.)
    fn coupling_places(&self, axis: usize) -> [usize; 2 * BOX - 1] {
        let n = self.field.shape[axis] as i32;
        let stride: usize = self.width[axis + 1..].iter().product();
        std::array::from_fn(|k| {
            let offset = (k as i32 + 1 - BOX as i32).clamp(-2, 2);
            stride * if n < REACH as i32 { offset.rem_euclid(n) } else { offset + 2 } as usize
        })
    }

    /// Couplings of the node at `at`, of any image.
    fn row(&mut self, at: [i32; 3]) -> &mut [f64] {
        let (node, couplings) = (self.node(at), self.couplings());
        &mut self.matrix[node * couplings..(node + 1) * couplings]
    }

    /// The node at `at`, of any image.
    fn node(&self, at: [i32; 3]) -> usize {
        let n = self.field.shape;
        (0..3).fold(0, |node, d| node * n[d] + at[d].rem_euclid(n[d] as i32) as usize)
    }

    /// Solve for the potential of charges of the groups that (J⁻¹ + Qᵀ M Q)⁻¹ gives.
    pub(super) fn solve(&mut self, charges: &[f64]) {
        let mut vectors = std::mem::take(&mut self.vectors);
        let tasks = vectors[0].par_iter_mut().enumerate().with_min_len(grain(charges.len()));
        tasks.for_each(|(node, sum)| *sum = self.charge_on(node, charges));
        self.conjugate_gradients(&mut vectors);
        self.vectors = vectors;
    }

    fn charge_on(&self, node: usize, charges: &[f64]) -> f64 {
        let (at, mut sum) = (self.position(node), 0.0);
        for corner in 0..CORNERS {
            let offset = split_corner(corner);
            let first = self.node([0, 1, 2].map(|d| at[d] - offset[d] as i32));
            for g in self.groups_at(first) {
                sum += part(self.field.places[g].1, offset) * charges[g];
            }
        }
        sum
    }

    /// The potential at a group.
    pub(super) fn potential(&self, group: usize) -> f64 {
        let (n, (first, past)) = (self.field.shape, self.field.places[group]);
        let on_node = |(corner, part): ([usize; 3], f64)| {
            let [x, y, z] = [0, 1, 2].map(|d| {
                let x = first[d] as usize + corner[d];
                if x >= n[d] { x - n[d] } else { x }
            });
            part * self.vectors[1][(x * n[1] + y) * n[2] + z]
        };
        corners(past).into_iter().map(on_node).sum()
    }
}

/// The nodes around a group and its parts on them.
fn corners(past: [f64; 3]) -> [([usize; 3], f64); CORNERS] {
    std::array::from_fn(|k| (split_corner(k), part(past, split_corner(k))))
}

fn split_corner(k: usize) -> [usize; 3] {
    [k >> 2 & 1, k >> 1 & 1, k & 1]
}

fn part(past: [f64; 3], corner: [usize; 3]) -> f64 {
    let along = |d: usize| if corner[d] == 1 { past[d] } else { 1.0 - past[d] };
    along(0) * along(1) * along(2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nalgebra::{DMatrix, DVector};
    use proptest::prelude::*;

    const GROUPS: usize = 30;

    fn field(shape: [usize; 3], points: &[[f64; 3]]) -> Field {
        let place = |s: &[f64; 3]| {
            let u = [0, 1, 2].map(|d| s[d] * shape[d] as f64);
            (u.map(|u| u as u32), u.map(|u| u - u.floor()))
        };
        let mut stiffness = [[[-0.1; 3]; 3]; 3];
        stiffness[1][1][1] = 2.6;
        Field { shape, places: points.iter().map(place).collect(), stiffness }
    }

    /// Parts of every group's charge on every node.
    fn spreading(field: &Field) -> DMatrix<f64> {
        let [nx, ny, nz] = field.shape;
        let mut q = DMatrix::zeros(nx * ny * nz, field.places.len());
        for (g, (first, past)) in field.places.iter().enumerate() {
            for k in 0..8 {
                let c = [k / 4, k / 2 % 2, k % 2];
                let at = [0, 1, 2].map(|d| (first[d] as usize + c[d]) % field.shape[d]);
                let part: f64 =
                    (0..3).map(|d| if c[d] == 1 { past[d] } else { 1.0 - past[d] }).product();
                q[((at[0] * ny + at[1]) * nz + at[2], g)] += part;
            }
        }
        q
    }

    fn stiffness(field: &Field) -> DMatrix<f64> {
        let n = field.shape.map(|n| n as i32);
        let nodes = field.shape.iter().product();
        let position = |k: i32| [k / (n[1] * n[2]), k / n[2] % n[1], k % n[2]];
        let mut matrix = DMatrix::zeros(nodes, nodes);
        for node in 0..nodes {
            for k in 0..27 {
                let offset = [k / 9, k / 3 % 3, k % 3];
                let at = position(node as i32);
                let [x, y, z] = [0, 1, 2].map(|d| (at[d] + offset[d] - 1).rem_euclid(n[d]));
                let [i, j, k] = offset.map(|o| o as usize);
                matrix[(node, ((x * n[1] + y) * n[2] + z) as usize)] += field.stiffness[i][j][k];
            }
        }
        matrix
    }

    /// Half a spacing at most along every axis, to the nearest image.
    fn near(field: &Field, g: usize, h: usize) -> bool {
        let at = |g: usize, d: usize| f64::from(field.places[g].0[d]) + field.places[g].1[d];
        (0..3).all(|d| {
            let n = field.shape[d] as f64;
            let apart = at(g, d) - at(h, d);
            (apart - n * (apart / n).round()).abs() < 0.5
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn the_mesh_solves_the_dense_equation(
            points in prop::collection::vec([0.0..1.0, 0.0..1.0, 0.0..1.0_f64], GROUPS),
            factors in prop::collection::vec(-1.0..1.0_f64, GROUPS * GROUPS),
            charges in prop::collection::vec(-1.0..1.0_f64, GROUPS),
            shape in prop::sample::select(vec![[2, 2, 2], [6, 3, 5], [4, 7, 1], [5, 5, 8]]),
        ) {
            let field = field(shape, &points);
            let q = spreading(&field);
            let mut matrix = stiffness(&field);
            let (mut coarse, mut rows) = (Coarse::new(field.clone()), Vec::new());
            for g in 0..GROUPS {
                let row: Vec<(usize, f64)> = std::iter::once(g)
                    .chain((0..GROUPS).filter(|&h| h != g && near(&field, g, h)))
                    .map(|h| (h, factors[g * GROUPS + h] + if h == g { 2.0 } else { 0.0 }))
                    .collect();
                let mut dense = DVector::zeros(GROUPS);
                for (h, x) in &row {
                    dense[*h] += x;
                }
                let on_nodes = &q * dense;
                matrix += &on_nodes * on_nodes.transpose();
                rows.push(row);
            }
            coarse.add_rows(|group, visit| visit(&rows[group]));
            coarse.solve(&charges);
            let potential: Vec<f64> = (0..GROUPS).map(|g| coarse.potential(g)).collect();
            let x = matrix.cholesky().unwrap().solve(&(&q * DVector::from_vec(charges)));
            let expected = q.transpose() * x;
            for (found, expected) in potential.iter().zip(expected.iter()) {
                prop_assert!((found - expected).abs() < 1e-7, "{found} {expected}");
            }
        }
    }
}
