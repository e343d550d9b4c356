//! Screened interactions as polynomials in R².
//!
//! erfc(αR)/R = 1/R − E(R²), and −(1/R) d/dR of it = 1/R³ − G(R²) with E = erf(αR)/R, G = −2E′; both
//! are entire functions of R² and have rapidly converging Chebyshev series. So has what lies between
//! two splittings, [erf(βR) − erf(αR)]/R: it needs no square root.

use std::f64::consts::PI;

use pulp::Simd;

use crate::chebyshev;

/// Highest degree; enough for 1e-14 at α·rc = [`MAX_REACH`].
const MAX_DEGREE: usize = 40;
/// Largest α·rc.
pub(super) const MAX_REACH: f64 = 6.0;

/// E and G on 0 … rc², by powers of y = 2R²/rc² − 1; with `BARE` those that are taken from 1/R.
#[derive(Debug, Clone)]
pub(super) struct Smooth<const BARE: bool> {
    scale: f64,
    /// (E, G), highest power first.
    powers: Vec<[f64; 2]>,
}

impl Smooth<true> {
    /// erfc(αR)/R for α (Å⁻¹) up to a cutoff rc (Å): errors well below `accuracy` of a force 1/rc².
    pub(super) fn new(alpha: f64, cutoff: f64, accuracy: f64) -> Self {
        Self::fit(cutoff, accuracy, |r| smooth_part(alpha, r))
    }
}

impl Smooth<false> {
    /// [erf(βR) − erf(αR)]/R for α < β (Å⁻¹), as accurate as [`Smooth::new`].
    pub(super) fn between([alpha, beta]: [f64; 2], cutoff: f64, accuracy: f64) -> Self {
        Self::fit(cutoff, accuracy, |r| {
            let [wide, narrow] = [alpha, beta].map(|splitting| smooth_part(splitting, r));
            [0, 1].map(|k| narrow[k] - wide[k])
        })
    }
}

impl<const BARE: bool> Smooth<BARE> {
    fn fit(cutoff: f64, accuracy: f64, parts: impl Fn(f64) -> [f64; 2]) -> Self {
        let jet = |u: f64| parts(u.sqrt());
        let n = MAX_DEGREE + 1;
        let at = |k: usize| jet(0.5 * cutoff * cutoff * (chebyshev::point(k, n) + 1.0));
        let jets: Vec<_> = (0..n).map(at).collect();
        let [value, slope] =
            [0, 1].map(|c| chebyshev::series(&jets.iter().map(|jet| jet[c]).collect::<Vec<_>>()));
        let small = 0.01 * accuracy.max(1e-13) / cutoff;
        let degree = [(&value, small), (&slope, small / (cutoff * cutoff))]
            .map(|(series, small)| series.iter().rposition(|c| c.abs() > small).unwrap_or(0));
        let degree = degree[0].max(degree[1]);
        let (value, slope) =
            (chebyshev::powers(&value[..=degree]), chebyshev::powers(&slope[..=degree]));
        let powers = value.into_iter().zip(slope).rev().map(|(e, g)| [e, g]).collect();
        Self { scale: 2.0 / (cutoff * cutoff), powers }
    }

    /// The interaction at R² ≤ rc², Å⁻¹.
    #[inline(always)]
    pub(super) fn value<S: Simd>(&self, simd: S, r2: S::f64s) -> S::f64s {
        let y = self.argument(simd, r2);
        let mut e = simd.splat_f64s(0.0);
        for [a, _] in &self.powers {
            e = simd.mul_add_e_f64s(e, y, simd.splat_f64s(*a));
        }
        if BARE { simd.sub_f64s(inverse_root(simd, r2), e) } else { e }
    }

    /// The interaction and −(1/R) d/dR of it, at R² ≤ rc² (Å⁻¹, Å⁻³).
    #[inline(always)]
    pub(super) fn kernel<S: Simd>(&self, simd: S, r2: S::f64s) -> [S::f64s; 2] {
        let y = self.argument(simd, r2);
        let (mut e, mut g) = (simd.splat_f64s(0.0), simd.splat_f64s(0.0));
        for [a, b] in &self.powers {
            e = simd.mul_add_e_f64s(e, y, simd.splat_f64s(*a));
            g = simd.mul_add_e_f64s(g, y, simd.splat_f64s(*b));
        }
        if !BARE {
            return [e, g];
        }
        let inverse = inverse_root(simd, r2);
        let cube = simd.mul_f64s(simd.mul_f64s(inverse, inverse), inverse);
        [simd.sub_f64s(inverse, e), simd.sub_f64s(cube, g)]
    }

    #[inline(always)]
    fn argument<S: Simd>(&self, simd: S, r2: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(simd.splat_f64s(self.scale), r2, simd.splat_f64s(-1.0))
    }
}

#[inline(always)]
fn inverse_root<S: Simd>(simd: S, r2: S::f64s) -> S::f64s {
    simd.div_f64s(simd.splat_f64s(1.0), simd.sqrt_f64s(r2))
}

/// E and G at R > 0.
fn smooth_part(alpha: f64, r: f64) -> [f64; 2] {
    let value = libm::erf(alpha * r) / r;
    let gaussian = 2.0 * alpha / PI.sqrt() * (-(alpha * r).powi(2)).exp();
    [value, (value - gaussian) / (r * r)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_is_the_screened_interaction() {
        for (alpha, cutoff, accuracy) in [(0.3, 8.0, 1e-4), (0.6, 9.0, 1e-10), (1.2, 4.0, 1e-6)] {
            let smooth = Smooth::new(alpha, cutoff, accuracy);
            for k in 1..100 {
                let r = cutoff * f64::from(k) / 100.0;
                let [kernel, slope] = smooth.kernel(pulp::Scalar::new(), r * r);
                let exact = super::super::screened(alpha, r).map(|x| x / crate::COULOMB);
                let force = (exact[0] / r - exact[1]) / (r * r);
                assert!((kernel - exact[0] / r).abs() < 0.1 * accuracy / cutoff, "{r}");
                assert!((slope - force).abs() * r < 0.1 * accuracy / (cutoff * cutoff), "{r}");
            }
        }
    }

    #[test]
    fn what_lies_between_two_splittings_is_their_difference() {
        for (splittings, cutoff, accuracy) in [([0.5, 0.85], 7.0, 1e-6), ([0.9, 1.1], 5.4, 1e-11)] {
            let smooth = Smooth::between(splittings, cutoff, accuracy);
            for k in 0..100 {
                let r = cutoff * (f64::from(k) + 0.01) / 100.0;
                let [wide, narrow] = splittings.map(|alpha| {
                    let t = super::super::screened(alpha, r).map(|x| x / crate::COULOMB);
                    [t[0] / r, (t[0] / r - t[1]) / (r * r)]
                });
                let simd = pulp::Scalar::new();
                let [kernel, slope] = smooth.kernel(simd, r * r);
                assert_eq!(kernel, smooth.value(simd, r * r));
                // Near R = 0 the reference is a difference of large numbers.
                let rounding = 1e-15 / r.powi(3);
                assert!(
                    (kernel - (wide[0] - narrow[0])).abs() < 0.1 * accuracy / cutoff + rounding
                );
                let error = (slope - (wide[1] - narrow[1])).abs() * r;
                assert!(error < 0.1 * accuracy / (cutoff * cutoff) + rounding, "{r}: {error}");
            }
        }
    }
}
