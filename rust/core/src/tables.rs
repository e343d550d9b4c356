//! Radial functions compiled to uniform knots.
//!
//! A knot stores value, slope and curvature of every function of a pair of elements, side by side;
//! between two knots each function is the quintic Hermite polynomial (C²). One look-up gives the
//! basis that serves all functions. A cubic spline on the same knots is reproduced exactly.

use rayon::prelude::*;

use crate::formulas::{Jet, scaled, sum};

/// Knots of several functions of distance on [start, end].
#[derive(Debug, Clone, Default)]
pub struct Table {
    start: f64,
    end: f64,
    inverse_spacing: f64,
    functions: usize,
    /// (knot, function, value | h·slope | h²·curvature)
    knots: Vec<f64>,
}

/// Weights of the six knot numbers for the value and the slope at one distance.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    first: usize,
    second: usize,
    value: [f64; 6],
    slope: [f64; 6],
}

/// Coefficients of a quintic.
pub(crate) const ORDER: usize = 6;

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
        let knots =
            rows.iter().flat_map(|j| [j[0], j[1] * spacing, j[2] * spacing * spacing]).collect();
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
        for (row, knot) in
            rows.chunks_exact_mut(functions).zip(self.knots.chunks_exact(3 * self.functions))
        {
            for ((jet, old), factor) in row.iter_mut().zip(knot.chunks_exact(3)).zip(factors) {
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
        let at = 3 * (knot * self.functions + function);
        [self.knots[at], self.knots[at + 1], self.knots[at + 2]]
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
    #[inline]
    pub fn lookup(&self, r: f64) -> Lookup {
        let x = (r.clamp(self.start, self.end) - self.start) * self.inverse_spacing;
        let k = (x as usize).min(self.intervals() - 1);
        let t = x - k as f64;
        let s = 1.0 - t;
        let (t3, s3, ts) = (t * t * t, s * s * s, t * t * s * s);
        let h = self.inverse_spacing;
        Lookup {
            first: k * self.functions * 3,
            second: (k + 1) * self.functions * 3,
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
    #[inline]
    pub fn values(&self, at: &Lookup, out: &mut [f64]) {
        self.combine(at, &at.value, out);
    }

    /// Slopes of all functions.
    #[inline]
    pub fn slopes(&self, at: &Lookup, out: &mut [f64]) {
        self.combine(at, &at.slope, out);
    }

    #[inline]
    fn combine(&self, at: &Lookup, basis: &[f64; 6], out: &mut [f64]) {
        let width = 3 * self.functions;
        let first = self.knots[at.first..at.first + width].chunks_exact(3);
        let second = self.knots[at.second..at.second + width].chunks_exact(3);
        for ((x, a), b) in out.iter_mut().zip(first).zip(second) {
            *x = basis[0] * a[0]
                + basis[1] * a[1]
                + basis[2] * a[2]
                + basis[3] * b[0]
                + basis[4] * b[1]
                + basis[5] * b[2];
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
        let (mut value, mut slope) = ([0.0], [0.0]);
        self.values(&at, &mut value);
        self.slopes(&at, &mut slope);
        (value[0], slope[0])
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
    rows.par_chunks_exact_mut(functions.max(1))
        .with_min_len(64)
        .enumerate()
        .for_each(|(k, row)| jets(start + spacing * k as f64, row));
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

/// Jets at the knots of the cubic not-a-knot spline through uniformly spaced values
/// (the spline of `scipy.interpolate.InterpolatedUnivariateSpline(k=3)`).
pub fn spline_jets(spacing: f64, values: &[f64]) -> Vec<Jet> {
    let n = values.len();
    let moments = spline_moments(spacing, values);
    (0..n)
        .map(|k| {
            let slope = if k + 1 < n {
                (values[k + 1] - values[k]) / spacing
                    - spacing * (2.0 * moments[k] + moments[k + 1]) / 6.0
            } else {
                (values[k] - values[k - 1]) / spacing
                    + spacing * (2.0 * moments[k] + moments[k - 1]) / 6.0
            };
            [values[k], slope, moments[k]]
        })
        .collect()
}

/// Second derivatives at the knots. Not-a-knot ends (third derivative continuous at the second and
/// the last but one knot) make the first and last moments linear extrapolations of their neighbours.
fn spline_moments(spacing: f64, values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let second = |k: usize| (values[k - 1] - 2.0 * values[k] + values[k + 1]) / (spacing * spacing);
    // Interior rows m[k−1] + 4m[k] + m[k+1] = 6·second(k); m[0] = 2m[1] − m[2] turns the first
    // into 6m[1] = 6·second(1), likewise the last.
    let mut moments = vec![0.0; n];
    moments[1] = second(1);
    moments[n - 2] = second(n - 2);
    let mut diagonal = vec![4.0; n];
    for k in 2..n - 2 {
        moments[k] = 6.0 * second(k);
    }
    if n > 4 {
        moments[2] -= moments[1];
        moments[n - 3] -= moments[n - 2];
    }
    for k in 3..n.saturating_sub(2) {
        let factor = 1.0 / diagonal[k - 1];
        diagonal[k] -= factor;
        moments[k] -= factor * moments[k - 1];
    }
    for k in (2..n.saturating_sub(2)).rev() {
        let next = if k + 1 < n - 2 { moments[k + 1] } else { 0.0 };
        moments[k] = (moments[k] - next) / diagonal[k];
    }
    moments[0] = 2.0 * moments[1] - moments[2];
    moments[n - 1] = 2.0 * moments[n - 2] - moments[n - 3];
    moments
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
