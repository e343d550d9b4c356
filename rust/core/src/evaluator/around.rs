//! Who is near whom, for the learned terms.

use crate::model::Model;
use crate::neighbors::{NeighborList, Neighborhoods};
use crate::structure::Structure;

/// From this many atoms on neighbourhoods are made for every evaluation, when the weights are found,
/// and given back after it: they take a hundredth of its time, and as much memory as half the list.
const LARGE: usize = 100_000;

/// The neighbourhoods of a list, made when they are wanted.
#[derive(Debug, Default)]
pub(super) struct Around {
    neighborhoods: Neighborhoods,
    current: bool,
}

impl Around {
    /// The list has changed.
    pub(super) fn expire(&mut self) {
        self.current = false;
    }

    /// Of the atoms in a structure that a list is valid for.
    pub(super) fn get(
        &mut self,
        model: &Model,
        structure: &Structure,
        list: &NeighborList,
    ) -> &Neighborhoods {
        if let Some(terms) = model.terms()
            && !self.current
        {
            self.neighborhoods.build(structure, list.pairs(), terms.cutoff() + list.skin());
            self.current = true;
        }
        &self.neighborhoods
    }

    /// At the end of an evaluation of so many atoms.
    pub(super) fn release(&mut self, atoms: usize) {
        if atoms >= LARGE {
            *self = Self::default();
        }
    }
}
