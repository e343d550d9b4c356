//! The expression as a function of the values of its single models.

use crate::potential::Term;

/// Nodes in post-order; the last is the root.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    leaves: usize,
}

#[derive(Debug)]
pub(super) enum Node {
    /// A single model.
    Leaf(usize),
    /// Of earlier nodes.
    Sum(Vec<usize>),
    /// Of earlier nodes.
    Product(Vec<usize>),
}

/// Value, gradient and Hessian (row-major) with respect to the values of the single models.
#[derive(Debug, Clone, Default)]
pub(super) struct Expansion {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) hessian: Vec<f64>,
}

impl Tree {
    pub(super) fn new(expression: &Term) -> Self {
        let mut tree = Self { nodes: Vec::new(), leaves: 0 };
        tree.push(expression);
        tree
    }

    fn push(&mut self, term: &Term) -> usize {
        let children: Vec<usize> = term.children().iter().map(|child| self.push(child)).collect();
        let node = match term {
            Term::Sum { .. } => Node::Sum(children),
            Term::Product { .. } => Node::Product(children),
            _ => {
                self.leaves += 1;
                Node::Leaf(self.leaves - 1)
            }
        };
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Nodes in post-order; the last is the root.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Value; `gradient` becomes the derivatives in the values of the single models. `work` holds
    /// the nodes.
    pub(super) fn gradient(
        &self,
        values: &[f64],
        gradient: &mut [f64],
        work: &mut Vec<[f64; 2]>,
    ) -> f64 {
        work.clear();
        for node in &self.nodes {
            let value = match node {
                Node::Leaf(leaf) => values[*leaf],
                Node::Sum(children) => children.iter().map(|&c| work[c][0]).sum(),
                Node::Product(children) => children.iter().map(|&c| work[c][0]).product(),
            };
            work.push([value, 0.0]);
        }
        let root = self.nodes.len() - 1;
        work[root][1] = 1.0;
        for (k, node) in self.nodes.iter().enumerate().rev() {
            let adjoint = work[k][1];
            match node {
                Node::Leaf(leaf) => gradient[*leaf] = adjoint,
                Node::Sum(children) => children.iter().for_each(|&c| work[c][1] = adjoint),
                Node::Product(children) => {
                    for &c in children {
                        let others = children.iter().filter(|&&d| d != c);
                        work[c][1] = adjoint * others.map(|&d| work[d][0]).product::<f64>();
                    }
                }
            }
        }
        work[root][0]
    }

    /// Expansion to second order in the values of the single models.
    pub(super) fn expansion(&self, values: &[f64]) -> Expansion {
        let mut found: Vec<Expansion> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let expansion = match node {
                Node::Leaf(leaf) => Expansion::variable(values[*leaf], *leaf, self.leaves),
                Node::Sum(children) => fold(children, &found, Expansion::plus),
                Node::Product(children) => fold(children, &found, Expansion::times),
            };
            found.push(expansion);
        }
        found.pop().unwrap_or_default()
    }
}

fn fold(
    children: &[usize],
    found: &[Expansion],
    join: impl Fn(&Expansion, &Expansion) -> Expansion,
) -> Expansion {
    let first = found[children[0]].clone();
    children[1..].iter().fold(first, |all, &c| join(&all, &found[c]))
}

impl Expansion {
    fn variable(value: f64, index: usize, count: usize) -> Self {
        let mut gradient = vec![0.0; count];
        gradient[index] = 1.0;
        Self { value, gradient, hessian: vec![0.0; count * count] }
    }

    fn plus(&self, other: &Self) -> Self {
        let add = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x + y).collect();
        Self {
            value: self.value + other.value,
            gradient: add(&self.gradient, &other.gradient),
            hessian: add(&self.hessian, &other.hessian),
        }
    }

    fn times(&self, other: &Self) -> Self {
        let n = self.gradient.len();
        let mix = |a: &[f64], b: &[f64]| -> Vec<f64> {
            a.iter().zip(b).map(|(x, y)| x * other.value + y * self.value).collect()
        };
        let mut hessian = mix(&self.hessian, &other.hessian);
        for p in 0..n {
            for q in 0..n {
                hessian[p * n + q] +=
                    self.gradient[p] * other.gradient[q] + other.gradient[p] * self.gradient[q];
            }
        }
        Self {
            value: self.value * other.value,
            gradient: mix(&self.gradient, &other.gradient),
            hessian,
        }
    }
}
