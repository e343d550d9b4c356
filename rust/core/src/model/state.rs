//! What the on-site energy needs of a state: charge, energy, embedding function.

use crate::formulas::{Jet, root_polynomial};
use crate::potential::{Embedding, State};
use crate::tables::{Table, spline_jets};

/// What the on-site energy needs of a state.
#[derive(Debug, Clone)]
pub struct StateModel {
    /// Charge, e.
    pub charge: f64,
    /// Energy above the neutral ground state, eV.
    pub energy: f64,
    embedding: EmbeddingModel,
}

#[derive(Debug, Clone)]
enum EmbeddingModel {
    None,
    RootPolynomial { shift: f64, coefficients: Vec<f64> },
    Tabulated { table: Table, last: Jet },
}

impl StateModel {
    pub(super) fn new(state: &State) -> Self {
        let embedding = match &state.embedding {
            None => EmbeddingModel::None,
            Some(Embedding::RootPolynomial { shift, coefficients }) => {
                EmbeddingModel::RootPolynomial { shift: *shift, coefficients: coefficients.clone() }
            }
            Some(Embedding::Tabulated(t)) => {
                let jets = spline_jets(t.spacing, &t.values);
                let last = jets[jets.len() - 1];
                let end = t.spacing * (jets.len() - 1) as f64;
                let table = Table::tabulate([0.0, end], jets.len() - 1, 1, |x, row| {
                    row[0] = super::functions::at_knot(&jets, t.spacing, x);
                });
                EmbeddingModel::Tabulated { table, last }
            }
        };
        Self { charge: state.charge, energy: state.energy, embedding }
    }

    /// Embedding energy at a background density, eV; linear beyond a table's last value.
    pub fn embedding(&self, background: f64) -> Jet {
        match &self.embedding {
            EmbeddingModel::None => [0.0; 3],
            EmbeddingModel::RootPolynomial { shift, coefficients } => {
                root_polynomial(*shift, coefficients, background.max(0.0))
            }
            EmbeddingModel::Tabulated { table, last } if background > table.end() => {
                continued(table, last, background)
            }
            EmbeddingModel::Tabulated { table, .. } => {
                let at = table.lookup(background);
                let mut jet = [[0.0]; 3];
                table.values(&at, &mut jet[0]);
                table.slopes(&at, &mut jet[1]);
                table.curvatures(background, &mut jet[2]);
                [jet[0][0], jet[1][0], jet[2][0]]
            }
        }
    }

    /// Value and slope of [`Self::embedding`], for fewer operations.
    pub(crate) fn embedding_slope(&self, background: f64) -> (f64, f64) {
        if let EmbeddingModel::Tabulated { table, .. } = &self.embedding
            && background <= table.end()
        {
            return table.single(background);
        }
        let jet = self.embedding(background);
        (jet[0], jet[1])
    }
}

/// Linear beyond the end of a table.
fn continued(table: &Table, last: &Jet, background: f64) -> Jet {
    [last[0] + last[1] * (background - table.end()), last[1], 0.0]
}
