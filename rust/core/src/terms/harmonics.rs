//! Real solid harmonics for a block of unit vectors at once, and their gradients.

use std::sync::LazyLock;

use pulp::Simd;

use super::lanes::{LANES, Lanes, ZERO, add_product, add_scaled, scaled};

/// Largest degree.
pub(super) const LMAX: usize = 4;
/// Number of harmonics up to it.
pub(super) const COUNT: usize = (LMAX + 1) * (LMAX + 1);

/// S_lm of unit vectors for l ≤ lmax at index l² + l + m, normalised so that
/// Σ_m S_lm(u) S_lm(v) = P_l(u·v), by the recursion of T. Helgaker, P. Jørgensen and J. Olsen,
/// Molecular Electronic-Structure Theory (2000), section 6.4.
#[inline(always)]
pub(super) fn harmonics<S: Simd>(simd: S, lmax: usize, u: &[Lanes; 3], out: &mut [Lanes]) {
    out[0] = [1.0; LANES];
    for l in 0..lmax {
        let at = |m: isize| (l * l + l).wrapping_add_signed(m);
        let above = |m: isize| ((l + 1) * (l + 2)).wrapping_add_signed(m);
        let (top, n) = (l as isize, l as f64);
        let factor = (if l == 0 { 2.0 } else { 1.0 } * (2.0 * n + 1.0) / (2.0 * n + 2.0)).sqrt();
        let (x, y) = (scaled(simd, factor, &u[0]), scaled(simd, factor, &u[1]));
        let (high, low) = (out[at(top)], out[at(-top)]);
        let (mut first, mut last) = (ZERO, ZERO);
        add_product(simd, &mut first, &x, &high);
        add_product(simd, &mut last, &y, &high);
        if l > 0 {
            add_product(simd, &mut first, &scaled(simd, -1.0, &y), &low);
            add_product(simd, &mut last, &x, &low);
        }
        (out[above(top + 1)], out[above(-top - 1)]) = (first, last);
        for m in -top..=top {
            let k = m as f64;
            let scale = 1.0 / ((n + k + 1.0) * (n - k + 1.0)).sqrt();
            let mut sum = ZERO;
            let z = scaled(simd, scale * (2.0 * n + 1.0), &u[2]);
            add_product(simd, &mut sum, &z, &out[at(m)]);
            if m.abs() < top {
                let below = -scale * ((n + k) * (n - k)).sqrt();
                add_scaled(simd, &mut sum, below, &out[((l - 1) * l).wrapping_add_signed(m)]);
            }
            out[above(m)] = sum;
        }
    }
}

/// S_lm of one unit vector for l ≤ 4.
pub fn harmonics_of(u: [f64; 3]) -> [f64; COUNT] {
    let mut lanes = [ZERO; COUNT];
    harmonics(pulp::Scalar::new(), LMAX, &u.map(|x| [x; LANES]), &mut lanes);
    lanes.map(|s| s[0])
}

/// ∇S_lm at one unit vector; zero for l = 0 and where there is no such harmonic.
pub fn harmonic_gradient(l: usize, m: isize, u: [f64; 3]) -> [f64; 3] {
    if l > LMAX || m.unsigned_abs() > l {
        return [0.0; 3];
    }
    let lower = harmonics_of(u);
    let sum = |d: Derivative| d.iter().map(|(j, factor)| factor * lower[*j]).sum();
    GRADIENTS[(l * l + l).wrapping_add_signed(m)].map(sum)
}

/// A derivative of a harmonic: factors times harmonics one degree lower, by index.
type Derivative = [(usize, f64); 2];

/// ∂S_lm/∂x, ∂y, ∂z of the homogeneous polynomials, by index; unused places have factor 0.
pub(super) static GRADIENTS: LazyLock<[[Derivative; 3]; COUNT]> = LazyLock::new(|| {
    let mut all = [[[(0, 0.0); 2]; 3]; COUNT];
    for l in 1..=LMAX {
        for m in -(l as isize)..=(l as isize) {
            all[(l * l + l).wrapping_add_signed(m)] = gradient(l as isize, m);
        }
    }
    all
});

/// With a = √((l+m)(l+m−1)) and b = √((l−m)(l−m−1)), m counted from zero and C, S the cosine and sine
/// members: ∂x C_m = (a C_{m−1} − b C_{m+1})/2 and so on, from the ladder relations of the complex
/// harmonics (Helgaker et al.); C_0 counts √2 times as a neighbour of C_1.
fn gradient(l: isize, m: isize) -> [Derivative; 3] {
    let k = m.abs();
    // A member of degree l − 1, with no factor where there is none.
    let term = |m: isize, factor: f64| {
        if m.abs() < l { (((l - 1) * l + m) as usize, factor) } else { (0, 0.0) }
    };
    let down = 0.5 * (((l + k) * (l + k - 1)) as f64).sqrt();
    let up = 0.5 * (((l - k) * (l - k - 1)) as f64).sqrt();
    let along = (((l - k) * (l + k)) as f64).sqrt();
    let root = std::f64::consts::SQRT_2;
    let cosine = if k == 1 { root * down } else { down };
    let sine = if k == 1 { 0.0 } else { down };
    let z = [term(m, along), (0, 0.0)];
    match m {
        0 => [[term(1, -root * up), (0, 0.0)], [term(-1, -root * up), (0, 0.0)], z],
        1.. => {
            [[term(k - 1, cosine), term(k + 1, -up)], [term(1 - k, -sine), term(-k - 1, -up)], z]
        }
        _ => [[term(1 - k, sine), term(-k - 1, -up)], [term(k - 1, cosine), term(k + 1, up)], z],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P_l(x) by Bonnet's recursion.
    fn legendre(l: usize, x: f64) -> f64 {
        let (mut before, mut last) = (1.0, x);
        if l == 0 {
            return before;
        }
        for k in 1..l {
            let n = k as f64;
            (before, last) = (last, ((2.0 * n + 1.0) * x * last - n * before) / (n + 1.0));
        }
        last
    }

    fn unit(angle: f64, height: f64) -> [f64; 3] {
        let s = (1.0 - height * height).sqrt();
        [s * angle.cos(), s * angle.sin(), height]
    }

    fn at(u: [f64; 3]) -> [f64; COUNT] {
        let mut out = [ZERO; COUNT];
        harmonics(pulp::Scalar::new(), LMAX, &u.map(|x| [x; LANES]), &mut out);
        out.map(|lanes| lanes[3])
    }

    #[test]
    fn addition_theorem() {
        for k in 0..20 {
            let t = f64::from(k);
            let (u, v) = (unit(t, (0.3 * t).sin()), unit(2.1 * t + 1.0, (0.7 * t).cos()));
            let cosine: f64 = (0..3).map(|d| u[d] * v[d]).sum();
            let (a, b) = (at(u), at(v));
            for l in 0..=LMAX {
                let sum: f64 = (l * l..(l + 1) * (l + 1)).map(|i| a[i] * b[i]).sum();
                assert!((sum - legendre(l, cosine)).abs() < 1e-13, "l = {l}: {sum}");
            }
        }
    }

    /// Σ_m S_lm(u) ∇S_lm(v) = P_l′ (u − v cos) + l v P_l, v of length one.
    #[test]
    fn gradients_follow_from_the_addition_theorem() {
        let (u, v) = (unit(0.4, -0.3), unit(2.0, 0.6));
        let cosine: f64 = (0..3).map(|d| u[d] * v[d]).sum();
        let (a, b) = (at(u), at(v));
        for l in 1..=LMAX {
            let n = l as f64;
            let slope = n * (legendre(l - 1, cosine) - cosine * legendre(l, cosine))
                / (1.0 - cosine * cosine);
            for d in 0..3 {
                let found: f64 = (l * l..(l + 1) * (l + 1))
                    .map(|i| a[i] * GRADIENTS[i][d].iter().map(|(j, c)| c * b[*j]).sum::<f64>())
                    .sum();
                let expected = slope * (u[d] - v[d] * cosine) + n * v[d] * legendre(l, cosine);
                assert!((found - expected).abs() < 1e-12, "l = {l}, axis {d}: {found} {expected}");
            }
        }
    }

    /// One harmonic at a time: Euler's theorem, and a vanishing Laplacian.
    #[test]
    fn harmonics_are_homogeneous_and_harmonic() {
        let u = unit(0.4, -0.3);
        let s = at(u);
        for (index, gradient) in GRADIENTS.iter().enumerate() {
            let l = (index as f64).sqrt().floor();
            let of = |d: usize| gradient[d].iter().map(|(j, c)| c * s[*j]).sum::<f64>();
            let euler: f64 = (0..3).map(|d| u[d] * of(d)).sum();
            assert!((euler - l * s[index]).abs() < 1e-13, "index {index}");
            let second = |d: usize, (j, c): (usize, f64)| {
                c * GRADIENTS[j][d].iter().map(|(i, c)| c * s[*i]).sum::<f64>()
            };
            let laplacian: f64 =
                (0..3).flat_map(|d| gradient[d].iter().map(move |t| second(d, *t))).sum();
            assert!(laplacian.abs() < 1e-12, "index {index}");
        }
    }
}
