//! Point charges beyond the pairs.

use rayon::prelude::*;

use super::{Energy, Workspace};
use crate::coulomb::Coulomb;
use crate::evaluator::Watch;
use crate::parallel;
use crate::structure::{Mat3, Vec3};

impl Energy<'_> {
    /// Energy of the point charges (and dipoles) of `unknowns`; adds its gradient.
    ///
    /// Dynamics take the forces at the second point of a minimisation: from there on forces are
    /// summed with the potential, where that costs little more than the potential alone. With dipoles
    /// it does so on a mesh only.
    pub(super) fn charges_value(&mut self, unknowns: &[f64], gradient: &mut [f64]) -> f64 {
        self.values += 1;
        let on_mesh = self.geometry.coulomb.is_some_and(Coulomb::is_on_mesh);
        let with_slopes = self.values > 1 && (on_mesh || !self.geometry.is_polarisable());
        self.work.far_slopes = with_slopes.then(Default::default);
        let mut charges = std::mem::take(&mut self.work.charges);
        let energy = self.point_charges(unknowns, gradient, &mut charges, Sum::Value);
        self.work.charges = charges;
        self.work.potential_is_of_charges = true;
        energy
    }

    /// Adds the Hessian of the point charges (and dipoles) times `direction`; `rough`: on a rough mesh.
    pub(super) fn charges_product(&mut self, direction: &[f64], rough: bool, out: &mut [f64]) {
        let mut change = std::mem::take(&mut self.work.change);
        let sum = if rough { Sum::RoughProduct } else { Sum::Product };
        self.point_charges(direction, out, &mut change, sum);
        self.work.potential_is_of_charges = false;
        self.work.change = change;
    }

    /// Adds q_M V_i to the gradient, returns ½ Σ q_i V_i.
    fn point_charges(
        &mut self,
        x: &[f64],
        gradient: &mut [f64],
        charges: &mut Vec<f64>,
        sum: Sum,
    ) -> f64 {
        let geometry = self.geometry;
        if geometry.is_polarisable() {
            return self.point_multipoles(x, gradient, charges, sum);
        }
        geometry.charges(x, charges);
        let Some(coulomb) = geometry.coulomb else { return 0.0 };
        let Workspace { potential, far_slopes, long_range, .. } = &mut *self.work;
        potential.clear();
        potential.resize(charges.len(), 0.0);
        let mut watch = Watch::start();
        match (sum, far_slopes) {
            (Sum::RoughProduct, _) => coulomb.add_rough_potential(charges, potential),
            (Sum::Value, Some((forces, virial))) => {
                forces.resize(charges.len(), [0.0; 3]);
                coulomb.add_all(charges, potential, forces, virial);
            }
            _ => coulomb.add_potential(charges, potential),
        }
        *long_range += watch.lap();
        geometry.by_atoms(&mut gradient[..geometry.weights()]).for_each(|(gradient, atoms)| {
            let begin = geometry.offsets[atoms.start];
            for i in atoms {
                let own = gradient[geometry.offsets[i] - begin..].iter_mut();
                own.zip(geometry.state_charges(i)).for_each(|(g, q)| *g += q * potential[i]);
            }
        });
        0.5 * parallel::dot(charges, potential)
    }

    /// Adds forces, virial and the atoms' energies of the charges beyond the pairs.
    pub(super) fn far_charges(
        &mut self,
        forces: &mut [Vec3],
        virial: &mut Mat3,
        energies: &mut [f64],
    ) {
        let Some(coulomb) = self.geometry.coulomb else { return };
        let Workspace {
            charges, potential, potential_is_of_charges, far_slopes, long_range, ..
        } = &mut *self.work;
        let mut watch = Watch::start();
        let known = std::mem::replace(potential_is_of_charges, true);
        if !known {
            potential.fill(0.0);
        }
        match (far_slopes.take(), known) {
            (Some(slopes), known) => {
                if !known {
                    coulomb.add_potential(charges, potential);
                }
                add_slopes(&slopes, forces, virial);
            }
            (None, true) => coulomb.add_forces(charges, forces, virial),
            (None, false) => coulomb.add_all(charges, potential, forces, virial),
        }
        *long_range += watch.lap();
        for (e, (q, v)) in energies.iter_mut().zip(charges.iter().zip(&*potential)) {
            *e += 0.5 * q * v;
        }
    }
}

/// What the potential of point charges is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Value,
    Product,
    /// On a rough mesh.
    RoughProduct,
}

pub(super) fn add_slopes(
    (by, of_strain): &(Vec<Vec3>, Mat3),
    forces: &mut [Vec3],
    virial: &mut Mat3,
) {
    let pairs = forces.iter_mut().zip(by).chain(virial.iter_mut().zip(of_strain));
    for (row, added) in pairs {
        row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
    }
}
