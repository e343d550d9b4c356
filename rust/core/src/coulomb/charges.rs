//! Given point charges: energy, potentials, forces and virial, real space included.

use super::periodic::Periodic;
use super::real::{self, RealSpace, Slopes};
use super::smooth::Smooth;
use super::{Coulomb, Kernel, Method, Options, check_options};
use crate::error::{Error, Result};
use crate::parallel::in_pool;
use crate::structure::{Mat3, Structure, Vec3};

/// Real-space cutoffs to choose from, Å.
pub(super) const CUTOFFS: [f64; 9] = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0];

/// Largest charge, e.
const MAX_CHARGE: f64 = 1e6;

/// Energy of point charges and its derivatives.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeEnergy {
    /// ½ Σ q_i V_i, eV.
    pub energy: f64,
    /// V_i = ∂E/∂q_i, eV/e.
    pub potential: Vec<f64>,
    /// −∂E/∂R, eV/Å.
    pub forces: Vec<Vec3>,
    /// ∂E/∂strain, eV, symmetric.
    pub virial: Mat3,
}

/// Point charges without any other interaction; keeps meshes and tables between geometries.
#[derive(Debug, Clone)]
pub struct PointCharges {
    options: Options,
    cutoff: Option<f64>,
    solver: Option<Prepared>,
}

/// Parts made for a periodicity and a density of atoms.
#[derive(Debug, Clone)]
struct Prepared {
    pbc: [bool; 3],
    cutoff: f64,
    coulomb: Coulomb,
    real: Option<RealSpace<true>>,
}

impl Prepared {
    fn new(options: Options, pbc: [bool; 3], cutoff: f64) -> Result<Self> {
        let coulomb = Coulomb::new(options, pbc, cutoff)?;
        let real = match coulomb.kernel() {
            Kernel::Screened { alpha } => {
                Some(RealSpace::new(Smooth::new(alpha, cutoff, options.accuracy), cutoff))
            }
            _ => None,
        };
        Ok(Self { pbc, cutoff, coulomb, real })
    }
}

impl PointCharges {
    /// Choose method and accuracy; `cutoff` (Å) is that of the real-space sum, by default the
    /// cheapest.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an accuracy or a cutoff out of range (see [`Coulomb::new`]).
    pub fn new(options: Options, cutoff: Option<f64>) -> Result<Self> {
        check_options(&options, cutoff.unwrap_or(1.0))?;
        if options.method == Method::ShiftedForce {
            let problem = "must be one of auto, direct, ewald, pme, got shifted_force";
            return Err(Error::invalid("method", problem));
        }
        Ok(Self { options, cutoff, solver: None })
    }

    /// Energy, potentials, forces and virial of `charges` (e) at the atoms of `structure`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the numbers of charges and atoms differ, a charge is not finite,
    /// two atoms are at the same place, or the method does not fit the periodicity or the cell.
    pub fn evaluate(&mut self, structure: &Structure, charges: &[f64]) -> Result<ChargeEnergy> {
        check_charges(structure, charges)?;
        in_pool(structure.len(), || self.sum(structure, charges))
    }

    fn sum(&mut self, structure: &Structure, charges: &[f64]) -> Result<ChargeEnergy> {
        let Prepared { coulomb, real, .. } = self.prepare(structure)?;
        coulomb.prepare(structure)?;
        let n = charges.len();
        let mut found = ChargeEnergy {
            energy: 0.0,
            potential: vec![0.0; n],
            forces: vec![[0.0; 3]; n],
            virial: [[0.0; 3]; 3],
        };
        let ChargeEnergy { potential, forces, virial, .. } = &mut found;
        coulomb.add_all(charges, potential, forces, virial);
        if let Some(real) = real {
            real.prepare(structure)?;
            real.add(charges, potential, Some(Slopes { forces, virial }));
        }
        check_finite(&found.potential)?;
        found.energy = 0.5 * charges.iter().zip(&found.potential).map(|(q, v)| q * v).sum::<f64>();
        Ok(found)
    }

    /// Solver for a structure; kept while cutoff and periodicity stay the same.
    fn prepare(&mut self, structure: &Structure) -> Result<&mut Prepared> {
        let (pbc, options) = (structure.pbc(), self.options);
        let cutoff = self.cutoff.unwrap_or_else(|| best_cutoff(structure, &options));
        let made = self.solver.take().filter(|made| made.pbc == pbc && made.cutoff == cutoff);
        let made = match made {
            Some(made) => made,
            None => Prepared::new(options, pbc, cutoff)?,
        };
        Ok(self.solver.insert(made))
    }
}

/// The cutoff of least estimated cost.
fn best_cutoff(structure: &Structure, options: &Options) -> f64 {
    let cost = |cutoff: f64| {
        real::cost(structure, cutoff) + Periodic::new(options, cutoff).cost(structure)
    };
    let costs = CUTOFFS.map(|cutoff| (cost(cutoff), cutoff));
    costs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(CUTOFFS[0], |best| best.1)
}

fn check_charges(structure: &Structure, charges: &[f64]) -> Result<()> {
    if charges.len() != structure.len() {
        let problem =
            format!("must have one entry per atom ({}), got {}", structure.len(), charges.len());
        return Err(Error::invalid("charges", problem));
    }
    match charges.iter().position(|q| !(-MAX_CHARGE..=MAX_CHARGE).contains(q)) {
        Some(i) => Err(Error::invalid(
            format!("charges[{i}]"),
            format!("must be finite and within ±{MAX_CHARGE:e} e, got {}", charges[i]),
        )),
        None => Ok(()),
    }
}

fn check_finite(potential: &[f64]) -> Result<()> {
    match potential.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::invalid(
            format!("positions[{i}]"),
            "another atom, or an image of one, is at the same place",
        )),
        None => Ok(()),
    }
}
