// Look-ups in the engine's tables; twin of rust/core/src/tables.rs and model/state.rs.
#pragma once

#include "common.cuh"

// Basis of the quintic Hermite polynomial between two knots.
struct Lookup {
    int knot;
    double value[6], slope[6], curvature[6];
};

// Basis at r, clamped to the table; knots are at start + k / inverse_spacing.
__device__ inline Lookup lookup(double start, double inverse_spacing, int intervals, double r) {
    double x = fmin(fmax((r - start) * inverse_spacing, 0.0), (double)intervals);
    int knot = min((int)x, intervals - 1);
    double t = x - knot, s = 1.0 - t, h = inverse_spacing;
    double t3 = t * t * t, s3 = s * s * s, ts = t * t * s * s;
    return {knot,
            {s3 * (1.0 + t * (3.0 + 6.0 * t)), s3 * t * (1.0 + 3.0 * t), 0.5 * s3 * t * t,
             t3 * (1.0 + s * (3.0 + 6.0 * s)), -t3 * s * (1.0 + 3.0 * s), 0.5 * t3 * s * s},
            {-30.0 * ts * h, s * s * (1.0 + t * (2.0 - 15.0 * t)) * h,
             0.5 * s * s * t * (2.0 - 5.0 * t) * h, 30.0 * ts * h,
             t * t * (1.0 + s * (2.0 - 15.0 * s)) * h,
             -0.5 * t * t * s * (2.0 - 5.0 * s) * h},
            {-60.0 * t * s * (1.0 - 2.0 * t) * h * h, -12.0 * t * s * (3.0 - 5.0 * t) * h * h,
             s * (1.0 - t * (8.0 - 10.0 * t)) * h * h, -60.0 * t * s * (1.0 - 2.0 * s) * h * h,
             12.0 * t * s * (3.0 - 5.0 * s) * h * h, t * (1.0 - s * (8.0 - 10.0 * s)) * h * h}};
}

// Combination of the numbers of a function at two knots, `stride` doubles apart.
__device__ inline double combine(const double *knots, int stride, const double basis[6]) {
    double sum = 0.0;
    for (int k = 0; k < 3; ++k) sum += basis[k] * knots[k] + basis[3 + k] * knots[stride + k];
    return sum;
}

// What is known of an embedding energy: see `OneStateTables` in the engine.
struct EmbeddingNumbers {
    double energy, parameter, end, inverse_spacing, last, last_slope;
};
struct EmbeddingPlaces {
    int kind, first, count;
};
enum EmbeddingKind { NO_EMBEDDING, ROOT_POLYNOMIAL, SPLINE, LOGARITHMIC };

using formulas::Jet;

// A spline of the density, straight beyond its end.
__device__ inline Jet spline(const EmbeddingNumbers *numbers, int intervals, const double *knots,
                             double x) {
    if (x > numbers->end) {
        double value = numbers->last + numbers->last_slope * (x - numbers->end);
        return {value, numbers->last_slope, 0.0};
    }
    Lookup at = lookup(0.0, numbers->inverse_spacing, intervals, x);
    knots += 3 * at.knot;
    return {combine(knots, 3, at.value), combine(knots, 3, at.slope),
            combine(knots, 3, at.curvature)};
}

// Embedding energy (eV) at a density and its derivatives; without the energy of the state.
__device__ inline Jet embedding(const EmbeddingNumbers *numbers, const EmbeddingPlaces *places,
                                const double *values, double density) {
    values += places->first;
    if (places->kind == NO_EMBEDDING) return {0.0, 0.0, 0.0};
    if (places->kind == SPLINE) return spline(numbers, places->count, values, density);
    density = fmax(density, 0.0);
    double parameter = numbers->parameter;
    if (places->kind == ROOT_POLYNOMIAL)
        return formulas::root_polynomial(parameter, values, places->count, density);
    Jet f = spline(numbers, places->count, values, log1p(density / parameter));
    double slope = 1.0 / (density + parameter);
    return {f.value, f.slope * slope, (f.curvature - f.slope) * slope * slope};
}
