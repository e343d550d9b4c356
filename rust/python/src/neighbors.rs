//! Full neighbour lists.

use std::sync::{Mutex, PoisonError};

use ecteam_core::in_pool;
use ecteam_core::neighbors::{Columns, FullSearch};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Points, structure};
use crate::errors::{invalid, to_python};

/// The buffers of a search are kept for the next one up to so many pairs (of some 9 bytes).
const LARGEST_KEPT: usize = 2_500_000;

/// Those buffers: the system would clear fresh ones first.
static SPARE: Mutex<Option<FullSearch>> = Mutex::new(None);

/// Full neighbour list, sorted by i, in one block of memory: D = R_j − R_i + S·cell (3n numbers),
/// d (n), then as pairs of 32-bit integers S (3n), i (n), j (n); and the number n.
///
/// `room(size)` makes the block: a contiguous float64 array of that size at least.
#[pyfunction]
pub(crate) fn neighbor_list(
    py: Python<'_>,
    positions: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
    cutoff: f64,
    room: &Bound<'_, PyAny>,
) -> PyResult<(Py<PyArray1<f64>>, usize)> {
    let atoms = Points::borrow(positions, "positions")?.rows()?.len();
    // The list does not depend on the elements.
    let numbers = PyArray1::from_vec(py, vec![1_u8; atoms]);
    let system = structure(positions, numbers.as_any(), cell, pbc)?;
    let mut search =
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let find = || in_pool(atoms, || search.find(&system, cutoff));
    let n = py.detach(find).map_err(|e| to_python(py, e))?;
    let block = room.call1((size_of(n),))?.cast_into::<PyArray1<f64>>()?;
    {
        let mut words = block.readwrite();
        let columns = columns(py, words.as_slice_mut()?, n)?;
        py.detach(|| in_pool(atoms, || search.write(columns)));
    }
    if n <= LARGEST_KEPT {
        *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = Some(search);
    }
    Ok((block.unbind(), n))
}

/// Numbers of eight bytes that so many pairs take.
fn size_of(pairs: usize) -> usize {
    4 * pairs + (5 * pairs).div_ceil(2)
}

fn columns<'a>(py: Python<'_>, words: &'a mut [f64], n: usize) -> PyResult<Columns<'a>> {
    if words.len() < size_of(n) {
        let found = format!("must make {} numbers, made {}", size_of(n), words.len());
        return Err(invalid(py, "room", found));
    }
    let (vectors, rest) = words.split_at_mut(3 * n);
    let (distances, rest) = rest.split_at_mut(n);
    let (shifts, rest) = bytemuck::cast_slice_mut(rest).split_at_mut(3 * n);
    let (i, rest) = rest.split_at_mut(n);
    Ok(Columns {
        i,
        j: &mut rest[..n],
        shifts: shifts.as_chunks_mut().0,
        distances,
        vectors: vectors.as_chunks_mut().0,
    })
}
