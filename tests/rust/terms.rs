//! Learned terms: laws over random expressions, and determinism.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ecteam_core::ensemble::Charge;
use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::neighbors::{NeighborList, Neighborhoods};
use ecteam_core::potential::{Family, Radial, Term};
use ecteam_core::terms::Differentiator;
use ecteam_core::{Model, PotentialFile, Structure, Vec3};
use proptest::prelude::*;
use std::sync::Arc;

fn radial(functions: usize) -> Radial {
    Radial { family: Family::Chebyshev, functions, cutoff: 4.2, span: None }
}

/// A sum with a product of everything, coefficients from a seed.
fn file(seed: u64) -> PotentialFile {
    let expression = r#"{"kind": "sum", "terms": [
        {"kind": "constant", "coefficients": []},
        {"kind": "product", "factors": [
            {"kind": "pair", "radial": {"family": "bessel", "functions": 2, "cutoff": 4.2},
             "coefficients": []},
            {"kind": "neighbour_exponential", "function": {"form": "exponential"},
             "radial": {"family": "slater", "functions": 2, "cutoff": 3.9}, "coefficients": []},
            {"kind": "three_body", "radial": {"family": "chebyshev", "functions": 2, "cutoff": 4.2},
             "lmax": 3, "coefficients": []}]}]}"#;
    let terms = ecteam_core::potential::start_terms(expression, 2).unwrap();
    let text = format!(
        r#"{{"format": "ecteam/1", "name": "t", "description": "", "citation": "",
        "units": {{"energy": "eV", "length": "Å", "charge": "e"}},
        "elements": {{"Mo": {{"states": [{STATE}]}}, "Nb": {{"states": [{STATE}]}}}},
        "repulsions": [], "resonances": [], "electronic_temperature": 0.0,
        "cutoff": {{"radius": 4.2, "switch_width": 0.0}}, "terms": {terms}}}"#
    );
    let mut file = PotentialFile::from_json(&text).unwrap();
    let symbols: Vec<String> = file.elements.keys().cloned().collect();
    let expression = file.terms.as_mut().unwrap();
    let values: Vec<f64> = expression
        .described(&symbols)
        .iter()
        .enumerate()
        .map(|(k, c)| c.value + 0.1 * ((seed + 7 * k as u64) as f64).sin())
        .collect();
    assert!(expression.assign(&values).is_empty());
    file
}

const STATE: &str = r#"{"name": "ground", "charge": 0.0, "multiplicity": 1, "energy": 0.0}"#;

/// Atoms on a distorted grid, alternating elements.
fn structure(n: usize, shift: f64, periodic: bool) -> Structure {
    let at = |k: usize| -> Vec3 {
        let index = [k % n, k / n % n, k / (n * n)];
        [0, 1, 2].map(|d| 2.6 * index[d] as f64 + shift * ((3 * k + d) as f64).sin())
    };
    let side = 2.6 * n as f64;
    let cell = [[side, 0.0, 0.0], [0.3, side, 0.0], [0.0, 0.2, side]];
    let count = n * n * n;
    let numbers = (0..count).map(|k| if k % 3 == 0 { 42 } else { 41 }).collect();
    Structure::new((0..count).map(at).collect(), numbers, cell, [periodic; 3]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..Default::default() })]

    #[test]
    fn jacobian_holds_the_evaluation(seed in 0_u64..1000, shift in 0.0..0.4, periodic: bool) {
        let (file, s) = (file(seed), structure(3, shift, periodic));
        let model = Arc::new(Model::new(file.clone()).unwrap());
        let elements = model.elements_of(s.numbers()).unwrap();
        let found = Evaluator::new(model, Options::default()).unwrap().evaluate(&s, &Charge::Total(0.0), false).unwrap();
        let differentiator = Differentiator::new(&file).unwrap();
        let mut list = NeighborList::new(differentiator.cutoff(), 0.0).unwrap();
        list.update(&s).unwrap();
        let mut around = Neighborhoods::default();
        around.build(&s, list.pairs(), list.cutoff());
        let jacobian = differentiator.jacobian(&s, &elements, &around).unwrap();
        let own = &jacobian.columns[jacobian.columns.len() - jacobian.rows..];
        let scale = 1.0 + found.forces.iter().flatten().fold(0.0_f64, |m, f| m.max(f.abs()));
        prop_assert!((own[0] - found.energy).abs() < 1e-9 * scale.max(found.energy.abs()));
        for (x, f) in own[1..].iter().zip(found.forces.iter().flatten()) {
            prop_assert!((x - f).abs() < 1e-8 * scale, "{x} {f}");
        }
        let virial = &own[jacobian.rows - 6..];
        prop_assert!((virial[1] - found.virial[1][1]).abs() < 1e-7 * scale);
        prop_assert!((virial[5] - found.virial[0][1]).abs() < 1e-7 * scale);
    }

    #[test]
    fn shares_add_up_and_forces_cancel(seed in 0_u64..1000, shift in 0.0..0.4) {
        let model = Arc::new(Model::new(file(seed)).unwrap());
        let s = structure(4, shift, true);
        let e = Evaluator::new(model, Options::default()).unwrap().evaluate(&s, &Charge::Total(0.0), false).unwrap();
        prop_assert!((e.energies.iter().sum::<f64>() - e.energy).abs() < 1e-10 * (1.0 + e.energy.abs()));
        for d in 0..3 {
            let sum: f64 = e.forces.iter().map(|f| f[d]).sum();
            prop_assert!(sum.abs() < 1e-9 * (1.0 + e.energy.abs()));
        }
    }
}

#[test]
fn the_same_threads_give_the_same_bits() {
    let model = Arc::new(Model::new(file(3)).unwrap());
    let s = structure(6, 0.3, true);
    let evaluate = || {
        Evaluator::new(model.clone(), Options::default())
            .unwrap()
            .evaluate(&s, &Charge::Total(0.0), false)
            .unwrap()
    };
    let (a, b) = (evaluate(), evaluate());
    assert_eq!(a.forces, b.forces);
    assert_eq!(a.energies, b.energies);
}

#[test]
fn a_neighbour_list_kept_with_a_skin_gives_the_same() {
    let model = Arc::new(Model::new(file(5)).unwrap());
    let mut warm = Evaluator::new(model.clone(), Options::default()).unwrap();
    for k in 0..6 {
        let s = structure(4, 0.03 * f64::from(k), true);
        let cold = Evaluator::new(model.clone(), Options::default()).unwrap().evaluate(
            &s,
            &Charge::Total(0.0),
            false,
        );
        let (warm, cold) = (warm.evaluate(&s, &Charge::Total(0.0), true).unwrap(), cold.unwrap());
        assert!((warm.energy - cold.energy).abs() < 1e-10 * cold.energy.abs());
    }
}

#[test]
fn constants_need_no_neighbours() {
    let mut file = file(1);
    file.terms = Some(Term::Constant { coefficients: vec![1.0, 2.0] });
    let model = Arc::new(Model::new(file).unwrap());
    let e = Evaluator::new(model, Options::default()).unwrap().evaluate(
        &structure(2, 0.0, true),
        &Charge::Total(0.0),
        false,
    );
    assert!((e.unwrap().energy - (3.0 + 2.0 * 5.0)).abs() < 1e-12);
    assert_eq!(radial(2).ends(), [0.0, 4.2]);
}

/// Parameters of a three-body model of one function and degree 0: for each centre Mo-Mo, Mo-Nb and
/// Nb-Nb neighbours.
#[test]
fn triples_choose_parameters() {
    let expression = r#"{"kind": "three_body", "lmax": 0, "triples": ["Nb-Mo-Mo", "Nb-Nb-Nb"],
        "radial": {"family": "bessel", "functions": 1, "cutoff": 4.2}, "coefficients": []}"#;
    let terms = ecteam_core::potential::start_terms(expression, 2).unwrap();
    let term: Term = serde_json::from_str(&terms).unwrap();
    let described = term.described(&["Mo".to_owned(), "Nb".to_owned()]);
    let held: Vec<bool> = described.iter().map(|c| c.held).collect();
    assert_eq!(held, [true, false, true, true, true, false]);
}
