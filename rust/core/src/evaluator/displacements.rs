//! Which combination of earlier places comes nearest to a new one.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::history::DEPTH;
use crate::parallel::{dot, sum};

/// Regularisation of the fit relative to its largest diagonal entry.
const RIDGE: f64 = 1e-14;
/// Where the fit leaves a choice (on a straight path, say) it extrapolates with this order.
const ORDER: usize = 5;
/// Largest sum of the factors' sizes, that of polynomials of order 8: more would amplify errors of the
/// weights, on a path that earlier displacements hardly span.
const LARGEST_SUM: f64 = 256.0;
/// Numbers whose displacements are held at once.
const TOGETHER: usize = 64;

/// Scalar products of displacements from one place: to a new one (row 0) and to earlier ones, in units
/// of the one to the new place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Displacements {
    products: [[f64; DEPTH]; DEPTH],
    earlier: usize,
}

impl Displacements {
    /// From the first of `known`, to `new` and to the rest of `known`.
    pub(super) fn new<'a>(new: &[f64], known: impl Iterator<Item = &'a [f64]>) -> Self {
        let known: Vec<&[f64]> = known.take(DEPTH).collect();
        let earlier = known.len().saturating_sub(1);
        let known = &known[..];
        let sums = sum(new.len(), |numbers| Arch::new().dispatch(Multiply { new, known, numbers }));
        let unit = if sums[0] > 0.0 { sums[0].recip() } else { 0.0 };
        let product = |a: usize, b: usize| unit * sums[a.max(b) * DEPTH + a.min(b)];
        let products = std::array::from_fn(|a| std::array::from_fn(|b| product(a, b)));
        Self { products, earlier }
    }

    /// Both, as many earlier places as both have.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let sum = |a: usize, b: usize| self.products[a][b] + other.products[a][b];
        let products = std::array::from_fn(|a| std::array::from_fn(|b| sum(a, b)));
        Self { products, earlier: self.earlier.min(other.earlier) }
    }

    /// Factors of the last place and of as many earlier ones as are not linearly dependent (those
    /// along a line are).
    pub(super) fn combination(&self) -> Option<Vec<f64>> {
        (1..=self.earlier).rev().find_map(|m| combination(&self.products, m))
    }

    /// Square of what a combination leaves of the displacement to the new place.
    pub(super) fn misfit(&self, factors: &[f64]) -> f64 {
        let signed = |a: usize| if a == 0 { -1.0 } else { factors[a] };
        let all = (0..factors.len()).flat_map(|a| (0..factors.len()).map(move |b| (a, b)));
        all.map(|(a, b)| signed(a) * signed(b) * self.products[a][b]).sum()
    }
}

/// Products of some numbers' displacements, row by row up to the diagonal.
struct Multiply<'a> {
    new: &'a [f64],
    known: &'a [&'a [f64]],
    numbers: Range<usize>,
}

impl WithSimd for Multiply<'_> {
    type Output = [f64; DEPTH * DEPTH];

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut sums = [0.0; DEPTH * DEPTH];
        let Some((last, earlier)) = self.known.split_first() else { return sums };
        let mut moves = [[0.0; TOGETHER]; DEPTH];
        for first in self.numbers.clone().step_by(TOGETHER) {
            let numbers = first..self.numbers.end.min(first + TOGETHER);
            for (moves, place) in moves.iter_mut().zip([&self.new].into_iter().chain(earlier)) {
                let both = place[numbers.clone()].iter().zip(&last[numbers.clone()]);
                moves[numbers.len()..].fill(0.0);
                moves.iter_mut().zip(both).for_each(|(x, (place, last))| *x = place - last);
            }
            for a in 0..=earlier.len() {
                for b in 0..=a {
                    sums[a * DEPTH + b] += dot(&moves[a], &moves[b]);
                }
            }
        }
        sums
    }
}

/// Factors of the last geometry and of `m` earlier ones; none if their displacements are dependent
/// or the factors large.
fn combination(products: &[[f64; DEPTH]; DEPTH], m: usize) -> Option<Vec<f64>> {
    let largest = (1..=m).fold(0.0_f64, |most, a| most.max(products[a][a]));
    let mut matrix: Vec<f64> =
        products[1..=m].iter().flat_map(|row| &row[1..=m]).copied().collect();
    (0..m).for_each(|a| matrix[a * (m + 1)] += RIDGE * largest);
    let preferred = polynomial(ORDER.min(m + 1));
    let mut factors: Vec<f64> = products[1..=m].iter().map(|row| row[0]).collect();
    factors.iter_mut().zip(&preferred[1..]).for_each(|(x, f)| *x += RIDGE * largest * f);
    solve(&mut matrix, &mut factors)?;
    factors.insert(0, 1.0 - factors.iter().sum::<f64>());
    (factors.iter().map(|f| f.abs()).sum::<f64>() <= LARGEST_SUM).then_some(factors)
}

/// Factors of the last `order` values of a polynomial of that degree less one, for the next value.
fn polynomial(order: usize) -> Vec<f64> {
    let mut factor = -1.0;
    let next = |j: usize| {
        factor *= -((order - j) as f64) / (j + 1) as f64;
        factor
    };
    (0..order).map(next).collect()
}

/// Solve a positive definite system in place (Cholesky); none if it is not one.
fn solve(a: &mut [f64], b: &mut [f64]) -> Option<()> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            if i > j {
                a[i * n + j] = rest / a[j * n + j];
            } else if rest > 0.0 {
                a[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
        let dot: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / a[i * n + i];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_have_alternating_binomials() {
        assert_eq!(polynomial(4), [4.0, -6.0, 4.0, -1.0]);
    }
}
