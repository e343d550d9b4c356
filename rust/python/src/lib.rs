//! Module `ecteam._core`: registration only.
