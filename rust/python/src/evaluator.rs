//! `Evaluator`, `Batch` and their results.

use ecteam_core::coulomb::Method;
use ecteam_core::ensemble::{Charge, Solver};
use ecteam_core::evaluator::{self, Options};
use ecteam_core::{Error, Mat3, Structure};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::arrays::{charge, structure, table, vector};
use crate::errors::to_python;
use crate::potential::Potential;

/// Evaluates one potential; keeps its neighbour list and weights between calls.
#[pyclass(module = "ecteam._core")]
pub(crate) struct Evaluator {
    inner: evaluator::Evaluator,
}

/// Result of one evaluation; arrays are fresh.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct Evaluation {
    energy: f64,
    free_energy: f64,
    energies: Py<PyArray1<f64>>,
    forces: Py<PyArray2<f64>>,
    stress: Option<Py<PyArray1<f64>>>,
    weights: Py<PyArray2<f64>>,
    charges: Py<PyArray1<f64>>,
    induced_dipoles: Py<PyArray2<f64>>,
    background: Py<PyArray1<f64>>,
    chemical_potentials: Py<PyArray1<f64>>,
    kkt_residual: f64,
    hessian_products: usize,
    iterations: usize,
    positive_definite: bool,
    dipole: Py<PyArray1<f64>>,
    lower_branch: Option<f64>,
    timings: Vec<(String, f64)>,
}

/// Positions, numbers, cell, pbc, total charge, fragments.
type System<'py> = (
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Bound<'py, PyAny>,
    Option<Bound<'py, PyAny>>,
);

fn read(system: &System<'_>) -> PyResult<(Structure, Charge)> {
    let (positions, numbers, cell, pbc, total_charge, fragments) = system;
    let structure = structure(positions, numbers, cell, pbc)?;
    Ok((structure, charge(total_charge, fragments.as_ref())?))
}

/// Options of Python's signature as the engine's.
#[allow(clippy::too_many_arguments)] // one per Python keyword
pub(crate) fn options(
    tolerance: f64,
    electrostatics: &str,
    accuracy: f64,
    solver: &str,
    skin: f64,
    max_iterations: usize,
    branch_interval: usize,
) -> Result<Options, Error> {
    let mut options = Options { skin, branch_interval, ..Options::default() };
    options.coulomb.accuracy = accuracy;
    options.coulomb.method = method("electrostatics", electrostatics)?;
    options.ensemble.tolerance = tolerance;
    options.ensemble.max_iterations = max_iterations;
    options.ensemble.solver = match solver {
        "auto" => Solver::Auto,
        "dense" => Solver::Dense,
        "krylov" => Solver::Krylov,
        other => return Err(unknown("solver", other, "auto, dense, krylov")),
    };
    Ok(options)
}

/// Rows of `columns` weights, padded with 0.
fn padded(weights: Vec<f64>, offsets: &[usize], columns: usize) -> Vec<f64> {
    let atoms = offsets.len() - 1;
    if weights.len() == atoms * columns {
        return weights;
    }
    let mut rows = vec![0.0; atoms * columns];
    for (row, w) in rows.chunks_exact_mut(columns).zip(offsets.windows(2)) {
        row[..w[1] - w[0]].copy_from_slice(&weights[w[0]..w[1]]);
    }
    rows
}

/// Method of the electrostatics named by a Python argument.
pub(crate) fn method(argument: &str, name: &str) -> Result<Method, Error> {
    match name {
        "auto" => Ok(Method::Auto),
        "direct" => Ok(Method::Direct),
        "ewald" => Ok(Method::Ewald),
        "pme" => Ok(Method::Pme),
        "shifted_force" => Ok(Method::ShiftedForce),
        other => Err(unknown(argument, other, "auto, direct, ewald, pme, shifted_force")),
    }
}

/// xx, yy, zz, yz, xz, xy of a symmetric matrix.
pub(crate) fn voigt(v: &Mat3) -> [f64; 6] {
    [v[0][0], v[1][1], v[2][2], v[1][2], v[0][2], v[0][1]]
}

fn unknown(argument: &str, found: &str, allowed: &str) -> Error {
    Error::invalid(argument, format!("must be one of {allowed}, got {found:?}"))
}

#[pymethods]
impl Evaluator {
    #[new]
    #[pyo3(signature = (potential, *, tolerance=1e-8, electrostatics="auto", accuracy=1e-6,
        solver="auto", skin=0.5, max_iterations=200, branch_interval=20, shadow=false))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        potential: &Potential,
        tolerance: f64,
        electrostatics: &str,
        accuracy: f64,
        solver: &str,
        skin: f64,
        max_iterations: usize,
        branch_interval: usize,
        shadow: bool,
    ) -> PyResult<Self> {
        options(tolerance, electrostatics, accuracy, solver, skin, max_iterations, branch_interval)
            .map(|o| Options { shadow, ..o })
            .and_then(|o| evaluator::Evaluator::new(potential.model.clone(), o))
            .map(|inner| Self { inner })
            .map_err(|e| to_python(py, e))
    }

    /// Evaluate a structure.
    #[pyo3(signature = (positions, numbers, cell, pbc, total_charge, fragments=None, warm=true))]
    #[allow(clippy::too_many_arguments)]
    fn evaluate(
        &mut self,
        py: Python<'_>,
        positions: &Bound<'_, PyAny>,
        numbers: &Bound<'_, PyAny>,
        cell: &Bound<'_, PyAny>,
        pbc: &Bound<'_, PyAny>,
        total_charge: &Bound<'_, PyAny>,
        fragments: Option<&Bound<'_, PyAny>>,
        warm: bool,
    ) -> PyResult<Evaluation> {
        let system = structure(positions, numbers, cell, pbc)?;
        let charge = charge(total_charge, fragments)?;
        let found = py
            .detach(|| self.inner.evaluate(&system, &charge, warm))
            .map_err(|e| to_python(py, e))?;
        Evaluation::new(py, &self.inner, &system, found)
    }

    /// Evaluate many structures, each cold and as if alone, in parallel: for each of
    /// (positions, numbers, cell, pbc, total charge, fragments) its result or its error.
    #[allow(clippy::needless_pass_by_value)] // made from a Python list
    fn evaluate_all(&self, py: Python<'_>, systems: Vec<System<'_>>) -> PyResult<Vec<Py<PyAny>>> {
        let inputs: Vec<_> = systems.iter().map(read).collect();
        let one = |input: &PyResult<(Structure, Charge)>| {
            let (system, charge) = input.as_ref().ok()?;
            let fresh = self.inner.fresh();
            Some(fresh.and_then(|mut evaluator| evaluator.evaluate(system, charge, false)))
        };
        let found: Vec<_> = py.detach(|| inputs.par_iter().map(one).collect());
        let convert = |(input, found): (PyResult<(Structure, Charge)>, Option<_>)| {
            let result = input.and_then(|(system, _)| match found {
                Some(Ok(found)) => Evaluation::new(py, &self.inner, &system, found),
                Some(Err(error)) => Err(to_python(py, error)),
                None => Err(to_python(py, Error::invalid("systems", "not evaluated"))),
            });
            match result {
                Ok(evaluation) => Ok(Py::new(py, evaluation)?.into_any()),
                Err(error) => Ok(error.into_value(py).into_any()),
            }
        };
        inputs.into_iter().zip(found).map(convert).collect()
    }

    /// Forget the neighbour list and the weights.
    fn reset(&mut self, py: Python<'_>) -> PyResult<()> {
        self.inner.reset().map_err(|e| to_python(py, e))
    }
}

impl Evaluation {
    fn new(
        py: Python<'_>,
        evaluator: &evaluator::Evaluator,
        system: &Structure,
        found: ecteam_core::Evaluation,
    ) -> PyResult<Self> {
        let dipole = found.dipole(system).to_vec();
        let columns =
            evaluator.model().elements().iter().map(|e| e.states.len()).max().unwrap_or(0);
        let weights = padded(found.weights, &found.offsets, columns);
        let mut induced_dipoles = found.induced_dipoles;
        induced_dipoles.resize(system.len(), [0.0; 3]);
        let stress = (system.pbc() == [true; 3])
            .then(|| voigt(&found.virial).map(|x| x / system.volume()).to_vec());
        Ok(Self {
            energy: found.energy,
            free_energy: found.free_energy,
            energies: vector(py, found.energies),
            forces: table(py, found.forces.into_flattened(), 3)?,
            stress: stress.map(|s| vector(py, s)),
            weights: table(py, weights, columns)?,
            charges: vector(py, found.charges),
            induced_dipoles: table(py, induced_dipoles.into_flattened(), 3)?,
            background: vector(py, found.background),
            chemical_potentials: vector(py, found.outcome.chemical_potentials),
            kkt_residual: found.outcome.kkt_residual,
            hessian_products: found.outcome.hessian_products,
            iterations: found.outcome.iterations,
            positive_definite: found.outcome.positive_definite,
            dipole: vector(py, dipole),
            lower_branch: found.lower_branch,
            timings: found.timings.parts().map(|(name, time)| (name.to_owned(), time)).to_vec(),
        })
    }
}
