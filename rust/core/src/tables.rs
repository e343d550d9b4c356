//! Radial functions compiled to uniform knots.
//!
//! A knot stores value, slope and curvature of every function of a pair of elements, side by side;
//! between two knots each function is the quintic Hermite polynomial (C²). One look-up gives the
//! basis that serves all functions. A cubic spline on the same knots is reproduced exactly.

mod lookup;
mod spline;

use crate::formulas::{Jet, scaled, sum};
use crate::parallel::apart;
pub use lookup::Lookup;
pub use spline::spline_jets;

/// Knots of several functions of distance on [start, end].
#[derive(Debug, Clone, Default)]
pub struct Table {
    start: f64,
    end: f64,
    inverse_spacing: f64,
    functions: usize,
    /// Numbers of a row of `knots`: functions, and zeros up to a multiple of [`TOGETHER`], so that they
    /// are worked on in whole lanes; a few are not.
    stride: usize,
    /// (knot, value | h·slope | h²·curvature, function): functions in lanes.
    knots: Vec<f64>,
}

/// Coefficients of a quintic.
pub(crate) const ORDER: usize = 6;

/// See [`Table::stride`].
const TOGETHER: usize = 4;
/// Arguments that a thread computes in one go.
const PIECE: usize = 64;
/// Largest number of intervals a compiled table may need.
const MAX_INTERVALS: usize = 1 << 15;

impl Table {
    /// Tabulate jets on `intervals` equal intervals of [start, end].
    pub fn tabulate(
        [start, end]: [f64; 2],
        intervals: usize,
        functions: usize,
        jets: impl Fn(f64, &mut [Jet]) + Sync,
    ) -> Self {
        let spacing = (end - start) / intervals as f64;
        let rows = sample(start, spacing, intervals + 1, functions, &jets);
        Self::from_rows(start, spacing, functions, &rows)
    }

    /// Tabulate on at least `intervals` intervals, doubled until the error at the middle of every
    /// interval beyond `from`, where a quintic Hermite error peaks, is within
    /// `tolerance(function, r, value)` for every function.
    pub fn compile(
        [start, from, end]: [f64; 3],
        mut intervals: usize,
        functions: usize,
        tolerance: impl Fn(usize, f64, f64) -> f64,
        jets: impl Fn(f64, &mut [Jet]) + Sync,
    ) -> Self {
        let mut spacing = (end - start) / intervals as f64;
        let mut rows = sample(start, spacing, intervals + 1, functions, &jets);
        let mut before = f64::INFINITY;
        loop {
            let table = Self::from_rows(start, spacing, functions, &rows);
            let middles = sample(start + 0.5 * spacing, spacing, intervals, functions, &jets);
            let worst = table.worst_error(from, &middles, &tolerance);
            // Halving divides a truncation error by 64: without progress only rounding is left.
            if worst <= 1.0 || worst > 0.5 * before || intervals >= MAX_INTERVALS {
                return table;
            }
            before = worst;
            rows = interleave(&rows, &middles, functions);
            intervals *= 2;
            spacing *= 0.5;
        }
    }

    fn from_rows(start: f64, spacing: f64, functions: usize, rows: &[Jet]) -> Self {
        let intervals = rows.len() / functions.max(1) - 1;
        let scales = [1.0, spacing, spacing * spacing];
        let stride =
            if functions < TOGETHER { functions } else { functions.next_multiple_of(TOGETHER) };
        let mut knots = Vec::with_capacity(3 * stride * (intervals + 1));
        for row in rows.chunks_exact(functions.max(1)) {
            for (c, scale) in scales.into_iter().enumerate() {
                knots.extend(row.iter().map(|jet| jet[c] * scale));
                knots.resize(knots.len().next_multiple_of(stride), 0.0);
            }
        }
        let end = start + spacing * intervals as f64;
        Self { start, end, inverse_spacing: spacing.recip(), functions, stride, knots }
    }

    /// Largest error at the middles, in units of the tolerance.
    fn worst_error(
        &self,
        from: f64,
        middles: &[Jet],
        tolerance: &impl Fn(usize, f64, f64) -> f64,
    ) -> f64 {
        let spacing = self.inverse_spacing.recip();
        let mut found = vec![0.0; self.functions];
        let mut worst = 0.0_f64;
        for (k, exact) in middles.chunks_exact(self.functions.max(1)).enumerate() {
            let r = self.start + spacing * (k as f64 + 0.5);
            if r < from {
                continue;
            }
            self.values(&self.lookup(r), &mut found);
            for (f, jet) in exact.iter().enumerate() {
                worst = worst.max((found[f] - jet[0]).abs() / tolerance(f, r, jet[0]));
            }
        }
        worst
    }

    /// Multiply the functions with `factors` and add functions of the same knots: `jets(r, row)` may
    /// change every jet of a row.
    #[must_use]
    pub fn with_added(
        &self,
        factors: &[f64],
        functions: usize,
        jets: impl Fn(f64, &mut [Jet]) + Sync,
    ) -> Self {
        let h = self.inverse_spacing.recip();
        let added = sample(self.start, h, self.intervals() + 1, functions, &jets);
        let mut rows = added;
        for (knot, row) in rows.chunks_exact_mut(functions).enumerate() {
            for ((function, jet), factor) in
                row.iter_mut().take(self.functions).enumerate().zip(factors)
            {
                let old = self.knot(knot, function);
                let old = [old[0], old[1] / h, old[2] / (h * h)];
                *jet = sum(*jet, scaled(*factor, old));
            }
        }
        Self::from_rows(self.start, h, functions, &rows)
    }

    /// Number of functions.
    pub fn functions(&self) -> usize {
        self.functions
    }
    /// Length of a list that takes values or slopes of all functions in whole lanes; those after
    /// [`Self::functions`] are zero.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }
    /// First tabulated argument.
    pub fn start(&self) -> f64 {
        self.start
    }
    /// Last tabulated argument.
    pub fn end(&self) -> f64 {
        self.end
    }
    /// Intervals per unit of the argument.
    pub fn inverse_spacing(&self) -> f64 {
        self.inverse_spacing
    }
    /// Number of intervals.
    pub fn intervals(&self) -> usize {
        self.knots.len() / (3 * self.stride.max(1)) - 1
    }

    /// Value, slope × spacing and curvature × spacing² of a function at a knot.
    pub(crate) fn knot(&self, knot: usize, function: usize) -> [f64; 3] {
        [0, 1, 2].map(|c| self.knots[(3 * knot + c) * self.stride + function])
    }

    /// Powers of t ∈ [0, 1], highest first, of a function in an interval.
    pub(crate) fn quintic(&self, interval: usize, function: usize) -> [f64; ORDER] {
        let (a, b) = (self.knot(interval, function), self.knot(interval + 1, function));
        let step = b[0] - a[0] - a[1] - 0.5 * a[2];
        let slope = b[1] - a[1] - a[2];
        let bend = b[2] - a[2];
        [
            6.0 * step - 3.0 * slope + 0.5 * bend,
            -15.0 * step + 7.0 * slope - bend,
            10.0 * step - 4.0 * slope + 0.5 * bend,
            0.5 * a[2],
            a[1],
            a[0],
        ]
    }
}

/// Rows of jets at `count` equally spaced arguments.
fn sample(
    start: f64,
    spacing: f64,
    count: usize,
    functions: usize,
    jets: &(impl Fn(f64, &mut [Jet]) + Sync),
) -> Vec<Jet> {
    let mut rows = vec![[0.0; 3]; count * functions];
    let width = functions.max(1);
    // Tables are made when they are first asked for, under a lock that others may wait for.
    let pieces = rows.chunks_mut(PIECE * width).enumerate().collect();
    apart(pieces, |(piece, rows)| {
        for (k, row) in (piece * PIECE..).zip(rows.chunks_exact_mut(width)) {
            jets(start + spacing * k as f64, row);
        }
    });
    rows
}

/// Knots and the middles between them, in order.
fn interleave(rows: &[Jet], middles: &[Jet], functions: usize) -> Vec<Jet> {
    let mut all = Vec::with_capacity(rows.len() + middles.len());
    for (row, middle) in rows.chunks_exact(functions).zip(middles.chunks_exact(functions)) {
        all.extend_from_slice(row);
        all.extend_from_slice(middle);
    }
    all.extend_from_slice(&rows[rows.len() - functions..]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spline_reproduces_cubics_and_converges() {
        let cubic = |x: f64| 1.0 - 2.0 * x + 0.5 * x * x - 0.3 * x * x * x;
        let values: Vec<f64> = (0..9).map(|k| cubic(0.25 * f64::from(k))).collect();
        for (k, jet) in spline_jets(0.25, &values).iter().enumerate() {
            let x = 0.25 * k as f64;
            assert!((jet[1] - (-2.0 + x - 0.9 * x * x)).abs() < 1e-12, "slope at {x}: {jet:?}");
            assert!((jet[2] - (1.0 - 1.8 * x)).abs() < 1e-11, "curvature at {x}: {jet:?}");
        }
        let values: Vec<f64> = (0..401).map(|k| (0.01 * f64::from(k)).sin()).collect();
        let jet = spline_jets(0.01, &values)[123];
        assert!((jet[1] - 1.23_f64.cos()).abs() < 1e-9);
    }

    #[test]
    fn quintic_polynomials_are_exact() {
        let f = |x: f64| [x.powi(5) - x, 5.0 * x.powi(4) - 1.0, 20.0 * x.powi(3)];
        let table = Table::tabulate([0.5, 2.5], 3, 1, |x, out| out[0] = f(x));
        for k in 0..50 {
            let x = 0.5 + 2.0 * f64::from(k) / 49.0;
            let (value, slope) = table.single(x);
            assert!((value - f(x)[0]).abs() < 1e-12 && (slope - f(x)[1]).abs() < 1e-11, "{x}");
            let mut curvature = [0.0];
            table.curvatures(x, &mut curvature);
            assert!((curvature[0] - f(x)[2]).abs() < 1e-10, "{x}");
        }
    }

    #[test]
    fn any_number_of_functions_is_looked_up_alike_with_and_without_room_for_lanes() {
        let jet = |f: usize, x: f64| {
            let a = 1.0 + 0.3 * f as f64;
            [(a * x).sin(), a * (a * x).cos(), -a * a * (a * x).sin()]
        };
        for functions in 1..10 {
            let jets = |x: f64, row: &mut [Jet]| {
                row.iter_mut().enumerate().for_each(|(f, out)| *out = jet(f, x));
            };
            let table = Table::tabulate([0.5, 2.5], 7, functions, jets);
            assert_eq!(table.intervals(), 7);
            for x in [0.5, 0.93, 1.7, 2.5] {
                let at = table.lookup(x);
                let (mut tight, mut wide) = (vec![1.0; functions], vec![1.0; table.stride()]);
                table.slopes(&at, &mut tight);
                table.slopes(&at, &mut wide);
                assert_eq!(tight, wide[..functions]);
                assert!(wide[functions..].iter().all(|x| *x == 0.0));
                table.values(&at, &mut tight);
                table.values(&at, &mut wide);
                assert_eq!(tight, wide[..functions]);
                for (f, found) in tight.iter().enumerate() {
                    let one = Table::tabulate([0.5, 2.5], 7, 1, |x, row| row[0] = jet(f, x));
                    assert!((one.single(x).0 - found).abs() < 1e-15, "{functions} {f} {x}");
                }
            }
        }
    }

    #[test]
    fn compile_meets_its_tolerance() {
        let jets = |r: f64, out: &mut [Jet]| out[0] = crate::formulas::slater(20.0, r);
        let table = Table::compile([0.1, 0.2, 6.0], 64, 1, |_, _, v| 1e-9 * v.abs() + 1e-14, jets);
        for k in 0..9999 {
            let r = 0.2 + 5.8 * f64::from(k) / 9999.0;
            let exact = crate::formulas::slater(20.0, r)[0];
            assert!((table.single(r).0 - exact).abs() < 2e-9 * exact + 2e-14, "{r}");
        }
    }
}
