//! ½(ω − ω₀)ᵀ G (ω − ω₀) − pᵀ(ω − ω₀): the Coulomb and L2 metrics.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

use super::{Convex, Metric};
use crate::decoder::distance;
use crate::error::Result;
use crate::library::{StateDensity, StateLibrary};
use crate::slater::{Overlap, SlaterAtom};
use crate::structure::Structure;

/// A convex quadratic function of the weights.
#[derive(Debug, Clone)]
pub struct Quadratic {
    gram: DMatrix<f64>,
    pulls: DVector<f64>,
    reference: DVector<f64>,
}

impl Quadratic {
    /// From G (n, n), p (n,) and ω₀ (n,).
    pub fn new(gram: DMatrix<f64>, pulls: Vec<f64>, reference: Vec<f64>) -> Self {
        Self { gram, pulls: pulls.into(), reference: reference.into() }
    }
}

impl Convex for Quadratic {
    fn value_gradient(&self, weights: &DVector<f64>) -> (f64, DVector<f64>) {
        let moved = weights - &self.reference;
        let pushed = &self.gram * &moved;
        let value = 0.5 * moved.dot(&pushed) - moved.dot(&self.pulls);
        (value, pushed - &self.pulls)
    }

    fn hessian(&self, _: &DVector<f64>) -> DMatrix<f64> {
        self.gram.clone()
    }
}

/// Metric between the states of all atoms, eV or e²/Å³, in the order of the weights.
///
/// # Errors
/// [`crate::Error::InvalidInput`] naming an atom whose element the library lacks.
pub fn gram(structure: &Structure, library: &StateLibrary, metric: Metric) -> Result<DMatrix<f64>> {
    let mut states: Vec<(usize, u8, usize, &StateDensity)> = Vec::new();
    for (i, &number) in structure.numbers().iter().enumerate() {
        let found = library.states(i, number)?.iter().enumerate();
        states.extend(found.map(|(k, state)| (i, number, k, state)));
    }
    let mut pairs: BTreeMap<[(u8, usize); 2], Overlap> = BTreeMap::new();
    let mut matrix = DMatrix::zeros(states.len(), states.len());
    for (row, &(i, za, ka, a)) in states.iter().enumerate() {
        for (column, &(j, zb, kb, b)) in states[..=row].iter().enumerate() {
            let pair = pairs
                .entry([(za, ka), (zb, kb)])
                .or_insert_with(|| Overlap::new(electrons(a), electrons(b)));
            let r = if i == j {
                0.0
            } else {
                distance(&structure.positions()[i], &structure.positions()[j])
            };
            let value = if metric == Metric::L2 { pair.l2(r) } else { pair.coulomb(r) };
            matrix[(row, column)] = value;
            matrix[(column, row)] = value;
        }
    }
    Ok(matrix)
}

fn electrons(state: &StateDensity) -> SlaterAtom<'_> {
    SlaterAtom { nucleus: 0.0, exponents: &state.exponents, coefficients: &state.coefficients }
}
