//! Free functions: neighbour list, electron density, schema.

use ecteam_core::density::{density_at_points, write_density};
use ecteam_core::neighbors::{Columns, FullSearch};
use ecteam_core::superposition::Superposition;
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Points, matrix, structure, vector, vectors};
use crate::errors::to_python;
use crate::potential::Potential;

/// e/Å³ and e/Å⁴.
type DensityAndGradient = (Py<PyArray1<f64>>, Py<PyArray2<f64>>);

/// Full neighbour list, sorted by i, in one block of memory: D = R_j − R_i + S·cell (3n numbers),
/// d (n), then as pairs of 32-bit integers S (3n), i (n), j (n); and the number n.
///
/// One long array gets large pages from NumPy and is found again in the next call, five shorter ones
/// do neither: fresh pages would take half of the time.
#[pyfunction]
pub(crate) fn neighbor_list<'py>(
    py: Python<'py>,
    positions: &Bound<'py, PyAny>,
    cell: &Bound<'py, PyAny>,
    pbc: &Bound<'py, PyAny>,
    cutoff: f64,
) -> PyResult<(Bound<'py, PyArray1<f64>>, usize)> {
    let n = vectors(positions, "positions")?.len();
    // The list does not depend on the elements.
    let numbers = PyArray1::from_vec(py, vec![1_u8; n]);
    let system = structure(positions, numbers.as_any(), cell, pbc)?;
    let search = py.detach(|| FullSearch::new(&system, cutoff)).map_err(|e| to_python(py, e))?;
    let n = search.len();
    let block = py.import("numpy")?.call_method1("empty", (4 * n + (5 * n).div_ceil(2),))?;
    let block = block.cast_into::<PyArray1<f64>>()?;
    {
        let mut words = block.readwrite();
        let (vectors, rest) = words.as_slice_mut()?.split_at_mut(3 * n);
        let (distances, rest) = rest.split_at_mut(n);
        let (shifts, rest) = bytemuck::cast_slice_mut(rest).split_at_mut(3 * n);
        let (i, rest) = rest.split_at_mut(n);
        let columns = Columns {
            i,
            j: &mut rest[..n],
            shifts: shifts.as_chunks_mut().0,
            distances,
            vectors: vectors.as_chunks_mut().0,
        };
        py.detach(|| search.write(columns));
    }
    Ok((block, n))
}

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
