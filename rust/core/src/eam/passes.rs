//! The two loops over pairs: densities, then energies and forces.
//!
//! Per pair and pass: load the other atom (4 + 32 bytes, in cache as atoms are sorted), subtract,
//! square, find the interval, then one polynomial (densities) or four at once, lane by lane. No call
//! is made in the loops, which keeps the sums in registers: pairs without a row come afterwards.

use pulp::{Simd, WithSimd};

use super::domain::Domain;
use super::table::{ForceRow, Functions, PairTable, Source};
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
    /// The pairs within the cutoff: end for each own atom, and local index of the second atom.
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
        work.start(domain);
        let mut end = 0;
        for i in 0..domain.len() {
            let others = &domain.others[domain.starts[i] as usize..domain.starts[i + 1] as usize];
            let near = &mut work.near[end..end + others.len()];
            let squares = &mut work.squares[..others.len()];
            let kept = select::<S>(others, &work.positions, i, cutoff * cutoff, near, squares);
            end += kept;
            work.near_ends[i] = end;
            let left = densities_of::<S, MIXED>(work, &tables, i, end - kept);
            if left > 0 {
                tables.add_densities(work, i, left);
            }
        }
    }
}

impl Work {
    fn start(&mut self, domain: &Domain) {
        self.density.clear();
        self.density.resize(self.positions.len(), 0.0);
        self.near.resize(domain.others.len(), 0);
        self.near_ends.resize(domain.len(), 0);
        let most = domain.starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0) as usize;
        self.squares.resize(most, 0.0);
        self.left.resize(most, 0);
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
    start: usize,
) -> usize {
    let Work { elements, density, near, near_ends, squares, left, .. } = work;
    let element = elements[i];
    let Some(single) = tables.of(element, element) else { return 0 };
    let (mut here, mut skipped) = (0.0, 0);
    for (&j, &s) in near[start..near_ends[i]].iter().zip(&squares[..]) {
        let table = if MIXED { tables.of(element, elements[j as usize]) } else { Some(single) };
        let Some(table) = table else { continue };
        let (k, t) = table.place::<S>(s);
        let value = |atom: usize| {
            table.densities(atom).get(k).map_or(f64::NAN, |row| polynomial::<S>(row, t))
        };
        let first = value(0);
        if first.is_nan() {
            left[skipped] = j;
            skipped += 1;
            continue;
        }
        here += first;
        density[j as usize] += if MIXED { value(1) } else { first };
    }
    density[i] += here;
    skipped
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
            let left = forces_of::<S, MIXED>(simd, work, &tables, i, start);
            if left > 0 {
                tables.add_forces(work, i, left);
            }
            start = work.near_ends[i];
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
    start: usize,
) -> usize {
    let Work { positions, elements, forces, near, near_ends, left, .. } = work;
    // Equal lengths: one check of an index serves both.
    let n = positions.len();
    let (positions, forces) = (&positions[..n], &mut forces[..n]);
    let (here, element) = (positions[i], elements[i]);
    let Some(single) = tables.of(element, element) else { return 0 };
    let (mut total, mut skipped) = ([0.0; 4], 0);
    for &j in &near[start..near_ends[i]] {
        let other = positions[j as usize];
        let d = fma_quad(simd, here, [-1.0; 4], other);
        let table = if MIXED { tables.of(element, elements[j as usize]) } else { Some(single) };
        let Some(table) = table else { continue };
        let (k, t) = table.place::<S>(square::<S>(&d));
        let Some(row) = table.forces().get(k).filter(|row| !row[0][0].is_nan()) else {
            left[skipped] = j;
            skipped += 1;
            continue;
        };
        let values = polynomials(simd, row, t);
        let factor = fma::<S>(here[3], values[1], fma::<S>(other[3], values[2], values[0]));
        // On this atom +f, on the other −f, and half of the energy on each.
        let energy = fma_quad(simd, values, ENERGY, [0.0; 4]);
        let f = fma_quad(simd, fma_quad(simd, d, FORCE, [0.0; 4]), [factor; 4], energy);
        total = fma_quad(simd, f, [1.0; 4], total);
        let there = &mut forces[j as usize];
        *there = fma_quad(simd, f, BACK, *there);
    }
    (0..4).for_each(|axis| forces[i][axis] += total[axis]);
    skipped
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
    let powers = [row[4], row[3], row[2], row[1], row[0]];
    powers.into_iter().fold(row[5], |sum, c| fma_quad(simd, sum, [t; 4], c))
}
