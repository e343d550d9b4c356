//! Dipoles on the mesh: a dipole is the derivative m·∇ of a charge, and so are its spline weights.
//!
//! Along the axes of the mesh m has the components μ = n · (m · inverse), n mesh points per axis. The
//! energy is that of `pme` with the sources spread this way, everything else its exact derivative
//! (A. Toukmaji et al., J. Chem. Phys. 113, 10913 (2000)).

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::ewald::{charge_terms, own_gradient};
use super::super::mesh::{Mesh, with_values};
use super::super::multipoles::Multipoles;
use super::super::spline::Spline;
use super::kernels::{Slopes, for_rows, inner};
use super::{CHUNK, Pme};
use crate::structure::{Mat3, Vec3};

/// Charge, and dipole along the mesh, of the sorted atoms, with the slopes of their splines.
struct Sources {
    strengths: Vec<[f64; 4]>,
    slopes: Vec<f64>,
}

impl Pme {
    /// [`Pme::add_potential`] of charges and dipoles, and ∂E/∂m.
    pub(in crate::coulomb) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        assert_eq!(sources.charges.len(), self.atoms.len(), "charges of the prepared atoms");
        charge_terms(self.background(), sources.charges, potential);
        let own = own_gradient(self.alpha);
        for (g, m) in gradients.iter_mut().zip(sources.dipoles) {
            (0..3).for_each(|d| g[d] -= own * m[d]);
        }
        for_order!(self, add_mesh_multipoles(sources, potential, gradients));
    }

    /// [`Pme::add_forces`] of charges and dipoles.
    pub(in crate::coulomb) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(sources.charges.len(), self.atoms.len(), "charges of the prepared atoms");
        self.background().add_virial(sources.charges.iter().sum(), virial);
        for_order!(self, add_mesh_multipole_forces(sources, forces, virial));
    }

    fn add_mesh_multipoles<const P: usize>(
        &self,
        sources: Multipoles,
        potential: &mut [f64],
        gradients: &mut [Vec3],
    ) {
        let Some(mesh) = &self.mesh else { return };
        let sorted = self.sorted_sources::<P>(mesh, sources);
        let mut found = vec![[0.0; 4]; self.atoms.len()];
        let spline = Spline::<P>::new();
        with_values(mesh, |values| {
            mesh.convolve(|x, plane| self.spread_dipoles::<P>(mesh, x, &sorted, plane), values);
            found.par_chunks_mut(CHUNK).enumerate().for_each(|(task, out)| {
                let spline = &spline;
                Arch::new().dispatch(Slopes { pme: self, mesh, spline, values, task, out });
            });
        });
        for (&i, [v, gradient @ ..]) in self.atoms.iter().zip(&found) {
            potential[i as usize] += v;
            (0..3).for_each(|d| gradients[i as usize][d] += gradient[d]);
        }
    }

    fn add_mesh_multipole_forces<const P: usize>(
        &self,
        sources: Multipoles,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        let Some(mesh) = &self.mesh else { return };
        let sorted = self.sorted_sources::<P>(mesh, sources);
        let mut found = vec![[[0.0; 3]; 2]; self.atoms.len()];
        let spline = Spline::<P>::new();
        let added = with_values(mesh, |values| {
            let spread =
                |x: usize, plane: &mut [f64]| self.spread_dipoles::<P>(mesh, x, &sorted, plane);
            let added = mesh.convolve_with_virial(spread, values);
            found.par_chunks_mut(CHUNK).enumerate().for_each(|(task, out)| {
                let (spline, sources) = (&spline, &sorted);
                let pull = Pull { pme: self, mesh, spline, values, sources, task, out };
                Arch::new().dispatch(pull);
            });
            added
        });
        for (row, added) in virial.iter_mut().zip(added) {
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        }
        for (&i, [force, gradient]) in self.atoms.iter().zip(&found) {
            let m = &sources.dipoles[i as usize];
            for p in 0..3 {
                forces[i as usize][p] += force[p];
                // The dipoles stay as they are under strain.
                (0..3).for_each(|q| virial[p][q] -= gradient[p] * m[q]);
            }
        }
    }

    fn sorted_sources<const P: usize>(&self, mesh: &Mesh<f64>, sources: Multipoles) -> Sources {
        let scale = mesh.shape.map(|n| n as f64);
        let strengths = self.atoms.iter().map(|&i| {
            let m = sources.dipoles[i as usize];
            let [x, y, z] = [0, 1, 2].map(|axis| {
                scale[axis] * (0..3).map(|d| m[d] * mesh.inverse[d][axis]).sum::<f64>()
            });
            [sources.charges[i as usize], x, y, z]
        });
        let strengths = strengths.collect();
        let mut slopes = vec![0.0; 3 * P * self.atoms.len()];
        let spline = Spline::<P>::new();
        let tasks = slopes.par_chunks_mut(3 * P).zip(&self.places).with_min_len(CHUNK);
        tasks.for_each(|(out, place)| {
            for (out, t) in out.as_chunks_mut::<P>().0.iter_mut().zip(place.past) {
                *out = spline.slopes(t);
            }
        });
        Sources { strengths, slopes }
    }

    /// As [`Pme::spread`].
    fn spread_dipoles<const P: usize>(
        &self,
        mesh: &Mesh<f64>,
        x: usize,
        sources: &Sources,
        plane: &mut [f64],
    ) {
        let nx = mesh.shape[0];
        for a in 0..P {
            let behind = (x + nx - a) % nx;
            let atoms = self.starts[behind] as usize..self.starts[behind + 1] as usize;
            Arch::new().dispatch(SpreadDipoles::<P> { pme: self, mesh, a, atoms, sources, plane });
        }
    }
}

/// Charges and dipoles of some atoms onto a plane, `a` planes after their first.
struct SpreadDipoles<'a, const P: usize> {
    pme: &'a Pme,
    mesh: &'a Mesh<f64>,
    a: usize,
    atoms: std::ops::Range<usize>,
    sources: &'a Sources,
    plane: &'a mut [f64],
}

impl<const P: usize> WithSimd for SpreadDipoles<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (ny, row, a) = (self.mesh.shape[1], self.mesh.row(), self.a);
        let slopes = self.sources.slopes.as_chunks::<P>().0;
        for i in self.atoms {
            let [wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let [dx, dy, dz] = &slopes[3 * i..3 * i + 3] else { continue };
            let [q, mx, my, mz] = self.sources.strengths[i];
            let [_, mut y, z] = self.pme.places[i].first.map(|m| m as usize);
            for b in 0..P {
                let across = (q * wx[a] + mx * dx[a]) * wy[b] + my * wx[a] * dy[b];
                let along = mz * wx[a] * wy[b];
                let start = y * row + z;
                let out = &mut self.plane[start..start + P];
                for c in 0..P {
                    out[c] += across * wz[c] + along * dz[c];
                }
                y = if y + 1 == ny { 0 } else { y + 1 };
            }
        }
    }
}

/// Force on some atoms, and gradient of the potential at them.
struct Pull<'a, const P: usize> {
    pme: &'a Pme,
    mesh: &'a Mesh<f64>,
    spline: &'a Spline<P>,
    values: &'a [f64],
    sources: &'a Sources,
    task: usize,
    out: &'a mut [[Vec3; 2]],
}

impl<const P: usize> WithSimd for Pull<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let scale = self.mesh.shape.map(|n| n as f64);
        let inverse = self.mesh.inverse;
        let cartesian = |along: Vec3| {
            inverse.map(|row| (0..3).map(|a| row[a] * scale[a] * along[a]).sum::<f64>())
        };
        for (i, out) in (self.task * CHUNK..).zip(self.out) {
            let place = &self.pme.places[i];
            let [wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let [dx, dy, dz] = place.past.map(|t| self.spline.slopes(t));
            let [cx, cy, cz] = place.past.map(|t| self.spline.curvatures(t));
            // By the orders of the derivatives along the first two axes: 00, 10, 01, 20, 02, 11.
            let mut sums = [[0.0; P]; 6];
            for_rows::<_, P>(self.mesh, place, |a, b, start| {
                let row = &self.values[start..start + P];
                let factors = [
                    wx[a] * wy[b],
                    dx[a] * wy[b],
                    wx[a] * dy[b],
                    cx[a] * wy[b],
                    wx[a] * cy[b],
                    dx[a] * dy[b],
                ];
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    for c in 0..P {
                        sum[c] += factor * row[c];
                    }
                }
            });
            let [s, sx, sy, sxx, syy, sxy] = &sums;
            let gradient = [inner(sx, wz), inner(sy, wz), inner(s, &dz)];
            let (xx, yy, zz) = (inner(sxx, wz), inner(syy, wz), inner(s, &cz));
            let (yz, xz, xy) = (inner(sy, &dz), inner(sx, &dz), inner(sxy, wz));
            let hessian = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]];
            let [q, m @ ..] = self.sources.strengths[i];
            let force = [0, 1, 2]
                .map(|a| -q * gradient[a] - (0..3).map(|b| hessian[a][b] * m[b]).sum::<f64>());
            *out = [cartesian(force), cartesian(gradient)];
        }
    }
}
