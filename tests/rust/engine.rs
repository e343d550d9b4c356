//! Laws of the engine: derivatives, constraints, solvers, invariances.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod toy;

use ecteam_core::coulomb;
use ecteam_core::ensemble::{Charge, Solver};
use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::{Evaluation, Structure};

fn precise() -> Options {
    let mut options = Options::default();
    options.ensemble.tolerance = 1e-11;
    options.coulomb = coulomb::Options { accuracy: 1e-10, ..Default::default() };
    options
}

fn evaluate(options: Options, structure: &Structure, charge: f64) -> Evaluation {
    Evaluator::new(toy::model(), options)
        .unwrap()
        .evaluate(structure, &Charge::Total(charge), false)
        .unwrap()
}

fn constraints_hold(e: &Evaluation, charge: f64) {
    for i in 0..e.charges.len() {
        let sum: f64 = e.weights[e.offsets[i]..e.offsets[i + 1]].iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "atom {i}: {sum}");
    }
    assert!((e.charges.iter().sum::<f64>() - charge).abs() < 1e-12);
    assert!(e.weights.iter().all(|&w| w >= 0.0));
}

#[test]
fn a_water_molecule_is_polar_and_bound() {
    let e = evaluate(Options::default(), &toy::cluster(1, 0.0, 1), 0.0);
    constraints_hold(&e, 0.0);
    assert!(e.outcome.kkt_residual <= 1e-8 && e.outcome.positive_definite);
    assert!(e.charges[0] < -0.2 && e.charges[1] > 0.1, "{:?}", e.charges);
    assert!((e.energies.iter().sum::<f64>() - e.energy).abs() < 1e-10);
}

fn moved(s: &Structure, atom: usize, d: usize, h: f64) -> Structure {
    let mut positions = s.positions().to_vec();
    positions[atom][d] += h;
    let cell = if s.pbc() == [false; 3] { [[0.0; 3]; 3] } else { *s.cell() };
    Structure::new(positions, s.numbers().to_vec(), cell, s.pbc()).unwrap()
}

fn forces_match(s: &Structure, charge: f64) {
    let e = evaluate(precise(), s, charge);
    constraints_hold(&e, charge);
    let h = 1e-4;
    for (atom, d) in [(0, 0), (1, 1), (2, 2), (s.len() - 1, 0)] {
        let at = |k: f64| evaluate(precise(), &moved(s, atom, d, k * h), charge).free_energy;
        // Fourth-order central difference.
        let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h);
        let scale = e.forces.iter().flatten().fold(1.0_f64, |m, f| m.max(f.abs()));
        assert!((e.forces[atom][d] + slope).abs() < 1e-6 * scale, "{} {slope}", e.forces[atom][d]);
    }
}

#[test]
fn forces_are_the_slope_of_the_free_energy() {
    forces_match(&toy::cluster(3, 0.2, 3), 0.0);
    forces_match(&toy::cluster(2, 0.3, 5), 1.0);
    forces_match(&toy::liquid(8, 0.3, 7), 0.0);
    forces_match(&toy::liquid(8, 0.3, 8), -1.0);
}

#[test]
fn the_virial_is_the_slope_along_a_strain() {
    let s = toy::liquid(8, 0.3, 11);
    let e = evaluate(precise(), &s, 0.0);
    let h = 1e-5;
    for (p, q) in [(0, 0), (1, 1), (0, 1), (1, 2)] {
        let at = |h: f64| {
            let strain = |v: &[f64; 3]| {
                let mut w = *v;
                w[p] += h * v[q];
                w
            };
            let cell = s.cell().map(|v| strain(&v));
            let positions = s.positions().iter().map(strain).collect();
            let s = Structure::new(positions, s.numbers().to_vec(), cell, [true; 3]).unwrap();
            evaluate(precise(), &s, 0.0).free_energy
        };
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        assert!(
            (e.virial[p][q] - slope).abs() < 1e-6 * (1.0 + slope.abs()),
            "{p}{q} {} {slope}",
            e.virial[p][q]
        );
    }
}

#[test]
fn dense_and_krylov_solvers_agree() {
    for (s, charge) in [
        (toy::cluster(2, 0.2, 1), 0.0),
        (toy::cluster(6, 0.3, 2), 0.0),
        (toy::cluster(4, 0.3, 2), -1.0),
        (toy::liquid(8, 0.3, 4), 1.0),
    ] {
        let dense = evaluate(precise().with_solver(Solver::Dense), &s, charge);
        let krylov = evaluate(precise().with_solver(Solver::Krylov), &s, charge);
        assert!((dense.free_energy - krylov.free_energy).abs() < 1e-8);
        for (x, y) in dense.weights.iter().zip(&krylov.weights) {
            assert!((x - y).abs() < 1e-7, "{x} {y}");
        }
    }
}

#[test]
fn warm_and_cold_starts_agree() {
    let mut warm = Evaluator::new(toy::model(), precise()).unwrap();
    for step in 0..6 {
        let s = moved(&toy::cluster(4, 0.3, 9), 1, 0, 0.02 * f64::from(step));
        let w = warm.evaluate(&s, &Charge::Total(0.0), true).unwrap();
        let c = evaluate(precise(), &s, 0.0);
        assert!((w.free_energy - c.free_energy).abs() < 1e-8);
    }
}

#[test]
fn large_systems_converge() {
    let s = toy::liquid(64, 0.3, 4);
    let e = evaluate(Options::default(), &s, 0.0);
    constraints_hold(&e, 0.0);
}

#[test]
fn separated_atoms_are_neutral_and_have_no_energy() {
    let positions = vec![[0.0; 3], [30.0, 0.0, 0.0], [0.0, 30.0, 0.0]];
    let s = Structure::new(positions, vec![8, 1, 1], [[0.0; 3]; 3], [false; 3]).unwrap();
    let e = evaluate(Options::default(), &s, 0.0);
    assert!(e.energy.abs() < 1e-6 && e.charges.iter().all(|q| q.abs() < 1e-6), "{:?}", e.outcome);
}
