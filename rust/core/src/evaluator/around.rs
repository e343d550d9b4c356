//! Who is near whom, for the learned terms.

use crate::neighbors::{NeighborList, Neighborhoods};
use crate::structure::Structure;
use crate::terms::Terms;

/// From this many atoms on neighbourhoods are made for every evaluation, when the weights are found,
/// and given back after it: they take half as much memory as the list.
const LARGE: usize = 300_000;

/// The neighbourhoods of a list.
#[derive(Debug, Default)]
pub(super) struct Around(Neighborhoods);

impl Around {
    /// The list was made anew at a structure. What is kept must be made at the same one: of another
    /// that the list is valid for, atoms that come near later would be missed.
    pub(super) fn renew(&mut self, terms: &Terms, structure: &Structure, list: &NeighborList) {
        if structure.len() < LARGE {
            self.build(terms, structure, list);
        }
    }

    /// Of the atoms in a structure that the list is valid for.
    pub(super) fn get(
        &mut self,
        terms: &Terms,
        structure: &Structure,
        list: &NeighborList,
    ) -> &Neighborhoods {
        if structure.len() >= LARGE {
            self.build(terms, structure, list);
        }
        &self.0
    }

    /// At the end of an evaluation of so many atoms.
    pub(super) fn release(&mut self, atoms: usize) {
        if atoms >= LARGE {
            *self = Self::default();
        }
    }

    fn build(&mut self, terms: &Terms, structure: &Structure, list: &NeighborList) {
        self.0.build(structure, list.pairs(), terms.cutoff() + list.skin());
    }
}
