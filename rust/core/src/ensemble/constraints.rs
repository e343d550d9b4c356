//! The constraint set: groups that sum to one, given charges, weights not negative.

use std::ops::Range;

use rayon::prelude::*;

use super::FLOOR;
use crate::error::{Error, Result};
use crate::parallel::{blocks, split, sum};

mod multiplier;

use multiplier::Multiplier;

/// Charges closer to the extreme than this leave only the extreme states.
const EXTREME: f64 = 1e-11;
/// Charges beyond the extremes that are forgiven, relative to 1 and the extremes.
const ROUNDING: f64 = 1e-12;

/// The lower or the higher of two charges.
type Extreme = fn(f64, f64) -> f64;

/// Which charges are given.
#[derive(Debug, Clone, PartialEq)]
pub enum Charge {
    /// Of all groups together, e.
    Total(f64),
    /// Of fragments, between which no charge flows.
    Fragments {
        /// Fragment of every group.
        of_group: Vec<u32>,
        /// Of every fragment, e.
        charges: Vec<f64>,
    },
}

impl Charge {
    /// Sum over all fragments, e.
    pub fn total(&self) -> f64 {
        match self {
            Self::Total(total) => *total,
            Self::Fragments { charges, .. } => charges.iter().sum(),
        }
    }

    /// Argument that gives the charge of a fragment.
    fn argument(&self, fragment: usize) -> String {
        match self {
            Self::Total(_) => "total_charge".to_owned(),
            Self::Fragments { .. } => format!("total_charge[{fragment}]"),
        }
    }

    /// Fragment of every group, and the charges of the fragments.
    fn resolve(&self, groups: usize) -> Result<(Vec<u32>, Vec<f64>)> {
        let (of_group, charges) = match self {
            Self::Total(total) => return Ok((vec![0; groups], vec![*total])),
            Self::Fragments { of_group, charges } => (of_group, charges),
        };
        if of_group.len() != groups {
            let problem =
                format!("must name a fragment for each of {groups} atoms, got {}", of_group.len());
            return Err(Error::invalid("fragments", problem));
        }
        if let Some(g) = of_group.iter().position(|&f| f as usize >= charges.len()) {
            let problem = format!(
                "must be below {}, the number of charges in total_charge, got {}",
                charges.len(),
                of_group[g]
            );
            return Err(Error::invalid(format!("fragments[{g}]"), problem));
        }
        Ok((of_group.clone(), charges.clone()))
    }
}

/// Groups of weights with the charge of each weight and the charges of the fragments.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    /// Group g holds weights `offsets[g]..offsets[g + 1]`.
    pub offsets: Vec<usize>,
    /// Charge of every weight, e.
    pub charges: Vec<f64>,
    /// Required Σ ω q of every fragment, e.
    pub totals: Vec<f64>,
    /// Fragment of every group.
    fragments: Vec<u32>,
    allowed: Vec<bool>,
    /// Of every weight, if groups have vectors (see `vectors`).
    pub(super) softness: Vec<f64>,
}

impl Constraints {
    /// Check that the charges can be reached.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] on `total_charge` outside the range of the states' charges, and on
    /// `fragments` that do not fit the groups.
    pub fn new(offsets: Vec<usize>, charges: Vec<f64>, charge: &Charge) -> Result<Self> {
        let (fragments, totals) = charge.resolve(offsets.len() - 1)?;
        let mut this = Self {
            offsets,
            allowed: vec![true; charges.len()],
            charges,
            totals,
            fragments,
            softness: Vec::new(),
        };
        let ranges = this.charge_ranges();
        let mut kept: Vec<Option<Extreme>> = vec![None; ranges.len()];
        for (fragment, [low, high]) in ranges.into_iter().enumerate() {
            let total = this.totals[fragment];
            let size = 1.0 + high.abs().max(low.abs());
            let (margin, rounding) = (EXTREME * size, ROUNDING * size);
            if !(total >= low - rounding && total <= high + rounding) {
                let problem = format!(
                    "no combination of states reaches {total} e; the allowed range is {low} to {high} e"
                );
                return Err(Error::invalid(charge.argument(fragment), problem));
            }
            if high - low <= margin {
                continue;
            }
            if total >= high - margin {
                this.totals[fragment] = high;
                kept[fragment] = Some(f64::max);
            } else if total <= low + margin {
                this.totals[fragment] = low;
                kept[fragment] = Some(f64::min);
            }
        }
        this.keep_extremes(&kept);
        Ok(this)
    }

    /// Charge of all fragments together, e.
    pub fn total_charge(&self) -> f64 {
        self.totals.iter().sum()
    }

    /// Number of fragments.
    pub fn fragments(&self) -> usize {
        self.totals.len()
    }

    /// Fragment of group `g`.
    pub fn fragment(&self, g: usize) -> usize {
        self.fragments[g] as usize
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

    /// The parts of a list of weights that belong to blocks of groups, and the groups.
    pub(super) fn by_groups<'w>(
        &self,
        weights: &'w mut [f64],
    ) -> impl IndexedParallelIterator<Item = (&'w mut [f64], Range<usize>)> + use<'w> {
        split(weights, self.groups(), |g| self.offsets[g]).zip(blocks(self.groups()))
    }

    /// Sums over the groups of every fragment.
    pub(super) fn sums<const N: usize>(
        &self,
        of_group: impl Fn(usize) -> [f64; N] + Sync + Send,
    ) -> Vec<[f64; N]> {
        self.sums_from(vec![[0.0; N]; self.fragments()], of_group)
    }

    /// [`Self::sums`] and what they begin with.
    fn sums_from<const N: usize>(
        &self,
        mut sums: Vec<[f64; N]>,
        of_group: impl Fn(usize) -> [f64; N] + Sync + Send,
    ) -> Vec<[f64; N]> {
        let add = |sum: &mut [f64; N], g: usize| {
            sum.iter_mut().zip(of_group(g)).for_each(|(sum, x)| *sum += x);
        };
        if let [all] = &mut sums[..] {
            let begin = *all;
            *all = sum(self.groups(), |groups| {
                let mut part = if groups.start == 0 { begin } else { [0.0; N] };
                groups.for_each(|g| add(&mut part, g));
                part
            });
        } else {
            (0..self.groups()).for_each(|g| add(&mut sums[self.fragment(g)], g));
        }
        sums
    }

    /// a · b over the weights of every fragment.
    pub(super) fn dots(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        let of_group = |g: usize| [self.group(g).map(|k| a[k] * b[k]).sum()];
        self.sums(of_group).as_flattened().to_vec()
    }

    /// Lowest and highest charge of every fragment.
    fn charge_ranges(&self) -> Vec<[f64; 2]> {
        let mut ranges = vec![[0.0; 2]; self.fragments()];
        for g in 0..self.groups() {
            let range = &mut ranges[self.fragment(g)];
            for (end, pick) in range.iter_mut().zip([f64::min, f64::max] as [Extreme; 2]) {
                *end += self.extreme(g, pick).unwrap_or(0.0);
            }
        }
        ranges
    }

    fn extreme(&self, g: usize, pick: Extreme) -> Option<f64> {
        self.charges[self.group(g)].iter().copied().reduce(pick)
    }

    /// Only the extreme states of the fragments whose charge is an extreme one.
    fn keep_extremes(&mut self, kept: &[Option<Extreme>]) {
        for g in 0..self.groups() {
            let Some(pick) = kept[self.fragment(g)] else { continue };
            let best = self.extreme(g, pick);
            for a in self.group(g) {
                self.allowed[a] = Some(self.charges[a]) == best;
            }
        }
    }

    /// Replace positive numbers by the feasible weights nearest to them (what follows the weights stays
    /// as it is) in the Kullback–Leibler sense: ω_a = x_a exp(ν q_a)/Σ_group, with ν fixed by the
    /// charge of the fragment.
    pub fn project(&self, weights: &mut [f64]) {
        let mut multipliers = vec![Multiplier::default(); self.fragments()];
        self.normalise(weights, &multipliers);
        let start = weights.to_vec();
        for _ in 0..200 {
            let found = self.excess(weights);
            let mut moved = false;
            for (multiplier, [excess, slope]) in multipliers.iter_mut().zip(found) {
                moved |= multiplier.advance(excess, slope);
            }
            if !moved {
                break;
            }
            weights.copy_from_slice(&start);
            self.normalise(weights, &multipliers);
        }
        for multiplier in &mut multipliers {
            multiplier.nu = multiplier.best.1;
        }
        weights.copy_from_slice(&start);
        self.normalise(weights, &multipliers);
    }

    /// Multiply by exp(ν q), floor, and normalise each group.
    fn normalise(&self, weights: &mut [f64], multipliers: &[Multiplier]) {
        self.by_groups(&mut weights[..self.charges.len()]).for_each(|(weights, groups)| {
            let begin = self.offsets[groups.start];
            for g in groups {
                let own = self.offsets[g] - begin..self.offsets[g + 1] - begin;
                self.normalise_group(g, multipliers[self.fragment(g)].nu, &mut weights[own]);
            }
        });
    }

    fn normalise_group(&self, g: usize, nu: f64, weights: &mut [f64]) {
        let charges = &self.charges[self.group(g)];
        let peak = charges.iter().fold(f64::NEG_INFINITY, |m, q| m.max(nu * q));
        let mut total = 0.0;
        for ((w, q), allowed) in weights.iter_mut().zip(charges).zip(&self.allowed[self.group(g)]) {
            let tilt = if nu == 0.0 { 1.0 } else { (nu * q - peak).exp() };
            *w = if *allowed { (*w * tilt).max(FLOOR) } else { 0.0 };
            total += *w;
        }
        for w in weights {
            *w /= total;
        }
    }

    /// Σ ω q − Q of every fragment and its derivative with respect to ν.
    fn excess(&self, weights: &[f64]) -> Vec<[f64; 2]> {
        // Begun with the total: the multiplier of a few near-integer charges needs all their digits.
        let totals = self.totals.iter().map(|total| [-total, 0.0]).collect();
        self.sums_from(totals, |g| {
            let (mut mean, mut square) = (0.0, 0.0);
            for a in self.group(g) {
                mean += weights[a] * self.charges[a];
                square += weights[a] * self.charges[a] * self.charges[a];
            }
            [mean, (square - mean * mean).max(0.0)]
        })
    }
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
            let set = Constraints::new(offsets, charges.clone(), &Charge::Total(q)).unwrap();
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

    proptest! {
        #[test]
        fn fragments_keep_their_charges(
            x in prop::collection::vec(1e-12_f64..1.0, 18),
            q in prop::collection::vec(-1.0_f64..1.0, 3),
        ) {
            let offsets = (0..=6).map(|g| 3 * g).collect();
            let charges = [1.0, 0.0, -1.0].repeat(6);
            let of_group = vec![2, 0, 1, 1, 0, 2];
            let charge = Charge::Fragments { of_group: of_group.clone(), charges: q.clone() };
            let set = Constraints::new(offsets, charges.clone(), &charge).unwrap();
            let mut w = x;
            set.project(&mut w);
            for (fragment, total) in q.iter().enumerate() {
                let own = (0..6).filter(|&g| of_group[g] as usize == fragment);
                let found: f64 = own.flat_map(|g| set.group(g)).map(|a| w[a] * charges[a]).sum();
                prop_assert!((found - total).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn impossible_fragments() {
        let set = |of_group: &[u32], charges: &[f64]| {
            let charge =
                Charge::Fragments { of_group: of_group.to_vec(), charges: charges.to_vec() };
            let states = vec![0.0, 1.0, 0.0, -1.0];
            Constraints::new(vec![0, 2, 4], states, &charge).map_err(|e| e.to_string())
        };
        assert!(set(&[0, 1], &[1.0, -0.5]).is_ok());
        assert!(set(&[0, 1], &[1.0, 0.5]).unwrap_err().contains("total_charge[1]"));
        assert!(set(&[0, 2], &[1.0, 0.0]).unwrap_err().contains("fragments[1]"));
        assert!(set(&[0], &[1.0]).unwrap_err().contains("each of 2 atoms"));
    }

    #[test]
    fn extreme_and_impossible_charges() {
        let set = |q| Constraints::new(vec![0, 2, 4], vec![0.0, 1.0, 0.0, -1.0], &Charge::Total(q));
        let mut w = vec![0.5; 4];
        set(1.0).unwrap().project(&mut w);
        assert_eq!(w, [0.0, 1.0, 1.0, 0.0]);
        let message = set(1.5).unwrap_err().to_string();
        assert!(message.contains("-1 to 1 e"), "{message}");
        assert!(set(f64::NAN).is_err());
    }
}
