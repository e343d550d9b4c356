//! Derivatives of a pair's radial functions with respect to the parameters of a file.

use super::Model;
use super::functions::FittedFunctions;
use crate::formulas::{Jet, exponential, product, switch};
use crate::potential::{Cutoff, Parameter, RadialFunction};

/// Parameters to differentiate by, and what they do to every pair of elements.
#[derive(Debug, Clone)]
pub struct ParameterSet {
    /// The parameters, one per column of a Jacobian.
    pub parameters: Vec<Parameter>,
    /// By index of the pair of elements, element(a)·n_elements + element(b).
    pairs: Vec<Vec<RadialDerivative>>,
}

/// What a parameter does to a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Adds to the energy of every pair of states.
    Energy,
    /// Adds to the energy of state M of the first and N of the second atom.
    StateEnergy(usize, usize),
    /// Adds to the amplitude of a channel.
    Amplitude(usize),
}

/// Derivative of a radial function by one parameter.
#[derive(Debug, Clone, Copy)]
pub struct RadialDerivative {
    /// Column of the Jacobian.
    pub column: usize,
    /// What changes.
    pub target: Target,
    amplitude: f64,
    decay: f64,
    by_decay: bool,
}

impl RadialDerivative {
    /// The derivative and its slope at a distance (Å).
    pub fn at(&self, cutoff: Cutoff, r: f64) -> [f64; 2] {
        let function: Jet = if self.by_decay {
            product([-r, -1.0, 0.0], exponential(self.amplitude, self.decay, r))
        } else {
            exponential(1.0, self.decay, r)
        };
        let jet = product(function, switch(cutoff.radius, cutoff.switch_width, r));
        [jet[0], jet[1]]
    }
}

impl ParameterSet {
    /// Prepare to differentiate a model by some of its parameters.
    pub fn new(model: &Model, parameters: &[Parameter]) -> Self {
        let n = model.elements.len();
        let of = |kind: usize| {
            let (a, b) = (kind / n, kind % n);
            if a <= b { derivatives(model, parameters, a, b) } else { Vec::new() }
        };
        Self { parameters: parameters.to_vec(), pairs: (0..n * n).map(of).collect() }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// True without parameters.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Derivatives of the functions of a pair of elements.
    pub fn of_pair(&self, kind: u32) -> &[RadialDerivative] {
        &self.pairs[kind as usize]
    }
}

fn derivatives(
    model: &Model,
    parameters: &[Parameter],
    a: usize,
    b: usize,
) -> Vec<RadialDerivative> {
    let fitted = FittedFunctions::new(model, a, b);
    let states = model.elements[b].states.len();
    let mut found = Vec::new();
    for (column, parameter) in parameters.iter().enumerate() {
        let mut add = |target, function: &RadialFunction, by_decay| {
            if let RadialFunction::Exponential { amplitude, decay } = *function {
                found.push(RadialDerivative { column, target, amplitude, decay, by_decay });
            }
        };
        match *parameter {
            Parameter::RepulsionAmplitude(k) | Parameter::RepulsionDecay(k) => {
                let by_decay = matches!(parameter, Parameter::RepulsionDecay(_));
                let mut mine = fitted.energies.iter().filter(|e| e.source == k);
                if model.file.repulsions[k].states.is_none() {
                    mine.next().into_iter().for_each(|e| add(Target::Energy, e.function, by_decay));
                } else {
                    mine.for_each(|e| {
                        let target = Target::StateEnergy(e.column / states, e.column % states);
                        add(target, e.function, by_decay);
                    });
                }
            }
            Parameter::ResonanceAmplitude(k) | Parameter::ResonanceDecay(k) => {
                let by_decay = matches!(parameter, Parameter::ResonanceDecay(_));
                let mine =
                    fitted.amplitudes.iter().enumerate().filter(|(_, (source, _))| *source == k);
                mine.for_each(|(channel, (_, f))| add(Target::Amplitude(channel), f, by_decay));
            }
            Parameter::Temperature
            | Parameter::Energy(..)
            | Parameter::Polarisability(..)
            | Parameter::Embedding(..) => {}
        }
    }
    found
}
