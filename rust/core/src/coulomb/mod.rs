//! Point-charge electrostatics.
