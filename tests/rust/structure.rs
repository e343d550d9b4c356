//! Checks and completion of cells.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use approx::assert_relative_eq;
use ecteam_core::structure::{dot, norm, times};
use ecteam_core::{Mat3, Structure, Vec3};

fn cell_of(cell: Mat3, pbc: [bool; 3]) -> Structure {
    Structure::new(vec![], vec![], cell, pbc).unwrap()
}

fn message(positions: Vec<Vec3>, numbers: Vec<u8>, cell: Mat3, pbc: [bool; 3]) -> String {
    Structure::new(positions, numbers, cell, pbc).unwrap_err().to_string()
}

const CELL: Mat3 = [[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [-2.0, 1.5, 7.0]];

#[test]
fn open_directions_get_orthogonal_unit_vectors() {
    for mask in 0..7 {
        let pbc = [0, 1, 2].map(|d| mask >> d & 1 == 1);
        for given in [CELL, [0, 1, 2].map(|d| if pbc[d] { CELL[d] } else { [0.0; 3] })] {
            let structure = cell_of(given, pbc);
            let cell = structure.cell();
            for d in 0..3 {
                if pbc[d] {
                    assert_eq!(cell[d], CELL[d]);
                    continue;
                }
                assert_relative_eq!(norm(&cell[d]), 1.0, epsilon = 1e-14);
                for other in (0..3).filter(|&other| other != d) {
                    assert_relative_eq!(dot(&cell[d], &cell[other]), 0.0, epsilon = 1e-14);
                }
            }
        }
    }
}

#[test]
fn volume_is_that_of_the_periodic_directions() {
    assert_relative_eq!(cell_of(CELL, [true; 3]).volume(), 210.0, epsilon = 1e-12);
    assert_relative_eq!(cell_of(CELL, [true, true, false]).volume(), 30.0, epsilon = 1e-12);
    assert_relative_eq!(cell_of(CELL, [true, false, false]).volume(), 5.0, epsilon = 1e-12);
    assert_relative_eq!(cell_of(CELL, [false; 3]).volume(), 1.0, epsilon = 1e-12);
}

#[test]
fn inverse_and_heights_belong_to_the_cell() {
    let left_handed = [CELL[1], CELL[0], CELL[2]];
    for cell in [CELL, left_handed] {
        let structure = cell_of(cell, [true; 3]);
        for d in 0..3 {
            let row = times(&structure.cell()[d], structure.inverse());
            for k in 0..3 {
                assert_relative_eq!(row[k], if k == d { 1.0 } else { 0.0 }, epsilon = 1e-14);
            }
        }
        assert_relative_eq!(structure.heights()[2], 7.0, epsilon = 1e-13);
    }
}

#[test]
fn singular_and_missing_cells_are_refused() {
    let flat = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]];
    assert!(message(vec![], vec![], flat, [true; 3]).starts_with("cell: is singular"));
    let parallel = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0; 3]];
    assert!(message(vec![], vec![], parallel, [true, true, false]).starts_with("cell"));
    let missing = [[1.0, 0.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0]];
    assert!(message(vec![], vec![], missing, [true; 3]).starts_with("cell[1]: must be at least"));
    cell_of(flat, [true, true, false]);
}

#[test]
fn values_that_are_not_numbers_are_named() {
    let open = [false; 3];
    for bad in [f64::NAN, f64::INFINITY, -1.1e6] {
        let at = message(vec![[0.0; 3], [0.0, bad, 0.0]], vec![1, 1], [[0.0; 3]; 3], open);
        assert!(at.starts_with("positions[1, 1]"), "{at}");
        let mut cell = CELL;
        cell[2][0] = bad;
        assert!(message(vec![], vec![], cell, [true; 3]).starts_with("cell[2]"));
    }
}

#[test]
fn numbers_must_be_elements_one_per_atom() {
    let at = |numbers: Vec<u8>| message(vec![[0.0; 3]; 2], numbers, [[0.0; 3]; 3], [false; 3]);
    assert!(at(vec![1]).contains("one entry per atom (2), got 1"));
    assert!(at(vec![1, 0]).starts_with("numbers[1]"));
    assert!(at(vec![119, 1]).starts_with("numbers[0]"));
}
