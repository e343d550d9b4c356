//! Everything a structure predicts, and its exact derivatives by the parameters of the potential.

use super::{Evaluation, Evaluator};
use crate::energy::Energy;
use crate::ensemble::{self, Charge};
use crate::error::Result;
use crate::model::ParameterSet;
use crate::structure::{Mat3, Structure, Vec3};
use crate::terms::Differentiator;

/// Derivatives of the numbers a structure predicts, and in the last column the numbers themselves.
///
/// Rows: free energy (eV), forces (eV/Å, atom by atom), dA/dstrain (eV; xx, yy, zz, yz, xz, xy),
/// dipole (e·Å), charges (e).
#[derive(Debug, Clone)]
pub struct Jacobian {
    /// Number of rows, 10 + 4 atoms.
    pub rows: usize,
    /// Column after column.
    pub columns: Vec<f64>,
}

/// Components of a 3×3 matrix, row-major, in the order of the virial's rows.
const VOIGT: [usize; 6] = [0, 4, 8, 5, 2, 1];

impl Jacobian {
    fn new(atoms: usize) -> Self {
        Self { rows: 10 + 4 * atoms, columns: Vec::new() }
    }

    fn push(
        &mut self,
        energy: f64,
        forces: impl Iterator<Item = f64>,
        virial: impl Fn(usize) -> f64,
        dipole: Vec3,
        charges: impl Iterator<Item = f64>,
    ) {
        self.columns.push(energy);
        self.columns.extend(forces);
        self.columns.extend(VOIGT.map(virial));
        self.columns.extend(dipole);
        self.columns.extend(charges);
    }

    /// Append the columns of learned terms, which know energy, forces and virial only.
    fn extend(&mut self, columns: &[f64], rows: usize) {
        for column in columns.chunks_exact(rows) {
            self.columns.extend(column);
            self.columns.extend(std::iter::repeat_n(0.0, self.rows - rows));
        }
    }
}

impl Evaluator {
    /// Derivatives by some parameters of the states, then by every coefficient of the learned
    /// terms, and the numbers themselves. `warm` as in [`Evaluator::evaluate`].
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn jacobian(
        &mut self,
        structure: &Structure,
        charge: &Charge,
        warm: bool,
        set: &ParameterSet,
        differentiator: Option<&Differentiator>,
    ) -> Result<Jacobian> {
        let found = self.seek_weights(structure, charge, warm)?;
        let mut jacobian = Jacobian::new(structure.len());
        if !set.is_empty() {
            self.push_parameters(structure, charge, set, &found, &mut jacobian)?;
        }
        if let (Some(differentiator), Some(terms)) = (differentiator, self.model.terms()) {
            let near = self.around.get(terms, structure, &self.neighbors);
            let by = differentiator.jacobian(structure, &self.elements, near)?;
            self.around.release(structure.len());
            let coefficients = by.columns.len() - by.rows;
            jacobian.extend(&by.columns[..coefficients], by.rows);
        }
        let forces = found.forces.iter().flatten().copied();
        let virial = |k: usize| flat(&found.virial, k);
        let dipole = found.dipole(structure);
        jacobian.push(found.free_energy, forces, virial, dipole, found.charges.iter().copied());
        Ok(jacobian)
    }

    fn push_parameters(
        &mut self,
        structure: &Structure,
        charge: &Charge,
        set: &ParameterSet,
        found: &Evaluation,
        jacobian: &mut Jacobian,
    ) -> Result<()> {
        let constraints = self.constraints(structure, charge)?;
        let Self { model, pairs, coulomb, elements, work, .. } = self;
        let geometry = super::geometry(model, pairs, coulomb.as_ref(), elements, &constraints);
        let mut energy = Energy::new(geometry, work);
        let explicit = energy.explicit(set);
        let (p, mut response) = (set.len(), explicit.weights.clone());
        let mut unknowns = found.weights.clone();
        unknowns.extend(found.induced_dipoles.as_flattened());
        ensemble::respond(&mut energy, &constraints, &unknowns, &mut response, p);
        let total = energy.total(set, &explicit, &response);
        for column in 0..p {
            let take = |all: &[f64], k: usize| all[k * p + column];
            let charges = || (0..structure.len()).map(|i| take(&total.charges, i));
            let mut dipole = [0.0; 3];
            for (q, r) in charges().zip(structure.positions()) {
                (0..3).for_each(|d| dipole[d] += q * r[d]);
            }
            for (k, row) in response[constraints.weights() * p..].chunks_exact(p).enumerate() {
                dipole[k % 3] += row[column];
            }
            jacobian.push(
                explicit.energy[column],
                (0..3 * structure.len()).map(|k| take(&total.forces, k)),
                |k| take(&total.virial, k),
                dipole,
                charges(),
            );
        }
        Ok(())
    }
}

fn flat(matrix: &Mat3, k: usize) -> f64 {
    matrix[k / 3][k % 3]
}
