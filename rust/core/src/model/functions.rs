//! Radial functions of a pair of elements in their analytic form, column by column.

use super::{Channel, Model, TOLERANCE};
use crate::formulas::{Jet, exponential, product, scaled, slater, sum, switch};
use crate::potential::{Cutoff, RadialFunction, Repulsion, Resonance, State};
use crate::slater::{Penetration, SlaterAtom};
use crate::tables::{Table, spline_jets};

/// Columns that follow from the states alone: R·φ^sr of every pair of states, then the densities.
pub(super) enum ConstructedFunctions<'a> {
    /// Charge penetration and densities of Slater functions, switched off at the cutoff.
    Slater { penetrations: Vec<Option<Penetration>>, atoms: Vec<Option<SlaterAtom<'a>>> },
    /// Densities of a classical EAM file at its knots; no electrostatics.
    Tabulated { energies: usize, spacing: f64, densities: Vec<Vec<Jet>> },
}

impl<'a> ConstructedFunctions<'a> {
    pub(super) fn new(model: &'a Model, a: usize, b: usize) -> Self {
        match model.knot_spacing() {
            Some(spacing) => Self::tabulated(model, a, b, spacing),
            None => Self::slater(model, a, b),
        }
    }

    fn slater(model: &'a Model, a: usize, b: usize) -> Self {
        let atoms_of = |e: usize| -> Vec<Option<SlaterAtom>> {
            let states = 0..model.elements[e].states.len();
            states.map(|s| slater_atom(model.elements[e].number, model.state(e, s))).collect()
        };
        let (first, second) = (atoms_of(a), atoms_of(b));
        let penetrations = first
            .iter()
            .flat_map(|x| second.iter().map(move |y| Some(Penetration::new((*x)?, (*y)?))))
            .collect();
        // Densities of b's states are felt at a, then those of a's states at b.
        let atoms = second.into_iter().chain(first).collect();
        Self::Slater { penetrations, atoms }
    }

    fn tabulated(model: &Model, a: usize, b: usize, spacing: f64) -> Self {
        let densities_at = |receiver: usize, source: usize| -> Vec<Vec<Jet>> {
            let symbol = &model.elements[receiver].symbol;
            let table = |s: usize| model.state(source, s).density_tables.get(symbol);
            (0..model.elements[source].states.len())
                .map(|s| table(s).map_or(Vec::new(), |t| spline_jets(t.spacing, &t.values)))
                .collect()
        };
        let energies = model.elements[a].states.len() * model.elements[b].states.len();
        let densities = densities_at(a, b).into_iter().chain(densities_at(b, a)).collect();
        Self::Tabulated { energies, spacing, densities }
    }

    /// Number of energy columns.
    pub(super) fn energies(&self) -> usize {
        match self {
            Self::Slater { penetrations, .. } => penetrations.len(),
            Self::Tabulated { energies, .. } => *energies,
        }
    }

    /// Fill the constructed columns of a row.
    pub(super) fn jets(&self, cutoff: Cutoff, r: f64, row: &mut [Jet]) {
        match self {
            Self::Slater { penetrations, atoms } => {
                let s = switch(cutoff.radius, cutoff.switch_width, r);
                let (energies, densities) = row.split_at_mut(penetrations.len());
                for (jet, penetration) in energies.iter_mut().zip(penetrations) {
                    *jet = penetration.as_ref().map_or([0.0; 3], |p| product(p.times_r(r), s));
                }
                for (jet, atom) in densities.iter_mut().zip(atoms) {
                    *jet = atom.map_or([0.0; 3], |x| product(density(&x, r), s));
                }
            }
            Self::Tabulated { energies, spacing, densities } => {
                row[..*energies].fill([0.0; 3]);
                for (jet, column) in row[*energies..].iter_mut().zip(densities) {
                    *jet = at_knot(column, *spacing, r);
                }
            }
        }
    }
}

/// Jet of a spline at the knot next to `r`; its last knot beyond the end.
pub(super) fn at_knot(jets: &[Jet], spacing: f64, r: f64) -> Jet {
    let k = (r / spacing).round() as usize;
    jets.get(k).or(jets.last()).copied().unwrap_or([0.0; 3])
}

pub(super) fn slater_atom(number: u8, state: &State) -> Option<SlaterAtom<'_>> {
    state.rbf.as_ref().map(|rbf| SlaterAtom {
        nucleus: f64::from(number),
        exponents: &rbf.exponents,
        coefficients: &rbf.coefficients,
    })
}

/// Electron density of a state at distance `r`, e/Å³, with slope and curvature.
pub(crate) fn density(atom: &SlaterAtom, r: f64) -> Jet {
    atom.exponents
        .iter()
        .zip(atom.coefficients)
        .fold([0.0; 3], |total, (&zeta, &c)| sum(total, scaled(c, slater(zeta, r))))
}

/// A repulsion in one column of the table.
pub(super) struct Repelling<'a> {
    /// Index in the file.
    pub(super) source: usize,
    pub(super) column: usize,
    pub(super) function: &'a RadialFunction,
    /// Of a tabulated function, at its knots.
    jets: Vec<Jet>,
}

/// A pair of elements of the model, as the file may name it: either way round.
struct Sides<'a> {
    model: &'a Model,
    elements: [usize; 2],
}

impl Sides<'_> {
    /// Index of a state of the first or of the second element.
    fn state(&self, side: usize, name: &str) -> usize {
        let symbol = &self.model.elements[self.elements[side]].symbol;
        let states = &self.model.file.elements[symbol].states;
        states.iter().position(|s| s.name == name).unwrap_or(0)
    }

    /// Whether a pair of the file is this one, and whether it is this one reversed.
    fn orientations(&self, pair: &[String; 2]) -> [bool; 2] {
        let [a, b] = self.elements.map(|e| &self.model.elements[e].symbol);
        [pair[0] == *a && pair[1] == *b, pair[0] == *b && pair[1] == *a]
    }

    /// Columns of the pairs of states that a repulsion acts on.
    fn columns(&self, repulsion: &Repulsion) -> Vec<usize> {
        let [forward, backward] = self.orientations(&repulsion.pair);
        let [na, nb] = self.elements.map(|e| self.model.elements[e].states.len());
        let Some([x, y]) = &repulsion.states else {
            return if forward || backward { (0..na * nb).collect() } else { Vec::new() };
        };
        let column = |first: &str, second: &str| self.state(0, first) * nb + self.state(1, second);
        let mut columns = Vec::new();
        if forward {
            columns.push(column(x, y));
        }
        if backward {
            columns.push(column(y, x));
        }
        columns.dedup();
        columns
    }
}

/// Repulsions and channel amplitudes of a pair of elements.
pub(super) struct FittedFunctions<'a> {
    pub(super) energies: Vec<Repelling<'a>>,
    pub(super) channels: Vec<Channel>,
    /// Index in the file and function of every channel.
    pub(super) amplitudes: Vec<(usize, &'a RadialFunction)>,
    first_channel: usize,
}

impl<'a> FittedFunctions<'a> {
    pub(super) fn new(model: &'a Model, a: usize, b: usize) -> Self {
        let pair = Sides { model, elements: [a, b] };
        let [na, nb] = [a, b].map(|e| model.elements[e].states.len());
        let mut this = Self {
            energies: Vec::new(),
            channels: Vec::new(),
            amplitudes: Vec::new(),
            first_channel: na * nb + na + nb,
        };
        for (source, repulsion) in model.file.repulsions.iter().enumerate() {
            this.add_repulsion(&pair, source, repulsion);
        }
        for (source, resonance) in model.file.resonances.iter().enumerate() {
            this.add_resonance(&pair, source, resonance);
        }
        this
    }

    fn add_repulsion(&mut self, pair: &Sides, source: usize, repulsion: &'a Repulsion) {
        let jets = match &repulsion.function {
            RadialFunction::TabulatedTimesR(t) => spline_jets(t.spacing, &t.values),
            RadialFunction::Exponential { .. } => Vec::new(),
        };
        let function = &repulsion.function;
        let one = |column| Repelling { source, column, function, jets: jets.clone() };
        self.energies.extend(pair.columns(repulsion).into_iter().map(one));
    }

    fn add_resonance(&mut self, pair: &Sides, source: usize, resonance: &'a Resonance) {
        let [forward, backward] = pair.orientations(&resonance.pair);
        let (x, y) = (&resonance.first, &resonance.second);
        let mut add = |p: &[String; 2], q: &[String; 2]| {
            self.channels.push(Channel {
                first: [pair.state(0, &p[0]), pair.state(0, &p[1])],
                second: [pair.state(1, &q[0]), pair.state(1, &q[1])],
            });
            self.amplitudes.push((source, &resonance.amplitude));
        };
        if forward {
            add(x, y);
        }
        // Between equal elements a channel may be its own mirror image or reverse.
        let reversed = [x[1].clone(), x[0].clone()];
        if backward && !(forward && (x == y || *y == reversed)) {
            add(y, x);
        }
    }

    /// Columns of the pair's table.
    pub(super) fn columns(&self) -> usize {
        self.first_channel + self.channels.len()
    }

    /// Add repulsions times R and channel amplitudes to a row.
    pub(super) fn jets(&self, cutoff: Cutoff, r: f64, row: &mut [Jet]) {
        let s = switch(cutoff.radius, cutoff.switch_width, r);
        for Repelling { column, function, jets: spline, .. } in &self.energies {
            let jet = match function {
                RadialFunction::Exponential { amplitude, decay } => {
                    product(product(exponential(*amplitude, *decay, r), [r, 1.0, 0.0]), s)
                }
                RadialFunction::TabulatedTimesR(table) => at_knot(spline, table.spacing, r),
            };
            row[*column] = sum(row[*column], jet);
        }
        for (k, (_, function)) in self.amplitudes.iter().enumerate() {
            if let RadialFunction::Exponential { amplitude, decay } = function {
                row[self.first_channel + k] = product(exponential(*amplitude, *decay, r), s);
            }
        }
    }

    /// Intervals that the fitted functions alone need.
    pub(super) fn intervals(&self, cutoff: Cutoff, domain: [f64; 3]) -> usize {
        let columns = self.columns();
        let tolerance = |column: usize, r: f64, _: f64| {
            TOLERANCE * if column < self.first_channel { r } else { 1.0 }
        };
        let jets = |r: f64, row: &mut [Jet]| {
            row.fill([0.0; 3]);
            self.jets(cutoff, r, row);
        };
        Table::compile(domain, 128, columns, tolerance, jets).intervals()
    }
}
