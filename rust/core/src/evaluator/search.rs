//! The ways into one minimisation: from given weights, or cold from several starts.

use crate::energy::{Energy, Geometry, Workspace};
use crate::ensemble::{self, Constraints, DENSE_LIMIT, Objective, Outcome};
use crate::error::{Error, Result};
use crate::model::Model;

/// Weight of the favoured states in any start but the uniform one.
const FAVOURED: f64 = 0.98;

/// A cold start compares these weights on small systems and takes the lowest minimum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Start {
    Uniform,
    Neutral,
    /// All ions of every atom alike.
    Ionic,
    /// Anions of the elements with an electronegativity above this, cations of the others, eV.
    Transfer(f64),
}

impl Start {
    /// Does it favour a state of an atom?
    fn favours(self, charge: f64, electronegativity: f64) -> bool {
        match self {
            Self::Uniform => true,
            Self::Neutral => charge == 0.0,
            Self::Ionic => charge != 0.0,
            Self::Transfer(above) if electronegativity > above => charge < 0.0,
            Self::Transfer(_) => charge > 0.0,
        }
    }

    /// Weights of the states of an element, to be projected onto the constraints.
    pub(super) fn weights(self, model: &Model, element: u8) -> Vec<f64> {
        let electronegativity = electronegativity(model, element);
        let states = &model.elements()[usize::from(element)].states;
        let favoured = |q: f64| self.favours(q, electronegativity);
        let n = states.iter().filter(|s| favoured(s.charge)).count();
        let (high, low) = if n == 0 || n == states.len() {
            (1.0, 1.0)
        } else {
            (FAVOURED / n as f64, (1.0 - FAVOURED) / (states.len() - n) as f64)
        };
        states.iter().map(|s| if favoured(s.charge) { high } else { low }).collect()
    }
}

/// Where elements have cations and anions, every way to let the more electronegative ones take
/// what the others give; else their ions are all there is.
pub(super) fn starts(model: &Model, elements: &[u8]) -> Vec<Start> {
    let mut present: Vec<u8> = elements.to_vec();
    present.sort_unstable();
    present.dedup();
    let mut levels: Vec<f64> = present.iter().map(|&e| electronegativity(model, e)).collect();
    levels.sort_unstable_by(f64::total_cmp);
    levels.dedup();
    let mut starts = vec![Start::Uniform, Start::Neutral];
    if levels.len() > 1 && levels.iter().any(|x| x.is_finite()) {
        starts.extend(levels[..levels.len() - 1].iter().map(|&x| Start::Transfer(x)));
    } else {
        starts.push(Start::Ionic);
    }
    starts
}

/// Mulliken's, (E₊ − E₋)/2 of the lowest ions, eV; −∞ without anions, +∞ without cations.
fn electronegativity(model: &Model, element: u8) -> f64 {
    let states = &model.elements()[usize::from(element)].states;
    let lowest = |sign: f64| {
        let ions = states.iter().filter(|s| s.charge == sign);
        ions.map(|s| s.energy).reduce(f64::min)
    };
    match (lowest(1.0), lowest(-1.0)) {
        (Some(cation), Some(anion)) => 0.5 * (cation - anion),
        (None, Some(_)) => f64::INFINITY,
        _ => f64::NEG_INFINITY,
    }
}

/// One minimisation problem and the ways into it.
pub(super) struct Search<'a> {
    pub(super) geometry: Geometry<'a>,
    pub(super) constraints: &'a Constraints,
    pub(super) options: ensemble::Options,
}

impl Search<'_> {
    pub(super) fn from(
        &mut self,
        work: &mut Workspace,
        mut weights: Vec<f64>,
    ) -> Result<(Vec<f64>, Outcome)> {
        let mut energy = Energy::new(self.geometry, work);
        let outcome =
            ensemble::minimise(&mut energy, self.constraints, &self.options, &mut weights)?;
        Ok((weights, outcome))
    }

    /// Small systems: the lowest minimum of all starts. Large ones: the start with the lowest
    /// energy, the others only if it fails.
    pub(super) fn cold(&mut self, work: &mut Workspace) -> Result<(Vec<f64>, Outcome)> {
        let mut starts: Vec<(f64, Vec<f64>)> = starts(self.geometry.model, self.geometry.elements)
            .into_iter()
            .map(|s| self.start(work, s))
            .collect();
        if self.constraints.unknowns() > DENSE_LIMIT {
            starts.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut last = None;
            for (_, weights) in starts {
                match self.from(work, weights) {
                    Ok(found) => return Ok(found),
                    Err(error) => last = Some(error),
                }
            }
            return Err(last.unwrap_or_else(|| Error::invalid("weights", "no start")));
        }
        let mut best: Result<(Vec<f64>, Outcome)> = Err(Error::invalid("weights", "no start"));
        let mut products = 0;
        for (_, weights) in starts {
            let found = self.from(work, weights);
            products += found.as_ref().map_or(0, |f| f.1.hessian_products);
            let better = match (&best, &found) {
                (Ok(b), Ok(f)) => f.1.value < b.1.value - 1e-9,
                (Ok(_), Err(_)) => false,
                (Err(_), _) => true,
            };
            if better {
                best = found;
            }
        }
        best.map(|(weights, outcome)| (weights, Outcome { hessian_products: products, ..outcome }))
    }

    fn start(&self, work: &mut Workspace, start: Start) -> (f64, Vec<f64>) {
        let elements = self.geometry.elements.iter();
        let mut weights: Vec<f64> =
            elements.flat_map(|&e| start.weights(self.geometry.model, e)).collect();
        weights.resize(self.constraints.unknowns(), 0.0);
        self.constraints.project(&mut weights);
        let mut gradient = vec![0.0; weights.len()];
        let value = Energy::new(self.geometry, work).value_gradient(&weights, &mut gradient);
        (value, weights)
    }
}
