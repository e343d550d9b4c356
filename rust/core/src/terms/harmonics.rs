//! Real solid harmonics with gradients, for a block of unit vectors at once.

/// Unit vectors handled together.
pub(super) const LANES: usize = 8;
/// One number for each of them.
pub(super) type Lanes = [f64; LANES];
/// Value and Cartesian derivatives.
pub(super) type Harmonic = [Lanes; 4];

/// S_lm of unit vectors for l ≤ lmax at index l² + l + m, normalised so that
/// Σ_m S_lm(u) S_lm(v) = P_l(u·v), by the recursion of T. Helgaker, P. Jørgensen and J. Olsen,
/// Molecular Electronic-Structure Theory (2000), section 6.4. Derivatives are those of the
/// homogeneous polynomials.
#[inline(always)]
pub(super) fn harmonics(lmax: usize, u: &[Lanes; 3], out: &mut [Harmonic]) {
    out[0] = [[1.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]];
    for l in 0..lmax {
        let at = |m: isize| (l * l + l).wrapping_add_signed(m);
        let above = |m: isize| ((l + 1) * (l + 2)).wrapping_add_signed(m);
        let top = l as isize;
        let n = l as f64;
        let factor = (if l == 0 { 2.0 } else { 1.0 } * (2.0 * n + 1.0) / (2.0 * n + 2.0)).sqrt();
        let low = if l == 0 { 0.0 } else { factor };
        let (high, lowest) = (out[at(top)], out[at(-top)]);
        out[above(top + 1)] = combined(factor, times(&high, u, 0), -low, times(&lowest, u, 1));
        out[above(-top - 1)] = combined(factor, times(&high, u, 1), low, times(&lowest, u, 0));
        for m in -top..=top {
            let k = m as f64;
            let scale = 1.0 / ((n + k + 1.0) * (n - k + 1.0)).sqrt();
            let up = times(&out[at(m)], u, 2);
            let below = ((n + k) * (n - k)).sqrt();
            out[above(m)] = if m.abs() < top {
                let previous = out[((l - 1) * l).wrapping_add_signed(m)];
                combined(scale * (2.0 * n + 1.0), up, -scale * below, times_square(&previous, u))
            } else {
                combined(scale * (2.0 * n + 1.0), up, 0.0, up)
            };
        }
    }
}

/// Coordinate times a polynomial.
#[inline(always)]
fn times(s: &Harmonic, u: &[Lanes; 3], axis: usize) -> Harmonic {
    let mut out = *s;
    for component in &mut out {
        for w in 0..LANES {
            component[w] *= u[axis][w];
        }
    }
    for w in 0..LANES {
        out[axis + 1][w] += s[0][w];
    }
    out
}

/// x² + y² + z² (one for unit vectors) times a polynomial.
#[inline(always)]
fn times_square(s: &Harmonic, u: &[Lanes; 3]) -> Harmonic {
    let mut out = *s;
    for axis in 0..3 {
        for w in 0..LANES {
            out[axis + 1][w] += 2.0 * u[axis][w] * s[0][w];
        }
    }
    out
}

#[inline(always)]
fn combined(a: f64, x: Harmonic, b: f64, y: Harmonic) -> Harmonic {
    let mut out = x;
    for component in 0..4 {
        for w in 0..LANES {
            out[component][w] = a * x[component][w] + b * y[component][w];
        }
    }
    out
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
        let mut out = [[[0.0; LANES]; 4]; 25];
        harmonics(4, &u.map(|x| [x; LANES]), &mut out);
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
