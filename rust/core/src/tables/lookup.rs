//! Values, slopes and curvatures of a table's functions at one distance.

use pulp::Simd;

use super::Table;

/// Weights of the six knot numbers for the value and the slope at one distance.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    first: usize,
    value: [f64; 6],
    slope: [f64; 6],
}

impl Table {
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
            first: k * self.stride * 3,
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
        let width = if out.len() < self.stride { self.functions } else { self.stride };
        let rows = &self.knots[first..first + 6 * self.stride];
        let row = |k: usize| S::as_simd_f64s(&rows[k * self.stride..k * self.stride + width]);
        let rows = [row(0), row(1), row(2), row(3), row(4), row(5)];
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
        let (lanes, rest) = S::as_mut_simd_f64s(&mut out[..width]);
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
        let t = x - (at.first / (3 * self.stride)) as f64;
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
