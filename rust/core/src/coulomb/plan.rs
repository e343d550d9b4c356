//! Which order of splines and which mesh meet an accuracy at the least estimated cost.

use super::modes::reduce;
use super::resolution::{ORDERS, resolution, smooth_even};
use super::scratch::Number;
use crate::error::{Error, Result};
use crate::structure::{Mat3, Structure, norm};

/// Part of the accuracy that the mesh may use. The estimate holds for uncorrelated charges; in crystals,
/// whose structure factors peak, errors were measured up to three times it.
const MESH_SHARE: f64 = 0.3;
/// Most mesh points: about 7 GiB.
const MAX_POINTS: f64 = 2.5e8;
/// Cost of an atom, of a mesh point, and of each of the p³ points around an atom, ns (one core;
/// benches/README.md).
const ATOM_COST: f64 = 50.0;
const POINT_COST: f64 = 12.0;
const SPREAD_COST: f64 = 0.3;

/// A compact cell of the lattice and its inverse, the longest vector first: many small planes.
pub(super) fn longest_first(structure: &Structure) -> (Mat3, Mat3) {
    let (cell, inverse) = reduce(structure.cell(), structure.inverse());
    ([cell[2], cell[1], cell[0]], inverse.map(|row| [row[2], row[1], row[0]]))
}

/// A way to meet the accuracy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) order: usize,
    pub(super) shape: [usize; 3],
    points: f64,
    /// ns.
    pub(super) cost: f64,
}

/// Order and mesh of least estimated cost that meet the accuracy in a volume (Å³) with so many atoms,
/// for numbers of the type `T`.
pub(super) fn plan<T: Number>(
    cell: &Mat3,
    (volume, atoms): (f64, usize),
    accuracy: f64,
    alpha: f64,
) -> Plan {
    let atoms = atoms.max(1) as f64;
    let scale = alpha * (volume / atoms).cbrt();
    let candidate = |order: usize| {
        let spacing = resolution(order, MESH_SHARE * accuracy, scale) / alpha;
        let shape = [0, 1, 2].map(|d| {
            let points = (norm(&cell[d]) / spacing).ceil().min(MAX_POINTS);
            smooth_even((points as usize).max(order))
        });
        let points: f64 = shape.iter().map(|&n| n as f64).product();
        let around = (order * order * order.next_multiple_of(T::TOGETHER)) as f64;
        let cost = POINT_COST * points + atoms * (ATOM_COST + SPREAD_COST * around);
        Plan { order, shape, points, cost }
    };
    let (first, rest) = (candidate(ORDERS[0]), ORDERS[1..].iter().map(|&order| candidate(order)));
    rest.fold(first, |best, next| if next.cost < best.cost { next } else { best })
}

pub(super) fn check_size(plan: &Plan, structure: &Structure, accuracy: f64) -> Result<()> {
    if plan.points <= MAX_POINTS {
        return Ok(());
    }
    let problem = format!(
        "{:.3e} Å³ at an accuracy of {accuracy:.0e} need a mesh of {:.1e} points, the most are \
         {MAX_POINTS:.1e}: use a smaller cell, a lower accuracy, no periodicity, or \
         electrostatics shifted_force",
        structure.volume(),
        plan.points
    );
    Err(Error::invalid("cell", problem))
}
