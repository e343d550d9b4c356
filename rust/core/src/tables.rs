//! Radial functions compiled to uniform knots.
//!
//! A knot stores value, slope and curvature of every function of a pair of elements, side by side;
//! between two knots each function is the quintic Hermite polynomial (C²). One look-up gives the
//! basis that serves all functions. A cubic spline on the same knots is reproduced exactly.

mod spline;

use pulp::Simd;

use crate::formulas::{Jet, scaled, sum};
use crate::parallel::apart;
pub use spline::spline_jets;

/// Knots of several functions of distance on [start, end].
#[derive(Debug, Clone, Default)]
pub struct Table {
    start: f64,
    end: f64,
    inverse_spacing: f64,
    functions: usize,
    /// (knot, value | h·slope | h²·curvature, function): functions in lanes.
    knots: Vec<f64>,
}

/// Weights of the six knot numbers for the value and the slope at one distance.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    first: usize,
    value: [f64; 6],
    slope: [f64; 6],
}

/// Coefficients of a quintic.
pub(crate) const ORDER: usize = 6;

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
        let mut knots = Vec::with_capacity(3 * rows.len());
        for row in rows.chunks_exact(functions.max(1)) {
            for (c, scale) in scales.into_iter().enumerate() {
                knots.extend(row.iter().map(|jet| jet[c] * scale));
            }
        }
        let end = start + spacing * intervals as f64;
        Self { start, end, inverse_spacing: spacing.recip(), functions, knots }
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
        self.knots.len() / (3 * self.functions.max(1)) - 1
    }

    /// Value, slope × spacing and curvature × spacing² of a function at a knot.
    pub(crate) fn knot(&self, knot: usize, function: usize) -> [f64; 3] {
        [0, 1, 2].map(|c| self.knots[(3 * knot + c) * self.functions + function])
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

    /// Hermite basis at `r`, clamped to [start, end].
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub fn lookup(&self, r: f64) -> Lookup {
        let x = (r.clamp(self.start, self.end) - self.start) * self.inverse_spacing;
        let k = (x as usize).min(self.intervals() - 1);
        let t = x - k as f64;
        let s = 1.0 - t;
        let (t3, s3, ts) = (t * t * t, s * s * s, t * t * s * s);
        let h = self.inverse_spacing;
        Lookup {
            first: k * self.functions * 3,
            value: [
                s3 * (1.0 + t * (3.0 + 6.0 * t)),
                s3 * t * (1.0 + 3.0 * t),
                0.5 * s3 * t * t,
                t3 * (1.0 + s * (3.0 + 6.0 * s)),
                -t3 * s * (1.0 + 3.0 * s),
                0.5 * t3 * s * s,
            ],
            slope: [
                -30.0 * ts * h,
                s * s * (1.0 + t * (2.0 - 15.0 * t)) * h,
                0.5 * s * s * t * (2.0 - 5.0 * t) * h,
                30.0 * ts * h,
                t * t * (1.0 + s * (2.0 - 15.0 * s)) * h,
                -0.5 * t * t * s * (2.0 - 5.0 * s) * h,
            ],
        }
    }

    /// Values of all functions.
    pub fn values(&self, at: &Lookup, out: &mut [f64]) {
        self.values_in(pulp::Scalar::new(), at, out);
    }

    /// Slopes of all functions.
    pub fn slopes(&self, at: &Lookup, out: &mut [f64]) {
        self.slopes_in(pulp::Scalar::new(), at, out);
    }

    /// [`Self::values`] in the lanes of a machine.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn values_in<S: Simd>(&self, simd: S, at: &Lookup, out: &mut [f64]) {
        self.combine(simd, at.first, &at.value, out);
    }

    /// [`Self::slopes`] in the lanes of a machine.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn slopes_in<S: Simd>(&self, simd: S, at: &Lookup, out: &mut [f64]) {
        self.combine(simd, at.first, &at.slope, out);
    }

    /// Sums of the six rows from `first` on: two knots lie side by side. Products are rounded before
    /// they are added, so that all machines find the same.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn combine<S: Simd>(&self, simd: S, first: usize, basis: &[f64; 6], out: &mut [f64]) {
        let n = self.functions;
        let rows = &self.knots[first..first + 6 * n];
        let row = |k: usize| S::as_simd_f64s(&rows[k * n..(k + 1) * n]);
        let rows: [_; 6] = [row(0), row(1), row(2), row(3), row(4), row(5)];
        // `array::map` is now and then not inlined, and then compiled without the machine's instructions.
        let [a, b, c, d, e, f] = *basis;
        let basis = [
            simd.splat_f64s(a),
            simd.splat_f64s(b),
            simd.splat_f64s(c),
            simd.splat_f64s(d),
            simd.splat_f64s(e),
            simd.splat_f64s(f),
        ];
        let (lanes, rest) = S::as_mut_simd_f64s(&mut out[..n]);
        for (k, lanes) in lanes.iter_mut().enumerate() {
            let mut sum = simd.mul_f64s(basis[0], rows[0].0[k]);
            for b in 1..6 {
                sum = simd.add_f64s(sum, simd.mul_f64s(basis[b], rows[b].0[k]));
            }
            *lanes = sum;
        }
        if !rest.is_empty() {
            let mut sum = simd.mul_f64s(basis[0], simd.partial_load_f64s(rows[0].1));
            for b in 1..6 {
                let row = simd.partial_load_f64s(rows[b].1);
                sum = simd.add_f64s(sum, simd.mul_f64s(basis[b], row));
            }
            simd.partial_store_f64s(rest, sum);
        }
    }

    /// Curvatures of all functions at `r` (needed only for embedding energies).
    pub fn curvatures(&self, r: f64, out: &mut [f64]) {
        let mut at = self.lookup(r);
        let x = (r.clamp(self.start, self.end) - self.start) * self.inverse_spacing;
        let t = x - (at.first / (3 * self.functions)) as f64;
        let s = 1.0 - t;
        let basis = [
            -60.0 * t * s * (1.0 - 2.0 * t),
            -12.0 * t * s * (3.0 - 5.0 * t),
            s * (1.0 - t * (8.0 - 10.0 * t)),
            -60.0 * t * s * (1.0 - 2.0 * s),
            12.0 * t * s * (3.0 - 5.0 * s),
            t * (1.0 - s * (8.0 - 10.0 * s)),
        ];
        at.value = basis.map(|b| b * self.inverse_spacing * self.inverse_spacing);
        self.values(&at, out);
    }

    /// Value and slope of the only function of the table.
    #[inline]
    pub fn single(&self, r: f64) -> (f64, f64) {
        let at = self.lookup(r);
        (self.one(&at, &at.value), self.one(&at, &at.slope))
    }

    /// Value of the only function of the table.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn single_value(&self, r: f64) -> f64 {
        let at = self.lookup(r);
        self.one(&at, &at.value)
    }

    /// Slope of the only function of the table.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn single_slope(&self, r: f64) -> f64 {
        let at = self.lookup(r);
        self.one(&at, &at.slope)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn one(&self, at: &Lookup, basis: &[f64; 6]) -> f64 {
        let knots = &self.knots[at.first..at.first + 6];
        (0..6).map(|k| basis[k] * knots[k]).sum()
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
