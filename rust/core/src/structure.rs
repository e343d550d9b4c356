//! Atoms in a cell, checked on construction.

use crate::error::{Error, Result};

/// A vector in Cartesian space, Å unless said otherwise.
pub type Vec3 = [f64; 3];
/// Rows are the three cell vectors, Å.
pub type Mat3 = [Vec3; 3];

/// Largest coordinate accepted, Å: beyond it a double no longer resolves 1e-9 Å.
const MAX_COORDINATE: f64 = 1e6;
/// Smallest accepted volume of the periodic directions relative to the product of their lengths.
const MIN_RELATIVE_VOLUME: f64 = 1e-6;

/// Positions, cell, periodicity and atomic numbers of a system.
///
/// Vectors of non-periodic directions have no meaning: whatever they were, they are replaced by unit
/// vectors orthogonal to the others. So `cell` is always invertible, and `volume` is the volume,
/// area or length of the periodic directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    positions: Vec<Vec3>,
    numbers: Vec<u8>,
    cell: Mat3,
    inverse: Mat3,
    pbc: [bool; 3],
}

impl Structure {
    /// Check and store a system.
    ///
    /// `positions` (n, 3) Å, `numbers` (n,) atomic numbers 1–118, `cell` rows in Å.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for different lengths, non-finite or huge coordinates, an atomic
    /// number outside 1–118, a periodic cell vector that is zero, or a singular cell.
    pub fn new(positions: Vec<Vec3>, numbers: Vec<u8>, cell: Mat3, pbc: [bool; 3]) -> Result<Self> {
        check_atoms(&positions, &numbers)?;
        let cell = complete_cell(cell, pbc)?;
        let inverse = inverse(&cell);
        Ok(Self { positions, numbers, cell, inverse, pbc })
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.positions.len()
    }
    /// True without atoms.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
    /// Positions, Å.
    pub fn positions(&self) -> &[Vec3] {
        &self.positions
    }
    /// Atomic numbers.
    pub fn numbers(&self) -> &[u8] {
        &self.numbers
    }
    /// Completed cell, rows in Å.
    pub fn cell(&self) -> &Mat3 {
        &self.cell
    }
    /// Inverse of [`Self::cell`]: fractional = position · inverse.
    pub fn inverse(&self) -> &Mat3 {
        &self.inverse
    }
    /// Periodic directions.
    pub fn pbc(&self) -> [bool; 3] {
        self.pbc
    }
    /// Volume of the completed cell, Å³; area in Å² or length in Å with fewer periodic directions.
    pub fn volume(&self) -> f64 {
        determinant(&self.cell).abs()
    }
    /// Distances between opposite faces of the cell, Å.
    pub fn heights(&self) -> Vec3 {
        let column = |d: usize| [self.inverse[0][d], self.inverse[1][d], self.inverse[2][d]];
        [0, 1, 2].map(|d| 1.0 / norm(&column(d)))
    }
}

fn check_atoms(positions: &[Vec3], numbers: &[u8]) -> Result<()> {
    if positions.len() != numbers.len() {
        return Err(Error::invalid(
            "numbers",
            format!("must have one entry per atom ({}), got {}", positions.len(), numbers.len()),
        ));
    }
    for (i, position) in positions.iter().enumerate() {
        for (axis, x) in position.iter().enumerate() {
            if !(-MAX_COORDINATE..=MAX_COORDINATE).contains(x) {
                return Err(Error::invalid(
                    format!("positions[{i}, {axis}]"),
                    format!("must be finite and within ±{MAX_COORDINATE:e} Å, got {x}"),
                ));
            }
        }
    }
    match numbers.iter().position(|&z| z == 0 || z > 118) {
        Some(i) => Err(Error::invalid(
            format!("numbers[{i}]"),
            format!("must be an atomic number from 1 to 118, got {}", numbers[i]),
        )),
        None => Ok(()),
    }
}

/// Replace zero vectors of non-periodic directions and reject singular cells.
fn complete_cell(cell: Mat3, pbc: [bool; 3]) -> Result<Mat3> {
    let mut cell = cell;
    for d in 0..3 {
        if cell[d].iter().any(|x| !(-MAX_COORDINATE..=MAX_COORDINATE).contains(x)) {
            return Err(Error::invalid(
                format!("cell[{d}]"),
                format!("must be finite and within ±{MAX_COORDINATE:e} Å, got {:?}", cell[d]),
            ));
        }
        if pbc[d] && norm(&cell[d]) < 1e-3 {
            return Err(Error::invalid(
                format!("cell[{d}]"),
                format!("must be at least 1e-3 Å long because pbc[{d}] is true, got {:?}", cell[d]),
            ));
        }
    }
    // A non-periodic direction has no translation: its vector only has to complete the frame.
    for d in 0..3 {
        if !pbc[d] {
            cell[d] = [0.0; 3];
        }
    }
    fill_missing(&mut cell, pbc);
    let scale: f64 = cell.iter().map(norm).product();
    let volume = determinant(&cell).abs();
    if volume <= MIN_RELATIVE_VOLUME * scale {
        return Err(Error::invalid(
            "cell",
            format!("is singular: volume {volume:.3e} Å³ for vectors {cell:?}"),
        ));
    }
    Ok(cell)
}

fn fill_missing(cell: &mut Mat3, pbc: [bool; 3]) {
    for d in 0..3 {
        if pbc[d] {
            continue;
        }
        let (a, b) = (cell[(d + 1) % 3], cell[(d + 2) % 3]);
        let mut candidate = cross(&a, &b);
        if norm(&candidate) < 1e-12 * norm(&a).max(norm(&b)).max(1.0) {
            candidate = perpendicular(if norm(&a) > norm(&b) { &a } else { &b }, d);
        }
        let length = norm(&candidate);
        cell[d] = candidate.map(|x| x / length);
    }
}

/// A vector orthogonal to `a`; the axis `d` itself if `a` is zero.
fn perpendicular(a: &Vec3, d: usize) -> Vec3 {
    let mut axis = [0.0; 3];
    axis[d] = 1.0;
    let length2 = dot(a, a);
    if length2 == 0.0 {
        return axis;
    }
    // The Cartesian axis least aligned with `a` leaves the largest orthogonal part.
    let least = (0..3).min_by(|&p, &q| a[p].abs().total_cmp(&a[q].abs())).unwrap_or(d);
    axis = [0.0; 3];
    axis[least] = 1.0;
    let overlap = a[least] / length2;
    [0, 1, 2].map(|k| axis[k] - overlap * a[k])
}

/// a · b.
pub fn dot(a: &Vec3, b: &Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
/// |a|.
pub fn norm(a: &Vec3) -> f64 {
    dot(a, a).sqrt()
}
/// a × b.
pub fn cross(a: &Vec3, b: &Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
/// Row vector times matrix: `Σ_d v_d m_d`.
pub fn times(v: &Vec3, m: &Mat3) -> Vec3 {
    [0, 1, 2].map(|k| v[0] * m[0][k] + v[1] * m[1][k] + v[2] * m[2][k])
}

fn determinant(m: &Mat3) -> f64 {
    dot(&m[0], &cross(&m[1], &m[2]))
}

pub(crate) fn inverse(m: &Mat3) -> Mat3 {
    let volume = determinant(m);
    let columns = [cross(&m[1], &m[2]), cross(&m[2], &m[0]), cross(&m[0], &m[1])];
    [0, 1, 2].map(|k| [columns[0][k] / volume, columns[1][k] / volume, columns[2][k] / volume])
}
