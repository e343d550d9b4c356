//! The constraint set: groups that sum to one, a total charge, weights not negative.

use super::FLOOR;
use crate::error::{Error, Result};

/// Charges closer to the extreme than this leave only the extreme states.
const EXTREME: f64 = 1e-11;

/// Groups of weights with the charge of each weight and the total charge.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    /// Group g holds weights `offsets[g]..offsets[g + 1]`.
    pub offsets: Vec<usize>,
    /// Charge of every weight, e.
    pub charges: Vec<f64>,
    /// Required Σ ω q, e.
    pub total_charge: f64,
    allowed: Vec<bool>,
}

impl Constraints {
    /// Check that the total charge can be reached.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] on `total_charge` outside the range of the states' charges.
    pub fn new(offsets: Vec<usize>, charges: Vec<f64>, total_charge: f64) -> Result<Self> {
        let mut this = Self { offsets, allowed: vec![true; charges.len()], charges, total_charge };
        let [low, high] = this.charge_range();
        let margin = EXTREME * (1.0 + high.abs().max(low.abs()));
        if !(total_charge >= low - margin && total_charge <= high + margin) {
            return Err(Error::invalid(
                "total_charge",
                format!(
                    "no combination of states reaches {total_charge} e; the allowed range is {low} to {high} e"
                ),
            ));
        }
        if high - low <= margin {
            return Ok(this);
        }
        if total_charge >= high - margin {
            this.total_charge = high;
            this.keep_extreme(f64::max);
        } else if total_charge <= low + margin {
            this.total_charge = low;
            this.keep_extreme(f64::min);
        }
        Ok(this)
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The weights of group `g`.
    pub fn group(&self, g: usize) -> std::ops::Range<usize> {
        self.offsets[g]..self.offsets[g + 1]
    }

    /// False for weights that must vanish because the total charge is an extreme one.
    pub fn allowed(&self, weight: usize) -> bool {
        self.allowed[weight]
    }

    fn charge_range(&self) -> [f64; 2] {
        let total = |pick: fn(f64, f64) -> f64| -> f64 {
            // Not `sum`, which gives −0 without atoms.
            (0..self.groups()).filter_map(|g| self.extreme(g, pick)).fold(0.0, |sum, q| sum + q)
        };
        [total(f64::min), total(f64::max)]
    }

    fn extreme(&self, g: usize, pick: fn(f64, f64) -> f64) -> Option<f64> {
        self.charges[self.group(g)].iter().copied().reduce(pick)
    }

    fn keep_extreme(&mut self, pick: fn(f64, f64) -> f64) {
        for g in 0..self.groups() {
            let best = self.extreme(g, pick);
            for a in self.group(g) {
                self.allowed[a] = Some(self.charges[a]) == best;
            }
        }
    }

    /// Replace positive numbers by the feasible weights nearest to them in the Kullback–Leibler
    /// sense: ω_a = x_a exp(ν q_a)/Σ_group, with ν fixed by the total charge.
    pub fn project(&self, weights: &mut [f64]) {
        self.normalise(weights, 0.0);
        let start = weights.to_vec();
        let (mut nu, mut low, mut high) = (0.0_f64, f64::NEG_INFINITY, f64::INFINITY);
        let mut best = (f64::INFINITY, 0.0);
        for _ in 0..200 {
            let (excess, slope) = self.excess(weights);
            if excess.abs() < best.0 {
                best = (excess.abs(), nu);
            } else if best.0 < 1e-9 {
                break;
            }
            if excess.abs() <= 1e-15 {
                break;
            }
            if excess > 0.0 {
                high = nu;
            } else {
                low = nu;
            }
            nu = next_multiplier(nu, excess, slope, [low, high]);
            if nu == low || nu == high {
                break;
            }
            weights.copy_from_slice(&start);
            self.normalise(weights, nu);
        }
        weights.copy_from_slice(&start);
        self.normalise(weights, best.1);
    }

    /// Multiply by exp(ν q), floor, and normalise each group.
    fn normalise(&self, weights: &mut [f64], nu: f64) {
        for g in 0..self.groups() {
            let group = self.group(g);
            let peak =
                self.charges[group.clone()].iter().fold(f64::NEG_INFINITY, |m, q| m.max(nu * q));
            let mut total = 0.0;
            for a in group.clone() {
                let tilt = if nu == 0.0 { 1.0 } else { (nu * self.charges[a] - peak).exp() };
                weights[a] = if self.allowed[a] { (weights[a] * tilt).max(FLOOR) } else { 0.0 };
                total += weights[a];
            }
            for a in group {
                weights[a] /= total;
            }
        }
    }

    /// Σ ω q − Q and its derivative with respect to ν.
    fn excess(&self, weights: &[f64]) -> (f64, f64) {
        let (mut excess, mut slope) = (-self.total_charge, 0.0);
        for g in 0..self.groups() {
            let (mut mean, mut square) = (0.0, 0.0);
            for a in self.group(g) {
                mean += weights[a] * self.charges[a];
                square += weights[a] * self.charges[a] * self.charges[a];
            }
            excess += mean;
            slope += (square - mean * mean).max(0.0);
        }
        (excess, slope)
    }
}

/// Newton step on ν, bisected into the bracket, and bounded while there is no bracket.
fn next_multiplier(nu: f64, excess: f64, slope: f64, [low, high]: [f64; 2]) -> f64 {
    let step = (-excess / slope.max(1e-300)).clamp(-4.0 - nu.abs(), 4.0 + nu.abs());
    let next = nu + step;
    if next > low && next < high { next } else { 0.5 * (low + high) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn projections_meet_the_constraints(
            x in prop::collection::vec(1e-12_f64..1.0, 15),
            q in -4.9_f64..4.9,
        ) {
            let offsets = (0..=5).map(|g| 3 * g).collect();
            let charges = [1.0, 0.0, -1.0].repeat(5);
            let set = Constraints::new(offsets, charges.clone(), q).unwrap();
            let mut w = x;
            set.project(&mut w);
            let charge: f64 = w.iter().zip(&charges).map(|(w, q)| w * q).sum();
            prop_assert!((charge - q).abs() < 1e-12);
            for g in 0..5 {
                prop_assert!((w[set.group(g)].iter().sum::<f64>() - 1.0).abs() < 1e-14);
            }
            prop_assert!(w.iter().all(|w| *w >= 0.0));
        }
    }

    #[test]
    fn extreme_and_impossible_charges() {
        let set = |q| Constraints::new(vec![0, 2, 4], vec![0.0, 1.0, 0.0, -1.0], q);
        let mut w = vec![0.5; 4];
        set(1.0).unwrap().project(&mut w);
        assert_eq!(w, [0.0, 1.0, 1.0, 0.0]);
        let message = set(1.5).unwrap_err().to_string();
        assert!(message.contains("-1 to 1 e"), "{message}");
        assert!(set(f64::NAN).is_err());
    }
}
