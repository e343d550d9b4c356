//! Potentials with one neutral state per element against sums over all images written out.
#![allow(clippy::unwrap_used, dead_code)]

use std::sync::Arc;

use ecteam_core::ensemble::Charge;
use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::structure::{dot, norm};
use ecteam_core::{Error, Evaluation, Mat3, Model, PotentialFile, Structure, Vec3};
use proptest::prelude::*;
use serde_json::{Value, json};

mod common;
use common::{fcc, images_within, structures};

const CUTOFF: f64 = 4.0;
const SPACING: f64 = 0.004;

fn table(f: impl Fn(f64) -> f64) -> Value {
    let values: Vec<f64> = (0..=1000).map(|k| f(SPACING * f64::from(k))).collect();
    json!({"spacing": SPACING, "values": values})
}

/// Smooth to zero at the cutoff, with a kink in the third derivative at 2.9 Å if asked for.
fn decay(strength: f64, rate: f64, kink: f64) -> impl Fn(f64) -> f64 {
    move |r| {
        let s = (1.0 - r / CUTOFF).max(0.0);
        strength * (-rate * r).exp() * s.powi(4) + kink * (2.9 - r).max(0.0).powi(3)
    }
}

fn element(to_copper: f64, to_gold: f64) -> Value {
    let embedding: Vec<f64> = (0..=4000).map(|k| -(0.01 * f64::from(k)).sqrt()).collect();
    let densities = json!({
        "Cu": table(decay(to_copper, 0.9, 0.0)), "Au": table(decay(to_gold, 0.7, 0.01)),
    });
    let state = json!({
        "name": "ground", "charge": 0.0, "multiplicity": 1, "energy": 0.0, "bound": true,
        "density_tables": densities,
        "embedding": {"form": "tabulated", "spacing": 0.01, "values": embedding},
        "provenance": "made up",
    });
    json!({"states": [state]})
}

fn repulsion(pair: [&str; 2], strength: f64, kink: f64) -> Value {
    let phi = decay(strength, 1.3, kink);
    let mut function = table(|r| r * phi(r));
    function["form"] = "tabulated_times_r".into();
    json!({"pair": pair, "function": function})
}

/// Densities depend on both elements, as in eam/fs.
fn model() -> Arc<Model> {
    let file = json!({
        "format": "ecteam/1", "name": "toy", "description": "made up", "citation": "none",
        "units": {"energy": "eV", "length": "Å", "charge": "e"},
        "elements": {"Cu": element(9.0, 7.0), "Au": element(12.0, 15.0)},
        "repulsions": [
            repulsion(["Cu", "Cu"], 90.0, 0.0),
            repulsion(["Cu", "Au"], 120.0, 0.05),
            repulsion(["Au", "Au"], 150.0, 0.02),
        ],
        "resonances": [], "electronic_temperature": 0.0,
        "cutoff": {"radius": CUTOFF, "switch_width": 0.0},
    });
    Arc::new(Model::new(PotentialFile::from_json(&file.to_string()).unwrap()).unwrap())
}

fn with_numbers(structure: &Structure, number: impl Fn(usize) -> u8) -> Structure {
    let numbers = (0..structure.len()).map(number).collect();
    let positions = structure.positions().to_vec();
    Structure::new(positions, numbers, *structure.cell(), structure.pbc()).unwrap()
}

fn alloy(structure: &Structure) -> Structure {
    with_numbers(structure, |k| if k % 3 == 1 { 79 } else { 29 })
}

fn evaluate(structure: &Structure) -> Result<Evaluation, Error> {
    Evaluator::new(model(), Options::default()).unwrap().evaluate(
        structure,
        &Charge::Total(0.0),
        false,
    )
}

/// φ, its slope, and density and slope at the first atom, from the model's own tables.
fn functions(model: &Model, [a, b]: [u8; 2], r: f64) -> [f64; 4] {
    let (low, high) = (a.min(b), a.max(b));
    let pair = model.pair(usize::from(low), usize::from(high));
    let (mut value, mut slope) = ([0.0; 3], [0.0; 3]);
    pair.table.values(&pair.table.lookup(r), &mut value);
    pair.table.slopes(&pair.table.lookup(r), &mut slope);
    let at = if a <= b { 1 } else { 2 };
    let phi = value[0] / r;
    [phi, (slope[0] - phi) / r, value[at], slope[at]]
}

struct Oracle {
    energies: Vec<f64>,
    forces: Vec<Vec3>,
    virial: Mat3,
    /// 1 + the sum of the absolute values of all that is added, for each atom.
    scales: Vec<f64>,
}

/// Every pair from both of its atoms.
fn oracle(structure: &Structure) -> Oracle {
    let model = model();
    let elements = model.elements_of(structure.numbers()).unwrap();
    let around: Vec<Vec<(usize, Vec3)>> = (0..structure.len())
        .map(|i| {
            let found = images_within(structure, &structure.positions()[i], CUTOFF).into_iter();
            let others = found.filter(|f| f.j as usize != i || f.shift != [0; 3]);
            others.map(|f| (f.j as usize, f.vector)).collect()
        })
        .collect();
    let at = |i: usize, j: usize, r: f64| functions(&model, [elements[i], elements[j]], r);
    let n = structure.len();
    let mut found = Oracle {
        energies: vec![0.0; n],
        forces: vec![[0.0; 3]; n],
        virial: [[0.0; 3]; 3],
        scales: vec![1.0; n],
    };
    let embedding: Vec<[f64; 3]> = (0..n)
        .map(|i| {
            let density = around[i].iter().map(|(j, v)| at(i, *j, norm(v))[2]).sum();
            model.elements()[usize::from(elements[i])].states[0].embedding(density)
        })
        .collect();
    for i in 0..n {
        found.energies[i] += embedding[i][0];
        for (j, vector) in &around[i] {
            let r = norm(vector);
            let [phi, slope, _, density] = at(i, *j, r);
            let back = at(*j, i, r)[3];
            found.energies[i] += 0.5 * phi;
            let total = slope + embedding[i][1] * density + embedding[*j][1] * back;
            found.scales[i] += phi.abs() + total.abs();
            for p in 0..3 {
                found.forces[i][p] += total * vector[p] / r;
                for q in 0..3 {
                    found.virial[p][q] += 0.5 * total * vector[p] * vector[q] / r;
                }
            }
        }
    }
    found
}

fn assert_close(found: &Evaluation, exact: &Oracle) {
    // The compact tables stay within 1e-9 eV and 2e-8 eV/Å of the model's.
    for (i, scale) in exact.scales.iter().enumerate() {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-8 * scale;
        let (a, b) = (found.energies[i], exact.energies[i]);
        assert!(near(a, b), "energy {i}: {a} {b}");
        for (a, b) in found.forces[i].iter().zip(exact.forces[i]) {
            assert!(near(*a, b), "force {i}: {a} {b}");
        }
    }
    let scale: f64 = exact.scales.iter().sum();
    for (a, b) in found.virial.as_flattened().iter().zip(exact.virial.as_flattened()) {
        assert!((a - b).abs() <= 1e-8 * scale, "virial: {a} {b}");
    }
}

fn apart(structure: &Structure) -> bool {
    structure.positions().iter().enumerate().all(|(i, position)| {
        let images = images_within(structure, position, 0.3);
        images.iter().all(|f| f.j as usize == i && f.shift == [0; 3])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_structure_agrees_with_all_images(structure in structures(12), mixed: bool) {
        prop_assume!(!structure.is_empty() && apart(&structure));
        let structure =
            if mixed { alloy(&structure) } else { with_numbers(&structure, |_| 79) };
        assert_close(&evaluate(&structure).unwrap(), &oracle(&structure));
    }
}

#[test]
fn crystals_agree_with_all_images() {
    for structure in [fcc(1, 3.6), fcc(3, 3.6), alloy(&fcc(2, 3.9)), alloy(&fcc(4, 3.7))] {
        assert_close(&evaluate(&structure).unwrap(), &oracle(&structure));
    }
}

#[test]
fn atoms_in_one_place_are_named() {
    let mut positions = fcc(2, 3.6).positions().to_vec();
    positions[7] = [0, 1, 2].map(|d| positions[30][d] + if d == 0 { 7.2 } else { 0.0 });
    let structure = fcc(2, 3.6);
    let structure =
        Structure::new(positions, structure.numbers().to_vec(), *structure.cell(), [true; 3]);
    let Err(Error::InvalidInput { argument, problem }) = evaluate(&structure.unwrap()) else {
        panic!("accepted")
    };
    assert!(argument == "positions[7]" || argument == "positions[30]", "{argument}");
    assert!(problem.contains("atoms 7 and 30") || problem.contains("atoms 30 and 7"), "{problem}");
    assert!(problem.contains("(image ["), "{problem}");
}

fn in_pool<T: Send>(threads: usize, task: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(task)
}

#[test]
fn threads_change_the_result_by_rounding_only() {
    for structure in [fcc(8, 3.6), alloy(&fcc(8, 3.7))] {
        let one = in_pool(1, || evaluate(&structure).unwrap());
        for threads in [2, 3, 7] {
            let found = in_pool(threads, || evaluate(&structure).unwrap());
            let again = in_pool(threads, || evaluate(&structure).unwrap());
            assert_eq!(found.forces, again.forces);
            assert_eq!(found.energy, again.energy);
            assert_eq!(found.virial, again.virial);
            assert!((found.energy - one.energy).abs() < 1e-9);
            for (a, b) in found.forces.iter().zip(&one.forces) {
                let d = [0, 1, 2].map(|k| a[k] - b[k]);
                assert!(dot(&d, &d) < 1e-24, "{threads} threads: {d:?}");
            }
        }
    }
}

#[test]
fn a_warm_evaluator_follows_moving_atoms() {
    let start = alloy(&fcc(3, 3.7));
    let mut warm = Evaluator::new(model(), Options::default()).unwrap();
    for step in 0..25 {
        let moved = |(k, r): (usize, &Vec3)| {
            let phase = k as f64;
            [0, 1, 2].map(|d| r[d] + 0.05 * f64::from(step) * (phase + 2.0 * d as f64).sin())
        };
        let positions = start.positions().iter().enumerate().map(moved).collect();
        // Elements may change from call to call, too.
        let swap = |k: usize| if k == step as usize { 29 } else { start.numbers()[k] };
        let numbers = (0..start.len()).map(swap).collect();
        let structure = Structure::new(positions, numbers, *start.cell(), [true; 3]).unwrap();
        let (found, fresh) = (
            warm.evaluate(&structure, &Charge::Total(0.0), true).unwrap(),
            evaluate(&structure).unwrap(),
        );
        assert!((found.energy - fresh.energy).abs() < 1e-9, "step {step}");
        for (a, b) in found.forces.iter().zip(&fresh.forces) {
            assert!((0..3).all(|d| (a[d] - b[d]).abs() < 1e-11), "step {step}: {a:?} {b:?}");
        }
    }
}

#[test]
fn a_charge_is_refused() {
    let mut evaluator = Evaluator::new(model(), Options::default()).unwrap();
    assert!(matches!(
        evaluator.evaluate(&fcc(2, 3.6), &Charge::Total(1.0), false),
        Err(Error::InvalidInput { .. })
    ));
}
