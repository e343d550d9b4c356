//! Radial functions of a pair as compact polynomials of the squared distance.
//!
//! In s = R² neither a root nor a division is needed: a force is 2·dE/ds times the pair vector. The
//! intervals are uniform in s, a few hundred, so that the rows stay in the nearest caches. Where
//! they miss the model's own table by more than a tolerance (at a kink of the file, at distances
//! that atoms seldom reach) a row is left out, and the pair is looked up in that table instead.

use pulp::Simd;

use super::passes::{Quad, fma};
use crate::formulas::Jet;
use crate::tables::Table;

/// Distances below this (Å), or below [`NEAR`] cutoffs, are left to the model's table.
const NEAR_LIMIT: f64 = 1.5;
const NEAR: f64 = 0.3;
/// Number of intervals: doubled from the first to the last.
const INTERVALS: [usize; 2] = [512, 8192];
/// Largest share of rows left out before the intervals are halved.
const MISSING: f64 = 0.01;
/// Largest error: of φ relative to the larger of φ and 1 eV, of densities relative to the largest.
const TOLERANCE: [f64; 2] = [1e-9, 2e-10];
/// Errors of slopes may be larger by this factor, per Å.
const SLOPE: f64 = 20.0;
/// 2⁵²: adding it rounds to a whole number, which is then in the low bits.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Coefficients of 1, t … t⁵ on an interval, t = −½ … ½.
pub(super) type Quintic = [f64; 6];
/// Coefficients of four functions side by side: 2 dφ/ds, 2 dρ/ds at the first atom and at the second,
/// φ/2.
pub(super) type ForceRow = [Quad; 6];

/// Energy and densities of a pair: values and derivatives in s = R².
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Functions {
    /// φ, eV.
    pub(super) phi: f64,
    /// 2 dφ/ds, eV/Å².
    pub(super) phi_slope: f64,
    /// Density at the first atom, and at the second.
    pub(super) density: [f64; 2],
    /// 2 dρ/ds of them.
    pub(super) density_slope: [f64; 2],
}

/// A model's table of a pair of elements, and the order in which its atoms are met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) table: &'a Table,
    /// The first atom is of the table's second element.
    pub(super) swapped: bool,
}

impl Source<'_> {
    /// Look up at a squared distance.
    pub(super) fn functions(&self, s: f64) -> Functions {
        let r = s.sqrt();
        let at = self.table.lookup(r);
        let (mut value, mut slope) = ([0.0; 3], [0.0; 3]);
        self.table.values(&at, &mut value);
        self.table.slopes(&at, &mut slope);
        let phi = value[0] / r;
        let order = |x: [f64; 3]| if self.swapped { [x[2], x[1]] } else { [x[1], x[2]] };
        Functions {
            phi,
            phi_slope: (slope[0] - phi) / s,
            density: order(value),
            density_slope: order(slope).map(|x| x / r),
        }
    }

    /// φ and the densities as jets in s.
    fn jets(&self, s: f64) -> [Jet; 3] {
        let r = s.sqrt();
        let at = self.table.lookup(r);
        let mut rows = [[0.0; 3]; 3];
        self.table.values(&at, &mut rows[0]);
        self.table.slopes(&at, &mut rows[1]);
        self.table.curvatures(r, &mut rows[2]);
        let jet = |k: usize| [rows[0][k], rows[1][k], rows[2][k]];
        let [t0, t1, t2] = jet(0);
        let phi = [t0 / r, (t1 - t0 / r) / r, (t2 - 2.0 * (t1 - t0 / r) / r) / r];
        let in_s = |[v, d, c]: Jet| [v, 0.5 * d / r, 0.25 * (c - d / r) / s];
        let (a, b) = if self.swapped { (2, 1) } else { (1, 2) };
        [phi, jet(a), jet(b)].map(in_s)
    }
}

/// Rows of an ordered pair of elements; the first density is that at the first atom.
#[derive(Debug, Clone)]
pub(super) struct PairTable {
    /// Where s = 0 would lie, in intervals, and intervals per Å².
    offset: f64,
    inverse: f64,
    densities: [Vec<Quintic>; 2],
    forces: Vec<ForceRow>,
}

impl PairTable {
    /// Rows up to a cutoff (Å).
    pub(super) fn new(source: Source, cutoff: f64) -> Self {
        let mut intervals = INTERVALS[0];
        loop {
            let (table, missing) = Self::with_intervals(source, cutoff, intervals);
            if missing <= MISSING * intervals as f64 || intervals >= INTERVALS[1] {
                return table;
            }
            intervals *= 2;
        }
    }

    fn with_intervals(source: Source, cutoff: f64, intervals: usize) -> (Self, f64) {
        let start = NEAR_LIMIT.min(NEAR * cutoff).powi(2);
        let width = (cutoff * cutoff - start) / intervals as f64;
        let edge = |k: usize| start + width * k as f64;
        let jets: Vec<[Jet; 3]> = (0..=intervals).map(|k| source.jets(edge(k))).collect();
        let largest = [1, 2].map(|f| jets.iter().fold(0.0_f64, |m, j| m.max(j[f][0].abs())));
        let mut table = Self {
            offset: -start / width - 0.5,
            inverse: width.recip(),
            densities: [const { Vec::new() }; 2],
            forces: Vec::new(),
        };
        let mut missing = 0.0;
        for (k, ends) in jets.windows(2).enumerate() {
            let mut rows = [0, 1, 2].map(|f| quintic(ends[0][f], ends[1][f], width));
            if !accurate(&rows, source, edge(k), width, largest) {
                rows = [[f64::NAN; 6]; 3];
                missing += 1.0;
            }
            table.push(rows);
        }
        (table, missing)
    }

    fn push(&mut self, [phi, first, second]: [Quintic; 3]) {
        let slope = |c: &Quintic| derivative(c).map(|x| 2.0 * self.inverse * x);
        let functions = [slope(&phi), slope(&first), slope(&second), phi.map(|x| 0.5 * x)];
        self.forces.push([0, 1, 2, 3, 4, 5].map(|power| functions.map(|c| c[power])));
        self.densities[0].push(first);
        self.densities[1].push(second);
    }

    /// What a loop needs for densities at the first and the second atom; held by value, it stays
    /// in registers.
    #[inline(always)]
    pub(super) fn densities(&self) -> [Section<'_, Quintic>; 2] {
        [0, 1].map(|atom| self.rows(&self.densities[atom]))
    }
    /// What a loop needs for the energy and the slopes.
    #[inline(always)]
    pub(super) fn forces(&self) -> Section<'_, ForceRow> {
        self.rows(&self.forces)
    }

    /// φ and the densities at the first and the second atom, row by row.
    pub(super) fn values(&self) -> Vec<[Quintic; 3]> {
        let rows = self.forces.iter().zip(&self.densities[0]).zip(&self.densities[1]);
        rows.map(|((row, a), b)| [row.map(|powers| 2.0 * powers[3]), *a, *b]).collect()
    }
    /// A row is where s times the second number plus the first rounds to.
    pub(super) fn scale(&self) -> [f64; 2] {
        [self.offset, self.inverse]
    }

    #[inline(always)]
    fn rows<'a, T>(&self, rows: &'a [T]) -> Section<'a, T> {
        Section { offset: self.offset, inverse: self.inverse, rows }
    }
}

/// Rows of one kind, and where they lie.
#[derive(Debug)]
pub(super) struct Section<'a, T> {
    offset: f64,
    inverse: f64,
    rows: &'a [T],
}

impl<T> Clone for Section<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Section<'_, T> {}

impl<'a, T> Section<'a, T> {
    /// The row of a squared distance, and t in it; none outside the table.
    #[inline(always)]
    pub(super) fn at<S: Simd>(&self, s: f64) -> (Option<&'a T>, f64) {
        let x = fma::<S>(s, self.inverse, self.offset);
        let whole = x + WHOLE;
        (self.rows.get(whole.to_bits() as u32 as usize), x - (whole - WHOLE))
    }
}

/// Compare with the source inside the interval.
fn accurate(rows: &[Quintic; 3], source: Source, from: f64, width: f64, largest: [f64; 2]) -> bool {
    [-0.25, 0.0, 0.25].into_iter().all(|t| {
        let s = from + width * (t + 0.5);
        let jets = source.jets(s);
        let tolerance = [
            TOLERANCE[0] * jets[0][0].abs().max(1.0),
            TOLERANCE[1] * largest[0],
            TOLERANCE[1] * largest[1],
        ];
        (0..3).all(|f| {
            let value = polynomial(&rows[f], t) - jets[f][0];
            // Slopes per Å: dR = ds/(2R).
            let slope = polynomial(&derivative(&rows[f]), t) / width - jets[f][1];
            value.abs() <= tolerance[f] && (2.0 * s.sqrt() * slope).abs() <= SLOPE * tolerance[f]
        })
    })
}

/// The quintic that meets two jets, `width` apart, in t = −½ … ½.
fn quintic(low: Jet, high: Jet, width: f64) -> Quintic {
    let scaled = |j: Jet| [j[0], j[1] * width, j[2] * width * width];
    let (a, b) = (scaled(low), scaled(high));
    // Even and odd part of the six conditions at t = ±½.
    let sum = [0, 1, 2].map(|k| 0.5 * (b[k] + a[k]));
    let difference = [0, 1, 2].map(|k| 0.5 * (b[k] - a[k]));
    let (v, d, c) = (sum[0], difference[1], sum[2]);
    let (odd_v, odd_d, odd_c) = (difference[0], sum[1], difference[2]);
    [
        v - 0.3125 * d + 0.03125 * c,
        3.75 * odd_v - 0.875 * odd_d + 0.0625 * odd_c,
        1.5 * d - 0.25 * c,
        -10.0 * odd_v + 5.0 * odd_d - 0.5 * odd_c,
        -d + 0.5 * c,
        12.0 * odd_v - 6.0 * odd_d + odd_c,
    ]
}

fn derivative(c: &Quintic) -> Quintic {
    [c[1], 2.0 * c[2], 3.0 * c[3], 4.0 * c[4], 5.0 * c[5], 0.0]
}

fn polynomial(c: &Quintic, t: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, x| sum * t + x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quintic_meets_both_jets() {
        let (low, high) = ([1.0, -2.0, 0.5], [0.3, 4.0, -1.0]);
        let width = 0.25;
        let c = quintic(low, high, width);
        for (t, jet) in [(-0.5, low), (0.5, high)] {
            let slope = derivative(&c);
            assert!((polynomial(&c, t) - jet[0]).abs() < 1e-14);
            assert!((polynomial(&slope, t) / width - jet[1]).abs() < 1e-13);
            let curvature = polynomial(&derivative(&slope), t) / (width * width);
            assert!((curvature - jet[2]).abs() < 1e-12);
        }
    }
}
