//! The JSON Schema and the fields that are written agree.

use ecteam_core::potential::json_schema;
use serde_json::Value;

use crate::example::{classical, example, polarised};

/// Every key of the JSON text must be described by the schema.
fn keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                found.push(key.clone());
                keys(inner, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

fn described(schema: &Value, found: &mut Vec<String>) {
    if let Some(Value::Object(properties)) = schema.get("properties") {
        found.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(map) => map.values().for_each(|inner| described(inner, found)),
        Value::Array(list) => list.iter().for_each(|inner| described(inner, found)),
        _ => {}
    }
}

#[test]
fn schema_describes_every_field() {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap();
    let mut known = Vec::new();
    described(&schema, &mut known);
    for file in [example(), classical(), polarised()] {
        let mut used = Vec::new();
        keys(&serde_json::from_str(&file.to_json().unwrap()).unwrap(), &mut used);
        used.retain(|key| !["H", "O"].contains(&key.as_str()));
        let missing: Vec<&String> = used.iter().filter(|key| !known.contains(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
