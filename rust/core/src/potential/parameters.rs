//! Parameters of a file's atomic states, repulsions and resonances: names, values, bounds.

use std::collections::BTreeSet;

use super::check::{MAX_EXPONENT, largest_polarisability};
use super::{
    Coefficient, DensityParameter, Embedding, PotentialFile, RadialFunction, Rbf, Repulsion,
    Resonance, State,
};

/// A number of the file that the energy depends on, outside the learned terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// Electronic temperature, eV.
    Temperature,
    /// Energy of a state above the neutral ground state, eV; by element and state index.
    Energy(usize, usize),
    /// Polarisability of a state, Å³; by element and state index.
    Polarisability(usize, usize),
    /// Scale of a state's density in the background density; by element and state index.
    DensityScale(usize, usize),
    /// Exponent (Å⁻¹) or coefficient (e) of a state's density; by element and state index.
    Density(usize, usize, DensityParameter),
    /// Coefficient of a root polynomial, by element, state and index.
    Embedding(usize, usize, usize),
    /// Amplitude (eV) of a repulsion, by index.
    RepulsionAmplitude(usize),
    /// Decay (Å⁻¹) of a repulsion, by index.
    RepulsionDecay(usize),
    /// Amplitude (eV) of a resonance, by index.
    ResonanceAmplitude(usize),
    /// Decay (Å⁻¹) of a resonance, by index.
    ResonanceDecay(usize),
}

impl Parameter {
    /// Left as it is unless a fit asks for it: what the states are made of and the decays of
    /// repulsions, which are chosen and not found.
    fn fixed(self) -> bool {
        matches!(
            self,
            Self::Temperature
                | Self::Energy(..)
                | Self::Polarisability(..)
                | Self::DensityScale(..)
                | Self::RepulsionDecay(_)
        )
    }

    fn bounds(self) -> [f64; 2] {
        match self {
            Self::Temperature | Self::ResonanceAmplitude(_) => [0.0, f64::INFINITY],
            Self::DensityScale(..) => [SMALLEST_SCALE, f64::INFINITY],
            Self::Density(_, _, DensityParameter::Exponent(_)) => [SMALLEST_DECAY, MAX_EXPONENT],
            Self::RepulsionDecay(_) | Self::ResonanceDecay(_) => [SMALLEST_DECAY, f64::INFINITY],
            _ => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }
}

/// Decays below this are no short range any more, Å⁻¹.
const SMALLEST_DECAY: f64 = 0.1;
/// A density below this share of itself is no density of the state any more.
const SMALLEST_SCALE: f64 = 0.01;

impl PotentialFile {
    /// Every parameter outside the learned terms, in the order of the file.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = vec![Parameter::Temperature];
        for (e, element) in self.elements.values().enumerate() {
            for (s, state) in element.states.iter().enumerate() {
                // The first state is the zero of energy.
                all.extend((s > 0).then_some(Parameter::Energy(e, s)));
                all.extend(state.polarisability.map(|_| Parameter::Polarisability(e, s)));
                all.extend(state.has_density().then_some(Parameter::DensityScale(e, s)));
                let freed = state.rbf.iter().flat_map(Rbf::parameters);
                all.extend(freed.map(|p| Parameter::Density(e, s, p)));
                if let Some(Embedding::RootPolynomial { coefficients, .. }) = &state.embedding {
                    all.extend((0..coefficients.len()).map(|k| Parameter::Embedding(e, s, k)));
                }
            }
        }
        let exponential = |f: &RadialFunction| matches!(f, RadialFunction::Exponential { .. });
        for (k, _) in self.repulsions.iter().enumerate().filter(|(_, r)| exponential(&r.function)) {
            all.extend([Parameter::RepulsionAmplitude(k), Parameter::RepulsionDecay(k)]);
        }
        for (k, _) in self.resonances.iter().enumerate().filter(|(_, r)| exponential(&r.amplitude))
        {
            all.extend([Parameter::ResonanceAmplitude(k), Parameter::ResonanceDecay(k)]);
        }
        all
    }

    /// Name, value and role of each of [`PotentialFile::parameters`].
    pub fn described_parameters(&self) -> Vec<Coefficient> {
        let mut file = self.clone();
        let describe = |p: Parameter| Coefficient {
            name: self.parameter_name(p),
            value: file.parameter_mut(p).map_or(f64::NAN, |x| *x),
            held: false,
            fixed: p.fixed(),
            linear: self.is_linear(p),
            bounds: self.bounds(p),
        };
        self.parameters().into_iter().map(describe).collect()
    }

    /// Replace the values of [`PotentialFile::parameters`]. A density that changes keeps its electron
    /// count and its cusp.
    pub fn assign_parameters(&mut self, values: &[f64]) {
        let mut changed = BTreeSet::new();
        for (parameter, value) in self.parameters().into_iter().zip(values) {
            let Some(x) = self.parameter_mut(parameter) else { continue };
            let same = x.to_bits() == value.to_bits();
            *x = *value;
            if let (Parameter::Density(e, s, _), false) = (parameter, same) {
                changed.insert((e, s));
            }
        }
        for (e, s) in changed {
            self.restore_density(e, s);
        }
    }

    /// A repulsion between all states is the same for every ensemble; the weights answer to all
    /// else, so the energy is linear in nothing else.
    fn is_linear(&self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::RepulsionAmplitude(k) => self.repulsions[k].states.is_none(),
            _ => false,
        }
    }

    fn bounds(&self, parameter: Parameter) -> [f64; 2] {
        let exponent = |e: usize| self.elements.values().nth(e)?.polarisation_exponent;
        match parameter {
            Parameter::Polarisability(e, _) => {
                [0.0, exponent(e).map_or(f64::INFINITY, largest_polarisability)]
            }
            other => other.bounds(),
        }
    }

    fn parameter_mut(&mut self, parameter: Parameter) -> Option<&mut f64> {
        match parameter {
            Parameter::Temperature => Some(&mut self.electronic_temperature),
            Parameter::Energy(e, s) => Some(&mut self.state_mut(e, s)?.energy),
            Parameter::Polarisability(e, s) => self.state_mut(e, s)?.polarisability.as_mut(),
            Parameter::DensityScale(e, s) => Some(&mut self.state_mut(e, s)?.density_scale),
            Parameter::Density(e, s, p) => self.state_mut(e, s)?.rbf.as_mut()?.parameter_mut(p),
            Parameter::Embedding(e, s, k) => match &mut self.state_mut(e, s)?.embedding {
                Some(Embedding::RootPolynomial { coefficients, .. }) => coefficients.get_mut(k),
                _ => None,
            },
            Parameter::RepulsionAmplitude(k) => amplitude(&mut self.repulsions[k].function),
            Parameter::RepulsionDecay(k) => decay(&mut self.repulsions[k].function),
            Parameter::ResonanceAmplitude(k) => amplitude(&mut self.resonances[k].amplitude),
            Parameter::ResonanceDecay(k) => decay(&mut self.resonances[k].amplitude),
        }
    }

    fn state_mut(&mut self, element: usize, state: usize) -> Option<&mut State> {
        self.elements.values_mut().nth(element)?.states.get_mut(state)
    }

    fn parameter_name(&self, parameter: Parameter) -> String {
        let state = |e: usize, s: usize| {
            let found = self.elements.iter().nth(e);
            found.map_or_else(String::new, |(x, all)| format!("{x} {}", all.states[s].name))
        };
        match parameter {
            Parameter::Temperature => "electronic_temperature".to_owned(),
            Parameter::Energy(e, s) => format!("energy[{}]", state(e, s)),
            Parameter::Polarisability(e, s) => format!("polarisability[{}]", state(e, s)),
            Parameter::DensityScale(e, s) => format!("density_scale[{}]", state(e, s)),
            Parameter::Density(e, s, DensityParameter::Exponent(k)) => {
                format!("density[{}: exponent {}]", state(e, s), k + 1)
            }
            Parameter::Density(e, s, DensityParameter::Coefficient(k)) => {
                format!("density[{}: coefficient {}]", state(e, s), k + 1)
            }
            Parameter::Embedding(e, s, k) => format!("embedding[{} {}]", state(e, s), k + 1),
            Parameter::RepulsionAmplitude(k) => format!("repulsion[{}: amplitude]", self.pair(k)),
            Parameter::RepulsionDecay(k) => format!("repulsion[{}: decay]", self.pair(k)),
            Parameter::ResonanceAmplitude(k) => {
                format!("resonance[{}: amplitude]", self.channel(k))
            }
            Parameter::ResonanceDecay(k) => format!("resonance[{}: decay]", self.channel(k)),
        }
    }

    /// Elements, states and number of a repulsion, e.g. `H-O 2`.
    fn pair(&self, k: usize) -> String {
        let this = &self.repulsions[k];
        let same = |r: &&Repulsion| r.pair == this.pair && r.states == this.states;
        let number = self.repulsions[..k].iter().filter(same).count() + 1;
        let [a, b] = &this.pair;
        match &this.states {
            Some([m, n]) => format!("{a} {m}-{b} {n} {number}"),
            None => format!("{a}-{b} {number}"),
        }
    }

    /// What a resonance does, e.g. `H ground>cation O ground>anion`.
    fn channel(&self, k: usize) -> String {
        let Resonance { pair: [a, b], first: [m, m2], second: [n, n2], .. } = &self.resonances[k];
        format!("{a} {m}>{m2} {b} {n}>{n2}")
    }
}

fn amplitude(function: &mut RadialFunction) -> Option<&mut f64> {
    match function {
        RadialFunction::Exponential { amplitude, .. } => Some(amplitude),
        RadialFunction::TabulatedTimesR(_) => None,
    }
}

fn decay(function: &mut RadialFunction) -> Option<&mut f64> {
    match function {
        RadialFunction::Exponential { decay, .. } => Some(decay),
        RadialFunction::TabulatedTimesR(_) => None,
    }
}
