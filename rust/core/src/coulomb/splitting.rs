//! How a periodic sum is shared between the pairs of the potential, pairs further apart, and modes.
//!
//! erfc(βR)/R of the pairs within the potential's cutoff fixes β, and with it the reciprocal sum: a
//! short cutoff makes that one expensive. It may be summed with a smaller α instead; what lies
//! between, [erf(βR) − erf(αR)]/R, is smooth and has a cutoff of its own, which is chosen by cost.

use super::charges::CUTOFFS;
use super::ewald::{Ewald, splitting};
use super::pme::Pme;
use super::real::{self, RealSpace};
use super::smooth::{MAX_REACH, Smooth};
use super::{Method, Options};
use crate::structure::Structure;

/// A reciprocal sum, and what lies between it and the pairs of the potential.
#[derive(Debug, Clone)]
pub(super) struct Splitting {
    pub(super) ewald: Ewald,
    pub(super) pme: Pme,
    pub(super) on_mesh: bool,
    /// None if both have the same splitting.
    pub(super) between: Option<RealSpace<false>>,
}

impl Splitting {
    /// The reciprocal sum that belongs to a cutoff (Å), alone.
    pub(super) fn new(options: &Options, cutoff: f64) -> Self {
        let ewald = Ewald::new(options.accuracy, cutoff);
        let pme = Pme::new(options.accuracy, ewald.alpha());
        Self { ewald, pme, on_mesh: false, between: None }
    }

    /// The same with the pairs between a splitting `beta` (Å⁻¹) and its own.
    fn with_pairs(options: &Options, cutoff: f64, beta: f64) -> Self {
        let this = Self::new(options, cutoff);
        let between = Smooth::between([this.ewald.alpha(), beta], cutoff, options.accuracy);
        Self { between: Some(RealSpace::new(between, cutoff)), ..this }
    }

    /// Estimated time of a potential on one core, ns.
    pub(super) fn cost(&self, method: Method, structure: &Structure) -> f64 {
        if self.chooses_mesh(method, structure) {
            self.pme.cost(structure)
        } else {
            self.ewald.cost(structure)
        }
    }

    /// By the structure alone: results do not depend on what was calculated before.
    pub(super) fn chooses_mesh(&self, method: Method, structure: &Structure) -> bool {
        match method {
            Method::Pme => true,
            Method::Auto => self.pme.cost(structure) < self.ewald.cost(structure),
            _ => false,
        }
    }

    /// Of the pairs in between, Å.
    pub(super) fn cutoff(&self) -> Option<f64> {
        self.between.as_ref().map(RealSpace::cutoff)
    }

    /// Become the splitting for pairs that are summed up to `near` (Å): of least estimated cost for a
    /// structure, or, without one, alone.
    pub(super) fn choose(&mut self, options: &Options, near: f64, structure: Option<&Structure>) {
        let best = structure.and_then(|structure| best_cutoff(options, near, structure));
        if best == self.cutoff() {
            return;
        }
        *self = match best {
            Some(cutoff) => Self::with_pairs(options, cutoff, splitting(options.accuracy, near)),
            None => Self::new(options, near),
        };
    }
}

/// Cutoff (Å) of least estimated cost for the pairs in between; none if it is cheaper without them.
fn best_cutoff(options: &Options, near: f64, structure: &Structure) -> Option<f64> {
    let beta = splitting(options.accuracy, near);
    let modes = |cutoff| Splitting::new(options, cutoff).cost(options.method, structure);
    let possible = |cutoff: &f64| *cutoff > near && beta * *cutoff <= MAX_REACH;
    CUTOFFS
        .into_iter()
        .filter(possible)
        .map(|cutoff| (modes(cutoff) + real::cost(structure, cutoff), Some(cutoff)))
        .fold((modes(near), None), |best, next| if next.0 < best.0 { next } else { best })
        .1
}
