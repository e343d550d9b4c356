//! Ewald sums with pairs beyond the cutoff of the potential: a smaller reciprocal sum, the same result.

use ecteam_core::coulomb::Method;
use ecteam_core::structure::norm;
use ecteam_core::{COULOMB, Mat3};

use super::oracle::{System, close, options, rms, slope, small_system, sub};
use super::pme::random_box;

/// Pairs up to 4.5 Å, as those of a short-ranged potential.
fn extended(method: Method, system: System, accuracy: f64) -> System {
    System { options: options(method, accuracy), cutoff: 4.5, extended: true, ..system }
}

#[test]
fn the_sum_is_that_of_the_pairs_alone() {
    for (method, n) in [(Method::Pme, 300), (Method::Ewald, 60)] {
        for (accuracy, total) in [(1e-6, 0.0), (1e-6, 3.0), (1e-8, 0.0)] {
            let system = extended(method, random_box(n, total, accuracy, 3), accuracy);
            let own = system.prepared().own_cutoff().expect("pairs beyond 4.5 Å are cheaper");
            assert!((4.5..=8.0).contains(&own), "{own}");
            let converged = System {
                options: options(Method::Ewald, 1e-12),
                cutoff: 7.0,
                extended: false,
                ..system.clone()
            };
            let (found, exact) = (system.total(), converged.total());
            let size = rms(exact.forces.iter().map(norm));
            let wrong = found.forces.iter().zip(&exact.forces).map(|(x, y)| norm(&sub(x, y)));
            assert!(rms(wrong) < accuracy * size, "{method:?} {accuracy:e}");
            let squares: f64 = system.charges.iter().map(|q| q * q).sum();
            let scale = accuracy * COULOMB * squares / 2.82;
            close(found.energy, exact.energy, scale);
            for (a, b) in found.virial.as_flattened().iter().zip(exact.virial.as_flattened()) {
                close(*a, *b, 3.0 * scale);
            }
        }
    }
}

#[test]
fn the_cutoff_of_the_potential_does_not_matter() {
    let at = |cutoff: f64| {
        let system = extended(Method::Pme, random_box(300, 0.0, 1e-8, 4), 1e-8);
        System { cutoff, ..system }.total()
    };
    let (short, long) = (at(3.5), at(6.0));
    let size = rms(long.forces.iter().map(norm));
    for (x, y) in short.forces.iter().zip(&long.forces) {
        assert!(norm(&sub(x, y)) < 1e-7 * size);
    }
    close(short.energy, long.energy, 1e-8 * long.energy.abs().max(100.0));
}

#[test]
fn forces_and_virial_are_derivatives() {
    for method in [Method::Pme, Method::Ewald] {
        let system = extended(method, random_box(150, 2.0, 1e-8, 9), 1e-8);
        assert!(system.prepared().own_cutoff().is_some());
        let found = system.total();
        let size = rms(found.forces.iter().map(norm));
        for (i, d) in [(0, 0), (3, 1), (149, 2)] {
            let moved = |h: f64| {
                let mut moved = system.clone();
                moved.positions[i][d] += h;
                moved.total().energy
            };
            close(-slope(moved, 2e-3), found.forces[i][d], 1e-6 * size);
        }
        for (p, q) in [(0, 0), (1, 2)] {
            let strained = |h: f64| {
                let mut strain: Mat3 = [[0.0; 3]; 3];
                strain[p][q] = h;
                system.strained(&strain).total().energy
            };
            close(slope(strained, 1e-4), found.virial[p][q], 1e-5 * size * 150.0_f64.sqrt());
        }
    }
}

/// The smallest cells see the images of their own atoms.
#[test]
fn cells_smaller_than_the_cutoff() {
    for charge in [0.0, 1.7] {
        let system = extended(Method::Pme, small_system(charge, 1e-8), 1e-8);
        let exact = System {
            options: options(Method::Ewald, 1e-13),
            cutoff: 9.0,
            extended: false,
            ..system.clone()
        };
        let (found, exact) = (system.total(), exact.total());
        close(found.energy, exact.energy, 1e-6);
        for (x, y) in found.potential.iter().zip(&exact.potential) {
            close(*x, *y, 1e-5);
        }
    }
}
