//! Look up the functions of all pairs of a thread, compiled for the vector instructions at hand.

use pulp::{Arch, Simd, WithSimd};

use super::{ChargeKernel, Chunk, KindPairs, too_close};
use crate::error::Result;
use crate::model::Model;
use crate::neighbors::Pair;
use crate::structure::{Structure, dot};

/// What pairs are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) model: &'a Model,
    pub(super) kernel: Option<&'a ChargeKernel>,
    pub(super) structure: &'a Structure,
    pub(super) elements: &'a [u8],
}

impl Chunk {
    /// Take those of the pairs of a list that are within the model's cutoff.
    pub(super) fn fill(&mut self, source: Source, list: &[Pair]) -> Result<()> {
        let n = source.model.elements().len();
        self.kinds.resize_with(n * n, KindPairs::default);
        self.kinds.iter_mut().for_each(KindPairs::clear);
        Arch::new().dispatch(Fill { chunk: self, source, list })
    }
}

struct Fill<'a> {
    chunk: &'a mut Chunk,
    source: Source<'a>,
    list: &'a [Pair],
}

impl WithSimd for Fill<'_> {
    type Output = Result<()>;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
        let Self { chunk, source: Source { model, kernel, structure, elements }, list } = self;
        let n_elements = model.elements().len();
        let cutoff2 = model.cutoff().radius.powi(2);
        let mut all = Vec::new();
        for pair in list {
            let (i, j) = (pair.i as usize, pair.j as usize);
            let swap = elements[i] > elements[j];
            let (atoms, shift) = if swap {
                ([pair.j, pair.i], pair.shift.map(|x| -x))
            } else {
                ([pair.i, pair.j], pair.shift)
            };
            let image = chunk.frame.image(structure, shift);
            let vector = chunk.frame.vector(atoms, image);
            let distance2 = dot(&vector, &vector);
            if distance2 >= cutoff2 {
                continue;
            }
            let distance = distance2.sqrt();
            if distance < model.min_distance() {
                return Err(too_close(model, pair, distance));
            }
            let [a, b] = atoms.map(|i| usize::from(elements[i as usize]));
            let kind = a * n_elements + b;
            look_up(simd, (model, kernel), (kind, distance), &mut all);
            let of_kind = model.pair(kind / n_elements, kind % n_elements);
            let all = &all[..of_kind.table.functions()];
            chunk.kinds[kind].push(atoms, image, of_kind.states, all);
            if let Some(table) = &of_kind.dipoles {
                chunk.kinds[kind].push_dipoles(table, kernel, distance);
            }
        }
        Ok(())
    }
}

/// All functions of a kind of pair at a distance.
#[inline(always)]
#[allow(clippy::inline_always)]
fn look_up<S: Simd>(
    simd: S,
    (model, kernel): (&Model, Option<&ChargeKernel>),
    (kind, r): (usize, f64),
    all: &mut Vec<f64>,
) {
    let n = model.elements().len();
    let pair = model.pair(kind / n, kind % n);
    all.resize(pair.table.stride(), 0.0);
    pair.table.values_in(simd, &pair.table.lookup(r), all);
    let inverse = r.recip();
    let energies = &mut all[..pair.states[0] * pair.states[1]];
    for x in energies.iter_mut() {
        *x *= inverse;
    }
    if let Some(kernel) = kernel {
        kernel.add(kernel.table.single_value(r) * inverse, kind, energies);
    }
}
