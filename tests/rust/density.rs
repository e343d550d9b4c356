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
