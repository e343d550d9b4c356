//! A sparse square matrix by rows.

use rayon::prelude::*;

use crate::parallel::{BLOCK, grain};

/// Rows of column numbers and values.
#[derive(Debug, Clone)]
pub(super) struct Sparse {
    starts: Vec<usize>,
    columns: Vec<u32>,
    /// Of an approximation: more digits would be lost on it.
    values: Vec<f32>,
}

impl Default for Sparse {
    fn default() -> Self {
        Self { starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }
}

impl Sparse {
    pub(super) fn push_row(&mut self, row: impl Iterator<Item = (u32, f64)>) {
        for (column, value) in row {
            self.columns.push(column);
            self.values.push(value as f32);
        }
        self.starts.push(self.columns.len());
    }

    /// The rows of `parts`, one after another.
    pub(super) fn joined(parts: &[Self]) -> Self {
        let mut all = Self::default();
        let size = parts.iter().map(|part| part.columns.len()).sum();
        all.starts.reserve_exact(parts.iter().map(|part| part.starts.len() - 1).sum());
        all.columns.reserve_exact(size);
        all.values.reserve_exact(size);
        for part in parts {
            let first = all.columns.len();
            all.starts.extend(part.starts[1..].iter().map(|start| first + start));
            all.columns.extend_from_slice(&part.columns);
            all.values.extend_from_slice(&part.values);
        }
        all
    }

    pub(super) fn transposed(&self) -> Self {
        let rows = self.starts.len() - 1;
        let mut starts = vec![0; rows + 2];
        self.columns.iter().for_each(|&c| starts[c as usize + 2] += 1);
        (2..starts.len()).for_each(|c| starts[c] += starts[c - 1]);
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![0.0; self.columns.len()];
        for i in 0..rows {
            for k in self.starts[i]..self.starts[i + 1] {
                let next = &mut starts[self.columns[k] as usize + 1];
                (columns[*next], values[*next]) = (i as u32, self.values[k]);
                *next += 1;
            }
        }
        starts.pop();
        Self { starts, columns, values }
    }

    /// Columns and values of a row, the last first.
    pub(super) fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let entries = (self.starts[i]..self.starts[i + 1]).rev();
        entries.map(|k| (self.columns[k] as usize, f64::from(self.values[k])))
    }

    /// The product with `x`; 0 in rows that are not to `keep`.
    pub(super) fn multiply(
        &self,
        x: &[f64],
        keep: impl Fn(usize) -> bool + Sync,
        out: &mut Vec<f64>,
    ) {
        let rows = self.starts.len() - 1;
        out.resize(rows, 0.0);
        let tasks = out.par_chunks_mut(BLOCK).enumerate().with_min_len(grain(rows));
        tasks.for_each(|(b, out)| {
            for (i, out) in (b * BLOCK..).zip(out) {
                let row = self.starts[i]..self.starts[i + 1];
                let entries = self.columns[row.clone()].iter().zip(&self.values[row]);
                let sum = |sum: f64, (c, g): (&u32, &f32)| sum + f64::from(*g) * x[*c as usize];
                *out = if keep(i) { entries.fold(0.0, sum) } else { 0.0 };
            }
        });
    }
}
