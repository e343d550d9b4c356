//! Full list with distances and vectors, the "ijSdD" of ASE and matscipy.

use super::table::{Entry, Output, Table};
use super::{check, is_small_open, search::separation};
use crate::error::Result;
use crate::structure::{Structure, Vec3, dot, norm};

/// All neighbours of all atoms, sorted by `i`; all arrays have one entry per neighbour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FullList {
    /// Atom whose neighbour this is.
    pub i: Vec<i32>,
    /// The neighbour.
    pub j: Vec<i32>,
    /// (m, 3) cell vectors S added to the neighbour.
    pub shifts: Vec<[i32; 3]>,
    /// |D|, Å.
    pub distances: Vec<f64>,
    /// (m, 3) `D = R_j − R_i + S·cell`, Å.
    pub vectors: Vec<Vec3>,
}

/// All neighbours closer than `cutoff` (Å): each pair twice, images of an atom itself included,
/// the atom itself without shift not.
///
/// Atoms in the same place are neighbours at distance zero. The list does not depend on the number
/// of threads, and (j, i, −S) has exactly the opposite vector of (i, j, S).
///
/// # Errors
/// As [`FullSearch::find`].
pub fn neighbor_list(structure: &Structure, cutoff: f64) -> Result<FullList> {
    let mut search = FullSearch::default();
    let n = search.find(structure, cutoff)?;
    let mut list = FullList {
        i: vec![0; n],
        j: vec![0; n],
        shifts: vec![[0; 3]; n],
        distances: vec![0.0; n],
        vectors: vec![[0.0; 3]; n],
    };
    search.write(list.columns());
    Ok(list)
}

/// Neighbours that were found and counted, to be written to arrays of the caller; buffers are reused.
#[derive(Debug, Default)]
pub struct FullSearch {
    found: Found,
    table: Table,
    starts: Vec<usize>,
}

#[derive(Debug)]
enum Found {
    /// Few atoms in open space.
    Entries(Vec<Entry>),
    /// In `table` and `starts`.
    Table,
}

impl Default for Found {
    fn default() -> Self {
        Self::Entries(Vec::new())
    }
}

/// Arrays for a list; see [`FullList`].
#[derive(Debug)]
pub struct Columns<'a> {
    /// Atom whose neighbour this is.
    pub i: &'a mut [i32],
    /// The neighbour.
    pub j: &'a mut [i32],
    /// Cell vectors added to the neighbour.
    pub shifts: &'a mut [[i32; 3]],
    /// |D|, Å.
    pub distances: &'a mut [f64],
    /// D, Å.
    pub vectors: &'a mut [Vec3],
}

impl FullSearch {
    /// Find all neighbours closer than `cutoff` (Å); returns their number.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) unless 0 < cutoff ≤ 1000 Å, for over
    /// 2^31 atoms or 2·10⁹ pairs, a cell so small that over 16 million images are reached, or atoms
    /// over 1e8 cells away from the cell. Nothing is found then.
    pub fn find(&mut self, structure: &Structure, cutoff: f64) -> Result<usize> {
        self.found = Found::default();
        check(structure, cutoff)?;
        if is_small_open(structure) {
            let entries = direct_entries(structure, cutoff);
            let count = entries.len();
            self.found = Found::Entries(entries);
            return Ok(count);
        }
        self.table.build(structure, cutoff, false, &mut self.starts)?;
        self.found = Found::Table;
        Ok(self.starts.last().copied().unwrap_or(0))
    }

    /// Write what was found last, sorted by `i`, to arrays with so many entries.
    ///
    /// # Panics
    /// If an array is shorter.
    pub fn write(&self, columns: Columns) {
        match &self.found {
            Found::Entries(entries) => {
                columns.split(entries.len()).0.write(entries.iter().copied());
            }
            Found::Table => self.table.fill(&self.starts, columns),
        }
    }
}

/// A double loop, both ways.
fn direct_entries(structure: &Structure, cutoff: f64) -> Vec<Entry> {
    let positions = structure.positions();
    let mut entries = Vec::with_capacity(16 * positions.len());
    for (i, here) in positions.iter().enumerate() {
        for (j, there) in positions.iter().enumerate() {
            let vector = separation(here, there, &[0.0; 3]);
            if i != j && dot(&vector, &vector) < cutoff * cutoff {
                entries.push(Entry { i: i as u32, j: j as u32, shift: [0; 3], vector });
            }
        }
    }
    entries
}

impl FullList {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.i.len()
    }
    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.i.is_empty()
    }

    fn columns(&mut self) -> Columns<'_> {
        Columns {
            i: &mut self.i,
            j: &mut self.j,
            shifts: &mut self.shifts,
            distances: &mut self.distances,
            vectors: &mut self.vectors,
        }
    }
}

impl Output for Columns<'_> {
    fn split(self, at: usize) -> (Self, Self) {
        let (i, other_i) = self.i.split_at_mut(at);
        let (j, other_j) = self.j.split_at_mut(at);
        let (shifts, other_shifts) = self.shifts.split_at_mut(at);
        let (distances, other_distances) = self.distances.split_at_mut(at);
        let (vectors, other_vectors) = self.vectors.split_at_mut(at);
        let others = Self {
            i: other_i,
            j: other_j,
            shifts: other_shifts,
            distances: other_distances,
            vectors: other_vectors,
        };
        (Self { i, j, shifts, distances, vectors }, others)
    }

    fn write(self, entries: impl Iterator<Item = Entry>) {
        let rows = self.i.iter_mut().zip(self.j).zip(self.shifts);
        let rows = rows.zip(self.distances).zip(self.vectors).zip(entries);
        for (((((i, j), shift), distance), vector), entry) in rows {
            *i = entry.i as i32;
            *j = entry.j as i32;
            *shift = entry.shift;
            *distance = norm(&entry.vector);
            *vector = entry.vector;
        }
    }
}
