// Polynomials on equal intervals, six coefficients (of t⁵ … 1) a row; twin of
// rust/core/src/terms/pieces.rs.
#pragma once

#include "common.cuh"

// Interval of a table, and where in it: t = 0 … 1.
struct Interval {
    int index;
    real t;
};

__device__ __forceinline__ Interval interval_of(double start, double inverse_spacing, int intervals,
                                                double r) {
    double x = fmin(fmax((r - start) * inverse_spacing, 0.0), (double)intervals);
    int index = min((int)x, intervals - 1);
    return {index, (real)(x - index)};
}

__device__ __forceinline__ real polynomial(const real *c, real t) {
    real sum = c[0];
    for (int k = 1; k < 6; ++k) sum = fma(sum, t, c[k]);
    return sum;
}

// Derivative in t of the same polynomial.
__device__ __forceinline__ real derivative(const real *c, real t) {
    real sum = 5 * c[0];
    for (int k = 1; k < 5; ++k) sum = fma(sum, t, (5 - k) * c[k]);
    return sum;
}
