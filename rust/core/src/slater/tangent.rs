//! Derivatives of the closed forms by a parameter that moves exponents and coefficients.

use super::{Penetration, SlaterAtom, penetration};
use crate::COULOMB;
use crate::dual::Dual;
use crate::formulas::{Jet, product, sum};

/// ∂(R·φ^sr)/∂θ, eV·Å per unit of θ, in closed form.
///
/// Of every term p(R) exp(−ζR) it is ∂p/∂θ exp(−ζR) − R ∂ζ/∂θ p exp(−ζR). Near-equal exponents are
/// no special case: the quadrature that stands for them is differentiated like the rest.
#[derive(Debug, Clone, Default)]
pub struct PenetrationTangent {
    values: Penetration,
    /// What −R multiplies.
    shifted: Penetration,
}

impl PenetrationTangent {
    /// For two atoms whose numbers change at the given rates.
    pub fn new(a: SlaterAtom<Dual>, b: SlaterAtom<Dual>) -> Self {
        let mut this = Self::default();
        penetration(a, b, &mut |zeta: Dual, c: [Dual; 4], strength| {
            let terms = c.map(|x| strength * x);
            // Most terms do not move at all.
            if terms.iter().any(|x| x.slope != 0.0) {
                this.values.add(zeta.value, terms.map(|x| x.slope), COULOMB);
            }
            if zeta.slope != 0.0 {
                this.shifted.add(zeta.value, terms.map(|x| x.value), COULOMB * zeta.slope);
            }
        });
        this
    }

    /// The derivative by the parameter at `r`, with its derivatives in R.
    pub fn times_r(&self, r: f64) -> Jet {
        sum(self.values.times_r(r), product([-r, -1.0, 0.0], self.shifted.times_r(r)))
    }

    /// The derivative in R, in the same form.
    #[must_use]
    pub fn derivative(&self) -> Self {
        let (mut values, shifted) = (self.values.derivative(), self.shifted.derivative());
        self.shifted.terms.iter().for_each(|&(zeta, c)| values.add(zeta, c, -1.0));
        Self { values, shifted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [f64; 2] = [1.0, -0.3];

    /// Both atoms are the same one, as in a pair of equal states: its exponents are always equal.
    fn at(shift: f64) -> [Vec<Dual>; 2] {
        let dual = |(x, rate): (f64, f64)| Dual::new(x + rate * shift, rate);
        let exponents = [(2.5, RATES[0]), (2.9, 0.2), (9.0, RATES[1])].map(dual);
        let coefficients = [(2.2, -0.7), (0.4, 0.1), (1.0, 0.6)].map(dual);
        [exponents.to_vec(), coefficients.to_vec()]
    }

    fn value(shift: f64, r: f64) -> f64 {
        let [z, c] = at(shift).map(|all| all.iter().map(|x| x.value).collect::<Vec<_>>());
        let atom = SlaterAtom { nucleus: 3.0, exponents: &z, coefficients: &c };
        Penetration::new(atom, atom).times_r(r)[0]
    }

    #[test]
    fn tangents_are_those_of_differences() {
        let [exponents, coefficients] = at(0.0);
        let atom = SlaterAtom { nucleus: 3.0, exponents: &exponents, coefficients: &coefficients };
        let tangent = PenetrationTangent::new(atom, atom);
        let (h, once) = (1e-4, tangent.derivative());
        for r in [0.2, 0.8, 1.7, 3.5] {
            let steps = [-2.0, -1.0, 1.0, 2.0].map(|k| value(k * h, r));
            let numeric = (8.0 * (steps[2] - steps[1]) - (steps[3] - steps[0])) / (12.0 * h);
            let jet = tangent.times_r(r);
            assert!((jet[0] - numeric).abs() < 1e-8 * (1.0 + numeric.abs()), "{r} {jet:?}");
            let slope = (tangent.times_r(r + h)[0] - tangent.times_r(r - h)[0]) / (2.0 * h);
            assert!((jet[1] - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{r} {jet:?} {slope}");
            assert!((once.times_r(r)[0] - jet[1]).abs() < 1e-10 * (1.0 + slope.abs()), "{r}");
            assert!((once.times_r(r)[1] - jet[2]).abs() < 1e-9 * (1.0 + jet[2].abs()), "{r}");
        }
    }
}
