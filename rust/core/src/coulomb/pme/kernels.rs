//! The loops over atoms and mesh points, compiled for the vector instructions at hand.

use pulp::{Simd, WithSimd};

use super::super::mesh::{Mesh, Place};
use super::super::scratch::Number;
use super::super::spline::Spline;
use super::{CHUNK, Pme};

/// Spline weights of some atoms.
pub(super) struct Weigh<'a, T: Number, const P: usize> {
    pub(super) spline: &'a Spline<P>,
    pub(super) places: &'a [Place],
    pub(super) weights: &'a mut [T],
}

impl<T: Number, const P: usize> WithSimd for Weigh<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (place, out) in
            self.places.iter().zip(self.weights.as_chunks_mut::<P>().0.chunks_exact_mut(3))
        {
            for d in 0..3 {
                out[d] = self.spline.weights(place.past[d]).map(T::nearest);
            }
        }
    }
}

/// Derivatives of the spline weights of some atoms.
pub(super) struct Incline<'a, T: Number, const P: usize> {
    pub(super) spline: &'a Spline<P>,
    pub(super) places: &'a [Place],
    pub(super) slopes: &'a mut [T],
}

impl<T: Number, const P: usize> WithSimd for Incline<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.slopes.as_chunks_mut::<P>().0.chunks_exact_mut(3);
        for (place, out) in self.places.iter().zip(rows) {
            for d in 0..3 {
                out[d] = self.spline.slopes(place.past[d]).map(T::nearest);
            }
        }
    }
}

impl<T: Number> Pme<T> {
    /// Weights of a sorted atom along the three axes.
    #[inline(always)]
    pub(super) fn weights_of<const P: usize>(&self, sorted: usize) -> &[[T; P]] {
        &self.weights.as_chunks::<P>().0[3 * sorted..3 * sorted + 3]
    }
}

/// Charges of some atoms onto a plane, `a` planes after their first.
pub(super) struct Spread<'a, T: Number, const P: usize> {
    pub(super) pme: &'a Pme<T>,
    pub(super) mesh: &'a Mesh<T>,
    pub(super) a: usize,
    pub(super) atoms: std::ops::Range<usize>,
    pub(super) charges: &'a [T],
    pub(super) plane: &'a mut [T],
}

impl<T: Number, const P: usize> WithSimd for Spread<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (ny, row) = (self.mesh.shape[1], self.mesh.row());
        for i in self.atoms {
            let &[ref wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let strength = self.charges[i] * wx[self.a];
            let [_, mut y, z] = self.pme.places[i].first.map(|m| m as usize);
            for b in 0..P {
                let factor = strength * wy[b];
                let start = y * row + z;
                let Some(out) = self.plane[start..start + P].first_chunk_mut() else { break };
                // Copies tell the compiler that no weight changes meanwhile.
                let mut sum = *out;
                add_scaled(&mut sum, factor, &wz);
                *out = sum;
                y = if y + 1 == ny { 0 } else { y + 1 };
            }
        }
    }
}

/// `sum` += factor·values, in lanes: where a loop does much more, the compiler was found to leave it
/// scalar. Loops that it does not leave so are 3 % of a step faster as they are.
#[inline(always)]
pub(super) fn add_scaled<T: Number, const P: usize>(sum: &mut [T; P], factor: T, values: &[T; P]) {
    for c in 0..P {
        sum[c] += factor * values[c];
    }
}

/// Potential at some atoms.
pub(super) struct Gather<'a, T: Number, const P: usize> {
    pub(super) pme: &'a Pme<T>,
    pub(super) mesh: &'a Mesh<T>,
    pub(super) values: &'a [T],
    pub(super) task: usize,
    pub(super) out: &'a mut [T],
}

impl<T: Number, const P: usize> WithSimd for Gather<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (i, out) in (self.task * CHUNK..).zip(self.out) {
            let [wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let mut sum = [T::zero(); P];
            for_planes::<_, P>(self.mesh, &self.pme.places[i], |a, rows| {
                for b in 0..P {
                    let factor = wx[a] * wy[b];
                    let row = &self.values[rows[b]..rows[b] + P];
                    for c in 0..P {
                        sum[c] += factor * row[c];
                    }
                }
            });
            *out = inner(&sum, wz);
        }
    }
}

/// Potential and its gradient at some atoms.
pub(super) struct Slopes<'a, T: Number, const P: usize> {
    pub(super) pme: &'a Pme<T>,
    pub(super) mesh: &'a Mesh<T>,
    pub(super) spline: &'a Spline<P>,
    pub(super) values: &'a [T],
    pub(super) task: usize,
    pub(super) out: &'a mut [[f64; 4]],
}

impl<T: Number, const P: usize> WithSimd for Slopes<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (i, out) in (self.task * CHUNK..).zip(self.out) {
            let place = &self.pme.places[i];
            let [wx, wy, wz] = self.pme.weights_of::<P>(i) else { continue };
            let [dx, dy, dz] = place.past.map(|t| self.spline.slopes(t).map(T::nearest));
            let [mut sum, mut along_x, mut along_y] = [[T::zero(); P]; 3];
            for_planes::<_, P>(self.mesh, place, |a, rows| {
                let [mut here, mut along] = [[T::zero(); P]; 2];
                for b in 0..P {
                    let row = &self.values[rows[b]..rows[b] + P];
                    for c in 0..P {
                        here[c] += wy[b] * row[c];
                        along[c] += dy[b] * row[c];
                    }
                }
                for c in 0..P {
                    sum[c] += wx[a] * here[c];
                    along_x[c] += dx[a] * here[c];
                    along_y[c] += wx[a] * along[c];
                }
            });
            let slopes = [inner(&along_x, wz), inner(&along_y, wz), inner(&sum, &dz)];
            let n = self.mesh.shape;
            let scaled = [0, 1, 2].map(|d| slopes[d].double() * n[d] as f64);
            let gradient = self
                .mesh
                .inverse
                .map(|row| row[0] * scaled[0] + row[1] * scaled[1] + row[2] * scaled[2]);
            *out = [inner(&sum, wz).double(), gradient[0], gradient[1], gradient[2]];
        }
    }
}

/// Call `visit(a, rows)` with the starts of the P rows of each of the P planes around an atom.
#[inline(always)]
pub(super) fn for_planes<T: Number, const P: usize>(
    mesh: &Mesh<T>,
    place: &Place,
    mut visit: impl FnMut(usize, [usize; P]),
) {
    let [nx, ny, _] = mesh.shape;
    let [mut x, mut y, z] = place.first.map(|m| m as usize);
    let mut rows = [0; P];
    for row in &mut rows {
        *row = y * mesh.row() + z;
        y = if y + 1 == ny { 0 } else { y + 1 };
    }
    for a in 0..P {
        visit(a, rows.map(|row| x * mesh.plane() + row));
        x = if x + 1 == nx { 0 } else { x + 1 };
    }
}

#[inline(always)]
pub(super) fn inner<T: Number, const P: usize>(a: &[T; P], b: &[T; P]) -> T {
    let mut sum = T::zero();
    for c in 0..P {
        sum += a[c] * b[c];
    }
    sum
}
