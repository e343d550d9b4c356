//! NumPy arrays to the engine's types: dtype, shape and contiguity are checked, nothing is
//! converted silently; the message names the argument.

use ecteam_core::ensemble::Charge;
use ecteam_core::{Mat3, Structure, Vec3};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::errors::{invalid, to_python};

/// Borrow an array of a dtype and shape (`None`: any length).
fn borrow<'py, T: Element>(
    array: &Bound<'py, PyAny>,
    name: &str,
    dtype: &str,
    shape: &[Option<usize>],
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let py = array.py();
    let expected = || {
        let axes: Vec<String> =
            shape.iter().map(|n| n.map_or("n".into(), |n| n.to_string())).collect();
        let comma = if axes.len() == 1 { "," } else { "" };
        format!("a C-contiguous {dtype} array of shape ({}{comma})", axes.join(", "))
    };
    let Ok(typed) = array.cast::<PyArrayDyn<T>>() else {
        let found = match (array.getattr("dtype"), array.getattr("shape")) {
            (Ok(dtype), Ok(shape)) => format!("{dtype} of shape {shape}"),
            _ => array.get_type().name()?.to_string(),
        };
        return Err(invalid(py, name, format!("must be {}, got {found}", expected())));
    };
    let found = typed.shape();
    let fits = found.len() == shape.len()
        && found.iter().zip(shape).all(|(n, want)| want.is_none_or(|want| *n == want));
    if !fits {
        return Err(invalid(py, name, format!("must be {}, got shape {found:?}", expected())));
    }
    if !typed.is_c_contiguous() {
        return Err(invalid(py, name, format!("must be {}, got other strides", expected())));
    }
    typed.try_readonly().map_err(|e| invalid(py, name, e.to_string()))
}

/// (n, 3) float64, not copied: points may be many.
pub(crate) struct Points<'py>(PyReadonlyArrayDyn<'py, f64>);

impl<'py> Points<'py> {
    pub(crate) fn borrow(array: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        Ok(Self(borrow::<f64>(array, name, "float64", &[None, Some(3)])?))
    }

    pub(crate) fn rows(&self) -> PyResult<&[Vec3]> {
        Ok(self.0.as_slice()?.as_chunks().0)
    }
}

fn rows(flat: &[f64]) -> Vec<Vec3> {
    flat.chunks_exact(3).map(|r| [r[0], r[1], r[2]]).collect()
}

/// (n, 3) float64.
pub(crate) fn vectors(array: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<Vec3>> {
    let borrowed = borrow::<f64>(array, name, "float64", &[None, Some(3)])?;
    Ok(rows(borrowed.as_slice()?))
}

/// (n,) float64.
pub(crate) fn numbers(array: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<f64>> {
    Ok(borrow::<f64>(array, name, "float64", &[None])?.as_slice()?.to_vec())
}

/// (n, m) float64 as rows of length m.
pub(crate) fn matrix(array: &Bound<'_, PyAny>, name: &str) -> PyResult<(Vec<f64>, usize)> {
    let borrowed = borrow::<f64>(array, name, "float64", &[None, None])?;
    Ok((borrowed.as_slice()?.to_vec(), borrowed.shape()[1]))
}

/// (n,) uint8.
pub(crate) fn atomic_numbers(numbers: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    Ok(borrow::<u8>(numbers, "numbers", "uint8", &[None])?.as_slice()?.to_vec())
}

/// Positions (n, 3), numbers (n,), cell (3, 3), pbc (3,) as a checked structure.
pub(crate) fn structure(
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
) -> PyResult<Structure> {
    let py = positions.py();
    let numbers = atomic_numbers(numbers)?;
    let cell = borrow::<f64>(cell, "cell", "float64", &[Some(3), Some(3)])?;
    let rows = rows(cell.as_slice()?);
    let cell: Mat3 = [rows[0], rows[1], rows[2]];
    let pbc = borrow::<bool>(pbc, "pbc", "bool", &[Some(3)])?;
    let pbc = pbc.as_slice()?;
    Structure::new(vectors(positions, "positions")?, numbers, cell, [pbc[0], pbc[1], pbc[2]])
        .map_err(|e| to_python(py, e))
}

/// A number for all atoms, or float64 (f,) for the fragments that uint32 (n,) names.
pub(crate) fn charge(
    total_charge: &Bound<'_, PyAny>,
    fragments: Option<&Bound<'_, PyAny>>,
) -> PyResult<Charge> {
    let Some(fragments) = fragments else { return Ok(Charge::Total(total_charge.extract()?)) };
    let of_group = borrow::<u32>(fragments, "fragments", "uint32", &[None])?.as_slice()?.to_vec();
    Ok(Charge::Fragments { of_group, charges: numbers(total_charge, "total_charge")? })
}

/// (n,) array.
pub(crate) fn vector<T: Element>(py: Python<'_>, values: Vec<T>) -> Py<PyArray1<T>> {
    PyArray1::from_vec(py, values).unbind()
}

/// (n, columns) array from its flat values.
pub(crate) fn table<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    columns: usize,
) -> PyResult<Py<PyArray2<T>>> {
    let n = values.len() / columns.max(1);
    Ok(PyArray1::from_vec(py, values).reshape([n, columns])?.unbind())
}
