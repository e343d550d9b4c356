//! The potential file: every rule with its message, the seal, round trips, and hostile text.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "potential/example.rs"]
mod example;
#[path = "potential/json.rs"]
mod json;
#[path = "potential/rules.rs"]
mod rules;
#[path = "potential/schema.rs"]
mod schema;
