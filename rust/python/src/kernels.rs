//! What the CUDA side is made of and measured against: texts of the kernels, scalar formulas.

use ecteam_core::formulas::{self, Jet};
use ecteam_core::terms::{harmonic_gradient, harmonics_of};
use numpy::PyArray2;
use pyo3::prelude::*;

use crate::arrays::{matrix, table};
use crate::errors::invalid;

/// Name and text of every file of `cuda/`.
const SOURCES: [(&str, &str); 35] = [
    ("formulas.cuh", include_str!("../../../cuda/formulas.cuh")),
    ("common.cuh", include_str!("../../../cuda/common.cuh")),
    ("list.cuh", include_str!("../../../cuda/list.cuh")),
    ("rows.cuh", include_str!("../../../cuda/rows.cuh")),
    ("tables.cuh", include_str!("../../../cuda/tables.cuh")),
    ("neighbors.cu", include_str!("../../../cuda/neighbors.cu")),
    ("eam.cu", include_str!("../../../cuda/eam.cu")),
    ("coulomb.cu", include_str!("../../../cuda/coulomb.cu")),
    ("pairs.cuh", include_str!("../../../cuda/pairs.cuh")),
    ("pair_terms.cuh", include_str!("../../../cuda/pair_terms.cuh")),
    ("pair_energy.cuh", include_str!("../../../cuda/pair_energy.cuh")),
    ("ect_forces.cu", include_str!("../../../cuda/ect_forces.cu")),
    ("ect.cu", include_str!("../../../cuda/ect.cu")),
    ("pme.cu", include_str!("../../../cuda/pme.cu")),
    ("groups.cuh", include_str!("../../../cuda/groups.cuh")),
    ("random.cuh", include_str!("../../../cuda/random.cuh")),
    ("structures.cuh", include_str!("../../../cuda/structures.cuh")),
    ("structure_energy.cuh", include_str!("../../../cuda/structure_energy.cuh")),
    ("structure_newton.cuh", include_str!("../../../cuda/structure_newton.cuh")),
    ("structure_pairs.cu", include_str!("../../../cuda/structure_pairs.cu")),
    ("structure_weights.cu", include_str!("../../../cuda/structure_weights.cu")),
    ("structure_forces.cu", include_str!("../../../cuda/structure_forces.cu")),
    ("structure_ewald.cu", include_str!("../../../cuda/structure_ewald.cu")),
    ("eam.cuh", include_str!("../../../cuda/eam.cuh")),
    ("extents.cuh", include_str!("../../../cuda/extents.cuh")),
    ("structure_eam.cu", include_str!("../../../cuda/structure_eam.cu")),
    ("dynamics.cu", include_str!("../../../cuda/dynamics.cu")),
    ("dipoles.cuh", include_str!("../../../cuda/dipoles.cuh")),
    ("dipoles.cu", include_str!("../../../cuda/dipoles.cu")),
    ("direct_dipoles.cu", include_str!("../../../cuda/direct_dipoles.cu")),
    ("vectors.cu", include_str!("../../../cuda/vectors.cu")),
    ("mesh.cuh", include_str!("../../../cuda/mesh.cuh")),
    ("mesh_dipoles.cu", include_str!("../../../cuda/mesh_dipoles.cu")),
    ("terms.cu", include_str!("../../../cuda/terms.cu")),
    ("ensemble.cu", include_str!("../../../cuda/ensemble.cu")),
];

/// A formula with its arguments, and then its results, one after the other.
type Formula = (&'static str, usize, fn(&[f64]) -> Vec<f64>);

/// In the order of `formulas.rs`, then the harmonics of the learned terms; `root_polynomial` is shown
/// with three coefficients.
const FORMULAS: [Formula; 27] = [
    ("product", 6, |x| formulas::product(jet(x), jet(&x[3..])).to_vec()),
    ("sum", 6, |x| formulas::sum(jet(x), jet(&x[3..])).to_vec()),
    ("scaled", 4, |x| formulas::scaled(x[0], jet(&x[1..])).to_vec()),
    ("slater", 2, |x| formulas::slater(x[0], x[1]).to_vec()),
    ("slater_potential", 2, |x| vec![formulas::slater_potential(x[0], x[1])]),
    ("slater_repulsion_at_centre", 2, |x| vec![formulas::slater_repulsion_at_centre(x[0], x[1])]),
    ("slater_overlap_at_centre", 2, |x| vec![formulas::slater_overlap_at_centre(x[0], x[1])]),
    ("polynomial_exponential", 6, |x| {
        formulas::polynomial_exponential(x[0], [x[1], x[2], x[3], x[4]], x[5]).to_vec()
    }),
    ("exponential", 3, |x| formulas::exponential(x[0], x[1], x[2]).to_vec()),
    ("switch", 3, |x| formulas::switch(x[0], x[1], x[2]).to_vec()),
    ("smooth_cutoff", 2, |x| formulas::smooth_cutoff(x[0], x[1]).to_vec()),
    ("gaussian", 3, |x| formulas::gaussian(x[0], x[1], x[2]).to_vec()),
    ("bessel", 3, |x| formulas::bessel(x[0], x[1], x[2]).to_vec()),
    ("chebyshev", 9, |x| formulas::chebyshev(jet(x), jet(&x[3..]), jet(&x[6..])).to_vec()),
    ("smooth_root", 2, |x| formulas::smooth_root(x[0], x[1]).to_vec()),
    ("b_splines", 1, |x| formulas::b_splines(x[0]).concat()),
    ("root_polynomial", 5, |x| formulas::root_polynomial(x[0], &x[1..4], x[4]).to_vec()),
    ("entropy", 1, |x| formulas::entropy(x[0]).to_vec()),
    ("resonance_mean", 4, |x| vec![formulas::resonance_mean([x[0], x[1], x[2], x[3]])]),
    ("point_multipole", 1, |x| formulas::point_multipole(x[0]).to_vec()),
    ("screened_multipole", 2, |x| formulas::screened_multipole(x[0], x[1]).to_vec()),
    ("shifted_multipole", 2, |x| formulas::shifted_multipole(x[0], x[1]).to_vec()),
    ("dipole_energy", 13, |x| {
        vec![formulas::dipole_energy(array(x), &jet(&x[4..]), &jet(&x[7..]), &jet(&x[10..]))]
    }),
    ("dipole_slope", 17, |x| {
        let [d, mi, mj] = [8, 11, 14].map(|k| jet(&x[k..]));
        formulas::dipole_slope(array(x), array(&x[4..]), &d, &mi, &mj).to_vec()
    }),
    ("dipole_gradient", 8, |x| {
        formulas::dipole_gradient(x[0], x[1], &jet(&x[2..]), &jet(&x[5..])).to_vec()
    }),
    ("harmonics", 3, |x| harmonics_of([x[0], x[1], x[2]]).to_vec()),
    ("harmonic_gradient", 5, |x| {
        harmonic_gradient(x[0] as usize, x[1] as isize, [x[2], x[3], x[4]]).to_vec()
    }),
];

fn jet(x: &[f64]) -> Jet {
    [x[0], x[1], x[2]]
}

fn array(x: &[f64]) -> [f64; 4] {
    [x[0], x[1], x[2], x[3]]
}

/// Names and texts of the files of `cuda/`.
#[pyfunction]
pub(crate) fn kernel_sources() -> Vec<(&'static str, &'static str)> {
    SOURCES.to_vec()
}

/// Name and number of arguments of every scalar formula, in order.
#[pyfunction]
pub(crate) fn formula_names() -> Vec<(&'static str, usize)> {
    FORMULAS.iter().map(|(name, arguments, _)| (*name, *arguments)).collect()
}

/// A scalar formula at rows of arguments: value, slope, curvature (or what else it returns).
#[pyfunction]
pub(crate) fn formula(
    py: Python<'_>,
    name: &str,
    arguments: &Bound<'_, PyAny>,
) -> PyResult<Py<PyArray2<f64>>> {
    let Some((_, count, evaluate)) = FORMULAS.iter().find(|f| f.0 == name) else {
        return Err(invalid(py, "name", format!("must be a formula, got {name:?}")));
    };
    let (flat, columns) = matrix(arguments, "arguments")?;
    if columns != *count {
        let problem = format!("must have {count} columns for {name}, got {columns}");
        return Err(invalid(py, "arguments", problem));
    }
    let rows: Vec<Vec<f64>> = flat.chunks_exact(columns).map(evaluate).collect();
    table(py, rows.concat(), rows.first().map_or(0, Vec::len))
}
