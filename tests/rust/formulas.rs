//! The formulas of both languages have the same names in the same order.

const RUST: &str = include_str!("../../rust/core/src/formulas.rs");
/// Vector lanes have their harmonics beside the terms; in CUDA they follow the scalar formulas.
const HARMONICS: &str = include_str!("../../rust/core/src/terms/harmonics.rs");
const CUDA: &str = include_str!("../../cuda/formulas.cuh");

/// Names of the functions that a line with one of the openings begins.
fn names<'a>(text: &'a str, openings: &[&str]) -> Vec<&'a str> {
    let after = |line: &'a str| openings.iter().find_map(|opening| line.strip_prefix(opening));
    text.lines().filter_map(after).filter_map(|rest| rest.split(['(', '<']).next()).collect()
}

#[test]
fn both_languages_have_the_same_formulas() {
    let mut rust = names(RUST, &["pub fn "]);
    let harmonics = names(HARMONICS, &["pub fn ", "pub(super) fn "]);
    // One at a time is for the parity test only.
    rust.extend(harmonics.into_iter().filter(|name| *name != "harmonics_of"));
    let cuda = names(CUDA, &["FORMULA Jet ", "FORMULA double ", "FORMULA void "]);
    assert!(rust.len() > 10);
    assert_eq!(rust, cuda.iter().map(|name| name.trim_end_matches('_')).collect::<Vec<_>>());
}
