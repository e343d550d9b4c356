//! Functions of induced dipoles of the pairs that have any.

use super::{ChargeKernel, Chunk, KindPairs, Record};
use crate::coulomb::DipoleFunctions;
use crate::model::{DipoleTable, DipoleValues, Model};

/// What the kernel holds of dipoles at a distance.
fn points(kernel: Option<&ChargeKernel>, r: f64) -> DipoleFunctions {
    kernel.map_or_else(DipoleFunctions::default, |k| k.kernel.dipole_functions(r))
}

impl KindPairs {
    /// Look up the values of the pair taken last, at its distance.
    pub(super) fn push_dipoles(
        &mut self,
        table: &DipoleTable,
        kernel: Option<&ChargeKernel>,
        r: f64,
    ) {
        let start = self.dipoles.len();
        self.dipoles.resize(start + table.len(), 0.0);
        table.values(r, &points(kernel, r), &mut self.dipoles[start..]);
    }
}

impl Chunk {
    /// Visit the pairs with a polarisable atom.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn each_dipole<'a>(
        &'a self,
        model: &Model,
        mut visit: impl FnMut(&Record, DipoleValues<'a>),
    ) {
        let n = model.elements().len();
        for (kind, pairs) in self.occupied() {
            let pair = model.pair(kind / n, kind % n);
            let Some(table) = &pair.dipoles else { continue };
            for (k, values) in pairs.dipoles.chunks_exact(table.len()).enumerate() {
                let record = pairs.record(&self.frame, kind, k);
                visit(&record, DipoleValues::split(values, pair.states));
            }
        }
    }
}

/// Derivatives in R over R of the functions of a pair with a polarisable atom.
pub(crate) fn dipole_slopes<'a>(
    model: &Model,
    kernel: Option<&ChargeKernel>,
    record: &Record,
    values: &DipoleValues,
    out: &'a mut Vec<f64>,
) -> DipoleValues<'a> {
    let n = model.elements().len();
    let pair = model.pair(record.kind as usize / n, record.kind as usize % n);
    out.clear();
    if let Some(table) = &pair.dipoles {
        out.resize(table.len(), 0.0);
        table.slopes(record.distance, &points(kernel, record.distance), values, out);
    } else {
        out.resize(pair.states[0] + pair.states[1] + 2, 0.0);
    }
    DipoleValues::split(out, pair.states)
}
