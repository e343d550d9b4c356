//! A radial density as polynomials in R²: no square root, no exponential.
//!
//! Sixteen intervals to a factor of two in R², so that the leading bits of the number are the
//! interval. Value and slope/R have relative errors below 1e-9, which is checked; a density that is not
//! that smooth has no profile.

use pulp::Simd;

use super::RadialDensity;
use crate::chebyshev;

/// Coefficients of one function on an interval.
const TERMS: usize = 8;
/// Bits of the mantissa that count intervals.
const BITS: u32 = 4;
/// Bits below them.
const REST: u32 = 52 - BITS;
/// Profiles begin at R² = 2⁻¹⁶ Å²; the few points closer to a nucleus are evaluated directly.
pub(super) const START: f64 = 1.0 / 65536.0;
/// Largest relative error.
const TOLERANCE: f64 = 1e-9;
/// Evaluations that a profile takes, about.
pub(super) const EVALUATIONS: usize = 4000;

/// Even and odd parts in t of value and slope/R: [value even, slope even, value odd, slope odd] for
/// ascending powers of t².
type Piece = [[f64; 4]; TERMS / 2];

/// Value and slope/R of one density from [`START`] to its cutoff.
#[derive(Debug)]
pub(super) struct Profile {
    pieces: Vec<Piece>,
}

impl Profile {
    /// `None` if the density is not smooth enough.
    pub(super) fn new(radial: &impl RadialDensity, atom: usize) -> Option<Self> {
        let matrix = interpolation();
        let last = interval(radial.cutoff() * radial.cutoff()) - interval(START);
        let pieces = (0..=last).map(|k| piece(&matrix, k, |r| radial.value_slope(atom, r)));
        Some(Self { pieces: pieces.collect::<Option<_>>()? })
    }

    /// (value, slope/R) on a piece (see [`piece_at`]) at `t`, whose square is `t2`.
    #[inline(always)]
    pub(super) fn at<S: Simd>(&self, simd: S, piece: u64, t: f64, t2: f64) -> [f64; 2] {
        let piece = &self.pieces[piece as usize];
        let mut sum = piece[TERMS / 2 - 1];
        for row in piece[..TERMS / 2 - 1].iter().rev() {
            multiply_add(simd, &mut sum, t2, row);
        }
        [sum[0] + t * sum[2], sum[1] + t * sum[3]]
    }
}

/// Piece of a profile and position along it, −½ … ½, at R² ≥ [`START`].
#[inline(always)]
pub(super) fn piece_at(r2: f64) -> (u64, f64) {
    ((r2.to_bits() >> REST) - interval(START) as u64, past_middle(r2))
}

/// sum = sum × factor + row.
#[inline(always)]
fn multiply_add<S: Simd>(simd: S, sum: &mut [f64; 4], factor: f64, row: &[f64; 4]) {
    let (lanes, rest) = S::as_mut_simd_f64s(sum);
    let (rows, rest_of_row) = S::as_simd_f64s(row);
    let factors = simd.splat_f64s(factor);
    for (x, c) in lanes.iter_mut().zip(rows) {
        *x = simd.mul_add_e_f64s(*x, factors, *c);
    }
    // With more than four lanes.
    for (x, c) in rest.iter_mut().zip(rest_of_row) {
        *x = *x * factor + c;
    }
}

/// Number of the interval of R² > 0, from an arbitrary start.
#[inline(always)]
fn interval(r2: f64) -> usize {
    (r2.to_bits() >> REST) as usize
}

/// −½ … ½ along the interval.
#[inline(always)]
fn past_middle(r2: f64) -> f64 {
    let fraction = (r2.to_bits() << BITS) & ((1 << 52) - 1);
    f64::from_bits(fraction | 1.0_f64.to_bits()) - 1.5
}

/// Powers of t from the values at Chebyshev's points of −½ … ½.
fn interpolation() -> [[f64; TERMS]; TERMS] {
    let mut matrix = [[0.0; TERMS]; TERMS];
    for k in 0..TERMS {
        let mut unit = [0.0; TERMS];
        unit[k] = 1.0;
        for (power, c) in chebyshev::powers(&chebyshev::series(&unit)).into_iter().enumerate() {
            matrix[power][k] = c * f64::from(1 << power);
        }
    }
    matrix
}

/// Polynomials of the `k`-th interval; `None` if they miss the function between their points.
fn piece(
    matrix: &[[f64; TERMS]; TERMS],
    k: usize,
    value_slope: impl Fn(f64) -> (f64, f64),
) -> Option<Piece> {
    let number = |k: usize| f64::from_bits((k as u64) << REST);
    let (low, high) = (number(interval(START) + k), number(interval(START) + k + 1));
    let exact = |t: f64| {
        let r = (low + (t + 0.5) * (high - low)).sqrt();
        let (value, slope) = value_slope(r);
        [value, slope / r]
    };
    let samples: [[f64; 2]; TERMS] =
        std::array::from_fn(|k| exact(0.5 * chebyshev::point(k, TERMS)));
    let mut piece = [[0.0; 4]; TERMS / 2];
    for (power, row) in matrix.iter().enumerate() {
        for c in 0..2 {
            let sum = row.iter().zip(&samples).map(|(m, s)| m * s[c]).sum();
            piece[power / 2][c + 2 * (power % 2)] = sum;
        }
    }
    // The first and last of Chebyshev's points are within 0.01 of the ends: look at an end, and
    // half-way between the points in the middle.
    [-0.5, 0.0].iter().all(|&t| is_close(&piece, t, exact(t))).then_some(piece)
}

fn is_close(piece: &Piece, t: f64, exact: [f64; 2]) -> bool {
    let found = [0, 1].map(|c| {
        let rows = piece.iter().rev();
        rows.fold(0.0, |sum, row| sum * t * t + row[c] + t * row[c + 2])
    });
    (0..2).all(|c| (found[c] - exact[c]).abs() <= TOLERANCE * exact[c].abs())
}
