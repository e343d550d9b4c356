//! Superposed densities against all images written out.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use approx::assert_relative_eq;
use ecteam_core::density::{RadialDensity, density_and_gradient_at_points, density_at_points};
use ecteam_core::structure::norm;
use ecteam_core::{Structure, Vec3};
use proptest::prelude::*;

mod common;
use common::{fcc, images_within, structures};

/// (1 − r²/c²)³ times a factor of the atom: smooth at the nucleus and at the cutoff c.
struct Bump(f64);

impl RadialDensity for Bump {
    fn cutoff(&self) -> f64 {
        self.0
    }
    fn value_slope(&self, atom: usize, r: f64) -> (f64, f64) {
        let (factor, x) = (1.0 + (atom % 7) as f64, r / self.0);
        let u = 1.0 - x * x;
        (factor * u.powi(3), -6.0 * factor * u.powi(2) * x / self.0)
    }
}

fn brute_force(structure: &Structure, radial: &Bump, point: &Vec3) -> f64 {
    let value = |atom: u32, r| radial.value_slope(atom as usize, r).0;
    let images = images_within(structure, point, radial.cutoff());
    images.iter().map(|found| value(found.j, norm(&found.vector))).sum()
}

fn points() -> impl Strategy<Value = Vec<Vec3>> {
    prop::collection::vec(prop::array::uniform3(-30.0..30.0_f64), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_sum_over_images(
        structure in structures(15), points in points(), cutoff in 0.5..8.0_f64,
    ) {
        let radial = Bump(cutoff);
        let mut points = points;
        points.extend_from_slice(structure.positions());
        let density = density_at_points(&structure, &radial, &points).unwrap();
        let (same, _) = density_and_gradient_at_points(&structure, &radial, &points).unwrap();
        prop_assert_eq!(&density, &same);
        for (value, point) in density.iter().zip(&points) {
            let expected = brute_force(&structure, &radial, point);
            assert_relative_eq!(*value, expected, epsilon = 1e-10, max_relative = 1e-10);
        }
    }

    #[test]
    fn points_in_gaps_see_both_sides(
        atoms in prop::collection::vec(prop::array::uniform3(-20..20_i32), 3..9),
        steps in prop::collection::vec(prop::array::uniform3(-4.0..4.0_f64), 9),
    ) {
        // Atoms about 100 Å apart, points within reach of them and beyond.
        let positions: Vec<Vec3> =
            atoms.iter().map(|atom| atom.map(|x| f64::from(x * x * x))).collect();
        let numbers = vec![1; positions.len()];
        let structure = Structure::new(positions, numbers, [[0.0; 3]; 3], [false; 3]).unwrap();
        let points: Vec<Vec3> = structure.positions().iter().zip(&steps)
            .map(|(r, step)| [0, 1, 2].map(|d| r[d] + step[d])).collect();
        let density = density_at_points(&structure, &Bump(3.0), &points).unwrap();
        for (value, point) in density.iter().zip(&points) {
            let expected = brute_force(&structure, &Bump(3.0), point);
            assert_relative_eq!(*value, expected, epsilon = 1e-10, max_relative = 1e-10);
        }
    }

    #[test]
    fn gradient_is_the_slope(structure in structures(8), points in points(), cutoff in 1.0..8.0_f64) {
        // Central differences: error ~ h²·ρ'''/6 ≈ 1e-10·120·(number of atoms)/c³, rounding 1e-11.
        let (radial, h) = (Bump(cutoff), 1e-5);
        let mut points = points;
        points.extend_from_slice(structure.positions());
        let (values, gradients) = density_and_gradient_at_points(&structure, &radial, &points).unwrap();
        for (point, (value, gradient)) in points.iter().zip(values.iter().zip(&gradients)) {
            for d in 0..3 {
                let mut ends = [*point; 2];
                ends[0][d] += h;
                ends[1][d] -= h;
                let [plus, minus] = ends.map(|end| brute_force(&structure, &radial, &end));
                let slope = (plus - minus) / (2.0 * h);
                assert_relative_eq!(gradient[d], slope, epsilon = 1e-7 * (1.0 + value));
            }
        }
    }
}

/// Slater functions from a tight core to a diffuse tail, of either sign; two kinds of atoms.
struct Slaters;

const KINDS: [[(f64, f64); 4]; 2] = [
    [(31.0, 2.1), (9.0, -0.9), (4.6, 5.5), (2.9, 1.3)],
    [(66.0, 2.0), (14.0, 8.0), (4.1, 7.9), (2.2, 0.1)],
];

impl RadialDensity for Slaters {
    fn cutoff(&self) -> f64 {
        9.0
    }
    fn same_as(&self, atom: usize) -> usize {
        atom % 2
    }
    fn value_slope(&self, atom: usize, r: f64) -> (f64, f64) {
        KINDS[atom % 2].iter().fold((0.0, 0.0), |(value, slope), (zeta, c)| {
            let term = c * zeta.powi(3) / (8.0 * std::f64::consts::PI) * (-zeta * r).exp();
            (value + term, slope - zeta * term)
        })
    }
}

/// Many points are summed with tables, few without.
fn tables_agree(structure: &Structure, radial: &impl RadialDensity, edge: f64) {
    let mut points: Vec<Vec3> = (0..40_000)
        .map(|k| {
            [0.754_877, 0.569_840, 0.430_159].map(|s| edge * ((s * f64::from(k)).fract() - 0.3))
        })
        .collect();
    // At a nucleus, and close to it.
    for (k, h) in [0.0, 1e-9, 1e-4, 2e-3, 3.9e-3, 4e-3].into_iter().enumerate() {
        let at = structure.positions()[k % structure.len()];
        points.push([at[0] + h, at[1], at[2] - 0.5 * h]);
    }
    let (values, gradients) = density_and_gradient_at_points(structure, radial, &points).unwrap();
    assert_eq!(values, density_at_points(structure, radial, &points).unwrap());
    for k in (0..points.len()).step_by(7).chain(40_000..points.len()) {
        let (value, gradient) =
            density_and_gradient_at_points(structure, radial, &points[k..=k]).unwrap();
        assert_relative_eq!(values[k], value[0], max_relative = 1e-8, epsilon = 1e-14);
        // Gradients of several atoms cancel: relative to the steepest of them.
        let size = 12.0 * value[0].max(norm(&gradient[0]));
        for d in 0..3 {
            assert_relative_eq!(gradients[k][d], gradient[0][d], epsilon = 1e-9 * size + 1e-14);
        }
    }
}

#[test]
fn tables_agree_with_the_functions() {
    let positions = vec![[0.0; 3], [0.96, 0.1, 0.0], [-0.3, 0.9, 1.8]];
    let molecule = Structure::new(positions, vec![1; 3], [[0.0; 3]; 3], [false; 3]).unwrap();
    tables_agree(&molecule, &Slaters, 9.0);
    tables_agree(&fcc(2, 3.6), &Slaters, 30.0);
    let positions =
        (0..30).map(|k| [0.7 * f64::from(k), f64::from(k % 5), f64::from(k % 7)]).collect();
    let chain = Structure::new(positions, vec![1; 30], [[0.0; 3]; 3], [false; 3]).unwrap();
    tables_agree(&chain, &Slaters, 25.0);
}

#[test]
fn what_is_not_smooth_is_not_tabulated() {
    struct Kinked;
    impl RadialDensity for Kinked {
        fn cutoff(&self) -> f64 {
            4.0
        }
        fn same_as(&self, _: usize) -> usize {
            0
        }
        fn value_slope(&self, _: usize, r: f64) -> (f64, f64) {
            if r < 1.3 { (2.6 - r, -1.0) } else { (1.3, 0.0) }
        }
    }
    tables_agree(&fcc(1, 4.0), &Kinked, 8.0);
}

#[test]
fn number_of_threads_changes_nothing() {
    let structure = fcc(4, 3.6);
    let points: Vec<Vec3> =
        (0..5000).map(|k| [0.013, 0.007, 0.021].map(|s| s * f64::from(k) - 9.0)).collect();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| density_and_gradient_at_points(&structure, &Bump(5.0), &points).unwrap())
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn nothing_is_zero() {
    let none = Structure::new(vec![], vec![], [[0.0; 3]; 3], [false; 3]).unwrap();
    assert_eq!(density_at_points(&none, &Bump(2.0), &[[0.0; 3]]).unwrap(), [0.0]);
    assert!(density_at_points(&fcc(1, 3.6), &Bump(2.0), &[]).unwrap().is_empty());
}

#[test]
fn bad_points_and_cutoffs_are_named() {
    let structure = fcc(1, 3.6);
    let points = [[0.0; 3], [0.0, f64::NAN, 0.0]];
    let error = density_at_points(&structure, &Bump(2.0), &points).unwrap_err();
    assert!(error.to_string().starts_with("points[1]"), "{error}");
    let error = density_at_points(&structure, &Bump(f64::NAN), &[]).unwrap_err();
    assert!(error.to_string().starts_with("cutoff"), "{error}");
}
