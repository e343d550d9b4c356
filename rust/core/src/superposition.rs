//! The electron density of weighted states: Σ_i Σ_M ω_iM ρ_M(|r − R_i|).

use std::collections::HashMap;

use crate::density::RadialDensity;
use crate::error::{Error, Result};
use crate::formulas::{scaled, slater, sum};
use crate::library::StateLibrary;
use crate::model::Model;
use crate::structure::Structure;

/// Densities below this (e/Å³) are left out; it sets how far each atom reaches.
const NEGLIGIBLE: f64 = 1e-10;

/// Slater functions of every atom, its states' weights multiplied in.
#[derive(Debug)]
pub struct Superposition {
    cutoff: f64,
    offsets: Vec<usize>,
    functions: Vec<(f64, f64)>,
    /// First atom with the same functions.
    same: Vec<usize>,
}

impl Superposition {
    /// Mix the states of every atom; `weights` (n, `columns`) row-major, padded.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for weights of another shape or not finite, an element the
    /// potential lacks, or a state with a tabulated density (classical EAM).
    pub fn new(
        model: &Model,
        structure: &Structure,
        weights: &[f64],
        columns: usize,
    ) -> Result<Self> {
        check_shape(structure, weights, columns)?;
        let mut this =
            Self { cutoff: 0.0, offsets: vec![0], functions: Vec::new(), same: Vec::new() };
        for (i, &number) in structure.numbers().iter().enumerate() {
            let row = &weights[i * columns..(i + 1) * columns];
            this.add_atom(model, i, number, row)?;
        }
        this.finish();
        Ok(this)
    }

    /// As [`Self::new`], with the states of a library.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for weights of another shape or not finite, or an element the
    /// library lacks.
    pub fn of_states(
        library: &StateLibrary,
        structure: &Structure,
        weights: &[f64],
        columns: usize,
    ) -> Result<Self> {
        check_shape(structure, weights, columns)?;
        let mut this =
            Self { cutoff: 0.0, offsets: vec![0], functions: Vec::new(), same: Vec::new() };
        for (i, &number) in structure.numbers().iter().enumerate() {
            let row = &weights[i * columns..(i + 1) * columns];
            let states = library.states(i, number)?;
            check_row(i, row, states.len())?;
            for (state, w) in states.iter().zip(row) {
                this.functions.extend(state.functions().map(|(zeta, c)| (zeta, w * c)));
            }
            this.offsets.push(this.functions.len());
        }
        this.finish();
        Ok(this)
    }

    /// (ζ, c) of the Slater functions of an atom, Å⁻¹ and e.
    pub fn functions(&self, atom: usize) -> &[(f64, f64)] {
        &self.functions[self.offsets[atom]..self.offsets[atom + 1]]
    }

    fn add_atom(&mut self, model: &Model, i: usize, number: u8, row: &[f64]) -> Result<()> {
        let element = model.element_index(number).ok_or_else(|| {
            Error::invalid(
                format!("numbers[{i}]"),
                format!("the potential has no element Z = {number}"),
            )
        })?;
        let symbol = &model.elements()[usize::from(element)].symbol;
        let states = &model.file().elements[symbol].states;
        check_row(i, row, states.len())?;
        for (state, w) in states.iter().zip(row) {
            let rbf = state.rbf.as_ref().ok_or_else(|| {
                Error::invalid(
                    "potential",
                    format!("state {symbol} {} has no electron density", state.name),
                )
            })?;
            self.functions
                .extend(rbf.exponents.iter().zip(&rbf.coefficients).map(|(&z, c)| (z, w * c)));
        }
        self.offsets.push(self.functions.len());
        Ok(())
    }

    fn finish(&mut self) {
        self.cutoff = self.reach();
        let mut known = HashMap::new();
        let atoms = 0..self.offsets.len() - 1;
        self.same = atoms
            .map(|atom| {
                let bits = |&(zeta, c): &(f64, f64)| [zeta.to_bits(), c.to_bits()];
                let key: Vec<_> = self.functions(atom).iter().map(bits).collect();
                *known.entry(key).or_insert(atom)
            })
            .collect();
    }

    /// Distance at which the slowest function has decayed to [`NEGLIGIBLE`].
    fn reach(&self) -> f64 {
        self.functions.iter().fold(1.0, |reach: f64, &(zeta, c)| {
            let at_nucleus = (c * slater(zeta, 0.0)[0]).abs();
            reach.max((at_nucleus / NEGLIGIBLE).max(1.0).ln() / zeta)
        })
    }
}

impl RadialDensity for Superposition {
    fn cutoff(&self) -> f64 {
        self.cutoff
    }

    fn same_as(&self, atom: usize) -> usize {
        self.same[atom]
    }

    fn value_slope(&self, atom: usize, r: f64) -> (f64, f64) {
        let functions = self.functions(atom);
        let jet =
            functions.iter().fold([0.0; 3], |t, &(zeta, c)| sum(t, scaled(c, slater(zeta, r))));
        (jet[0], jet[1])
    }
}

fn check_shape(structure: &Structure, weights: &[f64], columns: usize) -> Result<()> {
    if weights.len() == columns * structure.len() {
        return Ok(());
    }
    let rows = weights.len() / columns.max(1);
    Err(Error::invalid(
        "weights",
        format!("must have one row per atom ({}), got {rows}", structure.len()),
    ))
}

fn check_row(i: usize, row: &[f64], states: usize) -> Result<()> {
    if row.len() >= states && row.iter().all(|w| w.is_finite()) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("weights[{i}]"),
        format!("must hold {states} finite weights, got {row:?}"),
    ))
}
