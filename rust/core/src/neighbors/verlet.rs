//! Half list with a skin, for moving atoms.

use super::reference::Reference;
use super::search::separation;
use super::table::{Entry, Output, Table};
use super::{MAX_CUTOFF, check, check_cutoff, direct_pairs, is_small_open};
use crate::error::{Error, Result};
use crate::structure::{Mat3, Structure, Vec3, times};

/// From this many atoms on the work space of a search is given back after it.
const LARGE: usize = 100_000;

/// Two atoms, or an atom and an image of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pair {
    /// First atom.
    pub i: u32,
    /// Second atom.
    pub j: u32,
    /// Cell vectors added to the second atom.
    pub shift: [i32; 3],
}

impl Pair {
    /// `R_j − R_i + shift·cell`, Å.
    pub fn vector(&self, positions: &[Vec3], cell: &Mat3) -> Vec3 {
        let (here, there) = (&positions[self.i as usize], &positions[self.j as usize]);
        let translation = times(&self.shift.map(f64::from), cell);
        separation(here, there, &translation)
    }
}

/// Each pair within a cutoff once, kept valid while atoms move by up to half a skin.
///
/// The list is a function of the structure it was last built for: neither the number of threads
/// nor earlier structures change it.
#[derive(Debug, Clone)]
pub struct NeighborList {
    cutoff: f64,
    skin: f64,
    /// What the pairs were built for; none before the first build and after an error.
    reference: Reference,
    pairs: Vec<Pair>,
    starts: Vec<usize>,
    table: Table,
}

impl NeighborList {
    /// An empty list for pairs closer than `cutoff` (Å), built with a margin of `skin` (Å).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless 0 < cutoff, 0 ≤ skin and cutoff + skin ≤ 1000 Å.
    pub fn new(cutoff: f64, skin: f64) -> Result<Self> {
        check_cutoff(cutoff)?;
        if !(skin >= 0.0 && cutoff + skin <= MAX_CUTOFF) {
            return Err(Error::invalid(
                "skin",
                format!("must be ≥ 0 and cutoff + skin ≤ {MAX_CUTOFF} Å, got {skin}"),
            ));
        }
        Ok(Self {
            cutoff,
            skin,
            reference: Reference::default(),
            pairs: Vec::new(),
            starts: vec![0],
            table: Table::default(),
        })
    }

    /// Make the list valid for `structure`; true if it had to be rebuilt.
    ///
    /// It is rebuilt if an atom is further than skin/2 from where it was at the last build, or if
    /// the cell, the periodic directions or the number of atoms differ.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for over 2^31 atoms or 2·10⁹ pairs, a cell so small that over
    /// 16 million images are reached, or atoms over 1e8 cells away from the cell; the list is
    /// empty then.
    pub fn update(&mut self, structure: &Structure) -> Result<bool> {
        if self.reference.holds_for(structure, self.skin) {
            return Ok(false);
        }
        self.reference.clear();
        if let Err(error) = self.build(structure) {
            self.pairs.clear();
            self.starts.clear();
            self.starts.push(0);
            return Err(error);
        }
        self.reference.set(structure);
        Ok(true)
    }

    /// Pairs closer than cutoff + skin at the last build, ordered by `i`, each once: (i, j, S) or
    /// (j, i, −S), and of an atom with its own images those of one half space.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }
    /// (n + 1,) offsets: the pairs of atom i are `pairs()[starts()[i]..starts()[i + 1]]`.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }
    /// The pairs whose first atom is `i`.
    ///
    /// # Panics
    /// If `i` is not an atom of the last structure.
    pub fn pairs_of(&self, i: usize) -> &[Pair] {
        &self.pairs[self.starts[i]..self.starts[i + 1]]
    }
    /// Cutoff, Å.
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }
    /// Skin, Å.
    pub fn skin(&self) -> f64 {
        self.skin
    }

    fn build(&mut self, structure: &Structure) -> Result<()> {
        check(structure, self.cutoff)?;
        let reach = self.cutoff + self.skin;
        if is_small_open(structure) {
            self.build_direct(structure, reach);
        } else {
            self.table.build(structure, reach, true, &mut self.starts)?;
            self.pairs.resize(self.starts[structure.len()], Pair::default());
            self.table.fill(&self.starts, self.pairs.as_mut_slice());
            if structure.len() >= LARGE {
                self.table = Table::default();
            }
        }
        Ok(())
    }

    fn build_direct(&mut self, structure: &Structure, reach: f64) {
        let (pairs, starts) = (&mut self.pairs, &mut self.starts);
        pairs.clear();
        starts.clear();
        direct_pairs(structure, reach, |i, j| {
            starts.resize(i + 1, pairs.len());
            pairs.push(Pair { i: i as u32, j: j as u32, shift: [0; 3] });
        });
        starts.resize(structure.len() + 1, pairs.len());
    }
}

impl Output for &mut [Pair] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }

    fn write(self, entries: impl Iterator<Item = Entry>) {
        for (pair, entry) in self.iter_mut().zip(entries) {
            *pair = Pair { i: entry.i, j: entry.j, shift: entry.shift };
        }
    }
}
