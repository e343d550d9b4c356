//! Dipoles of Ewald sums against derivatives of the potential, a lattice sum, and each other.

use std::f64::consts::PI;

use ecteam_core::coulomb::{Coulomb, Method, Multipoles};
use ecteam_core::structure::dot;
use ecteam_core::{COULOMB, Mat3, Structure, Vec3};

use super::oracle::{Random, System, TRICLINIC, close, options, scatter, slope};

struct Sources {
    system: System,
    dipoles: Vec<Vec3>,
}

/// Potentials and gradients ∂E/∂m.
type Answer = (Vec<f64>, Vec<Vec3>);

impl Sources {
    /// Charges and dipoles in a triclinic cell; no pair is within the cutoff of real space.
    fn random(method: Method, accuracy: f64) -> Self {
        let mut random = Random(3);
        let positions = scatter(8, &TRICLINIC, 1.6, 9);
        let charges = (0..8).map(|_| random.next() - 0.4).collect();
        let dipoles = (0..8).map(|_| [0; 3].map(|_| random.next() - 0.5)).collect();
        let mut system = System::periodic(positions, charges, TRICLINIC, 4.0, accuracy);
        system.options = options(method, accuracy);
        Self { system, dipoles }
    }

    fn answer(&self) -> Answer {
        let n = self.dipoles.len();
        let (mut potential, mut gradients) = (vec![0.0; n], vec![[0.0; 3]; n]);
        let sources = Multipoles { charges: &self.system.charges, dipoles: &self.dipoles };
        let coulomb = self.system.prepared();
        coulomb.add_multipole_potential(sources, false, &mut potential, &mut gradients);
        (potential, gradients)
    }

    fn energy(&self) -> f64 {
        let (potential, gradients) = self.answer();
        let charges: f64 = self.system.charges.iter().zip(potential).map(|(q, v)| q * v).sum();
        let dipoles: f64 = self.dipoles.iter().zip(&gradients).map(|(m, g)| dot(m, g)).sum();
        0.5 * (charges + dipoles)
    }

    fn forces(&self) -> (Vec<Vec3>, Mat3) {
        let (mut forces, mut virial) = (vec![[0.0; 3]; self.dipoles.len()], [[0.0; 3]; 3]);
        let sources = Multipoles { charges: &self.system.charges, dipoles: &self.dipoles };
        self.system.prepared().add_multipole_forces(sources, &mut forces, &mut virial);
        (forces, virial)
    }

    /// The same with an atom without charge and dipole.
    fn with_probe(&self, at: Vec3) -> Self {
        let mut with = Self { system: self.system.clone(), dipoles: self.dipoles.clone() };
        with.system.positions.push(at);
        with.system.charges.push(0.0);
        with.dipoles.push([0.0; 3]);
        with
    }
}

fn moved(r: &Vec3, axis: usize, by: f64) -> Vec3 {
    let mut r = *r;
    r[axis] += by;
    r
}

fn close_each(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(x, y)| close(*x, *y, tolerance));
}

#[test]
fn gradients_are_those_of_the_potential() {
    let sources = Sources::random(Method::Ewald, 1e-12);
    let (_, gradients) = sources.answer();
    let alpha = (2.0_f64 / 1e-12).ln().sqrt() / 4.0;
    let own = 4.0 * COULOMB * alpha.powi(3) / (3.0 * PI.sqrt());
    for i in [0, 5] {
        for axis in 0..3 {
            let at = |by: f64| {
                let probe = moved(&sources.system.positions[i], axis, by);
                *sources.with_probe(probe).answer().0.last().unwrap()
            };
            close(gradients[i][axis], slope(at, 2e-3) - own * sources.dipoles[i][axis], 1e-7);
        }
    }
}

#[test]
fn charges_and_dipoles_act_on_each_other_alike() {
    for method in [Method::Ewald, Method::Pme] {
        let both = Sources::random(method, 1e-6);
        let mut charges = Sources { dipoles: vec![[0.0; 3]; 8], ..Sources::random(method, 1e-6) };
        let mut dipoles = Sources::random(method, 1e-6);
        charges.system.charges.clone_from(&both.system.charges);
        dipoles.system.charges.fill(0.0);
        let (_, gradients) = charges.answer();
        let (potential, _) = dipoles.answer();
        let first: f64 = both.dipoles.iter().zip(&gradients).map(|(m, g)| dot(m, g)).sum();
        let second: f64 = both.system.charges.iter().zip(&potential).map(|(q, v)| q * v).sum();
        close(first, second, 1e-11);
    }
}

#[test]
fn forces_and_virial_are_slopes_of_the_energy() {
    // A strain carries k vectors across the edge of the sphere; a mesh keeps its modes.
    for (method, accuracy) in [(Method::Ewald, 1e-12), (Method::Pme, 1e-6)] {
        let sources = Sources::random(method, accuracy);
        let (forces, virial) = sources.forces();
        for i in [1, 4] {
            for axis in 0..3 {
                let energy = |by: f64| {
                    let mut system = sources.system.clone();
                    system.positions[i] = moved(&system.positions[i], axis, by);
                    Sources { system, dipoles: sources.dipoles.clone() }.energy()
                };
                close(-slope(energy, 1e-3), forces[i][axis], 2e-7);
            }
        }
        for p in 0..3 {
            for q in 0..3 {
                let energy = |by: f64| {
                    let mut strain = [[0.0; 3]; 3];
                    strain[p][q] = by;
                    let system = sources.system.strained(&strain);
                    Sources { system, dipoles: sources.dipoles.clone() }.energy()
                };
                close(slope(energy, 1e-4), virial[p][q], 1e-6);
            }
        }
    }
}

#[test]
fn the_mesh_agrees_with_the_sum() {
    let (potential, gradients) = Sources::random(Method::Ewald, 1e-9).answer();
    let (forces, virial) = Sources::random(Method::Ewald, 1e-9).forces();
    let mesh = Sources::random(Method::Pme, 1e-9);
    let (on_mesh, slopes) = mesh.answer();
    let (pulls, strain) = mesh.forces();
    close_each(&on_mesh, &potential, 1e-6);
    close_each(slopes.as_flattened(), gradients.as_flattened(), 1e-6);
    close_each(pulls.as_flattened(), forces.as_flattened(), 1e-6);
    close_each(strain.as_flattened(), virial.as_flattened(), 1e-6);
}

#[test]
fn all_at_once_is_the_same_as_one_by_one() {
    for method in [Method::Ewald, Method::Pme, Method::Direct] {
        let mut sources = Sources::random(method, 1e-9);
        if method == Method::Direct {
            sources.system.pbc = [false; 3];
        }
        let ((potential, gradients), (forces, virial)) = (sources.answer(), sources.forces());
        let (mut v, mut g) = (vec![0.0; 8], vec![[0.0; 3]; 8]);
        let (mut f, mut w) = (vec![[0.0; 3]; 8], [[0.0; 3]; 3]);
        let both = Multipoles { charges: &sources.system.charges, dipoles: &sources.dipoles };
        sources.system.prepared().add_all_of_multipoles(both, (&mut v, &mut g), &mut f, &mut w);
        close_each(&v, &potential, 1e-11);
        close_each(g.as_flattened(), gradients.as_flattened(), 1e-11);
        close_each(f.as_flattened(), forces.as_flattened(), 1e-11);
        close_each(w.as_flattened(), virial.as_flattened(), 1e-11);
    }
}

#[test]
fn a_rough_sum_has_three_digits() {
    let sources = Sources::random(Method::Pme, 1e-9);
    let (potential, gradients) = sources.answer();
    let (mut v, mut g) = (vec![0.0; 8], vec![[0.0; 3]; 8]);
    let both = Multipoles { charges: &sources.system.charges, dipoles: &sources.dipoles };
    sources.system.prepared().add_multipole_potential(both, true, &mut v, &mut g);
    let size = |x: &[f64]| x.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let (all_v, all_g) = (size(&potential), size(gradients.as_flattened()));
    let off =
        |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0_f64, |m, (x, y)| m.max((x - y).abs()));
    let (by_v, by_g) = (off(&v, &potential), off(g.as_flattened(), gradients.as_flattened()));
    assert!(by_v < 5e-3 * all_v && by_g < 5e-3 * all_g, "{} {}", by_v / all_v, by_g / all_g);
    assert!(by_v > 1e-8 * all_v, "not rough");
}

/// In a cubic lattice of parallel dipoles, in conducting surroundings, each feels 4π/3 of their
/// density (H. A. Lorentz).
#[test]
fn a_cubic_lattice_has_the_field_of_lorentz() {
    let edge = 5.0;
    let cell = [[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]];
    let system = System::periodic(vec![[0.7, 0.2, -0.4]], vec![0.0], cell, 4.9, 1e-13);
    let m = [0.3, -0.5, 0.2];
    let (_, gradients) = Sources { system, dipoles: vec![m] }.answer();
    for d in 0..3 {
        close(gradients[0][d], -4.0 * PI / 3.0 * COULOMB * m[d] / edge.powi(3), 1e-10);
    }
}

#[test]
fn a_finite_system_is_a_sum_over_pairs() {
    let mut sources = Sources::random(Method::Direct, 1e-6);
    sources.system.pbc = [false; 3];
    let (forces, virial) = sources.forces();
    for i in [0, 7] {
        for axis in 0..3 {
            let energy = |by: f64| {
                let mut system = sources.system.clone();
                system.positions[i] = moved(&system.positions[i], axis, by);
                Sources { system, dipoles: sources.dipoles.clone() }.energy()
            };
            close(-slope(energy, 1e-3), forces[i][axis], 1e-7);
        }
    }
    let energy = |by: f64| {
        let strain = [[0.0, by, 0.0], [0.0; 3], [0.0; 3]];
        let system = sources.system.strained(&strain);
        Sources { system, dipoles: sources.dipoles.clone() }.energy()
    };
    close(slope(energy, 1e-4), virial[0][1], 1e-7);
    // Two charges far apart, at a small distance: a dipole.
    let (h, n) = (1e-3, [0.0, 0.6, 0.8]);
    let place = |by: f64| [0, 1, 2].map(|d| [4.0, 1.0, -2.0][d] + by * n[d]);
    let pair = Structure::new(
        vec![[0.0; 3], place(0.5 * h), place(-0.5 * h)],
        vec![1; 3],
        [[0.0; 3]; 3],
        [false; 3],
    );
    let mut coulomb = Coulomb::new(options(Method::Direct, 1e-6), [false; 3], 4.0).unwrap();
    coulomb.prepare(&pair.unwrap()).unwrap();
    let mut potential = vec![0.0; 3];
    coulomb.add_potential(&[0.0, 1.0 / h, -1.0 / h], &mut potential);
    let point = Structure::new(vec![[0.0; 3], place(0.0)], vec![1; 2], [[0.0; 3]; 3], [false; 3]);
    coulomb.prepare(&point.unwrap()).unwrap();
    let (mut found, mut gradients) = (vec![0.0; 2], vec![[0.0; 3]; 2]);
    let sources = Multipoles { charges: &[0.0; 2], dipoles: &[[0.0; 3], n] };
    coulomb.add_multipole_potential(sources, false, &mut found, &mut gradients);
    close(found[0], potential[0], 1e-6);
}
