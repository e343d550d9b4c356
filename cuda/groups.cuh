// The operations of the weight minimisation on one group of STATES weights: the states of an atom,
// padded with states that are not allowed. Twin of rust/core/src/ensemble.
#pragma once

#include "common.cuh"

#define FLOOR 1e-30              // weights at or below this are on the boundary
#define LARGEST_DECREASE 80.0    // steps on log ω below this leave a weight at the floor anyway
#define SMALLEST_PIVOT 1e-3      // of a preconditioner block, relative to its diagonal entry
#define UNBOUNDED 1e300          // limit of a multiplier without a bracket
#define EACH_STATE for (int m = 0; m < STATES; ++m)

// Newton step on ν, bisected into the bracket, and bounded while there is no bracket.
__device__ __forceinline__ double next_multiplier(double nu, double excess, double slope,
                                                  double low, double high) {
    double limit = 4.0 + fabs(nu);
    double following = nu + fmin(fmax(-excess / fmax(slope, 1e-300), -limit), limit);
    bool bounded = low > -UNBOUNDED && high < UNBOUNDED;
    return !bounded || (low < following && following < high) ? following : 0.5 * (low + high);
}

// ω·exp(ν q), floored and normalised; found: charge, and its derivative in ν.
__device__ __forceinline__ void normalise_group(double nu, const double *start,
                                                const double *charges,
                                                const unsigned char *allowed, double *weights,
                                                double found[2]) {
    double peak = -1e300, total = 0.0, mean = 0.0, square = 0.0;
    EACH_STATE if (allowed[m]) peak = fmax(peak, nu * charges[m]);
    EACH_STATE {
        double tilt = nu == 0.0 ? 1.0 : exp(nu * charges[m] - peak);
        weights[m] = allowed[m] ? fmax(start[m] * tilt, FLOOR) : 0.0;
        total += weights[m];
    }
    EACH_STATE {
        weights[m] /= total;
        mean += weights[m] * charges[m];
        square += weights[m] * charges[m] * charges[m];
    }
    found[0] = mean;
    found[1] = fmax(square - mean * mean, 0.0);
}

// Covariance of charge and gradient, variance of the charge, Σ ω |g|.
__device__ __forceinline__ void add_moments(const double *weights, const double *gradient,
                                            const double *charges, const unsigned char *allowed,
                                            double sums[3]) {
    double mean_q = 0.0, mean_g = 0.0;
    EACH_STATE if (allowed[m]) {
        mean_q += weights[m] * charges[m];
        mean_g += weights[m] * gradient[m];
    }
    EACH_STATE if (allowed[m]) {
        double dq = charges[m] - mean_q;
        sums[0] += weights[m] * dq * (gradient[m] - mean_g);
        sums[1] += weights[m] * dq * dq;
        sums[2] += weights[m] * fabs(gradient[m]);
    }
}

// Slacks s = g − λ − μ q, roots √ω of free weights, the charge normal √ω (q − q̄); returns the largest
// KKT residual.
__device__ __forceinline__ double slacks_of(double mu, const double *weights,
                                            const double *gradient, const double *charges,
                                            const unsigned char *allowed, double *slack,
                                            double *root, double *normal) {
    double lambda = 0.0, norm = 0.0, mean = 0.0, worst = 0.0;
    EACH_STATE if (allowed[m]) lambda += weights[m] * (gradient[m] - mu * charges[m]);
    EACH_STATE {
        double s = gradient[m] - mu * charges[m] - lambda;
        slack[m] = s;
        if (allowed[m]) worst = Larger()(worst, s < 0.0 ? -s : sqrt(weights[m]) * s);
        bool fixed = weights[m] <= 2.0 * FLOOR && s >= 0.0;
        root[m] = allowed[m] && !fixed ? sqrt(weights[m]) : 0.0;
        norm += root[m] * root[m];
        mean += root[m] * root[m] * charges[m];
    }
    EACH_STATE normal[m] = norm > 0.0 ? root[m] * (charges[m] - mean / norm) : 0.0;
    return worst;
}

// y = factor · root · x without its part along √ω.
__device__ __forceinline__ void tangent_of(double factor, const double *root, const double *x,
                                           double *y) {
    double norm = 0.0, part = 0.0;
    EACH_STATE {
        y[m] = factor * root[m] * x[m];
        norm += root[m] * root[m];
        part += root[m] * y[m];
    }
    if (norm > 0.0) EACH_STATE y[m] -= part / norm * root[m];
}

// ω·exp(y/√ω) where weight is lost, ω + √ω·y where it is gained.
__device__ __forceinline__ void retract_group(double scale, const double *weights,
                                              const double *root, const double *y, double *out) {
    EACH_STATE {
        double d = root[m] > 0.0 ? scale * y[m] / root[m] : 0.0;
        out[m] = weights[m] * (d < 0.0 ? exp(fmax(d, -LARGEST_DECREASE)) : 1.0 + d);
    }
}

// P A P for P = 1 − u uᵀ.
__device__ void project_block(double a[STATES][STATES], const double u[STATES]) {
    for (int r = 0; r < STATES; ++r) {
        double along = 0.0;
        for (int c = 0; c < STATES; ++c) along += a[r][c] * u[c];
        for (int c = 0; c < STATES; ++c) a[r][c] -= along * u[c];
    }
    for (int c = 0; c < STATES; ++c) {
        double along = 0.0;
        for (int r = 0; r < STATES; ++r) along += a[r][c] * u[r];
        for (int r = 0; r < STATES; ++r) a[r][c] -= along * u[r];
    }
}

// Inverse by L D Lᵀ with raised pivots.
__device__ void invert_positive(double a[STATES][STATES]) {
    double l[STATES][STATES], d[STATES];
    for (int j = 0; j < STATES; ++j) {
        double s = 0.0;
        for (int k = 0; k < j; ++k) s += l[j][k] * l[j][k] * d[k];
        double pivot = fabs(a[j][j] - s);
        d[j] = fmax(fmax(pivot, SMALLEST_PIVOT * fabs(a[j][j])), 1e-12);
        for (int r = j + 1; r < STATES; ++r) {
            double t = 0.0;
            for (int k = 0; k < j; ++k) t += l[r][k] * l[j][k] * d[k];
            l[r][j] = (a[r][j] - t) / d[j];
        }
    }
    for (int column = 0; column < STATES; ++column) {
        double x[STATES];
        for (int r = 0; r < STATES; ++r) {
            double s = r == column ? 1.0 : 0.0;
            for (int k = 0; k < r; ++k) s -= l[r][k] * x[k];
            x[r] = s;
        }
        for (int r = STATES - 1; r >= 0; --r) {
            double s = 0.0;
            for (int k = r + 1; k < STATES; ++k) s += l[k][r] * x[k];
            x[r] = x[r] / d[r] - s;
        }
        for (int r = 0; r < STATES; ++r) a[r][column] = x[r];
    }
}

// Replace a block H by the pseudo-inverse of P √ω H √ω P, P the projector orthogonal to √ω.
__device__ __forceinline__ void invert_block(const double *x, double *block) {
    double a[STATES][STATES], u[STATES], norm = 0.0, shift = 1e-12;
    for (int r = 0; r < STATES; ++r) norm += x[r] * x[r];
    norm = sqrt(norm);
    for (int r = 0; r < STATES; ++r) {
        u[r] = norm > 0.0 ? x[r] / norm : 0.0;
        for (int c = 0; c < STATES; ++c) a[r][c] = block[STATES * r + c] * x[r] * x[c];
    }
    project_block(a, u);
    for (int r = 0; r < STATES; ++r) shift = fmax(shift, fabs(a[r][r]));
    for (int r = 0; r < STATES; ++r)
        for (int c = 0; c < STATES; ++c)
            a[r][c] += shift * (u[r] * u[c] + (r == c && x[r] == 0.0 ? 1.0 : 0.0));
    invert_positive(a);
    project_block(a, u);
    for (int r = 0; r < STATES; ++r)
        for (int c = 0; c < STATES; ++c)
            block[STATES * r + c] = x[r] == 0.0 || x[c] == 0.0 ? 0.0 : a[r][c];
}
