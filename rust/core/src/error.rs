//! One error type; every variant carries the offending name and value.

/// What can go wrong in the engine.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument (positions, cell, charge, option) is outside its allowed range.
    #[error("{argument}: {problem}")]
    InvalidInput {
        /// Name of the argument, with its index where there is one.
        argument: String,
        /// The value found and the allowed range.
        problem: String,
    },
    /// A potential file breaks the format.
    #[error("{path}: {problem}")]
    PotentialFormat {
        /// Path of the field, e.g. `elements.O.states[1].rbf.exponents[3]`.
        path: String,
        /// The value found and the allowed range.
        problem: String,
    },
    /// The weights did not reach the requested KKT residual.
    #[error(
        "weights did not converge: KKT residual {residual:.3e} eV after {iterations} iterations \
         (tolerance {tolerance:.1e} eV); largest on {atoms}"
    )]
    NotConverged {
        /// Newton iterations used.
        iterations: usize,
        /// Largest KKT residual, eV.
        residual: f64,
        /// Requested residual, eV.
        tolerance: f64,
        /// The atoms with the largest residuals, in words.
        atoms: String,
    },
    /// The encoder did not close the duality gap.
    #[error(
        "the weights of the density did not converge: duality gap {gap:.3e} {unit} after \
         {iterations} iterations (tolerance {tolerance:.1e} {unit})"
    )]
    GapNotClosed {
        /// Interior-point iterations used.
        iterations: usize,
        /// Smallest duality gap reached.
        gap: f64,
        /// Requested gap.
        tolerance: f64,
        /// Unit of both.
        unit: &'static str,
    },
}

impl Error {
    /// An [`Error::InvalidInput`] from anything that prints.
    pub fn invalid(argument: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidInput { argument: argument.into(), problem: problem.into() }
    }

    /// An [`Error::PotentialFormat`] from anything that prints.
    pub fn format(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::PotentialFormat { path: path.into(), problem: problem.into() }
    }
}

/// Result with the engine's error.
pub type Result<T> = std::result::Result<T, Error>;
