//! All that an evaluation with state weights looks up as flat arrays, for a device.

use super::search::starts;
use crate::coulomb::{Coulomb, Kernel, Options};
use crate::error::{Error, Result};
use crate::model::{Channel, DipoleTable, FlatEmbeddings, Model, PairModel};
use crate::pairs::ChargeKernel;
use crate::tables::ORDER;

/// Most states of an element, here and in the block inverses of the Krylov solver.
pub const MAX_STATES: usize = 8;

/// Tables of a potential, without its learned terms, for the elements that occur; states are padded to `states` per element.
///
/// The functions of an ordered pair of elements, in this order: R·φ_MN (M, a state of the first
/// atom, major), densities of the second atom's states at the first, densities of the first
/// atom's states at the second, channel amplitudes.
#[derive(Debug, Clone, Default)]
pub struct EnsembleTables {
    /// Distance beyond which no pair acts, and shortest distance allowed, Å.
    pub range: [f64; 2],
    /// Width T of the ensemble, eV.
    pub temperature: f64,
    /// Most states of an element, and most channels of a pair of elements.
    pub states: usize,
    /// See above.
    pub channels: usize,
    /// Number of states of each element.
    pub counts: Vec<i32>,
    /// Charge of each state, e; (element, state).
    pub charges: Vec<f64>,
    /// Weights that a search without history starts from; (start, element, state).
    pub starts: Vec<f64>,
    /// Embedding energies; (element, state).
    pub embeddings: FlatEmbeddings,
    /// Of each ordered pair: start of the first interval (Å) and intervals per Å.
    pub pair_numbers: Vec<[f64; 2]>,
    /// Of each ordered pair: first interval, number of intervals, number of channels.
    pub pair_places: Vec<[i32; 3]>,
    /// Coefficients of t⁵ … 1, t = 0 … 1 in an interval; (interval, function, 6).
    pub rows: Vec<f64>,
    /// Initial and final state on the first atom and on the second; (pair, channel, 4).
    pub channel_states: Vec<[i32; 4]>,
    /// As [`Self::pair_numbers`], of [`Self::kernel_rows`].
    pub kernel_numbers: [f64; 2],
    /// R times the point-charge kernel of the pairs, as [`Self::rows`]; may be empty.
    pub kernel_rows: Vec<f64>,
    /// What the pairs hold of the point charges; none if all states are neutral.
    pub kernel: Option<Kernel>,
    /// Potential of an atom's own charge, eV/e².
    pub self_potential: f64,
    /// Accuracy of a periodic sum.
    pub accuracy: f64,
    /// Of induced dipoles.
    pub dipoles: DipoleTables,
}

/// Tables of induced dipoles; empty without polarisabilities.
///
/// The functions of an ordered pair of elements, in this order: R³f₁ of the first atom's dipole with
/// the second's states, of the second's with the first's, of both dipoles, and R⁵f₂ of both dipoles;
/// without what point charges and point dipoles have of their own (see `model::dipoles`).
#[derive(Debug, Clone, Default)]
pub struct DipoleTables {
    /// Polarisability of each state, Å³; (element, state).
    pub polarisabilities: Vec<f64>,
    /// As `pair_numbers`, `pair_places` (without channels) and `rows` of [`EnsembleTables`].
    pub numbers: Vec<[f64; 2]>,
    /// See above.
    pub places: Vec<[i32; 2]>,
    /// See above.
    pub rows: Vec<f64>,
}

impl EnsembleTables {
    /// Tables for some of the model's elements, in this order, and the electrostatics of a
    /// periodicity.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for more than [`MAX_STATES`] states, and as [`Coulomb::new`].
    pub fn new(model: &Model, elements: &[u8], options: Options, pbc: [bool; 3]) -> Result<Self> {
        check(model)?;
        let of = |e: &u8| &model.elements()[usize::from(*e)].states;
        let states = elements.iter().map(|e| of(e).len()).max().unwrap_or(1);
        let mut tables = Self {
            range: [model.cutoff().radius, model.min_distance()],
            temperature: model.temperature(),
            states,
            counts: elements.iter().map(|e| of(e).len() as i32).collect(),
            ..Self::default()
        };
        for (k, element) in elements.iter().enumerate() {
            tables.charges.extend(of(element).iter().map(|s| s.charge));
            tables.charges.resize((k + 1) * states, 0.0);
            for state in of(element) {
                tables.embeddings.push(state);
            }
            tables.embeddings.pad((k + 1) * states);
        }
        for start in starts(model, elements) {
            for &element in elements {
                let mut weights = start.weights(model, element);
                weights.resize(states, 0.0);
                tables.starts.extend(weights);
            }
        }
        let pairs = || elements.iter().flat_map(|a| elements.iter().map(move |b| (*a, *b)));
        let channels = |(a, b): (u8, u8)| pair_of(model, a, b).0.channels.len();
        tables.channels = pairs().map(channels).max().unwrap_or(0);
        for (a, b) in pairs() {
            tables.add_pair(pair_of(model, a, b));
        }
        tables.add_kernel(model, options, pbc)?;
        if model.is_polarisable() {
            tables.dipoles = DipoleTables::new(model, elements, states);
        }
        Ok(tables)
    }

    fn add_pair(&mut self, (pair, swapped): (&PairModel, bool)) {
        let table = &pair.table;
        let width = self.states * (self.states + 2) + self.channels;
        let first = self.rows.len() / (ORDER * width);
        let columns = self.columns(pair, swapped);
        for interval in 0..table.intervals() {
            for column in &columns {
                let row = column.map_or([0.0; ORDER], |c| table.quintic(interval, c));
                self.rows.extend_from_slice(&row);
            }
        }
        self.pair_numbers.push([table.start(), table.inverse_spacing()]);
        let places = [first, table.intervals(), pair.channels.len()];
        self.pair_places.push(places.map(|x| x as i32));
        for k in 0..self.channels {
            let states = pair.channels.get(k).map_or([0; 4], |c| channel_states(c, swapped));
            self.channel_states.push(states);
        }
    }

    /// Column of the pair's table for every function, none where a state does not exist.
    fn columns(&self, pair: &PairModel, swapped: bool) -> Vec<Option<usize>> {
        let [na, nb] = pair.states;
        let (first, second) = if swapped { (nb, na) } else { (na, nb) };
        let density = |from: usize, states: usize, m: usize| (m < states).then_some(from + m);
        // Densities of b's states at a come first in the model's table, then those of a's at b.
        let (at_first, at_second) = (na * nb, na * nb + nb);
        let (at_first, at_second) =
            if swapped { (at_second, at_first) } else { (at_first, at_second) };
        let mut columns = Vec::new();
        for m in 0..self.states {
            for n in 0..self.states {
                let (x, y) = if swapped { (n, m) } else { (m, n) };
                columns.push((m < first && n < second).then_some(x * nb + y));
            }
        }
        columns.extend((0..self.states).map(|n| density(at_first, second, n)));
        columns.extend((0..self.states).map(|m| density(at_second, first, m)));
        let channel = |k: usize| density(na * nb + na + nb, pair.channels.len(), k);
        columns.extend((0..self.channels).map(channel));
        columns
    }

    fn add_kernel(&mut self, model: &Model, options: Options, pbc: [bool; 3]) -> Result<()> {
        let polarisable = model.is_polarisable() && !self.counts.is_empty();
        if self.charges.iter().all(|q| *q == 0.0) && !polarisable {
            return Ok(());
        }
        let options = if polarisable { options.with_dipoles() } else { options };
        self.accuracy = options.accuracy;
        let coulomb = Coulomb::new(options, pbc, model.cutoff().radius)?;
        let kernel = coulomb.kernel();
        if matches!(kernel, Kernel::ShiftedForce { .. }) {
            let mut potential = [0.0];
            coulomb.add_potential(&[1.0], &mut potential);
            [self.self_potential] = potential;
        }
        if let Some(table) = ChargeKernel::new(&kernel, model).map(ChargeKernel::into_table) {
            self.kernel_numbers = [table.start(), table.inverse_spacing()];
            self.kernel_rows = (0..table.intervals()).flat_map(|k| table.quintic(k, 0)).collect();
        }
        self.kernel = Some(kernel);
        Ok(())
    }
}

impl DipoleTables {
    fn new(model: &Model, elements: &[u8], states: usize) -> Self {
        let mut tables = Self::default();
        for (k, &element) in elements.iter().enumerate() {
            let of = &model.elements()[usize::from(element)].states;
            tables.polarisabilities.extend(of.iter().map(|s| s.polarisability));
            tables.polarisabilities.resize((k + 1) * states, 0.0);
        }
        for &a in elements {
            for &b in elements {
                tables.add_pair(pair_of(model, a, b), states);
            }
        }
        tables
    }

    /// A pair without dipoles has one interval of zeros.
    fn add_pair(&mut self, (pair, swapped): (&PairModel, bool), states: usize) {
        let width = 2 * states + 2;
        let first = self.rows.len() / (ORDER * width);
        let Some(table) = pair.dipoles.as_ref().map(DipoleTable::table) else {
            self.rows.resize(self.rows.len() + ORDER * width, 0.0);
            self.numbers.push([0.0, 1.0]);
            self.places.push([first as i32, 1]);
            return;
        };
        let [na, nb] = pair.states;
        let own =
            |from: usize, count: usize| (0..states).map(move |m| (m < count).then_some(from + m));
        let (of_first, of_second) = ((0, nb), (nb, na));
        let [x, y] = if swapped { [of_second, of_first] } else { [of_first, of_second] };
        let both = [Some(na + nb), Some(na + nb + 1)];
        let columns: Vec<_> = own(x.0, x.1).chain(own(y.0, y.1)).chain(both).collect();
        for interval in 0..table.intervals() {
            for column in &columns {
                let row = column.map_or([0.0; ORDER], |c| table.quintic(interval, c));
                self.rows.extend_from_slice(&row);
            }
        }
        self.numbers.push([table.start(), table.inverse_spacing()]);
        self.places.push([first as i32, table.intervals() as i32]);
    }
}

fn check(model: &Model) -> Result<()> {
    match model.elements().iter().find(|e| e.states.len() > MAX_STATES) {
        Some(element) => {
            let n = element.states.len();
            let problem = format!("must have at most {MAX_STATES}, {} has {n}", element.symbol);
            Err(Error::invalid("states", problem))
        }
        None => Ok(()),
    }
}

/// Functions of two elements, and whether the first atom is of the table's second element.
fn pair_of(model: &Model, first: u8, second: u8) -> (&PairModel, bool) {
    let (a, b) = (first.min(second), first.max(second));
    (model.pair(usize::from(a), usize::from(b)), first > second)
}

fn channel_states(channel: &Channel, swapped: bool) -> [i32; 4] {
    let Channel { first, second } = channel;
    let (x, y) = if swapped { (second, first) } else { (first, second) };
    [x[0], x[1], y[0], y[1]].map(|s| s as i32)
}
