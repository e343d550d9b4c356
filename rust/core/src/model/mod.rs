//! A potential compiled for evaluation: states by element, radial functions by pair of elements.

use std::sync::{Arc, OnceLock};

use crate::elements::number_of;
use crate::error::{Error, Result};
use crate::formulas::{Jet, scaled};
use crate::potential::{Coefficient, Cutoff, PotentialFile, RadialFunction, State};
use crate::tables::Table;
use crate::terms::Terms;

mod densities;
mod derivatives;
mod dipoles;
mod flat;
mod functions;
mod state;

use densities::DensityDerivatives;
pub use derivatives::{Change, Changes, ParameterSet, Side, Target};
pub use dipoles::DipoleTable;
pub(crate) use dipoles::DipoleValues;
pub use flat::{EmbeddingKind, FlatEmbeddings};
use functions::{ConstructedFunctions, FittedFunctions};
pub use state::StateModel;

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
    density_derivatives: Vec<OnceLock<Arc<DensityDerivatives>>>,
    terms: Option<Terms>,
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
    /// ζ of the induced dipole, Å⁻¹, if a state is polarisable.
    pub polarisation_exponent: Option<f64>,
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
    /// Short-ranged functions of induced dipoles, if one of the elements is polarisable.
    pub dipoles: Option<DipoleTable>,
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
            elements.push(ElementModel {
                symbol: symbol.clone(),
                number,
                states,
                polarisation_exponent: element.polarisation_exponent,
            });
        }
        let kinds = elements.len() * elements.len();
        let pairs = vec![OnceLock::new(); kinds];
        let density_derivatives = vec![OnceLock::new(); kinds];
        let terms = Terms::new(&file);
        Ok(Self { file, elements, by_number, pairs, density_derivatives, terms })
    }

    /// Compile a file that differs from this model only in fitted parameters: tables of the
    /// constructed functions (densities, charge penetration) are reused.
    pub fn recompile(&self, file: PotentialFile) -> Result<Self> {
        let model = Self::new(file)?;
        let same = |a: &PotentialFile, b: &PotentialFile| {
            let states = |f: &PotentialFile| -> Vec<(String, Option<f64>, Vec<State>)> {
                let bare = |s: &State| State {
                    embedding: None,
                    energy: 0.0,
                    polarisability: None,
                    density_scale: 1.0,
                    ..s.clone()
                };
                f.elements
                    .iter()
                    .map(|(k, e)| {
                        (k.clone(), e.polarisation_exponent, e.states.iter().map(bare).collect())
                    })
                    .collect()
            };
            a.cutoff == b.cutoff && states(a) == states(b)
        };
        if same(&self.file, &model.file) {
            for (new, old) in model.density_derivatives.iter().zip(&self.density_derivatives) {
                old.get().into_iter().for_each(|old| drop(new.set(old.clone())));
            }
            for (k, old) in self.pairs.iter().enumerate() {
                if let Some(old) = old.get() {
                    let (a, b) = (k / self.elements.len(), k % self.elements.len());
                    let pair = model.compile_pair(a, b, Some(old));
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
    /// Everything a fit may change: the parameters of states, repulsions and resonances, then the
    /// coefficients of the learned terms, in the order of the file.
    pub fn coefficients(&self) -> Vec<Coefficient> {
        let symbols: Vec<String> = self.file.elements.keys().cloned().collect();
        let mut all = self.file.described_parameters();
        all.extend(self.file.terms.iter().flat_map(|terms| terms.described(&symbols)));
        all
    }

    /// The same potential with other values of [`Model::coefficients`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless there is one finite number per coefficient.
    pub fn with_coefficients(&self, values: &[f64]) -> Result<Self> {
        let known = self.coefficients();
        if values.len() != known.len() {
            let problem = format!("must have {} entries, got {}", known.len(), values.len());
            return Err(Error::invalid("coefficients", problem));
        }
        if let Some(k) = values.iter().position(|x| !x.is_finite()) {
            let problem = format!("must be finite, got {}", values[k]);
            return Err(Error::invalid(known[k].name.clone(), problem));
        }
        let mut file = PotentialFile { sha256: None, ..self.file.clone() };
        let (parameters, coefficients) = values.split_at(file.parameters().len());
        file.assign_parameters(parameters);
        if let Some(terms) = &mut file.terms {
            terms.assign(coefficients);
        }
        file.check()?;
        self.recompile(file)
    }

    /// The same potential with the densities of some states (element and name) among its
    /// coefficients.
    ///
    /// # Errors
    /// Those of [`PotentialFile::free_densities`].
    pub fn with_free_densities(&self, states: &[(String, String)]) -> Result<Self> {
        let mut file = PotentialFile { sha256: None, ..self.file.clone() };
        file.free_densities(states)?;
        file.check()?;
        self.recompile(file)
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
    /// Learned terms, if there are any.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }
    /// Distance beyond which nothing short-ranged acts, Å.
    pub fn reach(&self) -> f64 {
        let terms = self.terms.as_ref().map_or(0.0, Terms::cutoff);
        if self.has_pairs() { self.cutoff().radius.max(terms) } else { terms.max(MIN_DISTANCE) }
    }
    /// False if atoms do not act on each other other than by learned terms.
    pub fn has_pairs(&self) -> bool {
        let mut states = self.file.elements.values().flat_map(|e| &e.states);
        !self.file.repulsions.is_empty()
            || !self.file.resonances.is_empty()
            || states.any(|s| s.rbf.is_some() || !s.density_tables.is_empty())
    }
    /// True if a state of any element has a polarisability.
    pub fn is_polarisable(&self) -> bool {
        self.elements.iter().any(|e| e.polarisation_exponent.is_some())
    }
    /// Index in the potential of the element of every atom.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] names the first atom of an element the potential lacks.
    pub fn elements_of(&self, numbers: &[u8]) -> Result<Vec<u8>> {
        let of = |(i, &number): (usize, &u8)| {
            self.element_index(number).ok_or_else(|| self.unknown_element(i, number))
        };
        numbers.iter().enumerate().map(of).collect()
    }

    fn unknown_element(&self, atom: usize, number: u8) -> Error {
        let known: Vec<&str> = self.elements.iter().map(|e| e.symbol.as_str()).collect();
        let symbol = crate::elements::symbol_of(number).unwrap_or("?");
        Error::invalid(
            format!("numbers[{atom}]"),
            format!(
                "the potential '{}' has no element {symbol} (Z = {number}); it has {}",
                self.file.name,
                known.join(", ")
            ),
        )
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

    /// Constructed functions of two elements at some distances, as the engine uses them: in every
    /// row φ^sr_MN (eV, M major), the densities of the second element's states at the first atom
    /// and those of the first element's states at the second (e/Å³, times their `density_scale`), all
    /// switched off at the cutoff. The point charges of the states are not in φ^sr.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an element the potential lacks, or a distance that is not finite
    /// and at least [`Model::min_distance`].
    pub fn pair_functions(&self, symbols: [&str; 2], distances: &[f64]) -> Result<Vec<Vec<f64>>> {
        let index = |symbol: &str| {
            self.elements.iter().position(|e| e.symbol == symbol).ok_or_else(|| {
                Error::invalid("symbols", format!("the potential has no element {symbol:?}"))
            })
        };
        let (a, b) = (index(symbols[0])?, index(symbols[1])?);
        let functions = ConstructedFunctions::new(self, a, b);
        let (energies, scales) = (functions.energies(), self.scales(a, b));
        let columns = scales.len();
        let row = |(k, &r): (usize, &f64)| {
            if !r.is_finite() || r < self.min_distance() {
                let rule = format!("must be finite and at least {}, got {r}", self.min_distance());
                return Err(Error::invalid(format!("distances[{k}]"), rule));
            }
            let mut jets = vec![[0.0; 3]; columns];
            functions.jets(self.cutoff(), r, &mut jets);
            let divisor = |c: usize| if c < energies { r } else { 1.0 };
            let values = jets.iter().zip(&scales).enumerate();
            Ok(values.map(|(c, (jet, scale))| scale * jet[0] / divisor(c)).collect())
        };
        distances.iter().enumerate().map(row).collect()
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

    fn compile_pair(&self, a: usize, b: usize, known: Option<&PairModel>) -> PairModel {
        let states = [self.elements[a].states.len(), self.elements[b].states.len()];
        let fitted = FittedFunctions::new(self, a, b);
        let constructed = known
            .map_or_else(|| self.constructed(a, b, &fitted), |known| known.constructed.clone());
        let dipoles = known.map_or_else(|| DipoleTable::new(self, a, b), |k| k.dipoles.clone());
        let jets = |r: f64, row: &mut [Jet]| fitted.jets(self.cutoff(), r, row);
        let table = constructed.with_added(&self.scales(a, b), fitted.columns(), jets);
        PairModel { states, channels: fitted.channels, table, dipoles, constructed }
    }

    /// Factors on the constructed functions in the energy: one for electrostatics, those of the
    /// states for the densities they are felt by.
    fn scales(&self, a: usize, b: usize) -> Vec<f64> {
        let states = [a, b].map(|e| self.elements[e].states.len());
        let of = |e: usize| (0..self.elements[e].states.len()).map(move |s| (e, s));
        let scale = |(e, s): (usize, usize)| self.state(e, s).density_scale;
        let mut scales = vec![1.0; states[0] * states[1]];
        scales.extend(of(b).chain(of(a)).map(scale));
        scales
    }

    /// Table of the functions that follow from the states alone, fine enough for the fitted ones.
    fn constructed(&self, a: usize, b: usize, fitted: &FittedFunctions) -> Table {
        let functions = ConstructedFunctions::new(self, a, b);
        let energies = functions.energies();
        let columns = energies + self.elements[a].states.len() + self.elements[b].states.len();
        let cutoff = self.cutoff();
        let jets = |r: f64, row: &mut [Jet]| functions.jets(cutoff, r, row);
        if let Some(spacing) = self.knot_spacing() {
            // The file's own knots reproduce its splines exactly.
            let intervals = (cutoff.radius / spacing).ceil() as usize;
            return Table::tabulate([0.0, spacing * intervals as f64], intervals, columns, jets);
        }
        let tolerance = |column: usize, r: f64, value: f64| {
            if column < energies {
                TOLERANCE * r
            } else {
                TOLERANCE * value.abs() + NEGLIGIBLE_DENSITY * 1e-3
            }
        };
        let domain = [MIN_DISTANCE, ACCURATE_FROM, cutoff.radius];
        let intervals = fitted.intervals(cutoff, domain);
        Table::compile(domain, intervals, columns, tolerance, jets)
    }

    /// The columns of [`PairModel::table`] in analytic form (elements `a` ≤ `b`), as jets at `r`:
    /// what the tables are measured against.
    pub fn analytic(&self, a: usize, b: usize, r: f64) -> Vec<Jet> {
        let (constructed, fitted) =
            (ConstructedFunctions::new(self, a, b), FittedFunctions::new(self, a, b));
        let mut row = vec![[0.0; 3]; fitted.columns()];
        let n = fitted.columns() - fitted.channels.len();
        constructed.jets(self.cutoff(), r, &mut row[..n]);
        row.iter_mut().zip(self.scales(a, b)).for_each(|(jet, s)| *jet = scaled(s, *jet));
        fitted.jets(self.cutoff(), r, &mut row);
        row
    }
}
