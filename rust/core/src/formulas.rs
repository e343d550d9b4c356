//! Every scalar formula of the model, once; each returns its value with its derivatives.
//!
//! A [`Jet`] is (value, first derivative, second derivative) with respect to the argument.

use std::f64::consts::PI;

/// Value, slope and curvature of a function of one variable.
pub type Jet = [f64; 3];

/// Jet of a product f·g (Leibniz).
#[inline]
pub fn product(f: Jet, g: Jet) -> Jet {
    [f[0] * g[0], f[1] * g[0] + f[0] * g[1], f[2] * g[0] + 2.0 * f[1] * g[1] + f[0] * g[2]]
}

/// Jet of the sum f + g.
#[inline]
pub fn sum(f: Jet, g: Jet) -> Jet {
    [f[0] + g[0], f[1] + g[1], f[2] + g[2]]
}

/// Jet of a constant times f.
#[inline]
pub fn scaled(factor: f64, f: Jet) -> Jet {
    f.map(|x| factor * x)
}

/// Normalised 1s Slater density ζ³/(8π) exp(−ζ r), e/Å³ for one electron (design 2.2).
#[inline]
pub fn slater(zeta: f64, r: f64) -> Jet {
    let value = zeta * zeta * zeta / (8.0 * PI) * (-zeta * r).exp();
    [value, -zeta * value, zeta * zeta * value]
}

/// Electrostatic potential of a normalised 1s Slater charge over the Coulomb constant, 1/Å:
/// (1 − (1 + ζr/2) exp(−ζr))/r, and ζ/2 at the centre.
#[inline]
pub fn slater_potential(zeta: f64, r: f64) -> f64 {
    let x = zeta * r;
    if x < 1e-5 {
        // The next term of the series is −ζ x²/12.
        return 0.5 * zeta;
    }
    (-(-x).exp_m1() - 0.5 * x * (-x).exp()) / r
}

/// ∬ρ_a ρ_b/r of two 1s Slater charges on one centre over the Coulomb constant, 1/Å.
#[inline]
pub fn slater_repulsion_at_centre(a: f64, b: f64) -> f64 {
    a * b * (a * a + 3.0 * a * b + b * b) / (2.0 * (a + b).powi(3))
}

/// ∫ρ_a ρ_b of two 1s Slater charges on one centre, Å⁻³.
#[inline]
pub fn slater_overlap_at_centre(a: f64, b: f64) -> f64 {
    (a * b / (a + b)).powi(3) / (8.0 * PI)
}

/// (c₀ + c₁ r + c₂ r² + c₃ r³) exp(−ζ r): the building block of the charge penetration.
#[inline]
pub fn polynomial_exponential(zeta: f64, c: [f64; 4], r: f64) -> Jet {
    let p = c[0] + r * (c[1] + r * (c[2] + r * c[3]));
    let p1 = c[1] + r * (2.0 * c[2] + 3.0 * r * c[3]);
    let p2 = 2.0 * c[2] + 6.0 * r * c[3];
    let e = (-zeta * r).exp();
    [p * e, (p1 - zeta * p) * e, (p2 - 2.0 * zeta * p1 + zeta * zeta * p) * e]
}

/// amplitude · exp(−decay · r).
#[inline]
pub fn exponential(amplitude: f64, decay: f64, r: f64) -> Jet {
    let value = amplitude * (-decay * r).exp();
    [value, -decay * value, decay * decay * value]
}

/// Smooth switch: 1 below `radius − width`, 0 from `radius` on, quintic between (C²).
#[inline]
pub fn switch(radius: f64, width: f64, r: f64) -> Jet {
    if r >= radius {
        return [0.0; 3];
    }
    let x = (radius - r) / width;
    if x.is_nan() || x >= 1.0 {
        return [1.0, 0.0, 0.0];
    }
    let y = 1.0 - x;
    let slope = 30.0 * x * x * y * y;
    let curvature = 60.0 * x * y * (y - x);
    [x * x * x * (10.0 - 15.0 * x + 6.0 * x * x), -slope / width, curvature / (width * width)]
}

/// Cutoff function (1 − r²/c²)³ of the learned terms; zero from the cutoff c on (C²).
#[inline]
pub fn smooth_cutoff(cutoff: f64, r: f64) -> Jet {
    if r >= cutoff {
        return [0.0; 3];
    }
    let inverse = 1.0 / (cutoff * cutoff);
    let (u, slope) = (1.0 - r * r * inverse, -2.0 * r * inverse);
    [u * u * u, 3.0 * u * u * slope, 6.0 * u * slope * slope - 6.0 * u * u * inverse]
}

/// exp(−η (r² − c²/4)): a Gaussian that is one at half the distance c.
#[inline]
pub fn gaussian(eta: f64, c: f64, r: f64) -> Jet {
    let value = (-eta * (r * r - 0.25 * c * c)).exp();
    [value, -2.0 * eta * r * value, (4.0 * eta * r * eta * r - 2.0 * eta) * value]
}

/// sin(a r)/(b r): a spherical Bessel function of order zero.
#[inline]
pub fn bessel(a: f64, b: f64, r: f64) -> Jet {
    let x = a * r;
    let sinc = if x < 1e-2 {
        let y = x * x;
        [1.0 - y / 6.0 * (1.0 - y / 20.0), -x / 3.0 * (1.0 - y / 10.0), -1.0 / 3.0 + y / 10.0]
    } else {
        let value = x.sin() / x;
        let slope = (x.cos() - value) / x;
        [value, slope, -value - 2.0 * slope / x]
    };
    [a / b * sinc[0], a / b * a * sinc[1], a / b * a * a * sinc[2]]
}

/// Chebyshev polynomial T_{k+1} from T_k and T_{k−1} and the jet of the argument.
#[inline]
pub fn chebyshev(argument: Jet, last: Jet, before: Jet) -> Jet {
    let next = scaled(2.0, product(argument, last));
    sum(next, scaled(-1.0, before))
}

/// √p(s) − √p(0) with p(s) = (s + √(s² + δ²))/2: √s for s ≫ δ, analytic everywhere.
#[inline]
pub fn smooth_root(delta: f64, s: f64) -> Jet {
    let h = s.hypot(delta);
    // p = (s + h)/2 and p′ = p/h; for s < 0 the sum would cancel.
    let p = if s >= 0.0 { 0.5 * (s + h) } else { 0.5 * delta * delta / (h - s) };
    let root = p.sqrt();
    let slope = 0.5 * root / h;
    [root - (0.5 * delta).sqrt(), slope, slope * (0.5 - s / h) / h]
}

/// The four uniform cubic B-splines that are not zero at t ∈ [0, 1] between two knots, with
/// derivatives in t (C. de Boor, A Practical Guide to Splines, 1978).
#[inline]
pub fn b_splines(t: f64) -> [Jet; 4] {
    let s = 1.0 - t;
    [
        [s * s * s / 6.0, -0.5 * s * s, s],
        [(4.0 + t * t * (3.0 * t - 6.0)) / 6.0, t * (1.5 * t - 2.0), 3.0 * t - 2.0],
        [(4.0 + s * s * (3.0 * s - 6.0)) / 6.0, -s * (1.5 * s - 2.0), 3.0 * s - 2.0],
        [t * t * t / 6.0, 0.5 * t * t, t],
    ]
}

/// Embedding energy Σ_k c_k s^k, s = √(ρ̄ + shift) − √shift, k = 1 … n; zero at ρ̄ = 0 with a
/// finite slope. A polynomial in √ρ̄ as in the second-moment model, shifted to stay analytic.
#[inline]
pub fn root_polynomial(shift: f64, coefficients: &[f64], background: f64) -> Jet {
    let root = (background + shift).sqrt();
    let s = root - shift.sqrt();
    let (mut p, mut p1, mut p2) = (0.0, 0.0, 0.0);
    for &c in coefficients.iter().rev() {
        p2 = p2 * s + 2.0 * p1;
        p1 = p1 * s + p;
        p = p * s + c;
    }
    // F = s·p(s), and ds/dρ̄ = 1/(2 root).
    let (f, f1, f2) = (s * p, p + s * p1, 2.0 * p1 + s * p2);
    let s1 = 0.5 / root;
    let s2 = -0.5 * s1 / (root * root);
    [f, f1 * s1, f2 * s1 * s1 + f1 * s2]
}

/// Ensemble entropy density ω ln ω (0 at ω = 0) and its first two derivatives.
#[inline]
pub fn entropy(weight: f64) -> Jet {
    if weight <= 0.0 {
        return [0.0, f64::NEG_INFINITY, f64::INFINITY];
    }
    let log = weight.ln();
    [weight * log, log + 1.0, 1.0 / weight]
}

/// Geometric mean of the four weights of a charge-transfer channel (design 2.3).
///
/// With G the mean and y = v/ω along a direction v: ∂G/∂ω_a = G/(4ω_a) and
/// (∇²G v)_a = G/(16 ω_a) (Σ_b y_b − 4 y_a).
#[inline]
pub fn resonance_mean(weights: [f64; 4]) -> f64 {
    // Two square roots of products of two: no underflow for weights down to 1e-150.
    ((weights[0] * weights[2]).sqrt() * (weights[1] * weights[3]).sqrt()).sqrt()
}

/// f, f₁ = f′/r, f₂ = f₁′/r and f₃ = f₂′/r of f = 1/r, given r²: Å⁻¹, Å⁻³, Å⁻⁵, Å⁻⁷.
#[inline]
pub fn point_multipole(r2: f64) -> [f64; 4] {
    let inverse2 = 1.0 / r2;
    let f = inverse2.sqrt();
    [f, -f * inverse2, 3.0 * f * inverse2 * inverse2, -15.0 * f * inverse2 * inverse2 * inverse2]
}

/// f₁, f₂ and f₃ of erfc(αr)/r by the recursion of W. Smith, CCP5 Quarterly 4, 13 (1982): −B₁, B₂,
/// −B₃ with B_n = [(2n − 1) B_{n−1} + (2α²)ⁿ/(α√π) exp(−α²r²)]/r².
#[inline]
pub fn screened_multipole(alpha: f64, r: f64) -> [f64; 3] {
    let (square, inverse) = (alpha * alpha, 1.0 / (r * r));
    let twice = 2.0 * square;
    let gaussian = (-square * r * r).exp() / (alpha * PI.sqrt());
    let b0 = libm::erfc(alpha * r) / r;
    let b1 = (b0 + twice * gaussian) * inverse;
    let b2 = (3.0 * b1 + twice * twice * gaussian) * inverse;
    let b3 = (5.0 * b2 + twice * twice * twice * gaussian) * inverse;
    [-b1, b2, -b3]
}

/// f₁ and f₂ of a charge and a dipole, f₁, f₂ and f₃ of two dipoles: 1/r less its Taylor series about
/// the cutoff c to one order more than there are derivatives in the force, so that forces vanish there
/// (M. Lamichhane, J. D. Gezelter & K. E. Newman, J. Chem. Phys. 141, 134109 (2014), "Taylor-shifted"):
/// quadratic for a charge and a dipole, cubic for two dipoles, as it is linear for two charges.
#[inline]
pub fn shifted_multipole(cutoff: f64, r: f64) -> [f64; 5] {
    if r >= cutoff {
        return [0.0; 5];
    }
    let (x, u, v) = (r - cutoff, 1.0 / r, 1.0 / cutoff);
    let (u3, v3) = (u * u * u, v * v * v);
    let (u4, v4) = (u3 * u, v3 * v);
    let slope = v * v - u * u - 2.0 * v3 * x;
    let curvature = 2.0 * (u3 - v3);
    // Of two dipoles; f₁ = f′/r, f₂ = (f″ − f₁)/r², f₃ = (f‴/r − 3 f₂)/r².
    let (steep, bent) = (slope + 3.0 * v4 * x * x, curvature + 6.0 * v4 * x);
    let (charge, first) = (slope * u, steep * u);
    let second = (bent - first) * u * u;
    let third = (6.0 * (v4 - u4) * u - 3.0 * second) * u * u;
    [charge, (curvature - charge) * u * u, first, second, third]
}

/// Energy −x_i m_i·d + x_j m_j·d − b₁ m_i·m_j − b₂ (m_i·d)(m_j·d) of a pair of atoms with dipoles, d
/// from the first to the second; x_i, x_j, b₁, b₂ are `by`.
#[inline]
pub fn dipole_energy(by: [f64; 4], d: &[f64; 3], mi: &[f64; 3], mj: &[f64; 3]) -> f64 {
    let (along_i, along_j) = (inner(mi, d), inner(mj, d));
    by[1] * along_j - by[0] * along_i - by[2] * inner(mi, mj) - by[3] * along_i * along_j
}

/// Its derivative in d, given the derivatives `by_r` of `by` in r over r.
#[inline]
pub fn dipole_slope(
    by: [f64; 4],
    by_r: [f64; 4],
    d: &[f64; 3],
    mi: &[f64; 3],
    mj: &[f64; 3],
) -> [f64; 3] {
    let radial = dipole_energy(by_r, d, mi, mj);
    let of_i = -by[0] - by[3] * inner(mj, d);
    let of_j = by[1] - by[3] * inner(mi, d);
    [0, 1, 2].map(|p| radial * d[p] + of_i * mi[p] + of_j * mj[p])
}

/// Its derivative in m_i that is due to m_j: −b₁ m_j − b₂ (m_j·d) d.
#[inline]
pub fn dipole_gradient(b1: f64, b2: f64, d: &[f64; 3], m: &[f64; 3]) -> [f64; 3] {
    let along = b2 * inner(m, d);
    [0, 1, 2].map(|p| -b1 * m[p] - along * d[p])
}

#[inline]
fn inner(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of value and slope reproduce slope and curvature.
    fn check(f: impl Fn(f64) -> Jet, x: f64, h: f64) {
        let (m, c, p) = (f(x - h), f(x), f(x + h));
        let scale = c.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
        assert!(((p[0] - m[0]) / (2.0 * h) - c[1]).abs() < 1e-6 * scale, "slope at {x}");
        assert!(((p[1] - m[1]) / (2.0 * h) - c[2]).abs() < 1e-6 * scale, "curvature at {x}");
    }

    #[test]
    fn derivatives_match_central_differences() {
        for k in 1..60 {
            let x = 0.1 * f64::from(k);
            check(|r| slater(3.1, r), x, 1e-5);
            check(|r| polynomial_exponential(1.7, [0.3, -1.0, 0.5, 0.2], r), x, 1e-5);
            check(|r| exponential(4.0, 2.0, r), x, 1e-5);
            check(|r| product(slater(2.0, r), switch(6.0, 1.5, r)), x, 1e-5);
            check(|r| root_polynomial(0.01, &[-2.0, 1.0, 0.3, -0.1], r), x, 1e-5);
            check(entropy, x, 1e-5);
        }
    }

    #[test]
    fn slater_potential_obeys_poisson() {
        // (r V)″ = −4π r ρ, by central differences; and the two branches meet.
        let h = 1e-4;
        for r in [0.1, 0.5, 1.0, 2.0] {
            let f = |r: f64| r * slater_potential(2.3, r);
            let curvature = (f(r + h) - 2.0 * f(r) + f(r - h)) / (h * h);
            assert!((curvature + 4.0 * PI * r * slater(2.3, r)[0]).abs() < 1e-6);
        }
        assert!((slater_potential(2.0, 0.499e-5) - slater_potential(2.0, 0.501e-5)).abs() < 1e-9);
    }

    #[test]
    fn integrals_at_a_centre_are_those_of_the_radial_functions() {
        // Midpoint rule on r; the integrands vanish at both ends.
        let (a, b, h) = (2.0, 5.0, 1e-4);
        let (mut repulsion, mut overlap) = (0.0, 0.0);
        for k in 0..200_000 {
            let r = h * (f64::from(k) + 0.5);
            let shell = 4.0 * PI * r * r * h * slater(a, r)[0];
            repulsion += shell * slater_potential(b, r);
            overlap += shell * slater(b, r)[0];
        }
        assert!((repulsion - slater_repulsion_at_centre(a, b)).abs() < 1e-7);
        assert!((overlap - slater_overlap_at_centre(a, b)).abs() < 1e-7);
    }

    #[test]
    fn switch_is_one_then_zero() {
        assert_eq!(switch(5.0, 1.0, 3.9), [1.0, 0.0, 0.0]);
        assert_eq!(switch(5.0, 1.0, 5.0), [0.0; 3]);
        assert_eq!(switch(5.0, 0.0, 4.999), [1.0, 0.0, 0.0]);
        let near = switch(5.0, 1.0, 5.0 - 1e-4);
        assert!(near[0] < 2e-11 && near[1].abs() < 1e-6 && near[2].abs() < 1e-2);
    }

    #[test]
    fn embedding_vanishes_without_neighbours() {
        assert_eq!(root_polynomial(0.01, &[-2.0, 1.0], 0.0)[0], 0.0);
    }
}
