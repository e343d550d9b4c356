//! What a potential file must satisfy. Every message starts with the path of the field.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use super::rules::{embedding, finite, length, positive, require, require_all, table};
use super::{
    Cutoff, Element, FORMAT, Fit, PotentialFile, Rbf, State, Units, expression, freedom, pairs,
};
use crate::elements::number_of;
use crate::error::{Error, Result};

const STATES: RangeInclusive<usize> = 1..=8;
const SLATERS: RangeInclusive<usize> = 0..=12;
/// Largest Slater exponent, Å⁻¹; the 1s shell of krypton, 2Z per bohr, needs 136.
pub(super) const MAX_EXPONENT: f64 = 200.0;
/// Allowed difference of Σ c_k from the electron count, e.
const ELECTRON_TOLERANCE: f64 = 1e-8;
/// Of ζ³α: an own field of −ζ³m/48 (times the Coulomb constant) in the dipole's own density.
const MAX_SOFTNESS: f64 = 48.0;
const MAX_TEMPERATURE: f64 = 10.0;
const MIN_RADIUS: f64 = 0.5;
const MAX_RADIUS: f64 = 50.0;

impl PotentialFile {
    /// Check every rule of the format except the seal.
    ///
    /// # Errors
    /// [`Error::PotentialFormat`] with the path of the first offending field, its value and the
    /// rule, e.g. `elements.O.states[1].rbf.exponents[3]: must be positive, got -1.2`.
    pub fn check(&self) -> Result<()> {
        require(self.format == FORMAT, "format", &format!("`{FORMAT}`"), quoted(&self.format))?;
        require(!self.name.is_empty(), "name", "non-empty", quoted(&self.name))?;
        units(&self.units)?;
        require(!self.elements.is_empty(), "elements", "at least one element", "none")?;
        for (symbol, element) in &self.elements {
            check_element(symbol, element, &self.elements)?;
        }
        pairs::repulsions(&self.repulsions, &self.elements)?;
        pairs::resonances(&self.resonances, &self.elements)?;
        temperature(self.electronic_temperature)?;
        cutoff(&self.cutoff)?;
        if let Some(terms) = &self.terms {
            let names: Vec<String> = self.elements.keys().cloned().collect();
            expression::check(terms, names.len())?;
            expression::check_triples(terms, &names)?;
        }
        self.fit.as_ref().map_or(Ok(()), fit)
    }
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

fn units(units: &Units) -> Result<()> {
    let fields = [
        ("units.energy", &units.energy, "eV"),
        ("units.length", &units.length, "Å"),
        ("units.charge", &units.charge, "e"),
    ];
    for (path, found, wanted) in fields {
        require(found == wanted, path, &quoted(wanted), quoted(found))?;
    }
    Ok(())
}

fn check_element(
    symbol: &str,
    element: &Element,
    elements: &BTreeMap<String, Element>,
) -> Result<()> {
    let path = format!("elements.{symbol}");
    let Some(number) = number_of(symbol) else {
        return require(false, &path, "a chemical symbol", quoted(symbol));
    };
    let path = format!("{path}.states");
    length(element.states.len(), &STATES, &path)?;
    state_names(&element.states, &path)?;
    reference_state(&element.states[0], &path)?;
    for (k, state) in element.states.iter().enumerate() {
        check_state(state, number, elements, &format!("{path}[{k}]"))?;
    }
    polarisation(element, &format!("elements.{symbol}"))
}

/// ζ³α ≤ [`MAX_SOFTNESS`] keeps any arrangement of the dipoles stable (see `energy::polarisation`).
fn polarisation(element: &Element, path: &str) -> Result<()> {
    let states = || element.states.iter().enumerate();
    let exponent_path = format!("{path}.polarisation_exponent");
    let Some(zeta) = element.polarisation_exponent else {
        let soft = states().find_map(|(_, s)| s.polarisability.map(|_| s.name.as_str()));
        let rule = "given where a state has a polarisability";
        return require(soft.is_none(), &exponent_path, rule, quoted("nothing"));
    };
    positive(zeta, &exponent_path)?;
    let rule = format!("at most {MAX_EXPONENT} 1/Å");
    require(zeta <= MAX_EXPONENT, &exponent_path, &rule, zeta)?;
    let any = states().any(|(_, s)| s.polarisability.is_some());
    require(any, &exponent_path, "absent where no state has a polarisability", zeta)?;
    let most = largest_polarisability(zeta);
    for (k, state) in states() {
        let Some(alpha) = state.polarisability else { continue };
        let path = format!("{path}.states[{k}].polarisability");
        require(state.rbf.is_some(), &path, "absent in a state without rbf", alpha)?;
        finite(alpha, &path)?;
        require(alpha >= 0.0, &path, "zero or positive", alpha)?;
        let rule = format!("at most 48/polarisation_exponent³ = {most} Å³");
        require(alpha <= most, &path, &rule, alpha)?;
    }
    Ok(())
}

/// Largest polarisability (Å³) for which dipoles of exponent `zeta` (Å⁻¹) cannot polarise each other
/// without bound: 48/ζ³, where a dipole in the field of its own charge density costs nothing.
pub(super) fn largest_polarisability(zeta: f64) -> f64 {
    MAX_SOFTNESS / zeta.powi(3) * (1.0 + 1e-12)
}

fn state_names(states: &[State], path: &str) -> Result<()> {
    let mut seen = HashSet::new();
    for (k, state) in states.iter().enumerate() {
        let path = format!("{path}[{k}].name");
        require(!state.name.is_empty(), &path, "non-empty", "``")?;
        require(seen.insert(&state.name), &path, "unique in its element", quoted(&state.name))?;
    }
    Ok(())
}

/// The first state is the neutral ground state, the zero of energy.
fn reference_state(state: &State, path: &str) -> Result<()> {
    let rule = "0 in the first state";
    require(state.charge == 0.0, &format!("{path}[0].charge"), rule, state.charge)?;
    require(state.energy == 0.0, &format!("{path}[0].energy"), rule, state.energy)
}

fn check_state(
    state: &State,
    number: u8,
    elements: &BTreeMap<String, Element>,
    path: &str,
) -> Result<()> {
    let nuclear = f64::from(number);
    let rule = format!("between -{number} and {number}");
    require(state.charge.abs() <= nuclear, &format!("{path}.charge"), &rule, state.charge)?;
    let multiplicity = state.multiplicity;
    require(multiplicity >= 1, &format!("{path}.multiplicity"), "at least 1", multiplicity)?;
    finite(state.energy, &format!("{path}.energy"))?;
    density(state, nuclear - state.charge, elements, path)?;
    freedom::check(state, number, &format!("{path}.rbf"))?;
    density_scale(state, &format!("{path}.density_scale"))?;
    match &state.embedding {
        Some(function) => embedding(function, &format!("{path}.embedding")),
        None => Ok(()),
    }
}

/// A state has Slater functions, or is neutral and has tables (or no density at all).
fn density(
    state: &State,
    electrons: f64,
    elements: &BTreeMap<String, Element>,
    path: &str,
) -> Result<()> {
    if let Some(functions) = &state.rbf {
        let excluded = state.density_tables.is_empty();
        require(excluded, &format!("{path}.density_tables"), "absent next to rbf", "both")?;
        return rbf(functions, electrons, &format!("{path}.rbf"));
    }
    require(
        state.charge == 0.0,
        &format!("{path}.charge"),
        "0 in a state without rbf",
        state.charge,
    )?;
    density_tables(state, elements, &format!("{path}.density_tables"))
}

fn density_scale(state: &State, path: &str) -> Result<()> {
    positive(state.density_scale, path)?;
    let used = state.has_density() || super::is_one(&state.density_scale);
    require(used, path, "absent in a state without a density", state.density_scale)
}

fn rbf(rbf: &Rbf, electrons: f64, path: &str) -> Result<()> {
    let exponents = format!("{path}.exponents");
    length(rbf.exponents.len(), &SLATERS, &exponents)?;
    require_all(&rbf.exponents, |zeta| zeta > 0.0, &exponents, "positive")?;
    let rule = format!("at most {MAX_EXPONENT} 1/Å");
    require_all(&rbf.exponents, |zeta| zeta <= MAX_EXPONENT, &exponents, &rule)?;

    let coefficients = format!("{path}.coefficients");
    let rule = format!("as long as exponents ({})", rbf.exponents.len());
    let same = rbf.coefficients.len() == rbf.exponents.len();
    require(same, &coefficients, &rule, rbf.coefficients.len())?;
    require_all(&rbf.coefficients, f64::is_finite, &coefficients, "finite")?;
    let sum: f64 = rbf.coefficients.iter().sum();
    if (sum - electrons).abs() <= ELECTRON_TOLERANCE {
        return Ok(());
    }
    let problem = format!("must sum to the electron count {electrons} within 1e-8, got {sum}");
    Err(Error::format(coefficients, problem))
}

fn density_tables(state: &State, elements: &BTreeMap<String, Element>, path: &str) -> Result<()> {
    for (receiver, values) in &state.density_tables {
        let path = format!("{path}.{receiver}");
        let known = elements.contains_key(receiver);
        require(known, &path, "an element of this file", quoted(receiver))?;
        table(values, &path)?;
    }
    let missing = elements.keys().find(|&symbol| !state.density_tables.contains_key(symbol));
    match missing {
        Some(symbol) if !state.density_tables.is_empty() => require(
            false,
            path,
            "given for every element of this file",
            format!("none for {symbol}"),
        ),
        _ => Ok(()),
    }
}

fn temperature(value: f64) -> Result<()> {
    let rule = format!("between 0 and {MAX_TEMPERATURE} eV");
    require((0.0..=MAX_TEMPERATURE).contains(&value), "electronic_temperature", &rule, value)
}

fn cutoff(cutoff: &Cutoff) -> Result<()> {
    let Cutoff { radius, switch_width } = *cutoff;
    let rule = format!("above {MIN_RADIUS} and at most {MAX_RADIUS} Å");
    require(radius > MIN_RADIUS && radius <= MAX_RADIUS, "cutoff.radius", &rule, radius)?;
    let rule = format!("at least 0 and below the radius {radius} Å");
    require((0.0..radius).contains(&switch_width), "cutoff.switch_width", &rule, switch_width)
}

fn fit(fit: &Fit) -> Result<()> {
    for (k, group) in fit.errors.iter().enumerate() {
        let path = format!("fit.errors[{k}]");
        let errors = [
            ("energy", group.energy),
            ("force", group.force.unwrap_or(0.0)),
            ("dipole", group.dipole.unwrap_or(0.0)),
        ];
        for (name, value) in errors {
            let allowed = value.is_finite() && value >= 0.0;
            require(allowed, &format!("{path}.{name}"), "finite and not negative", value)?;
        }
    }
    Ok(())
}
