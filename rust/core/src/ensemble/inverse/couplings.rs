//! Second derivatives between groups.

/// Second derivatives between groups: the strong ones.
#[derive(Debug, Clone, Default)]
pub struct Couplings {
    pub(super) entries: Vec<Entry>,
    /// Blocks, a row for every member of the later group.
    pub(super) values: Vec<f64>,
}

/// Two groups, the later first, where their block starts, and its columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) groups: [u32; 2],
    pub(super) start: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Couplings {
    /// Add a block of `values`, a row for every member (see [`Constraints::members`]) of group `a`, a
    /// column for every one of `b`, or only for their weights; a == b adds to the diagonal block.
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
        let groups = [a.max(b) as u32, a.min(b) as u32];
        self.entries.push(Entry { groups, start, columns, rows });
    }

    pub(super) fn sort(&mut self) {
        self.entries.sort_unstable();
    }
}
