//! Induced dipoles: a vector m_i (e·Å) on every atom, unknowns beside the weights.
//!
//! E_pol = Σ_i C |m_i|²/(2 Σ_M ω_iM α_M) + Σ_i m_i·(gradients of the potential of all charges,
//! densities and other dipoles), C the Coulomb constant. An excited state mixed in coherently has a
//! dipole |m| ≤ 2d√(ω_g ω_x) and costs ω_x times its energy; eliminating ω_x leaves the first term
//! (design 2.6; polarisation as excited-state densities: S. R. Atlas, J. Phys. Chem. A 125, 3760
//! (2021)). It is jointly convex in m and ω, as x²/y is. Dipoles act through densities −m·∇g (see
//! `model::dipoles`), whose Coulomb energy with their own, C ζ³|m|²/96 each, cannot be negative: with
//! ζ³α ≤ 48 the dipoles' part of the Hessian is positive definite wherever the atoms are, and there is
//! no polarisation catastrophe.
//!
//! All but the first term is bilinear in the weights and dipoles: its gradient is linear and its
//! Hessian constant. An atom whose states are not polarisable has no dipole.

use super::parameters::Total;
use super::points::{Sum, add_slopes};
use super::{Energy, Geometry, Workspace, dot};
use crate::COULOMB;
use crate::coulomb::Multipoles;
use crate::evaluator::Watch;
use crate::formulas::dipole_gradient;
use crate::pairs::{Chunk, dipole_slopes};
use crate::structure::{Mat3, Vec3, dot as dot3};

/// On-site numbers at the last value and gradient.
#[derive(Debug, Clone, Default)]
pub(super) struct Induced {
    /// m_i of all atoms, e·Å; empty without polarisable states.
    pub(super) dipoles: Vec<Vec3>,
    /// 1/Σ_M ω_iM α_M, Å⁻³; 0 for none.
    inverse: Vec<f64>,
    /// ∂E/∂m of charges and dipoles beyond the pairs, at the last value or direction.
    pub(super) gradients: Vec<Vec3>,
}

impl<'a> Geometry<'a> {
    /// Number of weights: what comes after them are dipoles.
    pub(super) fn weights(&self) -> usize {
        self.offsets[self.atoms()]
    }

    /// Number of weights and components of dipoles.
    pub(super) fn unknowns(&self) -> usize {
        self.weights() + if self.is_polarisable() { 3 * self.atoms() } else { 0 }
    }

    pub(super) fn is_polarisable(&self) -> bool {
        self.model.is_polarisable()
    }

    pub(super) fn polarisabilities(&self, atom: usize) -> impl Iterator<Item = f64> + 'a {
        let states = &self.model.elements()[usize::from(self.elements[atom])].states;
        states.iter().map(|s| s.polarisability)
    }

    /// The dipoles among the unknowns.
    pub(super) fn dipoles<'x>(&self, unknowns: &'x [f64]) -> &'x [Vec3] {
        unknowns[self.weights()..].as_chunks().0
    }

    pub(super) fn has_dipole(&self, atom: usize) -> bool {
        self.polarisabilities(atom).any(|alpha| alpha > 0.0)
    }

    /// Number of weights of an atom, and of components of its dipole if it has one.
    pub(super) fn members(&self, atom: usize) -> usize {
        let weights = self.offsets[atom + 1] - self.offsets[atom];
        weights + if self.has_dipole(atom) { 3 } else { 0 }
    }

    /// Adds the gradient of the bilinear pair terms at `x` to `out`.
    fn add_dipole_pairs(&self, x: &[f64], chunk: &Chunk, out: &mut [f64]) {
        let (dipoles, first) = (self.dipoles(x), self.weights());
        chunk.each_dipole(self.model, |record, values| {
            let (a, b, d) = (record.a as usize, record.b as usize, &record.vector);
            let [ma, mb] = [&dipoles[a], &dipoles[b]];
            let pair = values.pair([record.a, record.b].map(|i| self.weights_of(x, i)));
            let [b1, b2] = values.both;
            let of_a = dipole_gradient(b1, b2, d, mb);
            let of_b = dipole_gradient(b1, b2, d, ma);
            for p in 0..3 {
                out[first + 3 * a + p] += of_a[p] - pair.charges[0] * d[p];
                out[first + 3 * b + p] += of_b[p] + pair.charges[1] * d[p];
            }
            super::objective::add_scaled(out, self.offsets[b], -dot3(ma, d), values.first);
            super::objective::add_scaled(out, self.offsets[a], dot3(mb, d), values.second);
        });
    }

    /// Adds forces (first 3n of `out`), energies (next n) and the virial (last 9) of the pairs at `x`.
    pub(super) fn add_dipole_forces(&self, x: &[f64], chunk: &Chunk, out: &mut [f64]) {
        let (n, dipoles) = (self.atoms(), self.dipoles(x));
        let mut scratch = Vec::new();
        chunk.each_dipole(self.model, |record, values| {
            let by_r = dipole_slopes(self.model, self.kernel, record, &values, &mut scratch);
            let weights = [record.a, record.b].map(|i| self.weights_of(x, i));
            let (a, b, d) = (record.a as usize, record.b as usize, &record.vector);
            let both = [&dipoles[a], &dipoles[b]];
            let pair = values.pair(weights);
            let slope = pair.slope(&by_r.pair(weights), d, both);
            let energy = 0.5 * pair.energy(d, both);
            out[3 * n + a] += energy;
            out[3 * n + b] += energy;
            for p in 0..3 {
                out[3 * a + p] += slope[p];
                out[3 * b + p] -= slope[p];
                for q in 0..3 {
                    out[4 * n + 3 * p + q] += slope[p] * d[q];
                }
            }
        });
    }
}

impl Energy<'_> {
    /// Take the dipoles of `unknowns`, after their weights.
    pub(super) fn set_dipoles(&mut self, unknowns: &[f64]) {
        let geometry = self.geometry;
        let Workspace { induced, weights, unknowns: kept, .. } = &mut *self.work;
        kept.clear();
        kept.extend_from_slice(unknowns);
        induced.dipoles.clear();
        induced.inverse.clear();
        if !geometry.is_polarisable() {
            return;
        }
        induced.dipoles.extend_from_slice(geometry.dipoles(unknowns));
        induced.inverse.extend((0..geometry.atoms()).map(|i| {
            let states = weights[geometry.offsets[i]..].iter().zip(geometry.polarisabilities(i));
            let softness: f64 = states.map(|(w, alpha)| w * alpha).sum();
            if softness > 0.0 { softness.recip() } else { 0.0 }
        }));
    }

    /// C|m|²/2α of an atom, eV.
    pub(super) fn own_energy(&self, atom: usize) -> f64 {
        let induced = &self.work.induced;
        let energy = |m: &Vec3| 0.5 * COULOMB * induced.inverse[atom] * dot3(m, m);
        induced.dipoles.get(atom).map_or(0.0, energy)
    }

    /// Adds the gradient and returns the energy of the dipoles, those beyond the pairs left out.
    pub(super) fn polarisation(&mut self, gradient: &mut [f64]) -> f64 {
        let geometry = self.geometry;
        if !geometry.is_polarisable() {
            return 0.0;
        }
        let mut buffers = std::mem::take(&mut self.work.buffers);
        let unknowns = std::mem::take(&mut self.work.unknowns);
        let mut found = vec![0.0; gradient.len()];
        geometry.pairs.accumulate(&mut buffers, &mut found, |chunk, out| {
            geometry.add_dipole_pairs(&unknowns, chunk, out);
            0.0
        });
        // The bilinear form is half the product with its gradient.
        let mut energy = 0.5 * dot(&found, &unknowns);
        (self.work.buffers, self.work.unknowns) = (buffers, unknowns);
        gradient.iter_mut().zip(&found).for_each(|(g, x)| *g += x);
        let (induced, first) = (&self.work.induced, geometry.weights());
        for (i, m) in induced.dipoles.iter().enumerate() {
            energy += self.own_energy(i);
            let stiffness = COULOMB * induced.inverse[i];
            (0..3).for_each(|p| gradient[first + 3 * i + p] += stiffness * m[p]);
            let gain = -self.own_energy(i) * induced.inverse[i];
            for (a, alpha) in (geometry.offsets[i]..).zip(geometry.polarisabilities(i)) {
                gradient[a] += alpha * gain;
            }
        }
        energy
    }

    /// Adds the Hessian of [`Self::polarisation`] times `direction`.
    pub(super) fn polarisation_product(&mut self, direction: &[f64], out: &mut [f64]) {
        let geometry = self.geometry;
        if !geometry.is_polarisable() {
            return;
        }
        let mut buffers = std::mem::take(&mut self.work.buffers);
        geometry.pairs.accumulate(&mut buffers, out, |chunk, out| {
            geometry.add_dipole_pairs(direction, chunk, out);
            0.0
        });
        self.work.buffers = buffers;
        let (induced, first) = (&self.work.induced, geometry.weights());
        let changes = geometry.dipoles(direction);
        for (i, (m, change)) in induced.dipoles.iter().zip(changes).enumerate() {
            let inverse = induced.inverse[i];
            let states = || (geometry.offsets[i]..).zip(geometry.polarisabilities(i));
            // Relative change of the softness; with v = m/s: C (δm − v δs)/s and −α_M C v·(δm − v δs)/s.
            let relative = inverse * states().map(|(a, alpha)| alpha * direction[a]).sum::<f64>();
            let stress = [0, 1, 2].map(|p| COULOMB * inverse * (change[p] - relative * m[p]));
            (0..3).for_each(|p| out[first + 3 * i + p] += stress[p]);
            let along = inverse * dot3(&stress, m);
            states().for_each(|(a, alpha)| out[a] -= alpha * along);
        }
    }

    /// Adds the second derivatives of C|m|²/2s of an atom, to its weights' and dipole's block.
    pub(super) fn add_own_block(&self, atom: usize, block: &mut [f64]) {
        let geometry = &self.geometry;
        if !geometry.has_dipole(atom) {
            return;
        }
        let (size, induced) = (geometry.members(atom), &self.work.induced);
        let (inverse, m) = (induced.inverse[atom], &induced.dipoles[atom]);
        let states = size - 3;
        let factor = COULOMB * inverse * inverse;
        let bend = factor * inverse * dot3(m, m);
        for (k, x) in geometry.polarisabilities(atom).enumerate() {
            for (l, y) in geometry.polarisabilities(atom).enumerate() {
                block[k * size + l] += bend * x * y;
            }
            for (p, m) in (states..).zip(m) {
                block[k * size + p] -= factor * x * m;
                block[p * size + k] -= factor * x * m;
            }
        }
        (states..size).for_each(|p| block[p * (size + 1)] += COULOMB * inverse);
    }

    /// [`Self::point_charges`] with dipoles: charges and dipoles `x` beyond the pairs.
    pub(super) fn point_multipoles(
        &mut self,
        x: &[f64],
        gradient: &mut [f64],
        charges: &mut Vec<f64>,
        sum: Sum,
    ) -> f64 {
        let geometry = self.geometry;
        geometry.charges(x, charges);
        let Some(coulomb) = geometry.coulomb else { return 0.0 };
        let Workspace { potential, far_slopes, induced: Induced { gradients, .. }, .. } =
            &mut *self.work;
        let dipoles = geometry.dipoles(x);
        potential.clear();
        potential.resize(charges.len(), 0.0);
        gradients.clear();
        gradients.resize(charges.len(), [0.0; 3]);
        let mut watch = Watch::start();
        let sources = Multipoles { charges, dipoles };
        match (sum, far_slopes) {
            (Sum::Value, Some((forces, virial))) => {
                forces.resize(charges.len(), [0.0; 3]);
                let potentials = (&mut potential[..], &mut gradients[..]);
                coulomb.add_all_of_multipoles(sources, potentials, forces, virial);
            }
            (sum, _) => {
                let rough = sum == Sum::RoughProduct;
                coulomb.add_multipole_potential(sources, rough, potential, gradients);
            }
        }
        self.work.long_range += watch.lap();
        let (potential, gradients) = (&self.work.potential, &self.work.induced.gradients);
        for (i, v) in potential.iter().enumerate() {
            for (a, q) in (geometry.offsets[i]..).zip(geometry.state_charges(i)) {
                gradient[a] += q * v;
            }
        }
        let tail = &mut gradient[geometry.weights()..];
        tail.iter_mut().zip(gradients.as_flattened()).for_each(|(g, x)| *g += x);
        let of_dipoles = dot(dipoles.as_flattened(), gradients.as_flattened());
        0.5 * (dot(charges, potential) + of_dipoles)
    }

    /// Adds forces, virial and the atoms' energies of charges and dipoles beyond the pairs.
    pub(super) fn far_multipoles(
        &mut self,
        forces: &mut [Vec3],
        virial: &mut Mat3,
        energies: &mut [f64],
    ) {
        let Some(coulomb) = self.geometry.coulomb else { return };
        let Workspace {
            charges,
            potential,
            induced,
            potential_is_of_charges,
            far_slopes,
            long_range,
            ..
        } = &mut *self.work;
        let Induced { dipoles, gradients, .. } = induced;
        let sources = Multipoles { charges, dipoles };
        let mut watch = Watch::start();
        let known = std::mem::replace(potential_is_of_charges, true);
        if !known {
            potential.fill(0.0);
            gradients.fill([0.0; 3]);
        }
        match (far_slopes.take(), known) {
            (Some(slopes), known) => {
                if !known {
                    coulomb.add_multipole_potential(sources, false, potential, gradients);
                }
                add_slopes(&slopes, forces, virial);
            }
            (None, true) => coulomb.add_multipole_forces(sources, forces, virial),
            (None, false) => {
                coulomb.add_all_of_multipoles(sources, (potential, gradients), forces, virial);
            }
        }
        for (i, e) in energies.iter_mut().enumerate() {
            *e += 0.5 * (charges[i] * potential[i] + dot3(&dipoles[i], &gradients[i]));
        }
        *long_range += watch.lap();
    }

    /// Adds the derivatives along columns of `response` of the forces and the virial of dipoles and of
    /// point charges beyond the pairs. They are quadratic in the unknowns: F(x + δ) − F(x − δ) is twice
    /// the derivative along δ.
    pub(super) fn quadratic_forces_along(&self, response: &[f64], total: &mut Total) {
        let (n, p) = (self.geometry.atoms(), total.virial.len() / 9);
        for column in 0..p {
            let change = || response.iter().skip(column).step_by(p);
            let scale = change().fold(0.0_f64, |most, x| most.max(x.abs())).recip();
            if !scale.is_finite() {
                continue;
            }
            for sign in [1.0, -1.0] {
                let step = sign * scale;
                let x: Vec<f64> =
                    self.work.unknowns.iter().zip(change()).map(|(x, d)| x + step * d).collect();
                let (mut forces, mut virial) = (vec![[0.0; 3]; n], [[0.0; 3]; 3]);
                self.quadratic_forces(&x, &mut forces, &mut virial);
                let half = 0.5 / step;
                for (k, f) in forces.as_flattened().iter().enumerate() {
                    total.forces[k * p + column] += half * f;
                }
                for (k, v) in virial.as_flattened().iter().enumerate() {
                    total.virial[k * p + column] += half * v;
                }
            }
        }
    }

    /// Forces and virial of dipoles, and of point charges beyond the pairs, at given unknowns.
    fn quadratic_forces(&self, x: &[f64], forces: &mut [Vec3], virial: &mut Mat3) {
        let geometry = self.geometry;
        let mut charges = Vec::new();
        geometry.charges(x, &mut charges);
        let n = geometry.atoms();
        let mut flat = vec![0.0; 4 * n + 9];
        for chunk in geometry.pairs.chunks() {
            geometry.add_dipole_forces(x, chunk, &mut flat);
        }
        forces.as_flattened_mut().iter_mut().zip(&flat).for_each(|(f, x)| *f += x);
        virial.as_flattened_mut().iter_mut().zip(&flat[4 * n..]).for_each(|(v, x)| *v += x);
        if let Some(coulomb) = geometry.coulomb {
            let sources = Multipoles { charges: &charges, dipoles: geometry.dipoles(x) };
            coulomb.add_multipole_forces(sources, forces, virial);
        }
    }

    /// ∂E/∂α of a state of one atom, and its derivatives in the atom's weights and dipole by `visit`
    /// (unknown, value).
    pub(super) fn by_polarisability(
        &self,
        atom: usize,
        state: usize,
        mut visit: impl FnMut(usize, f64),
    ) -> f64 {
        let (geometry, induced) = (&self.geometry, &self.work.induced);
        let start = geometry.offsets[atom];
        let (inverse, weight) = (induced.inverse[atom], self.work.weights[start + state]);
        let m = induced.dipoles[atom];
        // E = C m²/2s and ∂s/∂α = ω.
        let by_softness = -0.5 * COULOMB * inverse * inverse * dot3(&m, &m);
        visit(start + state, by_softness);
        for (a, alpha) in (start..).zip(geometry.polarisabilities(atom)) {
            visit(a, -2.0 * by_softness * inverse * alpha * weight);
        }
        for (p, m) in m.iter().enumerate() {
            visit(geometry.weights() + 3 * atom + p, -COULOMB * inverse * inverse * weight * m);
        }
        by_softness * weight
    }
}
