//! `PointCharges`: electrostatics of given charges.

use ecteam_core::coulomb::{self, Options};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::arrays::{numbers, structure, table, vector};
use crate::errors::to_python;
use crate::evaluator::{method, voigt};

/// Energy (eV), potentials (eV/e), forces (eV/Å) and stress (eV/Å³, six components).
type Fields = (f64, Py<PyArray1<f64>>, Py<PyArray2<f64>>, Option<Py<PyArray1<f64>>>);

/// Point charges alone; keeps meshes and tables between calls.
#[pyclass(module = "ecteam._core")]
pub(crate) struct PointCharges {
    inner: coulomb::PointCharges,
}

#[pymethods]
impl PointCharges {
    #[new]
    #[pyo3(signature = (*, method="auto", accuracy=1e-6, cutoff=None))]
    fn new(py: Python<'_>, method: &str, accuracy: f64, cutoff: Option<f64>) -> PyResult<Self> {
        self::method("method", method)
            .and_then(|method| coulomb::PointCharges::new(Options { method, accuracy }, cutoff))
            .map(|inner| Self { inner })
            .map_err(|e| to_python(py, e))
    }

    /// Energy, potentials, forces, stress of charges at positions.
    fn evaluate(
        &mut self,
        py: Python<'_>,
        positions: &Bound<'_, PyAny>,
        cell: &Bound<'_, PyAny>,
        pbc: &Bound<'_, PyAny>,
        charges: &Bound<'_, PyAny>,
    ) -> PyResult<Fields> {
        let charges = numbers(charges, "charges")?;
        // Elements play no part.
        let atoms = positions.len()?;
        let elements = PyArray1::from_vec(py, vec![1_u8; atoms]);
        let system = structure(positions, elements.as_any(), cell, pbc)?;
        let found =
            py.detach(|| self.inner.evaluate(&system, &charges)).map_err(|e| to_python(py, e))?;
        let stress = (system.pbc() == [true; 3])
            .then(|| voigt(&found.virial).map(|x| x / system.volume()).to_vec());
        Ok((
            found.energy,
            vector(py, found.potential),
            table(py, found.forces.concat(), 3)?,
            stress.map(|s| vector(py, s)),
        ))
    }
}
