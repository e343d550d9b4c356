//! JSON Schema of the potential file, for editors and other programs.

use super::PotentialFile;

/// JSON Schema (draft 2020-12) of [`PotentialFile`]: fields, types and descriptions. The rules of
/// [`PotentialFile::check`] go beyond what a schema can say.
pub fn json_schema() -> String {
    format!("{:#}", schemars::schema_for!(PotentialFile).to_value())
}
