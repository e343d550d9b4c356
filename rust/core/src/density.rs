//! Superposed electron density at points.
