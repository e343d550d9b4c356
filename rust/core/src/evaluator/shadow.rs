//! Extended-Lagrangian dynamics of the weights.
//!
//! Auxiliary weights n follow the minimising ones ω in a harmonic well, n″ = Ω²(ω − n), and are the
//! start of a Newton step of [`PRODUCTS`] products to ω (A. M. N. Niklasson, J. Chem. Phys. 147, 054103
//! (2017): a kernel of low rank, here the Krylov space of the sparse inverse). n is propagated
//! reversibly in time and the sparse inverse made anew in every step, so the error of ω has no memory
//! of the direction of time; with an inverse of earlier steps water heated. What is conserved is the
//! shadow energy E(R, n) + ½ g·δ, the minimum of the quadratic model around n that the step δ = ω − n
//! minimises (g = ∂E/∂ω at n); the energy reported, E(R, ω), differs from it in third order of δ, and
//! from the exact minimum in second order of ω's error.

/// Hessian products of a step.
pub(super) const PRODUCTS: usize = 2;
/// Verlet's integration with a weak damping of noise of order K = 6: κ = Ω²δt², α and c_k (A. M. N.
/// Niklasson et al., J. Chem. Phys. 130, 214109 (2009), table I).
const KAPPA: f64 = 1.84;
const ALPHA: f64 = 5.5e-3;
const DAMPING: [f64; 7] = [-14.0, 36.0, -27.0, -2.0, 12.0, -6.0, 1.0];
/// An auxiliary weight is at least this part of the last weight.
const LARGEST_FALL: f64 = 0.2;

/// The auxiliary weights of the last steps, the latest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Shadow {
    auxiliary: Vec<Vec<f64>>,
}

impl Shadow {
    /// The next auxiliary weights, given the last weights; none until enough steps are known.
    pub(super) fn next(&self, weights: &[f64]) -> Option<Vec<f64>> {
        if self.auxiliary.len() < DAMPING.len() || self.auxiliary[0].len() != weights.len() {
            return None;
        }
        let mut next: Vec<f64> = weights.iter().map(|w| KAPPA * w).collect();
        for (k, (values, c)) in self.auxiliary.iter().zip(DAMPING).enumerate() {
            let verlet = [2.0 - KAPPA, -1.0].get(k).copied().unwrap_or(0.0);
            let factor = verlet + ALPHA * c;
            next.iter_mut().zip(values).for_each(|(x, n)| *x += factor * n);
        }
        next.iter_mut().zip(weights).for_each(|(x, w)| *x = x.max(LARGEST_FALL * w));
        Some(next)
    }

    /// Take the auxiliary weights of a step.
    pub(super) fn push(&mut self, auxiliary: Vec<f64>) {
        self.auxiliary.truncate(DAMPING.len() - 1);
        self.auxiliary.insert(0, auxiliary);
    }

    /// Weights that were not propagated: start again.
    pub(super) fn restart(&mut self) {
        self.auxiliary.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn constant_weights_stay_and_slow_ones_are_followed() {
        let mut shadow = Shadow::default();
        assert_eq!(shadow.next(&[0.3]), None);
        let weight = |step: u32| 0.5 + 0.1 * (0.05 * f64::from(step)).sin();
        (0..7).for_each(|step| shadow.push(vec![weight(step)]));
        for step in 7..2000 {
            let next = shadow.next(&[weight(step - 1)]).unwrap();
            assert!((next[0] - weight(step)).abs() < 2e-3, "{step}: {next:?} {}", weight(step));
            shadow.push(next);
        }
        let mut shadow = Shadow::default();
        (0..7).for_each(|_| shadow.push(vec![0.3]));
        assert!((shadow.next(&[0.3]).unwrap()[0] - 0.3).abs() < 1e-15);
        shadow.restart();
        assert_eq!(shadow.next(&[0.3]), None);
    }
}
