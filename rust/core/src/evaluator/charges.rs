//! The point charges of a potential.

use crate::coulomb::{Coulomb, Options};
use crate::error::Result;
use crate::model::Model;
use crate::pairs::ChargeKernel;

/// From so many atoms on Ewald sums choose their splitting apart from that of the pairs; below, where
/// little is to be gained, devices and the engine have the same.
const EXTENDED_FROM: usize = 500;

/// Periodicity, electrostatics and its kernel.
pub(super) type PointCharges = ([bool; 3], Coulomb, Option<ChargeKernel>);

/// Electrostatics of the states of a potential.
///
/// # Errors
/// [`Error::InvalidInput`](crate::Error::InvalidInput) as [`Coulomb::new`].
pub(super) fn point_charges(
    model: &Model,
    options: Options,
    pbc: [bool; 3],
) -> Result<PointCharges> {
    let radius = model.cutoff().radius;
    let coulomb = if model.is_polarisable() {
        Coulomb::new(options.with_dipoles(), pbc, radius)?
    } else {
        Coulomb::new(options, pbc, radius)?.extended(EXTENDED_FROM)
    };
    let kernel = ChargeKernel::new(&coulomb.kernel(), model);
    Ok((pbc, coulomb, kernel))
}
