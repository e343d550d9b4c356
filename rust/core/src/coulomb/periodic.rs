//! Ewald sums of fully periodic systems: plain, or on a mesh, whichever is cheaper.

use super::Options;
use super::ewald::splitting;
use super::multipoles::Multipoles;
use super::pme::{Pme, Potentials};
use super::real::Slopes;
use super::splitting::Splitting;
use crate::error::Result;
use crate::structure::{Mat3, Structure, Vec3};

/// Accuracy of the rough mesh: finer ones save no products.
const ROUGH: f64 = 3e-3;

/// Both ways to the reciprocal sum, with the same splitting.
#[derive(Debug, Clone)]
pub(super) struct Periodic {
    options: Options,
    /// Of the pairs that others sum, Å.
    cutoff: f64,
    /// Splitting of those pairs, Å⁻¹.
    alpha: f64,
    /// From how many atoms on it may sum pairs beyond the cutoff; none for charges with dipoles.
    extended: Option<usize>,
    /// Cell and number of atoms that `splitting` was chosen for.
    made_for: Option<(Mat3, usize)>,
    splitting: Splitting,
    /// A coarser mesh for rough potentials.
    rough: Option<Pme<f32>>,
}

impl Periodic {
    pub(super) fn new(options: &Options, cutoff: f64) -> Self {
        let alpha = splitting(options.accuracy, cutoff);
        let worthwhile = options.accuracy < 0.5 * ROUGH;
        let splitting = Splitting::new(options, cutoff);
        Self {
            options: *options,
            cutoff,
            alpha,
            extended: None,
            made_for: None,
            splitting,
            rough: worthwhile.then(|| Pme::new(ROUGH, alpha)),
        }
    }

    /// Sum pairs beyond the cutoff too, where that is cheaper and there are at least so many atoms.
    pub(super) fn extend(&mut self, fewest: usize) {
        self.extended = Some(fewest);
        self.made_for = None;
    }

    pub(super) fn alpha(&self) -> f64 {
        self.alpha
    }

    pub(super) fn own_cutoff(&self) -> Option<f64> {
        self.splitting.cutoff()
    }

    pub(super) fn is_on_mesh(&self) -> bool {
        self.splitting.on_mesh
    }

    /// Estimated time of a potential on one core, ns.
    pub(super) fn cost(&self, structure: &Structure) -> f64 {
        self.splitting.cost(self.options.method, structure)
    }

    pub(super) fn prepare(&mut self, structure: &Structure) -> Result<()> {
        self.choose(structure);
        if let Some(between) = &mut self.splitting.between {
            between.prepare(structure)?;
        }
        if !self.splitting.on_mesh {
            return self.splitting.ewald.prepare(structure);
        }
        if let Some(rough) = &mut self.rough {
            rough.prepare(structure)?;
        }
        self.splitting.pme.prepare(structure)
    }

    fn choose(&mut self, structure: &Structure) {
        let key = (*structure.cell(), structure.len());
        if self.made_for == Some(key) {
            return;
        }
        let extends = self.extended.is_some_and(|fewest| structure.len() >= fewest);
        self.splitting.choose(&self.options, self.cutoff, extends.then_some(structure));
        self.splitting.on_mesh = self.splitting.chooses_mesh(self.options.method, structure);
        self.made_for = Some(key);
    }

    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        let Splitting { ewald, pme, on_mesh, between } = &self.splitting;
        if let Some(between) = between {
            between.add(charges, potential, None);
        }
        if *on_mesh {
            pme.add_potential(charges, potential);
        } else {
            ewald.add_potential(charges, potential);
        }
    }

    /// As [`Self::add_potential`], on the rough mesh where there is one.
    pub(super) fn add_rough_potential(&self, charges: &[f64], potential: &mut [f64]) {
        match &self.rough {
            Some(rough) if self.splitting.on_mesh => rough.add_potential(charges, potential),
            _ => self.add_potential(charges, potential),
        }
    }

    /// As [`Self::add_potential`] of charges and dipoles, with ∂E/∂m; `rough`, on the rough mesh
    /// where there is one.
    ///
    /// # Panics
    /// After [`Self::extend`].
    pub(super) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        rough: bool,
        potentials: Potentials,
    ) {
        assert!(self.extended.is_none(), "dipoles have no pairs beyond the cutoff");
        let Splitting { ewald, pme, on_mesh, .. } = &self.splitting;
        match &self.rough {
            _ if !*on_mesh => ewald.add_multipole_potential(sources, potentials.0, potentials.1),
            Some(mesh) if rough => mesh.add_multipole_potential(sources, potentials),
            _ => pme.add_multipole_potential(sources, potentials),
        }
    }

    /// Forces and virial of charges and dipoles; potentials too, if asked for.
    ///
    /// # Panics
    /// After [`Self::extend`].
    pub(super) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        potentials: Option<Potentials>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert!(self.extended.is_none(), "dipoles have no pairs beyond the cutoff");
        let Splitting { ewald, pme, on_mesh, .. } = &self.splitting;
        if *on_mesh {
            return pme.add_multipole_forces(sources, potentials, forces, virial);
        }
        if let Some((potential, gradients)) = potentials {
            ewald.add_multipole_potential(sources, potential, gradients);
        }
        ewald.add_multipole_forces(sources, forces, virial);
    }

    /// See [`super::Coulomb::fractions`].
    pub(super) fn fractions(&self) -> Option<(Mat3, Vec<Vec3>)> {
        if self.splitting.on_mesh { self.splitting.pme.fractions() } else { None }
    }

    /// Forces and virial; the potential too, if asked for.
    pub(super) fn add_forces(
        &self,
        charges: &[f64],
        mut potential: Option<&mut [f64]>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        let Splitting { ewald, pme, on_mesh, between } = &self.splitting;
        if let Some(between) = between {
            let mut unused = Vec::new();
            let potential = potential.as_deref_mut().unwrap_or_else(|| {
                unused.resize(charges.len(), 0.0);
                &mut unused
            });
            between.add(charges, potential, Some(Slopes { forces, virial }));
        }
        if *on_mesh {
            pme.add_forces(charges, potential, forces, virial);
            return;
        }
        if let Some(potential) = &mut potential {
            ewald.add_potential(charges, potential);
        }
        ewald.add_forces(charges, forces, virial);
    }
}
