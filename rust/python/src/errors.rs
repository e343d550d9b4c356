//! The exception tree and the one mapping from the engine's error to it.

use ecteam_core::Error;
use pyo3::exceptions::{PyException, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

static TREE: PyOnceLock<Tree> = PyOnceLock::new();

struct Tree {
    root: Py<PyType>,
    invalid_input: Py<PyType>,
    not_converged: Py<PyType>,
    potential_format: Py<PyType>,
}

impl Tree {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        TREE.get_or_try_init(py, || {
            let root = class(py, "EcteamError", &[py.get_type::<PyException>()], ROOT)?;
            let derived = |name, builtin, doc| class(py, name, &[root.clone(), builtin], doc);
            let value = py.get_type::<PyValueError>();
            let invalid_input = derived("InvalidInputError", value.clone(), INVALID)?.unbind();
            let not_converged =
                derived("NotConvergedError", py.get_type::<PyRuntimeError>(), CONVERGED)?;
            not_converged.setattr("iterations", 0)?;
            not_converged.setattr("residual", f64::NAN)?;
            let potential_format = derived("PotentialFormatError", value, FORMAT)?.unbind();
            Ok(Self {
                root: root.unbind(),
                invalid_input,
                not_converged: not_converged.unbind(),
                potential_format,
            })
        })
    }
}

const ROOT: &str = "Root of all errors of ecteam.";
const INVALID: &str = "An argument is outside its allowed range; the message names it.";
const CONVERGED: &str = "The weights did not converge; has `iterations` and `residual` (eV).";
const FORMAT: &str = "A potential file breaks the format; the message names the field.";

/// `class name(*bases)` in module `ecteam`.
fn class<'py>(
    py: Python<'py>,
    name: &str,
    bases: &[Bound<'py, PyType>],
    doc: &str,
) -> PyResult<Bound<'py, PyType>> {
    let fields = PyDict::new(py);
    fields.set_item("__module__", "ecteam")?;
    fields.set_item("__doc__", doc)?;
    let bases = PyTuple::new(py, bases)?;
    Ok(py.get_type::<PyType>().call1((name, bases, fields))?.cast_into::<PyType>()?)
}

/// Add the exceptions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let tree = Tree::get(py)?;
    module.add("EcteamError", &tree.root)?;
    module.add("InvalidInputError", &tree.invalid_input)?;
    module.add("NotConvergedError", &tree.not_converged)?;
    module.add("PotentialFormatError", &tree.potential_format)
}

/// An `InvalidInputError` about an argument.
pub(crate) fn invalid(py: Python<'_>, argument: &str, problem: impl Into<String>) -> PyErr {
    to_python(py, Error::invalid(argument, problem))
}

/// The engine's error as a Python exception.
#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
pub(crate) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    convert(py, &error).unwrap_or_else(|failure| failure)
}

fn convert(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let tree = Tree::get(py)?;
    let class = match error {
        Error::PotentialFormat { .. } => &tree.potential_format,
        Error::NotConverged { .. } | Error::GapNotClosed { .. } => &tree.not_converged,
        _ => &tree.invalid_input,
    };
    let raised = class.bind(py).call1((error.to_string(),))?;
    if let Error::NotConverged { iterations, residual, .. }
    | Error::GapNotClosed { iterations, gap: residual, .. } = error
    {
        raised.setattr("iterations", *iterations)?;
        raised.setattr("residual", *residual)?;
    }
    Ok(PyErr::from_value(raised))
}
