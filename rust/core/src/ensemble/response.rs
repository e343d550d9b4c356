//! How the minimising weights answer to a change of the function (implicit function theorem).

use nalgebra::DMatrix;

use super::dense::Reduced;
use super::krylov;
use super::newton::Point;
use super::{Constraints, Objective};

/// Up to this many weights the Hessian is factorised once for all parameters.
const FACTORISED: usize = 600;

/// Turn ∂²E/∂ω∂θ into dω/dθ at minimising `weights`; a row for each weight, a column for each of
/// `parameters`. Weights on the boundary stay there.
///
/// Directions in which the Hessian is singular do not respond.
pub fn respond(
    objective: &mut impl Objective,
    constraints: &Constraints,
    weights: &[f64],
    mixed: &mut [f64],
    parameters: usize,
) {
    let point = Point::start(objective, constraints, weights);
    let rhs = DMatrix::from_fn(weights.len(), parameters, |a, p| {
        -point.root[a] * mixed[a * parameters + p]
    });
    let y = if weights.len() <= FACTORISED {
        Reduced::new(objective, constraints, &point).solve_all(&rhs)
    } else {
        let columns: Vec<f64> = rhs
            .column_iter()
            .flat_map(|c| {
                krylov::solve(objective, constraints, &point, c.iter().copied().collect())
            })
            .collect();
        DMatrix::from_vec(weights.len(), parameters, columns)
    };
    for (a, row) in mixed.chunks_exact_mut(parameters.max(1)).enumerate() {
        row.iter_mut().enumerate().for_each(|(p, x)| *x = point.root[a] * y[(a, p)]);
    }
}
