//! Derivatives of energy, forces and virial with respect to the coefficients.
//!
//! The energy of an atom is a function e(v) of the values v_L(S, A; θ) of its single models, so
//! ∂e/∂θ = e_L ∂v_L/∂θ, and with ∇ in the pair vectors
//! ∇∂e/∂θ = e_L ∇∂v_L/∂θ + (∂v_L/∂θ) Σ_K e_LK ∇v_K.

use pulp::{Arch, Simd, WithSimd};

use crate::error::Result;
use crate::neighbors::Neighborhoods;
use crate::potential::{NeighbourFunction, PotentialFile, Radial, Term};
use crate::structure::Structure;

use super::Terms;
use super::cluster::{Block, Surroundings};
use super::evaluate::{Gradient, cartesian, pull};
use super::features::Features;
use super::fields::{Derivative, Field, Local, add_lanes, add_scaled, scaled, weighted};
use super::harmonics::GRADIENTS;
use super::lanes::{LANES, ZERO};
use super::layout::{AngularGroup, Layout, pair_coefficients, unordered};
use super::leaves::combined;
use super::tree::Expansion;

/// Rows of a structure: energy (eV), forces (eV/Å, atom-major), dE/dstrain (eV; xx, yy, zz, yz, xz,
/// xy); for each coefficient, and in the last column the quantities themselves.
#[derive(Debug, Clone)]
pub struct Jacobian {
    /// Number of rows, 7 + 3 atoms.
    pub rows: usize,
    /// Column after column.
    pub columns: Vec<f64>,
}

/// Computes Jacobians of one expression.
#[derive(Debug)]
pub struct Differentiator {
    terms: Terms,
    layout: Layout,
    /// First coefficient of every single model.
    first: Vec<usize>,
    coefficients: usize,
}

/// A whole structure, see [`Part`](super::evaluate).
struct Whole<'a> {
    differentiator: &'a Differentiator,
    around: &'a Surroundings<'a>,
}

impl WithSimd for Whole<'_> {
    type Output = Result<Jacobian>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        self.differentiator.all_atoms(simd, self.around)
    }
}

impl Differentiator {
    /// For the terms of a checked file; `None` if it has none.
    pub fn new(file: &PotentialFile) -> Option<Self> {
        let (terms, expression) = (Terms::new(file)?, file.terms.as_ref()?);
        let leaves = expression.leaves();
        let layout = Layout::separate(&leaves, file.elements.len());
        let mut first = Vec::new();
        let mut coefficients = 0;
        for leaf in &leaves {
            first.push(coefficients);
            coefficients += leaf.coefficients().len();
        }
        Some(Self { terms, layout, first, coefficients })
    }

    /// Distance to look for neighbours, Å; positive even without radial functions.
    pub fn cutoff(&self) -> f64 {
        self.terms.cutoff().max(0.5)
    }

    /// Jacobian at a structure whose atoms have these elements.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) names two atoms in the same place.
    pub fn jacobian(
        &self,
        structure: &Structure,
        elements: &[u8],
        neighborhoods: &Neighborhoods,
    ) -> Result<Jacobian> {
        let around = Surroundings { structure, elements, neighborhoods };
        Arch::new().dispatch(Whole { differentiator: self, around: &around })
    }

    #[inline(always)]
    fn all_atoms<S: Simd>(&self, simd: S, around: &Surroundings) -> Result<Jacobian> {
        let atoms = around.elements.len();
        let rows = 7 + 3 * atoms;
        let mut out = Jacobian { rows, columns: vec![0.0; rows * (self.coefficients + 1)] };
        let mut features = Features::default();
        for (atom, &element) in around.elements.iter().enumerate() {
            let Features { near, blocks, .. } = &mut features;
            around.gather(atom, self.terms.elements, &self.terms.cutoffs, near, blocks)?;
            let centre = usize::from(element);
            features.fill(simd, &self.layout, centre, self.terms.elements);
            self.add_atom(simd, atom, centre, &features, &mut out);
        }
        Ok(out)
    }

    #[inline(always)]
    fn add_atom<S: Simd>(
        &self,
        simd: S,
        atom: usize,
        centre: usize,
        features: &Features,
        out: &mut Jacobian,
    ) {
        let leaves = self.terms.leaves.iter().enumerate();
        let local: Vec<Local> =
            leaves.map(|(k, _)| self.local(simd, k, centre, features)).collect();
        let values: Vec<f64> = local.iter().map(|l| l.value).collect();
        let Expansion { value, gradient, hessian } = self.terms.tree.expansion(&values);
        let blocks = &features.blocks;
        let slopes = || local.iter().map(|l| &l.slope);
        let total = weighted(&gradient, slopes(), blocks.len());
        out.add(self.coefficients, atom, blocks, value, &total);
        for (k, model) in local.iter().enumerate() {
            let row = &hessian[k * local.len()..(k + 1) * local.len()];
            let coupled = row.iter().any(|&x| x != 0.0);
            let mixed = if coupled { weighted(row, slopes(), blocks.len()) } else { Field::new() };
            for d in &model.derivatives {
                let mut field = scaled(&d.slope, gradient[k]);
                if coupled {
                    add_scaled(&mut field, &mixed, d.value);
                }
                let column = self.first[k] + d.coefficient;
                out.add(column, atom, blocks, gradient[k] * d.value, &field);
            }
        }
    }

    #[inline(always)]
    fn local<S: Simd>(&self, simd: S, k: usize, centre: usize, features: &Features) -> Local {
        let leaf = &self.terms.leaves[k];
        match &leaf.term {
            Term::Constant { coefficients } => Local {
                value: coefficients[centre],
                slope: Field::new(),
                derivatives: vec![Derivative {
                    coefficient: centre,
                    value: 1.0,
                    slope: Field::new(),
                }],
            },
            Term::Pair { radial, .. } => self.pair(k, radial, centre, features),
            Term::NeighbourExponential { radial, function, .. } => {
                self.neighbour(k, radial, function, centre, features)
            }
            Term::ThreeBody { radial, lmax, .. } => {
                self.three_body(simd, k, (radial, *lmax), centre, features)
            }
            Term::Sum { .. } | Term::Product { .. } => {
                Local { value: 0.0, slope: Field::new(), derivatives: Vec::new() }
            }
        }
    }

    /// Neighbour sum of a model with its slopes, and every radial function's own.
    #[inline(always)]
    fn neighbour_sum(
        &self,
        k: usize,
        radial: &Radial,
        centre: usize,
        features: &Features,
    ) -> (f64, Field, Vec<(f64, Field)>) {
        let (elements, n) = (self.terms.elements, radial.functions);
        let mut parts = Vec::with_capacity(elements * n);
        let mut sum = 0.0;
        let mut slope = vec![[ZERO; 3]; features.blocks.len()];
        for neighbour in 0..elements {
            let pair = centre * elements + neighbour;
            let weights = pair_coefficients(&self.terms.leaves[k].term, pair, elements);
            for (i, &c) in weights.map_or(&[][..], |w| w.1).iter().enumerate() {
                let channel = self.layout.first[k] + neighbour * n + i;
                let field = self.channel_slope(channel, features);
                sum += c * features.sums[channel];
                add_scaled(&mut slope, &field, c);
                parts.push((features.sums[channel], field));
            }
        }
        (sum, slope, parts)
    }

    /// Slopes of one scalar sum.
    #[inline(always)]
    fn channel_slope(&self, channel: usize, features: &Features) -> Field {
        let mut groups = self.layout.sums.iter().enumerate();
        let found =
            groups.find_map(|(g, s)| s.channels.iter().position(|&c| c == channel).map(|c| (g, c)));
        let Some((group, column)) = found else { return Field::new() };
        let vector = |(b, block): (usize, &Block)| {
            let slope = features.scalars(group, b)[column][1];
            let mut out = block.unit;
            for d in 0..3 {
                for w in 0..LANES {
                    out[d][w] *= slope[w];
                }
            }
            out
        };
        features.blocks.iter().enumerate().map(vector).collect()
    }

    #[inline(always)]
    fn pair(&self, k: usize, radial: &Radial, centre: usize, features: &Features) -> Local {
        let (value, slope, parts) = self.neighbour_sum(k, radial, centre, features);
        let (elements, n) = (self.terms.elements, radial.functions);
        let derivative = |(i, (value, slope)): (usize, (f64, Field))| Derivative {
            coefficient: unordered(centre, i / n, elements) * n + i % n,
            value,
            slope,
        };
        let derivatives = parts.into_iter().enumerate().map(derivative).collect();
        Local { value, slope, derivatives }
    }

    #[inline(always)]
    fn neighbour(
        &self,
        k: usize,
        radial: &Radial,
        function: &NeighbourFunction,
        centre: usize,
        features: &Features,
    ) -> Local {
        let (sum, slope, parts) = self.neighbour_sum(k, radial, centre, features);
        let leaf = &self.terms.leaves[k];
        let mut jets = Vec::new();
        function.basis(sum, &mut jets);
        let outer = combined(leaf.outer(centre), &jets);
        let first = centre * leaf.block;
        let mut derivatives: Vec<Derivative> = (first..)
            .zip(&jets)
            .map(|(coefficient, jet)| Derivative {
                coefficient,
                value: jet[0],
                slope: scaled(&slope, jet[1]),
            })
            .collect();
        for (i, (part, field)) in parts.into_iter().enumerate() {
            let mut own = scaled(&field, outer[1]);
            add_scaled(&mut own, &slope, outer[2] * part);
            let coefficient = first + jets.len() + i;
            derivatives.push(Derivative { coefficient, value: outer[1] * part, slope: own });
        }
        Local { value: outer[0], slope: scaled(&slope, outer[1]), derivatives }
    }

    #[inline(always)]
    fn three_body<S: Simd>(
        &self,
        simd: S,
        k: usize,
        (radial, lmax): (&Radial, usize),
        centre: usize,
        features: &Features,
    ) -> Local {
        let (leaf, layout, index) = (&self.terms.leaves[k], &self.layout, self.layout.group[k]);
        let group = &layout.angular[index];
        let mut slopes = Vec::new();
        let value = leaf.three_body(group, centre, features, &mut slopes);
        let mut angular = vec![0.0; features.angular.len()];
        angular[group.first..group.first + slopes.len()].copy_from_slice(&slopes);
        let none = vec![0.0; layout.channels];
        let slope = (0..features.blocks.len())
            .map(|b| pull(simd, layout, features, b, &none, &angular))
            .collect();
        let shape = Shape { group, index, functions: radial.functions, features };
        let channels = slopes.len() / group.harmonics();
        let mut derivatives = Vec::new();
        let mut coefficient = centre * leaf.block;
        let fields: Vec<Vec<Gradient>> = (0..channels * (lmax + 1))
            .map(|i| shape.potential(i / (lmax + 1), i % (lmax + 1)))
            .collect();
        for p in 0..channels {
            for q in p..channels {
                for l in 0..=lmax {
                    let (zp, zq) = (&fields[p * (lmax + 1) + l], &fields[q * (lmax + 1) + l]);
                    let mut slope = shape.gradient(p, zq);
                    add_scaled(&mut slope, &shape.gradient(q, zp), 1.0);
                    derivatives.push(Derivative {
                        coefficient,
                        value: shape.invariant(p, q, l),
                        slope,
                    });
                    coefficient += 1;
                }
            }
        }
        Local { value, slope, derivatives }
    }
}

/// Invariants of one group of angular sums.
struct Shape<'a> {
    group: &'a AngularGroup,
    index: usize,
    functions: usize,
    features: &'a Features,
}

impl Shape<'_> {
    fn sums(&self, channel: usize, l: usize) -> &[f64] {
        let start = self.group.first + channel * self.group.harmonics();
        &self.features.angular[start + l * l..start + (l + 1) * (l + 1)]
    }

    /// Σ_m A_plm A_qlm.
    fn invariant(&self, p: usize, q: usize, l: usize) -> f64 {
        self.sums(p, l).iter().zip(self.sums(q, l)).map(|(a, b)| a * b).sum()
    }

    /// Z_ql(u) = Σ_m A_qlm S_lm(u) at all neighbours.
    #[inline(always)]
    fn potential(&self, channel: usize, l: usize) -> Vec<Gradient> {
        let sums = self.sums(channel, l);
        let at = |b: usize| {
            let (mut z, s) = ([ZERO; 4], self.features.harmonics(b));
            if self.features.blocks[b].nearest >= self.group.radial.cutoff {
                return z;
            }
            for (a, i) in sums.iter().zip(l * l..) {
                add_lanes(&mut z[0], *a, &s[i]);
                for (d, derivative) in GRADIENTS[i].iter().enumerate() {
                    for (j, c) in derivative {
                        add_lanes(&mut z[d + 1], a * c, &s[*j]);
                    }
                }
            }
            z
        };
        (0..self.features.blocks.len()).map(at).collect()
    }

    /// ∇(g_p Z) at the neighbours that belong to channel p, zero at others.
    #[inline(always)]
    fn gradient(&self, p: usize, potential: &[Gradient]) -> Field {
        let blocks = self.features.blocks.iter().enumerate();
        let at = |(b, block): (usize, &Block)| {
            if block.element != p / self.functions {
                return [ZERO; 3];
            }
            let g = &self.features.radials(self.index, b)[p % self.functions];
            let mut total = potential[b];
            for w in 0..LANES {
                total[0][w] *= g[1][w];
                (1..4).for_each(|d| total[d][w] *= g[0][w]);
            }
            cartesian(block, &total)
        };
        blocks.map(at).collect()
    }
}

impl Jacobian {
    /// Add an atom's energy and its slopes to a column.
    #[inline(always)]
    fn add(&mut self, column: usize, atom: usize, blocks: &[Block], energy: f64, field: &Field) {
        let out = &mut self.columns[column * self.rows..(column + 1) * self.rows];
        out[0] += energy;
        let (forces, virial) = out[1..].split_at_mut(self.rows - 7);
        let mut own = [0.0; 3];
        for (block, slope) in blocks.iter().zip(field) {
            for w in 0..block.count {
                let other = 3 * block.atoms[w] as usize;
                let x = [slope[0][w], slope[1][w], slope[2][w]];
                let r = [0, 1, 2].map(|d| block.unit[d][w] * block.distance[w]);
                for d in 0..3 {
                    own[d] += x[d];
                    forces[other + d] -= x[d];
                    virial[d] += x[d] * r[d];
                }
                virial[3] += x[1] * r[2];
                virial[4] += x[0] * r[2];
                virial[5] += x[0] * r[1];
            }
        }
        (0..3).for_each(|d| forces[3 * atom + d] += own[d]);
    }
}
