//! What an evaluation finds.

use super::Timings;
use crate::ensemble::Outcome;
use crate::error::{Error, Result};
use crate::structure::{Mat3, Structure, Vec3};
use crate::terms::Contribution;

/// Result of one evaluation.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Energy without the entropy term, eV.
    pub energy: f64,
    /// Energy with the entropy term T Σ ω ln ω: what is minimised, and conserved by dynamics, eV.
    pub free_energy: f64,
    /// Per-atom shares of `energy`, eV.
    pub energies: Vec<f64>,
    /// −dA/dR (A the free energy), eV/Å.
    pub forces: Vec<Vec3>,
    /// dA/dstrain, eV; the stress is this over the volume.
    pub virial: Mat3,
    /// State weights, flat; atom i holds `offsets[i]..offsets[i + 1]`.
    pub weights: Vec<f64>,
    /// See `weights`.
    pub offsets: Vec<usize>,
    /// Atomic charges, e.
    pub charges: Vec<f64>,
    /// Induced dipoles, e·Å; empty for a potential without polarisabilities.
    pub induced_dipoles: Vec<Vec3>,
    /// Background densities, e/Å³.
    pub background: Vec<f64>,
    /// How the weights were found.
    pub outcome: Outcome,
    /// How far (eV) another branch of weights lies below this one, where one was looked for.
    pub lower_branch: Option<f64>,
    /// Where the time went.
    pub timings: Timings,
}

impl Evaluation {
    /// Dipole Σ q_i R_i + m_i about the coordinate origin, e·Å; meaningful without periodicity.
    pub fn dipole(&self, structure: &Structure) -> Vec3 {
        let mut total = [0.0; 3];
        for (q, r) in self.charges.iter().zip(structure.positions()) {
            (0..3).for_each(|d| total[d] += q * r[d]);
        }
        for m in &self.induced_dipoles {
            (0..3).for_each(|d| total[d] += m[d]);
        }
        total
    }

    /// Add the learned terms: they do not depend on the weights.
    pub(super) fn add(&mut self, terms: &Contribution) {
        for (i, energy) in terms.energies.iter().enumerate() {
            self.energy += energy;
            self.free_energy += energy;
            self.energies[i] += energy;
            (0..3).for_each(|d| self.forces[i][d] += terms.forces[i][d]);
        }
        for (row, added) in self.virial.iter_mut().zip(&terms.virial) {
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        }
    }

    /// Parameters of absurd size overflow in sums over pairs even where single terms do not.
    pub(super) fn check_finite(&self) -> Result<()> {
        let finite =
            |i: usize| self.energies[i].is_finite() && self.forces[i].iter().all(|f| f.is_finite());
        match (0..self.forces.len()).find(|&i| !finite(i)) {
            Some(i) => Err(Error::invalid(
                format!("positions[{i}]"),
                "energy or force of this atom is beyond the numbers of a double: the potential has \
                 parameters of absurd size",
            )),
            None => Ok(()),
        }
    }
}
