//! What a particle-mesh sum needs that is made elsewhere, on a device.

use super::ewald::{Background, Ewald, own_gradient};
use super::mesh::Mesh;
use super::plan::{check_size, longest_first, plan};
use super::spline::powers;
use super::{Method, Options, check_options, resolve};
use crate::COULOMB;
use crate::error::Result;
use crate::structure::{Mat3, Structure};

/// Mesh, splines and influence function of a cell.
#[derive(Debug, Clone)]
pub struct MeshPlan {
    /// Mesh points along the three vectors of [`Self::inverse`]'s cell.
    pub shape: [usize; 3],
    /// Order of the B-splines.
    pub order: usize,
    /// Splitting, Å⁻¹.
    pub alpha: f64,
    /// position · inverse = fractional coordinates.
    pub inverse: Mat3,
    /// Coefficients of the spline weights in the position past a mesh point, (power, point).
    pub powers: Vec<f64>,
    /// Influence function of the half spectrum, eV/e², by (first, second, third) index.
    pub influence: Vec<f64>,
    /// Potential of an atom's own charge, eV/e².
    pub self_potential: f64,
    /// Gradient of the potential of an atom's own dipole over the dipole, eV/(e·Å)².
    pub self_gradient: f64,
    /// Minus the potential of the neutralising background per total charge, eV/e².
    pub background: f64,
}

impl MeshPlan {
    /// Mesh for `atoms` atoms in the fully periodic cell of `frame` (its own atoms do not matter).
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) as [`super::Coulomb`].
    pub fn new(options: Options, cutoff: f64, frame: &Structure, atoms: usize) -> Result<Self> {
        check_options(&options, cutoff)?;
        resolve(Method::Pme, frame.pbc())?;
        let alpha = Ewald::new(options.accuracy, cutoff).alpha();
        let (cell, inverse) = longest_first(frame);
        let volume = frame.volume();
        let choice = plan::<f64>(&cell, (volume, atoms), options.accuracy, alpha);
        check_size(&choice, frame, options.accuracy)?;
        let mesh = Mesh::<f64>::new(choice.shape, choice.order, alpha, inverse, volume);
        Ok(Self {
            shape: choice.shape,
            order: choice.order,
            alpha,
            inverse,
            powers: powers(choice.order),
            influence: mesh.influence_by_first(),
            self_potential: -2.0 * COULOMB * alpha / std::f64::consts::PI.sqrt(),
            self_gradient: -own_gradient(alpha),
            background: Background { alpha, volume }.strength(),
        })
    }
}
