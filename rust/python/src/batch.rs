//! `Batch`: many structures under changing parameters of one potential, as a fit needs them.

use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::neighbors::{NeighborList, Neighborhoods};
use ecteam_core::terms::{Differentiator, Jacobian};
use ecteam_core::{Error, Evaluation, Model, Structure};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{structure, table, vector};
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
    charge: f64,
    evaluator: Option<Evaluator>,
    /// Cutoff and neighbours of the learned terms.
    around: (f64, Neighborhoods),
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
    fn add(
        &mut self,
        positions: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyAny>,
        cell: &Bound<'_, PyAny>,
        pbc: &Bound<'_, PyAny>,
        total_charge: f64,
    ) -> PyResult<()> {
        let structure = structure(positions, numbers, cell, pbc)?;
        self.systems.push(System {
            structure,
            charge: total_charge,
            evaluator: None,
            around: Default::default(),
        });
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

    /// Derivatives of the learned terms of structures `first..last` with respect to their
    /// coefficients: for each structure (coefficients + 1, 7 + 3 atoms), columns energy, forces,
    /// virial; the last row holds the quantities themselves.
    fn jacobian(
        &mut self,
        py: Python<'_>,
        potential: &Potential,
        first: usize,
        last: usize,
    ) -> PyResult<Vec<Py<PyArray2<f64>>>> {
        let n = self.systems.len();
        let range = first.min(n)..last.min(n).max(first.min(n));
        let found = py.detach(|| jacobians(&mut self.systems[range], &potential.model));
        let found = found.map_err(|e| to_python(py, e))?;
        found.into_iter().map(|j| table(py, j.columns, j.rows)).collect()
    }

    fn __len__(&self) -> usize {
        self.systems.len()
    }
}

fn jacobians(systems: &mut [System], model: &Model) -> Result<Vec<Jacobian>, Error> {
    let Some(differentiator) = Differentiator::new(model.file()) else {
        return Err(Error::invalid("potential", "must have learned terms"));
    };
    let one = |s: &mut System| {
        let elements = model.elements_of(s.structure.numbers())?;
        s.look_around(differentiator.cutoff())?;
        differentiator.jacobian(&s.structure, &elements, &s.around.1)
    };
    systems.par_iter_mut().map(one).collect()
}

impl System {
    /// Neighbours within a cutoff, kept for the next call.
    fn look_around(&mut self, cutoff: f64) -> Result<(), Error> {
        if self.around.0 != cutoff {
            let mut list = NeighborList::new(cutoff, 0.0)?;
            list.update(&self.structure)?;
            self.around.1.build(self.structure.len(), list.pairs());
            self.around.0 = cutoff;
        }
        Ok(())
    }

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
