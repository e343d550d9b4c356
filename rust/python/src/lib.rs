//! Module `ecteam._core`: registration only.

mod arrays;
mod batch;
mod charges;
mod device;
mod encoder;
mod errors;
mod evaluator;
mod functions;
mod kernels;
mod neighbors;
mod potential;

use pyo3::prelude::*;

/// The compiled engine of ecteam. Units: eV, Å, e.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::register(module)?;
    module.add_class::<potential::Potential>()?;
    module.add_class::<evaluator::Evaluator>()?;
    module.add_class::<evaluator::Evaluation>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<charges::PointCharges>()?;
    module.add_class::<device::Frame>()?;
    module.add_class::<device::BinPlan>()?;
    module.add_class::<device::MeshPlan>()?;
    module.add_class::<device::OneStateTables>()?;
    module.add_class::<device::EnsembleTables>()?;
    module.add_class::<device::TermTables>()?;
    module.add_function(wrap_pyfunction!(device::term_tables, module)?)?;
    module.add_function(wrap_pyfunction!(device::ensemble_tables, module)?)?;
    module.add_function(wrap_pyfunction!(device::one_state_tables, module)?)?;
    module.add_function(wrap_pyfunction!(device::check_structure, module)?)?;
    module.add_function(wrap_pyfunction!(neighbors::neighbor_list, module)?)?;
    module.add_function(wrap_pyfunction!(functions::electron_density, module)?)?;
    module.add_function(wrap_pyfunction!(functions::electron_density_gradient, module)?)?;
    module.add_class::<encoder::StateLibrary>()?;
    module.add_class::<encoder::Encoding>()?;
    module.add_function(wrap_pyfunction!(encoder::encode, module)?)?;
    module.add_function(wrap_pyfunction!(encoder::decode_charges, module)?)?;
    module.add_function(wrap_pyfunction!(encoder::decode_density, module)?)?;
    module.add_function(wrap_pyfunction!(encoder::decode_potential, module)?)?;
    module.add_function(wrap_pyfunction!(functions::num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(kernels::kernel_sources, module)?)?;
    module.add_function(wrap_pyfunction!(kernels::formula_names, module)?)?;
    module.add_function(wrap_pyfunction!(kernels::formula, module)?)?;
    module.add_function(wrap_pyfunction!(functions::json_schema, module)?)?;
    module.add_function(wrap_pyfunction!(functions::start_terms, module)?)
}
