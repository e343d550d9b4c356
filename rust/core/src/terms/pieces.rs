//! Radial functions as polynomials on equal intervals, laid out for vectors over functions.

use crate::tables::{ORDER, Table};

/// Functions handled together.
const WIDTH: usize = 4;

/// A [`Table`] whose quintics are written out as powers of t ∈ [0, 1].
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    functions: usize,
    groups: usize,
    inverse_spacing: f64,
    last: usize,
    /// (interval, group of functions, power from the highest, function of the group).
    powers: Vec<[[f64; WIDTH]; ORDER]>,
}

impl Pieces {
    /// The functions of a table that starts at zero distance.
    pub(super) fn new(table: &Table) -> Self {
        let functions = table.functions();
        if functions == 0 {
            return Self::default();
        }
        let groups = functions.div_ceil(WIDTH);
        let mut powers = vec![[[0.0; WIDTH]; ORDER]; table.intervals() * groups];
        for (interval, rows) in powers.chunks_exact_mut(groups).enumerate() {
            for f in 0..functions {
                for (power, c) in rows[f / WIDTH].iter_mut().zip(table.quintic(interval, f)) {
                    power[f % WIDTH] = c;
                }
            }
        }
        let inverse_spacing = table.intervals() as f64 / table.end();
        Self { functions, groups, inverse_spacing, last: table.intervals() - 1, powers }
    }

    /// Number of functions.
    pub(super) fn functions(&self) -> usize {
        self.functions
    }

    /// Number of intervals.
    pub(super) fn intervals(&self) -> usize {
        self.last + 1
    }

    /// Intervals per Å.
    pub(super) fn inverse_spacing(&self) -> f64 {
        self.inverse_spacing
    }

    /// Powers of t, highest first, of a function in an interval.
    pub(super) fn row(&self, interval: usize, function: usize) -> [f64; ORDER] {
        let powers = &self.powers[interval * self.groups + function / WIDTH];
        powers.map(|power| power[function % WIDTH])
    }

    /// Values and slopes of all functions at a distance, handed out one by one.
    #[inline(always)]
    pub(super) fn at(&self, r: f64, mut put: impl FnMut(usize, [f64; 2])) {
        let x = r * self.inverse_spacing;
        let interval = (x as usize).min(self.last);
        let t = x - interval as f64;
        let rows = &self.powers[interval * self.groups..(interval + 1) * self.groups];
        for (group, powers) in rows.iter().enumerate() {
            let (mut value, mut slope) = (powers[0], [0.0; WIDTH]);
            for power in &powers[1..] {
                for k in 0..WIDTH {
                    slope[k] = slope[k] * t + value[k];
                    value[k] = value[k] * t + power[k];
                }
            }
            let first = group * WIDTH;
            for k in 0..WIDTH.min(self.functions - first) {
                put(first + k, [value[k], slope[k] * self.inverse_spacing]);
            }
        }
    }
}
