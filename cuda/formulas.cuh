// Every scalar formula of the model, once; each returns its value with its derivatives.
//
// Twin of rust/core/src/formulas.rs: same functions, names, order and operations (`switch` is a
// keyword here, hence `switch_`). Nothing in this file knows of threads; it also compiles as
// plain C++. Units: eV, Å, e.
#pragma once

#ifdef __CUDACC__
#define FORMULA __host__ __device__ __forceinline__
#else
#include <cmath>
#define FORMULA inline
#endif

namespace formulas {

constexpr double PI = 3.14159265358979323846;

// Value, slope and curvature of a function of one variable.
struct Jet {
    double value, slope, curvature;
};

// Jet of a product f·g (Leibniz).
FORMULA Jet product(Jet f, Jet g) {
    return {f.value * g.value, f.slope * g.value + f.value * g.slope,
            f.curvature * g.value + 2.0 * f.slope * g.slope + f.value * g.curvature};
}

// Jet of the sum f + g.
FORMULA Jet sum(Jet f, Jet g) {
    return {f.value + g.value, f.slope + g.slope, f.curvature + g.curvature};
}

// Jet of a constant times f.
FORMULA Jet scaled(double factor, Jet f) {
    return {factor * f.value, factor * f.slope, factor * f.curvature};
}

// Normalised 1s Slater density ζ³/(8π) exp(−ζ r), e/Å³ for one electron (design 2.2).
FORMULA Jet slater(double zeta, double r) {
    double value = zeta * zeta * zeta / (8.0 * PI) * exp(-zeta * r);
    return {value, -zeta * value, zeta * zeta * value};
}

// Electrostatic potential of a normalised 1s Slater charge over the Coulomb constant, 1/Å:
// (1 − (1 + ζr/2) exp(−ζr))/r, and ζ/2 at the centre.
FORMULA double slater_potential(double zeta, double r) {
    double x = zeta * r;
    if (x < 1e-5) return 0.5 * zeta;  // the next term of the series is −ζ x²/12
    return (-expm1(-x) - 0.5 * x * exp(-x)) / r;
}

// ∬ρ_a ρ_b/r of two 1s Slater charges on one centre over the Coulomb constant, 1/Å.
FORMULA double slater_repulsion_at_centre(double a, double b) {
    double s = a + b;
    return a * b * (a * a + 3.0 * a * b + b * b) / (2.0 * (s * s * s));
}

// ∫ρ_a ρ_b of two 1s Slater charges on one centre, Å⁻³.
FORMULA double slater_overlap_at_centre(double a, double b) {
    double x = a * b / (a + b);
    return x * x * x / (8.0 * PI);
}

// (c₀ + c₁ r + c₂ r² + c₃ r³) exp(−ζ r): the building block of the charge penetration.
FORMULA Jet polynomial_exponential(double zeta, const double c[4], double r) {
    double p = c[0] + r * (c[1] + r * (c[2] + r * c[3]));
    double p1 = c[1] + r * (2.0 * c[2] + 3.0 * r * c[3]);
    double p2 = 2.0 * c[2] + 6.0 * r * c[3];
    double e = exp(-zeta * r);
    return {p * e, (p1 - zeta * p) * e, (p2 - 2.0 * zeta * p1 + zeta * zeta * p) * e};
}

// amplitude · exp(−decay · r).
FORMULA Jet exponential(double amplitude, double decay, double r) {
    double value = amplitude * exp(-decay * r);
    return {value, -decay * value, decay * decay * value};
}

// Smooth switch: 1 below `radius − width`, 0 from `radius` on, quintic between (C²).
FORMULA Jet switch_(double radius, double width, double r) {
    if (r >= radius) return {0.0, 0.0, 0.0};
    double x = (radius - r) / width;
    if (!(x < 1.0)) return {1.0, 0.0, 0.0};
    double y = 1.0 - x;
    double slope = 30.0 * x * x * y * y;
    double curvature = 60.0 * x * y * (y - x);
    return {x * x * x * (10.0 - 15.0 * x + 6.0 * x * x), -slope / width,
            curvature / (width * width)};
}

// Cutoff function (1 − r²/c²)³ of the learned terms; zero from the cutoff c on (C²).
FORMULA Jet smooth_cutoff(double cutoff, double r) {
    if (r >= cutoff) return {0.0, 0.0, 0.0};
    double inverse = 1.0 / (cutoff * cutoff);
    double u = 1.0 - r * r * inverse, slope = -2.0 * r * inverse;
    return {u * u * u, 3.0 * u * u * slope, 6.0 * u * slope * slope - 6.0 * u * u * inverse};
}

// exp(−η (r² − c²/4)): a Gaussian that is one at half the distance c.
FORMULA Jet gaussian(double eta, double c, double r) {
    double value = exp(-eta * (r * r - 0.25 * c * c));
    return {value, -2.0 * eta * r * value, (4.0 * eta * r * eta * r - 2.0 * eta) * value};
}

// sin(a r)/(b r): a spherical Bessel function of order zero.
FORMULA Jet bessel(double a, double b, double r) {
    double x = a * r, y = x * x;
    Jet sinc = {1.0 - y / 6.0 * (1.0 - y / 20.0), -x / 3.0 * (1.0 - y / 10.0),
                -1.0 / 3.0 + y / 10.0};
    if (!(x < 1e-2)) {
        double value = sin(x) / x;
        double slope = (cos(x) - value) / x;
        sinc = {value, slope, -value - 2.0 * slope / x};
    }
    return {a / b * sinc.value, a / b * a * sinc.slope, a / b * a * a * sinc.curvature};
}

// Chebyshev polynomial T_{k+1} from T_k and T_{k−1} and the jet of the argument.
FORMULA Jet chebyshev(Jet argument, Jet last, Jet before) {
    Jet next = scaled(2.0, product(argument, last));
    return sum(next, scaled(-1.0, before));
}

// √p(s) − √p(0) with p(s) = (s + √(s² + δ²))/2: √s for s ≫ δ, analytic everywhere.
FORMULA Jet smooth_root(double delta, double s) {
    double h = hypot(s, delta);
    // p = (s + h)/2 and p′ = p/h; for s < 0 the sum would cancel.
    double p = s >= 0.0 ? 0.5 * (s + h) : 0.5 * delta * delta / (h - s);
    double root = sqrt(p);
    double slope = 0.5 * root / h;
    return {root - sqrt(0.5 * delta), slope, slope * (0.5 - s / h) / h};
}

// The four uniform cubic B-splines that are not zero at t ∈ [0, 1] between two knots, with
// derivatives in t (C. de Boor, A Practical Guide to Splines, 1978).
FORMULA void b_splines(double t, Jet out[4]) {
    double s = 1.0 - t;
    out[0] = {s * s * s / 6.0, -0.5 * s * s, s};
    out[1] = {(4.0 + t * t * (3.0 * t - 6.0)) / 6.0, t * (1.5 * t - 2.0), 3.0 * t - 2.0};
    out[2] = {(4.0 + s * s * (3.0 * s - 6.0)) / 6.0, -s * (1.5 * s - 2.0), 3.0 * s - 2.0};
    out[3] = {t * t * t / 6.0, 0.5 * t * t, t};
}

// Embedding energy Σ_k c_k s^k, s = √(ρ̄ + shift) − √shift, k = 1 … n; zero at ρ̄ = 0 with a
// finite slope. A polynomial in √ρ̄ as in the second-moment model, shifted to stay analytic.
FORMULA Jet root_polynomial(double shift, const double *coefficients, int n, double background) {
    double root = sqrt(background + shift);
    double s = root - sqrt(shift);
    double p = 0.0, p1 = 0.0, p2 = 0.0;
    for (int k = n - 1; k >= 0; --k) {
        p2 = p2 * s + 2.0 * p1;
        p1 = p1 * s + p;
        p = p * s + coefficients[k];
    }
    // F = s·p(s), and ds/dρ̄ = 1/(2 root).
    double f = s * p, f1 = p + s * p1, f2 = 2.0 * p1 + s * p2;
    double s1 = 0.5 / root;
    double s2 = -0.5 * s1 / (root * root);
    return {f, f1 * s1, f2 * s1 * s1 + f1 * s2};
}

// Ensemble entropy density ω ln ω (0 at ω = 0) and its first two derivatives.
FORMULA Jet entropy(double weight) {
    if (weight <= 0.0) return {0.0, log(0.0), -log(0.0)};  // −∞, ∞
    double logarithm = log(weight);
    return {weight * logarithm, logarithm + 1.0, 1.0 / weight};
}

// Geometric mean of the four weights of a charge-transfer channel (design 2.3).
//
// With G the mean and y = v/ω along a direction v: ∂G/∂ω_a = G/(4ω_a) and
// (∇²G v)_a = G/(16 ω_a) (Σ_b y_b − 4 y_a).
FORMULA double resonance_mean(const double weights[4]) {
    // Two square roots of products of two: no underflow for weights down to 1e-150.
    return sqrt(sqrt(weights[0] * weights[2]) * sqrt(weights[1] * weights[3]));
}

// f, f₁ = f′/r, f₂ = f₁′/r and f₃ = f₂′/r of f = 1/r, given r²: Å⁻¹, Å⁻³, Å⁻⁵, Å⁻⁷.
FORMULA void point_multipole(double r2, double out[4]) {
    double inverse2 = 1.0 / r2;
    double f = sqrt(inverse2);
    out[0] = f, out[1] = -f * inverse2, out[2] = 3.0 * f * inverse2 * inverse2;
    out[3] = -15.0 * f * inverse2 * inverse2 * inverse2;
}

// f₁, f₂ and f₃ of erfc(αr)/r by the recursion of W. Smith, CCP5 Quarterly 4, 13 (1982).
FORMULA void screened_multipole(double alpha, double r, double out[3]) {
    double square = alpha * alpha, inverse = 1.0 / (r * r);
    double twice = 2.0 * square;
    double gaussian = exp(-square * r * r) / (alpha * sqrt(PI));
    double b0 = erfc(alpha * r) / r;
    double b1 = (b0 + twice * gaussian) * inverse;
    double b2 = (3.0 * b1 + twice * twice * gaussian) * inverse;
    double b3 = (5.0 * b2 + twice * twice * twice * gaussian) * inverse;
    out[0] = -b1, out[1] = b2, out[2] = -b3;
}

// f₁ and f₂ of a charge and a dipole, f₁, f₂ and f₃ of two dipoles: 1/r less its Taylor series about
// the cutoff (M. Lamichhane, J. D. Gezelter & K. E. Newman, J. Chem. Phys. 141, 134109 (2014)).
FORMULA void shifted_multipole(double cutoff, double r, double out[5]) {
    for (int k = 0; k < 5; ++k) out[k] = 0.0;
    if (r >= cutoff) return;
    double x = r - cutoff, u = 1.0 / r, v = 1.0 / cutoff;
    double u3 = u * u * u, v3 = v * v * v;
    double u4 = u3 * u, v4 = v3 * v;
    double slope = v * v - u * u - 2.0 * v3 * x;
    double curvature = 2.0 * (u3 - v3);
    // Of two dipoles; f₁ = f′/r, f₂ = (f″ − f₁)/r², f₃ = (f‴/r − 3 f₂)/r².
    double steep = slope + 3.0 * v4 * x * x, bent = curvature + 6.0 * v4 * x;
    double charge = slope * u, first = steep * u;
    double second = (bent - first) * u * u;
    out[0] = charge, out[1] = (curvature - charge) * u * u, out[2] = first, out[3] = second;
    out[4] = (6.0 * (v4 - u4) * u - 3.0 * second) * u * u;
}

// Energy −x_i m_i·d + x_j m_j·d − b₁ m_i·m_j − b₂ (m_i·d)(m_j·d) of a pair of atoms with dipoles, d
// from the first to the second; x_i, x_j, b₁, b₂ are `by`.
FORMULA double dipole_energy(const double by[4], const double d[3], const double mi[3],
                             const double mj[3]) {
    double along_i = mi[0] * d[0] + mi[1] * d[1] + mi[2] * d[2];
    double along_j = mj[0] * d[0] + mj[1] * d[1] + mj[2] * d[2];
    double both = mi[0] * mj[0] + mi[1] * mj[1] + mi[2] * mj[2];
    return by[1] * along_j - by[0] * along_i - by[2] * both - by[3] * along_i * along_j;
}

// Its derivative in d, given the derivatives `by_r` of `by` in r over r.
FORMULA void dipole_slope(const double by[4], const double by_r[4], const double d[3],
                          const double mi[3], const double mj[3], double out[3]) {
    double radial = dipole_energy(by_r, d, mi, mj);
    double of_i = -by[0] - by[3] * (mj[0] * d[0] + mj[1] * d[1] + mj[2] * d[2]);
    double of_j = by[1] - by[3] * (mi[0] * d[0] + mi[1] * d[1] + mi[2] * d[2]);
    for (int p = 0; p < 3; ++p) out[p] = radial * d[p] + of_i * mi[p] + of_j * mj[p];
}

// Its derivative in m_i that is due to m_j: −b₁ m_j − b₂ (m_j·d) d.
FORMULA void dipole_gradient(double b1, double b2, const double d[3], const double m[3],
                             double out[3]) {
    double along = b2 * (m[0] * d[0] + m[1] * d[1] + m[2] * d[2]);
    for (int p = 0; p < 3; ++p) out[p] = -b1 * m[p] - along * d[p];
}

// Solid harmonics S_lm(u), l ≤ L, at index l² + l + m, normalised so that Σ_m S_lm(u) S_lm(v) =
// P_l(u·v) for unit vectors: twin of rust/core/src/terms/harmonics.rs, where the source is named.
template <int L, class Real>
FORMULA void harmonics(const Real u[3], Real out[(L + 1) * (L + 1)]) {
    out[0] = 1;
#pragma unroll
    for (int l = 0; l < L; ++l) {
        Real *last = out + l * l + l, *next = out + (l + 1) * (l + 2);
        Real factor = (Real)sqrt((l == 0 ? 2.0 : 1.0) * (2 * l + 1.0) / (2 * l + 2.0));
        Real x = factor * u[0], y = factor * u[1];
        next[l + 1] = x * last[l] - (l > 0 ? y * last[-l] : 0);
        next[-l - 1] = y * last[l] + (l > 0 ? x * last[-l] : 0);
#pragma unroll
        for (int m = -l; m <= l; ++m) {
            double scale = 1.0 / sqrt((l + m + 1.0) * (l - m + 1.0));
            Real sum = (Real)(scale * (2 * l + 1)) * u[2] * last[m];
            if (m > -l && m < l)
                sum += (Real)(-scale * sqrt((l + m) * (l - m) * 1.0)) * out[(l - 1) * l + m];
            next[m] = sum;
        }
    }
}

// Add value · ∇S_lm of the homogeneous polynomial, made of the harmonics s of one degree less.
template <class Real>
FORMULA void harmonic_gradient(int l, int m, Real value, const Real *s, Real out[3]) {
    int k = m < 0 ? -m : m;
    const Real *lower = s + (l - 1) * l;
    Real down = (Real)((k == 1 ? sqrt(2.0) : 1.0) * 0.5 * sqrt((l + k) * (l + k - 1) * 1.0));
    Real down_sine = k == 1 ? 0 : down;
    Real up = (Real)((k == 0 ? sqrt(2.0) : 1.0) * 0.5 * sqrt((l - k) * (l - k - 1) * 1.0));
    Real x = 0, y = 0;
    if (m > 0) x += down * lower[k - 1], y -= down_sine * (k > 1 ? lower[1 - k] : 0);
    if (m < 0) x += down_sine * (k > 1 ? lower[1 - k] : 0), y += down * lower[k - 1];
    if (k + 1 < l) {
        x -= up * (m < 0 ? lower[-k - 1] : lower[k + 1]);
        y += up * (m < 0 ? lower[k + 1] : -lower[-k - 1]);
    }
    out[0] += value * x;
    out[1] += value * y;
    if (k < l) out[2] += value * (Real)sqrt((l - k) * (l + k) * 1.0) * lower[m];
}

}  // namespace formulas
