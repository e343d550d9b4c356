//! ∫ρ ln(ρ/ρ_ω) − ρ + ρ_ω, by quadrature on the points of a sample.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::Convex;
use super::sample::{Sample, atoms, density_of, values_at};
use crate::error::{Error, Result};
use crate::library::StateLibrary;
use crate::structure::Structure;

/// Points per task; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 1024;
/// Largest number of stored state densities (1 GiB).
const MAX_STORED: usize = 1 << 27;

/// Kullback–Leibler divergence of a sample from the superposition.
///
/// Negative densities (noise of a file) count as zero; points that no state reaches are left out.
#[derive(Debug)]
pub struct Divergence {
    blocks: Vec<Block>,
    weights: usize,
}

#[derive(Debug)]
struct Block {
    volumes: Vec<f64>,
    density: Vec<f64>,
    /// Densities of the states, one column per point.
    states: DMatrix<f64>,
}

impl Divergence {
    /// Evaluate every state at every point.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an element the library lacks, or more than 2²⁷ values.
    pub fn new(structure: &Structure, library: &StateLibrary, sample: &Sample) -> Result<Self> {
        let atoms = atoms(structure, library)?;
        let weights: usize = atoms.iter().map(|(_, states)| states.len()).sum();
        if weights * sample.points.len() > MAX_STORED {
            return Err(Error::invalid(
                "density",
                format!(
                    "{weights} states on {} points exceed the {MAX_STORED} values that the \
                     Kullback–Leibler metric stores; take fewer points or another metric",
                    sample.points.len()
                ),
            ));
        }
        let chunks = sample.points.par_chunks(CHUNK).zip(sample.volumes.par_chunks(CHUNK));
        let blocks =
            chunks.zip(sample.density.par_chunks(CHUNK)).map(|((points, volumes), density)| {
                let values = points.iter().flat_map(|p| values_at(&atoms, p, density_of));
                Block {
                    volumes: volumes.to_vec(),
                    density: density.iter().map(|rho| rho.max(0.0)).collect(),
                    states: DMatrix::from_iterator(weights, points.len(), values),
                }
            });
        Ok(Self { blocks: blocks.collect(), weights })
    }
}

impl Convex for Divergence {
    fn value_gradient(&self, weights: &DVector<f64>) -> (f64, DVector<f64>) {
        let parts: Vec<_> =
            self.blocks.par_iter().map(|block| block.value_gradient(weights)).collect();
        parts
            .into_iter()
            .fold((0.0, DVector::zeros(self.weights)), |(f, g), (df, dg)| (f + df, g + dg))
    }

    fn hessian(&self, weights: &DVector<f64>) -> DMatrix<f64> {
        let parts: Vec<_> = self.blocks.par_iter().map(|block| block.hessian(weights)).collect();
        parts.into_iter().fold(DMatrix::zeros(self.weights, self.weights), |sum, part| sum + part)
    }
}

impl Block {
    fn value_gradient(&self, weights: &DVector<f64>) -> (f64, DVector<f64>) {
        let model = self.states.tr_mul(weights);
        let mut value = 0.0;
        let pulls = self.map(&model, |volume, rho, model| {
            let log = if rho > 0.0 { rho * (rho / model).ln() } else { 0.0 };
            value += volume * (log - rho + model);
            volume * (1.0 - rho / model)
        });
        (value, &self.states * pulls)
    }

    fn hessian(&self, weights: &DVector<f64>) -> DMatrix<f64> {
        let model = self.states.tr_mul(weights);
        let curvatures = self.map(&model, |volume, rho, model| volume * rho / (model * model));
        let mut scaled = self.states.clone();
        for (mut column, factor) in scaled.column_iter_mut().zip(curvatures.iter()) {
            column *= *factor;
        }
        scaled * self.states.transpose()
    }

    /// A function of volume, density and model at every point; zero where the model is.
    fn map(&self, model: &DVector<f64>, mut f: impl FnMut(f64, f64, f64) -> f64) -> DVector<f64> {
        let values = self.volumes.iter().zip(&self.density).zip(model.iter());
        DVector::from_iterator(
            model.len(),
            values.map(
                |((&volume, &rho), &model)| {
                    if model > f64::MIN_POSITIVE { f(volume, rho, model) } else { 0.0 }
                },
            ),
        )
    }
}
