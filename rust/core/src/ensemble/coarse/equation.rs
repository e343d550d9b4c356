//! Conjugate gradients on the mesh.

use rayon::prelude::*;

use super::{BATCH, Coarse, REACH};
use crate::parallel::dot;

/// Relative residual of the equation on the mesh, and the most iterations.
const ACCURACY: f64 = 1e-9;
const MAX_ITERATIONS: usize = 200;

impl Coarse {
    /// Preconditioned with the diagonal.
    pub(super) fn conjugate_gradients(&self, [b, x, r, z, p, product]: &mut [Vec<f64>; 6]) {
        let diagonal = self.diagonal();
        x.fill(0.0);
        r.copy_from_slice(b);
        let precondition = |r: &[f64], z: &mut [f64]| {
            z.iter_mut().zip(r).zip(&diagonal).for_each(|((z, r), d)| *z = r / d);
        };
        precondition(r, z);
        p.copy_from_slice(z);
        let mut rz = dot(r, z);
        let enough = ACCURACY * ACCURACY * rz;
        for _ in 0..MAX_ITERATIONS {
            if rz <= enough {
                return;
            }
            self.multiply(p, product);
            let alpha = rz / dot(p, product);
            x.iter_mut().zip(&*p).for_each(|(x, p)| *x += alpha * p);
            r.iter_mut().zip(&*product).for_each(|(r, q)| *r -= alpha * q);
            precondition(r, z);
            let next = dot(r, z);
            let beta = next / rz;
            p.iter_mut().zip(&*z).for_each(|(p, z)| *p = z + beta * *p);
            rz = next;
        }
    }

    fn diagonal(&self) -> Vec<f64> {
        let own = (0..3).fold(0, |own, d| {
            let n = self.field.shape[d];
            own * self.width[d] + if n < REACH { 0 } else { 2 }
        });
        self.matrix.chunks_exact(self.couplings()).map(|row| row[own]).collect()
    }

    fn multiply(&self, x: &[f64], out: &mut [f64]) {
        let n = self.field.shape;
        let back = n.map(|n| if n < REACH { 0 } else { n - 2 });
        let rows = self.matrix.par_chunks_exact(self.couplings());
        let tasks = rows.zip(out).enumerate().with_min_len(BATCH);
        tasks.for_each(|(node, (row, out))| {
            let at = self.position(node).map(|x| x as usize);
            let mut sum = 0.0;
            let mut values = row.iter();
            for i in 0..self.width[0] {
                let plane = (at[0] + back[0] + i) % n[0] * n[1];
                for j in 0..self.width[1] {
                    let line = (plane + (at[1] + back[1] + j) % n[1]) * n[2];
                    let mut k = (at[2] + back[2]) % n[2];
                    for value in values.by_ref().take(self.width[2]) {
                        sum += value * x[line + k];
                        k = if k + 1 == n[2] { 0 } else { k + 1 };
                    }
                }
            }
            *out = sum;
        });
    }
}
