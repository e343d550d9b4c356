//! The real-space part of an Ewald sum over given charges, without a neighbour list: all of
//! erfc(αR)/R, or what another sum with a smaller range leaves of it.
//!
//! Atoms are sorted into bins. The atoms within the cutoff of a bin's box are copied side by side
//! (*candidates*), and each atom of the bin meets those after it in lanes; what lies beyond the
//! cutoff is masked. erf(αR)/R is a smooth function of R² and is replaced by a polynomial (see
//! `smooth`), which leaves at most one square root and one division per lane.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::smooth::Smooth;
use crate::COULOMB;
use crate::error::Result;
use crate::neighbors::{Grid, Run};
use crate::parallel::add_all;
use crate::structure::{Mat3, Structure, Vec3};

/// Candidates are padded to a multiple of this.
const PADDING: usize = 8;
/// Below this many atoms one thread does all.
const MIN_PARALLEL: usize = 500;
/// Cost of an atom and of a candidate, ns (one core; benches/README.md).
const ATOM_COST: f64 = 150.0;
const PAIR_COST: f64 = 2.0;
/// Force and potential of an atom.
type Field = [f64; 4];

/// Real-space sum for one splitting.
#[derive(Debug, Clone)]
pub(super) struct RealSpace<const BARE: bool> {
    cutoff: f64,
    smooth: Smooth<BARE>,
    grid: Grid,
}

/// Sums of one thread: a field for each sorted atom, and the virial.
type Sums = (Vec<Field>, Mat3);

/// What is wanted of a sum beside the potential, eV/e.
pub(super) struct Slopes<'a> {
    /// −∂E/∂R, eV/Å.
    pub(super) forces: &'a mut [Vec3],
    /// ∂E/∂strain, eV.
    pub(super) virial: &'a mut Mat3,
}

/// Estimated time of a sum on one core, ns.
pub(super) fn cost(structure: &Structure, cutoff: f64) -> f64 {
    let n = structure.len() as f64;
    // Half of the neighbours, and bins of half a cutoff around them.
    let candidates = 0.5 * n / structure.volume() * 4.2 * (1.3 * cutoff).powi(3);
    n * (ATOM_COST + PAIR_COST * candidates)
}

impl<const BARE: bool> RealSpace<BARE> {
    /// Pairs within a cutoff (Å).
    pub(super) fn new(smooth: Smooth<BARE>, cutoff: f64) -> Self {
        Self { cutoff, smooth, grid: Grid::default() }
    }

    pub(super) fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Take a geometry.
    pub(super) fn prepare(&mut self, structure: &Structure) -> Result<()> {
        self.grid.build(structure, self.cutoff)
    }

    /// Add the potential Σ q_j K(R_ij), eV/e, and if asked for forces and virial, of all pairs within
    /// the cutoff at the prepared geometry.
    ///
    /// The order of the sums depends on the number of threads.
    pub(super) fn add(&self, charges: &[f64], potential: &mut [f64], slopes: Option<Slopes>) {
        let n = charges.len();
        let sorted: Vec<f64> = self.grid.order.iter().map(|&i| charges[i as usize]).collect();
        let tasks = if n < MIN_PARALLEL { 1 } else { rayon::current_num_threads() };
        let bounds: Vec<usize> = (0..=tasks).map(|t| self.bin_boundary(t * n / tasks)).collect();
        let ranges: Vec<_> = bounds.windows(2).map(|b| b[0]..b[1]).collect();
        let Some(Slopes { forces, virial }) = slopes else {
            let sum = |range| self.sum::<false>(range, &sorted);
            self.collect(ranges.into_par_iter().map(sum).collect(), potential, &mut []);
            return;
        };
        let sum = |range| self.sum::<true>(range, &sorted);
        let parts: Vec<Sums> = ranges.into_par_iter().map(sum).collect();
        for (_, part) in &parts {
            for (row, added) in virial.iter_mut().zip(part) {
                row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
            }
        }
        self.collect(parts, potential, forces);
    }

    /// To the user's order.
    fn collect(&self, mut parts: Vec<Sums>, potential: &mut [f64], forces: &mut [Vec3]) {
        let Some(((fields, _), others)) = parts.split_first_mut() else { return };
        let others: Vec<&[Field]> = others.iter().map(|(fields, _)| &fields[..]).collect();
        add_all(fields, &others, |x, y| (0..4).for_each(|d| x[d] += y[d]));
        for (&atom, [force @ .., v]) in self.grid.order.iter().zip(fields) {
            potential[atom as usize] += *v;
            if let Some(out) = forces.get_mut(atom as usize) {
                out.iter_mut().zip(force).for_each(|(f, added)| *f += *added);
            }
        }
    }

    /// First sorted atom of the bin that `sorted` is in.
    fn bin_boundary(&self, sorted: usize) -> usize {
        let n = self.grid.order.len();
        if sorted == 0 || sorted >= n {
            return sorted.min(n);
        }
        self.grid.start_of(self.grid.bin_of(sorted))
    }

    fn sum<const FORCES: bool>(&self, atoms: Range<usize>, charges: &[f64]) -> Sums {
        let mut sums = (vec![[0.0; 4]; charges.len()], [[0.0; 3]; 3]);
        let (mut near, mut runs) = (Candidates::default(), Vec::new());
        let mut first = atoms.start;
        while first < atoms.end {
            let bin = self.grid.bin_of(first);
            let own = first..self.grid.end_of(bin);
            self.grid.runs(self.grid.unflatten(bin), true, &mut runs);
            near.fill(&self.grid, &runs, own.clone(), charges, self.cutoff);
            near.clear_sums::<FORCES>();
            let virial = &mut sums.1;
            let own_atoms = own.len();
            Arch::new().dispatch(BinPairs::<BARE, FORCES> {
                near: &mut near,
                own: own_atoms,
                virial,
                real: self,
            });
            near.hand_back::<FORCES>(&mut sums.0);
            first = own.end;
        }
        sums
    }
}

/// Atoms near a bin by coordinate, the bin's own first, relative to the first of these.
#[derive(Debug, Default)]
struct Candidates {
    count: usize,
    atoms: Vec<u32>,
    positions: [Vec<f64>; 3],
    charges: Vec<f64>,
    forces: [Vec<f64>; 3],
    potential: Vec<f64>,
}

impl Candidates {
    fn fill(&mut self, grid: &Grid, runs: &[Run], own: Range<usize>, charges: &[f64], cutoff: f64) {
        let most = own.len() + runs.iter().map(|run| (run.end - run.start) as usize).sum::<usize>();
        self.reserve(most + 2 * PADDING);
        let origin = grid.positions[own.start];
        let (mut low, mut high) = ([0.0_f64; 3], [0.0_f64; 3]);
        for k in own.clone() {
            let r = [0, 1, 2].map(|d| grid.positions[k][d] - origin[d]);
            (0..3).for_each(|d| (low[d], high[d]) = (low[d].min(r[d]), high[d].max(r[d])));
            self.put(k, r, charges[k], true);
        }
        let middle = [0, 1, 2].map(|d| 0.5 * (low[d] + high[d]));
        let half = [0, 1, 2].map(|d| 0.5 * (high[d] - low[d]));
        for run in runs {
            let translation = grid.images[run.image as usize].translation;
            let base = [0, 1, 2].map(|d| translation[d] - origin[d]);
            // Own atoms are in already; the others of their run come after them.
            let is_own = run.image == grid.home() && own.contains(&(run.start as usize));
            let start = if is_own { own.end } else { run.start as usize };
            for k in start..run.end as usize {
                let r = [0, 1, 2].map(|d| grid.positions[k][d] + base[d]);
                let beyond = [0, 1, 2].map(|d| ((r[d] - middle[d]).abs() - half[d]).max(0.0));
                let [x, y, z] = beyond.map(|x| x * x);
                self.put(k, r, charges[k], x + y + z < cutoff * cutoff);
            }
        }
        self.pad(2.0 * cutoff + high.iter().chain(&low).fold(0.0, |m: f64, x| m.max(x.abs())));
    }

    /// Room for `size` atoms, and none of them.
    fn reserve(&mut self, size: usize) {
        self.count = 0;
        if self.atoms.len() < size {
            self.atoms.resize(size, 0);
            self.charges.resize(size, 0.0);
            self.positions.iter_mut().for_each(|axis| axis.resize(size, 0.0));
        }
    }

    /// Write an atom to the next place, and keep it if `keep`: no branch, half are not kept.
    #[inline(always)]
    fn put(&mut self, atom: usize, r: Vec3, charge: f64, keep: bool) {
        let k = self.count;
        self.atoms[k] = atom as u32;
        self.positions.iter_mut().zip(r).for_each(|(axis, x)| axis[k] = x);
        self.charges[k] = charge;
        self.count += usize::from(keep);
    }

    /// Atoms without charge at a distance `far`, so that lanes may reach beyond the end.
    fn pad(&mut self, far: f64) {
        let end = self.count + 2 * PADDING;
        self.positions.iter_mut().for_each(|axis| axis[self.count..end].fill(far));
        self.charges[self.count..end].fill(0.0);
    }

    fn clear_sums<const FORCES: bool>(&mut self) {
        let end = self.count + 2 * PADDING;
        let forces = self.forces.iter_mut().filter(|_| FORCES);
        for sums in forces.chain([&mut self.potential]) {
            sums.clear();
            sums.resize(end, 0.0);
        }
    }

    /// Add what was summed here to the atoms.
    fn hand_back<const FORCES: bool>(&self, fields: &mut [Field]) {
        if !FORCES {
            let found = self.atoms[..self.count].iter().zip(&self.potential);
            found.for_each(|(&atom, v)| fields[atom as usize][3] += v);
            return;
        }
        let [fx, fy, fz] = &self.forces;
        for (k, &atom) in self.atoms[..self.count].iter().enumerate() {
            let field = &mut fields[atom as usize];
            let added = [fx[k], fy[k], fz[k], self.potential[k]];
            (0..4).for_each(|c| field[c] += added[c]);
        }
    }

    /// With r and F of the copies Σ r⊗F is Σ over pairs of (r_j − r_i)⊗F_j: minus the virial.
    #[inline(always)]
    fn add_virial(&self, virial: &mut Mat3) {
        let count = self.count.next_multiple_of(PADDING);
        let axes = [0, 1, 2].map(|d| &self.positions[d][..count]);
        let forces = [0, 1, 2].map(|d| &self.forces[d][..count]);
        for p in 0..3 {
            for q in p..3 {
                let mut sums = [0.0; PADDING];
                let parts = axes[p].chunks_exact(PADDING).zip(forces[q].chunks_exact(PADDING));
                for (r, f) in parts {
                    (0..PADDING).for_each(|lane| sums[lane] += r[lane] * f[lane]);
                }
                let sum: f64 = sums.iter().sum();
                virial[p][q] -= sum;
                if p != q {
                    virial[q][p] -= sum;
                }
            }
        }
    }
}

/// All pairs of a bin's own atoms with the candidates after them.
struct BinPairs<'a, const BARE: bool, const FORCES: bool> {
    near: &'a mut Candidates,
    own: usize,
    virial: &'a mut Mat3,
    real: &'a RealSpace<BARE>,
}

impl<const BARE: bool, const FORCES: bool> WithSimd for BinPairs<'_, BARE, FORCES> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for i in 0..self.own {
            if FORCES {
                add_pairs_of(simd, self.near, i, self.real);
            } else {
                add_potentials_of(simd, self.near, i, self.real);
            }
        }
        if FORCES {
            self.near.add_virial(self.virial);
        }
    }
}

/// Potentials of atom `i` and of all candidates after it.
#[inline(always)]
fn add_potentials_of<S: Simd, const BARE: bool>(
    simd: S,
    near: &mut Candidates,
    i: usize,
    real: &RealSpace<BARE>,
) {
    let end = i + 1 + (near.count - i - 1).next_multiple_of(PADDING);
    let Candidates { positions, charges, potential, .. } = near;
    let [x, y, z] = [0, 1, 2].map(|d| simd.splat_f64s(positions[d][i]));
    let strength = simd.splat_f64s(COULOMB * charges[i]);
    let [xs, ys, zs] = [0, 1, 2].map(|d| S::as_simd_f64s(&positions[d][i + 1..end]).0);
    let qs = S::as_simd_f64s(&charges[i + 1..end]).0;
    let vs = S::as_mut_simd_f64s(&mut potential[i + 1..end]).0;
    let (zero, limit) = (simd.splat_f64s(0.0), simd.splat_f64s(real.cutoff * real.cutoff));
    let mut sum = zero;
    for k in 0..qs.len() {
        let d = [simd.sub_f64s(xs[k], x), simd.sub_f64s(ys[k], y), simd.sub_f64s(zs[k], z)];
        let r2 = square(simd, d);
        let kernel = real.smooth.value(simd, simd.min_f64s(r2, limit));
        let kernel = simd.select_f64s(simd.less_than_f64s(r2, limit), kernel, zero);
        sum = simd.mul_add_e_f64s(qs[k], kernel, sum);
        vs[k] = simd.mul_add_e_f64s(strength, kernel, vs[k]);
    }
    potential[i] += COULOMB * simd.reduce_sum_f64s(sum);
}

#[inline(always)]
fn square<S: Simd>(simd: S, [x, y, z]: [S::f64s; 3]) -> S::f64s {
    simd.mul_add_e_f64s(z, z, simd.mul_add_e_f64s(y, y, simd.mul_f64s(x, x)))
}

/// Atom `i` with all candidates after it.
#[inline(always)]
fn add_pairs_of<S: Simd, const BARE: bool>(
    simd: S,
    near: &mut Candidates,
    i: usize,
    real: &RealSpace<BARE>,
) {
    let end = i + 1 + (near.count - i - 1).next_multiple_of(PADDING);
    let Candidates { positions, charges, forces, potential, .. } = near;
    let [x, y, z] = [0, 1, 2].map(|d| simd.splat_f64s(positions[d][i]));
    let strength = simd.splat_f64s(COULOMB * charges[i]);
    let [xs, ys, zs] = [0, 1, 2].map(|d| S::as_simd_f64s(&positions[d][i + 1..end]).0);
    let qs = S::as_simd_f64s(&charges[i + 1..end]).0;
    let [fx, fy, fz] = forces;
    let [fxs, fys, fzs] =
        [&mut *fx, &mut *fy, &mut *fz].map(|axis| S::as_mut_simd_f64s(&mut axis[i + 1..end]).0);
    let vs = S::as_mut_simd_f64s(&mut potential[i + 1..end]).0;
    let (zero, limit) = (simd.splat_f64s(0.0), simd.splat_f64s(real.cutoff * real.cutoff));
    let mut sums = [zero; 4];
    for k in 0..qs.len() {
        let d = [simd.sub_f64s(xs[k], x), simd.sub_f64s(ys[k], y), simd.sub_f64s(zs[k], z)];
        let r2 = square(simd, d);
        let inside = simd.less_than_f64s(r2, limit);
        let [kernel, slope] = real.smooth.kernel(simd, simd.min_f64s(r2, limit));
        let kernel = simd.select_f64s(inside, kernel, zero);
        let slope = simd.select_f64s(inside, slope, zero);
        let force = simd.mul_f64s(simd.mul_f64s(strength, qs[k]), slope);
        sums[3] = simd.mul_add_e_f64s(qs[k], kernel, sums[3]);
        vs[k] = simd.mul_add_e_f64s(strength, kernel, vs[k]);
        for (d, (sum, out)) in
            d.into_iter().zip(sums.iter_mut().zip([&mut fxs[k], &mut fys[k], &mut fzs[k]]))
        {
            *sum = simd.negate_mul_add_e_f64s(force, d, *sum);
            *out = simd.mul_add_e_f64s(force, d, *out);
        }
    }
    let [sx, sy, sz, sv] = sums.map(|sum| simd.reduce_sum_f64s(sum));
    fx[i] += sx;
    fy[i] += sy;
    fz[i] += sz;
    potential[i] += COULOMB * sv;
}
