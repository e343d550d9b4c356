//! Derivatives of a pair's constructed functions with respect to the densities of its states.
//!
//! They are tabulated on the knots of the functions themselves. Between knots a function is linear in
//! what the knots hold, so these are the derivatives of the very energy that is evaluated.

use std::sync::Arc;

use super::derivatives::{Side, Target};
use super::functions::at_knot;
use super::{Model, dipoles};
use crate::dual::Dual;
use crate::formulas::{Jet, product, scaled, slater, sum, switch};
use crate::potential::{Cutoff, Parameter};
use crate::slater::{PenetrationTangent, SlaterAtom};
use crate::tables::{Table, spline_jets};

/// Derivatives of the functions of elements `a` ≤ `b`.
#[derive(Debug, Clone, Default)]
pub(super) struct DensityDerivatives {
    /// What each column is: first those of `table`, then those of `dipoles`.
    pub(super) columns: Vec<(Parameter, Target)>,
    /// R·∂φ/∂θ and ∂ρ/∂θ.
    table: Option<Table>,
    /// R³ ∂f₁/∂θ of dipoles in the fields of states.
    dipoles: Option<Table>,
}

/// A column in its analytic form.
enum Function {
    /// Electrostatics of two states.
    Penetration(PenetrationTangent),
    /// Density: of every Slater function ζ and c with their rates.
    Slater(Vec<[Dual; 2]>),
    /// Density of a classical EAM file at its knots.
    Spline { spacing: f64, jets: Vec<Jet> },
    /// Electrostatics of a dipole and a state.
    Field([PenetrationTangent; 2]),
}

impl Function {
    fn jet(&self, cutoff: Cutoff, r: f64) -> Jet {
        let jet = match self {
            Self::Spline { spacing, jets } => return at_knot(jets, *spacing, r),
            Self::Penetration(tangent) => tangent.times_r(r),
            Self::Slater(functions) => {
                functions.iter().fold([0.0; 3], |total, f| sum(total, slater_along(f, r)))
            }
            Self::Field([t, t2]) => dipoles::once(t.times_r(r), t2.times_r(r), r),
        };
        product(jet, switch(cutoff.radius, cutoff.switch_width, r))
    }
}

/// Derivative of c ζ³/(8π) exp(−ζr).
fn slater_along([zeta, c]: &[Dual; 2], r: f64) -> Jet {
    let unit = slater(zeta.value, r);
    let by_zeta = product([3.0 / zeta.value - r, -1.0, 0.0], unit);
    sum(scaled(c.slope, unit), scaled(c.value * zeta.slope, by_zeta))
}

/// Every column of a pair of elements.
struct Columns<'a> {
    model: &'a Model,
    elements: [usize; 2],
    found: Vec<(Parameter, Target, Function)>,
}

/// The numbers of a state along a parameter.
struct Tangent<'a> {
    parameter: Parameter,
    place: (usize, usize),
    rates: &'a [Vec<Dual>; 2],
}

impl Columns<'_> {
    fn add(&mut self, parameter: Parameter) {
        match parameter {
            Parameter::DensityScale(e, s) => self.add_scale(parameter, (e, s)),
            Parameter::Density(e, s, which) => {
                let Some(rbf) = &self.model.state(e, s).rbf else { return };
                let rates = rbf.along(self.model.elements[e].number, which);
                let tangent = Tangent { parameter, place: (e, s), rates: &rates };
                self.add_penetrations(&tangent);
                self.add_fields(&tangent);
                let functions = || rates[0].iter().zip(&rates[1]).map(|(z, c)| [*z, *c]);
                self.add_densities(parameter, (e, s), |_| Function::Slater(functions().collect()));
            }
            _ => {}
        }
    }

    fn add_scale(&mut self, parameter: Parameter, (e, s): (usize, usize)) {
        let (model, constant) = (self.model, Dual::from);
        let function = |receiver: usize| {
            let (state, symbol) = (model.state(e, s), &model.elements[receiver].symbol);
            if let Some(table) = state.density_tables.get(symbol) {
                let spacing = table.spacing;
                return Function::Spline { spacing, jets: spline_jets(spacing, &table.values) };
            }
            let functions = state.rbf.iter().flat_map(|f| f.exponents.iter().zip(&f.coefficients));
            Function::Slater(functions.map(|(z, c)| [constant(*z), Dual::new(*c, *c)]).collect())
        };
        self.add_densities(parameter, (e, s), function);
    }

    /// The density of a state where it is felt, by the receiving element.
    fn add_densities(
        &mut self,
        parameter: Parameter,
        (e, s): (usize, usize),
        function: impl Fn(usize) -> Function,
    ) {
        let [a, b] = self.elements;
        if e == b {
            self.found.push((parameter, Target::Density(Side::First, s), function(a)));
        }
        if e == a {
            self.found.push((parameter, Target::Density(Side::Second, s), function(b)));
        }
    }

    fn states(&self, side: usize) -> std::ops::Range<usize> {
        0..self.model.elements[self.elements[side]].states.len()
    }

    /// Numbers of a state with their rates along a tangent.
    fn rates(&self, (e, s): (usize, usize), along: &Tangent) -> Option<[Vec<Dual>; 2]> {
        let rbf = self.model.state(e, s).rbf.as_ref()?;
        if along.place == (e, s) {
            return Some(along.rates.clone());
        }
        let constant = |x: &Vec<f64>| x.iter().map(|&x| Dual::from(x)).collect();
        Some([constant(&rbf.exponents), constant(&rbf.coefficients)])
    }

    fn atom<'r>(&self, element: usize, rates: &'r [Vec<Dual>; 2]) -> SlaterAtom<'r, Dual> {
        let nucleus = f64::from(self.model.elements[element].number);
        SlaterAtom { nucleus, exponents: &rates[0], coefficients: &rates[1] }
    }

    fn add_penetrations(&mut self, along: &Tangent) {
        let [a, b] = self.elements;
        for m in self.states(0) {
            for n in self.states(1) {
                if along.place != (a, m) && along.place != (b, n) {
                    continue;
                }
                let both = self.rates((a, m), along).zip(self.rates((b, n), along));
                if let Some((x, y)) = both {
                    let tangent = PenetrationTangent::new(self.atom(a, &x), self.atom(b, &y));
                    let target = Target::StateEnergy(m, n);
                    self.found.push((along.parameter, target, Function::Penetration(tangent)));
                }
            }
        }
    }

    /// Dipoles in the field of the state.
    fn add_fields(&mut self, along: &Tangent) {
        let ((e, s), [a, b]) = (along.place, self.elements);
        for (dipole, source, at) in [(a, b, Side::First), (b, a, Side::Second)] {
            let zeta = self.model.elements[dipole].polarisation_exponent;
            if let Some(zeta) = zeta.filter(|_| source == e) {
                let g = [vec![Dual::from(zeta)], vec![Dual::from(-1.0)]];
                let g = SlaterAtom { nucleus: 0.0, ..self.atom(dipole, &g) };
                let tangent = PenetrationTangent::new(g, self.atom(e, along.rates));
                let curvature = tangent.derivative().derivative();
                let function = Function::Field([tangent, curvature]);
                self.found.push((along.parameter, Target::Field(at, s), function));
            }
        }
    }
}

impl DensityDerivatives {
    fn new(model: &Model, a: usize, b: usize) -> Self {
        let mut columns = Columns { model, elements: [a, b], found: Vec::new() };
        model.file.parameters().into_iter().for_each(|p| columns.add(p));
        let is_field = |f: &Function| matches!(f, Function::Field(_));
        let (fields, functions): (Vec<_>, Vec<_>) =
            columns.found.into_iter().partition(|(_, _, f)| is_field(f));
        let pair = model.pair(a, b);
        let tabulated = |all: &[(Parameter, Target, Function)], knots: &Table| {
            let jets = |r: f64, row: &mut [Jet]| {
                for (jet, (_, _, function)) in row.iter_mut().zip(all) {
                    *jet = function.jet(model.cutoff(), r);
                }
            };
            let domain = [knots.start(), knots.end()];
            (!all.is_empty()).then(|| Table::tabulate(domain, knots.intervals(), all.len(), jets))
        };
        let table = tabulated(&functions, &pair.constructed);
        let dipoles = pair.dipoles.as_ref().and_then(|d| tabulated(&fields, d.table()));
        let what = |(parameter, target, _): &(Parameter, Target, Function)| (*parameter, *target);
        Self { columns: functions.iter().chain(&fields).map(what).collect(), table, dipoles }
    }

    /// Value and slope of every column's function at a distance.
    pub(super) fn at(&self, r: f64, values: &mut Vec<f64>, slopes: &mut Vec<f64>) {
        let n = self.columns.len();
        values.resize(n, 0.0);
        slopes.resize(n, 0.0);
        let near = self.table.as_ref().map_or(0, Table::functions);
        for (table, range) in [(&self.table, 0..near), (&self.dipoles, near..n)] {
            let Some(table) = table else { continue };
            let at = table.lookup(r);
            table.values(&at, &mut values[range.clone()]);
            table.slopes(&at, &mut slopes[range]);
        }
        for ((_, target), (value, slope)) in self.columns.iter().zip(values.iter_mut().zip(slopes))
        {
            // (x/Rⁿ)′ = (x′ − n x/R)/Rⁿ
            let power = match target {
                Target::StateEnergy(..) => 1,
                Target::Field(..) => 3,
                _ => 0,
            };
            let inverse = r.powi(-power);
            *slope = (*slope - f64::from(power) * *value / r) * inverse;
            *value *= inverse;
        }
    }
}

impl Model {
    /// Derivatives of the constructed functions of elements `a` ≤ `b`, made when first asked for.
    pub(super) fn density_derivatives(&self, a: usize, b: usize) -> Arc<DensityDerivatives> {
        let place = &self.density_derivatives[a * self.elements.len() + b];
        place.get_or_init(|| Arc::new(DensityDerivatives::new(self, a, b))).clone()
    }
}
