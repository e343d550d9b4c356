//! The mesh on which the preconditioner sees the long-ranged part of the point charges.

use std::f64::consts::PI;

use super::Energy;
use super::couplings::NEAR;
use crate::COULOMB;
use crate::ensemble::Field;
use crate::structure::Mat3;

/// Meshes of fewer nodes than this bring nothing: the couplings' screening suits small cells.
const FEWEST: usize = 27;

impl Energy<'_> {
    /// None for systems without a mesh of their own: they are finite or small.
    pub(super) fn coarse_field(&self) -> Option<Field> {
        let (inverse, fractions) = self.geometry.coulomb?.fractions()?;
        let metric = metric(&inverse);
        // Nodes as far apart as the atoms of one row of the sparse inverse can be.
        let nodes = |d: usize| (1.0 / (2.0 * NEAR * metric[d][d].sqrt())) as usize;
        let shape = [0, 1, 2].map(|d| nodes(d).max(1));
        if shape.iter().product::<usize>() < FEWEST {
            return None;
        }
        let place = |s: &[f64; 3]| {
            let u = [0, 1, 2].map(|d| s[d] * shape[d] as f64);
            let first = [0, 1, 2].map(|d| (u[d] as usize).min(shape[d] - 1));
            (first.map(|m| m as u32), [0, 1, 2].map(|d| u[d] - first[d] as f64))
        };
        let places = fractions.iter().map(place).collect();
        Some(Field { shape, places, stiffness: stiffness(&metric, shape, determinant(&inverse)) })
    }
}

/// Scalar products of the gradients of the fractional coordinates, Å⁻².
fn metric(inverse: &Mat3) -> Mat3 {
    [0, 1, 2].map(|a| [0, 1, 2].map(|b| inverse.iter().map(|row| row[a] * row[b]).sum()))
}

fn determinant([a, b, c]: &Mat3) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// ∫∇φ·∇φ′/(4π `COULOMB`) of trilinear functions φ at a node and φ′ at the nodes around it.
fn stiffness(metric: &Mat3, shape: [usize; 3], determinant: f64) -> [[[f64; 3]; 3]; 3] {
    let n = shape.map(|n| n as f64);
    let volume = 1.0 / (determinant.abs() * n[0] * n[1] * n[2]);
    // ∫φφ′, ∫φφ′′ (of the slope of φ′) and the integral of the product of their slopes, at −1, 0, 1.
    let mass = [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0];
    let slope = [-0.5, 0.0, 0.5];
    let bend = [-1.0, 2.0, -1.0];
    let mut sum = [[[0.0; 3]; 3]; 3];
    for a in 0..3 {
        for b in 0..3 {
            let factor = |d: usize, k: usize| match (d == a, d == b) {
                (true, true) => bend[k],
                (false, false) => mass[k],
                (true, false) => -slope[k],
                (false, true) => slope[k],
            };
            let scale = metric[a][b] * n[a] * n[b] * volume / (4.0 * PI * COULOMB);
            for k in 0..27 {
                let [x, y, z] = [k / 9, k / 3 % 3, k % 3];
                sum[x][y][z] += scale * factor(0, x) * factor(1, y) * factor(2, z);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::{dot, inverse};

    /// The waves of a triclinic cell: V_node k²/(4π COULOMB), in second order of the spacing.
    #[test]
    fn stiffness_is_the_inverse_of_the_coulomb_interaction() {
        let cell = [[31.0, 0.0, 0.0], [4.0, 28.0, 0.0], [-3.0, 5.0, 40.0]];
        let (inverse, shape) = (inverse(&cell), [40, 36, 44]);
        let found = stiffness(&metric(&inverse), shape, determinant(&inverse));
        let volume = 31.0 * 28.0 * 40.0 / (40.0 * 36.0 * 44.0);
        for m in [[1.0, 0.0, 0.0], [0.0, 1.0, 2.0], [1.0, -1.0, 1.0], [-2.0, 1.0, 0.0]] {
            let k = inverse.map(|row| 2.0 * PI * dot(&row, &m));
            let mut sum = 0.0;
            for i in 0..27_usize {
                let offset = [i / 9, i / 3 % 3, i % 3];
                let phase: f64 = (0..3)
                    .map(|d| 2.0 * PI * m[d] * (offset[d] as f64 - 1.0) / shape[d] as f64)
                    .sum();
                sum += found[offset[0]][offset[1]][offset[2]] * phase.cos();
            }
            let expected = volume * dot(&k, &k) / (4.0 * PI * COULOMB);
            assert!((sum / expected - 1.0).abs() < 0.02, "{m:?}: {sum} {expected}");
        }
        let total: f64 = found.iter().flatten().flatten().sum();
        assert!(total.abs() < 1e-12 * found[1][1][1]);
    }
}
