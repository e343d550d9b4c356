//! Energy, forces and virial of the learned terms.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::error::Result;
use crate::formulas::Jet;
use crate::neighbors::Neighborhoods;
use crate::parallel::add_all;
use crate::potential::Term;
use crate::structure::{Mat3, Structure, Vec3};

use super::Terms;
use super::cluster::{Block, Surroundings};
use super::features::Features;
use super::harmonics::{COUNT, GRADIENTS, LMAX};
use super::lanes::{LANES, Lanes, ZERO, add_product, add_scaled};
use super::layout::{AngularGroup, Layout};
use super::leaves::{Leaf, combined};

/// Fewer atoms run on one thread.
const SERIAL_BELOW: usize = 128;
/// xx, yy, zz, yz, xz, xy.
const VOIGT: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];

/// What the terms add to an evaluation.
#[derive(Debug, Clone, Default)]
pub struct Contribution {
    /// Energy of every atom, eV.
    pub energies: Vec<f64>,
    /// Forces, eV/Å.
    pub forces: Vec<Vec3>,
    /// dE/dstrain, eV.
    pub virial: Mat3,
}

/// Derivative along the pair vector, and of polynomials of the unit vector by x, y and z.
pub(super) type Gradient = [Lanes; 4];

/// Scratch of one thread.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) features: Features,
    /// Values of the single models, and the energy's derivatives in them.
    pub(super) values: Vec<f64>,
    gradient: Vec<f64>,
    nodes: Vec<[f64; 2]>,
    /// Derivatives of every single model in its scalar sum.
    slopes: Vec<f64>,
    /// Derivatives in all angular sums: of one three-body model after the other.
    angular: Vec<Vec<f64>>,
    sums: Vec<f64>,
    total: Vec<f64>,
    jets: Vec<Jet>,
}

/// The terms of some atoms. A closure would not be inlined into the dispatched function.
struct Part<'a> {
    terms: &'a Terms,
    around: &'a Surroundings<'a>,
    atoms: Range<usize>,
}

impl WithSimd for Part<'_> {
    type Output = Result<Contribution>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        self.terms.part(simd, self.around, self.atoms)
    }
}

impl Terms {
    /// Energies, forces and virial of a structure whose atoms have these elements.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) names two atoms in the same place.
    pub fn evaluate(
        &self,
        structure: &Structure,
        elements: &[u8],
        neighborhoods: &Neighborhoods,
    ) -> Result<Contribution> {
        let around = Surroundings { structure, elements, neighborhoods };
        let n = structure.len();
        let threads = if n < SERIAL_BELOW { 1 } else { rayon::current_num_threads() };
        let size = n.div_ceil(threads).max(1);
        let part = |k: usize| {
            let atoms = (k * size).min(n)..((k + 1) * size).min(n);
            Arch::new().dispatch(Part { terms: self, around: &around, atoms })
        };
        if threads == 1 {
            return part(0);
        }
        let parts: Result<Vec<Contribution>> = (0..threads).into_par_iter().map(part).collect();
        Ok(Contribution::joined(parts?))
    }

    /// Terms of some atoms: their energies, and all forces that follow.
    #[inline(always)]
    fn part<S: Simd>(
        &self,
        simd: S,
        around: &Surroundings,
        atoms: Range<usize>,
    ) -> Result<Contribution> {
        let mut out = Contribution {
            energies: Vec::with_capacity(atoms.len()),
            forces: vec![[0.0; 3]; around.elements.len()],
            virial: [[0.0; 3]; 3],
        };
        let mut work = Work::default();
        let mut virial = [ZERO; 6];
        for atom in atoms {
            let Features { near, blocks, .. } = &mut work.features;
            around.gather(atom, self.elements, &self.cutoffs, near, blocks)?;
            let centre = usize::from(around.elements[atom]);
            out.energies.push(self.energy(simd, centre, &mut work));
            for (b, block) in work.features.blocks.iter().enumerate() {
                let slope =
                    pull(simd, &self.contracted, &work.features, b, &work.sums, &work.total);
                out.add(atom, block, &slope);
                add_virial(simd, &mut virial, block, &slope);
            }
        }
        for (&(d, e), lanes) in VOIGT.iter().zip(&virial) {
            out.virial[d][e] = lanes.iter().sum();
            out.virial[e][d] = out.virial[d][e];
        }
        Ok(out)
    }

    /// Energy of an atom from its neighbours in `work`, with derivatives in all neighbour sums.
    #[inline(always)]
    fn energy<S: Simd>(&self, simd: S, centre: usize, work: &mut Work) -> f64 {
        work.features.fill(simd, &self.contracted, centre, self.elements);
        self.models(centre, work);
        work.gradient.resize(self.leaves.len(), 0.0);
        let energy = self.tree.gradient(&work.values, &mut work.gradient, &mut work.nodes);
        let layout = &self.contracted;
        work.sums.clear();
        work.sums.resize(layout.channels, 0.0);
        work.total.clear();
        work.total.resize(work.features.angular.len(), 0.0);
        for (k, &weight) in work.gradient.iter().enumerate() {
            match &self.leaves[k].term {
                Term::Pair { .. } | Term::NeighbourExponential { .. } => {
                    work.sums[layout.first[k]] = weight * work.slopes[k];
                }
                Term::ThreeBody { .. } => {
                    let total = work.total[layout.angular[layout.group[k]].first..].iter_mut();
                    total.zip(&work.angular[k]).for_each(|(sum, g)| *sum += weight * g);
                }
                _ => (),
            }
        }
        energy
    }

    /// Values and slopes of all single models.
    #[inline(always)]
    fn models(&self, centre: usize, work: &mut Work) {
        work.values.clear();
        work.slopes.clear();
        work.angular.resize_with(self.leaves.len(), Vec::new);
        for (k, leaf) in self.leaves.iter().enumerate() {
            let sum = || work.features.sums[self.contracted.first[k]];
            let [value, slope] = match &leaf.term {
                Term::Constant { coefficients } => [coefficients[centre], 0.0],
                Term::Pair { .. } => [sum(), 1.0],
                Term::NeighbourExponential { function, .. } => {
                    function.basis(sum(), &mut work.jets);
                    let jet = combined(leaf.outer(centre), &work.jets);
                    [jet[0], jet[1]]
                }
                Term::ThreeBody { .. } => {
                    let group = &self.contracted.angular[self.contracted.group[k]];
                    [leaf.three_body(group, centre, &work.features, &mut work.angular[k]), 0.0]
                }
                Term::Sum { .. } | Term::Product { .. } => [0.0; 2],
            };
            work.values.push(value);
            work.slopes.push(slope);
        }
    }
}

impl Leaf {
    /// Value of a three-body model; `slopes` becomes its derivatives in the sums of its group.
    #[inline(always)]
    pub(super) fn three_body(
        &self,
        group: &AngularGroup,
        centre: usize,
        features: &Features,
        slopes: &mut Vec<f64>,
    ) -> f64 {
        let Term::ThreeBody { radial, lmax, .. } = &self.term else { return 0.0 };
        let (lm, elements) = (group.harmonics(), self.term.coefficients().len() / self.block);
        let channels = elements * radial.functions;
        let sums = &features.angular[group.first..group.first + channels * lm];
        slopes.clear();
        slopes.resize(sums.len(), 0.0);
        for l in 0..=*lmax {
            let matrix = self.matrix(centre, *lmax, l);
            let range = l * l..(l + 1) * (l + 1);
            for (row, out) in matrix.chunks_exact(channels).zip(slopes.chunks_exact_mut(lm)) {
                for (&c, a) in row.iter().zip(sums.chunks_exact(lm)) {
                    let pairs = out[range.clone()].iter_mut().zip(&a[range.clone()]);
                    pairs.for_each(|(x, a)| *x += c * a);
                }
            }
        }
        0.5 * sums.iter().zip(slopes.iter()).map(|(a, g)| a * g).sum::<f64>()
    }
}

/// Derivatives in the pair vectors of a block, from those in the neighbour sums.
#[inline(always)]
pub(super) fn pull<S: Simd>(
    simd: S,
    layout: &Layout,
    features: &Features,
    b: usize,
    sums: &[f64],
    angular: &[f64],
) -> [Lanes; 3] {
    let block = &features.blocks[b];
    // Along the pair vector, then the gradient of the polynomials.
    let mut total: Gradient = [ZERO; 4];
    for (g, group) in layout.sums.iter().enumerate() {
        for (function, &channel) in features.scalars(g, b).iter().zip(&group.channels) {
            add_scaled(simd, &mut total[0], sums[channel], &function[1]);
        }
    }
    let harmonics = features.harmonics(b);
    let mut values = [ZERO; COUNT];
    let mut reached = 0;
    for (g, group) in layout.angular.iter().enumerate() {
        if block.nearest >= group.radial.cutoff {
            continue;
        }
        let (radials, count) = (features.radials(g, b), group.harmonics());
        reached = reached.max(count);
        let size = radials.len() * count;
        let slopes = &angular[group.first + block.element * size..][..size];
        for (i, s) in harmonics[..count].iter().enumerate() {
            let mut slope = ZERO;
            for (function, row) in radials.iter().zip(slopes.chunks_exact(count)) {
                add_scaled(simd, &mut values[i], row[i], &function[0]);
                add_scaled(simd, &mut slope, row[i], &function[1]);
            }
            add_product(simd, &mut total[0], &slope, s);
        }
    }
    add_gradients(simd, &values[..reached], harmonics, &mut total);
    cartesian(block, &total)
}

/// Add the gradient of Σ_lm values × S_lm.
#[inline(always)]
fn add_gradients<S: Simd>(simd: S, values: &[Lanes], harmonics: &[Lanes], total: &mut Gradient) {
    let mut lower = [[ZERO; 3]; LMAX * LMAX];
    for (value, gradient) in values.iter().zip(GRADIENTS.iter()).skip(1) {
        for (d, derivative) in gradient.iter().enumerate() {
            for &(j, factor) in derivative {
                add_scaled(simd, &mut lower[j][d], factor, value);
            }
        }
    }
    for (lower, s) in lower.iter().zip(harmonics) {
        for d in 0..3 {
            add_product(simd, &mut total[d + 1], &lower[d], s);
        }
    }
}

/// From the derivative along the pair vector and the gradient on the unit sphere's polynomials
/// to the Cartesian derivative.
#[inline(always)]
pub(super) fn cartesian(block: &Block, total: &Gradient) -> [Lanes; 3] {
    let (u, mut out) = (&block.unit, [ZERO; 3]);
    for w in 0..LANES {
        let inverse = block.distance[w].recip();
        let along = u[0][w] * total[1][w] + u[1][w] * total[2][w] + u[2][w] * total[3][w];
        let factor = total[0][w] - along * inverse;
        for d in 0..3 {
            out[d][w] = u[d][w] * factor + total[d + 1][w] * inverse;
        }
    }
    out
}

/// Add slope × pair vector, lane by lane. The sum over an atom's pairs is symmetric: its energy does
/// not change as all of them turn.
#[inline(always)]
fn add_virial<S: Simd>(simd: S, sum: &mut [Lanes; 6], block: &Block, slope: &[Lanes; 3]) {
    for (sum, &(d, e)) in sum.iter_mut().zip(&VOIGT) {
        let mut vector = ZERO;
        add_product(simd, &mut vector, &block.unit[e], &block.distance);
        add_product(simd, sum, &slope[d], &vector);
    }
}

impl Contribution {
    /// Forces from the derivatives in the pair vectors of a block of an atom.
    #[inline(always)]
    fn add(&mut self, atom: usize, block: &Block, slope: &[Lanes; 3]) {
        for w in 0..block.count {
            let other = block.atoms[w] as usize;
            for d in 0..3 {
                let x = slope[d][w];
                self.forces[atom][d] += x;
                self.forces[other][d] -= x;
            }
        }
    }

    fn joined(mut parts: Vec<Self>) -> Self {
        let mut others = parts.split_off(1.min(parts.len()));
        let mut all = parts.pop().unwrap_or_default();
        let add = |x: &mut Vec3, y: Vec3| (0..3).for_each(|d| x[d] += y[d]);
        for other in &mut others {
            all.energies.append(&mut other.energies);
            all.virial.iter_mut().zip(other.virial).for_each(|(x, y)| add(x, y));
        }
        let forces: Vec<&[Vec3]> = others.iter().map(|other| &other.forces[..]).collect();
        add_all(&mut all.forces, &forces, add);
        all
    }
}
