//! `Potential`: a checked file and its compiled model.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecteam_core::potential::Coefficient;
use ecteam_core::{Model, PotentialFile};
use numpy::PyArray2;
use pyo3::prelude::*;

use crate::arrays::{numbers, table};
use crate::errors::to_python;

/// A checked and compiled potential.
#[pyclass(frozen, module = "ecteam._core")]
pub(crate) struct Potential {
    pub(crate) model: Arc<Model>,
}

/// Name, value, held, fixed, linear, smallest and largest value.
type CoefficientRow = (String, f64, bool, bool, bool, f64, f64);

#[pymethods]
impl Potential {
    /// Read the text of a potential file.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let compile = || Model::new(PotentialFile::from_json(text)?);
        let model = py.detach(compile).map_err(|e| to_python(py, e))?;
        Ok(Self { model: Arc::new(model) })
    }

    /// A potential that differs in fitted parameters only; reuses what it can of this one.
    fn refit(&self, py: Python<'_>, text: &str) -> PyResult<Self> {
        let compile = || self.model.recompile(PotentialFile::from_json(text)?);
        let model = py.detach(compile).map_err(|e| to_python(py, e))?;
        Ok(Self { model: Arc::new(model) })
    }

    /// Text of the sealed file.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        self.model.file().to_json().map_err(|e| to_python(py, e))
    }

    /// Coefficients of states, repulsions, resonances and learned terms.
    fn coefficients(&self) -> Vec<CoefficientRow> {
        let row =
            |c: Coefficient| (c.name, c.value, c.held, c.fixed, c.linear, c.bounds[0], c.bounds[1]);
        self.model.coefficients().into_iter().map(row).collect()
    }

    /// The same potential with other coefficients.
    fn with_coefficients(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<Self> {
        let values = numbers(values, "coefficients")?;
        let model = py.detach(|| self.model.with_coefficients(&values));
        Ok(Self { model: Arc::new(model.map_err(|e| to_python(py, e))?) })
    }

    /// The same potential with the densities of some states (element, name) among its coefficients.
    #[allow(clippy::needless_pass_by_value)] // made from a Python list
    fn with_free_densities(&self, py: Python<'_>, states: Vec<(String, String)>) -> PyResult<Self> {
        let model = py.detach(|| self.model.with_free_densities(&states));
        Ok(Self { model: Arc::new(model.map_err(|e| to_python(py, e))?) })
    }

    /// φ^sr of the pairs of states and densities of two elements at distances (R, columns).
    fn pair_functions(
        &self,
        py: Python<'_>,
        first: &str,
        second: &str,
        distances: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyArray2<f64>>> {
        let distances = numbers(distances, "distances")?;
        let rows =
            self.model.pair_functions([first, second], &distances).map_err(|e| to_python(py, e))?;
        table(py, rows.concat(), rows.first().map_or(0, Vec::len))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.model.file().name
    }

    #[getter]
    fn sha256(&self, py: Python<'_>) -> PyResult<String> {
        self.model.file().sha256().map_err(|e| to_python(py, e))
    }

    #[getter]
    fn cutoff(&self) -> f64 {
        self.model.reach()
    }

    /// True if every element has one neutral state: there are no weights to be found.
    #[getter]
    fn one_state(&self) -> bool {
        ecteam_core::eam::one_neutral_state(&self.model)
    }

    /// True if there are learned terms.
    #[getter]
    fn has_terms(&self) -> bool {
        self.model.terms().is_some()
    }

    /// True if a state has a polarisability.
    #[getter]
    fn polarisable(&self) -> bool {
        self.model.is_polarisable()
    }

    #[getter]
    fn elements(&self) -> BTreeMap<String, Vec<String>> {
        let names =
            |e: &ecteam_core::potential::Element| e.states.iter().map(|s| s.name.clone()).collect();
        self.model.file().elements.iter().map(|(k, e)| (k.clone(), names(e))).collect()
    }
}
