//! The two loops over pairs: densities, then energies and forces.
//!
//! Per pair and pass: load the other atom (4 + 32 bytes, in cache as atoms are sorted), subtract,
//! square, two operations to find the interval, then one (densities) or three polynomials.

use pulp::{Simd, WithSimd};

use super::domain::Domain;
use super::table::{Functions, PairTable, Source};
use crate::model::Model;

/// x, y, z, and a fourth number: 0 for positions, the energy for forces.
pub(super) type Quad = [f64; 4];

/// Numbers of the local atoms of a [`Domain`].
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    /// Å.
    pub(super) positions: Vec<Quad>,
    /// Index of the element.
    pub(super) elements: Vec<u8>,
    /// Σ ρ over the pairs of this domain.
    pub(super) density: Vec<f64>,
    /// Derivative of the embedding energy, eV per unit of density.
    pub(super) slope: Vec<f64>,
    /// Force (eV/Å) and pair energy (eV) over the pairs of this domain.
    pub(super) forces: Vec<Quad>,
    /// The pairs within the cutoff: end for each own atom, and local index of the second atom.
    near_ends: Vec<usize>,
    near: Vec<u32>,
    squares: Vec<f64>,
    /// Two local atoms that are closer than the model allows.
    pub(super) too_close: Option<[usize; 2]>,
}

/// Tables of the ordered pairs of elements, and what they were made from.
#[derive(Clone, Copy)]
pub(super) struct Functions2<'a> {
    pub(super) model: &'a Model,
    pub(super) tables: &'a [Option<PairTable>],
}

impl<'a> Functions2<'a> {
    /// Table of an ordered pair of elements; all that occur have been made.
    #[inline(always)]
    fn of(&self, first: u8, second: u8) -> Option<&'a PairTable> {
        let n = self.model.elements().len();
        self.tables[usize::from(first) * n + usize::from(second)].as_ref()
    }

    /// The model's own table of an ordered pair of elements.
    pub(super) fn source(model: &'a Model, first: u8, second: u8) -> Source<'a> {
        let swapped = first > second;
        let (a, b) = if swapped { (second, first) } else { (first, second) };
        Source { table: &model.pair(usize::from(a), usize::from(b)).table, swapped }
    }

    #[cold]
    #[inline(never)]
    fn exact(&self, elements: [u8; 2], s: f64, pair: [usize; 2], work: &mut Close) -> Functions {
        if s < self.model.min_distance().powi(2) {
            work.get_or_insert(pair);
            return Functions::default();
        }
        Self::source(self.model, elements[0], elements[1]).functions(s)
    }
}

type Close = Option<[usize; 2]>;

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
    pub(super) functions: Functions2<'a>,
    pub(super) cutoff: f64,
}

impl<const MIXED: bool> WithSimd for DensityPass<'_, MIXED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { domain, work, functions, cutoff } = self;
        work.start(domain);
        let elements = &work.elements[..];
        let Some(single) = functions.of(elements[0], elements[0]) else { return };
        let mut end = 0;
        for i in 0..domain.len() {
            let others = &domain.others[domain.starts[i] as usize..domain.starts[i + 1] as usize];
            let near = &mut work.near[end..end + others.len()];
            let squares = &mut work.squares[..others.len()];
            let kept = select::<S>(others, &work.positions, i, cutoff * cutoff, near, squares);
            let mut here = 0.0;
            for (&j, &s) in near[..kept].iter().zip(&squares[..kept]) {
                let j = j as usize;
                let pair = if MIXED { [elements[i], elements[j]] } else { [elements[0]; 2] };
                let table = if MIXED { functions.of(pair[0], pair[1]) } else { Some(single) };
                let Some(table) = table else { continue };
                let (k, t) = table.place::<S>(s);
                let density = |atom: usize| {
                    table.densities(atom).get(k).map_or(f64::NAN, |row| polynomial::<S>(row, t))
                };
                let first = density(0);
                let mut found = [first, if MIXED { density(1) } else { first }];
                if first.is_nan() {
                    found = functions.exact(pair, s, [i, j], &mut work.too_close).density;
                }
                here += found[0];
                work.density[j] += found[1];
            }
            work.density[i] += here;
            end += kept;
            work.near_ends[i] = end;
        }
    }
}

impl Work {
    fn start(&mut self, domain: &Domain) {
        let n = self.positions.len();
        self.density.clear();
        self.density.resize(n, 0.0);
        self.near.resize(domain.others.len(), 0);
        self.near_ends.resize(domain.len(), 0);
        let most = domain.starts.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        self.squares.resize(most as usize, 0.0);
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

/// Forces and pair energies of the local atoms, from the slopes of all embedding energies.
pub(super) struct ForcePass<'a, const MIXED: bool> {
    pub(super) domain: &'a Domain,
    pub(super) work: &'a mut Work,
    pub(super) functions: Functions2<'a>,
}

impl<const MIXED: bool> WithSimd for ForcePass<'_, MIXED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { domain, work, functions } = self;
        work.forces.clear();
        work.forces.resize(work.positions.len(), [0.0; 4]);
        let Work { positions, elements, slope, forces, near, near_ends, too_close, .. } = work;
        let Some(single) = functions.of(elements[0], elements[0]) else { return };
        let mut start = 0;
        for (i, &end) in near_ends.iter().enumerate().take(domain.len()) {
            let (here, slope_here) = (positions[i], slope[i]);
            let mut total = [0.0; 4];
            for &j in &near[start..end] {
                let j = j as usize;
                let d = difference(&positions[j], &here);
                let s = square::<S>(&d);
                let pair = if MIXED { [elements[i], elements[j]] } else { [elements[0]; 2] };
                let table = if MIXED { functions.of(pair[0], pair[1]) } else { Some(single) };
                let Some(table) = table else { continue };
                let slopes = [slope_here, slope[j]];
                let (mut phi, mut factor) = force::<S, MIXED>(table, s, slopes);
                if phi.is_nan() {
                    let f = functions.exact(pair, s, [i, j], too_close);
                    phi = f.phi;
                    factor = f.phi_slope
                        + slopes[0] * f.density_slope[0]
                        + slopes[1] * f.density_slope[1];
                }
                let f = [factor * d[0], factor * d[1], factor * d[2], 0.5 * phi];
                const BACK: Quad = [-1.0, -1.0, -1.0, 1.0];
                let there = &mut forces[j];
                for k in 0..4 {
                    total[k] += f[k];
                    there[k] = fma::<S>(f[k], BACK[k], there[k]);
                }
            }
            (0..4).for_each(|k| forces[i][k] += total[k]);
            start = end;
        }
    }
}

/// φ and 2 dE/ds of a pair; NaN where the table has no row.
#[inline(always)]
fn force<S: Simd, const MIXED: bool>(table: &PairTable, s: f64, slopes: [f64; 2]) -> (f64, f64) {
    let (k, t) = table.place::<S>(s);
    let Some(c) = table.forces().get(k) else { return (f64::NAN, 0.0) };
    let t2 = t * t;
    let phi = {
        let even = fma::<S>(fma::<S>(c[4], t2, c[2]), t2, c[0]);
        let odd = fma::<S>(fma::<S>(c[5], t2, c[3]), t2, c[1]);
        fma::<S>(odd, t, even)
    };
    // c1 + 2 c2 t + 3 c3 t² + 4 c4 t³ + 5 c5 t⁴
    let phi_slope = {
        let even = fma::<S>(fma::<S>(5.0 * c[5], t2, 3.0 * c[3]), t2, c[1]);
        let odd = fma::<S>(4.0 * c[4], t2, 2.0 * c[2]);
        fma::<S>(odd, t, even)
    };
    let quartic = |c: &[f64]| {
        let even = fma::<S>(fma::<S>(c[4], t2, c[2]), t2, c[0]);
        fma::<S>(fma::<S>(c[3], t2, c[1]), t, even)
    };
    let first = quartic(&c[6..11]);
    let mut factor = phi_slope * (2.0 * table.inverse());
    if MIXED {
        let second = table.second_slopes().get(k).map_or(f64::NAN, |c| quartic(&c[..5]));
        factor = fma::<S>(slopes[0], first, fma::<S>(slopes[1], second, factor));
    } else {
        factor = fma::<S>(slopes[0] + slopes[1], first, factor);
    }
    (phi, factor)
}
