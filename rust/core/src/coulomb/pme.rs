//! Smooth particle-mesh Ewald: the reciprocal sum by B-splines and fast Fourier transforms.
//!
//! Essmann et al., J. Chem. Phys. 103, 8577 (1995). E = ½ Σ_k G(k) |S(k)|² with the structure factors
//! S of the charges spread on the mesh; potentials and forces are exact derivatives of this energy,
//! so the potential is symmetric and linear in the charges and the forces conserve the energy. They
//! do not sum to zero, only to an error of the size of theirs: the mesh holds the atoms in a periodic
//! potential of that depth. (Taking the mean force away would break −dE/dR instead.)

use pulp::Arch;
use rayon::prelude::*;

use super::ewald::{Background, charge_terms};
use super::mesh::{Mesh, Place, locate, with_values};
use super::plan::{Plan, check_size, longest_first, plan};
use super::resolution::ORDERS;
use super::scratch::Number;
use super::spline::Spline;
use crate::error::Result;
use crate::structure::{Mat3, Structure, Vec3};

/// Atoms of a task.
const CHUNK: usize = 256;

/// Smooth particle-mesh Ewald with a fixed splitting.
#[derive(Debug, Clone)]
pub(super) struct Pme<T: Number = f64> {
    accuracy: f64,
    alpha: f64,
    /// Cell and number of atoms of `mesh`.
    made_for: Option<(Mat3, usize)>,
    order: usize,
    mesh: Option<Mesh<T>>,
    volume: f64,
    /// Atoms sorted by the mesh plane they lie behind, and the first of each plane.
    atoms: Vec<u32>,
    starts: Vec<u32>,
    /// First mesh point and position past it of every sorted atom.
    places: Vec<Place>,
    /// Spline weights along the three axes, 3·order for each sorted atom.
    weights: Vec<T>,
}

/// Call a generic method for the order in use.
macro_rules! for_order {
    ($this:expr, $method:ident ( $($argument:expr),* )) => {
        match $this.order {
            6 => $this.$method::<6>($($argument),*),
            8 => $this.$method::<8>($($argument),*),
            10 => $this.$method::<10>($($argument),*),
            _ => $this.$method::<12>($($argument),*),
        }
    };
}

mod dipoles;
mod kernels;

pub(super) use dipoles::Potentials;

use kernels::{Gather, Slopes, Spread, Weigh};

impl<T: Number> Pme<T> {
    /// Reciprocal part for a splitting α (Å⁻¹) with a force error of `accuracy` relative to q²/a².
    pub(super) fn new(accuracy: f64, alpha: f64) -> Self {
        Self {
            accuracy,
            alpha,
            made_for: None,
            order: ORDERS[0],
            mesh: None,
            volume: 1.0,
            atoms: Vec::new(),
            starts: Vec::new(),
            places: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Estimated time of a potential on one core, ns.
    pub(super) fn cost(&self, structure: &Structure) -> f64 {
        let (cell, _) = longest_first(structure);
        plan::<T>(&cell, (structure.volume(), structure.len()), self.accuracy, self.alpha).cost
    }

    pub(super) fn prepare(&mut self, structure: &Structure) -> Result<()> {
        let key = (*structure.cell(), structure.len());
        if self.made_for != Some(key) {
            self.set_cell(structure)?;
            self.made_for = Some(key);
        }
        self.sort(structure.positions());
        for_order!(self, fill_weights());
        Ok(())
    }

    fn set_cell(&mut self, structure: &Structure) -> Result<()> {
        let (cell, inverse) = longest_first(structure);
        self.volume = structure.volume();
        let chosen =
            plan::<T>(&cell, (structure.volume(), structure.len()), self.accuracy, self.alpha);
        check_size(&chosen, structure, self.accuracy)?;
        let Plan { order, shape, .. } = chosen;
        match &mut self.mesh {
            Some(mesh) if mesh.shape == shape && self.order == order => {
                mesh.set_cell(order, inverse, self.volume);
            }
            mesh => *mesh = Some(Mesh::new(shape, order, self.alpha, inverse, self.volume)),
        }
        self.order = order;
        Ok(())
    }

    /// Counting sort by plane, ties in the user's order.
    fn sort(&mut self, positions: &[Vec3]) {
        let Some(mesh) = &self.mesh else { return };
        let mut found = vec![Place::default(); positions.len()];
        found.par_iter_mut().zip(positions).with_min_len(1024).for_each(|(place, position)| {
            *place = locate(mesh, position);
        });
        self.starts.clear();
        self.starts.resize(mesh.shape[0] + 1, 0);
        for place in &found {
            self.starts[place.first[0] as usize + 1] += 1;
        }
        for plane in 0..mesh.shape[0] {
            self.starts[plane + 1] += self.starts[plane];
        }
        let mut next = self.starts.clone();
        self.atoms.resize(positions.len(), 0);
        self.places.resize(positions.len(), Place::default());
        for (i, place) in found.iter().enumerate() {
            let cursor = &mut next[place.first[0] as usize];
            self.atoms[*cursor as usize] = i as u32;
            self.places[*cursor as usize] = *place;
            *cursor += 1;
        }
    }

    fn fill_weights<const P: usize>(&mut self) {
        let mut weights = std::mem::take(&mut self.weights);
        weights.resize(3 * P * self.places.len(), T::zero());
        let tasks = weights.par_chunks_mut(3 * P * CHUNK).zip(self.places.par_chunks(CHUNK));
        let spline = Spline::<P>::new();
        tasks.for_each(|(weights, places)| {
            Arch::new().dispatch(Weigh { spline: &spline, places, weights });
        });
        self.weights = weights;
    }

    /// Inverse of the cell in use and the atoms' fractional coordinates (0 to 1) in it.
    pub(super) fn fractions(&self) -> Option<(Mat3, Vec<Vec3>)> {
        let mesh = self.mesh.as_ref()?;
        let mut found = vec![[0.0; 3]; self.atoms.len()];
        let all = self.atoms.iter().zip(&self.places);
        all.for_each(|(&atom, place)| found[atom as usize] = mesh.fraction(place));
        Some((mesh.inverse, found))
    }

    /// V_i += Σ_m w_i(m) (G ∗ Σ_j q_j w_j)(m), and self energy and background.
    pub(super) fn add_potential(&self, charges: &[f64], potential: &mut [f64]) {
        assert_eq!(charges.len(), self.atoms.len(), "charges of the prepared atoms");
        charge_terms(self.background(), charges, potential);
        for_order!(self, add_mesh_potential(charges, potential));
    }

    fn background(&self) -> Background {
        Background { alpha: self.alpha, volume: self.volume }
    }

    fn add_mesh_potential<const P: usize>(&self, charges: &[f64], potential: &mut [f64]) {
        let Some(mesh) = &self.mesh else { return };
        let sorted: Vec<T> = self.atoms.iter().map(|&i| T::nearest(charges[i as usize])).collect();
        let mut found = vec![T::zero(); charges.len()];
        with_values(mesh, |values| {
            mesh.convolve(|x, plane| self.spread::<P>(mesh, x, &sorted, plane), values);
            found.par_chunks_mut(CHUNK).enumerate().for_each(|(task, out)| {
                Arch::new().dispatch(Gather::<T, P> { pme: self, mesh, values, task, out });
            });
        });
        self.atoms.iter().zip(&found).for_each(|(&i, v)| potential[i as usize] += v.double());
    }

    /// Add the charges whose splines reach plane `x`, always in the same order.
    fn spread<const P: usize>(&self, mesh: &Mesh<T>, x: usize, charges: &[T], plane: &mut [T]) {
        let nx = mesh.shape[0];
        for a in 0..P {
            let behind = (x + nx - a) % nx;
            let atoms = self.starts[behind] as usize..self.starts[behind + 1] as usize;
            Arch::new().dispatch(Spread::<T, P> { pme: self, mesh, a, atoms, charges, plane });
        }
    }
}

impl Pme {
    /// F_i = −q_i ∇V(r_i), and the virial of the modes and the background; the potential too, if
    /// asked for.
    pub(super) fn add_forces(
        &self,
        charges: &[f64],
        potential: Option<&mut [f64]>,
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        assert_eq!(charges.len(), self.atoms.len(), "charges of the prepared atoms");
        let total: f64 = charges.iter().sum();
        self.background().add_virial(total, virial);
        let mut none = Vec::new();
        let potential = match potential {
            Some(potential) => {
                charge_terms(self.background(), charges, potential);
                potential
            }
            None => &mut none[..],
        };
        for_order!(self, add_mesh_forces(charges, potential, forces, virial));
    }

    fn add_mesh_forces<const P: usize>(
        &self,
        charges: &[f64],
        potential: &mut [f64],
        forces: &mut [Vec3],
        virial: &mut Mat3,
    ) {
        let Some(mesh) = &self.mesh else { return };
        let sorted: Vec<f64> = self.atoms.iter().map(|&i| charges[i as usize]).collect();
        let mut found = vec![[0.0; 4]; charges.len()];
        let spline = Spline::<P>::new();
        let added = with_values(mesh, |values| {
            let spread = |x: usize, plane: &mut [f64]| self.spread::<P>(mesh, x, &sorted, plane);
            let added = mesh.convolve_with_virial(spread, values);
            found.par_chunks_mut(CHUNK).enumerate().for_each(|(task, out)| {
                let spline = &spline;
                Arch::new().dispatch(Slopes { pme: self, mesh, spline, values, task, out });
            });
            added
        });
        for (row, added) in virial.iter_mut().zip(added) {
            row.iter_mut().zip(added).for_each(|(x, y)| *x += y);
        }
        for ((&i, q), [v, gradient @ ..]) in self.atoms.iter().zip(&sorted).zip(&found) {
            for (f, g) in forces[i as usize].iter_mut().zip(gradient) {
                *f -= q * g;
            }
            if let Some(out) = potential.get_mut(i as usize) {
                *out += v;
            }
        }
    }
}
