//! Learned terms in the file: an expression of small models, each with its own coefficients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An energy per atom, built from single models by + and × (arXiv:2504.19372).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Term {
    /// Sum of models.
    Sum {
        /// Two or more models.
        terms: Vec<Term>,
    },
    /// Product of models, atom by atom. The leading coefficients of all factors but the first are
    /// held at their value: the first factor sets the scale.
    Product {
        /// Two or more models.
        factors: Vec<Term>,
    },
    /// A constant of the element.
    Constant {
        /// One per element, in alphabetical order.
        coefficients: Vec<f64>,
    },
    /// Σ_j Σ_k c_k g_k(r_ij).
    Pair {
        /// Radial functions g.
        radial: Radial,
        /// For each unordered pair of elements, c_k.
        coefficients: Vec<f64>,
    },
    /// Σ_{p≤q} Σ_l c_pql Σ_{jk} g_p(r_ij) g_q(r_ik) P_l(cos θ_jik), where p and q count the radial
    /// functions of every neighbouring element, and j = k is included.
    ThreeBody {
        /// Radial functions g.
        radial: Radial,
        /// Largest degree l of the Legendre polynomials P_l.
        lmax: usize,
        /// Neighbour, centre and neighbour of the triples this is for, e.g. `H-O-H`; all, if absent.
        /// The coefficients of others are zero and no parameters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        triples: Option<Vec<String>>,
        /// For each element of the centre, each p ≤ q (q runs faster), each l.
        coefficients: Vec<f64>,
    },
    /// F(s) of a neighbour sum s = Σ_j Σ_k c_k g_k(r_ij).
    NeighbourExponential {
        /// Radial functions g.
        radial: Radial,
        /// Shape of F.
        function: NeighbourFunction,
        /// For each element of the centre: the coefficients of F, then c_k of every neighbouring
        /// element.
        coefficients: Vec<f64>,
    },
}

/// A set of radial functions, times the cutoff function (1 − r²/cutoff²)³ (C² at the cutoff).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Radial {
    /// Family of the functions.
    pub family: Family,
    /// How many.
    pub functions: usize,
    /// Distance beyond which they are zero, Å.
    pub cutoff: f64,
    /// The ends of the family: smallest and largest exponent (`gaussian` Å⁻², `slater` Å⁻¹), or
    /// the distances (Å) that are mapped to −1 and 1 (`chebyshev`). Not for `bessel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<[f64; 2]>,
}

/// Family of radial functions, k = 0 … n − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// exp(−η_k (r² − c²/4)), η_k a geometric series, c the cutoff.
    Gaussian,
    /// sin((k + 1) π r/c)/(π r/c).
    Bessel,
    /// T_k(x), x the distance mapped linearly to [−1, 1].
    Chebyshev,
    /// exp(−ζ_k (r − c/2)), ζ_k a geometric series.
    Slater,
}

/// Function of a neighbour sum s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case", deny_unknown_fields)]
pub enum NeighbourFunction {
    /// a exp(−s).
    Exponential,
    /// a (√p(s) − √p(0)), p(s) = (s + √(s² + δ²))/2, δ = 0.01: a√s for s ≫ δ, smooth at zero.
    SquareRoot,
    /// Cubic B-spline on uniform knots, less its value at s = 0; its first coefficient and the
    /// leading c_k are held.
    Spline {
        /// Number of coefficients.
        knots: usize,
        /// First and last knot; beyond them the spline goes on as a straight line.
        span: [f64; 2],
    },
}

/// A coefficient of the expression, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// Name, unique in the expression, e.g. `three_body1[Nb: Nb0 Nb1 l=2]`.
    pub name: String,
    /// Value.
    pub value: f64,
    /// True if its value is part of the expression and no parameter.
    pub held: bool,
    /// True if a fit leaves it as it is unless it is asked for.
    pub fixed: bool,
    /// True if the energy is linear in all such coefficients together.
    pub linear: bool,
    /// Smallest and largest value allowed.
    pub bounds: [f64; 2],
}

impl Radial {
    /// The ends of the family, given or by default.
    pub fn ends(&self) -> [f64; 2] {
        let c = self.cutoff;
        self.span.unwrap_or(match self.family {
            Family::Gaussian => [2.0 / (c * c), 40.0 / (c * c)],
            Family::Slater => [2.0 / c, 20.0 / c],
            Family::Chebyshev | Family::Bessel => [0.0, c],
        })
    }
}

impl NeighbourFunction {
    /// Number of coefficients of F.
    pub fn coefficients(&self) -> usize {
        match self {
            Self::Exponential | Self::SquareRoot => 1,
            Self::Spline { knots, .. } => *knots,
        }
    }

    /// The coefficient that a product holds.
    pub(super) fn leading(&self) -> usize {
        self.coefficients() / 2
    }
}

impl Term {
    /// Models inside, for a sum or a product.
    pub fn children(&self) -> &[Term] {
        match self {
            Self::Sum { terms } => terms,
            Self::Product { factors } => factors,
            _ => &[],
        }
    }

    /// The same to change.
    pub fn children_mut(&mut self) -> &mut [Term] {
        match self {
            Self::Sum { terms } => terms,
            Self::Product { factors } => factors,
            _ => &mut [],
        }
    }

    /// Radial functions of a single model.
    pub fn radial(&self) -> Option<&Radial> {
        match self {
            Self::Pair { radial, .. }
            | Self::ThreeBody { radial, .. }
            | Self::NeighbourExponential { radial, .. } => Some(radial),
            _ => None,
        }
    }

    /// Coefficients of a single model.
    pub fn coefficients(&self) -> &[f64] {
        match self {
            Self::Sum { .. } | Self::Product { .. } => &[],
            Self::Constant { coefficients }
            | Self::Pair { coefficients, .. }
            | Self::ThreeBody { coefficients, .. }
            | Self::NeighbourExponential { coefficients, .. } => coefficients,
        }
    }

    /// The same to change.
    pub fn coefficients_mut(&mut self) -> &mut [f64] {
        match self {
            Self::Sum { .. } | Self::Product { .. } => &mut [],
            Self::Constant { coefficients }
            | Self::Pair { coefficients, .. }
            | Self::ThreeBody { coefficients, .. }
            | Self::NeighbourExponential { coefficients, .. } => coefficients,
        }
    }

    /// Largest cutoff, Å; 0 without radial functions.
    pub fn cutoff(&self) -> f64 {
        let own = self.radial().map_or(0.0, |r| r.cutoff);
        self.children().iter().map(Self::cutoff).fold(own, f64::max)
    }

    /// Single models, in the order of the file.
    pub fn leaves(&self) -> Vec<&Term> {
        if self.children().is_empty() {
            return vec![self];
        }
        self.children().iter().flat_map(Self::leaves).collect()
    }

    /// Name of the kind in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sum { .. } => "sum",
            Self::Product { .. } => "product",
            Self::Constant { .. } => "constant",
            Self::Pair { .. } => "pair",
            Self::ThreeBody { .. } => "three_body",
            Self::NeighbourExponential { .. } => "neighbour_exponential",
        }
    }

    /// Number of coefficients a single model needs for a number of elements.
    pub fn expected(&self, elements: usize) -> usize {
        match self {
            Self::Sum { .. } | Self::Product { .. } => 0,
            Self::Constant { .. } => elements,
            Self::Pair { radial, .. } => elements * (elements + 1) / 2 * radial.functions,
            Self::ThreeBody { radial, lmax, .. } => {
                let channels = elements * radial.functions;
                elements * channels * (channels + 1) / 2 * (lmax + 1)
            }
            Self::NeighbourExponential { radial, function, .. } => {
                elements * (function.coefficients() + elements * radial.functions)
            }
        }
    }
}
