//! The weights of one evaluation: propagated, or converged from a prediction, or from nothing.

use super::search::Search;
use super::{Evaluator, geometry, shadow};
use crate::COULOMB;
use crate::energy::Energy;
use crate::ensemble::{self, Charge, Constraints, DENSE_LIMIT, Outcome};
use crate::error::{Error, Result};
use crate::structure::Structure;

/// A branch lower than the one followed by less than this is not reported, eV.
const SAME_BRANCH: f64 = 1e-6;

impl Evaluator {
    /// What weights and dipoles must satisfy.
    pub(super) fn constraints(
        &mut self,
        structure: &Structure,
        charge: &Charge,
    ) -> Result<Constraints> {
        let (offsets, charges) = self.assign(structure)?;
        let constraints = Constraints::new(offsets, charges, charge)?;
        if !self.model.is_polarisable() {
            return Ok(constraints);
        }
        if self.options.shadow {
            let problem = "does not propagate induced dipoles: use shadow=False with a polarisable \
                           potential";
            return Err(Error::invalid("shadow", problem));
        }
        let states = |e: &u8| &self.model.elements()[usize::from(*e)].states;
        let softness = self.elements.iter().flat_map(states).map(|s| s.polarisability / COULOMB);
        Ok(constraints.with_vectors(softness.collect()))
    }

    /// Weights of the next step of the extended Lagrangian; none if they must be converged.
    pub(super) fn propagate(
        &mut self,
        structure: &Structure,
        constraints: &Constraints,
        warm: bool,
    ) -> Option<(Vec<f64>, Outcome)> {
        if !(self.options.shadow && warm) {
            return None;
        }
        let mut weights = self.shadow.next(self.history.last(structure)?)?;
        let coulomb = self.coulomb.as_ref();
        let geometry = geometry(&self.model, &self.pairs, coulomb, &self.elements, constraints);
        let mut energy = Energy::new(geometry, &mut self.work);
        let found = ensemble::relax(&mut energy, constraints, shadow::PRODUCTS, &mut weights);
        let Ok(outcome) = found else {
            self.shadow.restart();
            return None;
        };
        Some((weights, outcome))
    }

    /// Weights at the tolerance, and how far a lower branch lies below them.
    pub(super) fn converge(
        &mut self,
        structure: &Structure,
        constraints: &Constraints,
        warm: bool,
    ) -> Result<(Vec<f64>, Outcome, Option<f64>)> {
        let start = if warm { self.history.predict(structure) } else { None };
        if start.is_none() {
            self.shadow.restart();
        }
        let coulomb = self.coulomb.as_ref();
        let geometry = geometry(&self.model, &self.pairs, coulomb, &self.elements, constraints);
        let mut search = Search { geometry, constraints, options: self.options.ensemble };
        let small = constraints.unknowns() <= DENSE_LIMIT;
        let mut lower_branch = None;
        let (weights, outcome) = match start {
            Some(start) => {
                self.warm_calls += 1;
                let interval = self.options.branch_interval;
                let compare = interval > 0 && self.warm_calls.is_multiple_of(interval);
                // A branch followed from a minimum is seldom lost: look now and then.
                search.options.leave_saddles = compare;
                let followed = search.from(&mut self.work, start);
                search.options.leave_saddles = true;
                let found = followed.or_else(|_| search.cold(&mut self.work))?;
                // A comparison that fails does not take away the answer at hand.
                if small
                    && compare
                    && let Ok((_, other)) = search.cold(&mut self.work)
                {
                    let below = found.1.value - other.value;
                    lower_branch = (below > SAME_BRANCH).then_some(below);
                }
                found
            }
            None => search.cold(&mut self.work)?,
        };
        if self.options.shadow {
            self.shadow.push(&weights);
        }
        Ok((weights, outcome, lower_branch))
    }
}
