//! `Batch`: many structures under changing parameters of one potential, as a fit needs them.

use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::{Evaluation, Structure};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{structure, table, vector};
use crate::errors::to_python;
use crate::evaluator::options;
use crate::potential::Potential;

/// Structures with their own warm evaluators, evaluated together in parallel.
#[pyclass(module = "ecteam._core")]
pub(crate) struct Batch {
    options: Options,
    systems: Vec<System>,
}

struct System {
    structure: Structure,
    charge: f64,
    evaluator: Option<Evaluator>,
}

/// Free energies (n,), forces (N, 3), charges (N,), dipoles (n, 3), messages of failures (index,
/// text). Failed structures hold NaN. N counts the atoms of all structures.
type Results = (
    Py<PyArray1<f64>>,
    Py<PyArray2<f64>>,
    Py<PyArray1<f64>>,
    Py<PyArray2<f64>>,
    Vec<(usize, String)>,
);

#[pymethods]
impl Batch {
    #[new]
    #[pyo3(signature = (*, tolerance=1e-8, electrostatics="auto", accuracy=1e-6, solver="auto",
        skin=0.5, max_iterations=200))]
    fn new(
        py: Python<'_>,
        tolerance: f64,
        electrostatics: &str,
        accuracy: f64,
        solver: &str,
        skin: f64,
        max_iterations: usize,
    ) -> PyResult<Self> {
        options(tolerance, electrostatics, accuracy, solver, skin, max_iterations, 0)
            .map(|options| Self { options, systems: Vec::new() })
            .map_err(|e| to_python(py, e))
    }

    /// Append a structure.
    fn add(
        &mut self,
        positions: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyAny>,
        cell: &Bound<'_, PyAny>,
        pbc: &Bound<'_, PyAny>,
        total_charge: f64,
    ) -> PyResult<()> {
        let structure = structure(positions, numbers, cell, pbc)?;
        self.systems.push(System { structure, charge: total_charge, evaluator: None });
        Ok(())
    }

    /// Evaluate all structures; with `warm`, from the weights of the last call.
    #[pyo3(signature = (potential, warm=true))]
    fn evaluate(&mut self, py: Python<'_>, potential: &Potential, warm: bool) -> PyResult<Results> {
        let options = self.options;
        let found: Vec<Result<Evaluation, String>> = py.detach(|| {
            let one = |s: &mut System| s.evaluate(potential, options, warm);
            self.systems.par_iter_mut().map(one).collect()
        });
        let (mut energies, mut forces, mut charges) = (Vec::new(), Vec::new(), Vec::new());
        let (mut dipoles, mut failures) = (Vec::new(), Vec::new());
        for (k, (system, result)) in self.systems.iter().zip(found).enumerate() {
            let n = system.structure.len();
            match result {
                Ok(e) => {
                    dipoles.extend(e.dipole(&system.structure));
                    energies.push(e.free_energy);
                    forces.extend(e.forces.iter().flatten());
                    charges.extend(e.charges);
                }
                Err(message) => {
                    failures.push((k, message));
                    energies.push(f64::NAN);
                    dipoles.extend([f64::NAN; 3]);
                    forces.extend(std::iter::repeat_n(f64::NAN, 3 * n));
                    charges.extend(std::iter::repeat_n(f64::NAN, n));
                }
            }
        }
        Ok((
            vector(py, energies),
            table(py, forces, 3)?,
            vector(py, charges),
            table(py, dipoles, 3)?,
            failures,
        ))
    }

    fn __len__(&self) -> usize {
        self.systems.len()
    }
}

impl System {
    fn evaluate(
        &mut self,
        potential: &Potential,
        options: Options,
        warm: bool,
    ) -> Result<Evaluation, String> {
        let model = potential.model.clone();
        let evaluator = match &mut self.evaluator {
            Some(evaluator) => {
                evaluator.set_model(model).map_err(|e| e.to_string())?;
                evaluator
            }
            none => none.insert(Evaluator::new(model, options).map_err(|e| e.to_string())?),
        };
        evaluator.evaluate(&self.structure, self.charge, warm).map_err(|e| e.to_string())
    }
}
