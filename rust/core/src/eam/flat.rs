//! All that an evaluation looks up as flat arrays, for a device.

use super::one_neutral_state;
use super::passes::Tables;
use super::table::{PairTable, Source};
use crate::error::{Error, Result};
use crate::model::{FlatEmbeddings, Model};

/// Tables of a potential with one neutral state per element, for the elements that occur.
///
/// Functions of a pair of elements (first · elements + second) are φ and the density at the first
/// atom; with several elements also that at the second.
#[derive(Debug, Clone, Default)]
pub struct OneStateTables {
    /// Distance beyond which nothing acts, and shortest distance allowed, Å.
    pub range: [f64; 2],
    /// 2 for a single element, else 3.
    pub functions: usize,
    /// Of each pair: row = s · inverse + offset (s = R²); knot = (R − start) · inverse.
    pub pair_numbers: Vec<PairNumbers>,
    /// Of each pair: first row, number of rows, first knot, number of intervals between knots.
    pub pair_places: Vec<[i32; 4]>,
    /// Coefficients of t⁵ … 1, (row, function, power), t = −½ … ½; NaN: use the knots instead.
    pub rows: Vec<f64>,
    /// R·φ and densities: value, h · slope, h² · curvature; (knot, function, 3).
    pub knots: Vec<f64>,
    /// Embedding energy of each element.
    pub embeddings: FlatEmbeddings,
}

/// Offset and inverse width of the rows, start and inverse spacing of the knots.
pub type PairNumbers = [f64; 4];

impl OneStateTables {
    /// Tables for some of the model's elements, in this order; those of the pairs are empty if atoms
    /// act on each other by learned terms alone, which are not looked at here.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if an element has several states or a charge.
    pub fn new(model: &Model, elements: &[u8]) -> Result<Self> {
        if !one_neutral_state(model) {
            let problem = "must have one neutral state per element, to be evaluated as such";
            return Err(Error::invalid("potential", problem));
        }
        let mut tables = Self {
            range: [model.cutoff().radius, model.min_distance()],
            functions: if elements.len() > 1 { 3 } else { 2 },
            ..Self::default()
        };
        for &first in elements {
            for &second in elements.iter().filter(|_| model.has_pairs()) {
                tables.add_pair(Tables::source(model, first, second));
            }
            tables.embeddings.push(&model.elements()[usize::from(first)].states[0]);
        }
        Ok(tables)
    }

    fn add_pair(&mut self, source: Source) {
        let compact = PairTable::new(source, self.range[0]);
        let table = source.table;
        let first_row = self.rows.len() / (6 * self.functions);
        let first_knot = self.knots.len() / (3 * self.functions);
        let (rows, [offset, inverse]) = (compact.values(), compact.scale());
        for row in &rows {
            row[..self.functions].iter().for_each(|c| self.rows.extend(c.iter().rev()));
        }
        let order = if source.swapped { [0, 2, 1] } else { [0, 1, 2] };
        for knot in 0..=table.intervals() {
            for &function in &order[..self.functions] {
                self.knots.extend_from_slice(&table.knot(knot, function));
            }
        }
        self.pair_numbers.push([offset, inverse, table.start(), table.inverse_spacing()]);
        let places = [first_row, rows.len(), first_knot, table.intervals()];
        self.pair_places.push(places.map(|x| x as i32));
    }
}
