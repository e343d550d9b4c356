//! The pairs of two elements, their functions by what changes of weights see of them.
//!
//! A change of weights that sums to zero on every atom is given by the changes of all states but the
//! first; functions of states enter Hessian products by their differences from the first. Of 15
//! numbers for a pair of atoms with three states each those are 8; they lie together. The others give
//! the functions themselves.

use super::{Record, Values};
use crate::model::PairModel;
use crate::structure::{Vec3, dot};

/// The pairs of two elements (first ≤ second) that one thread handles.
#[derive(Debug, Clone, Default)]
pub struct KindPairs {
    atoms: Vec<[u32; 2]>,
    /// R_b − R_a with the image shift, Å.
    vectors: Vec<Vec3>,
    /// For each pair: φ (all differences of differences, first atom major), densities of the second
    /// atom's states at the first, of the first's at the second, channel amplitudes.
    values: Vec<f64>,
    /// For each pair: φ of the first states; its differences in the first atom's state, in the
    /// second's; densities of the second atom's first state at the first, and the other way round.
    rest: Vec<f64>,
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
        self.vectors.clear();
        self.values.clear();
        self.rest.clear();
    }

    /// Take a pair, all values given.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn push(&mut self, atoms: [u32; 2], vector: Vec3, all: &[f64], pair: &PairModel) {
        self.atoms.push(atoms);
        self.vectors.push(vector);
        match pair.states {
            [2, 2] => self.push_sized([2, 2], all),
            [2, 3] => self.push_sized([2, 3], all),
            [3, 3] => self.push_sized([3, 3], all),
            states => self.push_sized(states, all),
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn push_sized(&mut self, [na, nb]: [usize; 2], all: &[f64]) {
        let (phi, others) = all.split_at(na * nb);
        let (at_a, others) = others.split_at(nb);
        let (at_b, amplitudes) = others.split_at(na);
        for m in 1..na {
            for n in 1..nb {
                let (here, first) = (phi[m * nb + n] - phi[m * nb], phi[n] - phi[0]);
                self.values.push(here - first);
            }
        }
        (1..nb).for_each(|n| self.values.push(at_a[n] - at_a[0]));
        (1..na).for_each(|m| self.values.push(at_b[m] - at_b[0]));
        self.values.extend_from_slice(amplitudes);
        self.rest.push(phi[0]);
        (1..na).for_each(|m| self.rest.push(phi[m * nb] - phi[0]));
        (1..nb).for_each(|n| self.rest.push(phi[n] - phi[0]));
        self.rest.extend_from_slice(&[at_a[0], at_b[0]]);
    }

    /// A pair by its place.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn record(&self, kind: usize, k: usize) -> Record {
        let ([a, b], vector) = (self.atoms[k], self.vectors[k]);
        Record { a, b, kind: kind as u32, vector, distance: dot(&vector, &vector).sqrt() }
    }

    /// All values of a pair; `all` lends the space.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn values<'a>(
        &self,
        k: usize,
        [na, nb]: [usize; 2],
        channels: usize,
        all: &'a mut [f64],
    ) -> Values<'a> {
        let (ma, mb) = (na - 1, nb - 1);
        let (width, others) = (ma * mb + ma + mb + channels, 3 + ma + mb);
        let v = &self.values[k * width..(k + 1) * width];
        let r = &self.rest[k * others..(k + 1) * others];
        let (phi, tail) = all.split_at_mut(na * nb);
        let (at_a, tail) = tail.split_at_mut(nb);
        let (at_b, tail) = tail.split_at_mut(na);
        let amplitudes = &mut tail[..channels];
        for m in 0..na {
            let first = if m == 0 { r[0] } else { r[0] + r[m] };
            phi[m * nb] = first;
            for n in 1..nb {
                let both = if m == 0 { 0.0 } else { v[(m - 1) * mb + n - 1] };
                phi[m * nb + n] = first + (r[ma + n] + both);
            }
        }
        at_a[0] = r[others - 2];
        at_b[0] = r[others - 1];
        (1..nb).for_each(|n| at_a[n] = at_a[0] + v[ma * mb + n - 1]);
        (1..na).for_each(|m| at_b[m] = at_b[0] + v[ma * mb + mb + m - 1]);
        amplitudes.copy_from_slice(&v[ma * mb + mb + ma..]);
        Values { phi, at_a, at_b, amplitudes }
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
        let width = na * nb + na + nb + hops;
        for (&[a, b], v) in self.atoms.iter().zip(self.values.chunks_exact(width.max(1))) {
            let [a, b] = [a, b].map(|i| i as usize * stride);
            let (phi, rest) = v.split_at(na * nb);
            let (at_a, rest) = rest.split_at(nb);
            let (at_b, amplitudes) = rest.split_at(na);
            let (xa, xb) = (&x[a..a + stride], &x[b..b + stride]);
            let oa = &mut out[a..a + stride];
            for m in 0..na {
                oa[m] += (0..nb).map(|n| phi[m * nb + n] * xb[n]).sum::<f64>();
            }
            oa[stride - 1] += (0..nb).map(|n| at_a[n] * xb[n]).sum::<f64>();
            for k in 0..hops {
                let [first, second] = slots.hops[k];
                oa[first] += amplitudes[k] * xb[second];
            }
            let ob = &mut out[b..b + stride];
            for n in 0..nb {
                ob[n] += (0..na).map(|m| phi[m * nb + n] * xa[m]).sum::<f64>();
            }
            ob[stride - 1] += (0..na).map(|m| at_b[m] * xa[m]).sum::<f64>();
            for k in 0..hops {
                let [first, second] = slots.hops[k];
                ob[second] += amplitudes[k] * xa[first];
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
        hops: usize,
        slots: Slots,
        x: &[f64],
        out: &mut [f64],
    ) {
        let width = na * nb + na + nb + hops;
        for (&[a, b], v) in self.atoms.iter().zip(self.values.chunks_exact(width.max(1))) {
            let [a, b] = [a, b].map(|i| i as usize);
            let densities = &v[na * nb..na * nb + nb + na];
            let (xa, xb) = (x[a], x[b]);
            let oa = &mut out[a * slots.stride..a * slots.stride + na];
            for m in 0..na {
                oa[m] += densities[nb + m] * xb;
            }
            let ob = &mut out[b * slots.stride..b * slots.stride + nb];
            for n in 0..nb {
                ob[n] += densities[n] * xa;
            }
        }
    }
}
