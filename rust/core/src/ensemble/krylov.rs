//! Newton step by projected, preconditioned conjugate gradients (Gould, Hribar & Nocedal,
//! SIAM J. Sci. Comput. 23, 1376 (2001)): the constraint preconditioner, a sparse approximate inverse
//! of the Hessian, keeps every iterate on the tangent space of the constraints.

use super::newton::{Point, Step};
use super::tangent::{centred_charges, remove_normals};
use super::{Constraints, Objective, SparseInverse, damping};
use crate::parallel::dot;

/// Most products a single Newton step may take.
pub(super) const MAX_PRODUCTS: usize = 100;
/// Relative accuracy of the search for negative curvature at a solution.
const ESCAPE_ACCURACY: f64 = 1e-3;
/// Most products of one [`solve`]; a well-conditioned Hessian needs some 100.
const SOLVE_PRODUCTS: usize = 1000;
/// Relative accuracy of [`solve`].
const SOLVE_ACCURACY: f64 = 1e-11;
/// Newton steps that use one preconditioner, unless one of them takes [`MANY_PRODUCTS`].
const LONGEST_USE: usize = 8;
const MANY_PRODUCTS: usize = 12;
/// Part of the tolerance that a last step leaves, and of the residual that any step may leave: a
/// constant, or the relative change of the weights times another (the error of the linearisation).
const FINAL: f64 = 0.4;
const ROUGHEST: f64 = 0.1;
const LINEARISATION: f64 = 0.3;
/// Relative accuracy of a damped step.
const DAMPED: f64 = 0.2;

/// How far to go with a Newton step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accuracy<'a> {
    /// Residual of the minimisation that is low enough, eV.
    pub(super) tolerance: f64,
    /// Most products.
    pub(super) most: usize,
    /// Added to the Hessian in the scaling y by group (see `damping`), eV; empty for none.
    pub(super) shifts: &'a [f64],
}

/// Truncated Newton step; it ends at a direction of negative curvature, and takes that one only if
/// there is nothing else.
pub(super) fn step(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    accuracy: Accuracy,
) -> Step {
    let rhs = point.root.iter().zip(&point.slack).map(|(r, s)| -r * s).collect();
    let Accuracy { tolerance, most, shifts } = accuracy;
    let enough = |ratio: f64, r: &[f64], y: &[f64]| {
        ratio <= ROUGHEST && accurate_enough(point, constraints.weights(), tolerance, [r, y])
            || !shifts.is_empty() && ratio <= DAMPED
    };
    let task = Task { rhs, enough, most, rough: true, shifts };
    match conjugate_gradients(objective, constraints, point, task) {
        Found::Solution(step) => step,
        Found::Descent { y, p, products, curvature, negative } => {
            let y = if products > 1 { y } else { p };
            Step { y, products, curvature: Some(curvature), negative }
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
    let enough = |left: f64, _: &[f64], _: &[f64]| left <= ESCAPE_ACCURACY;
    let task = Task { rhs, enough, most: MAX_PRODUCTS, rough: false, shifts: &[] };
    match conjugate_gradients(objective, constraints, point, task) {
        Found::Solution(step) => Step { y: vec![0.0; point.root.len()], ..step },
        Found::Descent { p, products, curvature, .. } => {
            Step { y: p, products, curvature: Some(curvature), negative: Vec::new() }
        }
    }
}

/// H y = rhs at a minimum, as accurately as conjugate gradients get.
pub(super) fn solve(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    rhs: Vec<f64>,
) -> Vec<f64> {
    let enough = |left: f64, _: &[f64], _: &[f64]| left <= SOLVE_ACCURACY;
    let task = Task { rhs, enough, most: SOLVE_PRODUCTS, rough: false, shifts: &[] };
    match conjugate_gradients(objective, constraints, point, task) {
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
        /// Along `p`, and by group (see [`Step`]).
        curvature: f64,
        negative: Vec<f64>,
    },
}

/// A linear problem H y = rhs on the tangent space.
struct Task<'a, F> {
    rhs: Vec<f64>,
    /// Ends it; given the size of the residual in the metric of the preconditioner relative to that
    /// of rhs, the residual, and the solution.
    enough: F,
    /// Most products.
    most: usize,
    /// With rough products: only the Newton step, whose result is checked.
    rough: bool,
    /// Added to the Hessian, by group.
    shifts: &'a [f64],
}

fn conjugate_gradients(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    task: Task<'_, impl Fn(f64, &[f64], &[f64]) -> bool>,
) -> Found {
    let mut preconditioner = Preconditioner::new(objective, constraints, point, task.shifts);
    let found = iterate(objective, constraints, point, &mut preconditioner, task);
    if let Found::Solution(step) = &found {
        preconditioner.keep(objective, step.products);
    }
    found
}

fn iterate(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
    preconditioner: &mut Preconditioner,
    task: Task<'_, impl Fn(f64, &[f64], &[f64]) -> bool>,
) -> Found {
    let n = task.rhs.len();
    let mut r = task.rhs;
    remove_normals(constraints, &point.root, &preconditioner.charge, &mut r);
    let mut z = vec![0.0; n];
    preconditioner.apply(constraints, &point.root, &r, &mut z);
    let mut p = z.clone();
    let mut y = vec![0.0; n];
    let (mut v, mut hp) = (vec![0.0; n], vec![0.0; n]);
    let mut rz = dot(&r, &z);
    let first = rz;
    let solution =
        |y, products| Found::Solution(Step { y, products, curvature: None, negative: Vec::new() });
    for products in 1..=task.most {
        if rz <= 0.0 {
            return solution(y, products - 1);
        }
        (0..n).for_each(|a| v[a] = point.root[a] * p[a]);
        objective.tangent_product(&v, task.rough, &mut hp);
        (0..n).for_each(|a| hp[a] *= point.root[a]);
        damping::add(constraints, task.shifts, &p, &mut hp);
        // What the preconditioner does not see would grow by rounding and end up in the residual.
        remove_normals(constraints, &point.root, &preconditioner.charge, &mut hp);
        let curvature = dot(&p, &hp);
        let size = dot(&p, &p);
        if curvature <= 1e-14 * size {
            let negative = damping::negative(constraints, task.shifts, [&p, &hp]);
            // As long as if the curvature had the other sign; the line search bounds it.
            let length = rz / curvature.abs().max(1e-14 * size);
            for p in &mut p {
                *p *= length;
            }
            return Found::Descent { y, p, products, curvature: curvature / size, negative };
        }
        let alpha = rz / curvature;
        (0..n).for_each(|a| {
            y[a] += alpha * p[a];
            r[a] -= alpha * hp[a];
        });
        preconditioner.apply(constraints, &point.root, &r, &mut z);
        let next = dot(&r, &z);
        if (task.enough)((next / first).max(0.0).sqrt(), &r, &y) {
            return solution(y, products);
        }
        let beta = next / rz;
        rz = next;
        (0..n).for_each(|a| p[a] = z[a] + beta * p[a]);
    }
    solution(y, task.most)
}

/// A Newton step need not be more accurate than the linearisation, nor than the tolerance.
fn accurate_enough(point: &Point, weights: usize, tolerance: f64, [r, y]: [&[f64]; 2]) -> bool {
    let (mut left, mut change) = (0.0_f64, 0.0_f64);
    for ((&root, r), y) in point.root[..weights].iter().zip(r).zip(y) {
        if root > 0.0 {
            // As the residual of `Point`: a state that should gain weight counts without its root.
            left = left.max(if *r > 0.0 { r / root } else { -r });
            change = change.max((y / root).abs());
        }
    }
    // The energy is quadratic in the vectors.
    left = r[weights..].iter().fold(left, |most, r| most.max(r.abs()));
    left <= ((LINEARISATION * change).min(ROUGHEST) * point.residual).max(FINAL * tolerance)
}

/// The sparse inverse on the tangent space of all constraints.
struct Preconditioner {
    inverse: SparseInverse,
    /// √ω (q − q̄).
    charge: Vec<f64>,
    /// M charge, and charge · M charge of every fragment.
    response: Vec<f64>,
    stiffness: Vec<f64>,
}

impl Preconditioner {
    fn new(
        objective: &mut impl Objective,
        constraints: &Constraints,
        point: &Point,
        shifts: &[f64],
    ) -> Self {
        let fits = |kept: &SparseInverse| {
            kept.age < LONGEST_USE && kept.shifts == shifts && kept.fits(constraints, &point.root)
        };
        // One that does not is gone before another is made.
        let kept = objective.inverse().take().filter(fits);
        let mut inverse =
            kept.unwrap_or_else(|| Self::inverse(objective, constraints, point, shifts));
        let charge = centred_charges(constraints, &point.root);
        let mut response = vec![0.0; charge.len()];
        inverse.apply_local(&point.root, &charge, &mut response);
        let stiffness = constraints.dots(&response, &charge);
        Self { inverse, charge, response, stiffness }
    }

    fn inverse(
        objective: &mut impl Objective,
        constraints: &Constraints,
        point: &Point,
        shifts: &[f64],
    ) -> SparseInverse {
        let size = (0..constraints.groups()).map(|g| constraints.members(g).pow(2)).sum();
        let mut blocks = vec![0.0; size];
        objective.blocks(&mut blocks);
        shift_blocks(constraints, point, shifts, &mut blocks);
        let mut inverse =
            SparseInverse::new(constraints, &point.root, &blocks, &objective.couplings());
        inverse.shifts = shifts.to_vec();
        if constraints.fragments() == 1
            && let Some(field) = objective.field()
        {
            inverse.add_field(constraints, &point.root, field);
        }
        inverse
    }

    /// z = M (r − ν·charge), ν of every fragment such that z carries no charge.
    fn apply(&mut self, constraints: &Constraints, root: &[f64], r: &[f64], z: &mut [f64]) {
        self.inverse.apply(root, r, z);
        let carried = constraints.dots(&self.charge, z);
        let nu = |(carried, stiffness): (&f64, &f64)| {
            if *stiffness > 1e-250 { carried / stiffness } else { 0.0 }
        };
        let nu: Vec<f64> = carried.iter().zip(&self.stiffness).map(nu).collect();
        constraints.subtract(&nu, &self.response, z);
    }

    /// Keep the inverse for later, unless it took many products.
    fn keep(mut self, objective: &mut impl Objective, products: usize) {
        self.inverse.age += if products > MANY_PRODUCTS { LONGEST_USE } else { 1 };
        *objective.inverse() = Some(self.inverse);
    }
}

/// Add the Hessian of ½ shift |y|² to the diagonal blocks of the groups.
fn shift_blocks(constraints: &Constraints, point: &Point, shifts: &[f64], blocks: &mut [f64]) {
    let mut at = 0;
    for g in 0..constraints.groups() {
        let size = constraints.members(g);
        let shift = shifts.get(g).copied().unwrap_or(0.0);
        let scales = constraints.group(g).map(|a| point.weights[a]);
        let vector = constraints.soft_vector(g).map(|k| point.root[k] * point.root[k]);
        for (m, scale) in scales.chain(vector).enumerate() {
            blocks[at + m * (size + 1)] += shift / scale.max(f64::MIN_POSITIVE);
        }
        at += size * size;
    }
}
