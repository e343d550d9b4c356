//! Ewald summation: the reciprocal sum, the self energy and the neutralising background.
//!
//! Formulas: Frenkel & Smit, Understanding Molecular Simulation, 2nd ed., section 12.1 (energy);
//! de Leeuw, Perram & Smith, Proc. R. Soc. A 373, 27 (1980), and Hummer, Pratt & García, J. Phys.
//! Chem. 100, 1206 (1996) (background); Nosé & Klein, Mol. Phys. 50, 1055 (1983) (virial).

use std::f64::consts::PI;

use super::modes::{Block, Modes};
use super::multipoles::Multipoles;
use super::phases::Phases;
use super::scratch::with_scratch;
use crate::COULOMB;
use crate::error::{Error, Result};
use crate::structure::{Mat3, Structure, Vec3, dot};

/// Most k vectors of a half sphere: about 2 GiB, and a second for every atom.
const MAX_VECTORS: f64 = 2e7;

/// Cost of an atom and a k vector, ns (one core; benches/README.md).
const VECTOR_COST: f64 = 0.5;

/// The uniform background that neutralises the screened charges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Background {
    /// α, Å⁻¹.
    pub(super) alpha: f64,
    /// Å³.
    pub(super) volume: f64,
}

impl Background {
    /// π `COULOMB`/(α²V): its energy is −½ of it times Q².
    pub(super) fn strength(&self) -> f64 {
        PI * COULOMB / (self.alpha * self.alpha * self.volume)
    }

    /// dE/d(strain) for a total charge, eV.
    pub(super) fn add_virial(&self, total: f64, virial: &mut Mat3) {
        for d in 0..3 {
            virial[d][d] += 0.5 * self.strength() * total * total;
        }
    }
}

/// V_i −= `COULOMB` (2α/√π q_i + πQ/(α²V)): self energy and background.
pub(super) fn charge_terms(background: Background, charges: &[f64], potential: &mut [f64]) {
    let own = 2.0 * COULOMB * background.alpha / PI.sqrt();
    let shift = background.strength() * charges.iter().sum::<f64>();
    for (v, q) in potential.iter_mut().zip(charges) {
        *v -= own * q + shift;
    }
}

/// Gradient of the potential of a dipole's own screening charge over the dipole, 4α³/(3√π) `COULOMB`
/// (A. Toukmaji et al., J. Chem. Phys. 113, 10913 (2000), eq. 2.5).
pub(super) fn own_gradient(alpha: f64) -> f64 {
    4.0 * COULOMB * alpha.powi(3) / (3.0 * PI.sqrt())
}

/// Ewald sum with a fixed splitting.
#[derive(Debug, Clone)]
pub(super) struct Ewald {
    /// α, Å⁻¹.
    alpha: f64,
    /// Largest |k|, Å⁻¹.
    radius: f64,
    modes: Modes,
    phases: Phases,
}

/// Splitting for a relative `accuracy` and a real-space `cutoff` (Å).
///
/// For uncorrelated charges q at mean distance a the root-mean-square force errors are
/// 2 q²/a² √(a/rc) exp(−s²) in real space, s = α rc (Kolafa & Perram, Mol. Simul. 9, 351
/// (1992)), and 2 q²/a² √(aα/x) exp(−x²) in reciprocal space, x = `k_max/2α` (the same
/// argument for a sphere of k vectors). With x = s the two agree; with a ≤ rc/2 their root sum of
/// squares is at most 2 exp(−s²) of the typical force q²/a² (measured in a 200-ion box: a quarter).
pub(super) fn splitting(accuracy: f64, cutoff: f64) -> f64 {
    (2.0 / accuracy).ln().sqrt() / cutoff
}

impl Ewald {
    /// Modes up to `k_max` = 2α²rc for the [`splitting`] of an accuracy and a cutoff rc.
    pub(super) fn new(accuracy: f64, cutoff: f64) -> Self {
        let alpha = splitting(accuracy, cutoff);
        let radius = 2.0 * alpha * alpha * cutoff;
        Self { alpha, radius, modes: Modes::default(), phases: Phases::default() }
    }

    pub(super) fn alpha(&self) -> f64 {
        self.alpha
    }

    pub(super) fn prepare(&mut self, structure: &Structure) -> Result<()> {
        self.check_size(structure)?;
        self.modes.prepare(structure, self.alpha, self.radius);
        self.phases.prepare(structure.positions(), &self.modes);
        Ok(())
    }

    /// Estimated time of a potential on one core, ns.
    pub(super) fn cost(&self, structure: &Structure) -> f64 {
        VECTOR_COST * structure.len() as f64 * self.vectors(structure)
    }

    /// Expected k vectors: a half sphere of volume 2π/3 k³, one vector per (2π)³/V.
    fn vectors(&self, structure: &Structure) -> f64 {
        structure.volume() * self.radius.powi(3) / (12.0 * PI * PI)
    }

    /// Refuse, before any work, a cell with far too many k vectors.
    fn check_size(&self, structure: &Structure) -> Result<()> {
        let volume = structure.volume();
        let vectors = self.vectors(structure);
        if vectors <= MAX_VECTORS {
            return Ok(());
        }
        let problem = format!(
            "{volume:.3e} Å³ need an Ewald sum over {vectors:.1e} k vectors, the most are \
             {MAX_VECTORS:.0e}: use a smaller cell, a lower accuracy, no periodicity, or \
             electrostatics shifted_force"
        );
        Err(Error::invalid("cell", problem))
    }

    /// V_i += Σ_k w [cos(k·r_i) Re S + sin(k·r_i) Im S] − `COULOMB` (2α/√π q_i + πQ/(α²V)).
    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        self.check(charges);
        charge_terms(self.background(), charges, potential);
        with_scratch(4 * self.modes.weights.len(), |factors| {
            self.phases.structure_factors(&self.modes, charges, factors);
            self.each_block(factors, |block, part| self.apply_weights(block, part));
            self.phases.gather(&self.modes, factors, potential);
        });
    }

    /// F_i = −q_i ∇V(r_i) with the structure factors held fixed; the virial by Nosé & Klein.
    pub(super) fn add_forces(&self, charges: &[f64], forces: &mut [Vec3], virial: &mut Mat3) {
        self.check(charges);
        if charges.is_empty() {
            return;
        }
        self.background().add_virial(charges.iter().sum(), virial);
        let size = 4 * self.modes.weights.len();
        with_scratch(2 * size + charges.len(), |buffer| {
            let (factors, buffer) = buffer.split_at_mut(size);
            let (slopes, gradient) = buffer.split_at_mut(size);
            self.phases.structure_factors(&self.modes, charges, factors);
            self.add_virial(factors, virial);
            self.each_block(factors, |block, part| self.apply_weights(block, part));
            for axis in 0..3 {
                slopes.copy_from_slice(factors);
                self.each_block(slopes, |block, part| self.differentiate(axis, block, part));
                gradient.fill(0.0);
                self.phases.gather(&self.modes, slopes, gradient);
                self.add_axis_forces(axis, charges, gradient, forces);
            }
        });
    }

    /// [`Self::add_potential`] of charges and dipoles, and the gradient ∂E/∂m.
    pub(super) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        self.check(sources.charges);
        charge_terms(self.background(), sources.charges, potential);
        let own = own_gradient(self.alpha);
        for (g, m) in gradients.iter_mut().zip(sources.dipoles) {
            (0..3).for_each(|d| g[d] -= own * m[d]);
        }
        self.with_factors(sources, |factors, slopes, found| {
            self.each_block(factors, |block, part| self.apply_weights(block, part));
            self.phases.gather(&self.modes, factors, potential);
            self.add_gradients(factors, slopes, found, gradients);
        });
    }

    /// [`Self::add_forces`] of charges and dipoles: F_i = −q_i ∇V − (m_i·∇)∇V. The dipoles stay as
    /// they are under strain, the k vectors do not: −∇V⊗m more for the virial.
    pub(super) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        self.check(sources.charges);
        self.background().add_virial(sources.charges.iter().sum(), virial);
        self.with_factors(sources, |factors, slopes, found| {
            self.add_virial(factors, virial);
            self.each_block(factors, |block, part| self.apply_weights(block, part));
            let mut gradients = vec![[0.0; 3]; forces.len()];
            self.add_gradients(factors, slopes, found, &mut gradients);
            for (i, (g, m)) in gradients.iter().zip(sources.dipoles).enumerate() {
                for p in 0..3 {
                    forces[i][p] -= sources.charges[i] * g[p];
                    (0..3).for_each(|q| virial[p][q] -= g[p] * m[q]);
                }
            }
            self.add_dipole_forces(factors, slopes, found, (sources.dipoles, forces));
        });
    }

    /// Lend structure factors of charges and dipoles, a second set of them, and a number per atom.
    fn with_factors(
        &self,
        sources: Multipoles,
        work: impl FnOnce(&mut [f64], &mut [f64], &mut [f64]),
    ) {
        let (size, n) = (4 * self.modes.weights.len(), sources.charges.len());
        if n == 0 {
            return;
        }
        with_scratch(2 * size + n, |buffer| {
            let (factors, rest) = buffer.split_at_mut(size);
            let (slopes, along) = rest.split_at_mut(size);
            self.phases.structure_factors(&self.modes, sources.charges, factors);
            for axis in 0..3 {
                let direction = self.direction(axis);
                along.iter_mut().zip(sources.dipoles).for_each(|(a, m)| *a = dot(m, &direction));
                self.phases.structure_factors(&self.modes, along, slopes);
                // The derivative of a source is minus that at the field point.
                self.each_block(slopes, |block, part| self.differentiate(axis, block, part));
                factors.iter_mut().zip(&*slopes).for_each(|(f, s)| *f -= s);
            }
            work(factors, slopes, along);
        });
    }

    /// Cartesian components of 2π times the gradient of a fractional coordinate, Å⁻¹.
    fn direction(&self, axis: usize) -> Vec3 {
        self.modes.inverse.map(|row| 2.0 * PI * row[axis])
    }

    /// ∇V of weighted factors.
    fn add_gradients(
        &self,
        factors: &[f64],
        slopes: &mut [f64],
        found: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        for axis in 0..3 {
            slopes.copy_from_slice(factors);
            self.each_block(slopes, |block, part| self.differentiate(axis, block, part));
            found.fill(0.0);
            self.phases.gather(&self.modes, slopes, found);
            let direction = self.direction(axis);
            for (gradient, g) in gradients.iter_mut().zip(&*found) {
                (0..3).for_each(|d| gradient[d] += g * direction[d]);
            }
        }
    }

    /// F −= (m·∇)∇V of weighted factors.
    fn add_dipole_forces(
        &self,
        factors: &[f64],
        slopes: &mut [f64],
        found: &mut [f64],
        (dipoles, forces): (&[Vec3], &mut [Vec3]),
    ) {
        for (a, b) in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] {
            slopes.copy_from_slice(factors);
            for axis in [a, b] {
                self.each_block(slopes, |block, part| self.differentiate(axis, block, part));
            }
            found.fill(0.0);
            self.phases.gather(&self.modes, slopes, found);
            let directions = [a, b].map(|axis| self.direction(axis));
            let both = if a == b { 1 } else { 2 };
            for (i, h) in found.iter().enumerate() {
                for k in 0..both {
                    let along = h * dot(&dipoles[i], &directions[k]);
                    (0..3).for_each(|d| forces[i][d] -= along * directions[1 - k][d]);
                }
            }
        }
    }

    fn check(&self, charges: &[f64]) {
        assert_eq!(charges.len(), self.phases.n_atoms(), "charges of the prepared atoms");
    }

    fn background(&self) -> Background {
        Background { alpha: self.alpha, volume: self.modes.volume }
    }

    fn each_block(&self, factors: &mut [f64], work: impl Fn(&Block, &mut [f64])) {
        for block in &self.modes.blocks {
            let start = 4 * block.first;
            work(block, &mut factors[start..start + 4 * block.pairs()]);
        }
    }

    /// From Σ q P Z to the coefficients G of P Z in the potential.
    ///
    /// With x_y the sum of q·(x of the row)·(y of l), S(±l) = c_c ∓ s_s + i (s_c ± c_s). Collecting
    /// w± [cos Re S + sin Im S](±l) by products of phase factors gives the four lines below.
    fn apply_weights(&self, block: &Block, part: &mut [f64]) {
        let weights = &self.modes.weights[block.first..block.first + block.pairs()];
        for_each_factor(block, part, |index, [cc, sc, cs, ss]| {
            let [plus, minus] = weights[index];
            let (sum, difference) = (plus + minus, plus - minus);
            [
                sum * cc - difference * ss,
                sum * sc + difference * cs,
                sum * cs + difference * sc,
                sum * ss - difference * cc,
            ]
        });
    }

    /// Coefficients of the derivative along a fractional coordinate, divided by 2π:
    /// cos → −m sin, sin → m cos for the factor of that coordinate.
    fn differentiate(&self, axis: usize, block: &Block, part: &mut [f64]) {
        let rows = &self.modes.rows[block.rows.clone()];
        for_each_factor(block, part, |index, [cc, sc, cs, ss]| {
            if axis == 2 {
                let l = (index / rows.len()) as f64;
                return [l * cs, l * ss, -l * cc, -l * sc];
            }
            let m = f64::from(rows[index % rows.len()][axis]);
            [m * sc, -m * cc, m * ss, -m * cs]
        });
    }

    fn add_axis_forces(&self, axis: usize, q: &[f64], gradient: &[f64], forces: &mut [Vec3]) {
        let direction = self.direction(axis);
        for ((force, q), g) in forces.iter_mut().zip(q).zip(gradient) {
            for d in 0..3 {
                force[d] -= q * g * direction[d];
            }
        }
    }

    /// dE/dε = Σ_k ½ w |S|² [2 k⊗k (1/k² + 1/4α²) − 1].
    fn add_virial(&self, factors: &[f64], virial: &mut Mat3) {
        for block in &self.modes.blocks {
            let count = block.rows.len();
            for index in 0..block.pairs() {
                let (l, r) = (index / count, index % count);
                let row = self.modes.rows[block.rows.start + r];
                let [cc, sc, cs, ss] = quartet(count, 4 * block.first, index).map(|at| factors[at]);
                let squares =
                    [(cc - ss).powi(2) + (sc + cs).powi(2), (cc + ss).powi(2) + (sc - cs).powi(2)];
                for ((w, s2), l) in self.modes.weights[block.first + index]
                    .iter()
                    .zip(squares)
                    .zip([l as i32, -(l as i32)])
                {
                    if *w > 0.0 {
                        self.add_mode_virial(0.5 * w * s2, &self.modes.vector(row, l), virial);
                    }
                }
            }
        }
    }

    fn add_mode_virial(&self, energy: f64, k: &Vec3, virial: &mut Mat3) {
        let factor = 2.0 * energy * (1.0 / dot(k, k) + 0.25 / (self.alpha * self.alpha));
        for p in 0..3 {
            virial[p][p] -= energy;
            for q in 0..3 {
                virial[p][q] += factor * k[p] * k[q];
            }
        }
    }
}

/// Where the products (cos, sin of the row) × (cos, sin of l) of weight `index` are: cos·cos,
/// sin·cos, cos·sin, sin·sin.
fn quartet(rows: usize, start: usize, index: usize) -> [usize; 4] {
    let (l, r) = (index / rows, index % rows);
    let (cos, sin) = (start + 4 * l * rows + 2 * r, start + (4 * l + 2) * rows + 2 * r);
    [cos, cos + 1, sin, sin + 1]
}

/// Replace the four products of every (row, l).
fn for_each_factor(block: &Block, part: &mut [f64], change: impl Fn(usize, [f64; 4]) -> [f64; 4]) {
    let rows = block.rows.len();
    for (l, columns) in part.chunks_exact_mut(4 * rows).enumerate() {
        let (cos, sin) = columns.split_at_mut(2 * rows);
        for (r, (c, s)) in cos.chunks_exact_mut(2).zip(sin.chunks_exact_mut(2)).enumerate() {
            let new = change(l * rows + r, [c[0], c[1], s[0], s[1]]);
            (c[0], c[1], s[0], s[1]) = (new[0], new[1], new[2], new[3]);
        }
    }
}
