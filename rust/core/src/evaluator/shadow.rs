//! Extended-Lagrangian dynamics of the weights.
//!
//! Auxiliary weights n follow the minimising ones ω in a harmonic well, n″ = Ω²(ω − n), and lag behind
//! them by δt² ω″/κ; d follows that lag in the same way, d″ = Ω²(ω − n − d). A Newton step of
//! [`PRODUCTS`] products leads from n + d, in error by the fourth power of δt, to ω (A. M. N. Niklasson,
//! J. Chem. Phys. 147, 054103 (2017): a kernel of low rank, here the Krylov space of the sparse
//! inverse). Both are propagated reversibly in time, and an inverse serves few steps, so the error of ω
//! has little memory of the direction of time. The energy reported, E(R, ω), and the forces at ω differ
//! from those of the shadow energy, the minimum of the quadratic model around n + d, in third order of
//! the step.

/// Hessian products of a step.
pub(super) const PRODUCTS: usize = 2;
/// κ = Ω²δt² of n and of d; apart from each other, for a step to ω that leaves a part ε of its error
/// couples both, and they stay stable for ε < ((κ_n − κ_d)/(κ_n + κ_d))².
const KAPPA: [f64; 2] = [1.84, 0.8];
/// Verlet's integration with a weak damping of noise of order K = 6: α and c_k (A. M. N. Niklasson et
/// al., J. Chem. Phys. 130, 214109 (2009), table I).
const ALPHA: f64 = 5.5e-3;
const DAMPING: [f64; 7] = [-14.0, 36.0, -27.0, -2.0, 12.0, -6.0, 1.0];
/// A weight that a step starts from is at least this part of the last weight.
const LARGEST_FALL: f64 = 0.2;

/// Auxiliary values of the last steps, the latest first.
#[derive(Debug, Clone, Default)]
struct Follower {
    values: Vec<Vec<f64>>,
}

impl Follower {
    /// The next values, given what the last ones follow.
    fn next(&self, target: &[f64], kappa: f64) -> Vec<f64> {
        let mut next: Vec<f64> = target.iter().map(|x| kappa * x).collect();
        for (k, (values, c)) in self.values.iter().zip(DAMPING).enumerate() {
            let verlet = [2.0 - kappa, -1.0].get(k).copied().unwrap_or(0.0);
            let factor = verlet + ALPHA * c;
            next.iter_mut().zip(values).for_each(|(x, n)| *x += factor * n);
        }
        next
    }

    fn push(&mut self, values: Vec<f64>) {
        self.values.truncate(DAMPING.len() - 1);
        self.values.insert(0, values);
    }
}

/// The auxiliary weights n and how far they lag behind, d.
#[derive(Debug, Clone, Default)]
pub(super) struct Shadow {
    auxiliary: Follower,
    lag: Follower,
}

impl Shadow {
    /// Propagate to the next step, given the last weights: the weights to start from; none until
    /// enough steps are known.
    pub(super) fn next(&mut self, weights: &[f64]) -> Option<Vec<f64>> {
        let known = &self.auxiliary.values;
        if known.len() < DAMPING.len() || known[0].len() != weights.len() {
            return None;
        }
        if self.lag.values.is_empty() {
            self.begin();
        }
        let last = &self.auxiliary.values[0];
        let lag: Vec<f64> = weights.iter().zip(last).map(|(w, n)| w - n).collect();
        let auxiliary = self.auxiliary.next(weights, KAPPA[0]);
        let lag = self.lag.next(&lag, KAPPA[1]);
        let start = auxiliary.iter().zip(&lag).zip(weights);
        let start = start.map(|((n, d), w)| (n + d).max(LARGEST_FALL * w)).collect();
        self.auxiliary.push(auxiliary);
        self.lag.push(lag);
        Some(start)
    }

    /// Take converged weights.
    pub(super) fn push(&mut self, weights: &[f64]) {
        self.auxiliary.push(weights.to_vec());
    }

    /// From converged weights on: as if both had followed them, d = δt² ω″/κ, by differences.
    fn begin(&mut self) {
        let known = &mut self.auxiliary.values;
        let lag = |k: usize| -> Vec<f64> {
            let k = k.clamp(1, known.len() - 2);
            let three = known[k - 1].iter().zip(&known[k]).zip(&known[k + 1]);
            three.map(|((after, now), before)| (after - 2.0 * now + before) / KAPPA[0]).collect()
        };
        self.lag.values = (0..known.len()).map(lag).collect();
        for (values, lag) in known.iter_mut().zip(&self.lag.values) {
            values.iter_mut().zip(lag).for_each(|(n, d)| *n -= d);
        }
    }

    /// Weights that were not propagated: start again.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
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
        (0..7).for_each(|step| shadow.push(&[weight(step)]));
        for step in 7..4000 {
            let start = shadow.next(&[weight(step - 1)]).unwrap();
            // The lag of n alone is 1e-4, that of both in the fourth power of the step 4e-7.
            let most = if step < 3000 { 1e-4 } else { 1e-6 };
            assert!((start[0] - weight(step)).abs() < most, "{step}: {start:?} {}", weight(step));
        }
        let mut shadow = Shadow::default();
        (0..7).for_each(|_| shadow.push(&[0.3]));
        assert!((shadow.next(&[0.3]).unwrap()[0] - 0.3).abs() < 1e-15);
        shadow.restart();
        assert_eq!(shadow.next(&[0.3]), None);
    }

    #[test]
    fn steps_that_leave_a_tenth_of_the_error_are_stable() {
        for left in [-0.1, 0.1] {
            let mut shadow = Shadow::default();
            (0..7).for_each(|step| shadow.push(&[0.5 + 1e-3 * f64::from(step % 2)]));
            let mut last = 0.5;
            for _ in 0..6000 {
                let start = shadow.next(&[last]).unwrap();
                last = 0.5 + left * (start[0] - 0.5);
            }
            assert!((last - 0.5).abs() < 1e-8, "{left}: {last}");
        }
    }
}
