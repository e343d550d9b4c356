//! What a device needs to search neighbours and to evaluate: plain arrays, made by the engine.

use ecteam_core::coulomb::{Kernel, MeshPlan as Mesh, Options};
use ecteam_core::eam::OneStateTables as Tables;
use ecteam_core::evaluator::EnsembleTables as Ensemble;
use ecteam_core::neighbors::BinPlan as Plan;
use ecteam_core::terms::TermTables as Terms;
use ecteam_core::{COULOMB, Error, Model, Structure, Vec3};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::arrays::{atomic_numbers, structure, table, vector, vectors};
use crate::errors::to_python;
use crate::evaluator::method;
use crate::potential::Potential;

/// A cell with its periodic directions, completed as the engine does.
#[pyclass(frozen, module = "ecteam._core")]
pub(crate) struct Frame {
    inner: Structure,
}

/// How to share atoms among bins; see `ecteam_core::neighbors::BinPlan`.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct BinPlan {
    cell: Py<PyArray2<f64>>,
    inverse: Py<PyArray2<f64>>,
    multiples: Py<PyArray2<i64>>,
    origin: Vec3,
    scale: Vec3,
    bins: [i32; 3],
    reach: [i32; 3],
    images: [i32; 3],
    shifts: Py<PyArray2<i32>>,
    translations: Py<PyArray2<f64>>,
}

/// Tables of a potential with one state per element; see `ecteam_core::eam::OneStateTables`.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct OneStateTables {
    cutoff: f64,
    min_distance: f64,
    elements: usize,
    species: Py<PyArray1<u8>>,
    pair_numbers: Py<PyArray2<f64>>,
    pair_places: Py<PyArray2<i32>>,
    rows: Py<PyArray1<f64>>,
    knots: Py<PyArray1<f64>>,
    embedding_numbers: Py<PyArray2<f64>>,
    embedding_places: Py<PyArray2<i32>>,
    embedding_values: Py<PyArray1<f64>>,
}

/// Tables of a potential with state weights; see `ecteam_core::evaluator::EnsembleTables`.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct EnsembleTables {
    cutoff: f64,
    min_distance: f64,
    temperature: f64,
    states: usize,
    channels: usize,
    species: Py<PyArray1<u8>>,
    counts: Py<PyArray1<i32>>,
    charges: Py<PyArray2<f64>>,
    /// (starts · elements, states).
    starts: Py<PyArray2<f64>>,
    embedding_numbers: Py<PyArray2<f64>>,
    embedding_places: Py<PyArray2<i32>>,
    embedding_values: Py<PyArray1<f64>>,
    pair_numbers: Py<PyArray2<f64>>,
    pair_places: Py<PyArray2<i32>>,
    rows: Py<PyArray1<f64>>,
    channel_states: Py<PyArray2<i32>>,
    kernel_numbers: [f64; 2],
    kernel_rows: Py<PyArray1<f64>>,
    self_potential: f64,
    /// Coulomb constant, eV·Å/e².
    coulomb: f64,
    /// `neutral`, `direct`, `screened` or `shifted_force`.
    electrostatics: &'static str,
    /// Splitting of a screened kernel (Å⁻¹), or cutoff of a shifted force (Å); else 0.
    kernel_parameter: f64,
    /// Accuracy of a periodic sum.
    accuracy: f64,
    /// See `ecteam_core::evaluator::DipoleTables`; no rows without polarisabilities.
    polarisabilities: Py<PyArray2<f64>>,
    dipole_numbers: Py<PyArray2<f64>>,
    dipole_places: Py<PyArray2<i32>>,
    dipole_rows: Py<PyArray1<f64>>,
}

/// Tables of learned terms; see `ecteam_core::terms::TermTables`.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct TermTables {
    cutoff: f64,
    lmax: Option<usize>,
    /// Number of scalar sums and of angular radial functions.
    sums: [usize; 2],
    elements: usize,
    species: Py<PyArray1<u8>>,
    function_numbers: Py<PyArray2<f64>>,
    function_places: Py<PyArray2<i32>>,
    rows: Py<PyArray2<f64>>,
    nodes: Py<PyArray2<i32>>,
    children: Py<PyArray1<i32>>,
    coefficients: Py<PyArray1<f64>>,
}

/// Mesh of an Ewald sum; see `ecteam_core::coulomb::MeshPlan`.
#[pyclass(frozen, get_all, module = "ecteam._core")]
pub(crate) struct MeshPlan {
    shape: [usize; 3],
    order: usize,
    alpha: f64,
    inverse: Py<PyArray2<f64>>,
    powers: Py<PyArray1<f64>>,
    influence: Py<PyArray1<f64>>,
    self_potential: f64,
    self_gradient: f64,
    background: f64,
}

#[pymethods]
impl Frame {
    #[new]
    fn new(py: Python<'_>, cell: &Bound<'_, PyAny>, pbc: &Bound<'_, PyAny>) -> PyResult<Self> {
        let none = PyArray2::<f64>::zeros(py, [0, 3], false);
        let numbers = PyArray1::<u8>::zeros(py, 0, false);
        Ok(Self { inner: structure(none.as_any(), numbers.as_any(), cell, pbc)? })
    }

    #[getter]
    fn inverse(&self, py: Python<'_>) -> PyResult<Py<PyArray2<f64>>> {
        table(py, self.inner.inverse().concat(), 3)
    }

    #[getter]
    fn volume(&self) -> f64 {
        self.inner.volume()
    }

    /// Mesh for `atoms` atoms, with the real-space cutoff (Å) and the accuracy of the pairs.
    fn mesh(&self, py: Python<'_>, atoms: usize, cutoff: f64, accuracy: f64) -> PyResult<MeshPlan> {
        let options = Options { accuracy, ..Options::default() };
        let plan = py.detach(|| Mesh::new(options, cutoff, &self.inner, atoms));
        let plan = plan.map_err(|e| to_python(py, e))?;
        Ok(MeshPlan {
            shape: plan.shape,
            order: plan.order,
            alpha: plan.alpha,
            inverse: table(py, plan.inverse.concat(), 3)?,
            powers: vector(py, plan.powers),
            influence: vector(py, plan.influence),
            self_potential: plan.self_potential,
            self_gradient: plan.self_gradient,
            background: plan.background,
        })
    }

    /// Bins for `atoms` atoms between two corners (fractional coordinates), `cutoff` in Å.
    fn bins(
        &self,
        py: Python<'_>,
        atoms: usize,
        corners: &Bound<'_, PyAny>,
        cutoff: f64,
    ) -> PyResult<BinPlan> {
        let corners = vectors(corners, "corners")?;
        let [lowest, highest] = corners[..] else {
            let problem = format!("must have two rows, got {}", corners.len());
            return Err(to_python(py, Error::invalid("corners", problem)));
        };
        let plan = Plan::new(&self.inner, atoms, [lowest, highest], cutoff);
        BinPlan::from_plan(py, &plan.map_err(|e| to_python(py, e))?)
    }
}

impl BinPlan {
    fn from_plan(py: Python<'_>, plan: &Plan) -> PyResult<Self> {
        Ok(Self {
            cell: table(py, plan.cell.concat(), 3)?,
            inverse: table(py, plan.inverse.concat(), 3)?,
            multiples: table(py, plan.multiples.concat(), 3)?,
            origin: plan.origin,
            scale: plan.scale,
            bins: plan.bins,
            reach: plan.reach,
            images: plan.images,
            shifts: table(py, plan.shifts.concat(), 3)?,
            translations: table(py, plan.translations.concat(), 3)?,
        })
    }
}

/// Elements of the model that occur, and the place among them of every atom's.
fn occurring(model: &Model, numbers: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let elements = model.elements_of(numbers)?;
    let all = 0..model.elements().len() as u8;
    let occurring: Vec<u8> = all.filter(|e| elements.contains(e)).collect();
    let place = |e: &u8| occurring.partition_point(|other| other < e) as u8;
    let species = elements.iter().map(place).collect();
    Ok((occurring, species))
}

/// Tables of a potential for the elements of these atoms, and which of them each atom has.
#[pyfunction]
pub(crate) fn one_state_tables(
    py: Python<'_>,
    potential: &Potential,
    numbers: &Bound<'_, PyAny>,
) -> PyResult<OneStateTables> {
    let (model, numbers) = (&potential.model, atomic_numbers(numbers)?);
    let compile = || {
        let (occurring, species) = occurring(model, &numbers)?;
        Ok((Tables::new(model, &occurring)?, species))
    };
    let (found, species) = py.detach(compile).map_err(|e: Error| to_python(py, e))?;
    let [cutoff, min_distance] = found.range;
    Ok(OneStateTables {
        cutoff,
        min_distance,
        elements: found.embeddings.numbers.len(),
        species: vector(py, species),
        pair_numbers: table(py, found.pair_numbers.concat(), 4)?,
        pair_places: table(py, found.pair_places.concat(), 4)?,
        rows: vector(py, found.rows),
        knots: vector(py, found.knots),
        embedding_numbers: table(py, found.embeddings.numbers.concat(), 6)?,
        embedding_places: table(py, found.embeddings.places.concat(), 3)?,
        embedding_values: vector(py, found.embeddings.values),
    })
}

/// The same for a potential with state weights, with the electrostatics of a periodicity.
#[pyfunction]
pub(crate) fn ensemble_tables(
    py: Python<'_>,
    potential: &Potential,
    numbers: &Bound<'_, PyAny>,
    pbc: [bool; 3],
    electrostatics: &str,
    accuracy: f64,
) -> PyResult<EnsembleTables> {
    let (model, numbers) = (&potential.model, atomic_numbers(numbers)?);
    let compile = || {
        let options = Options { method: method("electrostatics", electrostatics)?, accuracy };
        let (occurring, species) = occurring(model, &numbers)?;
        Ok((Ensemble::new(model, &occurring, options, pbc)?, species))
    };
    let (found, species) = py.detach(compile).map_err(|e: Error| to_python(py, e))?;
    let [cutoff, min_distance] = found.range;
    Ok(EnsembleTables {
        cutoff,
        min_distance,
        temperature: found.temperature,
        states: found.states,
        channels: found.channels,
        species: vector(py, species),
        counts: vector(py, found.counts),
        charges: table(py, found.charges, found.states)?,
        starts: table(py, found.starts, found.states)?,
        embedding_numbers: table(py, found.embeddings.numbers.concat(), 6)?,
        embedding_places: table(py, found.embeddings.places.concat(), 3)?,
        embedding_values: vector(py, found.embeddings.values),
        pair_numbers: table(py, found.pair_numbers.concat(), 2)?,
        pair_places: table(py, found.pair_places.concat(), 3)?,
        rows: vector(py, found.rows),
        channel_states: table(py, found.channel_states.concat(), 4)?,
        kernel_numbers: found.kernel_numbers,
        kernel_rows: vector(py, found.kernel_rows),
        self_potential: found.self_potential,
        coulomb: COULOMB,
        electrostatics: match found.kernel {
            None => "neutral",
            Some(Kernel::ShiftedForce { .. }) => "shifted_force",
            Some(Kernel::Screened { .. }) => "screened",
            Some(_) => "direct",
        },
        kernel_parameter: match found.kernel {
            Some(Kernel::ShiftedForce { cutoff }) => cutoff,
            Some(Kernel::Screened { alpha }) => alpha,
            _ => 0.0,
        },
        accuracy: found.accuracy,
        polarisabilities: table(py, found.dipoles.polarisabilities, found.states)?,
        dipole_numbers: table(py, found.dipoles.numbers.concat(), 2)?,
        dipole_places: table(py, found.dipoles.places.concat(), 2)?,
        dipole_rows: vector(py, found.dipoles.rows),
    })
}

/// The same for the learned terms.
#[pyfunction]
pub(crate) fn term_tables(
    py: Python<'_>,
    potential: &Potential,
    numbers: &Bound<'_, PyAny>,
) -> PyResult<TermTables> {
    let (model, numbers) = (&potential.model, atomic_numbers(numbers)?);
    let compile = || {
        let (occurring, species) = occurring(model, &numbers)?;
        Ok((Terms::new(model, &occurring)?, species, occurring.len()))
    };
    let (found, species, elements) = py.detach(compile).map_err(|e: Error| to_python(py, e))?;
    Ok(TermTables {
        cutoff: found.cutoff,
        lmax: found.lmax,
        sums: found.sums,
        elements,
        species: vector(py, species),
        function_numbers: table(py, found.function_numbers.concat(), 2)?,
        function_places: table(py, found.function_places.concat(), 2)?,
        rows: table(py, found.rows, 6)?,
        nodes: table(py, found.nodes.concat(), 5)?,
        children: vector(py, found.children),
        coefficients: vector(py, found.coefficients),
    })
}

/// Refuse what the engine refuses of a structure.
#[pyfunction]
pub(crate) fn check_structure(
    positions: &Bound<'_, PyAny>,
    numbers: &Bound<'_, PyAny>,
    cell: &Bound<'_, PyAny>,
    pbc: &Bound<'_, PyAny>,
) -> PyResult<()> {
    structure(positions, numbers, cell, pbc).map(|_| ())
}
