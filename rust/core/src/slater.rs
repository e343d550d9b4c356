//! Electrostatics of two frozen spherical atoms whose densities are sums of 1s Slater functions.
//!
//! φ_MN(R) = q_M q_N C/R + φ^sr(R). R·φ^sr is a sum of polynomials times exponentials, found from
//! the Coulomb integral of two Slater charges (Roothaan, J. Chem. Phys. 19, 1445 (1951)) for
//! different exponents. For nearly equal ones that form cancels catastrophically; there the
//! integral is the divided difference over k² of its generating function, evaluated by
//! Gauss–Legendre quadrature of the Hermite–Genocchi formula: again polynomials times exponentials.

mod tangent;

pub use tangent::PenetrationTangent;

use crate::COULOMB;
use crate::dual::Number;
use crate::formulas::{
    Jet, polynomial_exponential, slater_overlap_at_centre, slater_repulsion_at_centre, sum,
};

/// Exponents closer than this (relative to their sum) use the quadrature.
const NEARLY_EQUAL: f64 = 0.15;
/// Nodes of that quadrature; its error is below 1e-13 for exponents within [`NEARLY_EQUAL`].
const NODES: usize = 10;

/// A nucleus of charge Z with the electron density Σ c_k ζ_k³/(8π) exp(−ζ_k r).
#[derive(Debug, Clone, Copy)]
pub struct SlaterAtom<'a, T = f64> {
    /// Nuclear charge, e.
    pub nucleus: f64,
    /// ζ_k, Å⁻¹.
    pub exponents: &'a [T],
    /// c_k, e.
    pub coefficients: &'a [T],
}

/// R·φ^sr(R) as a sum of polynomials times exponentials, eV·Å.
#[derive(Debug, Clone, Default)]
pub struct Penetration {
    terms: Vec<(f64, [f64; 4])>,
}

impl Penetration {
    /// Charge penetration of two atoms, nuclei and densities.
    pub fn new(a: SlaterAtom, b: SlaterAtom) -> Self {
        let mut this = Self::default();
        penetration(a, b, &mut |zeta, c, strength| this.add(zeta, c, strength * COULOMB));
        this
    }

    /// R·φ^sr and its derivatives at `r`, eV·Å.
    pub fn times_r(&self, r: f64) -> Jet {
        self.terms
            .iter()
            .fold([0.0; 3], |total, &(zeta, c)| sum(total, polynomial_exponential(zeta, c, r)))
    }

    /// The derivative in R of R·φ^sr, in the same form.
    #[must_use]
    pub fn derivative(&self) -> Self {
        let terms = self.terms.iter().map(|&(zeta, c)| {
            (
                zeta,
                [0, 1, 2, 3].map(|k| (k + 1) as f64 * c.get(k + 1).unwrap_or(&0.0) - zeta * c[k]),
            )
        });
        Self { terms: terms.collect() }
    }

    /// Add (c₀ + c₁ R + c₂ R² + c₃ R³) exp(−ζR) times the strength.
    fn add(&mut self, zeta: f64, c: [f64; 4], strength: f64) {
        match self.terms.iter_mut().find(|(z, _)| *z == zeta) {
            Some((_, total)) => (0..4).for_each(|k| total[k] += strength * c[k]),
            None => self.terms.push((zeta, c.map(|x| strength * x))),
        }
    }
}

/// Visit all terms of R·φ^sr over the Coulomb constant: exponent, polynomial and strength.
fn penetration<T: Number>(a: SlaterAtom<T>, b: SlaterAtom<T>, add: &mut impl FnMut(T, [T; 4], T)) {
    for (atom, other) in [(a, b), (b, a)] {
        for (&zeta, &c) in atom.exponents.iter().zip(atom.coefficients) {
            point(zeta, c * T::from(other.nucleus), add);
        }
    }
    for (&za, &ca) in a.exponents.iter().zip(a.coefficients) {
        for (&zb, &cb) in b.exponents.iter().zip(b.coefficients) {
            pair(za, zb, ca * cb, add);
        }
    }
}

/// Slater charge −1 in the field of a point charge: +e^{−ζR}(1 + ζR/2).
fn point<T: Number>(zeta: T, strength: T, add: &mut impl FnMut(T, [T; 4], T)) {
    let [zero, half, one] = [0.0, 0.5, 1.0].map(T::from);
    add(zeta, [one, half * zeta, zero, zero], strength);
}

/// Two unit Slater charges: R·J(R) − 1.
fn pair<T: Number>(a: T, b: T, strength: T, add: &mut impl FnMut(T, [T; 4], T)) {
    if (a.value() - b.value()).abs() < NEARLY_EQUAL * (a.value() + b.value()) {
        nearly_equal(a, b, strength, add);
    } else {
        different(a, b, strength, add);
        different(b, a, strength, add);
    }
}

/// The terms in exp(−aR) of Roothaan's formula.
fn different<T: Number>(a: T, b: T, strength: T, add: &mut impl FnMut(T, [T; 4], T)) {
    let [zero, half, three] = [0.0, 0.5, 3.0].map(T::from);
    let (a2, b2) = (a * a, b * b);
    let d = a2 - b2;
    let factor = b2 * b2 / (d * d);
    add(a, [-factor * (three * a2 - b2) / d, -factor * half * a, zero, zero], strength);
}

/// R·J − 1 = −a⁴b⁴ ∫₀¹ s(1−s) h‴(t_s) ds with h(t) = −exp(−√t R)/t, t_s = a² + s(b² − a²).
fn nearly_equal<T: Number>(a: T, b: T, strength: T, add: &mut impl FnMut(T, [T; 4], T)) {
    let factor = -strength * (a * b).powi(4);
    for (s, weight) in gauss_legendre() {
        let u = (a * a + T::from(s) * (b * b - a * a)).sqrt();
        let v = u.recip();
        let v5 = v.powi(5);
        // h‴ = (R³/8 + 9R²/8u + 33R/8u² + 6/u³) u⁻⁵ e^{−uR}
        let [k0, k1, k2, k3] = [6.0, 4.125, 1.125, 0.125].map(T::from);
        let c = [k0 * v.powi(3) * v5, k1 * v * v * v5, k2 * v * v5, k3 * v5];
        add(u, c, factor * T::from(weight) * T::from(s) * T::from(1.0 - s));
    }
}

/// Integrals between the electron densities of two atoms, nuclei left out.
#[derive(Debug, Clone)]
pub struct Overlap {
    electrons: f64,
    repulsion: Penetration,
    at_centre: [f64; 2],
}

impl Overlap {
    /// For two densities; the nuclei of `a` and `b` are ignored.
    pub fn new(a: SlaterAtom, b: SlaterAtom) -> Self {
        let count = |atom: SlaterAtom| atom.coefficients.iter().sum::<f64>();
        let mut at_centre = [0.0; 2];
        for (&za, &ca) in a.exponents.iter().zip(a.coefficients) {
            for (&zb, &cb) in b.exponents.iter().zip(b.coefficients) {
                at_centre[0] += COULOMB * ca * cb * slater_repulsion_at_centre(za, zb);
                at_centre[1] += ca * cb * slater_overlap_at_centre(za, zb);
            }
        }
        let bare = |atom| SlaterAtom { nucleus: 0.0, ..atom };
        Self {
            electrons: count(a) * count(b),
            repulsion: Penetration::new(bare(a), bare(b)),
            at_centre,
        }
    }

    /// Repulsion ∬ρ_A(r) ρ_B(r′) C/|r − r′|, eV, with the centres `r` apart, Å.
    pub fn coulomb(&self, r: f64) -> f64 {
        if r == 0.0 {
            return self.at_centre[0];
        }
        (COULOMB * self.electrons + self.repulsion.times_r(r)[0]) / r
    }

    /// Overlap ∫ρ_A ρ_B, e²/Å³: by Poisson's equation −(R·J)″/(4πR) of the repulsion C·J.
    pub fn l2(&self, r: f64) -> f64 {
        if r == 0.0 {
            return self.at_centre[1];
        }
        -self.repulsion.times_r(r)[2] / (4.0 * std::f64::consts::PI * COULOMB * r)
    }
}

/// Nodes and weights of Gauss–Legendre quadrature on [0, 1] (Newton on the Legendre recurrence).
fn gauss_legendre() -> [(f64, f64); NODES] {
    let n = NODES as f64;
    std::array::from_fn(|k| {
        let mut x = (std::f64::consts::PI * (k as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p0, mut p1) = (1.0, x);
            for m in 2..=NODES {
                let m = m as f64;
                (p0, p1) = (p1, ((2.0 * m - 1.0) * x * p1 - (m - 1.0) * p0) / m);
            }
            slope = n * (x * p1 - p0) / (x * x - 1.0);
            let step = p1 / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// φ^sr from its definition in k space (design 2.3), composite Simpson on k = x/(1−x).
    fn reference(a: SlaterAtom, b: SlaterAtom, r: f64) -> f64 {
        let form = |atom: SlaterAtom, k: f64| {
            atom.exponents
                .iter()
                .zip(atom.coefficients)
                .fold(atom.nucleus, |n, (z, c)| n - c / (1.0 + (k / z) * (k / z)).powi(2))
        };
        let charge = |atom: SlaterAtom| atom.nucleus - atom.coefficients.iter().sum::<f64>();
        // Electron–electron part relative to point charges; nucleus–electron parts are added in
        // closed form by the caller's symmetry, so integrate everything that decays in k.
        let zz = a.nucleus * b.nucleus;
        let integrand = |k: f64| {
            let x = k * r;
            let sinc = if x < 1e-8 { 1.0 } else { x.sin() / x };
            (form(a, k) * form(b, k) - zz) * sinc
        };
        // The integrand decays like k⁻⁴·sin(kR)/k: integrate far beyond the largest exponent.
        let (k_max, n) = (6.0e3, 6_000_000);
        let h = k_max / f64::from(n);
        let mut total = integrand(0.0) + integrand(k_max);
        for m in 1..n {
            total += integrand(f64::from(m) * h) * if m % 2 == 1 { 4.0 } else { 2.0 };
        }
        let phi = COULOMB * (zz / r + 2.0 / std::f64::consts::PI * total * h / 3.0);
        phi - COULOMB * charge(a) * charge(b) / r
    }

    #[test]
    fn closed_forms_match_the_k_space_integral() {
        let cases: [(&[f64], &[f64]); 5] = [
            (&[3.0], &[3.0]),
            (&[3.0], &[3.0 * (1.0 + 1e-7)]),
            (&[3.0], &[3.4]),
            (&[2.0], &[30.0]),
            (&[1.9, 9.0], &[2.2, 15.0]),
        ];
        for (za, zb) in cases {
            let ca = vec![1.0 / za.len() as f64; za.len()];
            let cb = vec![1.3 / zb.len() as f64; zb.len()];
            let a = SlaterAtom { nucleus: 1.0, exponents: za, coefficients: &ca };
            let b = SlaterAtom { nucleus: 2.0, exponents: zb, coefficients: &cb };
            for r in [0.3, 1.0, 2.5] {
                let closed = Penetration::new(a, b).times_r(r)[0] / r;
                let integral = reference(a, b, r);
                assert!((closed - integral).abs() < 1e-9, "{za:?} {zb:?} {r}: {closed} {integral}");
            }
        }
    }

    #[test]
    fn the_two_branches_meet() {
        for r in [0.2, 0.7, 1.5, 4.0] {
            let (a, ratio) = (4.0, (1.0 + NEARLY_EQUAL) / (1.0 - NEARLY_EQUAL));
            let b = a * ratio;
            let (mut near, mut far) = (Penetration::default(), Penetration::default());
            nearly_equal(a, b, COULOMB, &mut |u, c, s| near.add(u, c, s));
            different(a, b, COULOMB, &mut |u, c, s| far.add(u, c, s));
            different(b, a, COULOMB, &mut |u, c, s| far.add(u, c, s));
            for k in 0..3 {
                let (x, y) = (near.times_r(r)[k], far.times_r(r)[k]);
                assert!((x - y).abs() < 1e-11 * (1.0 + x.abs()), "{r} {k}: {x} {y}");
            }
        }
    }

    #[test]
    fn overlaps_reach_those_at_the_centre() {
        let (za, ca) = ([2.1, 9.0, 30.0], [1.5, -0.7, 2.0]);
        let (zb, cb) = ([1.9, 8.0], [2.0, 1.0]);
        let a = SlaterAtom { nucleus: 3.0, exponents: &za, coefficients: &ca };
        let b = SlaterAtom { nucleus: 0.0, exponents: &zb, coefficients: &cb };
        let pair = Overlap::new(a, b);
        for (near, at) in [(pair.coulomb(1e-4), pair.coulomb(0.0)), (pair.l2(1e-4), pair.l2(0.0))] {
            assert!((near / at - 1.0).abs() < 1e-5, "{near} {at}");
        }
    }

    #[test]
    fn a_bare_nucleus_feels_a_screened_nucleus() {
        let proton = SlaterAtom { nucleus: 1.0, exponents: &[], coefficients: &[] };
        let atom = SlaterAtom { nucleus: 1.0, exponents: &[3.0], coefficients: &[1.0] };
        let r = 0.8;
        let expected = COULOMB * (-3.0_f64 * r).exp() * (1.0 + 1.5 * r);
        let found = Penetration::new(proton, atom).times_r(r)[0];
        assert!((found - expected).abs() < 1e-12 * expected);
    }
}
