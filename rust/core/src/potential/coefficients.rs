//! Names, bounds and roles of the coefficients of an expression.

use super::terms::{Coefficient, NeighbourFunction, Radial, Term};
use super::triples;

impl Term {
    /// All coefficients in the order of the file, for elements in alphabetical order.
    pub fn described(&self, elements: &[String]) -> Vec<Coefficient> {
        let mut all = Vec::new();
        let mut counts = [0; 6];
        describe(self, elements, true, &mut counts, &mut all);
        hold(self, elements.len(), &mut all);
        all
    }

    /// Fill in coefficients to start a fit from: those the energy is linear in are zero, leading
    /// ones of further factors one, neighbour sums of order one.
    pub fn start(&mut self, elements: usize) {
        self.start_as(elements, false);
    }

    fn start_as(&mut self, elements: usize, scaled: bool) {
        let product = matches!(self, Self::Product { .. });
        for (k, child) in self.children_mut().iter_mut().enumerate() {
            child.start_as(elements, if product { scaled || k > 0 } else { scaled && k == 0 });
        }
        let mut values = vec![0.0; self.expected(elements)];
        if scaled && !values.is_empty() {
            let (stride, offset) = self.leading(values.len(), elements);
            values.iter_mut().skip(offset).step_by(stride).for_each(|x| *x = 1.0);
        }
        if let Self::NeighbourExponential { radial, function, .. } = self {
            let (outer, n) = (function.coefficients(), elements * radial.functions);
            for block in values.chunks_exact_mut(outer + n) {
                start_neighbour(function, scaled, block.split_at_mut(outer));
            }
        }
        match self {
            Self::Constant { coefficients }
            | Self::Pair { coefficients, .. }
            | Self::ThreeBody { coefficients, .. }
            | Self::NeighbourExponential { coefficients, .. } => *coefficients = values,
            Self::Sum { .. } | Self::Product { .. } => (),
        }
    }

    /// Distance between the leading coefficients of a single model, and the first of them.
    fn leading(&self, coefficients: usize, elements: usize) -> (usize, usize) {
        let by_element = (coefficients / elements).max(1);
        match self {
            Self::NeighbourExponential { function, .. } => (by_element, function.leading()),
            Self::Pair { .. } => (coefficients.max(1), 0),
            _ => (by_element, 0),
        }
    }

    /// Replace all coefficients, in the order of the file; returns those not used.
    pub fn assign<'a>(&mut self, values: &'a [f64]) -> &'a [f64] {
        let own = self.coefficients_mut();
        let (mine, mut rest) = values.split_at(own.len());
        own.copy_from_slice(mine);
        for child in self.children_mut() {
            rest = child.assign(rest);
        }
        rest
    }
}

fn describe(
    term: &Term,
    elements: &[String],
    linear: bool,
    counts: &mut [usize; 6],
    all: &mut Vec<Coefficient>,
) {
    let product = matches!(term, Term::Product { .. });
    for (k, child) in term.children().iter().enumerate() {
        describe(child, elements, linear && !(product && k > 0), counts, all);
    }
    if !term.children().is_empty() {
        return;
    }
    let kinds = ["constant", "pair", "three_body", "neighbour_exponential"];
    let slot = kinds.iter().position(|k| *k == term.kind()).unwrap_or(kinds.len());
    counts[slot] += 1;
    let prefix = format!("{}{}", term.kind(), counts[slot]);
    let roles = roles(term, elements);
    for (role, &value) in roles.into_iter().zip(term.coefficients()) {
        all.push(Coefficient {
            name: format!("{prefix}[{}]", role.label),
            value,
            held: role.held,
            fixed: false,
            linear: linear && role.linear,
            bounds: role.bounds,
        });
    }
}

/// What one coefficient of a single model is.
struct Role {
    label: String,
    linear: bool,
    held: bool,
    bounds: [f64; 2],
}

impl Role {
    fn linear(label: String) -> Self {
        Self { label, linear: true, held: false, bounds: [f64::NEG_INFINITY, f64::INFINITY] }
    }
}

fn roles(term: &Term, elements: &[String]) -> Vec<Role> {
    match term {
        Term::Sum { .. } | Term::Product { .. } => Vec::new(),
        Term::Constant { .. } => elements.iter().map(|e| Role::linear(e.clone())).collect(),
        Term::Pair { radial, .. } => pair_roles(radial, elements),
        Term::ThreeBody { radial, lmax, triples, .. } => {
            let mut roles = three_body_roles(radial, *lmax, elements);
            let chosen = triples::chosen(triples.as_deref(), radial, *lmax, elements);
            roles.iter_mut().zip(chosen).for_each(|(role, chosen)| role.held = !chosen);
            roles
        }
        Term::NeighbourExponential { radial, function, .. } => {
            neighbour_roles(radial, function, elements)
        }
    }
}

fn pair_roles(radial: &Radial, elements: &[String]) -> Vec<Role> {
    let mut roles = Vec::new();
    for (a, first) in elements.iter().enumerate() {
        for second in &elements[a..] {
            let label = |k| Role::linear(format!("{first}-{second} {k}"));
            roles.extend((0..radial.functions).map(label));
        }
    }
    roles
}

/// Radial functions of every neighbouring element.
fn channels(radial: &Radial, elements: &[String]) -> Vec<String> {
    let of =
        |e: &String| -> Vec<String> { (0..radial.functions).map(|k| format!("{e}{k}")).collect() };
    elements.iter().flat_map(of).collect()
}

fn three_body_roles(radial: &Radial, lmax: usize, elements: &[String]) -> Vec<Role> {
    let channels = channels(radial, elements);
    let mut roles = Vec::new();
    for centre in elements {
        for (p, first) in channels.iter().enumerate() {
            for second in &channels[p..] {
                let label = |l| Role::linear(format!("{centre}: {first} {second} l={l}"));
                roles.extend((0..=lmax).map(label));
            }
        }
    }
    roles
}

fn neighbour_roles(
    radial: &Radial,
    function: &NeighbourFunction,
    elements: &[String],
) -> Vec<Role> {
    let spline = matches!(function, NeighbourFunction::Spline { .. });
    let lowest =
        if matches!(function, NeighbourFunction::SquareRoot) { 0.0 } else { f64::NEG_INFINITY };
    let mut roles = Vec::new();
    for centre in elements {
        let outer = |k: usize| {
            let name = if spline { format!("knot {k}") } else { "amplitude".to_owned() };
            // Only differences of a spline's coefficients count: it is zero at s = 0.
            Role { held: spline && k == 0, ..Role::linear(format!("{centre}: {name}")) }
        };
        roles.extend((0..function.coefficients()).map(outer));
        for (k, channel) in channels(radial, elements).into_iter().enumerate() {
            roles.push(Role {
                label: format!("{centre}: {channel}"),
                linear: false,
                held: spline && k == 0,
                bounds: [lowest, f64::INFINITY],
            });
        }
    }
    roles
}

/// Hold the leading coefficients of all factors but the first: a product does not change when one
/// factor grows as another shrinks. Coefficients of `Pair` serve both elements of a pair, so its
/// scale is one for all elements; other models have a scale for each element of the centre.
fn hold(term: &Term, elements: usize, all: &mut [Coefficient]) {
    let mut rest = all;
    let product = matches!(term, Term::Product { .. });
    let mut scaled_by_element = false;
    for (k, child) in term.children().iter().enumerate() {
        let size = child.leaves().iter().map(|leaf| leaf.coefficients().len()).sum();
        let (own, others) = rest.split_at_mut(size);
        hold(child, elements, own);
        let by_element = !child.leaves().iter().any(|l| matches!(l, Term::Pair { .. }));
        if product && k > 0 {
            hold_leading(child, elements, by_element && scaled_by_element, own);
        }
        scaled_by_element |= by_element;
        rest = others;
    }
}

/// Hold the leading coefficient of a factor's first model (of every model in its own right if that
/// is a product: then its first factor), for every element or for the first.
fn hold_leading(term: &Term, elements: usize, by_element: bool, own: &mut [Coefficient]) {
    let leaf = term.leaves()[0];
    let (stride, offset) = leaf.leading(leaf.coefficients().len(), elements);
    let count = if by_element { elements } else { 1 };
    own.iter_mut().skip(offset).step_by(stride).take(count).for_each(|c| c.held = true);
}

/// Start of a neighbour function; a spline begins as a straight line.
fn start_neighbour(
    function: &NeighbourFunction,
    scaled: bool,
    (outer, inner): (&mut [f64], &mut [f64]),
) {
    let leading = function.leading();
    if let NeighbourFunction::Spline { .. } = function {
        inner[0] = 1.0;
        if scaled {
            outer.iter_mut().enumerate().for_each(|(k, x)| *x = k as f64 / leading as f64);
        }
        return;
    }
    let n = inner.len() as f64;
    inner.fill(0.1 / n);
}
