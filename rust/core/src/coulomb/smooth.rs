//! The smooth part of a screened interaction as polynomials in R².
//!
//! erfc(αR)/R = 1/R − E(R²), and −(1/R) d/dR of it = 1/R³ − G(R²) with E = erf(αR)/R, G = −2E′; both
//! are entire functions of R² and have rapidly converging Chebyshev series.

use std::f64::consts::PI;

use pulp::Simd;

use crate::chebyshev;

/// Highest degree; enough for 1e-14 at α·rc = 6.
const MAX_DEGREE: usize = 40;

/// E and G on 0 … rc², by powers of y = 2R²/rc² − 1.
#[derive(Debug, Clone)]
pub(super) struct Smooth {
    scale: f64,
    /// (E, G), highest power first.
    powers: Vec<[f64; 2]>,
}

impl Smooth {
    /// For α (Å⁻¹) and a cutoff rc (Å): errors well below `accuracy` of a force 1/rc².
    pub(super) fn new(alpha: f64, cutoff: f64, accuracy: f64) -> Self {
        let jet = |u: f64| smooth_part(alpha, u.sqrt());
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

    /// erfc(αR)/R and −(1/R) d/dR of it, at R² ≤ rc² (Å⁻¹, Å⁻³).
    #[inline(always)]
    pub(super) fn kernel<S: Simd>(&self, simd: S, r2: S::f64s) -> [S::f64s; 2] {
        let one = simd.splat_f64s(1.0);
        let y = simd.mul_add_e_f64s(simd.splat_f64s(self.scale), r2, simd.splat_f64s(-1.0));
        let (mut e, mut g) = (simd.splat_f64s(0.0), simd.splat_f64s(0.0));
        for [a, b] in &self.powers {
            e = simd.mul_add_e_f64s(e, y, simd.splat_f64s(*a));
            g = simd.mul_add_e_f64s(g, y, simd.splat_f64s(*b));
        }
        let inverse = simd.div_f64s(one, simd.sqrt_f64s(r2));
        let cube = simd.mul_f64s(simd.mul_f64s(inverse, inverse), inverse);
        [simd.sub_f64s(inverse, e), simd.sub_f64s(cube, g)]
    }
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
}
