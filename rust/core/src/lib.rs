//! Engine of `ecteam`: a reactive, variable-charge interatomic potential (ECT-EAM) whose atoms are
//! ensembles of isolated-atom states.
//!
//! Units are eV, Å and e throughout. The pair vector is r = R_j − R_i + S·cell. Modules depend one
//! way: `evaluator → energy → pairs, coulomb → model → tables, slater → formulas`, with
//! `neighbors → structure` and `potential` at the bottom; `ensemble` knows no atoms. Beside them,
//! `encoder, decoder → library, superposition` turn densities into weights and back.

mod chebyshev;
pub mod coulomb;
pub mod decoder;
pub mod density;
pub mod dual;
pub mod eam;
pub mod elements;
pub mod encoder;
pub mod energy;
pub mod ensemble;
pub mod error;
pub mod evaluator;
pub mod formulas;
pub mod library;
pub mod model;
pub mod neighbors;
pub mod pairs;
mod parallel;
pub mod potential;
pub mod slater;
pub mod structure;
pub mod superposition;
pub mod tables;
pub mod terms;

pub use error::{Error, Result};
pub use evaluator::{Evaluation, Evaluator};
pub use model::Model;
pub use parallel::{in_pool, num_threads};
pub use potential::PotentialFile;
pub use structure::{Mat3, Structure, Vec3};

/// Coulomb constant e²/(4πε₀), eV·Å (CODATA 2018; `scipy.constants`: e/(4πε₀)·1e10).
pub const COULOMB: f64 = 14.399_645_478_425_668;
