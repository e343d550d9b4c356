//! Free functions: electron density, schema.

use ecteam_core::density::{density_at_points, write_density};
use ecteam_core::superposition::Superposition;
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Points, matrix, structure, vector};
use crate::errors::to_python;
use crate::potential::Potential;

/// e/Å³ and e/Å⁴.
type DensityAndGradient = (Py<PyArray1<f64>>, Py<PyArray2<f64>>);

/// Superposed electron density at points, e/Å³.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // one per Python argument
pub(crate) fn electron_density(
    py: Python<'_>,
    potential: &Potential,
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
        let radial = Superposition::new(&potential.model, &system, &weights, columns)?;
        density_at_points(&system, &radial, points)
    };
    Ok(vector(py, py.detach(compute).map_err(|e| to_python(py, e))?))
}

/// Superposed electron density (e/Å³) and its gradient (e/Å⁴) at points.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // one per Python argument
pub(crate) fn electron_density_gradient(
    py: Python<'_>,
    potential: &Potential,
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    points: &Bound<'_, PyAny>,
) -> PyResult<DensityAndGradient> {
    let system = structure(positions, numbers, cell, pbc)?;
    let ((weights, columns), points) =
        (matrix(weights, "weights")?, Points::borrow(points, "points")?);
    let points = points.rows()?;
    // Written to NumPy's own arrays: large pages, and nothing is cleared first.
    let empty = py.import("numpy")?.getattr("empty")?;
    let density = empty.call1(((points.len(),),))?.cast_into::<PyArray1<f64>>()?;
    let gradient = empty.call1(((points.len(), 3),))?.cast_into::<PyArray2<f64>>()?;
    {
        let (mut values, mut slopes) = (density.readwrite(), gradient.readwrite());
        let (values, slopes) = (values.as_slice_mut()?, slopes.as_slice_mut()?);
        let compute = || {
            let radial = Superposition::new(&potential.model, &system, &weights, columns)?;
            write_density(&system, &radial, points, values, Some(slopes.as_chunks_mut().0))
        };
        py.detach(compute).map_err(|e| to_python(py, e))?;
    }
    Ok((density.unbind(), gradient.unbind()))
}

/// JSON Schema of the potential file.
#[pyfunction]
pub(crate) fn json_schema() -> String {
    ecteam_core::potential::json_schema()
}

/// An expression of learned terms, as JSON, with coefficients to start a fit from.
#[pyfunction]
pub(crate) fn start_terms(py: Python<'_>, text: &str, elements: usize) -> PyResult<String> {
    ecteam_core::potential::start_terms(text, elements).map_err(|e| to_python(py, e))
}

/// Threads of the engine: `RAYON_NUM_THREADS` when it was first used, else one for each core.
#[pyfunction]
pub(crate) fn num_threads() -> usize {
    ecteam_core::num_threads()
}
