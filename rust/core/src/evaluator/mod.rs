//! Evaluations of one potential, one after another: keeps the neighbour list and the weights.

use std::sync::Arc;

use crate::coulomb::{Coulomb, Method, Options as CoulombOptions};
use crate::eam::{self, OneState};
use crate::energy::{Energy, Geometry, Workspace};
use crate::ensemble::{self, Charge, Constraints, Objective, Outcome, Solver};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::neighbors::NeighborList;
use crate::pairs::Pairs;
use crate::parallel::in_pool;
use crate::structure::Structure;

mod around;
mod charges;
mod displacements;
mod evaluation;
mod history;
mod jacobian;
mod search;
mod shadow;
mod tables;
mod timings;
mod weights;

use around::Around;
use charges::{PointCharges, point_charges};
pub use evaluation::Evaluation;
use history::History;
pub use jacobian::Jacobian;
use shadow::Shadow;
pub use tables::{DipoleTables, EnsembleTables, MAX_STATES};
pub use timings::Timings;
pub(crate) use timings::Watch;

/// How to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Point-charge electrostatics.
    pub coulomb: CoulombOptions,
    /// Weight minimisation.
    pub ensemble: ensemble::Options,
    /// Verlet skin, Å.
    pub skin: f64,
    /// Warm starts of a small system between two comparisons with its cold starts; 0 for never.
    pub branch_interval: usize,
    /// Propagate the weights of dynamics by an extended Lagrangian instead of converging them:
    /// two Hessian products a step, whatever the tolerance. Steps of one length only.
    pub shadow: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            coulomb: CoulombOptions::default(),
            ensemble: ensemble::Options::default(),
            skin: 0.5,
            branch_interval: 20,
            shadow: false,
        }
    }
}

/// Evaluates one potential; state carried from call to call only speeds it up.
#[derive(Debug)]
pub struct Evaluator {
    model: Arc<Model>,
    options: Options,
    neighbors: NeighborList,
    around: Around,
    /// For potentials without weights to seek.
    one_state: Option<OneState>,
    coulomb: Option<PointCharges>,
    pairs: Pairs,
    work: Workspace,
    history: History,
    shadow: Shadow,
    elements: Vec<u8>,
    warm_calls: usize,
}

impl Evaluator {
    /// An evaluator without history.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a tolerance, accuracy or skin out of range.
    pub fn new(model: Arc<Model>, options: Options) -> Result<Self> {
        let t = options.ensemble.tolerance;
        if !(1e-13..=1e-2).contains(&t) {
            return Err(Error::invalid(
                "tolerance",
                format!("must be between 1e-13 and 1e-2 eV, got {t}"),
            ));
        }
        if options.ensemble.max_iterations == 0 {
            return Err(Error::invalid("max_iterations", "must be at least 1, got 0"));
        }
        if !(0.0..=10.0).contains(&options.skin) {
            return Err(Error::invalid(
                "skin",
                format!("must be between 0 and 10 Å, got {}", options.skin),
            ));
        }
        // Periodicity is checked with the structure; accuracy and cutoff here.
        let bare = CoulombOptions { method: Method::Auto, ..options.coulomb };
        Coulomb::new(bare, [false; 3], model.cutoff().radius)?;
        let neighbors = NeighborList::new(model.reach(), options.skin)?;
        let one_state = eam::suits(&model).then(|| OneState::new(options.skin));
        Ok(Self {
            one_state,
            model,
            options,
            neighbors,
            around: Around::default(),
            coulomb: None,
            pairs: Pairs::default(),
            work: Workspace::default(),
            history: History::default(),
            shadow: Shadow::default(),
            elements: Vec::new(),
            warm_calls: 0,
        })
    }

    /// The compiled potential.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Another evaluator of the same potential and options, without history.
    ///
    /// # Errors
    /// None for options that made this one.
    pub fn fresh(&self) -> Result<Self> {
        Self::new(self.model.clone(), self.options)
    }

    /// Go on with another potential, from the same weights if its states are the same.
    pub fn set_model(&mut self, model: Arc<Model>) -> Result<()> {
        let shape = |m: &Model| -> (bool, Vec<(u8, usize)>) {
            let states = m.elements().iter().map(|e| (e.number, e.states.len()));
            (m.is_polarisable(), states.collect())
        };
        let history = std::mem::take(&mut self.history);
        let keep = shape(&model) == shape(&self.model);
        let range = |m: &Model| (m.cutoff(), m.reach(), m.terms().is_some());
        if range(&model) == range(&self.model) && keep {
            self.one_state = eam::suits(&model).then(|| OneState::new(self.options.skin));
            self.model = model;
        } else {
            *self = Self::new(model, self.options)?;
        }
        if keep {
            self.history = history;
        }
        Ok(())
    }

    /// Forget the neighbour list and the weights.
    pub fn reset(&mut self) -> Result<()> {
        *self = self.fresh()?;
        Ok(())
    }

    /// Energy, forces, weights of a structure. With `warm`, start from the last weights if the
    /// atoms are the same ones.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an element the potential lacks, atoms too close, a charge out
    /// of reach, electrostatics that do not fit the periodicity; [`Error::NotConverged`].
    pub fn evaluate(
        &mut self,
        structure: &Structure,
        charge: &Charge,
        warm: bool,
    ) -> Result<Evaluation> {
        in_pool(structure.len(), || self.evaluate_here(structure, charge, warm))
    }

    fn evaluate_here(
        &mut self,
        structure: &Structure,
        charge: &Charge,
        warm: bool,
    ) -> Result<Evaluation> {
        if let Some(one_state) = &mut self.one_state
            && *charge == Charge::Total(0.0)
            && !structure.is_empty()
        {
            self.elements = self.model.elements_of(structure.numbers())?;
            let evaluation = one_state.evaluate(&self.model, structure, &self.elements)?;
            evaluation.check_finite()?;
            return Ok(evaluation);
        }
        self.seek_weights(structure, charge, warm)
    }

    /// [`Evaluator::evaluate`] for any potential; leaves pairs and weights behind for derivatives.
    fn seek_weights(
        &mut self,
        structure: &Structure,
        charge: &Charge,
        warm: bool,
    ) -> Result<Evaluation> {
        let constraints = self.constraints(structure, charge)?;
        let mut timings = self.prepare(structure)?;
        let mut watch = Watch::start();
        let (unknowns, outcome, lower_branch) = match self.propagate(structure, &constraints, warm)
        {
            Some((unknowns, outcome)) => (unknowns, outcome, None),
            None => self.converge(structure, &constraints, warm)?,
        };
        let coulomb = self.coulomb.as_ref();
        let geometry = geometry(&self.model, &self.pairs, coulomb, &self.elements, &constraints);
        timings.weights_long_range = self.work.take_long_range();
        timings.weights = watch.lap() - timings.weights_long_range;
        let mut evaluation = collect(geometry, &mut self.work, &unknowns, outcome);
        evaluation.lower_branch = lower_branch;
        let long_range_forces = self.work.take_long_range();
        timings.forces = watch.lap() - long_range_forces;
        timings.long_range += long_range_forces;
        if let Some(terms) = self.model.terms() {
            let near = self.around.get(terms, structure, &self.neighbors);
            evaluation.add(&terms.evaluate(structure, &self.elements, near)?);
            self.around.release(structure.len());
            timings.terms = watch.lap();
        }
        evaluation.check_finite()?;
        self.history.push(structure, &unknowns, evaluation.weights.len());
        timings.weights += watch.lap();
        evaluation.timings = timings;
        Ok(evaluation)
    }

    /// Element index, first weight and state charges of every atom.
    fn assign(&mut self, structure: &Structure) -> Result<(Vec<usize>, Vec<f64>)> {
        self.elements = self.model.elements_of(structure.numbers())?;
        let (mut offsets, mut charges) = (vec![0], Vec::new());
        for &element in &self.elements {
            let states = &self.model.elements()[usize::from(element)].states;
            charges.extend(states.iter().map(|s| s.charge));
            offsets.push(charges.len());
        }
        Ok((offsets, charges))
    }

    /// Neighbour list, point charges and pair values at a structure.
    fn prepare(&mut self, structure: &Structure) -> Result<Timings> {
        let (mut timings, mut watch) = (Timings::default(), Watch::start());
        let rebuilt = self.neighbors.update(structure)?;
        if let Some(terms) = self.model.terms()
            && rebuilt
        {
            self.around.renew(terms, structure, &self.neighbors);
        }
        timings.neighbors = watch.lap();
        let charged = self.model.elements().iter().flat_map(|e| &e.states).any(|s| s.charge != 0.0);
        if charged || self.model.is_polarisable() {
            let pbc = structure.pbc();
            if self.coulomb.as_ref().is_none_or(|c| c.0 != pbc) {
                self.coulomb = Some(point_charges(&self.model, self.options.coulomb, pbc)?);
            }
            if let Some((_, coulomb, _)) = &mut self.coulomb {
                coulomb.prepare(structure)?;
            }
        }
        timings.long_range = watch.lap();
        let kernel = self.coulomb.as_ref().and_then(|c| c.2.as_ref());
        let pairs = if self.model.has_pairs() { self.neighbors.pairs() } else { &[] };
        self.pairs.fill(&self.model, kernel, structure, &self.elements, pairs)?;
        timings.density = watch.lap();
        Ok(timings)
    }
}

fn geometry<'a>(
    model: &'a Model,
    pairs: &'a Pairs,
    coulomb: Option<&'a PointCharges>,
    elements: &'a [u8],
    constraints: &'a Constraints,
) -> Geometry<'a> {
    Geometry {
        model,
        pairs,
        kernel: coulomb.and_then(|c| c.2.as_ref()),
        coulomb: coulomb.map(|c| &c.1),
        elements,
        offsets: &constraints.offsets,
    }
}

fn collect(
    geometry: Geometry,
    work: &mut Workspace,
    unknowns: &[f64],
    outcome: Outcome,
) -> Evaluation {
    // The minimisation ended at these weights, unless others were tried after it.
    let here = work.is_at(unknowns);
    let mut energy = Energy::new(geometry, work);
    let free_energy = if here {
        outcome.value
    } else {
        energy.value_gradient(unknowns, &mut vec![0.0; unknowns.len()])
    };
    let derivatives = energy.derivatives();
    let t = geometry.model.temperature();
    let (weights, dipoles) = unknowns.split_at(geometry.offsets[geometry.elements.len()]);
    let entropy: f64 = weights.iter().map(|&w| crate::formulas::entropy(w)[0]).sum();
    Evaluation {
        energy: free_energy - t * entropy,
        free_energy,
        energies: derivatives.energies,
        forces: derivatives.forces,
        virial: derivatives.virial,
        weights: weights.to_vec(),
        offsets: geometry.offsets.to_vec(),
        charges: work.charges.clone(),
        induced_dipoles: dipoles.as_chunks().0.to_vec(),
        background: work.background.clone(),
        outcome,
        lower_branch: None,
        timings: Timings::default(),
    }
}

impl Options {
    /// Options with a given weight solver.
    #[must_use]
    pub fn with_solver(mut self, solver: Solver) -> Self {
        self.ensemble.solver = solver;
        self
    }
}
