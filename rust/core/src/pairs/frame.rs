//! Where the atoms of pairs are: vectors are made again when they are wanted, for twenty bytes a pair.

use std::collections::HashMap;
use std::sync::Arc;

use crate::structure::{Structure, Vec3, times};

/// Positions of a geometry, and the translations of second atoms that occur.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    positions: Arc<Vec<Vec3>>,
    /// Å; the first is none.
    translations: Vec<Vec3>,
    images: HashMap<[i32; 3], u32>,
    /// The last one looked for.
    last: ([i32; 3], u32),
}

impl Frame {
    /// Take a geometry, whose `positions` are those of `structure`.
    pub(super) fn reset(&mut self, positions: Arc<Vec<Vec3>>) {
        self.positions = positions;
        self.translations.clear();
        self.translations.push([0.0; 3]);
        self.images.clear();
        self.last = ([0; 3], 0);
    }

    /// Place of a translation by cell vectors.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn image(&mut self, structure: &Structure, shift: [i32; 3]) -> u32 {
        if shift == [0; 3] {
            return 0;
        }
        if shift != self.last.0 {
            self.last = (shift, self.look_up(structure, shift));
        }
        self.last.1
    }

    fn look_up(&mut self, structure: &Structure, shift: [i32; 3]) -> u32 {
        *self.images.entry(shift).or_insert_with(|| {
            self.translations.push(times(&shift.map(f64::from), structure.cell()));
            self.translations.len() as u32 - 1
        })
    }

    /// R_b − R_a with the translation of an image, Å.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn vector(&self, atoms: [u32; 2], image: u32) -> Vec3 {
        let [a, b] = atoms.map(|i| &self.positions[i as usize]);
        let translation = &self.translations[image as usize];
        [0, 1, 2].map(|d| b[d] - a[d] + translation[d])
    }
}
