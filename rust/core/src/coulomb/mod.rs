//! Point-charge electrostatics for charges that are unknowns of a minimisation.
//!
//! The energy is E = ½ Σ_i q_i V_i (eV) with the potential V = J·q (eV/e) linear in the charges q
//! (e) and J symmetric. It comes in two parts:
//! - a radial [`Kernel`] K(R), E = ½ Σ_{i≠j or image} q_i q_j K(R_ij), for the pairs within the
//!   engine's cutoff: the engine tabulates it and sums it over its own neighbour list;
//! - the rest, which [`Coulomb`] applies many times at a fixed geometry.
//!
//! | method | kernel | rest |
//! |---|---|---|
//! | direct | none | all pairs, 1/R |
//! | Ewald | erfc(αR)/R | reciprocal sum, self energy, neutralising background |
//! | particle-mesh Ewald | erfc(αR)/R | the same, on a mesh |
//! | shifted force | 1/R − 1/rc + (R − rc)/rc² | self energy |
//!
//! A mesh serves any accuracy; up to some 250 atoms the plain sum is faster, beyond it the mesh. Both
//! have the same kernel, so the choice is made for every structure anew.
//!
//! Every sum has an order of its own, so results have the same bits for any number of threads; only
//! the pair sum of [`PointCharges`] keeps them just for the same number.

#![allow(clippy::doc_markdown)]
// formulas in documentation keep the letters of their source
// Only what is inlined into a dispatched function is compiled for the vector instructions at hand.
#![allow(clippy::inline_always)]

mod charges;
mod direct;
mod ewald;
mod kernel;
mod mesh;
mod mesh_plan;
mod modes;
mod multipoles;
mod periodic;
mod phases;
mod plan;
mod pme;
mod real;
mod resolution;
mod scratch;
mod shifted;
mod smooth;
mod spline;
mod splitting;

use crate::COULOMB;
use crate::error::{Error, Result};
use crate::formulas::{point_multipole, screened_multipole};
use crate::structure::{Mat3, Structure, Vec3};
pub use charges::{ChargeEnergy, PointCharges};
use direct::Direct;
pub(crate) use kernel::DipoleFunctions;
pub use kernel::Kernel;
#[cfg(test)]
use kernel::screened;
pub use mesh_plan::MeshPlan;
pub(crate) use multipoles::DipolePair;
pub use multipoles::Multipoles;
use periodic::Periodic;
use shifted::ShiftedForce;

/// Smallest error that may be asked for.
const SMALLEST_ACCURACY: f64 = 1e-14;
/// What dipoles take of it.
const DIPOLE_ACCURACY: f64 = 0.1;

/// How the interaction of point charges is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Method {
    /// [`Method::Direct`] without periodic directions; with three [`Method::Ewald`] or
    /// [`Method::Pme`], whichever is estimated to take less time for the structure at hand.
    #[default]
    Auto,
    /// All pairs of a finite system, no cutoff.
    Direct,
    /// Ewald summation of a system periodic in three directions, conducting surroundings
    /// ("tin foil"), a uniform background that neutralises any total charge.
    Ewald,
    /// As [`Method::Ewald`], the reciprocal sum by smooth particle-mesh Ewald.
    Pme,
    /// Pair potential shifted to zero value and slope at the cutoff; any periodicity. An
    /// approximation, not a way to sum the series.
    ShiftedForce,
}

/// Method and accuracy of the electrostatics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Summation method.
    pub method: Method,
    /// Root-mean-square error of the Ewald forces relative to their size in a disordered ionic
    /// system, 1e-14 to 1e-1. The other methods do not use it.
    pub accuracy: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { method: Method::Auto, accuracy: 1e-6 }
    }
}

impl Options {
    /// The same for charges and dipoles. Sums over higher derivatives of 1/R converge later: they are
    /// carried to a tenth of the error.
    #[must_use]
    pub fn with_dipoles(self) -> Self {
        Self { accuracy: (DIPOLE_ACCURACY * self.accuracy).max(SMALLEST_ACCURACY), ..self }
    }
}

/// The long-ranged rest of the electrostatics: everything that [`Coulomb::kernel`] leaves out.
#[derive(Debug, Clone)]
pub struct Coulomb {
    solver: Solver,
}

#[derive(Debug, Clone)]
enum Solver {
    Direct(Box<Direct>),
    Periodic(Box<Periodic>),
    ShiftedForce(ShiftedForce),
}

impl Coulomb {
    /// Choose the method for a periodicity and the real-space cutoff (Å).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an accuracy outside 1e-14–1e-1, a cutoff that is not positive
    /// and finite, `Direct` with a periodic direction, `Ewald` (or `Auto`) with one or two.
    pub fn new(options: Options, pbc: [bool; 3], cutoff: f64) -> Result<Self> {
        check_options(&options, cutoff)?;
        let solver = match resolve(options.method, pbc)? {
            Method::ShiftedForce => Solver::ShiftedForce(ShiftedForce::new(cutoff)),
            Method::Auto | Method::Ewald | Method::Pme => {
                Solver::Periodic(Box::new(Periodic::new(&options, cutoff)))
            }
            Method::Direct => Solver::Direct(Box::default()),
        };
        Ok(Self { solver })
    }

    /// The same for charges without dipoles. Where it is cheaper, and from `fewest` atoms on, an Ewald
    /// sum then goes through pairs beyond the cutoff itself, so that its reciprocal part needs fewer
    /// modes.
    #[must_use]
    pub fn extended(mut self, fewest: usize) -> Self {
        if let Solver::Periodic(periodic) = &mut self.solver {
            periodic.extend(fewest);
        }
        self
    }

    /// Cutoff of the pairs that the prepared sum goes through itself, Å.
    pub fn own_cutoff(&self) -> Option<f64> {
        match &self.solver {
            Solver::Periodic(periodic) => periodic.own_cutoff(),
            Solver::Direct(_) | Solver::ShiftedForce(_) => None,
        }
    }

    /// The part that the caller sums over all pairs (images included) within the cutoff.
    pub fn kernel(&self) -> Kernel {
        match &self.solver {
            Solver::Direct(_) => Kernel::None,
            Solver::Periodic(periodic) => Kernel::Screened { alpha: periodic.alpha() },
            Solver::ShiftedForce(shifted) => Kernel::ShiftedForce { cutoff: shifted.cutoff() },
        }
    }

    /// Take a geometry: tables that the following calls share. Buffers are reused; the k vectors
    /// too while the cell stays the same. The periodicity must be the one given to [`Self::new`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a cell so large that the Ewald sum would take minutes.
    pub fn prepare(&mut self, structure: &Structure) -> Result<()> {
        match &mut self.solver {
            Solver::Direct(direct) => direct.prepare(structure.positions()),
            Solver::Periodic(periodic) => periodic.prepare(structure)?,
            Solver::ShiftedForce(_) => {}
        }
        Ok(())
    }

    /// Add the rest of V = ∂E/∂q (eV/e) at the prepared geometry; `charges` in e.
    ///
    /// Work space is kept per thread, so the steady state allocates nothing but a list of blocks.
    /// Atoms at the same place have an infinite (or undefined) potential in the direct sum.
    ///
    /// # Panics
    /// If the lengths differ from each other or from the prepared number of atoms.
    pub fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        assert_eq!(charges.len(), potential.len(), "one potential per charge");
        match &self.solver {
            Solver::Direct(direct) => direct.add_potential(charges, potential),
            Solver::Periodic(periodic) => periodic.add_potential(charges, potential),
            Solver::ShiftedForce(shifted) => shifted.add_potential(charges, potential),
        }
    }

    /// As [`Self::add_potential`], roughly where that takes less time (on a mesh): for steps
    /// towards a solution that is checked with [`Self::add_potential`]. Symmetric and linear too.
    ///
    /// # Panics
    /// If the lengths differ from each other or from the prepared number of atoms.
    pub fn add_rough_potential(&self, charges: &[f64], potential: &mut [f64]) {
        assert_eq!(charges.len(), potential.len(), "one potential per charge");
        if let Solver::Periodic(periodic) = &self.solver {
            periodic.add_rough_potential(charges, potential);
        } else {
            self.add_potential(charges, potential);
        }
    }

    /// Add the rest of the forces −∂E/∂R (eV/Å) and of the virial ∂E/∂strain (eV, symmetric;
    /// positive under tension; stress = virial/volume) at fixed `charges` (e). A strain ε moves
    /// positions and cell vectors x → x + ε·x; the background's volume dependence is included.
    ///
    /// # Panics
    /// If the lengths differ from each other or from the prepared number of atoms.
    pub fn add_forces(&self, charges: &[f64], forces: &mut [Vec3], virial: &mut Mat3) {
        assert_eq!(charges.len(), forces.len(), "one force per charge");
        match &self.solver {
            Solver::Direct(direct) => direct.add_forces(charges, forces, virial),
            Solver::Periodic(periodic) => periodic.add_forces(charges, None, forces, virial),
            // The self energy does not depend on positions.
            Solver::ShiftedForce(_) => {}
        }
    }

    /// As [`Self::add_potential`] of charges and dipoles (e·Å), and ∂E/∂m (eV/(e·Å)); `rough` as
    /// [`Self::add_rough_potential`].
    ///
    /// # Panics
    /// If the lengths differ, or after [`Self::extended`].
    pub fn add_multipole_potential(
        &self,
        sources: Multipoles,
        rough: bool,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        assert_eq!(sources.dipoles.len(), sources.charges.len(), "one dipole per charge");
        assert_eq!(sources.charges.len(), potential.len(), "one potential per charge");
        assert_eq!(gradients.len(), potential.len(), "one gradient per charge");
        match &self.solver {
            Solver::Direct(direct) => {
                direct.add_multipole_potential(sources, potential, gradients);
            }
            Solver::Periodic(periodic) => {
                periodic.add_multipole_potential(sources, rough, (potential, gradients));
            }
            Solver::ShiftedForce(shifted) => shifted.add_potential(sources.charges, potential),
        }
    }

    /// As [`Self::add_forces`] at fixed charges and dipoles. The virial is symmetric where the
    /// dipoles feel no torque from all interactions together.
    ///
    /// # Panics
    /// As [`Self::add_multipole_potential`].
    pub fn add_multipole_forces(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(sources.dipoles.len(), sources.charges.len(), "one dipole per charge");
        assert_eq!(sources.charges.len(), forces.len(), "one force per charge");
        match &self.solver {
            Solver::Direct(direct) => direct.add_multipole_forces(sources, forces, virial),
            Solver::Periodic(periodic) => {
                periodic.add_multipole_forces(sources, None, forces, virial);
            }
            // All of it is in the pairs.
            Solver::ShiftedForce(_) => {}
        }
    }

    /// [`Self::add_multipole_potential`] and [`Self::add_multipole_forces`] at once: on a mesh it costs
    /// little more than the latter.
    ///
    /// # Panics
    /// As [`Self::add_multipole_potential`].
    pub fn add_all_of_multipoles(
        &self,
        sources: Multipoles,
        (potential, gradients): (&mut [f64], &mut [Vec3]),
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(sources.charges.len(), potential.len(), "one potential per charge");
        assert_eq!(gradients.len(), potential.len(), "one gradient per charge");
        if let Solver::Periodic(periodic) = &self.solver {
            let potentials = Some((potential, gradients));
            periodic.add_multipole_forces(sources, potentials, forces, virial);
        } else {
            self.add_multipole_potential(sources, false, potential, gradients);
            self.add_multipole_forces(sources, forces, virial);
        }
    }

    /// The rest of the interaction of two near charges as if they were alone, eV/e².
    pub(crate) fn rest(&self, r: f64) -> f64 {
        match &self.solver {
            Solver::Direct(_) => COULOMB / r,
            Solver::Periodic(periodic) => COULOMB * libm::erf(periodic.alpha() * r) / r,
            Solver::ShiftedForce(_) => 0.0,
        }
    }

    /// The rest of f₁ and f₂ (see `multipoles`) of two near atoms as if they were alone, eV/e² Å⁻², Å⁻⁴.
    pub(crate) fn rest_of_dipoles(&self, r: f64) -> [f64; 2] {
        let [_, f1, f2, _] = point_multipole(r * r);
        match &self.solver {
            Solver::Direct(_) => [COULOMB * f1, COULOMB * f2],
            Solver::Periodic(periodic) => {
                let [near1, near2, _] = screened_multipole(periodic.alpha(), r);
                [COULOMB * (f1 - near1), COULOMB * (f2 - near2)]
            }
            Solver::ShiftedForce(_) => [0.0; 2],
        }
    }

    /// Whether the prepared sum is one on a mesh.
    pub(crate) fn is_on_mesh(&self) -> bool {
        matches!(&self.solver, Solver::Periodic(periodic) if periodic.is_on_mesh())
    }

    /// Inverse of a compact cell of the lattice, and the atoms' fractional coordinates (0 to 1) in it;
    /// only where a mesh is used, in large periodic systems.
    pub(crate) fn fractions(&self) -> Option<(Mat3, Vec<Vec3>)> {
        match &self.solver {
            Solver::Periodic(periodic) => periodic.fractions(),
            Solver::Direct(_) | Solver::ShiftedForce(_) => None,
        }
    }

    /// [`Self::add_potential`] and [`Self::add_forces`] at once: on a mesh it costs one of them.
    ///
    /// # Panics
    /// If the lengths differ from each other or from the prepared number of atoms.
    pub fn add_all(
        &self,
        charges: &[f64],
        potential: &mut [f64],
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(charges.len(), forces.len(), "one force per charge");
        assert_eq!(charges.len(), potential.len(), "one potential per charge");
        if let Solver::Periodic(periodic) = &self.solver {
            periodic.add_forces(charges, Some(potential), forces, virial);
        } else {
            self.add_potential(charges, potential);
            self.add_forces(charges, forces, virial);
        }
    }
}

fn check_options(options: &Options, cutoff: f64) -> Result<()> {
    if !(SMALLEST_ACCURACY..=1e-1).contains(&options.accuracy) {
        let problem = format!("must be from 1e-14 to 1e-1, got {}", options.accuracy);
        return Err(Error::invalid("accuracy", problem));
    }
    if !(cutoff > 0.0 && cutoff.is_finite()) {
        let problem = format!("must be a positive number of Å, got {cutoff}");
        return Err(Error::invalid("cutoff", problem));
    }
    Ok(())
}

/// The method that `Auto` stands for, if the periodicity allows it.
fn resolve(method: Method, pbc: [bool; 3]) -> Result<Method> {
    let periodic = pbc.iter().filter(|&&p| p).count();
    match (method, periodic) {
        (Method::ShiftedForce, _) => Ok(Method::ShiftedForce),
        (Method::Auto | Method::Direct, 0) => Ok(Method::Direct),
        (Method::Auto | Method::Ewald | Method::Pme, 3) => Ok(method),
        (Method::Direct, _) => Err(Error::invalid(
            "electrostatics",
            format!("direct needs a system without periodic directions, got pbc {pbc:?}"),
        )),
        (Method::Auto | Method::Ewald | Method::Pme, _) => Err(Error::invalid(
            "electrostatics",
            format!(
                "ewald and pme need three periodic directions, got pbc {pbc:?}; \
                 use shifted_force for partial pbc"
            ),
        )),
    }
}
