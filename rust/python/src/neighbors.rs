//! Full neighbour lists.

use std::sync::{Mutex, PoisonError};

use ecteam_core::neighbors::{Columns, FullSearch};
use ecteam_core::{Structure, in_pool};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Points, structure};
use crate::errors::{invalid, to_python};

/// The buffers of a search are kept for the next one up to so many pairs (of some 9 bytes).
const LARGEST_KEPT: usize = 2_500_000;

/// Those buffers: the system clears fresh ones, which takes as long as half of the search.
static SPARE: Mutex<Option<FullSearch>> = Mutex::new(None);

/// A block of memory, and the number of pairs in it.
type Found = (Py<PyArray1<f64>>, usize);

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
) -> PyResult<Found> {
    let room = room.clone().unbind();
    let n = Points::borrow(positions, "positions")?.rows()?.len();
    // The list does not depend on the elements.
    let numbers = PyArray1::from_vec(py, vec![1_u8; n]);
    let system = structure(positions, numbers.as_any(), cell, pbc)?;
    // All in one stay in the pool: to wake its threads takes as long as a thousand pairs.
    py.detach(|| in_pool(system.len(), || find(&system, cutoff, &room)))
}

fn find(system: &Structure, cutoff: f64, room: &Py<PyAny>) -> PyResult<Found> {
    let kept = SPARE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut search = kept.unwrap_or_default();
    let found = search.find(system, cutoff);
    let block = Python::attach(|py| {
        let n = found.map_err(|e| to_python(py, e))?;
        let block = room.bind(py).call1((size_of(n),))?.cast_into::<PyArray1<f64>>()?;
        write(&search, &block, n)?;
        PyResult::Ok((block.unbind(), n))
    })?;
    if block.1 <= LARGEST_KEPT {
        *SPARE.lock().unwrap_or_else(PoisonError::into_inner) = Some(search);
    }
    Ok(block)
}

/// Numbers of eight bytes that so many pairs take.
fn size_of(pairs: usize) -> usize {
    4 * pairs + (5 * pairs).div_ceil(2)
}

fn write(search: &FullSearch, block: &Bound<'_, PyArray1<f64>>, n: usize) -> PyResult<()> {
    let mut words = block.readwrite();
    let words = words.as_slice_mut()?;
    if words.len() < size_of(n) {
        let found = format!("must make {} numbers, made {}", size_of(n), words.len());
        return Err(invalid(block.py(), "room", found));
    }
    let columns = columns(words, n);
    block.py().detach(|| search.write(columns));
    Ok(())
}

fn columns(words: &mut [f64], n: usize) -> Columns<'_> {
    let (vectors, rest) = words.split_at_mut(3 * n);
    let (distances, rest) = rest.split_at_mut(n);
    let (shifts, rest) = bytemuck::cast_slice_mut(rest).split_at_mut(3 * n);
    let (i, rest) = rest.split_at_mut(n);
    Columns {
        i,
        j: &mut rest[..n],
        shifts: shifts.as_chunks_mut().0,
        distances,
        vectors: vectors.as_chunks_mut().0,
    }
}
