//! All that an evaluation of learned terms looks up as flat arrays, for a device.

use crate::error::{Error, Result};
use crate::model::Model;
use crate::potential::{NeighbourFunction, Term};

use super::Terms;
use super::leaves::Leaf;
use super::pieces::Pieces;
use super::tree::Node;

/// Tables of the learned terms for the elements that occur, E of them.
///
/// There are C scalar sums, one for each model of pairs or of a neighbour sum, and A angular
/// radial functions, those of one three-body model after the other (equal sets once). Function
/// (c·E + centre)·E + neighbour belongs to scalar sum c, function C·E² + a is angular function a.
#[derive(Debug, Clone, Default)]
pub struct TermTables {
    /// Distance beyond which nothing acts, Å; 0 if there are only constants.
    pub cutoff: f64,
    /// Largest degree of a harmonic; none without three-body models.
    pub lmax: Option<usize>,
    /// C and A.
    pub sums: [usize; 2],
    /// Of each function: cutoff (Å) and intervals per Å.
    pub function_numbers: Vec<[f64; 2]>,
    /// Of each function: first of [`Self::rows`], and how many there are.
    pub function_places: Vec<[i32; 2]>,
    /// Coefficients of t⁵ … 1, t = 0 … 1 in an interval; (row, 6).
    pub rows: Vec<f64>,
    /// Nodes of the expression in post-order, the root last.
    pub nodes: Vec<FlatNode>,
    /// Nodes inside sums and products.
    pub children: Vec<i32>,
    /// See [`NodeKind`].
    pub coefficients: Vec<f64>,
}

/// Kind; first coefficient or child; number of children, of coefficients of an outer function, or
/// of functions of a three-body model; scalar sum, or first angular function; largest degree.
pub type FlatNode = [i32; 5];

/// What a node is, and what its coefficients are.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum NodeKind {
    /// One coefficient for each element.
    Constant = 0,
    /// A scalar sum.
    Pair = 1,
    /// a exp(−s) of a scalar sum; a for each element.
    Exponential = 2,
    /// Smooth square root of a scalar sum, likewise.
    SquareRoot = 3,
    /// Spline of a scalar sum: first and last knot, then the coefficients for each element.
    Spline = 4,
    /// Half of a quadratic form of the angular sums: (centre, degree, channel, channel), a channel
    /// being (neighbouring element, function).
    ThreeBody = 5,
    /// Of other nodes.
    Sum = 6,
    /// Of other nodes.
    Product = 7,
}

impl TermTables {
    /// Tables for some of the model's elements, in this order.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if there are no terms.
    pub fn new(model: &Model, elements: &[u8]) -> Result<Self> {
        let Some(terms) = model.terms() else {
            return Err(Error::invalid("potential", "must have learned terms"));
        };
        let elements: Vec<usize> = elements.iter().map(|e| usize::from(*e)).collect();
        let layout = &terms.contracted;
        let functions = layout.angular.iter().map(|g| g.radial.functions).sum();
        let mut tables = Self {
            cutoff: terms.cutoff(),
            lmax: layout.angular.iter().map(|g| g.lmax).max(),
            sums: [layout.channels, functions],
            ..Self::default()
        };
        tables.add_scalar_functions(terms, &elements);
        for group in &layout.angular {
            for function in 0..group.radial.functions {
                tables.add_function(&group.table, function, group.radial.cutoff);
            }
        }
        for node in terms.tree.nodes() {
            let flat = tables.node(terms, node, &elements);
            tables.nodes.push(flat);
        }
        Ok(tables)
    }

    fn add_scalar_functions(&mut self, terms: &Terms, elements: &[usize]) {
        for channel in 0..terms.contracted.channels {
            for &centre in elements {
                for &neighbour in elements {
                    let pair = centre * terms.elements + neighbour;
                    for group in &terms.contracted.sums {
                        if let Some(column) = group.channels.iter().position(|&c| c == channel) {
                            self.add_function(&group.tables[pair], column, group.cutoff);
                        }
                    }
                }
            }
        }
    }

    fn add_function(&mut self, table: &Pieces, function: usize, cutoff: f64) {
        let first = self.function_places.last().map_or(0, |[first, rows]| first + rows);
        self.function_numbers.push([cutoff, table.inverse_spacing()]);
        self.function_places.push([first, table.intervals() as i32]);
        (0..table.intervals()).for_each(|k| self.rows.extend(table.row(k, function)));
    }

    fn node(&mut self, terms: &Terms, node: &Node, elements: &[usize]) -> FlatNode {
        let (kind, children) = match node {
            Node::Leaf(leaf) => return self.leaf(terms, *leaf, elements),
            Node::Sum(children) => (NodeKind::Sum, children),
            Node::Product(children) => (NodeKind::Product, children),
        };
        let first = self.children.len() as i32;
        self.children.extend(children.iter().map(|&c| c as i32));
        [kind as i32, first, children.len() as i32, 0, 0]
    }

    fn leaf(&mut self, terms: &Terms, k: usize, elements: &[usize]) -> FlatNode {
        let (leaf, layout) = (&terms.leaves[k], &terms.contracted);
        let (first, sum) = (self.coefficients.len() as i32, layout.first[k] as i32);
        match &leaf.term {
            Term::Constant { coefficients } => {
                self.coefficients.extend(elements.iter().map(|&e| coefficients[e]));
                [NodeKind::Constant as i32, first, 1, 0, 0]
            }
            Term::Pair { .. } => [NodeKind::Pair as i32, first, 0, sum, 0],
            Term::NeighbourExponential { function, .. } => {
                let kind = self.outer(function);
                for &e in elements {
                    self.coefficients.extend(leaf.outer(e));
                }
                [kind as i32, first, function.coefficients() as i32, sum, 0]
            }
            Term::ThreeBody { radial, lmax, .. } => {
                self.add_matrices(leaf, [terms.elements, radial.functions, *lmax], elements);
                let groups = layout.angular[..layout.group[k]].iter();
                let before: usize = groups.map(|g| g.radial.functions).sum();
                let numbers = [radial.functions, before, *lmax].map(|x| x as i32);
                [NodeKind::ThreeBody as i32, first, numbers[0], numbers[1], numbers[2]]
            }
            // Has children, and is no leaf.
            Term::Sum { .. } | Term::Product { .. } => [0; 5],
        }
    }

    /// Kind of an outer function; what it needs beside its coefficients comes before them.
    fn outer(&mut self, function: &NeighbourFunction) -> NodeKind {
        match function {
            NeighbourFunction::Exponential => NodeKind::Exponential,
            NeighbourFunction::SquareRoot => NodeKind::SquareRoot,
            NeighbourFunction::Spline { span, .. } => {
                self.coefficients.extend(span);
                NodeKind::Spline
            }
        }
    }

    fn add_matrices(
        &mut self,
        leaf: &Leaf,
        [all, functions, lmax]: [usize; 3],
        elements: &[usize],
    ) {
        let width = all * functions;
        let channels =
            || elements.iter().flat_map(|e| (0..functions).map(move |f| e * functions + f));
        for &centre in elements {
            for l in 0..=lmax {
                let matrix = leaf.matrix(centre, lmax, l);
                for p in channels() {
                    self.coefficients.extend(channels().map(|q| matrix[p * width + q]));
                }
            }
        }
    }
}
