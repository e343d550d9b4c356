//! Newton step from the explicit Hessian, for small systems.

use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};

use super::newton::{Point, Step};
use super::tangent::centred_charges;
use super::{Constraints, Objective};

/// Eigenvalues smaller than this fraction of the largest are raised to it in a step.
const SMALLEST_EIGENVALUE: f64 = 1e-10;

/// The Hessian √ω H √ω on the free weights, with the constraint normals shifted away.
pub(super) struct Reduced {
    free: Vec<usize>,
    /// Orthonormal constraint normals, one per column.
    normals: Vec<DVector<f64>>,
    matrix: DMatrix<f64>,
    products: usize,
}

/// Newton step; with negative curvature, the step of the Hessian with |eigenvalues|.
pub(super) fn step(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
) -> Step {
    let reduced = Reduced::new(objective, constraints, point);
    let mut rhs = DVector::from_iterator(
        reduced.free.len(),
        reduced.free.iter().map(|&a| -point.root[a] * point.slack[a]),
    );
    reduced.project(&mut rhs);
    let (mut y, curvature) = match Cholesky::new(reduced.matrix.clone()) {
        Some(factor) => (factor.solve(&rhs), None),
        None => reduced.absolute_solve(&rhs),
    };
    reduced.project(&mut y);
    reduced.into_step(&y, point.root.len(), curvature)
}

/// At a stationary point: is it a minimum, and if not, which way is down?
pub(super) fn escape(
    objective: &mut impl Objective,
    constraints: &Constraints,
    point: &Point,
) -> Step {
    let reduced = Reduced::new(objective, constraints, point);
    let n = point.root.len();
    if reduced.free.is_empty() || Cholesky::new(reduced.matrix.clone()).is_some() {
        let none = DVector::zeros(reduced.free.len());
        return reduced.into_step(&none, n, None);
    }
    let eigen = SymmetricEigen::new(reduced.matrix.clone());
    let largest = eigen.eigenvalues.amax();
    let lowest = eigen.eigenvalues.imin();
    let mut y = if eigen.eigenvalues[lowest] < -SMALLEST_EIGENVALUE * largest {
        eigen.eigenvectors.column(lowest).into_owned()
    } else {
        DVector::zeros(reduced.free.len())
    };
    reduced.project(&mut y);
    reduced.into_step(&y, n, Some(eigen.eigenvalues[lowest]))
}

impl Reduced {
    pub(super) fn new(
        objective: &mut impl Objective,
        constraints: &Constraints,
        point: &Point,
    ) -> Self {
        let n = point.root.len();
        let free: Vec<usize> = (0..n).filter(|&a| point.root[a] > 0.0).collect();
        let (mut unit, mut column) = (vec![0.0; n], vec![0.0; n]);
        let mut matrix = DMatrix::zeros(free.len(), free.len());
        for (k, &a) in free.iter().enumerate() {
            unit[a] = point.root[a];
            objective.product(&unit, &mut column);
            unit[a] = 0.0;
            for (l, &b) in free.iter().enumerate() {
                matrix[(l, k)] = point.root[b] * column[b];
            }
        }
        let products = free.len();
        let normals = normals(constraints, point, &free);
        let mut this = Self { free, normals, matrix, products };
        this.restrict();
        this
    }

    /// A ← P A P + σ (I − P) with P the projector on the tangent space.
    fn restrict(&mut self) {
        let n = self.free.len();
        let shift = self.matrix.diagonal().iter().map(|x| x.abs()).sum::<f64>() / n.max(1) as f64;
        for normal in &self.normals {
            let right = &self.matrix * normal;
            self.matrix -= &right * normal.transpose();
            let left = normal.transpose() * &self.matrix;
            self.matrix -= normal * left;
        }
        for normal in &self.normals {
            self.matrix += normal * normal.transpose() * shift.max(1e-3);
        }
        self.matrix = 0.5 * (&self.matrix + self.matrix.transpose());
    }

    fn project(&self, y: &mut DVector<f64>) {
        for normal in &self.normals {
            let along = normal.dot(y);
            y.axpy(-along, normal, 1.0);
        }
    }

    /// The step of |eigenvalues|, and the lowest eigenvalue.
    fn absolute_solve(&self, rhs: &DVector<f64>) -> (DVector<f64>, Option<f64>) {
        let eigen = SymmetricEigen::new(self.matrix.clone());
        let smallest = SMALLEST_EIGENVALUE * eigen.eigenvalues.amax();
        let mut components = eigen.eigenvectors.tr_mul(rhs);
        for (c, lambda) in components.iter_mut().zip(eigen.eigenvalues.iter()) {
            *c /= lambda.abs().max(smallest);
        }
        (eigen.eigenvectors * components, Some(eigen.eigenvalues.min()))
    }

    /// A y = rhs for every column, rows for all weights; without the part along the constraints.
    pub(super) fn solve_all(&self, rhs: &DMatrix<f64>) -> DMatrix<f64> {
        let factor = Cholesky::new(self.matrix.clone());
        let mut all = DMatrix::zeros(rhs.nrows(), rhs.ncols());
        for (k, column) in rhs.column_iter().enumerate() {
            let chosen = self.free.iter().map(|&a| column[a]);
            let mut y = DVector::from_iterator(self.free.len(), chosen);
            self.project(&mut y);
            y = factor.as_ref().map_or_else(|| self.pseudo_solve(&y), |factor| factor.solve(&y));
            self.project(&mut y);
            self.free.iter().zip(y.iter()).for_each(|(&a, &y)| all[(a, k)] = y);
        }
        all
    }

    /// Without the directions in which the Hessian is singular.
    fn pseudo_solve(&self, rhs: &DVector<f64>) -> DVector<f64> {
        let eigen = SymmetricEigen::new(self.matrix.clone());
        let smallest = SMALLEST_EIGENVALUE * eigen.eigenvalues.amax();
        let mut components = eigen.eigenvectors.tr_mul(rhs);
        for (c, lambda) in components.iter_mut().zip(eigen.eigenvalues.iter()) {
            *c = if lambda.abs() > smallest { *c / lambda } else { 0.0 };
        }
        eigen.eigenvectors * components
    }

    fn into_step(self, y: &DVector<f64>, n: usize, curvature: Option<f64>) -> Step {
        let mut full = vec![0.0; n];
        self.free.iter().zip(y.iter()).for_each(|(&a, &y)| full[a] = y);
        Step { y: full, products: self.products, curvature, negative: Vec::new() }
    }
}

fn normals(constraints: &Constraints, point: &Point, free: &[usize]) -> Vec<DVector<f64>> {
    let of_weight: Vec<usize> = (0..constraints.groups())
        .flat_map(|g| constraints.group(g).map(move |_| constraints.fragment(g)))
        .collect();
    let restricted = |full: &dyn Fn(usize) -> f64| {
        let v = DVector::from_iterator(free.len(), free.iter().map(|&a| full(a)));
        v.try_normalize(1e-300)
    };
    let groups = (0..constraints.groups()).filter_map(|g| {
        let group = constraints.group(g);
        restricted(&|a| if group.contains(&a) { point.root[a] } else { 0.0 })
    });
    let centred = centred_charges(constraints, &point.root);
    let fragments = (0..constraints.fragments()).filter_map(|f| {
        restricted(&|a| if of_weight.get(a) == Some(&f) { centred[a] } else { 0.0 })
    });
    groups.chain(fragments).collect()
}
