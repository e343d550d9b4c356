//! Embedding energies as flat arrays, for a device.

use super::state::{EmbeddingModel, StateModel};

/// Embedding energies of states, one after the other.
#[derive(Debug, Clone, Default)]
pub struct FlatEmbeddings {
    /// Of each state: energy, shift or scale, end and inverse spacing of the spline, its last
    /// value and slope.
    pub numbers: Vec<[f64; 6]>,
    /// Of each state: [kind](EmbeddingKind), first of [`Self::values`], and how many coefficients
    /// of the polynomial or intervals of the spline there are.
    pub places: Vec<[i32; 3]>,
    /// Coefficients, or value, h · slope, h² · curvature of every knot.
    pub values: Vec<f64>,
}

/// How an embedding energy is found.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum EmbeddingKind {
    /// There is none.
    None = 0,
    /// [`crate::formulas::root_polynomial`].
    RootPolynomial = 1,
    /// A cubic spline in the density.
    Spline = 2,
    /// A cubic spline in ln(1 + density/scale).
    Logarithmic = 3,
}

impl FlatEmbeddings {
    /// Append a state.
    pub(crate) fn push(&mut self, state: &StateModel) {
        let values = &mut self.values;
        let first = values.len() as i32;
        let mut numbers = [state.energy, 0.0, 0.0, 0.0, 0.0, 0.0];
        let (kind, count) = match state.embedding_model() {
            EmbeddingModel::None => (EmbeddingKind::None, 0),
            EmbeddingModel::RootPolynomial { shift, coefficients } => {
                numbers[1] = *shift;
                values.extend_from_slice(coefficients);
                (EmbeddingKind::RootPolynomial, coefficients.len())
            }
            EmbeddingModel::Tabulated(spline) | EmbeddingModel::Logarithmic { spline, .. } => {
                let table = &spline.table;
                (0..=table.intervals()).for_each(|k| values.extend(table.knot(k, 0)));
                let [last, slope, _] = spline.last;
                let line = [table.end(), table.inverse_spacing(), last, slope];
                numbers[2..].copy_from_slice(&line);
                let mut kind = EmbeddingKind::Spline;
                if let EmbeddingModel::Logarithmic { scale, .. } = state.embedding_model() {
                    numbers[1] = *scale;
                    kind = EmbeddingKind::Logarithmic;
                }
                (kind, table.intervals())
            }
        };
        self.numbers.push(numbers);
        self.places.push([kind as i32, first, count as i32]);
    }

    /// Append states that do not exist, up to `states`.
    pub(crate) fn pad(&mut self, states: usize) {
        self.numbers.resize(states, [0.0; 6]);
        self.places.resize(states, [EmbeddingKind::None as i32, 0, 0]);
    }
}
