//! Spherical densities of atomic states, by element, without anything of a potential.

use std::collections::BTreeMap;

use crate::elements::symbol_of;
use crate::error::{Error, Result};

/// Largest difference of Σ c from the electron count, e.
const COUNT_TOLERANCE: f64 = 1e-6;

/// A state: ρ(r) = Σ_k c_k ζ_k³/(8π) exp(−ζ_k r), and the charge Z − Σ c_k.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDensity {
    /// Charge of the state, e.
    pub charge: f64,
    /// ζ_k, Å⁻¹; none for a bare nucleus.
    pub exponents: Vec<f64>,
    /// c_k, e.
    pub coefficients: Vec<f64>,
}

impl StateDensity {
    /// Number of electrons Σ c_k.
    pub fn electrons(&self) -> f64 {
        self.coefficients.iter().fold(0.0, |n, c| n + c)
    }

    /// (ζ_k, c_k) of every Slater function.
    pub fn functions(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.exponents.iter().copied().zip(self.coefficients.iter().copied())
    }
}

/// Checked states of some elements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateLibrary {
    elements: BTreeMap<u8, Vec<StateDensity>>,
}

impl StateLibrary {
    /// Check and store the states by atomic number.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the element and the state for an atomic number outside
    /// 1–118, an element without states, different numbers of exponents and coefficients,
    /// exponents that are not positive, numbers that are not finite, and a charge that is not Z
    /// minus the electron count.
    pub fn new(elements: BTreeMap<u8, Vec<StateDensity>>) -> Result<Self> {
        for (&number, states) in &elements {
            let symbol = symbol_of(number).ok_or_else(|| {
                Error::invalid(
                    "library",
                    format!("must have atomic numbers from 1 to 118, got {number}"),
                )
            })?;
            if states.is_empty() {
                return Err(Error::invalid(format!("library[{symbol}]"), "has no states"));
            }
            for (k, state) in states.iter().enumerate() {
                check(state, number).map_err(|problem| {
                    Error::invalid(format!("library[{symbol}][{k}]"), problem)
                })?;
            }
        }
        Ok(Self { elements })
    }

    /// States of the element of atom `i`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the atom if the library lacks the element.
    pub fn states(&self, i: usize, number: u8) -> Result<&[StateDensity]> {
        self.elements.get(&number).map(Vec::as_slice).ok_or_else(|| {
            let known: Vec<_> = self.elements.keys().filter_map(|&z| symbol_of(z)).collect();
            Error::invalid(
                format!("numbers[{i}]"),
                format!(
                    "the library has no states of {}, only of {}",
                    symbol_of(number).unwrap_or("?"),
                    known.join(" ")
                ),
            )
        })
    }
}

fn check(state: &StateDensity, number: u8) -> std::result::Result<(), String> {
    let (n, m) = (state.exponents.len(), state.coefficients.len());
    if n != m {
        return Err(format!("has {n} exponents and {m} coefficients"));
    }
    if let Some(zeta) = state.exponents.iter().find(|z| !(z.is_finite() && **z > 0.0)) {
        return Err(format!("exponents must be positive, in 1/Å, got {zeta}"));
    }
    let count = f64::from(number) - state.charge;
    let found = state.electrons();
    if !((found - count).abs() <= COUNT_TOLERANCE) {
        return Err(format!("coefficients must sum to Z − charge = {count}, got {found}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(number: u8, state: StateDensity) -> String {
        StateLibrary::new(BTreeMap::from([(number, vec![state])])).unwrap_err().to_string()
    }

    #[test]
    fn bad_states_are_named() {
        let good = StateDensity { charge: 0.0, exponents: vec![3.0], coefficients: vec![1.0] };
        let library = StateLibrary::new(BTreeMap::from([(1, vec![good.clone()])])).unwrap();
        assert_eq!(library.states(0, 1).unwrap(), std::slice::from_ref(&good));
        let unknown = library.states(4, 8).unwrap_err().to_string();
        assert_eq!(unknown, "numbers[4]: the library has no states of O, only of H");
        assert!(message(0, good.clone()).starts_with("library: "));
        assert!(message(2, good.clone()).contains("library[He][0]: coefficients must sum to"));
        let negative = StateDensity { exponents: vec![-3.0], ..good.clone() };
        assert!(message(1, negative).contains("exponents must be positive"));
        let missing = StateDensity { exponents: vec![], ..good.clone() };
        assert!(message(1, missing).contains("has 0 exponents and 1 coefficients"));
        assert!(message(1, StateDensity { charge: f64::NAN, ..good }).contains("NaN"));
    }
}
