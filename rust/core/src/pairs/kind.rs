//! The pairs of two elements, and what Hessian products on the tangent space make of their functions.
//!
//! A change of weights that sums to zero on every atom is given by the changes of all states but the
//! first; functions of states enter by their differences from the first. The functions themselves are
//! kept: as differences they would not be the same to the last digit.

use super::{Frame, Record, Values};
use crate::structure::dot;

/// The pairs of two elements (first ≤ second) that one thread handles.
#[derive(Debug, Clone, Default)]
pub struct KindPairs {
    atoms: Vec<[u32; 2]>,
    /// Translation of the second atom, by its place in the [`Frame`].
    images: Vec<u32>,
    /// Couplings and channels of each pair, in the order of [`Values`].
    energies: Vec<f64>,
    /// Densities of each pair at its atoms, apart: half of a product needs nothing else, and the pairs
    /// of many atoms come from memory.
    densities: Vec<f64>,
    /// In the order of [`crate::model::DipoleValues`]; empty if neither element is polarisable.
    pub(super) dipoles: Vec<f64>,
}

/// Where the numbers of an atom lie in arrays of `stride` numbers for each: changes of all states but
/// the first, then its hops (one for each pair of states between which a channel leads), then, last,
/// a density.
#[derive(Debug, Clone, Copy)]
pub struct Slots<'a> {
    /// Numbers of an atom.
    pub stride: usize,
    /// States but the first of the two elements.
    pub states: [usize; 2],
    /// Slot of the hop of every channel on the two atoms.
    pub hops: &'a [[usize; 2]],
}

/// Call a method with literal sizes, which make the compiler unroll its loops.
macro_rules! for_sizes {
    ($this:expr, $method:ident, $slots:expr, $x:expr, $out:expr) => {
        match ($slots.states, $slots.hops.len()) {
            ([1, 1], 0) => $this.$method([1, 1], 0, $slots, $x, $out),
            ([1, 2], 2) => $this.$method([1, 2], 2, $slots, $x, $out),
            ([2, 2], 0) => $this.$method([2, 2], 0, $slots, $x, $out),
            (states, hops) => $this.$method(states, hops, $slots, $x, $out),
        }
    };
}

impl KindPairs {
    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.atoms.len()
    }

    pub(super) fn clear(&mut self) {
        self.atoms.clear();
        self.images.clear();
        self.energies.clear();
        self.densities.clear();
        self.dipoles.clear();
    }

    /// Take a pair, all values given, of elements with so many states.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn push(&mut self, atoms: [u32; 2], image: u32, states: [usize; 2], all: &[f64]) {
        self.atoms.push(atoms);
        self.images.push(image);
        // Lists of a literal length are copied without a call.
        match states {
            [2, 2] => self.push_values([2, 2], all),
            [2, 3] => self.push_values([2, 3], all),
            [3, 3] => self.push_values([3, 3], all),
            states => self.push_values(states, all),
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn push_values(&mut self, [na, nb]: [usize; 2], all: &[f64]) {
        let (phi, rest) = all.split_at(na * nb);
        let (densities, amplitudes) = rest.split_at(na + nb);
        self.energies.extend_from_slice(phi);
        for amplitude in amplitudes {
            self.energies.push(*amplitude);
        }
        self.densities.extend_from_slice(densities);
    }

    /// The atoms of a pair by its place.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn atoms(&self, k: usize) -> [u32; 2] {
        self.atoms[k]
    }

    /// A pair by its place.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn record(&self, frame: &Frame, kind: usize, k: usize) -> Record {
        let [a, b] = self.atoms[k];
        let vector = frame.vector([a, b], self.images[k]);
        Record { a, b, kind: kind as u32, vector, distance: dot(&vector, &vector).sqrt() }
    }

    /// All values of a pair.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn values(&self, k: usize, [na, nb]: [usize; 2], channels: usize) -> Values<'_> {
        let width = na * nb + channels;
        let (phi, amplitudes) = self.energies[k * width..(k + 1) * width].split_at(na * nb);
        let (at_a, at_b) = self.densities(k, [na, nb]);
        Values { phi, at_a, at_b, amplitudes }
    }

    /// Densities of a pair, at its first atom and at its second.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn densities(&self, k: usize, [na, nb]: [usize; 2]) -> (&[f64], &[f64]) {
        let width = na + nb;
        self.densities[k * width..(k + 1) * width].split_at(nb)
    }

    /// Add what changes `x` of states and hops do to potentials, hops and densities `out`.
    pub fn couple(&self, slots: Slots, x: &[f64], out: &mut [f64]) {
        for_sizes!(self, couple_sized, slots, x, out);
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn couple_sized(
        &self,
        [na, nb]: [usize; 2],
        hops: usize,
        slots: Slots,
        x: &[f64],
        out: &mut [f64],
    ) {
        let stride = slots.stride;
        for (k, &[a, b]) in self.atoms.iter().enumerate() {
            let v = self.values(k, [na + 1, nb + 1], hops);
            let phi = |m: usize, n: usize| {
                let (row, first) = (&v.phi[(m + 1) * (nb + 1)..], v.phi);
                (row[n + 1] - row[0]) - (first[n + 1] - first[0])
            };
            let [a, b] = [a, b].map(|i| i as usize * stride);
            let (xa, xb) = (&x[a..a + stride], &x[b..b + stride]);
            let oa = &mut out[a..a + stride];
            for m in 0..na {
                oa[m] += (0..nb).map(|n| phi(m, n) * xb[n]).sum::<f64>();
            }
            oa[stride - 1] += (0..nb).map(|n| (v.at_a[n + 1] - v.at_a[0]) * xb[n]).sum::<f64>();
            for k in 0..hops {
                let [first, second] = slots.hops[k];
                oa[first] += v.amplitudes[k] * xb[second];
            }
            let ob = &mut out[b..b + stride];
            for n in 0..nb {
                ob[n] += (0..na).map(|m| phi(m, n) * xa[m]).sum::<f64>();
            }
            ob[stride - 1] += (0..na).map(|m| (v.at_b[m + 1] - v.at_b[0]) * xa[m]).sum::<f64>();
            for k in 0..hops {
                let [first, second] = slots.hops[k];
                ob[second] += v.amplitudes[k] * xa[first];
            }
        }
    }

    /// Add what changes `x` of the embedding's slopes do to the potentials `out` of the neighbours'
    /// states.
    pub fn respond(&self, slots: Slots, x: &[f64], out: &mut [f64]) {
        for_sizes!(self, respond_sized, slots, x, out);
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn respond_sized(
        &self,
        [na, nb]: [usize; 2],
        _: usize,
        slots: Slots,
        x: &[f64],
        out: &mut [f64],
    ) {
        for (k, &[a, b]) in self.atoms.iter().enumerate() {
            let (at_a, at_b) = self.densities(k, [na + 1, nb + 1]);
            let [a, b] = [a, b].map(|i| i as usize);
            let (xa, xb) = (x[a], x[b]);
            let oa = &mut out[a * slots.stride..a * slots.stride + na];
            for m in 0..na {
                oa[m] += (at_b[m + 1] - at_b[0]) * xb;
            }
            let ob = &mut out[b * slots.stride..b * slots.stride + nb];
            for n in 0..nb {
                ob[n] += (at_a[n + 1] - at_a[0]) * xa;
            }
        }
    }
}
