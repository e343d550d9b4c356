//! Where the time of an evaluation goes.

use std::time::Instant;

/// Seconds of wall time in the parts of one evaluation; they do not overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// Neighbour list: the check that it still holds, and building it if not.
    pub neighbors: f64,
    /// Radial functions of all pairs; of a potential with one state also its density pass.
    pub density: f64,
    /// Minimisation over the weights, without the long-ranged sums, and its prediction.
    pub weights: f64,
    /// Long-ranged sums of the minimisation: with `weights` all that it takes.
    pub weights_long_range: f64,
    /// Other long-ranged sums (Ewald, or on a mesh): their preparation, and those of the forces.
    pub long_range: f64,
    /// Forces, virial and per-atom energies, without the long-ranged sums.
    pub forces: f64,
    /// Learned terms.
    pub terms: f64,
}

impl Timings {
    /// Names and seconds.
    pub fn parts(&self) -> [(&'static str, f64); 7] {
        [
            ("neighbors", self.neighbors),
            ("density", self.density),
            ("weights", self.weights),
            ("weights_long_range", self.weights_long_range),
            ("long_range", self.long_range),
            ("forces", self.forces),
            ("terms", self.terms),
        ]
    }
}

/// Measures one part after the other.
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the last lap.
    pub(crate) fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = (now - self.0).as_secs_f64();
        self.0 = now;
        seconds
    }
}
