//! Single models: value and derivatives in the neighbour sums and the coefficients.

use crate::formulas::{Jet, b_splines, scaled, smooth_root, sum};
use crate::potential::{NeighbourFunction, Term};

/// Width of the rounding of a square root at zero.
const ROOT_WIDTH: f64 = 0.01;

/// A compiled single model.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) term: Term,
    /// Coefficients per element of the centre; for `Pair` of all.
    pub(super) block: usize,
    /// For `ThreeBody`: by centre and degree, the symmetric matrix of ∂²v/∂A_p∂A_q (row-major).
    matrices: Vec<Vec<f64>>,
}

impl Leaf {
    pub(super) fn new(term: &Term, elements: usize) -> Self {
        let count = term.coefficients().len();
        let shared = matches!(term, Term::Pair { .. });
        let block = if shared { count } else { count / elements };
        let matrices = match term {
            Term::ThreeBody { radial, lmax, coefficients, .. } => {
                let channels = elements * radial.functions;
                let matrix = |k: usize| {
                    let (centre, l) = (k / (lmax + 1), k % (lmax + 1));
                    symmetric(&coefficients[centre * block..], channels, lmax + 1, l)
                };
                (0..elements * (lmax + 1)).map(matrix).collect()
            }
            _ => Vec::new(),
        };
        Self { term: term.clone(), block, matrices }
    }

    /// Matrix of a three-body model for a centre and a degree.
    pub(super) fn matrix(&self, centre: usize, lmax: usize, l: usize) -> &[f64] {
        &self.matrices[centre * (lmax + 1) + l]
    }

    /// Coefficients of the outer function of a neighbour sum, for a centre.
    pub(super) fn outer(&self, centre: usize) -> &[f64] {
        match &self.term {
            Term::NeighbourExponential { function, coefficients, .. } => {
                &coefficients[centre * self.block..][..function.coefficients()]
            }
            _ => &[],
        }
    }
}

/// ∂²v/∂A_p∂A_q of v = Σ_{p≤q} c_pql A_p·A_q.
fn symmetric(coefficients: &[f64], channels: usize, stride: usize, l: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; channels * channels];
    let mut at = l;
    for p in 0..channels {
        for q in p..channels {
            matrix[p * channels + q] += coefficients[at];
            matrix[q * channels + p] += coefficients[at];
            at += stride;
        }
    }
    matrix
}

impl NeighbourFunction {
    /// Jets in s of the functions that the outer coefficients multiply.
    pub(super) fn basis(&self, s: f64, jets: &mut Vec<Jet>) {
        jets.clear();
        match self {
            Self::Exponential => {
                let value = (-s).exp();
                jets.push([value, -value, value]);
            }
            Self::SquareRoot => jets.push(smooth_root(ROOT_WIDTH, s)),
            Self::Spline { knots, span } => {
                // Zero without neighbours.
                jets.resize(*knots, [0.0; 3]);
                add_splines(*span, 0.0, jets);
                for jet in jets.iter_mut() {
                    *jet = [-jet[0], 0.0, 0.0];
                }
                add_splines(*span, s, jets);
            }
        }
    }
}

/// Add the uniform cubic B-splines at s; straight lines beyond the span.
fn add_splines([low, high]: [f64; 2], s: f64, jets: &mut [Jet]) {
    let intervals = jets.len() - 3;
    let inverse = intervals as f64 / (high - low);
    let x = (s.clamp(low, high) - low) * inverse;
    let first = (x as usize).min(intervals - 1);
    let beyond = s - s.clamp(low, high);
    for (jet, b) in jets[first..].iter_mut().zip(b_splines(x - first as f64)) {
        let slope = b[1] * inverse;
        let curvature = if beyond == 0.0 { b[2] * inverse * inverse } else { 0.0 };
        *jet = sum(*jet, [b[0] + slope * beyond, slope, curvature]);
    }
}

/// Σ_k a_k × jet_k.
pub(super) fn combined(coefficients: &[f64], jets: &[Jet]) -> Jet {
    coefficients.iter().zip(jets).map(|(&a, jet)| scaled(a, *jet)).fold([0.0; 3], sum)
}
