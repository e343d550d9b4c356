//! A potential compiled for evaluation: states by element, radial functions by pair of elements.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::formulas::{Jet, exponential, product, root_polynomial, scaled, slater, sum, switch};
use crate::elements::number_of;
use crate::potential::{Cutoff, Embedding, PotentialFile, RadialFunction, State};
use crate::slater::{Penetration, SlaterAtom};
use crate::tables::{Table, spline_jets};

/// Distances below this are refused: tables of constructed functions start here, Å.
pub const MIN_DISTANCE: f64 = 0.1;
/// Tables meet their tolerance from here on, Å.
const ACCURATE_FROM: f64 = 0.2;
/// Tolerance of energies (eV) and, relative, of densities.
const TOLERANCE: f64 = 2e-9;
/// Densities below this (e/Å³) need no relative accuracy.
const NEGLIGIBLE_DENSITY: f64 = 1e-12;

/// A compiled potential.
#[derive(Debug)]
pub struct Model {
    file: PotentialFile,
    elements: Vec<ElementModel>,
    by_number: Vec<Option<u8>>,
    pairs: Vec<OnceLock<Arc<PairModel>>>,
}

/// States of one element.
#[derive(Debug, Clone)]
pub struct ElementModel {
    /// Chemical symbol.
    pub symbol: String,
    /// Atomic number.
    pub number: u8,
    /// States in file order.
    pub states: Vec<StateModel>,
}

/// What the on-site energy needs of a state.
#[derive(Debug, Clone)]
pub struct StateModel {
    /// Charge, e.
    pub charge: f64,
    /// Energy above the neutral ground state, eV.
    pub energy: f64,
    embedding: EmbeddingModel,
}

#[derive(Debug, Clone)]
enum EmbeddingModel {
    None,
    RootPolynomial { shift: f64, coefficients: Vec<f64> },
    Tabulated { table: Table, last: Jet },
}

/// Radial functions of a pair of elements (first ≤ second in the model's order).
///
/// Table columns: R·φ_MN (M major), densities of the second element's states at the first atom,
/// densities of the first element's states at the second atom, channel amplitudes.
#[derive(Debug)]
pub struct PairModel {
    /// Number of states of the two elements.
    pub states: [usize; 2],
    /// Charge-transfer channels.
    pub channels: Vec<Channel>,
    /// All columns.
    pub table: Table,
    constructed: Table,
}

/// A channel: states (initial, final) of the first and of the second atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Initial and final state index on the first atom.
    pub first: [usize; 2],
    /// Initial and final state index on the second atom.
    pub second: [usize; 2],
}

impl Model {
    /// Compile a checked file; radial functions are tabulated when a pair of elements is first met.
    pub fn new(file: PotentialFile) -> Result<Self> {
        let mut elements = Vec::new();
        let mut by_number = vec![None; 119];
        for (symbol, element) in &file.elements {
            let number = number_of(symbol).ok_or_else(|| {
                Error::format(format!("elements.{symbol}"), "is not a chemical symbol")
            })?;
            by_number[usize::from(number)] = Some(elements.len() as u8);
            let states = element.states.iter().map(StateModel::new).collect();
            elements.push(ElementModel { symbol: symbol.clone(), number, states });
        }
        let pairs = (0..elements.len() * elements.len()).map(|_| OnceLock::new()).collect();
        Ok(Self { file, elements, by_number, pairs })
    }

    /// Compile a file that differs from this model only in fitted parameters: tables of the
    /// constructed functions (densities, charge penetration) are reused.
    pub fn recompile(&self, file: PotentialFile) -> Result<Self> {
        let model = Self::new(file)?;
        let same = |a: &PotentialFile, b: &PotentialFile| {
            let states = |f: &PotentialFile| -> Vec<(String, Vec<State>)> {
                let bare = |s: &State| State { embedding: None, energy: 0.0, ..s.clone() };
                f.elements
                    .iter()
                    .map(|(k, e)| (k.clone(), e.states.iter().map(bare).collect()))
                    .collect()
            };
            a.cutoff == b.cutoff && states(a) == states(b)
        };
        if same(&self.file, &model.file) {
            for (k, old) in self.pairs.iter().enumerate() {
                if let Some(old) = old.get() {
                    let (a, b) = (k / self.elements.len(), k % self.elements.len());
                    let pair = model.compile_pair(a, b, Some(&old.constructed));
                    // A fresh cell: setting it cannot fail.
                    let _ = model.pairs[k].set(Arc::new(pair));
                }
            }
        }
        Ok(model)
    }

    /// The file this was compiled from.
    pub fn file(&self) -> &PotentialFile {
        &self.file
    }
    /// Elements in file order.
    pub fn elements(&self) -> &[ElementModel] {
        &self.elements
    }
    /// Electronic temperature T, eV.
    pub fn temperature(&self) -> f64 {
        self.file.electronic_temperature
    }
    /// Range of the short-ranged functions.
    pub fn cutoff(&self) -> Cutoff {
        self.file.cutoff
    }
    /// Shortest distance this model can describe, Å.
    pub fn min_distance(&self) -> f64 {
        if self.knot_spacing().is_some() { 1e-6 } else { MIN_DISTANCE }
    }
    /// Index of an element from its atomic number.
    pub fn element_index(&self, number: u8) -> Option<u8> {
        self.by_number.get(usize::from(number)).copied().flatten()
    }
    /// Radial functions of elements `a` ≤ `b`.
    pub fn pair(&self, a: usize, b: usize) -> &PairModel {
        self.pairs[a * self.elements.len() + b]
            .get_or_init(|| Arc::new(self.compile_pair(a, b, None)))
    }

    fn state(&self, element: usize, state: usize) -> &State {
        &self.file.elements[&self.elements[element].symbol].states[state]
    }

    /// Spacing of the tables of the file, if it is a tabulated (classical EAM) potential.
    fn knot_spacing(&self) -> Option<f64> {
        let mut states = self.file.elements.values().flat_map(|e| &e.states);
        let table = states.find_map(|s| s.density_tables.values().next());
        let pair = self.file.repulsions.iter().find_map(|r| match &r.function {
            RadialFunction::TabulatedTimesR(table) => Some(table),
            RadialFunction::Exponential { .. } => None,
        });
        table.or(pair).map(|t| t.spacing)
    }

    fn compile_pair(&self, a: usize, b: usize, known: Option<&Table>) -> PairModel {
        let states = [self.elements[a].states.len(), self.elements[b].states.len()];
        let columns = states[0] * states[1] + states[0] + states[1];
        let fitted = FittedFunctions::new(self, a, b);
        let total = columns + fitted.channels.len();
        let constructed = match (known, self.knot_spacing()) {
            (Some(table), _) => table.clone(),
            (None, Some(spacing)) => self.tabulated(a, b, spacing),
            (None, None) => self.constructed(a, b, &fitted),
        };
        let table = constructed.with_added(total, |r, row| fitted.jets(self.cutoff(), r, row));
        PairModel { states, channels: fitted.channels, table, constructed }
    }

    /// Charge penetration and densities from the states' Slater functions.
    fn constructed(&self, a: usize, b: usize, fitted: &FittedFunctions) -> Table {
        let (na, nb) = (self.elements[a].states.len(), self.elements[b].states.len());
        let atoms = |e: usize, n: usize| -> Vec<Option<SlaterAtom>> {
            (0..n).map(|s| slater_atom(self.elements[e].number, self.state(e, s))).collect()
        };
        let (first, second) = (atoms(a, na), atoms(b, nb));
        let penetrations: Vec<Option<Penetration>> = first
            .iter()
            .flat_map(|x| second.iter().map(move |y| Some(Penetration::new((*x)?, (*y)?))))
            .collect();
        let cutoff = self.cutoff();
        let energies = na * nb;
        let jets = |r: f64, row: &mut [Jet]| {
            let s = switch(cutoff.radius, cutoff.switch_width, r);
            for (jet, penetration) in row.iter_mut().zip(&penetrations) {
                *jet = penetration.as_ref().map_or([0.0; 3], |p| product(p.times_r(r), s));
            }
            for (jet, atom) in row[energies..].iter_mut().zip(second.iter().chain(&first)) {
                *jet = atom.map_or([0.0; 3], |x| product(density(&x, r), s));
            }
        };
        let tolerance = |column: usize, r: f64, value: f64| {
            if column < energies {
                TOLERANCE * r
            } else {
                TOLERANCE * value.abs() + NEGLIGIBLE_DENSITY * 1e-3
            }
        };
        let domain = [MIN_DISTANCE, ACCURATE_FROM, cutoff.radius];
        let intervals = fitted.intervals(cutoff, domain);
        Table::compile(domain, intervals, energies + na + nb, tolerance, jets)
    }

    /// Densities of a classical EAM file, on its own knots.
    fn tabulated(&self, a: usize, b: usize, spacing: f64) -> Table {
        let (na, nb) = (self.elements[a].states.len(), self.elements[b].states.len());
        let splines = |source: usize, n: usize, receiver: usize| -> Vec<Vec<Jet>> {
            let symbol = &self.elements[receiver].symbol;
            (0..n)
                .map(|s| {
                    let table = self.state(source, s).density_tables.get(symbol);
                    table.map_or(Vec::new(), |t| spline_jets(t.spacing, &t.values))
                })
                .collect()
        };
        let columns: Vec<Vec<Jet>> = splines(b, nb, a).into_iter().chain(splines(a, na, b)).collect();
        let intervals = (self.cutoff().radius / spacing).ceil() as usize;
        let end = spacing * intervals as f64;
        Table::tabulate([0.0, end], intervals, na * nb + na + nb, |r, row| {
            for (jet, column) in row[na * nb..].iter_mut().zip(&columns) {
                *jet = at_knot(column, spacing, r);
            }
        })
    }
}

/// Jet of a spline at the knot next to `r`; its last knot beyond the end.
fn at_knot(jets: &[Jet], spacing: f64, r: f64) -> Jet {
    let k = (r / spacing).round() as usize;
    jets.get(k).or(jets.last()).copied().unwrap_or([0.0; 3])
}

fn slater_atom(number: u8, state: &State) -> Option<SlaterAtom<'_>> {
    state.rbf.as_ref().map(|rbf| SlaterAtom {
        nucleus: f64::from(number),
        exponents: &rbf.exponents,
        coefficients: &rbf.coefficients,
    })
}

/// Electron density of a state at distance `r`, e/Å³, with slope and curvature.
pub fn density(atom: &SlaterAtom, r: f64) -> Jet {
    atom.exponents
        .iter()
        .zip(atom.coefficients)
        .fold([0.0; 3], |total, (&zeta, &c)| sum(total, scaled(c, slater(zeta, r))))
}

/// Repulsions (column, function) and channel amplitudes of a pair of elements.
struct FittedFunctions<'a> {
    energies: Vec<(usize, &'a RadialFunction, Vec<Jet>)>,
    channels: Vec<Channel>,
    amplitudes: Vec<&'a RadialFunction>,
    first_channel: usize,
}

impl<'a> FittedFunctions<'a> {
    fn new(model: &'a Model, a: usize, b: usize) -> Self {
        let (ea, eb) = (&model.elements[a], &model.elements[b]);
        let (na, nb) = (ea.states.len(), eb.states.len());
        let index = |element: usize, name: &str| {
            let states = &model.file.elements[&model.elements[element].symbol].states;
            states.iter().position(|s| s.name == name).unwrap_or(0)
        };
        let orientations = |pair: &[String; 2]| {
            let forward = pair[0] == ea.symbol && pair[1] == eb.symbol;
            let backward = pair[0] == eb.symbol && pair[1] == ea.symbol;
            [forward, backward]
        };
        let mut this = Self {
            energies: Vec::new(),
            channels: Vec::new(),
            amplitudes: Vec::new(),
            first_channel: na * nb + na + nb,
        };
        for repulsion in &model.file.repulsions {
            let [forward, backward] = orientations(&repulsion.pair);
            let mut columns: Vec<usize> = Vec::new();
            match &repulsion.states {
                None if forward || backward => columns.extend(0..na * nb),
                None => {}
                Some([x, y]) => {
                    if forward {
                        columns.push(index(a, x) * nb + index(b, y));
                    }
                    if backward {
                        columns.push(index(a, y) * nb + index(b, x));
                    }
                    columns.dedup();
                }
            }
            let jets = match &repulsion.function {
                RadialFunction::TabulatedTimesR(t) => spline_jets(t.spacing, &t.values),
                RadialFunction::Exponential { .. } => Vec::new(),
            };
            this.energies.extend(columns.iter().map(|&c| (c, &repulsion.function, jets.clone())));
        }
        for resonance in &model.file.resonances {
            let [forward, backward] = orientations(&resonance.pair);
            let (x, y) = (&resonance.first, &resonance.second);
            let channel = |p: &[String; 2], q: &[String; 2]| Channel {
                first: [index(a, &p[0]), index(a, &p[1])],
                second: [index(b, &q[0]), index(b, &q[1])],
            };
            if forward {
                this.channels.push(channel(x, y));
                this.amplitudes.push(&resonance.amplitude);
            }
            // Between equal elements a channel may be its own mirror image or reverse.
            let reversed = [x[1].clone(), x[0].clone()];
            if backward && !(forward && (x == y || *y == reversed)) {
                this.channels.push(channel(y, x));
                this.amplitudes.push(&resonance.amplitude);
            }
        }
        this
    }

    /// Add repulsions times R and channel amplitudes to a row.
    fn jets(&self, cutoff: Cutoff, r: f64, row: &mut [Jet]) {
        let s = switch(cutoff.radius, cutoff.switch_width, r);
        for (column, function, spline) in &self.energies {
            let jet = match function {
                RadialFunction::Exponential { amplitude, decay } => {
                    product(product(exponential(*amplitude, *decay, r), [r, 1.0, 0.0]), s)
                }
                RadialFunction::TabulatedTimesR(table) => at_knot(spline, table.spacing, r),
            };
            row[*column] = sum(row[*column], jet);
        }
        for (k, function) in self.amplitudes.iter().enumerate() {
            if let RadialFunction::Exponential { amplitude, decay } = function {
                row[self.first_channel + k] = product(exponential(*amplitude, *decay, r), s);
            }
        }
    }

    /// Intervals that the fitted functions alone need.
    fn intervals(&self, cutoff: Cutoff, domain: [f64; 3]) -> usize {
        let columns = self.first_channel + self.channels.len();
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

impl StateModel {
    fn new(state: &State) -> Self {
        let embedding = match &state.embedding {
            None => EmbeddingModel::None,
            Some(Embedding::RootPolynomial { shift, coefficients }) => {
                EmbeddingModel::RootPolynomial { shift: *shift, coefficients: coefficients.clone() }
            }
            Some(Embedding::Tabulated(t)) => {
                let jets = spline_jets(t.spacing, &t.values);
                let last = jets[jets.len() - 1];
                let end = t.spacing * (jets.len() - 1) as f64;
                let table = Table::tabulate([0.0, end], jets.len() - 1, 1, |x, row| {
                    row[0] = at_knot(&jets, t.spacing, x);
                });
                EmbeddingModel::Tabulated { table, last }
            }
        };
        Self { charge: state.charge, energy: state.energy, embedding }
    }

    /// Embedding energy at a background density, eV; linear beyond a table's last value.
    pub fn embedding(&self, background: f64) -> Jet {
        match &self.embedding {
            EmbeddingModel::None => [0.0; 3],
            EmbeddingModel::RootPolynomial { shift, coefficients } => {
                root_polynomial(*shift, coefficients, background.max(0.0))
            }
            EmbeddingModel::Tabulated { table, last } if background > table.end() => {
                [last[0] + last[1] * (background - table.end()), last[1], 0.0]
            }
            EmbeddingModel::Tabulated { table, .. } => {
                let at = table.lookup(background);
                let mut jet = [[0.0]; 3];
                table.values(&at, &mut jet[0]);
                table.slopes(&at, &mut jet[1]);
                table.curvatures(background, &mut jet[2]);
                [jet[0][0], jet[1][0], jet[2][0]]
            }
        }
    }
}
