//! Shifted-force truncation of the Coulomb interaction.

use super::DipoleFunctions;
use crate::COULOMB;
use crate::formulas::shifted_multipole;

/// Shifted-force electrostatics with a cutoff (Å): the pairs are left to the kernel.
#[derive(Debug, Clone)]
pub(super) struct ShiftedForce {
    cutoff: f64,
}

impl ShiftedForce {
    pub(super) fn new(cutoff: f64) -> Self {
        Self { cutoff }
    }

    pub(super) fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// V_i −= 2·`COULOMB`/rc · q_i.
    ///
    /// The kernel is 1/R − 2/rc + R/rc²: over a neutral molecule the constant gives every atom
    /// +2 q_i/rc, which this term takes away; what stays is of order R/rc². It is twice the
    /// undamped self term of the shifted potential (Wolf et al., J. Chem. Phys. 110, 8254 (1999)),
    /// since the shift of the force adds another −1/rc.
    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        let factor = -2.0 * COULOMB / self.cutoff;
        for (v, q) in potential.iter_mut().zip(charges) {
            *v += factor * q;
        }
    }
}

/// `COULOMB` (1 − R/rc)², which is R·K(R), and its derivatives; zero from the cutoff on.
pub(super) fn times_r(cutoff: f64, r: f64) -> [f64; 3] {
    if r >= cutoff {
        return [0.0; 3];
    }
    let x = 1.0 - r / cutoff;
    [COULOMB * x * x, -2.0 * COULOMB * x / cutoff, 2.0 * COULOMB / (cutoff * cutoff)]
}

/// Functions of dipoles, see [`shifted_multipole`].
pub(super) fn dipole_functions(cutoff: f64, r: f64) -> DipoleFunctions {
    let [c1, c2, f1, f2, f3] = shifted_multipole(cutoff, r).map(|f| COULOMB * f);
    DipoleFunctions { charge: [c1, c2], dipole: [f1, f2, f3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dipole_functions_are_a_chain_that_ends_at_the_cutoff() {
        let (cutoff, h) = (6.0, 1e-4);
        for r in [0.7, 2.0, 4.5, 5.9] {
            let at = |r: f64| dipole_functions(cutoff, r);
            let (low, here, high) = (at(r - h), at(r), at(r + h));
            let slope = |low: f64, high: f64| (high - low) / (2.0 * h * r);
            let tolerance = 1e-6 * (1.0 + r.powi(-7));
            assert!(
                (slope(low.charge[0], high.charge[0]) - here.charge[1]).abs() < 14.0 * tolerance
            );
            for k in 0..2 {
                let found = slope(low.dipole[k], high.dipole[k]);
                assert!((found - here.dipole[k + 1]).abs() < 1e3 * tolerance, "{r} {k}");
            }
        }
        let end = dipole_functions(cutoff, cutoff - 1e-3);
        assert!(end.charge[0].abs() < 1e-7 && end.charge[1].abs() < 1e-3);
        assert!(end.dipole[0].abs() < 1e-9 && end.dipole[1].abs() < 1e-6);
        assert!(end.dipole[2].abs() < 1e-3);
    }
}
