//! The two loops over pairs: densities, then energies and forces.
//!
//! Per pair and pass: load the other atom (4 + 32 bytes, in cache as atoms are sorted), subtract,
//! square, find the interval, then one polynomial (densities) or four at once, lane by lane. No call
//! is made in the loops, which keeps the sums in registers: pairs without a row come afterwards.
//! Nothing of a loop is a closure: one that is not inlined loses the vector instructions.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::domain::Domain;
use super::table::{ForceRow, Functions, PairTable, Quintic, Section, Source};
use crate::model::Model;
use crate::structure::Mat3;

/// Four numbers of an atom or a pair, which fit one register.
pub(super) type Quad = [f64; 4];

/// Numbers of the local atoms of a [`Domain`].
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    /// Position (Å) and derivative of the embedding energy (eV per unit of density).
    pub(super) positions: Vec<Quad>,
    /// Index of the element.
    pub(super) elements: Vec<u8>,
    /// Σ ρ over the pairs of this domain.
    pub(super) density: Vec<f64>,
    /// Force (eV/Å) and pair energy (eV) over the pairs of this domain.
    pub(super) forces: Vec<Quad>,
    /// What they contribute to dE/dstrain, eV.
    pub(super) virial: Mat3,
    /// Of the pairs that have to be checked, those within the cutoff: end for each own atom, and
    /// local index of the second atom.
    near_ends: Vec<usize>,
    near: Vec<u32>,
    squares: Vec<f64>,
    /// Pairs of an atom that the tables have no row for.
    left: Vec<u32>,
    /// Two local atoms that are closer than the model allows.
    pub(super) too_close: Option<[usize; 2]>,
}

/// Tables of the ordered pairs of elements, and what they were made from.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) model: &'a Model,
    pub(super) pairs: &'a [Option<PairTable>],
}

impl<'a> Tables<'a> {
    /// Table of an ordered pair of elements; all that occur have been made.
    #[inline(always)]
    fn of(&self, first: u8, second: u8) -> Option<&'a PairTable> {
        let n = self.model.elements().len();
        self.pairs[usize::from(first) * n + usize::from(second)].as_ref()
    }

    /// The model's own table of an ordered pair of elements.
    pub(super) fn source(model: &'a Model, first: u8, second: u8) -> Source<'a> {
        let swapped = first > second;
        let (a, b) = if swapped { (second, first) } else { (first, second) };
        Source { table: &model.pair(usize::from(a), usize::from(b)).table, swapped }
    }

    /// Functions of a pair of local atoms from the model's own table; 0 if they are too close.
    fn exact(&self, work: &mut Work, [i, j]: [usize; 2]) -> (Quad, Functions) {
        let d = difference(&work.positions[j], &work.positions[i]);
        let s = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        if s < self.model.min_distance().powi(2) {
            work.too_close.get_or_insert([i, j]);
            return (d, Functions::default());
        }
        let source = Self::source(self.model, work.elements[i], work.elements[j]);
        (d, source.functions(s))
    }

    /// Add the densities of pairs without a row.
    #[cold]
    #[inline(never)]
    fn add_densities(&self, work: &mut Work, i: usize, count: usize) {
        for k in 0..count {
            let j = work.left[k] as usize;
            let (_, f) = self.exact(work, [i, j]);
            work.density[i] += f.density[0];
            work.density[j] += f.density[1];
        }
    }

    /// Add the forces of pairs without a row.
    #[cold]
    #[inline(never)]
    fn add_forces(&self, work: &mut Work, i: usize, count: usize) {
        for k in 0..count {
            let j = work.left[k] as usize;
            let (d, f) = self.exact(work, [i, j]);
            let slopes = [work.positions[i][3], work.positions[j][3]];
            let embedding = slopes[0] * f.density_slope[0] + slopes[1] * f.density_slope[1];
            let factor = f.phi_slope + embedding;
            for axis in 0..3 {
                work.forces[i][axis] += factor * d[axis];
                work.forces[j][axis] -= factor * d[axis];
            }
            work.forces[i][3] += 0.5 * f.phi;
            work.forces[j][3] += 0.5 * f.phi;
        }
    }
}

/// a·b + c, rounded once where the machine does so in one instruction.
#[inline(always)]
pub(super) fn fma<S: Simd>(a: f64, b: f64, c: f64) -> f64 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

#[inline(always)]
fn difference(there: &Quad, here: &Quad) -> Quad {
    [0, 1, 2, 3].map(|k| there[k] - here[k])
}

#[inline(always)]
fn square<S: Simd>(d: &Quad) -> f64 {
    fma::<S>(d[2], d[2], fma::<S>(d[1], d[1], d[0] * d[0]))
}

#[inline(always)]
fn polynomial<S: Simd>(c: &[f64; 6], t: f64) -> f64 {
    let even = fma::<S>(fma::<S>(c[4], t * t, c[2]), t * t, c[0]);
    let odd = fma::<S>(fma::<S>(c[5], t * t, c[3]), t * t, c[1]);
    fma::<S>(odd, t, even)
}

/// Densities at the local atoms; lists the pairs within the cutoff.
pub(super) struct DensityPass<'a, const MIXED: bool> {
    pub(super) domain: &'a Domain,
    pub(super) work: &'a mut Work,
    pub(super) tables: Tables<'a>,
    pub(super) cutoff: f64,
}

impl<const MIXED: bool> WithSimd for DensityPass<'_, MIXED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { domain, work, tables, cutoff } = self;
        work.start();
        let mut end = 0;
        for i in 0..domain.len() {
            let [certain, others] = domain.others(i);
            let (near, squares) = (&mut work.near[end..], &mut work.squares[..others.len()]);
            let kept = select::<S>(others, &work.positions, i, cutoff * cutoff, near, squares);
            let left = densities_of::<S, MIXED>(work, &tables, i, certain, end..end + kept);
            end += kept;
            work.near_ends[i] = end;
            if left > 0 {
                tables.add_densities(work, i, left);
            }
        }
    }
}

impl Work {
    /// Make room for the pairs of a domain.
    pub(super) fn resize(&mut self, domain: &Domain) {
        let [most, sum] = domain.uncertain();
        self.squares.resize(most, 0.0);
        // One more: where the last pair is written if it is too far.
        self.near.resize(sum + 1, 0);
        self.near_ends.resize(domain.len(), 0);
        self.left.resize(domain.most_pairs(), 0);
    }

    fn start(&mut self) {
        self.density.clear();
        self.density.resize(self.positions.len(), 0.0);
        self.too_close = None;
    }
}

/// Write the atoms within the cutoff to the front of `near`, with their squared distances.
#[inline(always)]
fn select<S: Simd>(
    others: &[u32],
    positions: &[Quad],
    i: usize,
    cutoff2: f64,
    near: &mut [u32],
    squares: &mut [f64],
) -> usize {
    let here = positions[i];
    let mut kept = 0;
    for &j in others {
        let s = square::<S>(&difference(&positions[j as usize], &here));
        // Written in any case and overwritten if too far: no branch to mispredict.
        near[kept] = j;
        squares[kept] = s;
        kept += usize::from(s < cutoff2);
    }
    kept
}

/// Add the densities of the pairs that begin with `i`; returns the number of those left.
#[inline(always)]
fn densities_of<S: Simd, const MIXED: bool>(
    work: &mut Work,
    tables: &Tables,
    i: usize,
    certain: &[u32],
    near: Range<usize>,
) -> usize {
    let (elements, positions) = (&work.elements[..], &work.positions[..]);
    let element = elements[i];
    let Some(single) = tables.of(element, element).map(PairTable::densities) else { return 0 };
    let (density, left) = (&mut work.density[..], &mut work.left[..]);
    let mut sums =
        DensitySums { tables, elements, element, single, density, left, here: 0.0, skipped: 0 };
    for &j in certain {
        sums.add::<S, MIXED>(j, square::<S>(&difference(&positions[j as usize], &positions[i])));
    }
    let count = near.len();
    for (&j, &s) in work.near[near].iter().zip(&work.squares[..count]) {
        sums.add::<S, MIXED>(j, s);
    }
    sums.density[i] += sums.here;
    sums.skipped
}

/// Density at one atom, and from it at the others.
struct DensitySums<'a> {
    tables: &'a Tables<'a>,
    elements: &'a [u8],
    element: u8,
    single: [Section<'a, Quintic>; 2],
    density: &'a mut [f64],
    left: &'a mut [u32],
    here: f64,
    skipped: usize,
}

impl DensitySums<'_> {
    #[inline(always)]
    fn add<S: Simd, const MIXED: bool>(&mut self, j: u32, s: f64) {
        let mut rows = self.single;
        if MIXED && let Some(table) = self.tables.of(self.element, self.elements[j as usize]) {
            rows = table.densities();
        }
        let (row, t) = rows[0].at::<S>(s);
        let Some(row) = row.filter(|row| !row[0].is_nan()) else {
            self.left[self.skipped] = j;
            self.skipped += 1;
            return;
        };
        let first = polynomial::<S>(row, t);
        self.here += first;
        let mut second = first;
        if MIXED && let (Some(row), t) = rows[1].at::<S>(s) {
            second = polynomial::<S>(row, t);
        }
        self.density[j as usize] += second;
    }
}

/// Forces and pair energies of the local atoms, from the slopes of all embedding energies.
pub(super) struct ForcePass<'a, const MIXED: bool> {
    pub(super) domain: &'a Domain,
    pub(super) work: &'a mut Work,
    pub(super) tables: Tables<'a>,
}

impl<const MIXED: bool> WithSimd for ForcePass<'_, MIXED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { domain, work, tables } = self;
        work.forces.clear();
        work.forces.resize(work.positions.len(), [0.0; 4]);
        let mut start = 0;
        for i in 0..domain.len() {
            let near = start..work.near_ends[i];
            start = near.end;
            let left = forces_of::<S, MIXED>(simd, work, &tables, i, domain.others(i)[0], near);
            if left > 0 {
                tables.add_forces(work, i, left);
            }
        }
    }
}

/// Add the forces of the pairs that begin with `i`; returns the number of those left.
#[inline(always)]
fn forces_of<S: Simd, const MIXED: bool>(
    simd: S,
    work: &mut Work,
    tables: &Tables,
    i: usize,
    certain: &[u32],
    near: Range<usize>,
) -> usize {
    // Equal lengths: one check of an index serves both.
    let n = work.positions.len();
    let (positions, forces) = (&work.positions[..n], &mut work.forces[..n]);
    let (elements, left) = (&work.elements[..], &mut work.left[..]);
    let (here, element) = (positions[i], elements[i]);
    let Some(single) = tables.of(element, element).map(PairTable::forces) else { return 0 };
    let total = [0.0; 4];
    let mut sums = ForceSums {
        tables,
        elements,
        element,
        single,
        positions,
        forces,
        left,
        here,
        total,
        skipped: 0,
    };
    for &j in certain {
        sums.add::<S, MIXED>(simd, j);
    }
    for &j in &work.near[near] {
        sums.add::<S, MIXED>(simd, j);
    }
    let total = sums.total;
    (0..4).for_each(|axis| sums.forces[i][axis] += total[axis]);
    sums.skipped
}

/// Force on one atom, and from it on the others.
struct ForceSums<'a> {
    tables: &'a Tables<'a>,
    elements: &'a [u8],
    element: u8,
    single: Section<'a, ForceRow>,
    positions: &'a [Quad],
    forces: &'a mut [Quad],
    left: &'a mut [u32],
    here: Quad,
    total: Quad,
    skipped: usize,
}

impl ForceSums<'_> {
    #[inline(always)]
    fn add<S: Simd, const MIXED: bool>(&mut self, simd: S, j: u32) {
        let other = self.positions[j as usize];
        let d = fma_quad(simd, self.here, [-1.0; 4], other);
        let mut rows = self.single;
        if MIXED && let Some(table) = self.tables.of(self.element, self.elements[j as usize]) {
            rows = table.forces();
        }
        let (row, t) = rows.at::<S>(square::<S>(&d));
        let Some(row) = row.filter(|row| !row[0][0].is_nan()) else {
            self.left[self.skipped] = j;
            self.skipped += 1;
            return;
        };
        let values = polynomials(simd, row, t);
        let embedding = fma::<S>(other[3], values[2], values[0]);
        let factor = fma::<S>(self.here[3], values[1], embedding);
        // On this atom +f, on the other −f, and half of the energy on each.
        let energy = fma_quad(simd, values, ENERGY, [0.0; 4]);
        let f = fma_quad(simd, fma_quad(simd, d, FORCE, [0.0; 4]), [factor; 4], energy);
        self.total = fma_quad(simd, f, [1.0; 4], self.total);
        let there = &mut self.forces[j as usize];
        *there = fma_quad(simd, f, BACK, *there);
    }
}

/// Parts of a force with its energy, and signs of what a pair adds to its second atom.
const FORCE: Quad = [1.0, 1.0, 1.0, 0.0];
const ENERGY: Quad = [0.0, 0.0, 0.0, 1.0];
const BACK: Quad = [-1.0, -1.0, -1.0, 1.0];

/// a·b + c, four at once. The lanes of a register divide four: see the features of `pulp`.
#[inline(always)]
fn fma_quad<S: Simd>(simd: S, a: Quad, b: Quad, mut c: Quad) -> Quad {
    let (a, b) = (S::as_simd_f64s(&a).0, S::as_simd_f64s(&b).0);
    for (c, (a, b)) in S::as_mut_simd_f64s(&mut c).0.iter_mut().zip(a.iter().zip(b)) {
        *c = simd.mul_add_e_f64s(*a, *b, *c);
    }
    c
}

/// Four polynomials at once.
#[inline(always)]
fn polynomials<S: Simd>(simd: S, row: &ForceRow, t: f64) -> Quad {
    let mut sum = row[5];
    for c in [row[4], row[3], row[2], row[1], row[0]] {
        sum = fma_quad(simd, sum, [t; 4], c);
    }
    sum
}
