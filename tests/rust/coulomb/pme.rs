//! Smooth particle-mesh Ewald against converged Ewald sums, and its own derivatives.

use ecteam_core::coulomb::Method;
use ecteam_core::structure::{norm, times};
use ecteam_core::{COULOMB, Mat3, Vec3};

use super::oracle::{Random, System, close, options, rms, scatter, slope, sub};

/// Uncorrelated ions of random charge in a random triclinic cell, at the density of rock salt.
pub(super) fn random_box(n: usize, total: f64, accuracy: f64, seed: u64) -> System {
    let mut random = Random(seed);
    let edge = 2.82 * (n as f64).cbrt();
    let mut entry = |i: usize, j: usize| {
        let skew = 0.3 * (random.next() - 0.5);
        edge * (skew + if i == j { 0.8 + 0.2 * i as f64 } else { 0.0 })
    };
    let cell = [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)));
    let mut charges: Vec<f64> = (0..n).map(|_| random.next() - 0.5).collect();
    let shift = (total - charges.iter().sum::<f64>()) / n as f64;
    for q in &mut charges {
        *q += shift;
    }
    let mut system =
        System::periodic(scatter(n, &cell, 1.6, seed ^ 5), charges, cell, 7.0, accuracy);
    system.options = options(Method::Pme, accuracy);
    system
}

/// Root-mean-square difference of two sets of forces.
fn difference(a: &[Vec3], b: &[Vec3]) -> f64 {
    rms(a.iter().zip(b).map(|(x, y)| norm(&sub(x, y))))
}

#[test]
fn forces_meet_the_accuracy_against_a_converged_sum() {
    for (seed, total) in [(1, 0.0), (2, 0.0), (3, 4.0), (4, -7.0)] {
        let reference = System {
            options: options(Method::Ewald, 1e-12),
            ..random_box(120, total, 1e-12, seed)
        }
        .total();
        let size = rms(reference.forces.iter().map(norm));
        let squares: f64 = random_box(120, total, 1e-12, seed).charges.iter().map(|q| q * q).sum();
        let scale = COULOMB * squares / 2.82;
        for accuracy in [1e-3, 1e-4, 1e-5, 1e-6, 1e-8] {
            let found = random_box(120, total, accuracy, seed).total();
            let error = difference(&found.forces, &reference.forces) / size;
            assert!(error < accuracy, "{seed}: {error:.1e} of {accuracy:.0e}");
            close(found.energy, reference.energy, accuracy * scale);
            for p in 0..3 {
                for q in 0..3 {
                    let (a, b) = (found.virial[p][q], reference.virial[p][q]);
                    close(a, b, 3.0 * accuracy * scale);
                }
            }
            let potential = found.potential.iter().zip(&reference.potential);
            let error = rms(potential.map(|(a, b)| a - b));
            assert!(error < 3.0 * accuracy * COULOMB / 2.82, "{seed}: {error:.1e} {accuracy:.0e}");
        }
    }
}

#[test]
fn forces_and_virial_are_exact_derivatives_at_any_accuracy() {
    for accuracy in [1e-2, 1e-4, 1e-6] {
        let system = random_box(20, 3.0, accuracy, 9);
        let found = system.rest();
        let energy = |system: &System| {
            let v = system.rest().potential;
            0.5 * v.iter().zip(&system.charges).map(|(v, q)| v * q).sum::<f64>()
        };
        for (i, d) in [(0, 0), (3, 1), (11, 2), (17, 0)] {
            let moved = |h: f64| {
                let mut moved = system.clone();
                moved.positions[i][d] += h;
                energy(&moved)
            };
            close(-slope(moved, 2e-3), found.forces[i][d], 1e-7);
        }
        for (p, q) in [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)] {
            let strained = |h: f64| {
                let mut strain: Mat3 = [[0.0; 3]; 3];
                strain[p][q] += 0.5 * h;
                strain[q][p] += 0.5 * h;
                energy(&system.strained(&strain))
            };
            close(slope(strained, 1e-6), found.virial[p][q], 2e-6);
        }
    }
}

#[test]
fn the_net_force_is_of_the_size_of_the_error() {
    let system = random_box(120, 0.0, 1e-5, 6);
    let found = system.total();
    let net = (0..3).map(|d| found.forces.iter().map(|f| f[d]).sum::<f64>().powi(2)).sum::<f64>();
    let size = rms(found.forces.iter().map(norm));
    assert!(net > 0.0 && net.sqrt() < 1e-5 * size * 120_f64.sqrt(), "{:.1e}", net.sqrt());
}

#[test]
fn potential_is_linear_and_symmetric() {
    let system = random_box(12, 0.0, 1e-4, 8);
    let (coulomb, n) = (system.prepared(), 12);
    let column = |q: &[f64]| {
        let mut v = vec![0.0; n];
        coulomb.add_potential(q, &mut v);
        v
    };
    let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect::<Vec<_>>();
    let matrix: Vec<_> = (0..n).map(|i| column(&unit(i))).collect();
    let potential = column(&system.charges);
    for i in 0..n {
        (0..n).for_each(|j| close(matrix[i][j], matrix[j][i], 1e-12));
        close(potential[i], (0..n).map(|j| matrix[j][i] * system.charges[j]).sum(), 1e-12);
    }
}

#[test]
fn threads_do_not_change_the_bits() {
    let system = random_box(300, 1.0, 1e-6, 10);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| system.rest())
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one.potential, three.potential);
    assert_eq!(one.forces, three.forces);
    assert_eq!(one.virial, three.virial);
}

#[test]
fn a_cell_of_one_ion_and_a_flat_cell_are_fine() {
    for cell in [
        [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
        [[2.0, 0.3, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 40.0]],
    ] {
        let mut system =
            System::periodic(vec![times(&[0.1, 0.2, -3.4], &cell)], vec![1.0], cell, 5.0, 1e-9);
        let exact = system.total();
        system.options = options(Method::Pme, 1e-9);
        let found = system.total();
        close(found.energy, exact.energy, 1e-7);
        (0..3).for_each(|d| close(found.virial[d][d], exact.virial[d][d], 1e-6));
        (0..3).for_each(|d| close(found.forces[0][d], 0.0, 1e-7));
    }
}

#[test]
fn madelung_constant_on_a_mesh() {
    let a = 5.64;
    let cell = [[0.0, a / 2.0, a / 2.0], [a / 2.0, 0.0, a / 2.0], [a / 2.0, a / 2.0, 0.0]];
    let positions = vec![[0.0; 3], times(&[0.5; 3], &cell)];
    let mut system = System::periodic(positions, vec![1.0, -1.0], cell, 9.0, 1e-12);
    system.options = options(Method::Pme, 1e-12);
    close(-system.total().energy * a / (2.0 * COULOMB), super::NACL, 1e-10);
}
