//! Newton step by projected, preconditioned conjugate gradients (Gould, Hribar & Nocedal,
//! SIAM J. Sci. Comput. 23, 1376 (2001)): the constraint preconditioner, blocks of the Hessian per
//! group, keeps every iterate on the tangent space of the constraints.

use super::newton::{Point, Step, centred_charges, tangent};
use super::{Constraints, Objective};

/// Most products a single Newton step may take.
const MAX_PRODUCTS: usize = 100;
/// Relative accuracy of the search for negative curvature at a solution.
const ESCAPE_ACCURACY: f64 = 1e-3;
/// Most products of one [`solve`]; a well-conditioned Hessian needs some 100.
const SOLVE_PRODUCTS: usize = 1000;
/// Relative accuracy of [`solve`].
const SOLVE_ACCURACY: f64 = 1e-11;
/// Smallest pivot of a preconditioner block relative to its diagonal entry.
const SMALLEST_PIVOT: f64 = 1e-3;

/// Truncated Newton step; stops at negative curvature with the best direction so far.
pub(super) fn step(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
) -> Step {
    let rhs = point.root.iter().zip(&point.slack).map(|(r, s)| -r * s).collect();
    match conjugate_gradients(objective, constraints, point, rhs, forcing, MAX_PRODUCTS) {
        Found::Solution(step) => step,
        Found::Descent { y, p, products } => {
            Step { y: if products == 1 { p } else { y }, products, positive_definite: false }
        }
    }
}

/// At a stationary point: is it a minimum, and if not, which way is down?
///
/// The gradient of a symmetric saddle point has no part along the direction that breaks the
/// symmetry, so steps never see it. Conjugate gradients from a vector without symmetry do: they
/// meet negative curvature as soon as their Krylov space holds any.
pub(super) fn escape(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
) -> Step {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let rhs =
        point.root.iter().map(|r| if *r > 0.0 { xorshift(&mut state) } else { 0.0 }).collect();
    match conjugate_gradients(objective, constraints, point, rhs, |_| ESCAPE_ACCURACY, MAX_PRODUCTS)
    {
        Found::Solution(step) => Step { y: vec![0.0; point.root.len()], ..step },
        Found::Descent { p, products, .. } => Step { y: p, products, positive_definite: false },
    }
}

/// H y = rhs at a minimum, as accurately as conjugate gradients get.
pub(super) fn solve(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    rhs: Vec<f64>,
) -> Vec<f64> {
    match conjugate_gradients(
        objective,
        constraints,
        point,
        rhs,
        |_| SOLVE_ACCURACY,
        SOLVE_PRODUCTS,
    ) {
        Found::Solution(Step { y, .. }) | Found::Descent { y, .. } => y,
    }
}

/// A pseudo-random number between −½ and ½ (Marsaglia's xorshift).
fn xorshift(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

/// How conjugate gradients end.
enum Found {
    Solution(Step),
    /// The direction `p` has no positive curvature; `y` is the iterate before it.
    Descent {
        y: Vec<f64>,
        p: Vec<f64>,
        products: usize,
    },
}

/// H y = rhs on the tangent space, to a relative accuracy that depends on the norm of rhs.
fn conjugate_gradients(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    rhs: Vec<f64>,
    accuracy: impl Fn(f64) -> f64,
    most: usize,
) -> Found {
    let n = point.root.len();
    let preconditioner = Preconditioner::new(objective, constraints, point);
    let mut r = rhs;
    tangent(constraints, &point.root, &mut r);
    let mut z = vec![0.0; n];
    preconditioner.apply(&r, &mut z);
    let mut p = z.clone();
    let mut y = vec![0.0; n];
    let (mut v, mut hp) = (vec![0.0; n], vec![0.0; n]);
    let mut rz = dot(&r, &z);
    let target = rz * accuracy(rz.max(0.0).sqrt()).powi(2);
    let solution = |y, products| Found::Solution(Step { y, products, positive_definite: true });
    for products in 1..=most {
        if rz <= 0.0 {
            return solution(y, products - 1);
        }
        (0..n).for_each(|a| v[a] = point.root[a] * p[a]);
        objective.product(&v, &mut hp);
        (0..n).for_each(|a| hp[a] *= point.root[a]);
        // What the preconditioner does not see would grow by rounding and end up in the residual.
        tangent(constraints, &point.root, &mut hp);
        let curvature = dot(&p, &hp);
        if curvature <= 1e-14 * dot(&p, &p) {
            return Found::Descent { y, p, products };
        }
        let alpha = rz / curvature;
        (0..n).for_each(|a| {
            y[a] += alpha * p[a];
            r[a] -= alpha * hp[a];
        });
        preconditioner.apply(&r, &mut z);
        let next = dot(&r, &z);
        if next <= target {
            return solution(y, products);
        }
        let beta = next / rz;
        rz = next;
        (0..n).for_each(|a| p[a] = z[a] + beta * p[a]);
    }
    solution(y, most)
}

/// Relative accuracy of the step: superlinear convergence of the outer iteration.
fn forcing(norm: f64) -> f64 {
    norm.sqrt().clamp(1e-3, 0.1)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Inverse of the block-diagonal Hessian on the tangent space of all constraints.
struct Preconditioner<'a> {
    constraints: &'a Constraints,
    /// Pseudo-inverses M⁺ of the blocks on each group's tangent space, row-major.
    inverses: Vec<f64>,
    starts: Vec<usize>,
    /// √ω (q − q̄).
    charge: Vec<f64>,
    /// M⁺ charge, and charge · M⁺ charge of every fragment.
    response: Vec<f64>,
    stiffness: Vec<f64>,
}

impl<'a> Preconditioner<'a> {
    fn new(objective: &mut impl Objective, constraints: &'a Constraints, point: &Point) -> Self {
        let sizes = (0..constraints.groups()).map(|g| constraints.group(g).len().pow(2));
        let mut starts = vec![0];
        for size in sizes {
            starts.push(starts[starts.len() - 1] + size);
        }
        let mut inverses = vec![0.0; starts[starts.len() - 1]];
        objective.blocks(&mut inverses);
        for g in 0..constraints.groups() {
            let root = &point.root[constraints.group(g)];
            invert_on_tangent(&mut inverses[starts[g]..starts[g + 1]], root);
        }
        let charge = centred_charges(constraints, &point.root);
        let response = vec![0.0; charge.len()];
        let mut this =
            Self { constraints, inverses, starts, charge, response, stiffness: Vec::new() };
        let mut response = std::mem::take(&mut this.response);
        this.apply_blocks(&this.charge, &mut response);
        this.stiffness = constraints.dots(&response, &this.charge);
        this.response = response;
        this
    }

    fn apply_blocks(&self, r: &[f64], z: &mut [f64]) {
        for g in 0..self.constraints.groups() {
            let group = self.constraints.group(g);
            let size = group.len();
            let block = &self.inverses[self.starts[g]..self.starts[g + 1]];
            for (row, a) in block.chunks_exact(size).zip(group.clone()) {
                z[a] = dot(row, &r[group.clone()]);
            }
        }
    }

    /// z = M⁺ (r − ν·charge), ν of every fragment such that z carries no charge.
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        self.apply_blocks(r, z);
        let carried = self.constraints.dots(&self.charge, z);
        for g in 0..self.constraints.groups() {
            let f = self.constraints.fragment(g);
            if self.stiffness[f] > 1e-250 {
                let nu = carried[f] / self.stiffness[f];
                self.constraints.group(g).for_each(|a| z[a] -= nu * self.response[a]);
            }
        }
    }
}

/// Replace a block H by the pseudo-inverse of P √ω H √ω P, P the projector orthogonal to √ω;
/// negative or tiny pivots are raised so that the result is positive semi-definite.
fn invert_on_tangent(block: &mut [f64], root: &[f64]) {
    let n = root.len();
    let norm = root.iter().map(|r| r * r).sum::<f64>().sqrt();
    let unit: Vec<f64> = root.iter().map(|r| if norm > 0.0 { r / norm } else { 0.0 }).collect();
    for a in 0..n {
        for b in 0..n {
            block[a * n + b] *= root[a] * root[b];
        }
    }
    project_block(block, &unit);
    let shift = (0..n).map(|a| block[a * n + a].abs()).fold(1e-12, f64::max);
    for a in 0..n {
        for b in 0..n {
            // Fixed weights (root 0) get a unit diagonal and are cleared below.
            let fixed = f64::from(u8::from(a == b && root[a] == 0.0));
            block[a * n + b] += shift * (unit[a] * unit[b] + fixed);
        }
    }
    invert_positive(block, n);
    project_block(block, &unit);
    for a in 0..n {
        for b in 0..n {
            if root[a] == 0.0 || root[b] == 0.0 {
                block[a * n + b] = 0.0;
            }
        }
    }
}

/// P A P for P = 1 − u uᵀ.
fn project_block(a: &mut [f64], u: &[f64]) {
    let n = u.len();
    for row in a.chunks_exact_mut(n) {
        let along = dot(row, u);
        row.iter_mut().zip(u).for_each(|(x, u)| *x -= along * u);
    }
    for b in 0..n {
        let along: f64 = (0..n).map(|c| a[c * n + b] * u[c]).sum();
        (0..n).for_each(|c| a[c * n + b] -= along * u[c]);
    }
}

/// Inverse by L D Lᵀ with raised pivots (n ≤ 8).
fn invert_positive(a: &mut [f64], n: usize) {
    let mut l = [0.0; 64];
    let mut d = [0.0; 8];
    for j in 0..n {
        let s: f64 = (0..j).map(|k| l[j * n + k] * l[j * n + k] * d[k]).sum();
        let pivot = a[j * n + j] - s;
        d[j] = pivot.abs().max(SMALLEST_PIVOT * a[j * n + j].abs()).max(1e-12);
        for i in j + 1..n {
            let s: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k] * d[k]).sum();
            l[i * n + j] = (a[i * n + j] - s) / d[j];
        }
    }
    for column in 0..n {
        let mut x = [0.0; 8];
        for i in 0..n {
            let s: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
            x[i] = f64::from(u8::from(i == column)) - s;
        }
        for i in (0..n).rev() {
            let s: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
            x[i] = x[i] / d[i] - s;
        }
        (0..n).for_each(|i| a[i * n + column] = x[i]);
    }
}
