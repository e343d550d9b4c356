//! Weights of densities: constraints, recovery, certified gaps, invariance, bad input.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use ecteam_core::density::density_at_points;
use ecteam_core::encoder::{
    Divergence, Encoding, Metric, Options, Quadratic, Sample, Stop, encode, gram, minimise,
};
use ecteam_core::ensemble::{Charge, Constraints};
use ecteam_core::library::{StateDensity, StateLibrary};
use ecteam_core::structure::{Vec3, times};
use ecteam_core::superposition::Superposition;
use ecteam_core::{Error, Structure, decoder};
use nalgebra::DVector;
use proptest::prelude::*;

const METRICS: [Metric; 3] = [Metric::Coulomb, Metric::L2, Metric::KullbackLeibler];
/// Lithium- and hydrogen-like; every element has three states.
const COLUMNS: usize = 3;
const CHARGES: [f64; 3] = [0.0, 1.0, -1.0];

fn library() -> StateLibrary {
    let state = |charge, exponents: &[f64], coefficients: &[f64]| StateDensity {
        charge,
        exponents: exponents.to_vec(),
        coefficients: coefficients.to_vec(),
    };
    let hydrogen = vec![
        state(0.0, &[3.8], &[1.0]),
        state(1.0, &[], &[]),
        state(-1.0, &[2.0, 4.0], &[1.3, 0.7]),
    ];
    let lithium = vec![
        state(0.0, &[2.2, 9.0, 12.0], &[1.5, -0.5, 2.0]),
        state(1.0, &[9.5, 11.0], &[1.5, 0.5]),
        state(-1.0, &[1.4, 9.0, 12.0], &[2.4, -0.4, 2.0]),
    ];
    StateLibrary::new(BTreeMap::from([(1, hydrogen), (3, lithium)])).unwrap()
}

fn molecule(numbers: &[u8], positions: Vec<Vec3>) -> Structure {
    Structure::new(positions, numbers.to_vec(), [[0.0; 3]; 3], [false; 3]).unwrap()
}

/// Three atoms in a bent chain, moved a little.
fn chain(shifts: &[f64]) -> Structure {
    let base = [[0.0, 0.0, 0.0], [1.6, 0.2, 0.0], [2.3, 1.5, 0.4]];
    let positions = base.iter().zip(shifts.chunks_exact(3));
    let moved = positions.map(|(r, s)| [0, 1, 2].map(|d| r[d] + s[d])).collect();
    molecule(&[3, 1, 3], moved)
}

/// Feasible weights of a given charge from positive numbers.
fn feasible(numbers: &[f64], charge: f64) -> (Vec<f64>, Constraints) {
    let groups = numbers.len() / COLUMNS;
    let offsets = (0..=groups).map(|g| COLUMNS * g).collect();
    let set = Constraints::new(offsets, CHARGES.repeat(groups), &Charge::Total(charge)).unwrap();
    let mut weights = numbers.to_vec();
    set.project(&mut weights);
    (weights, set)
}

/// A uniform grid around a structure: points and the volume of each.
fn grid(structure: &Structure, spacing: f64, padding: f64) -> (Vec<Vec3>, f64) {
    let bound = |d: usize, sign: f64| {
        let furthest = structure.positions().iter().map(|r| sign * r[d]).fold(-1e9, f64::max);
        sign * (furthest + padding)
    };
    let (low, high) = ([0, 1, 2].map(|d| bound(d, -1.0)), [0, 1, 2].map(|d| bound(d, 1.0)));
    let counts = [0, 1, 2].map(|d| ((high[d] - low[d]) / spacing) as usize);
    let mut points = Vec::new();
    for x in 0..counts[0] {
        for y in 0..counts[1] {
            for z in 0..counts[2] {
                let steps = [x, y, z];
                points.push([0, 1, 2].map(|d| low[d] + spacing * steps[d] as f64));
            }
        }
    }
    (points, spacing.powi(3))
}

fn density(structure: &Structure, weights: &[f64], points: &[Vec3]) -> Vec<f64> {
    let mixed = Superposition::of_states(&library(), structure, weights, COLUMNS).unwrap();
    density_at_points(structure, &mixed, points).unwrap()
}

fn encoded(
    structure: &Structure,
    points: &[Vec3],
    volume: f64,
    density: &[f64],
    metric: Metric,
    total_charge: f64,
) -> Encoding {
    let volumes = vec![volume; points.len()];
    let sample = Sample { points, volumes: &volumes, density };
    let options = Options {
        metric,
        total_charge,
        tolerance: 1e-9,
        // These grids are too coarse for more to help.
        passes: 1,
        count_tolerance: 1e9,
        ..Options::default()
    };
    encode(structure, &library(), &sample, &options).unwrap()
}

fn positive(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![0.01..1.0_f64, Just(1e-9)], n)
}

fn shifts() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-0.3..0.3_f64, 9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn constraints_hold_and_weights_are_recovered(
        moved in shifts(), numbers in positive(9), charge in -2.9..2.9_f64,
    ) {
        let structure = chain(&moved);
        let (wanted, _) = feasible(&numbers, charge);
        let (points, volume) = grid(&structure, 0.45, 4.0);
        let rho = density(&structure, &wanted, &points);
        for metric in METRICS {
            let found = encoded(&structure, &points, volume, &rho, metric, charge);
            for row in found.weights.chunks_exact(COLUMNS) {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                prop_assert!(row.iter().all(|w| *w >= 0.0));
            }
            let total: f64 = found.charges.iter().sum();
            prop_assert!((total - charge).abs() < 1e-12);
            prop_assert!(found.gap >= 0.0 && found.gap <= 1e-9);
            if metric == Metric::KullbackLeibler {
                // Its minimum is the density itself on any points, however few.
                let worst = wanted.iter().zip(&found.weights).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
                prop_assert!(worst < 1e-3, "{worst}: {wanted:?} {:?}", found.weights);
                // Superpositions leave out densities below 1e-10 e/Å³, so the least is not quite 0.
                prop_assert!(found.objective < 1e-7, "{}", found.objective);
                // Pinsker's inequality, doubled as the masses differ a little.
                let mass = volume * rho.iter().sum::<f64>();
                prop_assert!(found.residual < 2.0 * (2.0 * mass * 1e-7).sqrt());
            }
        }
    }

    #[test]
    fn exact_integrals_give_the_weights_back(
        moved in shifts(), numbers in positive(9), charge in -2.9..2.9_f64,
    ) {
        let structure = chain(&moved);
        let (wanted, set) = feasible(&numbers, charge);
        for metric in [Metric::Coulomb, Metric::L2] {
            let matrix = gram(&structure, &library(), metric).unwrap();
            let pulls = &matrix * DVector::from_column_slice(&wanted);
            let problem = Quadratic::new(matrix, pulls.as_slice().to_vec(), vec![0.0; 9]);
            let stop = Stop { tolerance: 1e-9, max_iterations: 100, unit: "eV" };
            let mut found = vec![0.0; 9];
            minimise(&problem, &set, &stop, &mut found).unwrap();
            let worst = wanted.iter().zip(&found).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
            prop_assert!(worst < 1e-3, "{metric:?} {worst}");
        }
    }

    #[test]
    fn nothing_is_below_the_gap(
        moved in shifts(), numbers in positive(9), others in positive(9 * 20),
        noise in prop::collection::vec(-0.3..0.3_f64, 9), charge in -2.9..2.9_f64,
        tolerance in prop_oneof![Just(1e-3), Just(1e-7)],
    ) {
        // A quadratic function whose minimum is outside of the constraint set.
        let structure = chain(&moved);
        let (centre, set) = feasible(&numbers, charge);
        let outside = DVector::from_iterator(9, centre.iter().zip(&noise).map(|(a, b)| a + b));
        let matrix = gram(&structure, &library(), Metric::Coulomb).unwrap();
        let value = |w: &[f64]| {
            let w = DVector::from_column_slice(w);
            0.5 * w.dot(&(&matrix * &w)) - w.dot(&(&matrix * &outside))
        };
        let pulls = (&matrix * &outside).as_slice().to_vec();
        let problem = Quadratic::new(matrix.clone(), pulls, vec![0.0; 9]);
        let stop = Stop { tolerance, max_iterations: 100, unit: "eV" };
        let mut found = vec![0.0; 9];
        let outcome = minimise(&problem, &set, &stop, &mut found).unwrap();
        prop_assert!((outcome.value - value(&found)).abs() < 1e-9);
        for other in others.chunks_exact(9) {
            let (mut other, _) = feasible(other, charge);
            for _ in 0..12 {
                // Feasible points ever nearer to the solution.
                other = other.iter().zip(&found).map(|(a, b)| 0.5 * (a + b)).collect();
                prop_assert!(value(&other) >= outcome.value - outcome.gap - 1e-10);
            }
        }
    }

    #[test]
    fn rotations_and_translations_change_nothing(
        numbers in positive(9), angle in 0.0..6.0_f64, shift in -5.0..5.0_f64,
    ) {
        let (sin, cos) = angle.sin_cos();
        let turn = [[cos, sin, 0.0], [-sin * 0.6, cos * 0.6, 0.8], [sin * 0.8, -cos * 0.8, 0.6]];
        let moved = |r: &Vec3| times(r, &turn).map(|x| x + shift);
        let structure = chain(&[0.0; 9]);
        let (weights, _) = feasible(&numbers, 0.3);
        let (points, volume) = grid(&structure, 0.6, 3.0);
        let rho: Vec<f64> = density(&structure, &weights, &points)
            .iter().zip(&points).map(|(rho, r)| rho * (1.0 + 0.1 * r[0].sin())).collect();
        let turned =
            molecule(structure.numbers(), structure.positions().iter().map(moved).collect());
        let turned_points: Vec<Vec3> = points.iter().map(moved).collect();
        for metric in METRICS {
            let a = encoded(&structure, &points, volume, &rho, metric, 0.3);
            let b = encoded(&turned, &turned_points, volume, &rho, metric, 0.3);
            let worst = a.charges.iter().zip(&b.charges).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
            prop_assert!(worst < 1e-4, "{metric:?} {worst}");
            prop_assert!((a.residual - b.residual).abs() < 1e-4);
            let length = |v: Vec3| ecteam_core::structure::norm(&v);
            prop_assert!((length(a.dipole_error) - length(b.dipole_error)).abs() < 1e-3);
        }
    }
}

#[test]
fn integrals_of_the_sample_are_those_of_the_states() {
    // One soft atom, so that a uniform grid integrates well: a mixture comes back.
    let state = |charge: f64, zeta: f64| StateDensity {
        charge,
        exponents: vec![zeta],
        coefficients: vec![2.0 - charge],
    };
    let soft = StateLibrary::new(BTreeMap::from([(2, vec![state(0.0, 2.4), state(1.0, 3.0)])]));
    let soft = soft.unwrap();
    let structure = molecule(&[2, 2], vec![[0.013, 0.021, 0.017], [1.5, 0.1, 0.2]]);
    let (points, volume) = grid(&structure, 0.2, 6.0);
    let weights = [0.7, 0.3, 0.4, 0.6];
    let mixed = Superposition::of_states(&soft, &structure, &weights, 2).unwrap();
    let rho = density_at_points(&structure, &mixed, &points).unwrap();
    let volumes = vec![volume; points.len()];
    let sample = Sample { points: &points, volumes: &volumes, density: &rho };
    for metric in METRICS {
        let options = Options { metric, total_charge: 0.9, ..Options::default() };
        let found = encode(&structure, &soft, &sample, &options).unwrap();
        for (a, b) in found.weights.iter().zip(weights) {
            assert!((a - b).abs() < 2e-3, "{metric:?} {:?}", found.weights);
        }
        assert!(found.count_error.abs() < 1e-3 && found.residual < 5e-3, "{found:?}");
        assert!(ecteam_core::structure::norm(&found.dipole_error) < 5e-3, "{found:?}");
    }
}

#[test]
fn divergence_derivatives_match_central_differences() {
    use ecteam_core::encoder::Convex;
    let structure = chain(&[0.0; 9]);
    let (points, volume) = grid(&structure, 0.6, 3.0);
    let (weights, _) = feasible(&[0.3, 0.5, 0.2, 0.9, 0.4, 0.1, 0.6, 0.2, 0.2], 0.0);
    let rho: Vec<f64> = density(&structure, &weights, &points).iter().map(|x| 1.1 * x).collect();
    let volumes = vec![volume; points.len()];
    let sample = Sample { points: &points, volumes: &volumes, density: &rho };
    let objective = Divergence::new(&structure, &library(), &sample).unwrap();
    let at = DVector::from_element(9, 0.4);
    let (_, gradient) = objective.value_gradient(&at);
    let hessian = objective.hessian(&at);
    let h = 1e-5;
    for a in 0..9 {
        let mut ends = [at.clone(), at.clone()];
        ends[0][a] += h;
        ends[1][a] -= h;
        let [(plus, up), (minus, down)] = ends.map(|w| objective.value_gradient(&w));
        assert!(((plus - minus) / (2.0 * h) - gradient[a]).abs() < 1e-7);
        let slope = (up - down) / (2.0 * h);
        assert!((slope - hessian.column(a)).amax() < 1e-6 * hessian.amax());
    }
}

#[test]
fn potential_and_charges_of_decoded_weights() {
    let structure = molecule(&[3, 1], vec![[0.0; 3], [1.6, 0.0, 0.0]]);
    let weights = [0.2, 0.8, 0.0, 0.3, 0.0, 0.7];
    let charges = decoder::charges(&library(), &structure, &weights, COLUMNS).unwrap();
    assert!((charges[0] - 0.8).abs() < 1e-15 && (charges[1] + 0.7).abs() < 1e-15);
    let at = |r: Vec3| {
        decoder::potential_at_points(&library(), &structure, &weights, COLUMNS, &[r]).unwrap()[0]
    };
    // Far away only the charges count.
    let far = [0.0, 40.0, 30.0];
    let expected = ecteam_core::COULOMB
        * structure.positions().iter().zip(&charges).fold(0.0, |v, (r, q)| {
            v + q / ecteam_core::structure::norm(&[0, 1, 2].map(|d| far[d] - r[d]))
        });
    assert!((at(far) - expected).abs() < 1e-9);
    // Poisson: ∇²V = 4πCρ (electrons are negative) away from the nuclei.
    let (r, h) = ([0.7, 0.6, -0.3], 1e-3);
    let mut laplacian = -6.0 * at(r);
    for d in 0..3 {
        for sign in [-h, h] {
            let mut end = r;
            end[d] += sign;
            laplacian += at(end);
        }
    }
    laplacian /= h * h;
    let rho = density(&structure, &weights, &[r])[0];
    let expected = 4.0 * std::f64::consts::PI * ecteam_core::COULOMB * rho;
    assert!((laplacian / expected - 1.0).abs() < 1e-5, "{laplacian} {expected}");
    assert!(at([0.0; 3]).is_infinite());
}

#[test]
fn one_state_and_extreme_charges_need_no_iterations() {
    let structure = chain(&[0.0; 9]);
    let (points, volume) = grid(&structure, 0.6, 3.0);
    let rho = density(&structure, &[0.0, 1.0, 0.0].repeat(3), &points);
    for metric in METRICS {
        let found = encoded(&structure, &points, volume, &rho, metric, 3.0);
        assert_eq!((found.iterations, found.gap), (0, 0.0));
        assert_eq!(found.charges, [1.0, 1.0, 1.0]);
    }
}

#[test]
fn bad_input_is_named() {
    let structure = chain(&[0.0; 9]);
    let (points, volume) = grid(&structure, 0.6, 4.0);
    let rho = density(&structure, &[1.0, 0.0, 0.0].repeat(3), &points);
    let volumes = vec![volume; points.len()];
    let message = |structure: &Structure, density: &[f64], options: Options| {
        let sample = Sample { points: &points, volumes: &volumes, density };
        encode(structure, &library(), &sample, &options).unwrap_err().to_string()
    };
    let options = Options { count_tolerance: 0.5, ..Options::default() };
    let mut broken = rho.clone();
    broken[7] = f64::NAN;
    assert!(message(&structure, &broken, options).starts_with("density[7]: must be finite"));
    assert!(message(&structure, &rho[1..], options).starts_with("density: must have one value"));
    let halved: Vec<f64> = rho.iter().map(|x| 0.5 * x).collect();
    assert!(message(&structure, &halved, options).contains("need 7 (allowed difference 0.5)"));
    let charge = |total_charge| Options { total_charge, ..options };
    assert!(message(&structure, &rho, charge(4.0)).contains("allowed range is -3 to 3 e"));
    assert!(message(&structure, &rho, charge(f64::NAN)).starts_with("total_charge"));
    assert!(
        message(&structure, &rho, Options { tolerance: 0.0, ..options }).starts_with("tolerance")
    );
    let helium = molecule(&[2], vec![[0.0; 3]]);
    assert!(message(&helium, &rho, options).contains("no states of He, only of H Li"));
    let twins = molecule(&[1, 1], vec![[0.0; 3], [0.01, 0.0, 0.0]]);
    assert!(message(&twins, &rho, options).starts_with("positions[1]"));
    assert!(message(&molecule(&[], vec![]), &rho, options).starts_with("atoms"));
    let cell = [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]];
    let periodic = Structure::new(vec![[0.0; 3]], vec![1], cell, [false, true, false]).unwrap();
    assert!(message(&periodic, &rho, options).starts_with("pbc[1]"));
    let sample = Sample { points: &points, volumes: &volumes, density: &rho };
    let hasty = Options { max_iterations: 1, ..options };
    let error = encode(&structure, &library(), &sample, &hasty).unwrap_err();
    assert!(matches!(error, Error::GapNotClosed { iterations: 1, .. }), "{error}");
}
