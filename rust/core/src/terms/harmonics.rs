//! Real solid harmonics with gradients, for a block of unit vectors at once.

use pulp::Simd;

use super::lanes::{LANES, Lanes, ZERO, add_product, add_scaled, scaled};

/// Value and Cartesian derivatives.
pub(super) type Harmonic = [Lanes; 4];

/// S_lm of unit vectors for l ≤ lmax at index l² + l + m, normalised so that
/// Σ_m S_lm(u) S_lm(v) = P_l(u·v), by the recursion of T. Helgaker, P. Jørgensen and J. Olsen,
/// Molecular Electronic-Structure Theory (2000), section 6.4. Derivatives are those of the
/// homogeneous polynomials.
#[inline(always)]
pub(super) fn harmonics<S: Simd>(simd: S, lmax: usize, u: &[Lanes; 3], out: &mut [Harmonic]) {
    out[0] = [[1.0; LANES], ZERO, ZERO, ZERO];
    for l in 0..lmax {
        let at = |m: isize| (l * l + l).wrapping_add_signed(m);
        let above = |m: isize| ((l + 1) * (l + 2)).wrapping_add_signed(m);
        let (top, n) = (l as isize, l as f64);
        let factor = (if l == 0 { 2.0 } else { 1.0 } * (2.0 * n + 1.0) / (2.0 * n + 2.0)).sqrt();
        let (high, low) = (out[at(top)], out[at(-top)]);
        let (mut first, mut last) = (coordinate(simd, factor, &high, u, 0), [ZERO; 4]);
        add_coordinate(simd, &mut last, factor, &high, u, 1);
        if l > 0 {
            add_coordinate(simd, &mut first, -factor, &low, u, 1);
            add_coordinate(simd, &mut last, factor, &low, u, 0);
        }
        (out[above(top + 1)], out[above(-top - 1)]) = (first, last);
        for m in -top..=top {
            let k = m as f64;
            let scale = 1.0 / ((n + k + 1.0) * (n - k + 1.0)).sqrt();
            let mut sum = coordinate(simd, scale * (2.0 * n + 1.0), &out[at(m)], u, 2);
            if m.abs() < top {
                let below = -scale * ((n + k) * (n - k)).sqrt();
                add_square(simd, &mut sum, below, &out[((l - 1) * l).wrapping_add_signed(m)], u);
            }
            out[above(m)] = sum;
        }
    }
}

/// factor × coordinate × polynomial.
#[inline(always)]
fn coordinate<S: Simd>(
    simd: S,
    factor: f64,
    s: &Harmonic,
    u: &[Lanes; 3],
    axis: usize,
) -> Harmonic {
    let mut out = [ZERO; 4];
    add_coordinate(simd, &mut out, factor, s, u, axis);
    out
}

#[inline(always)]
fn add_coordinate<S: Simd>(
    simd: S,
    sum: &mut Harmonic,
    factor: f64,
    s: &Harmonic,
    u: &[Lanes; 3],
    axis: usize,
) {
    let x = scaled(simd, factor, &u[axis]);
    for (sum, s) in sum.iter_mut().zip(s) {
        add_product(simd, sum, &x, s);
    }
    add_scaled(simd, &mut sum[axis + 1], factor, &s[0]);
}

/// sum += factor × (x² + y² + z²) × polynomial; the square is one for unit vectors.
#[inline(always)]
fn add_square<S: Simd>(simd: S, sum: &mut Harmonic, factor: f64, s: &Harmonic, u: &[Lanes; 3]) {
    let twice = scaled(simd, 2.0 * factor, &s[0]);
    for (sum, s) in sum.iter_mut().zip(s) {
        add_scaled(simd, sum, factor, s);
    }
    for (sum, u) in sum[1..].iter_mut().zip(u) {
        add_product(simd, sum, &twice, u);
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

    fn at(u: [f64; 3]) -> [Harmonic; 25] {
        let mut out = [[ZERO; 4]; 25];
        harmonics(pulp::Scalar::new(), 4, &u.map(|x| [x; LANES]), &mut out);
        out
    }

    #[test]
    fn addition_theorem() {
        for k in 0..20 {
            let t = f64::from(k);
            let (u, v) = (unit(t, (0.3 * t).sin()), unit(2.1 * t + 1.0, (0.7 * t).cos()));
            let cosine: f64 = (0..3).map(|d| u[d] * v[d]).sum();
            let (a, b) = (at(u), at(v));
            for l in 0..=4 {
                let sum: f64 = (l * l..(l + 1) * (l + 1)).map(|i| a[i][0][0] * b[i][0][3]).sum();
                assert!((sum - legendre(l, cosine)).abs() < 1e-13, "l = {l}: {sum}");
            }
        }
    }

    #[test]
    fn homogeneous_polynomials_satisfy_euler() {
        let u = unit(0.4, -0.3);
        for (index, s) in at(u).iter().enumerate() {
            let degree = (index as f64).sqrt().floor();
            let slope: f64 = (0..3).map(|d| u[d] * s[d + 1][0]).sum();
            assert!((slope - degree * s[0][0]).abs() < 1e-13, "index {index}");
        }
    }
}
