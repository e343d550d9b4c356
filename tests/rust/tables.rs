//! Compiled tables against the analytic forms, for every pair of elements of the shipped potentials.
#![allow(clippy::unwrap_used)]

use ecteam_core::{Model, PotentialFile};

fn shipped(name: &str) -> Model {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/ecteam/data/potentials");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    Model::new(PotentialFile::from_json(&text).unwrap()).unwrap()
}

/// Energies within 1e-8 eV, densities within 1e-8 of their value (1e-12 e/Å³ where negligible).
fn check(model: &Model, a: usize, b: usize, r: f64) {
    let pair = model.pair(a, b);
    let energies = pair.states[0] * pair.states[1];
    let densities = energies..energies + pair.states[0] + pair.states[1];
    let exact = model.analytic(a, b, r);
    let mut found = vec![0.0; pair.table.functions()];
    pair.table.values(&pair.table.lookup(r), &mut found);
    for (column, (jet, value)) in exact.iter().zip(&found).enumerate() {
        let error = (jet[0] - value).abs();
        let allowed = if densities.contains(&column) {
            1e-8 * jet[0].abs() + 1e-12
        } else if column < energies {
            1e-8 * r // the column is R·φ
        } else {
            1e-8
        };
        assert!(error <= allowed, "{a}-{b} column {column} at {r}: {error:e}");
    }
}

#[test]
fn tables_are_within_1e_8_of_the_analytic_forms() {
    for name in ["water-unpolarised", "halides"] {
        let model = shipped(name);
        let (radius, n) = (model.cutoff().radius, model.elements().len());
        for (a, b) in (0..n).flat_map(|a| (a..n).map(move |b| (a, b))) {
            // An irrational step samples all positions within the intervals.
            let mut r = 0.2;
            while r < radius {
                check(&model, a, b, r);
                r += 0.001_618_033_988_749_895 * (1.0 + r);
            }
        }
    }
}

#[test]
fn tables_vanish_smoothly_at_the_cutoff() {
    for name in ["water-unpolarised", "halides"] {
        let model = shipped(name);
        let (radius, n) = (model.cutoff().radius, model.elements().len());
        for (a, b) in (0..n).flat_map(|a| (a..n).map(move |b| (a, b))) {
            let pair = model.pair(a, b);
            assert!(model.analytic(a, b, radius).iter().flatten().all(|&x| x == 0.0));
            let mut row = vec![0.0; pair.table.functions()];
            for (order, h) in [(0, 1e-9), (1, 1e-6), (2, 1e-5)] {
                let at = pair.table.lookup(radius - h);
                match order {
                    0 => pair.table.values(&at, &mut row),
                    1 => pair.table.slopes(&at, &mut row),
                    _ => pair.table.curvatures(radius - h, &mut row),
                }
                assert!(
                    row.iter().all(|x| x.abs() < 10.0 * h.powi(3 - order) + 1e-10),
                    "{name} {a}-{b} order {order}: {row:?}"
                );
            }
        }
    }
}
