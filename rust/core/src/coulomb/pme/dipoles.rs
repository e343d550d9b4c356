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
use super::super::scratch::Number;
use super::super::spline::Spline;
use super::kernels::{Incline, Slopes, add_scaled, for_planes, inner};
use super::{CHUNK, Pme};
use crate::structure::{Mat3, Vec3};

/// Charge, and dipole along the mesh, of the sorted atoms, with the slopes of their splines.
struct Sources<T> {
    strengths: Vec<[T; 4]>,
    slopes: Vec<T>,
}

/// Where potentials, ∂E/∂q, and ∂E/∂m of all atoms are added.
pub(in crate::coulomb) type Potentials<'a> = (&'a mut [f64], &'a mut [Vec3]);

impl<T: Number> Pme<T> {
    /// [`Pme::add_potential`] of charges and dipoles, and ∂E/∂m.
    pub(in crate::coulomb) fn add_multipole_potential(
        &self,
        sources: Multipoles,
        (potential, gradients): Potentials,
    ) {
        assert_eq!(sources.charges.len(), self.atoms.len(), "charges of the prepared atoms");
        self.own_terms(sources, (potential, gradients));
        for_order!(self, add_mesh_multipoles(sources, potential, gradients));
    }

    /// Background, and what atoms do to themselves on the mesh.
    fn own_terms(&self, sources: Multipoles, (potential, gradients): Potentials) {
        charge_terms(self.background(), sources.charges, potential);
        let own = own_gradient(self.alpha);
        for (g, m) in gradients.iter_mut().zip(sources.dipoles) {
            (0..3).for_each(|d| g[d] -= own * m[d]);
        }
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

    fn sorted_sources<const P: usize>(&self, mesh: &Mesh<T>, sources: Multipoles) -> Sources<T> {
        let scale = mesh.shape.map(|n| n as f64);
        let strengths = self.atoms.iter().map(|&i| {
            let m = sources.dipoles[i as usize];
            let [x, y, z] = [0, 1, 2].map(|axis| {
                scale[axis] * (0..3).map(|d| m[d] * mesh.inverse[d][axis]).sum::<f64>()
            });
            [sources.charges[i as usize], x, y, z].map(T::nearest)
        });
        let strengths = strengths.collect();
        let mut slopes = vec![T::zero(); 3 * P * self.atoms.len()];
        let spline = Spline::<P>::new();
        let tasks = slopes.par_chunks_mut(3 * P * CHUNK).zip(self.places.par_chunks(CHUNK));
        tasks.for_each(|(slopes, places)| {
            Arch::new().dispatch(Incline { spline: &spline, places, slopes });
        });
        Sources { strengths, slopes }
    }

    /// As [`Pme::spread`].
    fn spread_dipoles<const P: usize>(
        &self,
        mesh: &Mesh<T>,
        x: usize,
        sources: &Sources<T>,
        plane: &mut [T],
    ) {
        let nx = mesh.shape[0];
        for a in 0..P {
            let behind = (x + nx - a) % nx;
            let atoms = self.starts[behind] as usize..self.starts[behind + 1] as usize;
            let spread = SpreadDipoles::<T, P> { pme: self, mesh, a, atoms, sources, plane };
            Arch::new().dispatch(spread);
        }
    }
}

impl Pme {
    /// [`Pme::add_forces`] of charges and dipoles; potentials too, if asked for.
    pub(in crate::coulomb) fn add_multipole_forces(
        &self,
        sources: Multipoles,
        mut potentials: Option<Potentials>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(sources.charges.len(), self.atoms.len(), "charges of the prepared atoms");
        self.background().add_virial(sources.charges.iter().sum(), virial);
        if let Some((potential, gradients)) = &mut potentials {
            self.own_terms(sources, (potential, gradients));
        }
        for_order!(self, add_mesh_multipole_forces(sources, potentials, forces, virial));
    }

    fn add_mesh_multipole_forces<const P: usize>(
        &self,
        sources: Multipoles,
        mut potentials: Option<Potentials>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        let Some(mesh) = &self.mesh else { return };
        let sorted = self.sorted_sources::<P>(mesh, sources);
        let mut found = vec![Pulled::default(); self.atoms.len()];
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
        for (&i, (value, force, gradient)) in self.atoms.iter().zip(&found) {
            let i = i as usize;
            let m = &sources.dipoles[i];
            for p in 0..3 {
                forces[i][p] += force[p];
                // The dipoles stay as they are under strain.
                (0..3).for_each(|q| virial[p][q] -= gradient[p] * m[q]);
            }
            if let Some((potential, gradients)) = &mut potentials {
                potential[i] += value;
                (0..3).for_each(|d| gradients[i][d] += gradient[d]);
            }
        }
    }
}

/// Charges and dipoles of some atoms onto a plane, `a` planes after their first.
struct SpreadDipoles<'a, T: Number, const P: usize> {
    pme: &'a Pme<T>,
    mesh: &'a Mesh<T>,
    a: usize,
    atoms: std::ops::Range<usize>,
    sources: &'a Sources<T>,
    plane: &'a mut [T],
}

impl<T: Number, const P: usize> WithSimd for SpreadDipoles<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (ny, row, a) = (self.mesh.shape[1], self.mesh.row(), self.a);
        let slopes = self.sources.slopes.as_chunks::<P>().0;
        for i in self.atoms {
            let &[ref wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let &[ref dx, dy, dz] = &slopes[3 * i..3 * i + 3] else { continue };
            let [q, mx, my, mz] = self.sources.strengths[i];
            let [_, mut y, z] = self.pme.places[i].first.map(|m| m as usize);
            for b in 0..P {
                let across = (q * wx[a] + mx * dx[a]) * wy[b] + my * wx[a] * dy[b];
                let along = mz * wx[a] * wy[b];
                let start = y * row + z;
                let Some(out) = self.plane[start..start + P].first_chunk_mut() else { break };
                // Copies tell the compiler that no weight changes meanwhile.
                let mut sum = *out;
                add_scaled(&mut sum, across, &wz);
                add_scaled(&mut sum, along, &dz);
                *out = sum;
                y = if y + 1 == ny { 0 } else { y + 1 };
            }
        }
    }
}

/// Potential, force and gradient of the potential.
type Pulled = (f64, Vec3, Vec3);

/// Potential at some atoms, force on them, and gradient of the potential.
struct Pull<'a, const P: usize> {
    pme: &'a Pme,
    mesh: &'a Mesh<f64>,
    spline: &'a Spline<P>,
    values: &'a [f64],
    sources: &'a Sources<f64>,
    task: usize,
    out: &'a mut [Pulled],
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
            for_planes::<_, P>(self.mesh, place, |a, rows| {
                let [mut here, mut along, mut bent] = [[0.0; P]; 3];
                for b in 0..P {
                    let Some(row) = self.values[rows[b]..rows[b] + P].first_chunk() else { break };
                    add_scaled(&mut here, wy[b], row);
                    add_scaled(&mut along, dy[b], row);
                    add_scaled(&mut bent, cy[b], row);
                }
                let [s, sx, sy, sxx, syy, sxy] = &mut sums;
                add_scaled(s, wx[a], &here);
                add_scaled(sx, dx[a], &here);
                add_scaled(sy, wx[a], &along);
                add_scaled(sxx, cx[a], &here);
                add_scaled(syy, wx[a], &bent);
                add_scaled(sxy, dx[a], &along);
            });
            let [s, sx, sy, sxx, syy, sxy] = &sums;
            let gradient = [inner(sx, wz), inner(sy, wz), inner(s, &dz)];
            let (xx, yy, zz) = (inner(sxx, wz), inner(syy, wz), inner(s, &cz));
            let (yz, xz, xy) = (inner(sy, &dz), inner(sx, &dz), inner(sxy, wz));
            let hessian = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]];
            let [q, m @ ..] = self.sources.strengths[i];
            let force = [0, 1, 2]
                .map(|a| -q * gradient[a] - (0..3).map(|b| hessian[a][b] * m[b]).sum::<f64>());
            *out = (inner(s, wz), cartesian(force), cartesian(gradient));
        }
    }
}
