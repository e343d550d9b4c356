//! Functions of induced dipoles of the pairs that have any.

use super::{ChargeKernel, Chunk, Record};
use crate::coulomb::DipoleFunctions;
use crate::model::{DipoleTable, DipoleValues, Model};

/// The pairs of a chunk with a polarisable atom.
#[derive(Debug, Clone, Default)]
pub(super) struct Dipoles {
    /// Every such pair, and where its values start.
    places: Vec<(Record, usize)>,
    values: Vec<f64>,
}

fn table<'a>(model: &'a Model, record: &Record) -> Option<&'a DipoleTable> {
    let n = model.elements().len();
    model.pair(record.kind as usize / n, record.kind as usize % n).dipoles.as_ref()
}

/// What the kernel holds of dipoles at a distance.
fn points(kernel: Option<&ChargeKernel>, r: f64) -> DipoleFunctions {
    kernel.map_or_else(DipoleFunctions::default, |k| k.kernel.dipole_functions(r))
}

impl Dipoles {
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.values.clear();
    }

    /// Take a pair and look up its values, if it has a polarisable atom.
    pub(super) fn push(&mut self, model: &Model, kernel: Option<&ChargeKernel>, record: Record) {
        let Some(table) = table(model, &record) else { return };
        let start = self.values.len();
        self.places.push((record, start));
        self.values.resize(start + table.len(), 0.0);
        let points = points(kernel, record.distance);
        table.values(record.distance, &points, &mut self.values[start..]);
    }
}

impl Chunk {
    /// Pairs with a polarisable atom.
    pub(crate) fn dipoles<'a>(
        &'a self,
        model: &'a Model,
    ) -> impl Iterator<Item = (&'a Record, DipoleValues<'a>)> {
        let n = model.elements().len();
        self.dipoles.places.iter().map(move |(record, start)| {
            let states = model.pair(record.kind as usize / n, record.kind as usize % n).states;
            (record, DipoleValues::split(&self.dipoles.values[*start..], states))
        })
    }
}

/// Derivatives in R over R of the functions of a pair with a polarisable atom.
pub(crate) fn dipole_slopes<'a>(
    model: &Model,
    kernel: Option<&ChargeKernel>,
    record: &Record,
    out: &'a mut Vec<f64>,
) -> DipoleValues<'a> {
    let n = model.elements().len();
    let pair = model.pair(record.kind as usize / n, record.kind as usize % n);
    out.clear();
    if let Some(table) = &pair.dipoles {
        out.resize(table.len(), 0.0);
        table.slopes(record.distance, &points(kernel, record.distance), out);
    } else {
        out.resize(pair.states[0] + pair.states[1] + 2, 0.0);
    }
    DipoleValues::split(out, pair.states)
}
