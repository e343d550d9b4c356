//! Checks of the functions between two elements: repulsions and resonance channels.

use std::collections::{BTreeMap, HashSet};

use super::rules::{radial_function, require};
use super::{Element, RadialFunction, Repulsion, Resonance, State};
use crate::error::{Error, Result};

/// Allowed charge imbalance of a channel, e.
const CHARGE_TOLERANCE: f64 = 1e-9;

type Elements = BTreeMap<String, Element>;

/// Elements and states exist, functions are sound. A pair may occur more than once: terms add up.
pub(super) fn repulsions(repulsions: &[Repulsion], elements: &Elements) -> Result<()> {
    for (k, repulsion) in repulsions.iter().enumerate() {
        let path = format!("repulsions[{k}]");
        for side in 0..2 {
            let element = find_element(&repulsion.pair, side, elements, &path)?;
            if let Some(states) = &repulsion.states {
                find_state(
                    element,
                    &repulsion.pair[side],
                    states,
                    side,
                    &format!("{path}.states"),
                )?;
            }
        }
        radial_function(&repulsion.function, &format!("{path}.function"))?;
    }
    Ok(())
}

/// Elements and states exist, charge is conserved, both atoms change, no channel occurs twice.
pub(super) fn resonances(resonances: &[Resonance], elements: &Elements) -> Result<()> {
    let mut seen = HashSet::new();
    for (k, resonance) in resonances.iter().enumerate() {
        let path = format!("resonances[{k}]");
        conserves_charge(resonance, elements, &path)?;
        amplitude(&resonance.amplitude, &format!("{path}.amplitude"))?;
        if !seen.insert(identity(resonance)) {
            return Err(Error::format(path, "is the same channel as an earlier one"));
        }
    }
    Ok(())
}

fn conserves_charge(resonance: &Resonance, elements: &Elements, path: &str) -> Result<()> {
    let mut change = [0.0; 2];
    let sides = [("first", &resonance.first), ("second", &resonance.second)];
    for (side, (name, states)) in sides.into_iter().enumerate() {
        let element = find_element(&resonance.pair, side, elements, path)?;
        let path = format!("{path}.{name}");
        let symbol = &resonance.pair[side];
        let initial = find_state(element, symbol, states, 0, &path)?;
        let last = find_state(element, symbol, states, 1, &path)?;
        let changed = initial.name != last.name;
        require(changed, &path, "two different states", format!("`{}` twice", initial.name))?;
        change[side] = last.charge - initial.charge;
    }
    let [first, second] = change;
    if (first + second).abs() <= CHARGE_TOLERANCE {
        return Ok(());
    }
    let problem = format!("must conserve charge, but it changes by {first:+} and {second:+} e");
    Err(Error::format(path, problem))
}

fn amplitude(function: &RadialFunction, path: &str) -> Result<()> {
    radial_function(function, path)?;
    match function {
        RadialFunction::Exponential { amplitude, .. } => {
            require(*amplitude >= 0.0, &format!("{path}.amplitude"), "at least 0", amplitude)
        }
        RadialFunction::TabulatedTimesR(_) => {
            require(false, &format!("{path}.form"), "`exponential`", "`tabulated_times_r`")
        }
    }
}

/// One side of a channel: the element and its two states in alphabetical order.
type Side<'a> = (&'a str, [&'a str; 2]);

/// The energy of a channel does not depend on the order of atoms, or of states on an atom.
fn identity(resonance: &Resonance) -> [Side<'_>; 2] {
    let mut sides = [
        sorted_side(&resonance.pair[0], &resonance.first),
        sorted_side(&resonance.pair[1], &resonance.second),
    ];
    sides.sort_unstable();
    sides
}

fn sorted_side<'a>(symbol: &'a str, states: &'a [String; 2]) -> Side<'a> {
    let mut states = [states[0].as_str(), states[1].as_str()];
    states.sort_unstable();
    (symbol, states)
}

fn find_element<'a>(
    pair: &[String; 2],
    side: usize,
    elements: &'a Elements,
    path: &str,
) -> Result<&'a Element> {
    elements.get(&pair[side]).ok_or_else(|| {
        let problem = format!("must be an element of this file, got `{}`", pair[side]);
        Error::format(format!("{path}.pair[{side}]"), problem)
    })
}

fn find_state<'a>(
    element: &'a Element,
    symbol: &str,
    states: &[String; 2],
    index: usize,
    path: &str,
) -> Result<&'a State> {
    let name = &states[index];
    element.states.iter().find(|state| &state.name == name).ok_or_else(|| {
        let problem = format!("must be a state of {symbol}, got `{name}`");
        Error::format(format!("{path}[{index}]"), problem)
    })
}
