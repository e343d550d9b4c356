//! Learned terms: an expression of small models of an atom's neighbours, compiled for evaluation.
//!
//! Features are neighbour sums: S = Σ_j h(r_ij), and A_nlm = Σ_j g_n(r_ij) S_lm(u_ij) with solid
//! harmonics normalised so that Σ_m A_plm A_qlm = Σ_jk g_p(r_ij) g_q(r_ik) P_l(cos θ_jik): the
//! density trick, its cost is linear in the neighbours. Modules: `radial` → `pieces` → `layout` → `cluster`
//! (neighbours of one atom in blocks of lanes) → `features` → `fields`, `leaves` → `tree` → `evaluate`,
//! `jacobian`.

// Only what is inlined into a dispatched function is compiled for the vector instructions at hand.
#![allow(clippy::inline_always)]

mod cluster;
mod evaluate;
mod features;
mod fields;
mod flat;
mod harmonics;
mod jacobian;
mod lanes;
mod layout;
mod leaves;
mod pieces;
mod radial;
mod tree;

use crate::potential::{PotentialFile, Term};

pub use evaluate::Contribution;
pub use flat::{FlatNode, NodeKind, TermTables};
pub use harmonics::{harmonic_gradient, harmonics_of};
pub use jacobian::{Differentiator, Jacobian};

use layout::Layout;
use leaves::Leaf;
use tree::Tree;

/// The compiled terms of a potential.
#[derive(Debug)]
pub struct Terms {
    elements: usize,
    tree: Tree,
    leaves: Vec<Leaf>,
    /// Neighbour sums of each single model contracted with its coefficients: fewer columns.
    contracted: Layout,
    /// All cutoffs, increasing, Å; none if there are only constants.
    cutoffs: Vec<f64>,
}

impl Terms {
    /// Compile the terms of a checked file; `None` if it has none.
    pub fn new(file: &PotentialFile) -> Option<Self> {
        let expression = file.terms.as_ref()?;
        let elements = file.elements.len();
        let single: Vec<&Term> = expression.leaves();
        let contracted = Layout::contracted(&single, elements);
        let leaves = single.iter().map(|term| Leaf::new(term, elements)).collect();
        let mut cutoffs: Vec<f64> =
            single.iter().filter_map(|t| t.radial()).map(|r| r.cutoff).collect();
        cutoffs.sort_by(f64::total_cmp);
        cutoffs.dedup();
        let tree = Tree::new(expression);
        Some(Self { elements, tree, leaves, contracted, cutoffs })
    }

    /// Largest cutoff, Å; 0 if there are only constants.
    pub fn cutoff(&self) -> f64 {
        self.cutoffs.last().copied().unwrap_or(0.0)
    }
}
