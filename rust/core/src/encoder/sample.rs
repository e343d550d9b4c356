//! A density known at points, and its integrals with the states.

use rayon::prelude::*;

use super::Metric;
use crate::COULOMB;
use crate::decoder::distance;
use crate::error::{Error, Result};
use crate::formulas::{slater, slater_potential};
use crate::library::{StateDensity, StateLibrary};
use crate::structure::{Structure, Vec3};

/// Points per task; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// Values of a density at points with quadrature weights.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Å.
    pub points: &'a [Vec3],
    /// Quadrature weights, Å³; they may be negative.
    pub volumes: &'a [f64],
    /// e/Å³.
    pub density: &'a [f64],
}

impl Sample<'_> {
    /// Check lengths and numbers.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the array and the index.
    pub fn check(&self) -> Result<()> {
        let n = self.points.len();
        for (name, values) in [("volumes", self.volumes), ("density", self.density)] {
            if values.len() != n {
                let found = values.len();
                let problem = format!("must have one value per point ({n}), got {found}");
                return Err(Error::invalid(name, problem));
            }
            if let Some(k) = values.iter().position(|x| !x.is_finite()) {
                let problem = format!("must be finite, got {}", values[k]);
                return Err(Error::invalid(format!("{name}[{k}]"), problem));
            }
        }
        Ok(())
    }

    /// (density − other) times the volumes, e.
    pub(super) fn difference(&self, other: &[f64]) -> Vec<f64> {
        let values = self.density.iter().zip(other).zip(self.volumes);
        values.map(|((rho, other), volume)| (rho - other) * volume).collect()
    }

    /// Metric product of charges at the points with the density of every state of every atom.
    pub(super) fn project(
        &self,
        structure: &Structure,
        library: &StateLibrary,
        metric: Metric,
        charges: &[f64],
    ) -> Result<Vec<f64>> {
        let atoms = atoms(structure, library)?;
        let n = atoms.iter().map(|(_, states)| states.len()).sum();
        let function = if metric == Metric::L2 { density_of } else { potential_of };
        let chunks = self.points.par_chunks(CHUNK).zip(charges.par_chunks(CHUNK));
        let partial: Vec<Vec<f64>> = chunks
            .map(|(points, charges)| {
                let mut sums = vec![0.0; n];
                for (point, charge) in points.iter().zip(charges) {
                    for (sum, value) in sums.iter_mut().zip(values_at(&atoms, point, function)) {
                        *sum += charge * value;
                    }
                }
                sums
            })
            .collect();
        let mut total = vec![0.0; n];
        for sums in partial {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
        }
        Ok(total)
    }
}

/// Position and states of every atom.
pub(super) type Atoms<'a> = Vec<(Vec3, &'a [StateDensity])>;

pub(super) fn atoms<'a>(structure: &Structure, library: &'a StateLibrary) -> Result<Atoms<'a>> {
    let numbered = structure.positions().iter().zip(structure.numbers()).enumerate();
    numbered.map(|(i, (&r, &number))| Ok((r, library.states(i, number)?))).collect()
}

/// A function of every state at a point, in the order of the weights.
pub(super) fn values_at<'a>(
    atoms: &'a Atoms,
    point: &'a Vec3,
    function: fn(&StateDensity, f64) -> f64,
) -> impl Iterator<Item = f64> + 'a {
    atoms.iter().flat_map(move |(position, states)| {
        let r = distance(point, position);
        states.iter().map(move |state| function(state, r))
    })
}

/// Density of a state, e/Å³.
pub(super) fn density_of(state: &StateDensity, r: f64) -> f64 {
    state.functions().fold(0.0, |sum, (zeta, c)| sum + c * slater(zeta, r)[0])
}

/// Repulsion that the electrons of a state exert on an electron, eV/e.
fn potential_of(state: &StateDensity, r: f64) -> f64 {
    COULOMB * state.functions().fold(0.0, |sum, (zeta, c)| sum + c * slater_potential(zeta, r))
}
