//! The potential file, `"format": "ecteam/1"`: its fields, its checks, its seal.
//!
//! Units: eV, Å, e. [`PotentialFile::from_json`] reads, checks everything and verifies the SHA-256;
//! [`PotentialFile::to_json`] writes with a fresh one. Unknown fields are rejected.

mod check;
mod coefficients;
mod expression;
mod freedom;
mod maps;
mod pairs;
mod parameters;
mod rules;
mod schema;
mod seal;
mod terms;
mod triples;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use freedom::DensityParameter;
pub use parameters::Parameter;
pub use schema::json_schema;
pub use seal::start_terms;
pub use terms::{Coefficient, Family, NeighbourFunction, Radial, Term};

/// The only format this version reads and writes.
pub const FORMAT: &str = "ecteam/1";

/// A whole potential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PotentialFile {
    /// Always `ecteam/1`.
    pub format: String,
    /// Short name, `[a-z0-9_-]+` by convention.
    pub name: String,
    /// What the potential is for, in a sentence or two.
    pub description: String,
    /// How to cite it.
    pub citation: String,
    /// Units of every number in the file.
    pub units: Units,
    /// Elements by chemical symbol.
    #[serde(deserialize_with = "maps::unique_keys")]
    pub elements: BTreeMap<String, Element>,
    /// Fitted pair repulsions between elements (or between given states of them).
    pub repulsions: Vec<Repulsion>,
    /// Charge-transfer channels.
    pub resonances: Vec<Resonance>,
    /// Width of the ensemble T = k_B T_el, eV; 0 for none.
    pub electronic_temperature: f64,
    /// Range of all short-ranged functions.
    pub cutoff: Cutoff,
    /// Learned terms added to the energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Term>,
    /// How the parameters were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// SHA-256 of the rest of the file in canonical form; checked when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Units of the file; only these are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// `eV`
    pub energy: String,
    /// `Å`
    pub length: String,
    /// `e`
    pub charge: String,
}

/// Range of the short-ranged functions: everything is switched smoothly (C²) to zero between
/// `radius - switch_width` and `radius`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cutoff {
    /// Distance beyond which all short-ranged functions are zero, Å.
    pub radius: f64,
    /// Width of the switching region inside the radius, Å; 0 leaves tabulated functions as they are.
    pub switch_width: f64,
}

/// An element and its isolated-atom states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// States; the first is the neutral ground state, energy 0.
    pub states: Vec<State>,
    /// ζ of the induced dipole's charge density, minus the gradient of ζ³/(8π) exp(−ζ r), Å⁻¹; given
    /// where a state has a polarisability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polarisation_exponent: Option<f64>,
}

/// An isolated-atom state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// `ground`, `cation`, `anion`, `dianion`, `excited`, …
    pub name: String,
    /// Z minus the electron count, e.
    pub charge: f64,
    /// Spin multiplicity 2S+1.
    pub multiplicity: u32,
    /// Energy above the neutral ground state, eV.
    pub energy: f64,
    /// False for a state that does not hold its electrons in vacuum.
    #[serde(default = "yes")]
    pub bound: bool,
    /// Electron density as Slater functions; absent for a classical-EAM state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rbf: Option<Rbf>,
    /// Tabulated density felt at each receiving element (eam/alloy, eam/fs); excludes `rbf`.
    #[serde(
        default,
        deserialize_with = "maps::unique_keys",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub density_tables: BTreeMap<String, Table>,
    /// Factor on the density of this state where it enters the background density ρ̄ of an embedding
    /// energy, and nowhere else: 1, the density itself, unless a fit frees it. Absent for 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub density_scale: f64,
    /// Embedding energy of the state as a function of the background density; absent for zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
    /// Dipole polarisability of the state, Å³ (a volume: induced dipole = polarisability · field, with
    /// charges in e and the Coulomb constant left out); absent for a state that is not polarised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polarisability: Option<f64>,
    /// Where energy and density come from.
    #[serde(default)]
    pub provenance: String,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, clippy::float_cmp)] // as serde calls it; 1 is the default
fn is_one(x: &f64) -> bool {
    *x == 1.0
}

impl State {
    /// False for a bare nucleus, and for a state of no density at all.
    pub(crate) fn has_density(&self) -> bool {
        !self.density_tables.is_empty()
            || self.rbf.as_ref().is_some_and(|rbf| !rbf.exponents.is_empty())
    }
}

/// ρ(r) = Σ_k c_k ζ_k³/(8π) exp(−ζ_k r); both lists empty for a bare nucleus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rbf {
    /// ζ_k, Å⁻¹.
    pub exponents: Vec<f64>,
    /// c_k, e; their sum is the electron count.
    pub coefficients: Vec<f64>,
    /// Given where exponents and coefficients are parameters of a fit: indices of the two
    /// coefficients that follow from the electron count and the nuclear cusp ρ′(0) = −2Zρ(0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solved: Option<[usize; 2]>,
}

/// Values on the uniform grid 0, spacing, 2·spacing, …, interpolated by a cubic spline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Distance between grid points (Å, or e/Å³-like density units for an embedding).
    pub spacing: f64,
    /// Function values.
    pub values: Vec<f64>,
}

/// F(ρ̄), eV, with F(0) = 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub enum Embedding {
    /// F = Σ_k c_k s^k with s = √(ρ̄ + shift) − √shift, k = 1 … n.
    RootPolynomial {
        /// shift > 0, e/Å³: keeps the slope finite at ρ̄ = 0.
        shift: f64,
        /// c_k in eV (e/Å³)^(−k/2).
        coefficients: Vec<f64>,
    },
    /// Cubic spline through tabulated values, linear beyond the last.
    Tabulated(Table),
    /// Cubic spline in s = ln(1 + ρ̄/scale), which spreads a density that decays exponentially with
    /// distance evenly; linear in s beyond the last value.
    Logarithmic {
        /// scale > 0, e/Å³.
        scale: f64,
        /// F, eV, at s = 0, spacing, 2·spacing, …; the first is 0.
        table: Table,
    },
}

/// A pair energy between two elements, on top of the electrostatics of their states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repulsion {
    /// The two elements.
    pub pair: [String; 2],
    /// Restrict to a state of each element (in the order of `pair`); absent for all states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<[String; 2]>,
    /// Radial function, eV.
    pub function: RadialFunction,
}

/// A charge-transfer channel: one electron (or excitation) moves between two atoms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resonance {
    /// The two elements.
    pub pair: [String; 2],
    /// Initial and final state on an atom of the first element.
    pub first: [String; 2],
    /// Initial and final state on an atom of the second element.
    pub second: [String; 2],
    /// Amplitude t(R) ≥ 0, eV.
    pub amplitude: RadialFunction,
}

/// A function of distance, eV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub enum RadialFunction {
    /// amplitude · exp(−decay · R), switched to zero at the cutoff.
    Exponential {
        /// eV
        amplitude: f64,
        /// Å⁻¹
        decay: f64,
    },
    /// R · f(R) tabulated, eV·Å (the setfl convention); not switched.
    TabulatedTimesR(Table),
}

/// How the parameters were found, and how good they are on data they never saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Method, software and version.
    pub method: String,
    /// Reference data: level of theory, file, number of geometries.
    pub data: String,
    /// Number of fitted parameters.
    pub parameters: u32,
    /// Errors by group of geometries.
    pub errors: Vec<GroupErrors>,
}

/// Root-mean-square errors of one group of geometries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupErrors {
    /// Name of the group.
    pub group: String,
    /// `train` or `held-out`.
    pub split: String,
    /// Number of geometries.
    pub geometries: u32,
    /// RMSE of the energy, eV/atom.
    pub energy: f64,
    /// RMSE of the force components, eV/Å; absent where no geometry has forces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<f64>,
    /// RMSE of the dipole components, e·Å; absent where no geometry has a dipole (crystals).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dipole: Option<f64>,
}
