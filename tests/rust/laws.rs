//! Laws of one evaluation, over random clusters, cells and charges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp)]

mod toy;

use ecteam_core::coulomb;
use ecteam_core::ensemble::Charge;
use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::{Error, Evaluation, Structure, Vec3};
use proptest::prelude::*;

fn precise() -> Options {
    let mut options = Options::default();
    options.ensemble.tolerance = 1e-11;
    options.coulomb = coulomb::Options { accuracy: 1e-10, ..Default::default() };
    options
}

fn evaluate(structure: &Structure, charge: f64) -> Evaluation {
    Evaluator::new(toy::model(), precise())
        .unwrap()
        .evaluate(structure, &Charge::Total(charge), false)
        .unwrap()
}

/// One to a few waters, finite or periodic, with a charge.
fn systems() -> impl Strategy<Value = (Structure, f64)> {
    let charge = prop::sample::select(vec![0.0, 0.0, 1.0, -1.0, 0.25]);
    (any::<bool>(), 1_usize..5, 0.0..0.3, any::<u64>(), charge).prop_map(
        |(periodic, n, shift, seed, charge)| {
            let make = if periodic { toy::liquid } else { toy::cluster };
            (make(n, shift, seed), charge)
        },
    )
}

fn rebuilt(s: &Structure, positions: Vec<Vec3>, numbers: Vec<u8>) -> Structure {
    Structure::new(positions, numbers, *s.cell(), s.pbc()).unwrap()
}

fn close(a: &[Vec3], b: &[Vec3], tolerance: f64) -> bool {
    let scale = a.iter().flatten().fold(1.0_f64, |m, f| m.max(f.abs()));
    a.iter().flatten().zip(b.iter().flatten()).all(|(x, y)| (x - y).abs() < tolerance * scale)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn weights_meet_their_constraints((s, charge) in systems()) {
        let e = evaluate(&s, charge);
        for w in e.offsets.windows(2) {
            prop_assert!((e.weights[w[0]..w[1]].iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        prop_assert!((e.charges.iter().sum::<f64>() - charge).abs() < 1e-12);
        prop_assert!(e.weights.iter().all(|&w| w >= 0.0));
        prop_assert!(e.outcome.kkt_residual <= 1e-11 && e.outcome.positive_definite);
    }

    #[test]
    fn shares_add_up_and_forces_cancel((s, charge) in systems()) {
        let e = evaluate(&s, charge);
        prop_assert!((e.energies.iter().sum::<f64>() - e.energy).abs() < 1e-10 * (1.0 + e.energy.abs()));
        for d in 0..3 {
            prop_assert!(e.forces.iter().map(|f| f[d]).sum::<f64>().abs() < 1e-9);
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            prop_assert!((e.virial[p][q] - e.virial[q][p]).abs() < 1e-9);
        }
    }

    #[test]
    fn translations_and_orders_do_not_matter((s, charge) in systems(), shift in -9.0..9.0_f64) {
        let before = evaluate(&s, charge);
        let positions: Vec<Vec3> = s.positions().iter().rev().map(|r| r.map(|x| x + shift)).collect();
        let numbers = s.numbers().iter().rev().copied().collect();
        let mut after = evaluate(&rebuilt(&s, positions, numbers), charge);
        after.forces.reverse();
        prop_assert!((before.free_energy - after.free_energy).abs() < 1e-9);
        prop_assert!(close(&before.forces, &after.forces, 1e-7));
    }

    #[test]
    fn a_warm_evaluator_answers_like_a_cold_one((s, charge) in systems(), step in 0.0..0.05_f64) {
        let mut warm = Evaluator::new(toy::model(), precise()).unwrap();
        warm.evaluate(&s, &Charge::Total(charge), true).unwrap();
        let mut positions = s.positions().to_vec();
        positions[0][0] += step;
        let moved = rebuilt(&s, positions, s.numbers().to_vec());
        let found = warm.evaluate(&moved, &Charge::Total(charge), true).unwrap();
        prop_assert!((found.free_energy - evaluate(&moved, charge).free_energy).abs() < 1e-8);
    }

    #[test]
    fn the_same_input_gives_the_same_bits((s, charge) in systems()) {
        let (first, second) = (evaluate(&s, charge), evaluate(&s, charge));
        prop_assert_eq!(first.free_energy.to_bits(), second.free_energy.to_bits());
        prop_assert_eq!(first.forces, second.forces);
        prop_assert_eq!(first.weights, second.weights);
    }
}

#[test]
fn no_atoms_have_no_energy() {
    for pbc in [[false; 3], [true; 3]] {
        let cell = [[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]];
        let e = evaluate(&Structure::new(Vec::new(), Vec::new(), cell, pbc).unwrap(), 0.0);
        assert_eq!((e.energy, e.free_energy), (0.0, 0.0));
        assert!(e.forces.is_empty() && e.weights.is_empty());
    }
}

#[test]
fn cells_beyond_an_ewald_sum_are_refused() {
    let cell = [[2e4, 0.0, 0.0], [0.0, 2e4, 0.0], [0.0, 0.0, 2e4]];
    let s = Structure::new(vec![[0.0; 3]], vec![8], cell, [true; 3]).unwrap();
    let found = Evaluator::new(toy::model(), Options::default()).unwrap().evaluate(
        &s,
        &Charge::Total(0.0),
        false,
    );
    assert!(matches!(found, Err(Error::InvalidInput { argument, .. }) if argument == "cell"));
}
