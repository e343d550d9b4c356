//! Derivatives of a pair's radial functions with respect to the parameters of a file.

use std::sync::Arc;

use super::Model;
use super::densities::DensityDerivatives;
use super::functions::FittedFunctions;
use crate::formulas::{Jet, exponential, product, switch};
use crate::potential::{Cutoff, Parameter, RadialFunction};

/// Parameters to differentiate by, and what they do to every pair of elements.
#[derive(Debug, Clone)]
pub struct ParameterSet {
    /// The parameters, one per column of a Jacobian.
    pub parameters: Vec<Parameter>,
    /// By index of the pair of elements, element(a)·n_elements + element(b).
    pairs: Vec<PairDerivatives>,
    cutoff: Cutoff,
    densities: bool,
}

/// What the parameters do to a pair of elements.
#[derive(Debug, Clone, Default)]
struct PairDerivatives {
    fitted: Vec<RadialDerivative>,
    constructed: Option<ConstructedDerivatives>,
}

/// Derivatives by densities, and where those that are asked for belong: their column of the Jacobian,
/// and a factor.
#[derive(Debug, Clone)]
struct ConstructedDerivatives {
    functions: Arc<DensityDerivatives>,
    places: Vec<Option<(usize, f64)>>,
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
    /// Adds to the density of a state of the other atom, as this one feels it.
    Density(Side, usize),
    /// Adds to f₁ of this atom's dipole with a state of the other atom.
    Field(Side, usize),
}

/// An atom of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    First,
    /// The second.
    Second,
}

/// Derivative of a radial function at a distance by one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Column of the Jacobian.
    pub column: usize,
    /// What changes.
    pub target: Target,
    /// The derivative.
    pub value: f64,
    /// Its derivative in R.
    pub slope: f64,
}

/// Derivative of an exponential by its amplitude or decay.
#[derive(Debug, Clone, Copy)]
struct RadialDerivative {
    column: usize,
    target: Target,
    amplitude: f64,
    decay: f64,
    by_decay: bool,
}

impl RadialDerivative {
    fn at(&self, cutoff: Cutoff, r: f64) -> Change {
        let function: Jet = if self.by_decay {
            product([-r, -1.0, 0.0], exponential(self.amplitude, self.decay, r))
        } else {
            exponential(1.0, self.decay, r)
        };
        let [value, slope, _] = product(function, switch(cutoff.radius, cutoff.switch_width, r));
        Change { column: self.column, target: self.target, value, slope }
    }
}

/// Arrays for [`ParameterSet::of_pair`], to use again.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    all: Vec<Change>,
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl ParameterSet {
    /// Prepare to differentiate a model by some of its parameters.
    pub fn new(model: &Model, parameters: &[Parameter]) -> Self {
        let n = model.elements.len();
        let is_density =
            |p: &Parameter| matches!(p, Parameter::Density(..) | Parameter::DensityScale(..));
        let densities = parameters.iter().any(is_density);
        let of = |kind: usize| {
            let (a, b) = (kind / n, kind % n);
            if a > b {
                return PairDerivatives::default();
            }
            PairDerivatives {
                fitted: derivatives(model, parameters, a, b),
                constructed: densities.then(|| constructed(model, parameters, a, b)),
            }
        };
        let pairs = (0..n * n).map(of).collect();
        Self { parameters: parameters.to_vec(), pairs, cutoff: model.cutoff(), densities }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// True without parameters.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// True if a parameter changes densities.
    pub fn has_densities(&self) -> bool {
        self.densities
    }

    /// Derivatives of the functions of a pair of elements at a distance (Å).
    pub fn of_pair<'a>(&self, kind: u32, r: f64, found: &'a mut Changes) -> &'a [Change] {
        let pair = &self.pairs[kind as usize];
        found.all.clear();
        found.all.extend(pair.fitted.iter().map(|d| d.at(self.cutoff, r)));
        let Some(ConstructedDerivatives { functions, places }) = &pair.constructed else {
            return &found.all;
        };
        functions.at(r, &mut found.values, &mut found.slopes);
        for (k, place) in places.iter().enumerate() {
            let Some((column, factor)) = *place else { continue };
            let (target, value, slope) =
                (functions.columns[k].1, factor * found.values[k], factor * found.slopes[k]);
            found.all.push(Change { column, target, value, slope });
        }
        &found.all
    }
}

fn constructed(
    model: &Model,
    parameters: &[Parameter],
    a: usize,
    b: usize,
) -> ConstructedDerivatives {
    let functions = model.density_derivatives(a, b);
    let place = |&(parameter, target): &(Parameter, Target)| {
        let column = parameters.iter().position(|p| *p == parameter)?;
        // The background density holds a state's density times its scale.
        let factor = match parameter {
            Parameter::Density(e, s, _) if matches!(target, Target::Density(..)) => {
                model.state(e, s).density_scale
            }
            _ => 1.0,
        };
        Some((column, factor))
    };
    let places = functions.columns.iter().map(place).collect();
    ConstructedDerivatives { functions, places }
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
            | Parameter::DensityScale(..)
            | Parameter::Density(..)
            | Parameter::Embedding(..) => {}
        }
    }
    found
}
