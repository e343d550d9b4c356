//! Densities that a fit may change: what they must go on satisfying.
//!
//! A density ρ(r) = Σ_k c_k ζ_k³/(8π) exp(−ζ_k r) has N = Σ c_k electrons and the nuclear cusp
//! ρ′(0) = −2Z ρ(0) (Z in units of the inverse Bohr radius; T. Kato, Commun. Pure Appl. Math. 10, 151
//! (1957)), which is Σ c_k g_k = 0 with g_k = ζ_k³ (2Z − ζ_k). Both are linear in the coefficients: two
//! of them follow from the others, whatever the exponents.

use super::rules::require;
use super::{PotentialFile, Rbf, State};
use crate::dual::Dual;
use crate::elements::number_of;
use crate::error::{Error, Result};
use crate::formulas::slater;

/// Bohr radius, Å (CODATA 2018).
const BOHR: f64 = 0.529_177_210_903;
/// Allowed cusp Σ c_k g_k of a file relative to Σ |c_k g_k|.
const CUSP_TOLERANCE: f64 = 1e-8;
/// Where a density must not be negative: the nucleus, and this many distances (Å), evenly spaced in
/// their logarithm; the last is 30 bohr.
const RADII: (usize, [f64; 2]) = (600, [1e-3, 30.0 * BOHR]);

/// A number of a density that is a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DensityParameter {
    /// ζ_k, by index.
    Exponent(usize),
    /// c_k, by index.
    Coefficient(usize),
}

impl Rbf {
    /// What is a parameter: nothing of a density that is not freed.
    pub(super) fn parameters(&self) -> Vec<DensityParameter> {
        let Some(solved) = self.solved else { return Vec::new() };
        let exponents = (0..self.exponents.len()).map(DensityParameter::Exponent);
        let rest = (0..self.exponents.len()).filter(|k| !solved.contains(k));
        exponents.chain(rest.map(DensityParameter::Coefficient)).collect()
    }

    pub(super) fn parameter_mut(&mut self, parameter: DensityParameter) -> Option<&mut f64> {
        match parameter {
            DensityParameter::Exponent(k) => self.exponents.get_mut(k),
            DensityParameter::Coefficient(k) => self.coefficients.get_mut(k),
        }
    }

    /// g_k over the inverse Bohr radius's units, Å⁻⁴.
    fn cusps(&self, number: u8) -> Vec<f64> {
        let steepest = 2.0 * f64::from(number) / BOHR;
        self.exponents.iter().map(|zeta| zeta.powi(3) * (steepest - zeta)).collect()
    }

    /// The two coefficients for which Σ c = `sum` and Σ c g = `cusp` at the others' present values.
    fn solve(solved: [usize; 2], c: &[f64], g: &[f64], [sum, cusp]: [f64; 2]) -> [f64; 2] {
        let [i, j] = solved;
        let others = (0..c.len()).filter(|k| !solved.contains(k));
        let (sum, cusp) = others.fold((sum, cusp), |(s, t), k| (s - c[k], t - c[k] * g[k]));
        let second = (cusp - g[i] * sum) / (g[j] - g[i]);
        [sum - second, second]
    }

    /// Make electron count and cusp exact again by the two coefficients that follow from them.
    fn restore(&mut self, number: u8, electrons: f64) {
        let Some([i, j]) = self.solved else { return };
        let g = self.cusps(number);
        let found = Self::solve([i, j], &self.coefficients, &g, [electrons, 0.0]);
        [self.coefficients[i], self.coefficients[j]] = found;
    }

    /// Exponents and coefficients with their rates along a parameter, both constraints kept.
    pub(crate) fn along(&self, number: u8, parameter: DensityParameter) -> [Vec<Dual>; 2] {
        let n = self.exponents.len();
        let (mut by_zeta, mut by_c) = (vec![0.0; n], vec![0.0; n]);
        let g = self.cusps(number);
        let mut cusp = 0.0;
        match parameter {
            DensityParameter::Coefficient(k) => by_c[k] = 1.0,
            DensityParameter::Exponent(k) => {
                let (zeta, steepest) = (self.exponents[k], 2.0 * f64::from(number) / BOHR);
                by_zeta[k] = 1.0;
                cusp = -self.coefficients[k] * zeta * zeta * (3.0 * steepest - 4.0 * zeta);
            }
        }
        if let Some([i, j]) = self.solved {
            [by_c[i], by_c[j]] = Self::solve([i, j], &by_c, &g, [0.0, cusp]);
        }
        let dual = |x: &[f64], rates: &[f64]| -> Vec<Dual> {
            x.iter().zip(rates).map(|(x, rate)| Dual::new(*x, *rate)).collect()
        };
        [dual(&self.exponents, &by_zeta), dual(&self.coefficients, &by_c)]
    }

    /// The pair of coefficients that is best determined: the one whose g differ most.
    fn best_solved(&self, number: u8) -> Option<[usize; 2]> {
        let g = self.cusps(number);
        let order = |a: &usize, b: &usize| g[*a].total_cmp(&g[*b]);
        let (low, high) = ((0..g.len()).min_by(order)?, (0..g.len()).max_by(order)?);
        (low != high).then_some([low.min(high), low.max(high)])
    }
}

impl PotentialFile {
    /// Make the densities of some states (element and name) parameters. Electron count and cusp, good
    /// to some 1e-9 in a file, become exact.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a state that is not there or has less than two Slater functions, or
    /// whose density has no cusp or is negative somewhere.
    pub fn free_densities(&mut self, states: &[(String, String)]) -> Result<()> {
        for (symbol, name) in states {
            let field = format!("density of {symbol} {name}");
            let element = self.elements.get_mut(symbol);
            let found = element.and_then(|e| e.states.iter_mut().find(|s| s.name == *name));
            let state =
                found.ok_or_else(|| Error::invalid(&*field, "is of no state that is here"))?;
            let number = number_of(symbol).unwrap_or_default();
            state.free_density(number).map_err(|e| Error::invalid(field, e.to_string()))?;
        }
        Ok(())
    }

    /// Restore the constraints of a state's density after a change of its parameters.
    pub(super) fn restore_density(&mut self, element: usize, state: usize) {
        let Some((symbol, found)) = self.elements.iter_mut().nth(element) else { return };
        let Some(number) = number_of(symbol) else { return };
        found.states[state].restore_density(number);
    }
}

impl State {
    fn restore_density(&mut self, number: u8) {
        let electrons = f64::from(number) - self.charge;
        self.rbf.iter_mut().for_each(|rbf| rbf.restore(number, electrons));
    }

    fn free_density(&mut self, number: u8) -> Result<()> {
        let functions = self.rbf.as_mut().filter(|rbf| rbf.exponents.len() > 1);
        let Some(rbf) = functions else {
            let found = self.rbf.as_ref().map_or(0, |rbf| rbf.exponents.len());
            return require(false, "rbf.exponents", "two or more to be parameters", found);
        };
        rbf.solved = rbf.solved.or(rbf.best_solved(number));
        check(self, number, "rbf")?;
        self.restore_density(number);
        Ok(())
    }
}

/// Rules of a density that is a parameter.
pub(super) fn check(state: &State, number: u8, path: &str) -> Result<()> {
    let Some((rbf, solved)) = state.rbf.as_ref().and_then(|rbf| Some((rbf, rbf.solved?))) else {
        return Ok(());
    };
    let [i, j] = solved;
    let (path, n) = (format!("{path}.solved"), rbf.exponents.len());
    let rule = format!("two increasing indices below {n}");
    require(i < j && j < n, &path, &rule, format!("{solved:?}"))?;
    let g = rbf.cusps(number);
    let rule = "indices of different exponents";
    require(
        (g[i] - g[j]).abs() > 1e-3 * g[i].abs().max(g[j].abs()),
        &path,
        rule,
        format!("{solved:?}"),
    )?;
    let terms = || rbf.coefficients.iter().zip(&g).map(|(c, g)| c * g);
    let relative = terms().sum::<f64>() / terms().map(f64::abs).sum::<f64>();
    let rule = "absent where the density has no nuclear cusp ρ′(0) = −2Zρ(0)";
    require(relative.abs() <= CUSP_TOLERANCE, &path, rule, format!("{solved:?}"))?;
    positive(rbf, &state.name, &path)
}

/// ρ ≥ 0, else the first radius where it is not.
fn positive(rbf: &Rbf, name: &str, path: &str) -> Result<()> {
    let (count, [first, last]) = RADII;
    let ratio = (last / first).ln() / (count - 1) as f64;
    let radii = (0..count).map(|k| first * (ratio * k as f64).exp());
    let density = |r: f64| -> f64 {
        let terms = rbf.exponents.iter().zip(&rbf.coefficients);
        terms.map(|(&zeta, c)| c * slater(zeta, r)[0]).sum()
    };
    match std::iter::once(0.0).chain(radii).find(|&r| density(r) < 0.0) {
        None => Ok(()),
        Some(r) => {
            let path = path.trim_end_matches(".solved");
            let found = format!("{:.3e} e/Å³ at r = {r:.4} Å", density(r));
            require(false, path, &format!("a density of {name} that is nowhere negative"), found)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Lithium, made up, with both constraints restored.
    fn lithium() -> Rbf {
        let (exponents, coefficients) = (vec![1.9, 2.6, 9.0, 13.0], vec![0.7, 0.4, 1.2, 0.7]);
        let mut rbf = Rbf { exponents, coefficients, solved: None };
        rbf.solved = rbf.best_solved(3);
        rbf.restore(3, 3.0);
        rbf
    }

    #[test]
    fn the_coefficients_of_the_steepest_functions_follow_from_the_others() {
        assert_eq!(lithium().solved, Some([2, 3]));
        let all = lithium().parameters();
        assert_eq!(all.len(), 6);
        assert!(!all.contains(&DensityParameter::Coefficient(3)));
    }

    #[test]
    fn constraints_hold_after_any_change() {
        for (k, parameter) in lithium().parameters().into_iter().enumerate() {
            let mut rbf = lithium();
            *rbf.parameter_mut(parameter).unwrap() *= 1.0 + 0.03 * (k as f64 - 2.5);
            rbf.restore(3, 3.0);
            let terms: Vec<f64> =
                rbf.cusps(3).iter().zip(&rbf.coefficients).map(|(g, c)| g * c).collect();
            let size: f64 = terms.iter().map(|x| x.abs()).sum();
            assert!(terms.iter().sum::<f64>().abs() < 1e-14 * size, "{parameter:?}");
            assert!((rbf.coefficients.iter().sum::<f64>() - 3.0).abs() < 1e-14, "{parameter:?}");
        }
    }

    #[test]
    fn tangents_are_those_of_differences() {
        let h = 1e-5;
        for parameter in lithium().parameters() {
            let moved = |step: f64| {
                let mut rbf = lithium();
                *rbf.parameter_mut(parameter).unwrap() += step;
                rbf.restore(3, 3.0);
                [rbf.exponents, rbf.coefficients].concat()
            };
            let (low, high) = (moved(-h), moved(h));
            let found = lithium().along(3, parameter).concat();
            for ((rate, low), high) in found.iter().zip(low).zip(high) {
                let numeric = (high - low) / (2.0 * h);
                assert!((rate.slope - numeric).abs() < 1e-7, "{parameter:?} {rate:?} {numeric}");
            }
        }
    }
}
