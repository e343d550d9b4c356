//! `StateLibrary`, `encode` and what decodes weights.

use std::collections::BTreeMap;

use ecteam_core::density::density_at_points;
use ecteam_core::encoder::{self, Metric, Options, Sample};
use ecteam_core::library::{self, StateDensity};
use ecteam_core::superposition::Superposition;
use ecteam_core::{Error, decoder};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::arrays::{Points, matrix, numbers as floats, structure, table, vector, vectors};
use crate::errors::to_python;

/// Densities of atomic states by atomic number.
#[pyclass(frozen, module = "ecteam._core")]
pub(crate) struct StateLibrary {
    inner: library::StateLibrary,
}

/// Charge (e), exponents (1/Å) and coefficients (e) of a state.
type StateNumbers = (f64, Vec<f64>, Vec<f64>);

#[pymethods]
impl StateLibrary {
    #[new]
    fn new(py: Python<'_>, elements: BTreeMap<u8, Vec<StateNumbers>>) -> PyResult<Self> {
        let state =
            |(charge, exponents, coefficients)| StateDensity { charge, exponents, coefficients };
        let elements =
            elements.into_iter().map(|(z, states)| (z, states.into_iter().map(state).collect()));
        library::StateLibrary::new(elements.collect())
            .map(|inner| Self { inner })
            .map_err(|e| to_python(py, e))
    }
}

/// Weights of a density; arrays are fresh.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct Encoding {
    weights: Py<PyArray2<f64>>,
    charges: Py<PyArray1<f64>>,
    residual: f64,
    count_error: f64,
    dipole_error: Py<PyArray1<f64>>,
    gap: f64,
    objective: f64,
    iterations: usize,
}

fn metric_of(name: &str) -> Result<Metric, Error> {
    match name {
        "coulomb" => Ok(Metric::Coulomb),
        "l2" => Ok(Metric::L2),
        "kullback-leibler" => Ok(Metric::KullbackLeibler),
        other => Err(Error::invalid(
            "metric",
            format!("must be one of coulomb, l2, kullback-leibler, got {other:?}"),
        )),
    }
}

/// Weights that reproduce the density (e/Å³) at points with volumes (Å³) best.
#[pyfunction]
#[pyo3(signature = (library, positions, numbers, cell, pbc, points, volumes, density, *,
    metric="coulomb", total_charge=0.0, tolerance=1e-8, max_iterations=100, passes=10,
    count_tolerance=0.1))]
#[allow(clippy::too_many_arguments)] // one per Python argument
pub(crate) fn encode(
    py: Python<'_>,
    library: &StateLibrary,
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    points: &Bound<'_, PyAny>,
    volumes: &Bound<'_, PyAny>,
    density: &Bound<'_, PyAny>,
    metric: &str,
    total_charge: f64,
    tolerance: f64,
    max_iterations: usize,
    passes: usize,
    count_tolerance: f64,
) -> PyResult<Encoding> {
    let system = structure(positions, numbers, cell, pbc)?;
    let metric = metric_of(metric).map_err(|e| to_python(py, e))?;
    let options =
        Options { metric, total_charge, tolerance, max_iterations, passes, count_tolerance };
    let (points, volumes, density) =
        (vectors(points, "points")?, floats(volumes, "volumes")?, floats(density, "density")?);
    let sample = Sample { points: &points, volumes: &volumes, density: &density };
    let found = py
        .detach(|| encoder::encode(&system, &library.inner, &sample, &options))
        .map_err(|e| to_python(py, e))?;
    Ok(Encoding {
        weights: table(py, found.weights, found.columns)?,
        charges: vector(py, found.charges),
        residual: found.residual,
        count_error: found.count_error,
        dipole_error: vector(py, found.dipole_error.to_vec()),
        gap: found.gap,
        objective: found.objective,
        iterations: found.iterations,
    })
}

/// Charge of every atom, e.
#[pyfunction]
pub(crate) fn decode_charges(
    py: Python<'_>,
    library: &StateLibrary,
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
) -> PyResult<Py<PyArray1<f64>>> {
    let system = structure(positions, numbers, cell, pbc)?;
    let (weights, columns) = matrix(weights, "weights")?;
    let charges = decoder::charges(&library.inner, &system, &weights, columns);
    Ok(vector(py, charges.map_err(|e| to_python(py, e))?))
}

/// Electron density of weights at points, e/Å³.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // one per Python argument
pub(crate) fn decode_density(
    py: Python<'_>,
    library: &StateLibrary,
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    points: &Bound<'_, PyAny>,
) -> PyResult<Py<PyArray1<f64>>> {
    let system = structure(positions, numbers, cell, pbc)?;
    let ((weights, columns), points) =
        (matrix(weights, "weights")?, Points::borrow(points, "points")?);
    let points = points.rows()?;
    let compute = || {
        let radial = Superposition::of_states(&library.inner, &system, &weights, columns)?;
        density_at_points(&system, &radial, points)
    };
    Ok(vector(py, py.detach(compute).map_err(|e| to_python(py, e))?))
}

/// Electrostatic potential of nuclei and electrons of weights at points, eV/e.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // one per Python argument
pub(crate) fn decode_potential(
    py: Python<'_>,
    library: &StateLibrary,
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    points: &Bound<'_, PyAny>,
) -> PyResult<Py<PyArray1<f64>>> {
    let system = structure(positions, numbers, cell, pbc)?;
    let ((weights, columns), points) =
        (matrix(weights, "weights")?, Points::borrow(points, "points")?);
    let points = points.rows()?;
    let compute =
        || decoder::potential_at_points(&library.inner, &system, &weights, columns, points);
    Ok(vector(py, py.detach(compute).map_err(|e| to_python(py, e))?))
}
