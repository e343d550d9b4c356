//! Text to file and back: exact, sealed, and no panic whatever the text.

use ecteam_core::potential::{PotentialFile, RadialFunction, Table};
use proptest::prelude::*;

use crate::example::{classical, example, exponential, oxygen, polarised};

#[test]
fn round_trip_is_exact_and_sealed() {
    for file in [example(), classical(), polarised()] {
        let text = file.to_json().unwrap();
        let back = PotentialFile::from_json(&text).unwrap();
        assert_eq!(back.sha256, Some(file.sha256().unwrap()));
        assert_eq!(PotentialFile { sha256: None, ..back.clone() }, file);
        assert_eq!(back.to_json().unwrap(), text);
    }
}

#[test]
fn lists_of_numbers_stay_on_one_line() {
    let text = example().to_json().unwrap();
    assert!(text.contains("\"exponents\": [28.0, 9.0, 1.2],\n"));
    assert!(text.contains("\"pair\": [\"H\", \"O\"],\n"));
    assert!(text.contains("\"exponents\": [],\n"));
    assert!(text.contains("\"resonances\": [\n    {\n"));
    assert!(text.ends_with("}\n"));
}

#[test]
fn nothing_invalid_is_written() {
    let mut file = example();
    file.electronic_temperature = f64::NAN;
    assert!(file.to_json().is_err());
}

/// The digest was computed with coreutils' `sha256sum` on the text of `compact`.
#[test]
fn the_seal_is_the_digest_of_the_compact_text() {
    let compact = serde_json::to_string(&example()).unwrap();
    assert!(compact.starts_with("{\"format\":\"ecteam/1\",\"name\":\"example\""));
    assert_eq!(
        example().sha256().unwrap(),
        "705fab36f2f00fbd8854e9f9a2d6c5c4d4c5a736e9e17bc0f3ae6c08b22f70de"
    );

    let mut other = example();
    other.elements.get_mut("H").unwrap().states[1].energy += 2e-15;
    assert_ne!(example().sha256(), other.sha256());
}

#[test]
fn a_changed_number_breaks_the_seal() {
    let text = example().to_json().unwrap().replace("13.6057", "13.6058");
    let message = PotentialFile::from_json(&text).unwrap_err().to_string();
    assert!(message.starts_with("sha256: does not match the contents: expected "), "{message}");
    assert!(message.contains(&example().sha256().unwrap()), "{message}");
    assert!(message.ends_with("remove this field and save the file again to seal it"));

    let unsealed: Vec<&str> = text.lines().filter(|line| !line.contains("sha256")).collect();
    let unsealed = unsealed.join("\n").replace("  },\n}", "  }\n}");
    let file = PotentialFile::from_json(&unsealed).unwrap();
    assert!(PotentialFile::from_json(&file.to_json().unwrap()).is_ok());
}

fn message(from: &str, to: &str) -> String {
    let text = example().to_json().unwrap();
    assert!(text.contains(from), "{from}");
    PotentialFile::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn broken_json_names_the_field() {
    let cases = [
        ("\"cation\"", "17", "elements.H.states[1].name: invalid type: integer `17`"),
        ("[3.78]", "[\"x\"]", "elements.H.states[0].rbf.exponents[0]: invalid type: string \"x\""),
        ("[3.78]", "3.78", "elements.H.states[0].rbf.exponents: invalid type: floating point"),
        ("[3.78]", "[NaN]", "elements.H.states[0].rbf.exponents[0]: expected value"),
        ("[3.78]", "[1e999]", "elements.H.states[0].rbf.exponents[0]: number out of range"),
        ("[3.78]", "[Infinity]", "elements.H.states[0].rbf.exponents[0]: expected value"),
        ("\"switch_width\": 1.0", "\"switch\": 1.0", "cutoff.switch: unknown field `switch`"),
        ("\"name\": \"example\",", "", "file: missing field `name`"),
        ("\"O\": {", "\"H\": {", "elements: duplicate key `H`"),
        (
            "\"root_polynomial\"",
            "\"cubic\"",
            "elements.H.states[0].embedding.form: unknown variant",
        ),
    ];
    for (from, to, expected) in cases {
        let found = message(from, to);
        assert!(found.starts_with(expected), "expected `{expected}`, found `{found}`");
    }
}

#[test]
fn hostile_text_is_an_error() {
    let huge = " ".repeat((64 << 20) + 1);
    let long_list = format!("{{\"format\": [{}0]}}", "0,".repeat(1_000_000));
    let texts = [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "[".repeat(100_000),
        "{\"format\":".repeat(100_000),
        "{\"fit\":{\"errors\":[".repeat(100_000),
        long_list,
        huge,
        example().to_json().unwrap() + "x",
    ];
    for text in texts {
        assert!(PotentialFile::from_json(&text).is_err());
    }
}

proptest! {
    #[test]
    fn any_numbers_survive_a_round_trip(
        energy in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL,
        amplitude in proptest::num::f64::NORMAL,
        decay in 1e-300..1e300,
        values in prop::collection::vec(proptest::num::f64::NORMAL, 6..20),
        name in "\\PC{1,20}",
    ) {
        let mut file = example();
        oxygen(&mut file, 1).energy = energy;
        file.repulsions[0].function = exponential(amplitude, decay);
        file.repulsions[1].function =
            RadialFunction::TabulatedTimesR(Table { spacing: decay, values });
        file.name = name;
        let back = PotentialFile::from_json(&file.to_json().unwrap()).unwrap();
        prop_assert_eq!(PotentialFile { sha256: None, ..back }, file);
    }

    #[test]
    fn truncated_text_is_an_error(fraction in 0.0..1.0) {
        let text = example().to_json().unwrap();
        let mut end = (fraction * (text.trim_end().len() as f64)) as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        prop_assert!(PotentialFile::from_json(&text[..end]).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = example().to_json().unwrap().into_bytes();
        for (index, byte) in changes {
            let k = index.index(bytes.len());
            bytes[k] = byte;
        }
        let _ = PotentialFile::from_json(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_text_is_an_error(text in "\\PC{0,200}", json in "[\\[\\]{}\",:0-9a-z.]{0,200}") {
        prop_assert!(PotentialFile::from_json(&text).is_err());
        prop_assert!(PotentialFile::from_json(&json).is_err());
    }
}
