//! Random structures, and the obvious way to find all images of all atoms.

use ecteam_core::structure::{norm, times};
use ecteam_core::{Mat3, Structure, Vec3};
use proptest::prelude::*;

/// Every `(j, S, R_j + S·cell − point)` within `cutoff` of a point: all images, one by one.
pub(crate) fn images_within(structure: &Structure, point: &Vec3, cutoff: f64) -> Vec<Found> {
    let mut found = Vec::new();
    for (j, position) in structure.positions().iter().enumerate() {
        let offset = [0, 1, 2].map(|d| position[d] - point[d]);
        let [xs, ys, zs] = ranges(structure, &offset, cutoff);
        for x in xs.0..=xs.1 {
            for y in ys.0..=ys.1 {
                for z in zs.0..=zs.1 {
                    let shift = [x, y, z];
                    let translation = times(&shift.map(f64::from), structure.cell());
                    let vector = [0, 1, 2].map(|d| offset[d] + translation[d]);
                    if norm(&vector) < cutoff {
                        found.push(Found { j: j as u32, shift, vector });
                    }
                }
            }
        }
    }
    found
}

/// One image of atom `j`, seen from a point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) j: u32,
    pub(crate) shift: [i32; 3],
    pub(crate) vector: Vec3,
}

/// Shifts that can bring `offset` into a sphere: `|(offset + S·cell)·normal_d| ≤ cutoff`.
fn ranges(structure: &Structure, offset: &Vec3, cutoff: f64) -> [(i32, i32); 3] {
    let fractional = times(offset, structure.inverse());
    let heights = structure.heights();
    [0, 1, 2].map(|d| {
        if !structure.pbc()[d] {
            return (0, 0);
        }
        let reach = cutoff / heights[d];
        let low = (-fractional[d] - reach).floor() as i32;
        let high = (-fractional[d] + reach).ceil() as i32;
        (low, high)
    })
}

/// Cells that are orthorhombic, triclinic, skewed by many lengths, left-handed, and small.
pub(crate) fn cells() -> impl Strategy<Value = Mat3> {
    let lengths = prop::array::uniform3(1.5..9.0_f64);
    let skew = prop::array::uniform3(prop_oneof![Just(0.0), -0.6..0.6_f64, -7.0..7.0_f64]);
    let general = prop::array::uniform3(prop::array::uniform3(-6.0..6.0_f64));
    let skewed = (lengths, skew, any::<bool>()).prop_map(|(l, s, left)| {
        let a = [if left { -l[0] } else { l[0] }, 0.0, 0.0];
        let b = [s[0] * l[0], l[1], 0.0];
        let c = [s[1] * l[0], s[2] * l[1], l[2]];
        [a, b, c]
    });
    prop_oneof![3 => skewed, 1 => general.prop_filter("flat", |m| relative_volume(m) > 0.05)]
}

fn relative_volume(m: &Mat3) -> f64 {
    let cross = ecteam_core::structure::cross(&m[1], &m[2]);
    let lengths: f64 = m.iter().map(norm).product();
    ecteam_core::structure::dot(&m[0], &cross).abs() / lengths
}

/// Structures with up to `most` atoms, inside and outside of the cell, some in one place.
pub(crate) fn structures(most: usize) -> impl Strategy<Value = Structure> {
    let spread = prop_oneof![Just(4.0), Just(12.0), Just(60.0)];
    let atoms = prop::collection::vec(prop::array::uniform3(-1.0..1.0_f64), 0..=most);
    let pbc = prop::array::uniform3(any::<bool>());
    (atoms, cells(), pbc, spread, any::<bool>()).prop_map(|(mut atoms, cell, pbc, spread, twin)| {
        for atom in &mut atoms {
            *atom = atom.map(|x| x * spread);
        }
        if twin && atoms.len() > 1 {
            atoms[1] = atoms[0];
        }
        let numbers = vec![1; atoms.len()];
        Structure::new(atoms, numbers, cell, pbc).unwrap()
    })
}

/// fcc crystal of `n`³ cubic cells of 4 atoms, all moved a little from their sites.
pub(crate) fn fcc(n: usize, lattice: f64) -> Structure {
    let sites = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let mut positions = Vec::new();
    for k in 0..n * n * n {
        let corner = [k / (n * n), k / n % n, k % n];
        for site in sites {
            let seed = positions.len() as f64;
            let wobble = [0, 1, 2].map(|d| 0.05 * (seed * 1.7 + 2.1 * f64::from(d)).sin());
            positions.push([0, 1, 2].map(|d| (corner[d] as f64 + site[d]) * lattice + wobble[d]));
        }
    }
    let length = n as f64 * lattice;
    let cell = [[length, 0.0, 0.0], [0.0, length, 0.0], [0.0, 0.0, length]];
    let numbers = vec![29; positions.len()];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}
