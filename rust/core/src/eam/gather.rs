//! Between the user's order, the domains and their ghosts.

use std::ops::{AddAssign, Range};

use super::Sites;
use super::domain::Domain;
use super::passes::{Quad, Work};
use crate::structure::Vec3;

impl Work {
    /// Local positions and elements.
    pub(super) fn place(&mut self, domain: &Domain, positions: &[Vec3], elements: &[u8]) {
        self.positions.clear();
        self.positions.extend(domain.sources.iter().map(|source| {
            let (r, t) = (positions[source.atom as usize], source.translation);
            [r[0] + t[0], r[1] + t[1], r[2] + t[2], 0.0]
        }));
        self.elements.clear();
        self.elements.extend(domain.sources.iter().map(|source| elements[source.atom as usize]));
    }

    /// Slopes of the embedding energies of all local atoms; domains have `size` own atoms.
    pub(super) fn take_slopes(&mut self, domain: &Domain, sites: &[Sites], size: usize) {
        let (own, ghosts) = self.positions.split_at_mut(domain.len());
        for (position, slope) in own.iter_mut().zip(&sites[domain.own.start / size].slope) {
            position[3] = *slope;
        }
        for (position, &atom) in ghosts.iter_mut().zip(&domain.ghosts) {
            position[3] = sites[atom as usize / size].slope[atom as usize % size];
        }
    }

    /// Σ r F over the local atoms, with the sign of dE/dstrain, eV.
    pub(super) fn sum_virial(&mut self) {
        let origin = self.positions[0];
        let mut sum = [[0.0; 3]; 3];
        for (r, f) in self.positions.iter().zip(&self.forces) {
            for p in 0..3 {
                for q in 0..3 {
                    sum[p][q] -= f[p] * (r[q] - origin[q]);
                }
            }
        }
        self.virial = sum;
    }
}

/// Values of a domain's own atoms, plus what all domains hold for them as ghosts.
pub(super) fn add_up<'a, T: Copy + 'a>(
    sums: &mut Vec<T>,
    own: &Range<usize>,
    domains: &[Domain],
    values: impl Fn(usize) -> &'a [T],
    add: impl Fn(&mut T, T),
) {
    sums.clear();
    for (d, domain) in domains.iter().enumerate() {
        if domain.own == *own {
            sums.extend_from_slice(&values(d)[..domain.len()]);
        }
    }
    for (d, domain) in domains.iter().enumerate() {
        let ghosts = domain.ghosts_of(own);
        let parts = &values(d)[domain.len()..];
        for (&atom, part) in domain.ghosts[ghosts.clone()].iter().zip(&parts[ghosts]) {
            add(&mut sums[atom as usize - own.start], *part);
        }
    }
}

/// Add component by component.
pub(super) fn add_quad(sum: &mut Quad, part: Quad) {
    sum.iter_mut().zip(part).for_each(|(x, y)| x.add_assign(y));
}
