//! A radial density as polynomials in R²: no square root, no exponential.
//!
//! 32 intervals to a factor of two in R², so that the leading bits of the number are the interval.
//! On each, the slope is interpolated and the value is its integral: eight numbers give both. Value and
//! slope/R have relative errors below 1e-9, which is checked; a density that is not that smooth has
//! no profile.

use pulp::Simd;

use super::RadialDensity;
use crate::chebyshev;

/// Coefficients on an interval: value by ascending powers of t, −½ … ½.
pub(super) type Piece = [f64; TERMS];
const TERMS: usize = 8;
/// Coefficients of the slope.
const SLOPES: usize = TERMS - 1;
/// Bits of the mantissa that count intervals.
const BITS: u32 = 5;
/// Bits below them.
const REST: u32 = 52 - BITS;
/// Profiles begin at R² = 2⁻¹⁴ Å²; the few points closer to a nucleus are evaluated directly.
pub(super) const START: f64 = 1.0 / 16384.0;
/// Largest relative error.
const TOLERANCE: f64 = 1e-9;
/// Evaluations that a profile takes, about.
pub(super) const EVALUATIONS: usize = 5000;
/// Where a piece is compared with the function: at its ends and between Chebyshev's points.
const CHECKS: [f64; 3] = [-0.5, 0.11, 0.5];

/// Value and slope/R of one density from [`START`] to its cutoff.
#[derive(Debug)]
pub(super) struct Profile {
    pieces: Vec<Piece>,
}

/// Where some squared distances lie in a profile.
pub(super) struct Place<S: Simd> {
    /// The numbers whose leading bits are the piece.
    bits: S::u64s,
    /// −½ … ½ along the piece.
    t: S::f64s,
    /// Twice dt/d(R²).
    scale: S::f64s,
}

impl Profile {
    /// `None` if the density is not smooth enough.
    pub(super) fn new(radial: &impl RadialDensity, atom: usize) -> Option<Self> {
        let matrix = interpolation();
        let last = interval(radial.cutoff() * radial.cutoff()) - interval(START);
        let pieces = (0..=last).map(|k| piece(&matrix, k, |r| radial.value_slope(atom, r)));
        Some(Self { pieces: pieces.collect::<Option<_>>()? })
    }

    /// Values and slopes/R.
    #[inline(always)]
    pub(super) fn at<S: Simd>(&self, simd: S, place: &Place<S>) -> [S::f64s; 2] {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.coefficients(simd, place);
        let (mut slope, mut value) = (c7, simd.mul_add_e_f64s(c7, place.t, c6));
        for c in [c5, c4, c3, c2, c1, c0] {
            slope = simd.mul_add_e_f64s(slope, place.t, value);
            value = simd.mul_add_e_f64s(value, place.t, c);
        }
        [value, simd.mul_f64s(slope, place.scale)]
    }

    /// The coefficients of each place, by power.
    #[inline(always)]
    fn coefficients<S: Simd>(&self, simd: S, place: &Place<S>) -> [S::f64s; TERMS] {
        // The lanes of a register divide four: see the features of `pulp`.
        let registers = 4 / S::F64_LANES;
        let mut halves = [[simd.splat_f64s(0.0); 4]; 2];
        for (lane, bits) in pulp::bytemuck::cast_slice::<_, u64>(&[place.bits]).iter().enumerate() {
            let piece = &self.pieces[(bits >> REST) as usize - interval(START)];
            for (half, part) in halves.iter_mut().zip(piece.as_chunks::<4>().0) {
                let registers = registers * lane..registers * (lane + 1);
                half[registers].copy_from_slice(S::as_simd_f64s(part).0);
            }
        }
        let [[c0, c1, c2, c3], [c4, c5, c6, c7]] =
            halves.map(|half| simd.deinterleave_shfl_f64s(half));
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }
}

impl<S: Simd> Place<S> {
    /// Places of R² ≥ [`START`].
    #[inline(always)]
    pub(super) fn of(simd: S, r2: S::f64s) -> Self {
        const EXPONENT: u64 = 0x7ff << 52;
        let bits = simd.transmute_u64s_f64s(r2);
        let first = simd.and_u64s(bits, simd.splat_u64s(!0 << REST));
        let past = simd.sub_f64s(r2, simd.transmute_f64s_u64s(first));
        // 2^(BITS − e) for numbers from 2^e: its exponent is a difference.
        let one_piece = simd.splat_u64s((2 * 1023 + u64::from(BITS)) << 52);
        let power = simd.and_u64s(bits, simd.splat_u64s(EXPONENT));
        let pieces = simd.transmute_f64s_u64s(simd.sub_u64s(one_piece, power));
        let t = simd.mul_add_e_f64s(past, pieces, simd.splat_f64s(-0.5));
        Self { bits, t, scale: simd.add_f64s(pieces, pieces) }
    }
}

/// Number of the interval of R² > 0, from an arbitrary start.
#[inline(always)]
fn interval(r2: f64) -> usize {
    (r2.to_bits() >> REST) as usize
}

/// Powers of t from the values at Chebyshev's points of −½ … ½.
fn interpolation() -> [[f64; SLOPES]; SLOPES] {
    let mut matrix = [[0.0; SLOPES]; SLOPES];
    for k in 0..SLOPES {
        let mut unit = [0.0; SLOPES];
        unit[k] = 1.0;
        for (power, c) in chebyshev::powers(&chebyshev::series(&unit)).into_iter().enumerate() {
            matrix[power][k] = c * f64::from(1 << power);
        }
    }
    matrix
}

/// Polynomial of the `k`-th interval; `None` if it misses the function.
fn piece(
    matrix: &[[f64; SLOPES]; SLOPES],
    k: usize,
    value_slope: impl Fn(f64) -> (f64, f64),
) -> Option<Piece> {
    let number = |k: usize| f64::from_bits((k as u64) << REST);
    let (low, high) = (number(interval(START) + k), number(interval(START) + k + 1));
    // Value and its derivative in t.
    let exact = |t: f64| {
        let r = (low + (t + 0.5) * (high - low)).sqrt();
        let (value, slope) = value_slope(r);
        [value, 0.5 * slope / r * (high - low)]
    };
    let samples: [[f64; 2]; SLOPES] =
        std::array::from_fn(|k| exact(0.5 * chebyshev::point(k, SLOPES)));
    let mut piece = [0.0; TERMS];
    // The point in the middle is t = 0.
    piece[0] = samples[SLOPES / 2][0];
    for (power, row) in matrix.iter().enumerate() {
        let sum: f64 = row.iter().zip(&samples).map(|(m, s)| m * s[1]).sum();
        piece[power + 1] = sum / (power + 1) as f64;
    }
    CHECKS.iter().all(|&t| is_close(&piece, t, exact(t))).then_some(piece)
}

fn is_close(piece: &Piece, t: f64, exact: [f64; 2]) -> bool {
    let (value, slope) = piece.iter().rev().fold((0.0, 0.0), |(v, s), c| (v * t + c, s * t + v));
    [value, slope].iter().zip(exact).all(|(x, y)| (x - y).abs() <= TOLERANCE * y.abs())
}
