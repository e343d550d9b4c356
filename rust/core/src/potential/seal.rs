//! Reading, writing, and the SHA-256 that ties a file to its contents.

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{PotentialFile, Term};
use crate::error::{Error, Result};

/// Largest accepted file, bytes.
const MAX_BYTES: usize = 64 << 20;

impl PotentialFile {
    /// Read a potential file, check every rule, and verify its SHA-256 if it has one.
    ///
    /// # Errors
    /// [`Error::PotentialFormat`] with the path of the first offending field.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            let problem = format!("must be at most {MAX_BYTES} bytes long, got {}", text.len());
            return Err(Error::format("file", problem));
        }
        let file: Self = parse(text)?;
        file.check()?;
        file.check_seal()?;
        Ok(file)
    }

    /// The file as indented JSON with a fresh SHA-256; lists of numbers or words stay on one line.
    /// [`Self::from_json`] returns exactly the same numbers.
    ///
    /// # Errors
    /// [`Error::PotentialFormat`] if [`Self::check`] fails: nothing unreadable is ever written.
    pub fn to_json(&self) -> Result<String> {
        self.check()?;
        let sealed = Self { sha256: Some(self.sha256()?), ..self.clone() };
        let pretty = serde_json::to_string_pretty(&sealed).map_err(|error| unwritable(&error))?;
        Ok(fold_lists(&pretty))
    }

    /// SHA-256, in hexadecimal, of the canonical form: the file without its `sha256` field as
    /// compact JSON with the fields in the order of the struct.
    ///
    /// # Errors
    /// [`Error::PotentialFormat`] if the file cannot be written as JSON.
    pub fn sha256(&self) -> Result<String> {
        let unsealed = Self { sha256: None, ..self.clone() };
        let canonical = serde_json::to_vec(&unsealed).map_err(|error| unwritable(&error))?;
        Ok(hexadecimal(&Sha256::digest(&canonical)))
    }

    fn check_seal(&self) -> Result<()> {
        let Some(found) = &self.sha256 else { return Ok(()) };
        let expected = self.sha256()?;
        if *found == expected {
            return Ok(());
        }
        let problem = format!(
            "does not match the contents: expected {expected}, found {found}; if the change is \
             intended, remove this field and save the file again to seal it"
        );
        Err(Error::format("sha256", problem))
    }
}

/// An expression as JSON with coefficients to start a fit from, whatever it had before.
///
/// # Errors
/// [`Error::PotentialFormat`] with the path of the first offending field.
pub fn start_terms(text: &str, elements: usize) -> Result<String> {
    let mut terms: Term = parse(text)?;
    super::expression::check_shape(&terms)?;
    terms.start(elements);
    super::expression::check(&terms, elements)?;
    serde_json::to_string(&terms).map_err(|error| unwritable(&error))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let file = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "file".to_owned() } else { path };
        Error::format(path, error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| Error::format("file", error.to_string()))?;
    Ok(file)
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::format("file", error.to_string())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Put every list without objects or lists inside on one line. A line of indented JSON ends in
/// `[` or `{` only where a list or object opens: strings end in a quote.
fn fold_lists(pretty: &str) -> String {
    let mut folded = String::with_capacity(pretty.len());
    let mut lines = pretty.lines().peekable();
    while let Some(line) = lines.next() {
        folded.push_str(line);
        let opens_flat_list =
            line.ends_with('[') && lines.peek().is_some_and(|next| !next.ends_with(['[', '{']));
        if opens_flat_list {
            for item in lines.by_ref() {
                let item = item.trim_start();
                folded.push_str(item);
                if item.starts_with(']') {
                    break;
                }
                if item.ends_with(',') {
                    folded.push(' ');
                }
            }
        }
        folded.push('\n');
    }
    folded
}
