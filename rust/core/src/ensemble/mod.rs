//! Minimise a function of ensemble weights under their constraints; knows no atoms' physics.
//!
//! Weights ω come in groups (the states of an atom): every group sums to 1, Σ ω q = Q over all
//! groups or over each fragment, ω ≥ 0.
//! The iterates move along exponential geodesics, ω ← ω·exp(d), followed by the exact
//! Kullback–Leibler projection onto the constraints (a one-dimensional monotone equation), so the
//! constraints hold to rounding at every step and no weight changes sign. Steps come from Newton's
//! equation in the Fisher–Rao scaling y = δω/√ω, in which the ensemble entropy is T times the
//! identity and the resonance terms stay finite: dense with an eigenvalue safeguard for small
//! systems, projected conjugate gradients with a sparse approximate inverse otherwise.
//! Every group may also have a vector, free of constraints (see `vectors`).

mod coarse;
pub mod constraints;
mod damping;
mod dense;
mod inverse;
mod krylov;
mod multipliers;
mod newton;
mod response;
mod tangent;
mod vectors;

pub use coarse::Field;
pub use constraints::{Charge, Constraints};
pub use inverse::{Couplings, SparseInverse};
pub use newton::{minimise, relax};
pub use response::respond;

/// Weights at or below this are on the boundary: they are reported as exactly 0.
pub const FLOOR: f64 = 1e-30;

/// A twice differentiable function of the weights.
pub trait Objective {
    /// Value (eV) and gradient (eV) at `unknowns`, the weights and then the vectors if there are any;
    /// later calls refer to this point.
    fn value_gradient(&mut self, unknowns: &[f64], gradient: &mut [f64]) -> f64;
    /// `out = ∇²E · direction` at the last point.
    fn product(&mut self, direction: &[f64], out: &mut [f64]);
    /// As [`Objective::product`] for a `direction` that sums to zero in every group, up to a constant
    /// in every group; `rough`, roughly if that is faster.
    fn tangent_product(&mut self, direction: &[f64], rough: bool, out: &mut [f64]);
    /// Hessian blocks of each group at the last point (row-major, one after another): of its weights
    /// and, if any of them is soft, its vector.
    fn blocks(&mut self, out: &mut [f64]);
    /// The strong ones among the Hessian blocks between groups at the last point, in any parts.
    fn couplings(&mut self) -> Vec<Couplings>;
    /// A long-ranged interaction of the groups' charges at the last point, if there is one.
    fn field(&mut self) -> Option<Field> {
        None
    }
    /// Where an approximate inverse of the Hessian is kept from one minimisation to the next.
    fn inverse(&mut self) -> &mut Option<SparseInverse>;
}

/// Which linear algebra finds the Newton step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Solver {
    /// Dense up to [`DENSE_LIMIT`] unknowns, Krylov beyond.
    #[default]
    Auto,
    /// Dense reduced Hessian.
    Dense,
    /// Matrix-free projected conjugate gradients.
    Krylov,
}

/// Largest number of unknowns that [`Solver::Auto`] treats densely.
pub const DENSE_LIMIT: usize = 100;

/// Options of [`minimise`].
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// KKT residual to reach, eV.
    pub tolerance: f64,
    /// Largest number of Newton iterations.
    pub max_iterations: usize,
    /// Linear algebra.
    pub solver: Solver,
    /// Search a solution of the Krylov solver for negative curvature, and leave it if there is
    /// any; some 20 products. The dense solver always does.
    pub leave_saddles: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { tolerance: 1e-8, max_iterations: 200, solver: Solver::Auto, leave_saddles: true }
    }
}

impl Options {
    fn dense(&self, unknowns: usize) -> bool {
        match self.solver {
            Solver::Auto => unknowns <= DENSE_LIMIT,
            Solver::Dense => true,
            Solver::Krylov => false,
        }
    }
}

/// What [`minimise`] found; the weights are returned in place.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Minimised value, eV.
    pub value: f64,
    /// Multiplier of the charge of every fragment, dE/dQ, eV/e.
    pub chemical_potentials: Vec<f64>,
    /// Largest of −s and √ω·s over all weights, s = ∂E/∂ω − λ_i − μ q (see `newton`), and of the
    /// gradient in the scaled vectors, eV.
    pub kkt_residual: f64,
    /// Hessian products used.
    pub hessian_products: usize,
    /// Newton iterations used.
    pub iterations: usize,
    /// The Hessian on the free directions was positive definite: proved by a factorisation in the
    /// dense solver; in the Krylov solver, no direction of negative curvature was met, in the last
    /// step or, with [`Options::leave_saddles`], in a search from a random vector.
    pub positive_definite: bool,
}
