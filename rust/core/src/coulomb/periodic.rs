//! Ewald sums of fully periodic systems: plain, or on a mesh, whichever is cheaper.

use super::ewald::Ewald;
use super::multipoles::Multipoles;
use super::pme::Pme;
use super::{Method, Options};
use crate::error::Result;
use crate::structure::{Mat3, Structure, Vec3};

/// Accuracy of the rough mesh.
const ROUGH: f64 = 1e-3;

/// Both ways to the reciprocal sum, with the same splitting.
#[derive(Debug, Clone)]
pub(super) struct Periodic {
    method: Method,
    ewald: Ewald,
    pme: Pme,
    on_mesh: bool,
    /// A coarser mesh for [`Self::add_rough_potential`].
    rough: Option<Pme>,
}

impl Periodic {
    pub(super) fn new(options: &Options, cutoff: f64) -> Self {
        let ewald = Ewald::new(options.accuracy, cutoff);
        let pme = Pme::new(options.accuracy, ewald.alpha());
        let rough = (options.accuracy < 0.5 * ROUGH).then(|| Pme::new(ROUGH, ewald.alpha()));
        Self { method: options.method, ewald, pme, on_mesh: false, rough }
    }

    pub(super) fn alpha(&self) -> f64 {
        self.ewald.alpha()
    }

    /// Estimated time of a potential on one core, ns.
    pub(super) fn cost(&self, structure: &Structure) -> f64 {
        if self.chooses_mesh(structure) {
            self.pme.cost(structure)
        } else {
            self.ewald.cost(structure)
        }
    }

    /// By the structure alone: results do not depend on what was calculated before.
    fn chooses_mesh(&self, structure: &Structure) -> bool {
        match self.method {
            Method::Pme => true,
            Method::Auto => self.pme.cost(structure) < self.ewald.cost(structure),
            _ => false,
        }
    }

    pub(super) fn prepare(&mut self, structure: &Structure) -> Result<()> {
        self.on_mesh = self.chooses_mesh(structure);
        if !self.on_mesh {
            return self.ewald.prepare(structure);
        }
        if let Some(rough) = &mut self.rough {
            rough.prepare(structure)?;
        }
        self.pme.prepare(structure)
    }

    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        if self.on_mesh {
            self.pme.add_potential(charges, potential);
        } else {
            self.ewald.add_potential(charges, potential);
        }
    }

    /// As [`Self::add_potential`], to three digits where that takes less time.
    pub(super) fn add_rough_potential(&self, charges: &[f64], potential: &mut [f64]) {
        match &self.rough {
            Some(rough) if self.on_mesh => rough.add_potential(charges, potential),
            _ => self.add_potential(charges, potential),
        }
    }

    /// As [`Self::add_potential`] of charges and dipoles, with ∂E/∂m; `rough`, to three digits where
    /// that takes less time.
    pub(super) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        rough: bool,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        if !self.on_mesh {
            return self.ewald.add_multipole_potential(sources, potential, gradients);
        }
        let mesh = self.rough.as_ref().filter(|_| rough).unwrap_or(&self.pme);
        mesh.add_multipole_potential(sources, potential, gradients);
    }

    /// Forces and virial of charges and dipoles.
    pub(super) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        if self.on_mesh {
            self.pme.add_multipole_forces(sources, forces, virial);
        } else {
            self.ewald.add_multipole_forces(sources, forces, virial);
        }
    }

    /// See [`super::Coulomb::fractions`].
    pub(super) fn fractions(&self) -> Option<(Mat3, Vec<Vec3>)> {
        if self.on_mesh { self.pme.fractions() } else { None }
    }

    /// Forces and virial; the potential too, if asked for.
    pub(super) fn add_forces(
        &self,
        charges: &[f64],
        mut potential: Option<&mut [f64]>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        if self.on_mesh {
            self.pme.add_forces(charges, potential, forces, virial);
            return;
        }
        if let Some(potential) = &mut potential {
            self.ewald.add_potential(charges, potential);
        }
        self.ewald.add_forces(charges, forces, virial);
    }
}
