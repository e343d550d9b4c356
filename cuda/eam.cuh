// Functions of pairs of atoms with one neutral state per element; twin of rust/core/src/eam.
//
// Functions of an ordered pair of elements are polynomials of s = R², in rows of FUNCTIONS · 6
// doubles: φ, the density at the first atom and, with several elements, that at the second. Rows
// that the engine left out (NaN) or that lie outside the table are looked up in its own knots.
#pragma once

#include "list.cuh"
#include "rows.cuh"
#include "tables.cuh"

struct PairNumbers {
    double offset, inverse, start, inverse_spacing;
};
struct PairPlaces {
    int first_row, rows, first_knot, intervals;
};

// All that is looked up for pairs.
struct PairTables {
    int elements;
    double min2;
    const PairNumbers *numbers;
    const PairPlaces *places;
    const real *rows;
    const double *knots;
};

// φ (eV), twice the derivatives in s of φ and of the densities at the first and the second atom.
struct PairValue {
    real phi, phi_slope, first_slope, second_slope;
};

struct ValueSlope {
    double value, slope;
};

// A function and its slope in R from the engine's own knots.
template <int FUNCTIONS>
__device__ ValueSlope from_knots(const PairTables &tables, int pair, int function, double r) {
    PairNumbers numbers = tables.numbers[pair];
    PairPlaces places = tables.places[pair];
    Lookup at = lookup(numbers.start, numbers.inverse_spacing, places.intervals, r);
    const double *knots =
        tables.knots + 3 * ((size_t)FUNCTIONS * (places.first_knot + at.knot) + function);
    int stride = 3 * FUNCTIONS;
    return {combine(knots, stride, at.value), combine(knots, stride, at.slope)};
}

// All functions from the engine's own knots: rare, and too long for the registers of the loop.
template <int FUNCTIONS>
__device__ __noinline__ PairValue exact(const PairTables &tables, int pair, double s) {
    double r = sqrt(s);
    ValueSlope f[3];
    for (int k = 0; k < FUNCTIONS; ++k) f[k] = from_knots<FUNCTIONS>(tables, pair, k, r);
    if (FUNCTIONS == 2) f[2] = f[1];
    double phi = f[0].value / r;
    return {(real)phi, (real)((f[0].slope - phi) / s), (real)(f[1].slope / r),
            (real)(f[2].slope / r)};
}

// A row of a squared distance and t = −½ … ½ in it; null where the engine has none.
template <int FUNCTIONS>
__device__ __forceinline__ const real *row_of(const PairTables &tables, const PairNumbers &numbers,
                                              const PairPlaces &places, double s, real *t) {
    double x = fma(s, numbers.inverse, numbers.offset);
    double whole = rint(x);
    *t = (real)(x - whole);
    if (!(whole >= 0.0 && whole < places.rows)) return nullptr;
    const real *row = tables.rows + (size_t)6 * FUNCTIONS * (places.first_row + (int)whole);
    return row[0] == row[0] ? row : nullptr;
}

// Density of a pair at its first atom; `close` if the atoms are closer than the tables reach.
template <int FUNCTIONS>
__device__ __forceinline__ double density_of(const PairTables &tables, int pair, double s,
                                             bool *close) {
    real t;
    const real *row = row_of<FUNCTIONS>(tables, tables.numbers[pair], tables.places[pair], s, &t);
    if (row) return polynomial(row + 6, t);
    *close = s < tables.min2;
    return *close ? 0.0 : from_knots<FUNCTIONS>(tables, pair, 1, sqrt(s)).value;
}

// All functions of a pair; zero if the atoms are too close.
template <int FUNCTIONS>
__device__ __forceinline__ PairValue value_of(const PairTables &tables, int pair, double s) {
    real t;
    PairNumbers numbers = tables.numbers[pair];
    const real *row = row_of<FUNCTIONS>(tables, numbers, tables.places[pair], s, &t);
    if (!row && s < tables.min2) return {0, 0, 0, 0};
    if (!row) return exact<FUNCTIONS>(tables, pair, s);
    real twice = (real)(2.0 * numbers.inverse), first = twice * derivative(row + 6, t);
    return {polynomial(row, t), twice * derivative(row, t), first,
            FUNCTIONS == 3 ? twice * derivative(row + 6 * (FUNCTIONS - 1), t) : first};
}

// Tell the host of an atom with a neighbour too close: the first one in sorted order.
__device__ __forceinline__ void report(int *too_close, int i) { atomicMin(too_close, i); }

#define TABLES                                                                                 \
    int elements, double min2, const PairNumbers *__restrict__ pair_numbers,                   \
        const PairPlaces *__restrict__ pair_places, const real *__restrict__ rows,             \
        const double *__restrict__ knots
