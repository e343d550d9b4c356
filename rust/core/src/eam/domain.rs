//! Atoms shared out among tasks: each has a stretch of the sorted atoms and copies of those nearby.

use std::ops::Range;

use crate::neighbors::{Grid, Hits, separation};
use crate::structure::{Mat3, Vec3, dot, times};

/// Atoms of one task, first its own, then copies ("ghosts") of atoms of others or in other images.
///
/// Every pair is in one list only; what it adds to a ghost is handed to the ghost's owner.
#[derive(Debug, Clone, Default)]
pub(super) struct Domain {
    /// Own atoms, as sorted.
    pub(super) own: Range<usize>,
    /// Sorted index of each ghost, increasing.
    pub(super) ghosts: Vec<u32>,
    /// Index in the user's order of each local atom, and what to add to its position, Å.
    pub(super) sources: Vec<Source>,
    /// Where the pairs of each own atom end in [`Self::others`].
    ends: Vec<Ends>,
    /// Local index of the second atom of every pair.
    others: Vec<u32>,
    ids: Ids,
}

/// Where the position of a local atom comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) atom: u32,
    pub(super) translation: Vec3,
}

/// Pairs of an atom: first those that stay within the cutoff as long as the list is valid, so that
/// nobody has to ask, then those that may.
#[derive(Debug, Clone, Copy)]
struct Ends {
    certain: u32,
    all: u32,
}

impl Domain {
    /// Take over `own` sorted atoms and the pairs they begin; those closer than `certain` (Å) will
    /// stay within the cutoff.
    pub(super) fn build(
        &mut self,
        own: Range<usize>,
        grid: &Grid,
        hits: &Hits,
        cell: &Mat3,
        certain: f64,
    ) {
        self.own = own;
        self.find_ghosts(grid, hits);
        self.list_pairs(grid, hits, certain);
        self.sources.clear();
        let unwrap = |atom: usize| times(&grid.wraps[atom].map(|w| -f64::from(w)), cell);
        let source = |atom: usize, translation| Source { atom: grid.order[atom], translation };
        self.sources.extend(self.own.clone().map(|atom| source(atom, unwrap(atom))));
        self.sources.extend(self.ids.keys.iter().map(|&key| {
            let (atom, image) = (key >> 32, key & 0xffff_ffff);
            let (wrap, shift) = (unwrap(atom as usize), grid.images[image as usize].translation);
            source(atom as usize, [0, 1, 2].map(|d| wrap[d] + shift[d]))
        }));
    }

    /// Ghosts that belong to the sorted atoms of a range.
    pub(super) fn ghosts_of(&self, owner: &Range<usize>) -> Range<usize> {
        let place = |atom: usize| self.ghosts.partition_point(|&ghost| (ghost as usize) < atom);
        place(owner.start)..place(owner.end)
    }

    /// Number of own atoms.
    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    /// Second atoms of the pairs of an own atom: the certain ones, and the others.
    #[inline]
    pub(super) fn others(&self, atom: usize) -> [&[u32]; 2] {
        let start = if atom == 0 { 0 } else { self.ends[atom - 1].all as usize };
        let Ends { certain, all } = self.ends[atom];
        let (first, second) = self.others[start..all as usize].split_at(certain as usize - start);
        [first, second]
    }

    /// Most pairs that have to be checked, of one atom and of all.
    pub(super) fn uncertain(&self) -> [usize; 2] {
        let counts = self.ends.iter().map(|ends| (ends.all - ends.certain) as usize);
        counts.fold([0, 0], |[most, sum], n| [most.max(n), sum + n])
    }

    /// Most pairs of an atom.
    pub(super) fn most_pairs(&self) -> usize {
        (0..self.len()).map(|i| self.others(i).iter().map(|o| o.len()).sum()).max().unwrap_or(0)
    }

    fn is_own(&self, atom: u32, image: u32, home: u32) -> bool {
        image == home && self.own.contains(&(atom as usize))
    }

    fn find_ghosts(&mut self, grid: &Grid, hits: &Hits) {
        self.ids.clear();
        let mut pairs = 0;
        for atom in self.own.clone() {
            for hit in hits.of(atom) {
                if !self.is_own(hit.atom, hit.image, grid.home()) {
                    self.ids.insert(key(hit.atom, hit.image));
                }
            }
            pairs += hits.of(atom).len();
        }
        self.ids.sort();
        self.ghosts.clear();
        self.ghosts.extend(self.ids.keys.iter().map(|key| (key >> 32) as u32));
        self.others.clear();
        self.others.reserve(pairs);
    }

    fn list_pairs(&mut self, grid: &Grid, hits: &Hits, certain: f64) {
        let (first, own) = (self.own.start as u32, self.len() as u32);
        self.ends.clear();
        let mut far = Vec::new();
        for atom in self.own.clone() {
            for hit in hits.of(atom) {
                let local = if self.is_own(hit.atom, hit.image, grid.home()) {
                    hit.atom - first
                } else {
                    own + self.ids.get(key(hit.atom, hit.image))
                };
                let there = &grid.positions[hit.atom as usize];
                let translation = &grid.images[hit.image as usize].translation;
                let r = separation(&grid.positions[atom], there, translation);
                if dot(&r, &r) < certain * certain {
                    self.others.push(local);
                } else {
                    far.push(local);
                }
            }
            let certain = self.others.len() as u32;
            self.others.append(&mut far);
            self.ends.push(Ends { certain, all: self.others.len() as u32 });
        }
    }
}

fn key(atom: u32, image: u32) -> u64 {
    u64::from(atom) << 32 | u64::from(image)
}

/// Numbers for distinct keys: a hash table with open addressing.
#[derive(Debug, Clone, Default)]
struct Ids {
    /// Distinct keys.
    keys: Vec<u64>,
    /// Number of a key + 1, 0 where there is none; a power of two long.
    slots: Vec<u32>,
}

impl Ids {
    fn clear(&mut self) {
        self.keys.clear();
        self.slots.fill(0);
        if self.slots.is_empty() {
            self.slots.resize(64, 0);
        }
    }

    /// The slot of a key, or the empty one where it belongs.
    #[inline]
    fn slot(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        // The high bits of the product depend on all bits of the key.
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.slots[at] != 0 && self.keys[self.slots[at] as usize - 1] != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn insert(&mut self, key: u64) {
        let at = self.slot(key);
        if self.slots[at] != 0 {
            return;
        }
        self.keys.push(key);
        self.slots[at] = self.keys.len() as u32;
        if 2 * self.keys.len() > self.slots.len() {
            self.slots.resize(2 * self.slots.len(), 0);
            self.number();
        }
    }

    fn sort(&mut self) {
        self.keys.sort_unstable();
        self.number();
    }

    fn number(&mut self) {
        self.slots.fill(0);
        for k in 0..self.keys.len() {
            let at = self.slot(self.keys[k]);
            self.slots[at] = k as u32 + 1;
        }
    }

    /// Number of a key that is there.
    fn get(&self, key: u64) -> u32 {
        self.slots[self.slot(key)] - 1
    }
}
