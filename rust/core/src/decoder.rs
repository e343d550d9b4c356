//! From weights back to what they say: density (see [`crate::superposition`]), charges and the
//! electrostatic potential of nuclei and electrons, all in closed form.

use rayon::prelude::*;

use crate::COULOMB;
use crate::error::{Error, Result};
use crate::formulas::slater_potential;
use crate::library::StateLibrary;
use crate::structure::{Structure, Vec3};
use crate::superposition::Superposition;

/// Points per task.
const CHUNK: usize = 256;

/// Charge of every atom, Σ_M ω_iM q_M, e.
///
/// # Errors
/// Those of [`Superposition::of_states`].
pub fn charges(
    library: &StateLibrary,
    structure: &Structure,
    weights: &[f64],
    columns: usize,
) -> Result<Vec<f64>> {
    Superposition::of_states(library, structure, weights, columns)?;
    let rows = weights.chunks_exact(columns.max(1));
    let atoms = structure.numbers().iter().enumerate().zip(rows);
    atoms
        .map(|((i, &number), row)| {
            let states = library.states(i, number)?;
            Ok(states.iter().zip(row).fold(0.0, |q, (state, w)| q + w * state.charge))
        })
        .collect()
}

/// Electrostatic potential of nuclei and electrons at points, V (eV/e); infinite at a nucleus.
///
/// # Errors
/// Those of [`Superposition::of_states`]; a periodic structure.
pub fn potential_at_points(
    library: &StateLibrary,
    structure: &Structure,
    weights: &[f64],
    columns: usize,
    points: &[Vec3],
) -> Result<Vec<f64>> {
    check_finite(structure)?;
    let mixed = Superposition::of_states(library, structure, weights, columns)?;
    let mut potential = vec![0.0; points.len()];
    potential.par_chunks_mut(CHUNK).zip(points.par_chunks(CHUNK)).for_each(|(values, points)| {
        for (value, point) in values.iter_mut().zip(points) {
            *value = COULOMB * potential_at(structure, &mixed, point);
        }
    });
    Ok(potential)
}

/// Refuse periodic structures, whose potential needs a sum over images.
pub(crate) fn check_finite(structure: &Structure) -> Result<()> {
    match structure.pbc().iter().position(|&periodic| periodic) {
        Some(d) => Err(Error::invalid(
            format!("pbc[{d}]"),
            "must be false: only densities of finite systems are supported",
        )),
        None => Ok(()),
    }
}

/// In units of the Coulomb constant, e/Å.
fn potential_at(structure: &Structure, mixed: &Superposition, point: &Vec3) -> f64 {
    let atoms = structure.positions().iter().zip(structure.numbers()).enumerate();
    atoms.fold(0.0, |total, (i, (position, &number))| {
        let r = distance(point, position);
        let electrons = mixed.functions(i).iter();
        let screening = electrons.fold(0.0, |v, &(zeta, c)| v + c * slater_potential(zeta, r));
        total + f64::from(number) / r - screening
    })
}

/// |a − b|.
pub(crate) fn distance(a: &Vec3, b: &Vec3) -> f64 {
    let d = [0, 1, 2].map(|k| a[k] - b[k]);
    (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
}
