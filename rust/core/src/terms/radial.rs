//! Radial functions of the learned terms.

use std::f64::consts::PI;

use crate::formulas::{
    Jet, bessel, chebyshev, exponential, gaussian, product, scaled, smooth_cutoff, sum,
};
use crate::potential::{Family, Radial};
use crate::tables::Table;

/// Error of a tabulated function, relative to the size of its coefficients.
const TOLERANCE: f64 = 1e-10;
/// Intervals to start from.
const INTERVALS: usize = 64;

impl Radial {
    /// Jets of all functions at a distance, cutoff function included.
    pub fn jets(&self, r: f64, row: &mut [Jet]) {
        let cut = smooth_cutoff(self.cutoff, r);
        self.bare(r, row);
        for jet in row.iter_mut() {
            *jet = product(*jet, cut);
        }
    }

    /// The same without the cutoff function.
    fn bare(&self, r: f64, row: &mut [Jet]) {
        let (c, ends) = (self.cutoff, self.ends());
        match self.family {
            Family::Gaussian => {
                let jets = even_tempered(ends, row.len()).map(|eta| gaussian(eta, c, r));
                row.iter_mut().zip(jets).for_each(|(x, jet)| *x = jet);
            }
            Family::Slater => {
                let at = |zeta: f64| exponential((0.5 * zeta * c).exp(), zeta, r);
                let jets = even_tempered(ends, row.len()).map(at);
                row.iter_mut().zip(jets).for_each(|(x, jet)| *x = jet);
            }
            Family::Bessel => {
                for (k, x) in row.iter_mut().enumerate() {
                    *x = bessel((k + 1) as f64 * PI / c, PI / c, r);
                }
            }
            Family::Chebyshev => {
                let slope = 2.0 / (ends[1] - ends[0]);
                let argument = [(r - ends[0]) * slope - 1.0, slope, 0.0];
                for k in 0..row.len() {
                    row[k] = match k {
                        0 => [1.0, 0.0, 0.0],
                        1 => argument,
                        _ => chebyshev(argument, row[k - 1], row[k - 2]),
                    };
                }
            }
        }
    }

    /// Table of all functions.
    pub(super) fn table(&self) -> Table {
        compile(self.cutoff, self.functions, TOLERANCE, |r, row| self.jets(r, row))
    }

    /// Σ_k c_k g_k at a distance.
    pub(super) fn contracted(&self, coefficients: &[f64], r: f64) -> Jet {
        let mut row = vec![[0.0; 3]; self.functions];
        self.jets(r, &mut row);
        row.iter().zip(coefficients).map(|(jet, &c)| scaled(c, *jet)).fold([0.0; 3], sum)
    }
}

/// Table on [0, cutoff]; absolute error up to `size`·1e-10.
pub(super) fn tolerance(size: f64) -> f64 {
    TOLERANCE * size.max(1e-3)
}

/// Table on [0, cutoff] of functions with an absolute tolerance.
pub(super) fn compile(
    cutoff: f64,
    functions: usize,
    tolerance: f64,
    jets: impl Fn(f64, &mut [Jet]) + Sync,
) -> Table {
    // Where functions of small span are huge, next to the nucleus, a relative error is enough.
    let allowed = |_: usize, _: f64, value: f64| tolerance * value.abs().max(1.0);
    Table::compile([0.0, 0.0, cutoff], INTERVALS, functions, allowed, jets)
}

/// n numbers in geometric progression from one end to the other; one number is their mean.
fn even_tempered([low, high]: [f64; 2], n: usize) -> impl Iterator<Item = f64> {
    let (first, ratio) = match n {
        1 => ((low * high).sqrt(), 1.0),
        _ => (low, (high / low).powf(1.0 / (n - 1) as f64)),
    };
    (0..n).map(move |k| first * ratio.powi(k as i32))
}
