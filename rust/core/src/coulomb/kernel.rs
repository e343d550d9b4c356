//! The pair part of the interactions.

use std::f64::consts::PI;

use super::shifted;
use crate::COULOMB;
use crate::formulas::screened_multipole;

/// The part K(R) of the interaction that is summed over pairs within the cutoff, eV/e².
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kernel {
    /// Nothing is left to the pairs.
    None,
    /// `COULOMB` erfc(αR)/R: the real-space part of an Ewald sum (Frenkel & Smit, Understanding
    /// Molecular Simulation, 2nd ed., section 12.1).
    Screened {
        /// α, Å⁻¹.
        alpha: f64,
    },
    /// `COULOMB` [1/R − 1/rc + (R − rc)/rc²] for R < rc, else 0 (Fennell & Gezelter, J. Chem.
    /// Phys. 124, 234104 (2006), undamped).
    ShiftedForce {
        /// rc, Å.
        cutoff: f64,
    },
}

impl Kernel {
    /// R·K(R) in eV·Å/e² and its first two derivatives with respect to R, in eV/e² and
    /// eV/(Å·e²). `r` in Å, r ≥ 0; finite at r = 0.
    pub fn times_r(&self, r: f64) -> [f64; 3] {
        match *self {
            Self::None => [0.0; 3],
            Self::Screened { alpha } => screened(alpha, r),
            Self::ShiftedForce { cutoff } => shifted::times_r(cutoff, r),
        }
    }
}

/// What the pairs hold of dipoles (see `multipoles`): of f₁ = K′/R, f₂ = f₁′/R, f₃ = f₂′/R, eV/e² Å⁻²,
/// Å⁻⁴, Å⁻⁶.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DipoleFunctions {
    /// f₁ and f₂ of a charge and a dipole.
    pub(crate) charge: [f64; 2],
    /// f₁, f₂ and f₃ of two dipoles.
    pub(crate) dipole: [f64; 3],
}

impl Kernel {
    /// Dipole functions at a distance.
    pub(crate) fn dipole_functions(&self, r: f64) -> DipoleFunctions {
        match *self {
            Self::None => DipoleFunctions::default(),
            Self::ShiftedForce { cutoff } => shifted::dipole_functions(cutoff, r),
            Self::Screened { alpha } => {
                let [f1, f2, f3] = screened_multipole(alpha, r).map(|f| COULOMB * f);
                DipoleFunctions { charge: [f1, f2], dipole: [f1, f2, f3] }
            }
        }
    }
}

/// `COULOMB` erfc(αR), its slope −2α/√π exp(−α²R²) and the slope's slope.
pub(super) fn screened(alpha: f64, r: f64) -> [f64; 3] {
    let gaussian = 2.0 * alpha / PI.sqrt() * (-(alpha * r).powi(2)).exp();
    [libm::erfc(alpha * r), -gaussian, 2.0 * alpha * alpha * r * gaussian].map(|x| COULOMB * x)
}
