//! `Batch`: many structures under changing parameters of one potential, as a fit needs them.

use std::sync::Arc;

use ecteam_core::ensemble::Charge;
use ecteam_core::evaluator::{Evaluator, Jacobian, Options};
use ecteam_core::model::ParameterSet;
use ecteam_core::potential::Parameter;
use ecteam_core::terms::Differentiator;
use ecteam_core::{Error, Evaluation, Model, Structure};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{charge, structure, table, vector};
use crate::errors::to_python;
use crate::evaluator::{options, voigt};
use crate::potential::Potential;

/// Structures with their own warm evaluators, evaluated together in parallel.
#[pyclass(module = "ecteam._core")]
pub(crate) struct Batch {
    options: Options,
    systems: Vec<System>,
}

struct System {
    structure: Structure,
    charge: Charge,
    evaluator: Option<Evaluator>,
}

/// Free energies (n,), forces (N, 3), virials dA/dstrain (n, 6; xx yy zz yz xz xy), charges (N,),
/// dipoles (n, 3), messages of failures (index, text). Failed structures hold NaN. N counts the atoms of all structures.
type Results = (
    Py<PyArray1<f64>>,
    Py<PyArray2<f64>>,
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
    #[pyo3(signature = (positions, numbers, cell, pbc, total_charge, fragments=None))]
    fn add(
        &mut self,
        positions: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyAny>,
        cell: &Bound<'_, PyAny>,
        pbc: &Bound<'_, PyAny>,
        total_charge: &Bound<'_, PyAny>,
        fragments: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let structure = structure(positions, numbers, cell, pbc)?;
        let charge = charge(total_charge, fragments)?;
        self.systems.push(System { structure, charge, evaluator: None });
        Ok(())
    }

    /// Evaluate all structures; with `warm`, from the weights of the last call.
    #[pyo3(signature = (potential, warm=true))]
    fn evaluate(&mut self, py: Python<'_>, potential: &Potential, warm: bool) -> PyResult<Results> {
        let options = self.options;
        let found: Vec<Result<Evaluation, String>> = py.detach(|| {
            let one = |s: &mut System| {
                s.evaluate(&potential.model, options, warm).map_err(|e| e.to_string())
            };
            self.systems.par_iter_mut().map(one).collect()
        });
        let (mut energies, mut forces, mut charges) = (Vec::new(), Vec::new(), Vec::new());
        let (mut dipoles, mut virials, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for (k, (system, result)) in self.systems.iter().zip(found).enumerate() {
            let n = system.structure.len();
            match result {
                Ok(e) => {
                    dipoles.extend(e.dipole(&system.structure));
                    energies.push(e.free_energy);
                    forces.extend(e.forces.iter().flatten());
                    virials.extend(voigt(&e.virial));
                    charges.extend(e.charges);
                }
                Err(message) => {
                    failures.push((k, message));
                    energies.push(f64::NAN);
                    dipoles.extend([f64::NAN; 3]);
                    virials.extend([f64::NAN; 6]);
                    forces.extend(std::iter::repeat_n(f64::NAN, 3 * n));
                    charges.extend(std::iter::repeat_n(f64::NAN, n));
                }
            }
        }
        Ok((
            vector(py, energies),
            table(py, forces, 3)?,
            table(py, virials, 6)?,
            vector(py, charges),
            table(py, dipoles, 3)?,
            failures,
        ))
    }

    /// Derivatives of structures `first..last` by some of the potential's coefficients: for each
    /// structure (chosen + 1, 10 + 4 atoms), columns free energy, forces, virial, dipole, charges;
    /// the last row holds the quantities themselves.
    #[pyo3(signature = (potential, first, last, chosen, warm=true))]
    #[allow(clippy::needless_pass_by_value)] // made from a Python list
    fn jacobian(
        &mut self,
        py: Python<'_>,
        potential: &Potential,
        first: usize,
        last: usize,
        chosen: Vec<usize>,
        warm: bool,
    ) -> PyResult<Vec<Py<PyArray2<f64>>>> {
        let n = self.systems.len();
        let range = first.min(n)..last.min(n).max(first.min(n));
        let options = self.options;
        let found = py.detach(|| {
            let columns = Columns::new(&potential.model, &chosen)?;
            let one = |s: &mut System| s.jacobian(&columns, options, warm);
            self.systems[range].par_iter_mut().map(one).collect::<Result<Vec<_>, Error>>()
        });
        let found = found.map_err(|e| to_python(py, e))?;
        found.into_iter().map(|j| table(py, j.columns, j.rows)).collect()
    }

    fn __len__(&self) -> usize {
        self.systems.len()
    }
}

/// The columns of a Jacobian: parameters of the states, then coefficients of the learned terms.
struct Columns {
    model: Arc<Model>,
    set: ParameterSet,
    /// Only if a coefficient of the learned terms is asked for.
    terms: Option<Differentiator>,
    /// Among all coefficients of the learned terms.
    chosen: Vec<usize>,
}

impl Columns {
    fn new(model: &Arc<Model>, chosen: &[usize]) -> Result<Self, Error> {
        let parameters = model.file().parameters();
        let count = model.coefficients().len();
        if let Some(k) = chosen.iter().find(|&&k| k >= count) {
            return Err(Error::invalid("chosen", format!("must be below {count}, got {k}")));
        }
        if !chosen.is_sorted() {
            return Err(Error::invalid("chosen", format!("must increase, got {chosen:?}")));
        }
        let (own, learned) = chosen.split_at(chosen.partition_point(|&k| k < parameters.len()));
        let own: Vec<Parameter> = own.iter().map(|&k| parameters[k]).collect();
        let differentiator = || Differentiator::new(model.file());
        Ok(Self {
            model: model.clone(),
            set: ParameterSet::new(model, &own),
            terms: if learned.is_empty() { None } else { differentiator() },
            chosen: learned.iter().map(|k| k - parameters.len()).collect(),
        })
    }

    /// Keep the chosen columns of the learned terms.
    fn select(&self, mut jacobian: Jacobian) -> Jacobian {
        let (rows, start) = (jacobian.rows, self.set.len());
        let column = |k: usize| k * rows..(k + 1) * rows;
        let values = jacobian.columns.len() - rows;
        for (k, from) in self.chosen.iter().enumerate() {
            jacobian.columns.copy_within(column(start + from), (start + k) * rows);
        }
        let end = start + self.chosen.len();
        jacobian.columns.copy_within(values.., end * rows);
        jacobian.columns.truncate((end + 1) * rows);
        jacobian
    }
}

impl System {
    /// The evaluator with a model, and the weights of its last call if the states are the same.
    fn evaluator<'a>(
        known: &'a mut Option<Evaluator>,
        model: &Arc<Model>,
        options: Options,
    ) -> Result<&'a mut Evaluator, Error> {
        let model = model.clone();
        match known {
            Some(evaluator) => {
                evaluator.set_model(model)?;
                Ok(evaluator)
            }
            none => Ok(none.insert(Evaluator::new(model, options)?)),
        }
    }

    fn evaluate(
        &mut self,
        model: &Arc<Model>,
        options: Options,
        warm: bool,
    ) -> Result<Evaluation, Error> {
        let evaluator = Self::evaluator(&mut self.evaluator, model, options)?;
        evaluator.evaluate(&self.structure, &self.charge, warm)
    }

    fn jacobian(&mut self, by: &Columns, options: Options, warm: bool) -> Result<Jacobian, Error> {
        let evaluator = Self::evaluator(&mut self.evaluator, &by.model, options)?;
        let found =
            evaluator.jacobian(&self.structure, &self.charge, warm, &by.set, by.terms.as_ref())?;
        Ok(by.select(found))
    }
}
