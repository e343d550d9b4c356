//! A small water-like potential with every ingredient of the model, for tests of laws.

use std::sync::Arc;

use ecteam_core::{Model, PotentialFile, Structure, Vec3};

pub(crate) const POTENTIAL: &str = include_str!("potential.json");

pub(crate) fn model() -> Arc<Model> {
    Arc::new(Model::new(PotentialFile::from_json(POTENTIAL).unwrap()).unwrap())
}

/// `n` waters on a grid 3.1 Å apart, deformed by a seeded pseudo-random shift of every atom.
pub(crate) fn waters(n: usize, shift: f64, seed: u64) -> (Vec<Vec3>, Vec<u8>, f64) {
    let side = (n as f64).cbrt().ceil() as usize;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let (mut positions, mut numbers) = (Vec::new(), Vec::new());
    for k in 0..n {
        let origin = [k % side, (k / side) % side, k / (side * side)].map(|x| 3.1 * x as f64);
        for (z, r) in [(8, [0.0; 3]), (1, [0.76, 0.59, 0.0]), (1, [-0.76, 0.59, 0.1])] {
            positions.push([0, 1, 2].map(|d| origin[d] + r[d] + shift * random()));
            numbers.push(z);
        }
    }
    (positions, numbers, 3.1 * side as f64)
}

/// Waters as a finite cluster.
pub(crate) fn cluster(n: usize, shift: f64, seed: u64) -> Structure {
    let (positions, numbers, _) = waters(n, shift, seed);
    Structure::new(positions, numbers, [[0.0; 3]; 3], [false; 3]).unwrap()
}

/// Waters in a slightly skewed periodic cell.
pub(crate) fn liquid(n: usize, shift: f64, seed: u64) -> Structure {
    let (positions, numbers, side) = waters(n, shift, seed);
    let cell = [[side, 0.0, 0.0], [0.1 * side, side, 0.0], [0.0, -0.05 * side, side]];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}
