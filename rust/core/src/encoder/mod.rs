//! The weights of atomic states that reproduce a given electron density best (design 2.7).
//!
//! Minimised over the weights ω of ρ_ω = Σ ω_iM ρ_M(|r − R_i|), with Σ_M ω_iM = 1, ω ≥ 0 and
//! Σ ω q = Q, is a convex function of ρ − ρ_ω: its electrostatic self-energy, its square, or the
//! Kullback–Leibler divergence. The nearest relatives are density fitting in the Coulomb metric
//! (B. I. Dunlap, J. W. D. Connolly, J. R. Sabin, J. Chem. Phys. 71, 3396 (1979)) and the linear
//! iterative-stockholder methods (R. Benda et al., J. Chem. Phys. 156, 164107 (2022)).
//!
//! Integrals between states are analytic. The density is known at points with volumes; what is
//! integrated there is never the density itself but its difference from a reference superposition:
//! first the most neutral states, then, in further passes, the weights found so far. The nearer
//! the reference, the less is left of the nuclear cusps that a coarse grid cannot integrate.

mod bound;
mod divergence;
mod interior;
mod quadratic;
mod sample;

use crate::decoder::{check_finite, distance};
use crate::density::density_at_points;
use crate::ensemble::{Charge, Constraints};
use crate::error::{Error, Result};
use crate::library::StateLibrary;
use crate::structure::{Structure, Vec3};
use crate::superposition::Superposition;

pub use bound::lower_bound;
pub use divergence::Divergence;
pub use interior::{Convex, Outcome, Stop, minimise};
pub use quadratic::{Quadratic, gram};
pub use sample::Sample;

/// Passes stop when no weight changes by more than this.
const SETTLED: f64 = 1e-6;
/// Largest ratio of the changes of two passes.
const CONTRACTION: f64 = 0.5;
/// Atoms closer than this (Å) are refused: nuclei do not come that near.
const CLOSEST: f64 = 0.05;

/// How the difference of two densities is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metric {
    /// ½∬Δρ(r)Δρ(r′) C/|r − r′|, eV.
    #[default]
    Coulomb,
    /// ½∫Δρ², e²/Å³.
    L2,
    /// ∫ρ ln(ρ/ρ_ω) − ρ + ρ_ω, e.
    KullbackLeibler,
}

impl Metric {
    /// Unit of the objective and of the duality gap.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Coulomb => "eV",
            Self::L2 => "e²/Å³",
            Self::KullbackLeibler => "e",
        }
    }
}

/// Options of [`encode`].
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Measure of the difference.
    pub metric: Metric,
    /// Charge of the whole system, e.
    pub total_charge: f64,
    /// Duality gap to reach, in the unit of the metric.
    pub tolerance: f64,
    /// Largest number of interior-point iterations.
    pub max_iterations: usize,
    /// Largest number of passes with a new reference superposition; not for Kullback–Leibler.
    pub passes: usize,
    /// Largest accepted difference between the electrons of the sample and Σ Z − Q, e.
    pub count_tolerance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            metric: Metric::default(),
            total_charge: 0.0,
            tolerance: 1e-8,
            max_iterations: 100,
            passes: 10,
            count_tolerance: 0.1,
        }
    }
}

/// Weights of a density, and how well they represent it.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// Weights (n, columns) row-major, padded with zeros.
    pub weights: Vec<f64>,
    /// Largest number of states of an atom.
    pub columns: usize,
    /// Σ_M ω_iM q_M of every atom, e.
    pub charges: Vec<f64>,
    /// ∫|ρ − ρ_ω|, e, on the points of the sample.
    pub residual: f64,
    /// ∫(ρ − ρ_ω), e: the sample's own error of the electron count.
    pub count_error: f64,
    /// Dipole of the weights minus that of the sample, e·Å, about the mean position of the atoms.
    pub dipole_error: Vec3,
    /// Certified bound on how far the objective is above its minimum, in the unit of the metric.
    pub gap: f64,
    /// Objective minus that of the reference superposition, in the unit of the metric; for
    /// Kullback–Leibler the objective itself.
    pub objective: f64,
    /// Interior-point iterations of all passes.
    pub iterations: usize,
}

/// Find the weights that reproduce the density of `sample` best.
///
/// # Errors
/// [`Error::InvalidInput`] for a periodic or empty structure, atoms closer than 0.05 Å, an element
/// the library lacks, a sample that is not finite or holds another number of electrons than
/// Σ Z − Q, a total charge out of reach, or a tolerance that is not positive;
/// [`Error::GapNotClosed`] if the duality gap stays above the tolerance.
pub fn encode(
    structure: &Structure,
    library: &StateLibrary,
    sample: &Sample,
    options: &Options,
) -> Result<Encoding> {
    check_finite(structure)?;
    check_distances(structure)?;
    sample.check()?;
    if !(options.tolerance > 0.0) {
        let found = options.tolerance;
        return Err(Error::invalid("tolerance", format!("must be positive, got {found}")));
    }
    let problem = Problem::new(structure, library, options.total_charge)?;
    problem.check_count(sample, options)?;
    let (outcome, weights) = match options.metric {
        Metric::KullbackLeibler => {
            let divergence = Divergence::new(structure, library, sample)?;
            problem.minimise(&divergence, options)?
        }
        _ => problem.passes(sample, options)?,
    };
    problem.report(sample, &weights, &outcome)
}

/// States and constraints of the atoms of a structure.
struct Problem<'a> {
    structure: &'a Structure,
    library: &'a StateLibrary,
    constraints: Constraints,
    /// Weight 1 on the most neutral state of every atom.
    reference: Vec<f64>,
    columns: usize,
}

impl<'a> Problem<'a> {
    fn new(structure: &'a Structure, library: &'a StateLibrary, charge: f64) -> Result<Self> {
        let (mut offsets, mut charges, mut reference) = (vec![0], Vec::new(), Vec::new());
        let mut columns = 0;
        for (i, &number) in structure.numbers().iter().enumerate() {
            let states = library.states(i, number)?;
            columns = columns.max(states.len());
            charges.extend(states.iter().map(|state| state.charge));
            let neutral = (0..states.len())
                .min_by(|&a, &b| states[a].charge.abs().total_cmp(&states[b].charge.abs()));
            reference.extend((0..states.len()).map(|k| f64::from(Some(k) == neutral)));
            offsets.push(charges.len());
        }
        let constraints = Constraints::new(offsets, charges, &Charge::Total(charge))?;
        Ok(Self { structure, library, constraints, reference, columns })
    }

    fn minimise(&self, objective: &impl Convex, options: &Options) -> Result<(Outcome, Vec<f64>)> {
        let stop = Stop {
            tolerance: options.tolerance,
            max_iterations: options.max_iterations,
            unit: options.metric.unit(),
        };
        let mut weights = vec![0.0; self.reference.len()];
        let outcome = minimise(objective, &self.constraints, &stop, &mut weights)?;
        Ok((outcome, weights))
    }

    /// Minimise a quadratic metric about ever better references; if the changes do not shrink
    /// from pass to pass, the grid is too coarse for that, and the first pass counts.
    fn passes(&self, sample: &Sample, options: &Options) -> Result<(Outcome, Vec<f64>)> {
        let gram = gram(self.structure, self.library, options.metric)?;
        let pass = |reference: Vec<f64>| {
            let excess = sample.difference(&self.density(&reference, sample.points)?);
            let pulls = sample.project(self.structure, self.library, options.metric, &excess)?;
            self.minimise(&Quadratic::new(gram.clone(), pulls, reference), options)
        };
        let first = pass(self.reference.clone())?;
        let (mut outcome, mut weights) = first.clone();
        let mut change = f64::INFINITY;
        for _ in 1..options.passes {
            let (next, found) = pass(weights.clone())?;
            let moves = weights.iter().zip(&found).map(|(a, b)| (a - b).abs());
            let moved = moves.fold(0.0, f64::max);
            if moved > SETTLED && moved > CONTRACTION * change {
                return Ok(first);
            }
            let value = outcome.value + next.value;
            let iterations = outcome.iterations + next.iterations;
            (outcome, weights, change) = (Outcome { value, iterations, ..next }, found, moved);
            if moved <= SETTLED {
                break;
            }
        }
        Ok((outcome, weights))
    }

    /// Weights as rows of one length.
    fn padded(&self, weights: &[f64]) -> Vec<f64> {
        let mut rows = vec![0.0; self.constraints.groups() * self.columns];
        for (g, row) in rows.chunks_exact_mut(self.columns.max(1)).enumerate() {
            let group = self.constraints.group(g);
            row[..group.len()].copy_from_slice(&weights[group]);
        }
        rows
    }

    fn density(&self, weights: &[f64], points: &[Vec3]) -> Result<Vec<f64>> {
        let rows = self.padded(weights);
        let mixed = Superposition::of_states(self.library, self.structure, &rows, self.columns)?;
        density_at_points(self.structure, &mixed, points)
    }

    fn check_count(&self, sample: &Sample, options: &Options) -> Result<()> {
        let excess = sample.difference(&self.density(&self.reference, sample.points)?);
        let nuclei: f64 = self.structure.numbers().iter().map(|&z| f64::from(z)).sum();
        let charges = self.constraints.charges.iter().zip(&self.reference);
        let electrons = nuclei - charges.fold(0.0, |q, (charge, w)| q + w * charge);
        let found = electrons + excess.iter().sum::<f64>();
        let wanted = nuclei - options.total_charge;
        if (found - wanted).abs() <= options.count_tolerance {
            return Ok(());
        }
        Err(Error::invalid(
            "density",
            format!(
                "holds {found:.4} electrons on its {} points, but the atoms and total_charge \
                 = {} need {wanted} (allowed difference {}); is it an all-electron density in \
                 the right unit, on a grid that covers the molecule?",
                sample.points.len(),
                options.total_charge,
                options.count_tolerance
            ),
        ))
    }

    fn report(&self, sample: &Sample, weights: &[f64], outcome: &Outcome) -> Result<Encoding> {
        let difference = sample.difference(&self.density(weights, sample.points)?);
        let n = self.structure.len() as f64;
        let origin =
            [0, 1, 2].map(|d| self.structure.positions().iter().map(|r| r[d]).sum::<f64>() / n);
        let moment = |d: usize| -> f64 {
            // The missing electrons of ρ_ω are missing negative charge.
            difference.iter().zip(sample.points).map(|(q, r)| q * (r[d] - origin[d])).sum()
        };
        let charge = |g: usize| {
            self.constraints.group(g).fold(0.0, |q, a| q + weights[a] * self.constraints.charges[a])
        };
        Ok(Encoding {
            weights: self.padded(weights),
            columns: self.columns,
            charges: (0..self.constraints.groups()).map(charge).collect(),
            residual: difference.iter().map(|q| q.abs()).sum(),
            count_error: difference.iter().sum(),
            dipole_error: [moment(0), moment(1), moment(2)],
            gap: outcome.gap,
            objective: outcome.value,
            iterations: outcome.iterations,
        })
    }
}

fn check_distances(structure: &Structure) -> Result<()> {
    let positions = structure.positions();
    if positions.is_empty() {
        return Err(Error::invalid("atoms", "there are none"));
    }
    for (i, a) in positions.iter().enumerate() {
        if let Some(j) = positions[..i].iter().position(|b| distance(a, b) < CLOSEST) {
            return Err(Error::invalid(
                format!("positions[{i}]"),
                format!("must be at least {CLOSEST} Å from atom {j}"),
            ));
        }
    }
    Ok(())
}
