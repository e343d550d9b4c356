//! When a neighbour list with a skin must be built again.

use rayon::prelude::*;

use super::SERIAL_BELOW;
use super::search::separation;
use crate::structure::{Mat3, Structure, Vec3, dot};

/// The structure that a list was built for, if there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    built: Option<Frame>,
    positions: Vec<Vec3>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    cell: Mat3,
    pbc: [bool; 3],
}

impl Frame {
    fn of(structure: &Structure) -> Self {
        Self { cell: *structure.cell(), pbc: structure.pbc() }
    }
}

impl Reference {
    /// True if no atom is further than skin/2 (Å) from where it was, and nothing else differs.
    pub(crate) fn holds_for(&self, structure: &Structure, skin: f64) -> bool {
        self.built == Some(Frame::of(structure))
            && self.positions.len() == structure.len()
            && moved_at_most(&self.positions, structure.positions(), 0.5 * skin)
    }

    /// Forget the structure.
    pub(crate) fn clear(&mut self) {
        self.built = None;
    }

    /// Remember a structure.
    pub(crate) fn set(&mut self, structure: &Structure) {
        self.positions.clear();
        self.positions.extend_from_slice(structure.positions());
        self.built = Some(Frame::of(structure));
    }
}

/// True if no atom is further than `distance` (Å) from where it was.
fn moved_at_most(before: &[Vec3], now: &[Vec3], distance: f64) -> bool {
    let near = |(a, b): (&Vec3, &Vec3)| {
        let r = separation(a, b, &[0.0; 3]);
        dot(&r, &r) <= distance * distance
    };
    if now.len() < 8 * SERIAL_BELOW {
        before.iter().zip(now).all(near)
    } else {
        before.par_iter().zip(now).with_min_len(SERIAL_BELOW).all(near)
    }
}
