//! A small water-like potential with every ingredient of the model, for tests of laws.

use std::sync::Arc;

use ecteam_core::{Model, PotentialFile, Structure, Vec3};

pub const POTENTIAL: &str = r#"{
 "format": "ecteam/1", "name": "toy", "description": "toy water", "citation": "none",
 "units": {"energy": "eV", "length": "Å", "charge": "e"},
 "elements": {
  "H": {"states": [
   {"name": "ground", "charge": 0, "multiplicity": 2, "energy": 0,
    "rbf": {"exponents": [3.779], "coefficients": [1]},
    "embedding": {"form": "root_polynomial", "shift": 0.02, "coefficients": [-2.0, 0.9, 0.3]}},
   {"name": "cation", "charge": 1, "multiplicity": 1, "energy": 13.6,
    "rbf": {"exponents": [], "coefficients": []},
    "embedding": {"form": "root_polynomial", "shift": 0.02, "coefficients": [-1.0, 0.4]}}]},
  "O": {"states": [
   {"name": "ground", "charge": 0, "multiplicity": 3, "energy": 0,
    "rbf": {"exponents": [29.0, 4.9], "coefficients": [2, 6]},
    "embedding": {"form": "root_polynomial", "shift": 0.02, "coefficients": [-1.5, 0.8, 0.2]}},
   {"name": "anion", "charge": -1, "multiplicity": 2, "energy": -1.4,
    "rbf": {"exponents": [29.0, 4.4], "coefficients": [2, 7]},
    "embedding": {"form": "root_polynomial", "shift": 0.02, "coefficients": [-0.8, 0.8]}},
   {"name": "dianion", "charge": -2, "multiplicity": 1, "energy": 6.0, "bound": false,
    "rbf": {"exponents": [29.0, 3.9], "coefficients": [2, 8]},
    "embedding": {"form": "root_polynomial", "shift": 0.02, "coefficients": [-0.5, 0.8]}}]}},
 "repulsions": [
  {"pair": ["O", "H"], "function": {"form": "exponential", "amplitude": 90, "decay": 3.6}},
  {"pair": ["O", "O"], "function": {"form": "exponential", "amplitude": 900, "decay": 3.4}},
  {"pair": ["H", "H"], "function": {"form": "exponential", "amplitude": 30, "decay": 3.3}},
  {"pair": ["H", "O"], "states": ["ground", "anion"],
   "function": {"form": "exponential", "amplitude": 5, "decay": 3.0}}],
 "resonances": [
  {"pair": ["H", "O"], "first": ["ground", "cation"], "second": ["ground", "anion"],
   "amplitude": {"form": "exponential", "amplitude": 20, "decay": 1.6}},
  {"pair": ["H", "O"], "first": ["ground", "cation"], "second": ["anion", "dianion"],
   "amplitude": {"form": "exponential", "amplitude": 15, "decay": 1.6}},
  {"pair": ["O", "O"], "first": ["ground", "anion"], "second": ["anion", "ground"],
   "amplitude": {"form": "exponential", "amplitude": 3, "decay": 1.5}}],
 "electronic_temperature": 0.2,
 "cutoff": {"radius": 6.0, "switch_width": 1.5}
}"#;

pub fn model() -> Arc<Model> {
    Arc::new(Model::new(PotentialFile::from_json(POTENTIAL).unwrap()).unwrap())
}

/// `n` waters on a grid 3.1 Å apart, deformed by a seeded pseudo-random shift of every atom.
pub fn waters(n: usize, shift: f64, seed: u64) -> (Vec<Vec3>, Vec<u8>, f64) {
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
pub fn cluster(n: usize, shift: f64, seed: u64) -> Structure {
    let (positions, numbers, _) = waters(n, shift, seed);
    Structure::new(positions, numbers, [[0.0; 3]; 3], [false; 3]).unwrap()
}

/// Waters in a slightly skewed periodic cell.
pub fn liquid(n: usize, shift: f64, seed: u64) -> Structure {
    let (positions, numbers, side) = waters(n, shift, seed);
    let cell = [[side, 0.0, 0.0], [0.1 * side, side, 0.0], [0.0, -0.05 * side, side]];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}
