//! Arithmetic on blocks of numbers, with the vector instructions of the machine.

use pulp::Simd;

/// Numbers handled together.
pub(super) const LANES: usize = 8;
/// One number for each neighbour of a block.
pub(super) type Lanes = [f64; LANES];
/// All zero.
pub(super) const ZERO: Lanes = [0.0; LANES];

/// sum += a × b.
#[inline(always)]
pub(super) fn add_product<S: Simd>(simd: S, sum: &mut Lanes, a: &Lanes, b: &Lanes) {
    let (sum, a, b) = (S::as_mut_simd_f64s(sum).0, S::as_simd_f64s(a).0, S::as_simd_f64s(b).0);
    for (x, (a, b)) in sum.iter_mut().zip(a.iter().zip(b)) {
        *x = simd.mul_add_e_f64s(*a, *b, *x);
    }
}

/// sum += factor × a.
#[inline(always)]
pub(super) fn add_scaled<S: Simd>(simd: S, sum: &mut Lanes, factor: f64, a: &Lanes) {
    let factor = simd.splat_f64s(factor);
    for (x, a) in S::as_mut_simd_f64s(sum).0.iter_mut().zip(S::as_simd_f64s(a).0) {
        *x = simd.mul_add_e_f64s(factor, *a, *x);
    }
}

/// factor × a.
#[inline(always)]
pub(super) fn scaled<S: Simd>(simd: S, factor: f64, a: &Lanes) -> Lanes {
    let mut out = ZERO;
    add_scaled(simd, &mut out, factor, a);
    out
}
