//! Second derivatives between groups.

use rayon::prelude::*;

use crate::parallel::{blocks, split};

/// Second derivatives between groups: the strong ones.
#[derive(Debug, Clone, Default)]
pub struct Couplings {
    /// The later and the earlier group of every block, where it starts, and its columns and rows.
    entries: Vec<([u32; 2], Place)>,
    /// Blocks, a row for every member of the later group.
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    start: usize,
    columns: u32,
    rows: u32,
}

impl Couplings {
    /// Add a block of `values`, a row for every member (see [`Constraints::members`]) of group `a`, a
    /// column for every one of `b`, or only for their weights; a == b adds to the diagonal block.
    ///
    /// [`Constraints::members`]: super::Constraints::members
    pub fn push(&mut self, [a, b]: [usize; 2], values: &[f64], columns: usize) {
        let (start, rows) = (self.values.len(), values.len() / columns);
        if a >= b {
            self.values.extend_from_slice(values);
        } else {
            for n in 0..columns {
                self.values.extend((0..rows).map(|m| values[m * columns + n]));
            }
        }
        let [columns, rows] = if a >= b { [columns, rows] } else { [rows, columns] };
        let place = Place { start, columns: columns as u32, rows: rows as u32 };
        self.entries.push(([a.max(b) as u32, a.min(b) as u32], place));
    }
}

/// Blocks of several [`Couplings`] by their later group, then by the earlier one.
pub(super) struct Sorted<'a> {
    parts: &'a [Couplings],
    /// Those of a group: `starts[g]..starts[g + 1]`.
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

/// A block of a group with an earlier one, and which part holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) earlier: u32,
    part: u32,
    place: Place,
}

impl<'a> Sorted<'a> {
    pub(super) fn new(parts: &'a [Couplings], groups: usize) -> Self {
        let mut starts = vec![0; groups + 2];
        for ([later, _], _) in parts.iter().flat_map(|part| &part.entries) {
            starts[*later as usize + 2] += 1;
        }
        (2..starts.len()).for_each(|g| starts[g] += starts[g - 1]);
        let mut entries = vec![Entry::default(); starts[groups + 1]];
        for (part, couplings) in parts.iter().enumerate() {
            for &([later, earlier], place) in &couplings.entries {
                let next = &mut starts[later as usize + 1];
                entries[*next] = Entry { earlier, part: part as u32, place };
                *next += 1;
            }
        }
        starts.pop();
        split(&mut entries, groups, |g| starts[g]).zip(blocks(groups)).for_each(|(all, range)| {
            let first = starts[range.start];
            for g in range {
                all[starts[g] - first..starts[g + 1] - first].sort_unstable();
            }
        });
        Self { parts, starts, entries }
    }

    /// Blocks of a group with earlier ones.
    pub(super) fn of(&self, g: usize) -> &[Entry] {
        &self.entries[self.starts[g]..self.starts[g + 1]]
    }

    /// The values of a block and its columns.
    pub(super) fn block(&self, entry: &Entry) -> (&[f64], usize) {
        let Place { start, columns, rows } = entry.place;
        let size = (columns * rows) as usize;
        (&self.parts[entry.part as usize].values[start..start + size], columns as usize)
    }
}
