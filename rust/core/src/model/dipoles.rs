//! Short-ranged functions of induced dipoles: what a dipole's extent takes from that of a point.
//!
//! The dipole m of an atom is the charge density −m·∇g, g a normalised Slater function. Its energy in
//! the field of a frozen state N is m·∇Ψ_gN, with Ψ_gN the electrostatics of a unit charge g and the
//! state (nucleus and density); that of two dipoles is −m·∇∇Ψ_gg·m. Ψ is the charge of N over R and a
//! penetration, whose closed form is that of `slater`: with T = RΨ^sr and P = R T′ − T,
//! f₁ = Ψ′/R = P/R³ and f₂ = f₁′/R = (R P′ − 3P)/R⁵. P and R P′ − 3P are tabulated.
//! (Smeared dipoles: B. T. Thole, Chem. Phys. 59, 341 (1981), whose ρ₁ is a Slater function too.)

use super::functions::slater_atom;
use super::{ACCURATE_FROM, MIN_DISTANCE, Model, TOLERANCE};
use crate::coulomb::{DipoleFunctions, DipolePair};
use crate::formulas::{Jet, product, switch};
use crate::slater::{Penetration, SlaterAtom};
use crate::tables::Table;

/// Tables of two elements: R³f₁ of the first atom's dipole with the second's states, of the second's
/// with the first's, of both dipoles, and R⁵f₂ of both dipoles.
#[derive(Debug, Clone)]
pub struct DipoleTable {
    table: Table,
    /// Of the states of both elements, e.
    charges: [Vec<f64>; 2],
}

/// What a pair of atoms needs of its dipoles, looked up once per geometry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DipoleValues<'a> {
    /// f₁ of the first dipole with the second atom's states.
    pub(crate) first: &'a [f64],
    /// f₁ of the second dipole with the first atom's states.
    pub(crate) second: &'a [f64],
    /// f₁ and f₂ of both dipoles.
    pub(crate) both: [f64; 2],
}

impl<'a> DipoleValues<'a> {
    /// Of `all` numbers, in this order.
    pub(crate) fn split(all: &'a [f64], [na, nb]: [usize; 2]) -> Self {
        let (first, rest) = all.split_at(nb);
        let (second, both) = rest.split_at(na);
        Self { first, second, both: [both[0], both[1]] }
    }

    /// For given weights of the two atoms.
    pub(crate) fn pair(&self, [wa, wb]: [&[f64]; 2]) -> DipolePair {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum();
        DipolePair { charges: [dot(self.first, wb), dot(self.second, wa)], dipoles: self.both }
    }
}

/// The penetration T of a dipole's g with something, and T″.
type Part = Option<[Penetration; 2]>;

impl DipoleTable {
    /// Of elements `a` ≤ `b`; none if neither is polarisable.
    pub(super) fn new(model: &Model, a: usize, b: usize) -> Option<Self> {
        let elements = [&model.elements[a], &model.elements[b]];
        let charges = elements.map(|e| e.states.iter().map(|s| s.charge).collect());
        let exponents = elements.map(|e| e.polarisation_exponent);
        if exponents == [None; 2] {
            return None;
        }
        let with_states = |zeta: Option<f64>, other: usize| -> Vec<Part> {
            let number = model.elements[other].number;
            let atom = |s: usize| slater_atom(number, model.state(other, s));
            let part = |s: usize| Some(part(&with_charge(&[zeta?]), atom(s)?));
            (0..model.elements[other].states.len()).map(part).collect()
        };
        let mut parts = with_states(exponents[0], b);
        parts.extend(with_states(exponents[1], a));
        let [first, second] = exponents;
        let dipoles = first.zip(second).map(|(x, y)| part(&with_charge(&[x]), with_charge(&[y])));
        let (cutoff, domain) =
            (model.cutoff(), [MIN_DISTANCE, ACCURATE_FROM, model.cutoff().radius]);
        let count = parts.len();
        let jets = |r: f64, row: &mut [Jet]| {
            let s = switch(cutoff.radius, cutoff.switch_width, r);
            for (jet, part) in row.iter_mut().zip(&parts) {
                *jet = part.as_ref().map_or([0.0; 3], |p| product(of_part(p, r), s));
            }
            let both = dipoles.as_ref().map_or([[0.0; 3]; 2], |p| [of_part(p, r), twice(p, r)]);
            (0..2).for_each(|k| row[count + k] = product(both[k], s));
        };
        // Energies of fields and dipoles of 1 e·Å.
        let tolerance = |column: usize, r: f64, _: f64| {
            TOLERANCE * if column < count { r * r } else { r * r * r }
        };
        Some(Self { table: Table::compile(domain, 128, count + 2, tolerance, jets), charges })
    }

    /// The functions of distance and their knots, without those of points.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Numbers for [`DipoleValues`] of a pair.
    pub(crate) fn len(&self) -> usize {
        self.table.functions()
    }

    /// f₁ and f₂ at a distance, `points` those of unit point charges that are added.
    pub(crate) fn values(&self, r: f64, points: &DipoleFunctions, out: &mut [f64]) {
        self.table.values(&self.table.lookup(r), out);
        let (once, twice) = (r.powi(-3), r.powi(-5));
        let n = self.len();
        out[..n - 1].iter_mut().for_each(|x| *x *= once);
        out[n - 1] *= twice;
        self.add_points(points.charge[0], [points.dipole[0], points.dipole[1]], out);
    }

    /// Derivatives of [`Self::values`] in R over R, those values given; `points` likewise.
    pub(crate) fn slopes(
        &self,
        r: f64,
        points: &DipoleFunctions,
        values: &DipoleValues,
        out: &mut [f64],
    ) {
        let n = self.len();
        self.table.slopes(&self.table.lookup(r), out);
        let (inverse2, inverse4) = (r.powi(-2), r.powi(-4));
        out[..n - 1].iter_mut().for_each(|x| *x *= inverse4);
        out[n - 1] *= inverse4 * inverse2;
        // (P/Rⁿ)′/R = P′/Rⁿ⁺¹ − n (P/Rⁿ)/R²; what points add to the values is not to be differentiated so.
        let [f1, f2] = [points.dipole[0], points.dipole[1]];
        let [of_first, of_second] = &self.charges;
        let charges = of_second.iter().chain(of_first);
        let added = charges.map(|q| q * points.charge[0]).chain([f1, f2]);
        let all = values.first.iter().chain(values.second).chain(&values.both);
        for (k, (x, (value, added))) in out.iter_mut().zip(all.zip(added)).enumerate() {
            let power = if k + 1 == n { 5.0 } else { 3.0 };
            *x -= power * (value - added) * inverse2;
        }
        self.add_points(points.charge[1], [points.dipole[1], points.dipole[2]], out);
    }

    fn add_points(&self, of_charge: f64, of_dipoles: [f64; 2], out: &mut [f64]) {
        let [of_first, of_second] = &self.charges;
        let (first, rest) = out.split_at_mut(of_second.len());
        let (second, both) = rest.split_at_mut(of_first.len());
        first.iter_mut().zip(of_second).for_each(|(x, q)| *x += q * of_charge);
        second.iter_mut().zip(of_first).for_each(|(x, q)| *x += q * of_charge);
        (0..2).for_each(|k| both[k] += of_dipoles[k]);
    }
}

/// A unit positive charge g.
fn with_charge(zeta: &[f64; 1]) -> SlaterAtom<'_> {
    SlaterAtom { nucleus: 0.0, exponents: zeta, coefficients: &[-1.0] }
}

fn part(g: &SlaterAtom, other: SlaterAtom) -> [Penetration; 2] {
    let penetration = Penetration::new(*g, other);
    let curvature = penetration.derivative().derivative();
    [penetration, curvature]
}

/// P = R T′ − T of T and T″, with P′ = R T″.
pub(super) fn once([t, slope, _]: Jet, [t2, t3, _]: Jet, r: f64) -> Jet {
    [r * slope - t, r * t2, t2 + r * t3]
}

fn of_part([t, t2]: &[Penetration; 2], r: f64) -> Jet {
    once(t.times_r(r), t2.times_r(r), r)
}

/// R P′ − 3P, with derivatives R²T‴ − R T″ and R²T⁗ + R T‴ − T″.
fn twice(parts: &[Penetration; 2], r: f64) -> Jet {
    let ([p, slope, _], [t2, t3, t4]) = (of_part(parts, r), parts[1].times_r(r));
    [r * slope - 3.0 * p, r * (r * t3 - t2), r * (r * t4 + t3) - t2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_potential() {
        let atom = SlaterAtom { nucleus: 3.0, exponents: &[2.5, 9.0], coefficients: &[2.2, 1.0] };
        let g = with_charge(&[3.1]);
        let parts = part(&g, atom);
        let psi = |r: f64| Penetration::new(g, atom).times_r(r)[0] / r;
        let h = 1e-3;
        for r in [0.4, 1.0, 2.3] {
            let slope = (psi(r - 2.0 * h) - 8.0 * psi(r - h) + 8.0 * psi(r + h) - psi(r + 2.0 * h))
                / (12.0 * h);
            let found = of_part(&parts, r)[0] / r.powi(3);
            assert!((found - slope / r).abs() < 1e-6 * found.abs(), "{r}: {found} {slope}");
            let f1 = |r: f64| of_part(&parts, r)[0] / r.powi(3);
            let slope = (f1(r - 2.0 * h) - 8.0 * f1(r - h) + 8.0 * f1(r + h) - f1(r + 2.0 * h))
                / (12.0 * h);
            let found = twice(&parts, r)[0] / r.powi(5);
            assert!((found - slope / r).abs() < 1e-6 * found.abs(), "{r}: {found} {slope}");
        }
    }

    #[test]
    fn jets_match_central_differences() {
        let parts = part(&with_charge(&[2.0]), with_charge(&[3.0]));
        let h = 1e-4;
        for f in [of_part, twice] {
            for r in [0.2, 0.9, 2.0, 4.0] {
                let (low, at, high) = (f(&parts, r - h), f(&parts, r), f(&parts, r + h));
                for k in 0..2 {
                    let slope = (high[k] - low[k]) / (2.0 * h);
                    assert!((slope - at[k + 1]).abs() < 1e-5, "{r} {k}: {slope} {at:?}");
                }
            }
        }
    }

    /// −∇∇Ψ_gg at the centre is 4π/3 of the overlap, ζ³/48: the bound of `potential::check`.
    #[test]
    fn dipoles_on_one_place_have_the_field_of_the_overlap() {
        let zeta = 3.0_f64;
        let parts = part(&with_charge(&[zeta]), with_charge(&[zeta]));
        let r = 1e-2;
        // The point's f₁ is −1/R³.
        let f1 = (of_part(&parts, r)[0] - crate::COULOMB) / r.powi(3);
        let expected = -crate::COULOMB * zeta.powi(3) / 48.0;
        assert!((f1 / expected - 1.0).abs() < 1e-3, "{f1} {expected}");
    }
}
