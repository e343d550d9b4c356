//! Point-charge electrostatics against lattice sums, finite differences and its own symmetries.
//!
//! The oracle is a brute-force pair sum of the kernel over all images; the module adds the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::doc_markdown)]

#[path = "coulomb/dipoles.rs"]
mod dipoles;
#[path = "coulomb/extended.rs"]
mod extended;
#[path = "coulomb/oracle.rs"]
mod oracle;
#[path = "coulomb/pme.rs"]
mod pme;

use ecteam_core::coulomb::{Coulomb, Kernel, Method, Options};
use ecteam_core::structure::{norm, times};
use ecteam_core::{COULOMB, Mat3, Vec3};
use oracle::{
    Random, System, close, images, ionic_box, options, rms, scatter, slope, small_system, sub,
};
use proptest::prelude::*;

// Madelung constants for the nearest-neighbour distance: OEIS A085469 (NaCl) and A181152 (CsCl);
// zincblende, Sakamoto, J. Chem. Phys. 28, 164 (1958), follows from them (second test below).
const NACL: f64 = 1.747_564_594_633_182;
const CSCL: f64 = 1.762_674_773_070_988;
const ZNS: f64 = 1.638_055_053_388_79;

fn crystal(cation: &[Vec3], anion: &[Vec3], cell: Mat3, cutoff: f64) -> System {
    let positions: Vec<_> = cation.iter().chain(anion).map(|s| times(s, &cell)).collect();
    let charges = (0..positions.len()).map(|i| if i < cation.len() { 1.0 } else { -1.0 }).collect();
    System::periodic(positions, charges, cell, cutoff, 1e-13)
}

fn madelung(system: &System, neighbour: f64) -> f64 {
    -system.total().energy * neighbour / COULOMB / (system.charges.len() / 2) as f64
}

#[test]
fn madelung_constants() {
    let a = 5.64;
    let fcc = [[0.0, a / 2.0, a / 2.0], [a / 2.0, 0.0, a / 2.0], [a / 2.0, a / 2.0, 0.0]];
    let (origin, quarter, half) = ([[0.0; 3]], [[0.25; 3]], [[0.5; 3]]);
    for cutoff in [4.0, 7.3, 11.0] {
        close(madelung(&crystal(&origin, &half, fcc, cutoff), a / 2.0), NACL, 1e-11);
        let simple = [[a, 0.0, 0.0], [0.0, a, 0.0], [0.0, 0.0, a]];
        close(madelung(&crystal(&origin, &half, simple, cutoff), a * 0.75_f64.sqrt()), CSCL, 1e-11);
        close(
            madelung(&crystal(&origin, &quarter, fcc, cutoff), a * 3_f64.sqrt() / 4.0),
            ZNS,
            1e-11,
        );
    }
}

/// The constants themselves, without any Ewald sum: Benson's series for NaCl, a sum over neutral
/// cubes for CsCl, and their superposition for zincblende (its two sublattices are a quarter of the
/// rock-salt ones, so φ(ZnS) = ½ φ(NaCl) + ½ φ(CsCl of half the edge)).
#[test]
fn madelung_constants_from_other_series() {
    let odd = || (0..20).map(|m| f64::from(2 * m + 1));
    let sech2 = |x: f64| x.cosh().powi(-2);
    let pi = std::f64::consts::PI;
    let benson: f64 =
        odd().flat_map(|m| odd().map(move |n| sech2(0.5 * pi * m.hypot(n)))).sum::<f64>()
            * 12.0
            * pi;
    close(benson, NACL, 1e-14 * 4.0);
    close(0.75_f64.sqrt() * 0.5 * NACL + 0.5 * CSCL, ZNS, 4e-15);
    close(cscl_by_cubes(24), CSCL, 1e-8);
}

/// Half the potential difference of the two sites in a cube of (2n+1)³ cells, each an anion and
/// eight eighths of cations: no dipole, no quadrupole; the constant of the surface cancels.
fn cscl_by_cubes(n: i32) -> f64 {
    let sum = |site: f64| {
        let at = |r: Vec3| sub(&r, &[site; 3]);
        let anions = images([n; 3]).map(|r| (-1.0, at(r)));
        let edge = f64::from(n) + 0.5;
        let weight =
            move |r: &Vec3| r.iter().map(|x| if x.abs() == edge { 0.5 } else { 1.0 }).product();
        let corners = images([n + 1; 3])
            .map(|r| r.map(|x| x - 0.5))
            .filter(move |r| r.iter().all(|x| x.abs() <= edge));
        let cations = corners.map(move |r| (weight(&r), at(r)));
        let all = anions.chain(cations).filter(|(_, r)| norm(r) > 0.1);
        all.map(|(q, r): (f64, Vec3)| q / norm(&r)).sum::<f64>()
    };
    (sum(0.0) - sum(0.5)) / 2.0 * 0.75_f64.sqrt()
}

#[test]
fn splitting_does_not_matter() {
    for charge in [0.0, 1.7] {
        let reference = small_system(charge, 1e-13).total();
        for (cutoff, accuracy) in [(3.5, 1e-12), (5.0, 1e-13), (9.0, 1e-12), (14.0, 1e-13)] {
            let other = System { cutoff, ..small_system(charge, accuracy) }.total();
            close(other.energy, reference.energy, 1e-9);
            for i in 0..8 {
                close(other.potential[i], reference.potential[i], 1e-9);
                (0..3).for_each(|d| close(other.forces[i][d], reference.forces[i][d], 1e-9));
            }
            for (a, b) in other.virial.as_flattened().iter().zip(reference.virial.as_flattened()) {
                close(*a, *b, 1e-9);
            }
        }
    }
}

#[test]
fn choice_of_cell_does_not_matter() {
    for charge in [0.0, -2.0] {
        let base = small_system(charge, 1e-12);
        let reference = base.total();
        let [a, b, c] = base.cell;
        let plus = |x: &Vec3, m: f64, y: &Vec3| [0, 1, 2].map(|d| x[d] + m * y[d]);
        // Very skewed cells of the same lattice, one of them left-handed.
        for cell in [[plus(&a, 3.0, &b), b, plus(&c, -4.0, &a)], [b, plus(&a, -5.0, &c), c]] {
            let other = System { cell, ..base.clone() }.total();
            close(other.energy, reference.energy, 1e-9);
            for (f, g) in other.forces.iter().zip(&reference.forces) {
                (0..3).for_each(|d| close(f[d], g[d], 1e-9));
            }
        }
        let mut double = System { cell: [a, plus(&b, 1.0, &b), c], ..base.clone() };
        double.positions.extend(base.positions.iter().map(|r| plus(r, 1.0, &b)));
        double.charges.extend(&base.charges);
        let total = double.total();
        close(total.energy, 2.0 * reference.energy, 2e-9);
        (0..3).for_each(|d| close(total.virial[d][d], 2.0 * reference.virial[d][d], 2e-9));
    }
}

fn finite_systems() -> Vec<System> {
    let neutral = small_system(0.0, 1e-12);
    let open = System { pbc: [false; 3], ..neutral.clone() };
    let shifted = options(Method::ShiftedForce, 1e-6);
    vec![
        small_system(2.3, 1e-12),
        System { options: options(Method::Direct, 1e-6), ..open.clone() },
        System { options: shifted, ..neutral.clone() },
        System { options: shifted, pbc: [true, false, true], cutoff: 5.0, ..neutral.clone() },
        neutral,
    ]
}

#[test]
fn forces_are_finite_differences() {
    for system in finite_systems() {
        let total = system.total();
        let scale = rms(total.forces.as_flattened().iter().copied());
        for (i, d) in (0..8).flat_map(|i| [(i, 0), (i, 1), (i, 2)]) {
            let energy = |h: f64| {
                let mut moved = system.clone();
                moved.positions[i][d] += h;
                moved.total().energy
            };
            close(-slope(energy, 1e-3), total.forces[i][d], 1e-7 * scale);
        }
    }
}

#[test]
fn virial_is_the_strain_derivative() {
    for system in finite_systems() {
        let virial = system.total().virial;
        let scale = rms(virial.as_flattened().iter().copied());
        for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
            let energy = |h: f64| {
                let mut strain = [[0.0; 3]; 3];
                strain[a][b] += 0.5 * h;
                strain[b][a] += 0.5 * h;
                system.strained(&strain).total().energy
            };
            close(slope(energy, 2e-4), virial[a][b], 1e-6 * scale);
            close(virial[a][b], virial[b][a], 1e-12 * scale);
        }
    }
}

#[test]
fn potential_is_the_charge_derivative() {
    for system in finite_systems() {
        let total = system.total();
        for i in 0..8 {
            let energy = |h: f64| {
                let mut other = system.clone();
                other.charges[i] += h;
                other.total().energy
            };
            close((energy(1.0) - energy(-1.0)) / 2.0, total.potential[i], 1e-11 * norm(&[30.0; 3]));
        }
    }
}

#[test]
fn big_box_tends_to_the_isolated_dimer() {
    let positions = vec![[0.1, 0.2, 0.3], [1.1, 1.4, 0.9]];
    let (charges, p2) = (vec![1.0, -1.0], 1.0 + 1.44 + 0.36);
    let energy = |length: f64, pbc: bool| {
        let cell = [[length, 0.0, 0.0], [0.0, length, 0.0], [0.0, 0.0, length]];
        let options = options(Method::Auto, 1e-12);
        let (positions, charges) = (positions.clone(), charges.clone());
        let extended = false;
        let cutoff = 9.0;
        System { positions, charges, cell, pbc: [pbc; 3], cutoff, options, extended }.total().energy
    };
    let free = energy(1.0, false);
    close(free, -COULOMB / f64::sqrt(p2), 1e-13);
    // Makov & Payne, Phys. Rev. B 51, 4014 (1995): −2πp²/(3L³) in conducting surroundings, then L⁻⁵.
    for length in [12.0, 24.0, 36.0_f64] {
        let dipole = -2.0 * std::f64::consts::PI * COULOMB * p2 / (3.0 * length.powi(3));
        let rest = energy(length, true) - free - dipole;
        assert!(rest.abs() < 100.0 * p2 * p2 / length.powi(5), "{length}: {rest:e} of {dipole:e}");
    }
}

#[test]
fn accuracy_is_what_was_asked() {
    for cutoff in [5.0, 6.0] {
        let reference = ionic_box(1e-12, cutoff).total().forces;
        let scale = rms(reference.as_flattened().iter().copied());
        for accuracy in [1e-4, 1e-6, 1e-8] {
            let forces = ionic_box(accuracy, cutoff).total().forces;
            let pairs = forces.as_flattened().iter().zip(reference.as_flattened());
            let error = rms(pairs.map(|(a, b)| a - b)) / scale / accuracy;
            assert!((0.02..3.0).contains(&error), "{error} × {accuracy:e} at {cutoff} Å");
        }
    }
}

/// Charged atoms among so many neutral ones that phase factors are rebuilt and threads are used.
#[test]
fn large_systems_take_another_path_to_the_same_numbers() {
    let few = ionic_box(1e-6, 4.0);
    let mut many = few.clone();
    let mut random = Random(5);
    many.positions.extend((0..29_800).map(|_| [0; 3].map(|_| 16.5 * random.next())));
    many.charges.resize(30_000, 0.0);
    let (expected, found) = (few.rest(), many.rest());
    for i in 0..200 {
        close(found.potential[i], expected.potential[i], 1e-10);
        (0..3).for_each(|d| close(found.forces[i][d], expected.forces[i][d], 1e-10));
    }
    for (a, b) in found.virial.as_flattened().iter().zip(expected.virial.as_flattened()) {
        close(*a, *b, 1e-9);
    }
}

#[test]
fn direct_sum_of_many_atoms() {
    let mut system = ionic_box(1e-6, 5.0);
    (system.pbc, system.options) = ([false; 3], Options::default());
    system.positions =
        (0..700).map(|i| [f64::from(i) * 1.1, f64::from(i % 7), f64::from(i % 3)]).collect();
    system.charges = (0..700).map(|i| f64::from(i).sin()).collect();
    let potential = system.rest().potential;
    for i in (0..700).step_by(41) {
        let distance = |j: usize| norm(&sub(&system.positions[i], &system.positions[j]));
        let pair = |j: usize| COULOMB * system.charges[j] / distance(j);
        close(potential[i], (0..700).filter(|&j| j != i).map(pair).sum(), 1e-12);
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let mut open = ionic_box(1e-6, 5.0);
    open.positions.extend(ionic_box(1e-6, 5.0).positions.iter().map(|r| r.map(|x| x + 20.0)));
    open.charges.extend([0.3; 200]);
    (open.pbc, open.options) = ([false; 3], Options::default());
    for system in [ionic_box(1e-6, 5.0), open] {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let total = pool.install(|| system.rest());
            (total.potential, total.forces, total.virial)
        };
        let one = run(1);
        assert!((0..3).all(|_| run(2) == one && run(3) == one));
    }
}

#[test]
fn kernels_have_their_slopes() {
    let shifted = Kernel::ShiftedForce { cutoff: 5.0 };
    for kernel in [shifted, Kernel::Screened { alpha: 0.4 }, Kernel::None] {
        for r in [0.3, 1.0, 2.5, 4.9] {
            let [_, first, second] = kernel.times_r(r);
            close(slope(|h| kernel.times_r(r + h)[0], 1e-3), first, 1e-9);
            close(slope(|h| kernel.times_r(r + h)[1], 1e-3), second, 1e-9);
        }
    }
    let r = 3.1;
    close(shifted.times_r(r)[0] / r, COULOMB * (1.0 / r - 0.2 + (r - 5.0) / 25.0), 1e-14);
    let inside = shifted.times_r(5.0 - 1e-9);
    assert!(inside[0].abs() < 1e-16 && inside[1].abs() < 1e-8, "{inside:?}");
    assert_eq!(shifted.times_r(5.0), [0.0; 3]);
    close(Kernel::Screened { alpha: 0.4 }.times_r(0.0)[0], COULOMB, 0.0);
}

#[test]
fn shifted_force_of_a_small_molecule_tends_to_coulomb() {
    let molecule = |cutoff: f64| {
        let positions = vec![[0.0; 3], [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]];
        let charges = vec![-0.8, 0.4, 0.4];
        let options =
            options(if cutoff > 0.0 { Method::ShiftedForce } else { Method::Direct }, 1e-6);
        let cell = [[0.0; 3]; 3];
        let cutoff = cutoff.max(1.0);
        let extended = false;
        System { positions, charges, cell, pbc: [false; 3], cutoff, options, extended }
            .total()
            .potential
    };
    let (exact, near, far) = (molecule(0.0), molecule(100.0), molecule(200.0));
    for i in 0..3 {
        close((near[i] - exact[i]) / (far[i] - exact[i]), 4.0, 1e-6);
        close(far[i], exact[i], 1e-3);
    }
}

#[test]
fn bad_options_are_named() {
    let problem = |method, accuracy, pbc, cutoff| {
        Coulomb::new(options(method, accuracy), pbc, cutoff).expect_err("rejected").to_string()
    };
    let slab = [true, true, false];
    for method in [Method::Auto, Method::Ewald] {
        let text = problem(method, 1e-6, slab, 6.0);
        assert!(
            text.starts_with("electrostatics")
                && text.contains("pbc")
                && text.contains("shifted_force")
        );
    }
    assert!(problem(Method::Ewald, 1e-6, [false; 3], 6.0).contains("pbc"));
    assert!(problem(Method::Direct, 1e-6, slab, 6.0).contains("direct"));
    for accuracy in [0.0, 1e-15, 0.2, -1e-6, f64::NAN, f64::INFINITY] {
        assert!(problem(Method::Auto, accuracy, [true; 3], 6.0).starts_with("accuracy"));
    }
    for cutoff in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(problem(Method::Auto, 1e-6, [true; 3], cutoff).starts_with("cutoff"));
    }
    assert!(Coulomb::new(options(Method::ShiftedForce, 1e-6), slab, 6.0).is_ok());
}

fn any_system() -> impl Strategy<Value = System> {
    let cell = proptest::collection::vec(-0.45..0.45_f64, 9);
    (1..7_usize, 0..1_u64 << 40, cell, 3.0..8.0_f64).prop_map(|(n, seed, skew, cutoff)| {
        let entry = |i: usize, j: usize| 6.0 * (skew[3 * i + j] + if i == j { 1.5 } else { 0.0 });
        let cell = [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)));
        let mut random = Random(seed ^ 3);
        let charges = (0..n).map(|_| 2.0 * random.next() - 1.0).collect();
        System::periodic(scatter(n, &cell, 1.0, seed), charges, cell, cutoff, 1e-9)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interaction_is_symmetric_and_linear(system in any_system()) {
        let n = system.charges.len();
        let coulomb = system.prepared();
        let column = |q: &[f64]| { let mut v = vec![0.0; n]; coulomb.add_potential(q, &mut v); v };
        let unit = |i: usize| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect::<Vec<_>>();
        let matrix: Vec<_> = (0..n).map(|i| column(&unit(i))).collect();
        let potential = column(&system.charges);
        for i in 0..n {
            (0..n).for_each(|j| close(matrix[i][j], matrix[j][i], 1e-11));
            close(potential[i], (0..n).map(|j| matrix[j][i] * system.charges[j]).sum(), 1e-11);
        }
    }

    #[test]
    fn translation_changes_nothing(system in any_system(), by in proptest::array::uniform3(-30.0..30.0_f64)) {
        let moved = System {
            positions: system.positions.iter().map(|r| [0, 1, 2].map(|d| r[d] + by[d])).collect(),
            ..system.clone()
        };
        let (a, b) = (system.total(), moved.total());
        close(a.energy, b.energy, 1e-10);
        for d in 0..3 {
            close(a.forces.iter().map(|f| f[d]).sum(), 0.0, 1e-10);
            (0..a.forces.len()).for_each(|i| close(a.forces[i][d], b.forces[i][d], 1e-9));
            close(a.virial[d][d], b.virial[d][d], 1e-9);
        }
    }
}
