//! The triples of elements that a three-body model is for.

use super::rules::require;
use super::terms::{Radial, Term};
use crate::error::Result;

/// Centre and neighbours, these in alphabetical order, of `H-O-H`: the centre is in the middle.
fn parsed(triple: &str) -> Option<[&str; 3]> {
    let mut parts = triple.split('-').filter(|part| !part.is_empty());
    let [a, centre, b] = [parts.next()?, parts.next()?, parts.next()?];
    let whole = parts.next().is_none() && triple.matches('-').count() == 2;
    whole.then(|| [centre, a.min(b), a.max(b)])
}

/// Whether a list of triples, or none for all of them, has this one.
fn has(triples: Option<&[String]>, [centre, a, b]: [&str; 3]) -> bool {
    let wanted = [centre, a.min(b), a.max(b)];
    triples.is_none_or(|list| list.iter().any(|triple| parsed(triple) == Some(wanted)))
}

/// For each coefficient of a three-body model, whether its triple is chosen.
pub(super) fn chosen(
    triples: Option<&[String]>,
    radial: &Radial,
    lmax: usize,
    elements: &[String],
) -> Vec<bool> {
    let channels = elements.len() * radial.functions;
    let of = |channel: usize| elements[channel / radial.functions].as_str();
    let mut all = Vec::new();
    for centre in elements {
        for p in 0..channels {
            for q in p..channels {
                let found = has(triples, [centre, of(p), of(q)]);
                all.extend(std::iter::repeat_n(found, lmax + 1));
            }
        }
    }
    all
}

/// Check that every name reads `H-O-H` and occurs once.
pub(super) fn check_names(triples: &[String], path: &str) -> Result<()> {
    require(!triples.is_empty(), path, "absent or a list of triples", "an empty list")?;
    for (k, triple) in triples.iter().enumerate() {
        let (path, found) = (format!("{path}[{k}]"), parsed(triple));
        let rule = "neighbour, centre and neighbour, such as `H-O-H`";
        require(found.is_some(), &path, rule, format!("`{triple}`"))?;
        let repeated = triples[..k].iter().any(|other| parsed(other) == found);
        require(!repeated, &path, "given once", format!("`{triple}`"))?;
    }
    Ok(())
}

/// Check the triples of a single model against the elements: they are known, and what they leave
/// out is zero.
pub(super) fn check(term: &Term, path: &str, elements: &[String]) -> Result<()> {
    let Term::ThreeBody { radial, lmax, triples: Some(triples), coefficients } = term else {
        return Ok(());
    };
    for (k, triple) in triples.iter().enumerate() {
        let known = triple.split('-').all(|symbol| elements.iter().any(|e| e == symbol));
        let rule = format!("made of {}", elements.join(", "));
        require(known, &format!("{path}.triples[{k}]"), &rule, format!("`{triple}`"))?;
    }
    let chosen = chosen(Some(triples), radial, *lmax, elements);
    let stray = coefficients.iter().zip(chosen).position(|(c, chosen)| *c != 0.0 && !chosen);
    let Some(k) = stray else { return Ok(()) };
    let path = format!("{path}.coefficients[{k}]");
    require(false, &path, "0: its triple is not in `triples`", coefficients[k])
}
