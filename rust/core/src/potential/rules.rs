//! Small rules on numbers and lists; every failure reads `path: must be …, got …`.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::{Embedding, RadialFunction, Table};
use crate::error::{Error, Result};

const TABLE_VALUES: RangeInclusive<usize> = 6..=200_000;
const EMBEDDING_COEFFICIENTS: RangeInclusive<usize> = 1..=8;

/// `path: must be {rule}, got {value}` unless `holds`.
pub(super) fn require(holds: bool, path: &str, rule: &str, value: impl Display) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::format(path, format!("must be {rule}, got {value}"))) }
}

/// The same for the first element of a list that breaks the rule.
pub(super) fn require_all(
    values: &[f64],
    holds: impl Fn(f64) -> bool,
    path: &str,
    rule: &str,
) -> Result<()> {
    match values.iter().position(|&value| !holds(value)) {
        Some(k) => require(false, &format!("{path}[{k}]"), rule, values[k]),
        None => Ok(()),
    }
}

/// A finite number.
pub(super) fn finite(value: f64, path: &str) -> Result<()> {
    require(value.is_finite(), path, "finite", value)
}

/// A finite number above zero.
pub(super) fn positive(value: f64, path: &str) -> Result<()> {
    finite(value, path)?;
    require(value > 0.0, path, "positive", value)
}

/// A list of allowed length.
pub(super) fn length(list: usize, allowed: &RangeInclusive<usize>, path: &str) -> Result<()> {
    let rule = format!("a list of {} to {} entries", allowed.start(), allowed.end());
    require(allowed.contains(&list), path, &rule, list)
}

/// Enough finite values on a proper grid.
pub(super) fn table(table: &Table, path: &str) -> Result<()> {
    positive(table.spacing, &format!("{path}.spacing"))?;
    let path = format!("{path}.values");
    length(table.values.len(), &TABLE_VALUES, &path)?;
    require_all(&table.values, f64::is_finite, &path, "finite")
}

pub(super) fn embedding(embedding: &Embedding, path: &str) -> Result<()> {
    match embedding {
        Embedding::Tabulated(values) => table(values, path),
        Embedding::Logarithmic { scale, table: values } => {
            positive(*scale, &format!("{path}.scale"))?;
            let path = format!("{path}.table");
            table(values, &path)?;
            require(values.values[0] == 0.0, &format!("{path}.values[0]"), "0", values.values[0])
        }
        Embedding::RootPolynomial { shift, coefficients } => {
            positive(*shift, &format!("{path}.shift"))?;
            let path = format!("{path}.coefficients");
            length(coefficients.len(), &EMBEDDING_COEFFICIENTS, &path)?;
            require_all(coefficients, f64::is_finite, &path, "finite")
        }
    }
}

pub(super) fn radial_function(function: &RadialFunction, path: &str) -> Result<()> {
    match function {
        RadialFunction::TabulatedTimesR(values) => table(values, path),
        RadialFunction::Exponential { amplitude, decay } => {
            finite(*amplitude, &format!("{path}.amplitude"))?;
            positive(*decay, &format!("{path}.decay"))
        }
    }
}
