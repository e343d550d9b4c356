//! Which neighbour sums there are, and their tables.

use std::sync::Arc;

use crate::potential::{Radial, Term};

use super::pieces::Pieces;
use super::radial::{compile, tolerance};

/// All neighbour sums of an expression.
#[derive(Debug)]
pub(super) struct Layout {
    /// Scalar sums S, grouped by cutoff.
    pub(super) sums: Vec<SumGroup>,
    /// Number of scalar sums.
    pub(super) channels: usize,
    /// First channel of every single model.
    pub(super) first: Vec<usize>,
    /// Angular sums A, grouped by radial functions.
    pub(super) angular: Vec<AngularGroup>,
    /// Most harmonics of a group.
    pub(super) harmonics: usize,
    /// Group of every single model with angular sums.
    pub(super) group: Vec<usize>,
}

/// Scalar sums with one cutoff.
#[derive(Debug)]
pub(super) struct SumGroup {
    pub(super) cutoff: f64,
    /// Channel of every column of the tables.
    pub(super) channels: Vec<usize>,
    /// Tables by centre·elements + neighbour.
    pub(super) tables: Vec<Arc<Pieces>>,
}

/// Angular sums of one set of radial functions, for every neighbouring element.
#[derive(Debug)]
pub(super) struct AngularGroup {
    pub(super) radial: Radial,
    pub(super) lmax: usize,
    pub(super) table: Pieces,
    /// First of its sums among all: (neighbouring element, radial function, lm).
    pub(super) first: usize,
}

impl AngularGroup {
    /// Number of harmonics.
    pub(super) fn harmonics(&self) -> usize {
        (self.lmax + 1) * (self.lmax + 1)
    }
}

impl Layout {
    /// One scalar sum per model: its radial functions contracted with its coefficients.
    pub(super) fn contracted(leaves: &[&Term], elements: usize) -> Self {
        let mut layout = Self::angular(leaves, elements);
        for (k, term) in leaves.iter().enumerate() {
            layout.first.push(layout.channels);
            if let Some(radial) = scalar(term) {
                layout.add(radial.cutoff, k);
            }
        }
        for group in &mut layout.sums {
            let members = std::mem::take(&mut group.channels);
            let chosen: Vec<&Term> = members.iter().map(|&k| leaves[k]).collect();
            group.channels = members.iter().map(|&k| layout.first[k]).collect();
            group.tables = (0..elements * elements)
                .map(|pair| Arc::new(contracted_table(&chosen, group.cutoff, pair, elements)))
                .collect();
        }
        layout
    }

    /// A scalar sum for every radial function of every neighbouring element of every model.
    pub(super) fn separate(leaves: &[&Term], elements: usize) -> Self {
        let mut layout = Self::angular(leaves, elements);
        for term in leaves {
            layout.first.push(layout.channels);
            let Some(radial) = scalar(term) else { continue };
            let table = Arc::new(Pieces::new(&radial.table()));
            let first = layout.channels;
            layout.channels += elements * radial.functions;
            for neighbour in 0..elements {
                let start = first + neighbour * radial.functions;
                layout.sums.push(SumGroup {
                    cutoff: radial.cutoff,
                    channels: (start..start + radial.functions).collect(),
                    tables: only_for(neighbour, elements, &table),
                });
            }
        }
        layout
    }

    fn angular(leaves: &[&Term], elements: usize) -> Self {
        let mut angular: Vec<AngularGroup> = Vec::new();
        let mut group = Vec::new();
        for term in leaves {
            let Term::ThreeBody { radial, lmax, .. } = term else {
                group.push(usize::MAX);
                continue;
            };
            let known = angular.iter().position(|g| g.radial == *radial);
            let index = known.unwrap_or(angular.len());
            if known.is_none() {
                let (radial, table) = (radial.clone(), Pieces::new(&radial.table()));
                angular.push(AngularGroup { radial, lmax: *lmax, table, first: 0 });
            }
            angular[index].lmax = angular[index].lmax.max(*lmax);
            group.push(index);
        }
        let mut first = 0;
        for g in &mut angular {
            g.first = first;
            first += elements * g.radial.functions * g.harmonics();
        }
        let harmonics = angular.iter().map(AngularGroup::harmonics).max().unwrap_or(0);
        Self { sums: Vec::new(), channels: 0, first: Vec::new(), angular, harmonics, group }
    }

    /// A channel for model `leaf`, in the group of its cutoff.
    fn add(&mut self, cutoff: f64, leaf: usize) {
        self.channels += 1;
        match self.sums.iter_mut().find(|g| g.cutoff == cutoff) {
            Some(group) => group.channels.push(leaf),
            None => self.sums.push(SumGroup { cutoff, channels: vec![leaf], tables: Vec::new() }),
        }
    }

    /// Number of angular sums.
    pub(super) fn angular_sums(&self, elements: usize) -> usize {
        self.angular.iter().map(|g| elements * g.radial.functions * g.harmonics()).sum()
    }
}

/// Radial functions of models that depend on scalar sums.
fn scalar(term: &Term) -> Option<&Radial> {
    match term {
        Term::Pair { radial, .. } | Term::NeighbourExponential { radial, .. } => Some(radial),
        _ => None,
    }
}

/// The table for pairs with this neighbour, an empty one for others.
fn only_for(neighbour: usize, elements: usize, table: &Arc<Pieces>) -> Vec<Arc<Pieces>> {
    let empty = Arc::new(Pieces::default());
    (0..elements * elements)
        .map(|pair| if pair % elements == neighbour { table } else { &empty }.clone())
        .collect()
}

fn contracted_table(terms: &[&Term], cutoff: f64, pair: usize, elements: usize) -> Pieces {
    let parts: Vec<(&Radial, &[f64])> =
        terms.iter().filter_map(|term| pair_coefficients(term, pair, elements)).collect();
    let size = parts.iter().flat_map(|p| p.1).fold(0.0_f64, |a, c| a.max(c.abs()));
    let table = compile(cutoff, parts.len(), tolerance(size), |r, row| {
        for (jet, (radial, coefficients)) in row.iter_mut().zip(&parts) {
            *jet = radial.contracted(coefficients, r);
        }
    });
    Pieces::new(&table)
}

/// Coefficients of the neighbour sum of a model, for centre·elements + neighbour.
pub(super) fn pair_coefficients(
    term: &Term,
    pair: usize,
    elements: usize,
) -> Option<(&Radial, &[f64])> {
    let (centre, neighbour) = (pair / elements, pair % elements);
    let (radial, first) = match term {
        Term::Pair { radial, .. } => {
            (radial, unordered(centre, neighbour, elements) * radial.functions)
        }
        Term::NeighbourExponential { radial, function, .. } => {
            let outer = function.coefficients();
            let block = outer + elements * radial.functions;
            (radial, centre * block + outer + neighbour * radial.functions)
        }
        _ => return None,
    };
    Some((radial, &term.coefficients()[first..first + radial.functions]))
}

/// Index of a pair of elements regardless of order: rows of the upper triangle.
pub(super) fn unordered(a: usize, b: usize, elements: usize) -> usize {
    let (low, high) = (a.min(b), a.max(b));
    low * elements - low * (low + 1) / 2 + high
}
