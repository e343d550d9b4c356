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
    embedding: EmbeddingModel,
}

#[derive(Debug, Clone)]
enum EmbeddingModel {
    None,
    RootPolynomial { shift: f64, coefficients: Vec<f64> },
    Tabulated(Spline),
    Logarithmic { scale: f64, spline: Spline },
}

/// A cubic spline, continued by its last value and slope.
#[derive(Debug, Clone)]
struct Spline {
    table: Table,
    last: Jet,
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
        Self { charge: state.charge, energy: state.energy, embedding }
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
}
