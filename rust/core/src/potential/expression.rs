//! Checks of the learned terms.

use std::ops::RangeInclusive;

use super::rules::{finite, length, require, require_all};
use super::terms::{Family, NeighbourFunction, Radial, Term};
use super::triples;
use crate::error::Result;

/// Models in models in models.
const MAX_DEPTH: usize = 16;
const MAX_LEAVES: usize = 256;
const CHILDREN: RangeInclusive<usize> = 2..=64;
const FUNCTIONS: RangeInclusive<usize> = 1..=32;
/// Largest degree of the Legendre polynomials.
pub(super) const MAX_LMAX: usize = 4;
const KNOTS: RangeInclusive<usize> = 4..=64;
const CUTOFFS: RangeInclusive<f64> = 0.5..=50.0;
const EXPONENTS: RangeInclusive<f64> = 1e-4..=100.0;

/// Check an expression for a number of elements.
pub(super) fn check(terms: &Term, elements: usize) -> Result<()> {
    check_shape(terms)?;
    node(terms, "terms", &|term, path| {
        let (path, expected) = (format!("{path}.coefficients"), term.expected(elements));
        let found = term.coefficients().len();
        let rule = format!("a list of {expected} entries for {elements} element(s)");
        require(found == expected, &path, &rule, found)?;
        require_all(term.coefficients(), f64::is_finite, &path, "finite")
    })
}

/// Check that triples are made of the elements, and that what they leave out is zero.
pub(super) fn check_triples(terms: &Term, elements: &[String]) -> Result<()> {
    node(terms, "terms", &|term, path| triples::check(term, path, elements))
}

/// Check everything but the coefficients.
pub(super) fn check_shape(terms: &Term) -> Result<()> {
    depth(terms, 1)?;
    let leaves = terms.leaves().len();
    let rule = format!("at most {MAX_LEAVES} single models");
    require(leaves <= MAX_LEAVES, "terms", &rule, leaves)?;
    scales(terms, false, "terms")?;
    node(terms, "terms", &leaf)
}

/// Before anything else walks the expression, and without recursion beyond the limit.
fn depth(term: &Term, level: usize) -> Result<()> {
    let rule = format!("at most {MAX_DEPTH} models deep");
    require(level <= MAX_DEPTH, "terms", &rule, level)?;
    term.children().iter().try_for_each(|child| depth(child, level + 1))
}

fn node(term: &Term, path: &str, leaf: &impl Fn(&Term, &str) -> Result<()>) -> Result<()> {
    let list = match term {
        Term::Sum { .. } => "terms",
        Term::Product { .. } => "factors",
        _ => return leaf(term, path),
    };
    let path = format!("{path}.{list}");
    length(term.children().len(), &CHILDREN, &path)?;
    let mut children = term.children().iter().enumerate();
    children.try_for_each(|(k, child)| node(child, &format!("{path}[{k}]"), leaf))
}

/// A further factor holds its leading coefficient, which its triples must not leave out.
fn scales(term: &Term, further: bool, path: &str) -> Result<()> {
    let some = matches!(term, Term::ThreeBody { triples: Some(_), .. });
    let path = if some { format!("{path}.triples") } else { path.to_owned() };
    require(!(some && further), &path, "absent in all factors but the first", "a list")?;
    let product = matches!(term, Term::Product { .. });
    let list = if product { "factors" } else { "terms" };
    term.children().iter().enumerate().try_for_each(|(k, child)| {
        scales(child, further || (product && k > 0), &format!("{path}.{list}[{k}]"))
    })
}

fn leaf(term: &Term, path: &str) -> Result<()> {
    if let Some(functions) = term.radial() {
        radial(functions, &format!("{path}.radial"))?;
    }
    match term {
        Term::ThreeBody { lmax, triples, .. } => {
            let rule = format!("at most {MAX_LMAX}");
            require(*lmax <= MAX_LMAX, &format!("{path}.lmax"), &rule, lmax)?;
            if let Some(names) = triples {
                triples::check_names(names, &format!("{path}.triples"))?;
            }
        }
        Term::NeighbourExponential { function, .. } => {
            neighbour_function(function, &format!("{path}.function"))?;
        }
        _ => (),
    }
    Ok(())
}

fn radial(radial: &Radial, path: &str) -> Result<()> {
    length(radial.functions, &FUNCTIONS, &format!("{path}.functions"))?;
    let rule = format!("between {} and {} Å", CUTOFFS.start(), CUTOFFS.end());
    let cutoff = radial.cutoff;
    require(CUTOFFS.contains(&cutoff), &format!("{path}.cutoff"), &rule, cutoff)?;
    let Some(ends) = radial.span else { return Ok(()) };
    let path = format!("{path}.span");
    match radial.family {
        Family::Bessel => require(false, &path, "absent for `bessel`", "a span"),
        Family::Chebyshev => {
            let rule = format!("within 0 and the cutoff {cutoff} Å");
            require_all(&ends, |x| (0.0..=cutoff).contains(&x), &path, &rule)?;
            increasing(ends, &path)
        }
        Family::Gaussian | Family::Slater => {
            let rule = format!("between {} and {}", EXPONENTS.start(), EXPONENTS.end());
            require_all(&ends, |x| EXPONENTS.contains(&x), &path, &rule)?;
            increasing(ends, &path)
        }
    }
}

fn neighbour_function(function: &NeighbourFunction, path: &str) -> Result<()> {
    let NeighbourFunction::Spline { knots, span } = function else { return Ok(()) };
    length(*knots, &KNOTS, &format!("{path}.knots"))?;
    let path = format!("{path}.span");
    span.iter().enumerate().try_for_each(|(k, x)| finite(*x, &format!("{path}[{k}]")))?;
    increasing(*span, &path)
}

fn increasing(ends: [f64; 2], path: &str) -> Result<()> {
    let text = format!("[{}, {}]", ends[0], ends[1]);
    require(ends[0] < ends[1], path, "increasing", text)
}
