//! What Hessian products on the tangent space need of the pairs, without the rest.
//!
//! A change of weights that sums to zero on every atom is given by the changes of all states but the
//! first; functions of states enter by their differences from the first. Of 15 numbers for a pair of
//! atoms with three states each 8 are left.

use super::Values;
use crate::model::PairModel;

/// The pairs of two elements (first ≤ second) that one thread handles.
#[derive(Debug, Clone, Default)]
pub struct Compact {
    atoms: Vec<[u32; 2]>,
    /// For each pair: φ (all differences of differences, first atom major), densities of the second
    /// atom's states at the first, of the first's at the second, channel amplitudes.
    values: Vec<f64>,
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

impl Compact {
    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.atoms.clear();
        self.values.clear();
    }

    pub(super) fn push(&mut self, atoms: [u32; 2], v: &Values, pair: &PairModel) {
        let columns = pair.states[1];
        self.atoms.push(atoms);
        let first = &v.phi[..columns];
        for row in v.phi.chunks_exact(columns).skip(1) {
            let (a, b) = (row[0], first[0]);
            self.values.extend(row.iter().zip(first).skip(1).map(|(x, y)| (x - a) - (y - b)));
        }
        self.values.extend(v.at_a[1..].iter().map(|x| x - v.at_a[0]));
        self.values.extend(v.at_b[1..].iter().map(|x| x - v.at_b[0]));
        self.values.extend_from_slice(v.amplitudes);
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
