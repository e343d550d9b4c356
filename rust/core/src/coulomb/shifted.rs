//! Shifted-force truncation of the Coulomb interaction.

use crate::COULOMB;

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
