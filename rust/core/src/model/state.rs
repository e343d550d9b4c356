//! What the on-site energy needs of a state: charge, energy, embedding function.

use crate::formulas::{Jet, root_polynomial};
use crate::potential::{self, Embedding, State};
use crate::tables::{Table, spline_jets};

/// What the on-site energy needs of a state.
#[derive(Debug, Clone)]
pub struct StateModel {
    /// Charge, e.
    pub charge: f64,
    /// Energy above the neutral ground state, eV.
    pub energy: f64,
    /// Dipole polarisability, Å³; 0 for none.
    pub polarisability: f64,
    embedding: EmbeddingModel,
}

#[derive(Debug, Clone)]
pub(crate) enum EmbeddingModel {
    None,
    RootPolynomial { shift: f64, coefficients: Vec<f64> },
    Tabulated(Spline),
    Logarithmic { scale: f64, spline: Spline },
}

/// A cubic spline, continued by its last value and slope.
#[derive(Debug, Clone)]
pub(crate) struct Spline {
    pub(crate) table: Table,
    pub(crate) last: Jet,
}

impl Spline {
    fn new(values: &potential::Table) -> Self {
        let jets = spline_jets(values.spacing, &values.values);
        let last = jets[jets.len() - 1];
        let end = values.spacing * (jets.len() - 1) as f64;
        let table = Table::tabulate([0.0, end], jets.len() - 1, 1, |x, row| {
            row[0] = super::functions::at_knot(&jets, values.spacing, x);
        });
        Self { table, last }
    }

    fn jet(&self, x: f64) -> Jet {
        if x > self.table.end() {
            return [self.last[0] + self.last[1] * (x - self.table.end()), self.last[1], 0.0];
        }
        let at = self.table.lookup(x);
        let mut jet = [[0.0]; 3];
        self.table.values(&at, &mut jet[0]);
        self.table.slopes(&at, &mut jet[1]);
        self.table.curvatures(x, &mut jet[2]);
        [jet[0][0], jet[1][0], jet[2][0]]
    }
}

impl StateModel {
    pub(super) fn new(state: &State) -> Self {
        let embedding = match &state.embedding {
            None => EmbeddingModel::None,
            Some(Embedding::RootPolynomial { shift, coefficients }) => {
                EmbeddingModel::RootPolynomial { shift: *shift, coefficients: coefficients.clone() }
            }
            Some(Embedding::Tabulated(table)) => EmbeddingModel::Tabulated(Spline::new(table)),
            Some(Embedding::Logarithmic { scale, table }) => {
                EmbeddingModel::Logarithmic { scale: *scale, spline: Spline::new(table) }
            }
        };
        Self {
            charge: state.charge,
            energy: state.energy,
            polarisability: state.polarisability.unwrap_or(0.0),
            embedding,
        }
    }

    /// Embedding energy at a background density, eV; linear (in the density, or in its logarithm)
    /// beyond a table's last value.
    pub fn embedding(&self, background: f64) -> Jet {
        match &self.embedding {
            EmbeddingModel::None => [0.0; 3],
            EmbeddingModel::RootPolynomial { shift, coefficients } => {
                root_polynomial(*shift, coefficients, background.max(0.0))
            }
            EmbeddingModel::Tabulated(spline) => spline.jet(background),
            EmbeddingModel::Logarithmic { scale, spline } => {
                let background = background.max(0.0);
                let [f, f1, f2] = spline.jet((background / scale).ln_1p());
                let slope = (background + scale).recip();
                [f, f1 * slope, (f2 - f1) * slope * slope]
            }
        }
    }

    /// What [`Self::embedding`] is made of.
    pub(crate) fn embedding_model(&self) -> &EmbeddingModel {
        &self.embedding
    }

    /// Value and slope of [`Self::embedding`], for fewer operations.
    pub(crate) fn embedding_slope(&self, background: f64) -> (f64, f64) {
        if let EmbeddingModel::Tabulated(Spline { table, .. }) = &self.embedding
            && background <= table.end()
        {
            return table.single(background);
        }
        let jet = self.embedding(background);
        (jet[0], jet[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: f64 = 1e-6;

    fn state() -> StateModel {
        let values = (0..61).map(|k| (0.1 * f64::from(k)).sin() * 3.0).collect();
        let table = potential::Table { spacing: 0.25, values };
        StateModel {
            charge: 0.0,
            energy: 0.0,
            polarisability: 0.0,
            embedding: EmbeddingModel::Logarithmic { scale: SCALE, spline: Spline::new(&table) },
        }
    }

    #[test]
    fn a_logarithmic_embedding_vanishes_without_neighbours() {
        assert!(state().embedding(0.0)[0].abs() < 1e-15);
    }

    #[test]
    fn slopes_of_a_logarithmic_embedding_are_those_of_its_values() {
        // The table ends at s = 15, a density of 3.3 e/Å³.
        for background in [0.0, 1e-7, 3e-5, 0.02, 1.0, 3.2, 3.4, 40.0] {
            let h = 1e-4 * (background + SCALE);
            let jet = |x: f64| state().embedding(x);
            let [_, slope, curvature] = jet(background + h);
            let [low, high] = [jet(background), jet(background + 2.0 * h)];
            let found = [(high[0] - low[0]) / (2.0 * h), (high[1] - low[1]) / (2.0 * h)];
            assert!((found[0] - slope).abs() < 1e-6 * (1.0 + slope.abs()), "at {background}");
            assert!((found[1] - curvature).abs() < 1e-5 * curvature.abs(), "at {background}");
        }
    }

    #[test]
    fn a_logarithmic_embedding_is_straight_beyond_its_last_value() {
        let at = |s: f64| state().embedding(SCALE * s.exp_m1())[0];
        let step = at(16.0) - at(15.5);
        assert!((at(20.0) - at(19.5) - step).abs() < 1e-9);
        assert!((at(15.5) - at(15.0) - step).abs() < 1e-9, "continuous");
    }
}
