//! Charges and dipoles: what a pair of atoms contributes, and all pairs of a finite system.
//!
//! With d = R_j − R_i and f₁ = f′/R, f₂ = f₁′/R, f₃ = f₂′/R of an interaction f(R) of unit charges,
//! a dipole m is the derivative m·∇ of a charge:
//! E = q_i q_j f + (q_i m_j·d − q_j m_i·d) f₁ − m_i·m_j f₁ − (m_i·d)(m_j·d) f₂.
//! f = 1/R gives Coulomb's law of point dipoles (J. D. Jackson, Classical Electrodynamics, 3rd ed.,
//! section 4.2).

use rayon::prelude::*;

use super::direct::Direct;
use crate::COULOMB;
use crate::formulas::{dipole_energy, dipole_gradient, dipole_slope, point_multipole};
use crate::structure::{Mat3, Vec3, dot};

/// Rows of one task.
const ROWS: usize = 32;
/// From this many atoms on rows are shared among threads.
const MIN_PARALLEL: usize = 128;

/// Charges (e) and dipoles (e·Å) of all atoms.
#[derive(Debug, Clone, Copy)]
pub struct Multipoles<'a> {
    /// q_i.
    pub charges: &'a [f64],
    /// m_i.
    pub dipoles: &'a [Vec3],
}

/// A pair of atoms with dipoles: −x_i m_i·d + x_j m_j·d − b₁ m_i·m_j − b₂ (m_i·d)(m_j·d).
///
/// x_i is what the other atom's charges are to m_i, q_j f₁ for a point charge.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DipolePair {
    /// x_i and x_j.
    pub(crate) charges: [f64; 2],
    /// b₁ and b₂.
    pub(crate) dipoles: [f64; 2],
}

impl DipolePair {
    /// Of point multipoles, from f₁ and f₂.
    fn point(charges: [f64; 2], [first, second]: [f64; 2]) -> Self {
        let [qi, qj] = charges;
        Self { charges: [qj * first, qi * first], dipoles: [first, second] }
    }

    fn flat(&self) -> [f64; 4] {
        let ([xi, xj], [b1, b2]) = (self.charges, self.dipoles);
        [xi, xj, b1, b2]
    }

    pub(crate) fn energy(&self, d: &Vec3, [mi, mj]: [&Vec3; 2]) -> f64 {
        dipole_energy(self.flat(), d, mi, mj)
    }

    /// ∂E/∂d, given the same numbers' derivatives in R over R.
    pub(crate) fn slope(&self, by_r: &Self, d: &Vec3, [mi, mj]: [&Vec3; 2]) -> Vec3 {
        dipole_slope(self.flat(), by_r.flat(), d, mi, mj)
    }
}

/// f, f₁, f₂, f₃ of `COULOMB`/R.
fn point_functions(r2: f64) -> [f64; 4] {
    point_multipole(r2).map(|f| COULOMB * f)
}

impl Direct {
    /// V_i += ∂E/∂q_i and its gradient += ∂E/∂m_i.
    pub(super) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        let rows = |(t, (v, g)): (usize, (&mut [f64], &mut [Vec3]))| {
            for (i, (v, g)) in (t * ROWS..).zip(v.iter_mut().zip(g)) {
                self.add_row(i, sources, v, g);
            }
        };
        potential
            .par_chunks_mut(ROWS)
            .zip(gradients.par_chunks_mut(ROWS))
            .enumerate()
            .with_min_len(MIN_PARALLEL / ROWS)
            .for_each(rows);
    }

    fn add_row(&self, i: usize, sources: Multipoles, potential: &mut f64, gradient: &mut Vec3) {
        let Multipoles { charges, dipoles } = sources;
        for (j, d) in self.others(i) {
            let [f, f1, f2, _] = point_functions(dot(&d, &d));
            *potential += charges[j] * f + dot(&dipoles[j], &d) * f1;
            let of_dipole = dipole_gradient(f1, f2, &d, &dipoles[j]);
            (0..3).for_each(|p| gradient[p] += of_dipole[p] - charges[j] * f1 * d[p]);
        }
    }

    /// Every other atom and where it is from atom i.
    fn others(&self, i: usize) -> impl Iterator<Item = (usize, Vec3)> {
        let a = self.positions()[i];
        let place = move |(j, b): (usize, &Vec3)| (j, [b[0] - a[0], b[1] - a[1], b[2] - a[2]]);
        self.positions().iter().enumerate().filter(move |&(j, _)| j != i).map(place)
    }

    /// Forces and virial of charges and dipoles.
    pub(super) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        let tasks = forces.par_chunks_mut(ROWS).enumerate().with_min_len(MIN_PARALLEL / ROWS);
        let rows = |(t, rows): (usize, &mut [Vec3])| {
            let mut virial = [[0.0; 3]; 3];
            for (i, force) in (t * ROWS..).zip(rows) {
                self.add_row_forces_of(i, sources, force, &mut virial);
            }
            virial
        };
        let parts: Vec<Mat3> = tasks.map(rows).collect();
        for part in parts {
            for (total, x) in virial.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                *total += x;
            }
        }
    }

    fn add_row_forces_of(&self, i: usize, s: Multipoles, force: &mut Vec3, virial: &mut Mat3) {
        for (j, d) in self.others(i) {
            let [_, f1, f2, f3] = point_functions(dot(&d, &d));
            let q = [s.charges[i], s.charges[j]];
            let (pair, by_r) = (DipolePair::point(q, [f1, f2]), DipolePair::point(q, [f2, f3]));
            let slope = pair.slope(&by_r, &d, [&s.dipoles[i], &s.dipoles[j]]);
            for p in 0..3 {
                let f = slope[p] + q[0] * q[1] * f1 * d[p];
                force[p] += f;
                (0..3).for_each(|k| virial[p][k] += 0.5 * f * d[k]);
            }
        }
    }
}
