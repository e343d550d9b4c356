// The functions of induced dipoles of a pair of atoms; twin of rust/core/src/{model,pairs}/dipoles.rs.
#pragma once

#include "pairs.cuh"

// f₁ of this atom's dipole with the other's states, of the other's dipole with this atom's states, f₁
// and f₂ of both dipoles (eV/e² Å⁻², Å⁻⁴).
#define OF_OTHER STATES
#define OF_BOTH (2 * STATES)
#define DIPOLE_VALUES (OF_BOTH + 2)

struct DipolePlaces {
    int first_interval, intervals;
};
// What point charges and dipoles leave to the pairs.
enum Points { NO_POINTS, SCREENED, SHIFTED };

// Tables of all pairs of elements; `parameter` is the splitting (Å⁻¹) or the cutoff (Å) of points.
struct DipoleFunctions {
    int elements, points;
    double parameter, coulomb;
    const PairNumbers *numbers;
    const DipolePlaces *places;
    const real *rows;
    const double *state_charges;
};

// The functions of a pair at a distance, and their derivatives in it over it.
struct DipoleRow {
    const real *rows;
    real t;
    double inverse, per_distance;
    double points[5];  // f₁, f₂ of a charge and a dipole, f₁, f₂, f₃ of two dipoles
    const double *here, *there;  // charges of the states

    // What points add: of a charge, or of dipoles.
    __device__ __forceinline__ double point(int v, int order) const {
        if (v >= OF_BOTH) return points[2 + v - OF_BOTH + order];
        return points[order] * (v < OF_OTHER ? there[v] : here[v - OF_OTHER]);
    }
    __device__ __forceinline__ double value(int v) const {
        double square = inverse * inverse, power = square * inverse;
        if (v == OF_BOTH + 1) power *= square;
        return polynomial(rows + 6 * v, t) * power + point(v, 0);
    }
    // (P/Rⁿ)′/R = (P′ − nP/R)/Rⁿ⁺¹.
    __device__ __forceinline__ double slope(int v) const {
        int n = v == OF_BOTH + 1 ? 5 : 3;
        double square = inverse * inverse, power = square * square;
        if (n == 5) power *= square;
        double own = derivative(rows + 6 * v, t) * per_distance;
        return (own - n * inverse * polynomial(rows + 6 * v, t)) * power + point(v, 1);
    }
};

__device__ __forceinline__ DipoleRow dipole_row(const DipoleFunctions &of, int here, int there,
                                                double r) {
    int pair = here * of.elements + there;
    DipoleRow row = {nullptr, 0, 1.0 / r, of.numbers[pair].inverse_spacing,
                     {0.0, 0.0, 0.0, 0.0, 0.0},
                     of.state_charges + here * STATES, of.state_charges + there * STATES};
    const DipolePlaces &places = of.places[pair];
    Interval in = interval_of(of.numbers[pair].start, row.per_distance, places.intervals, r);
    row.rows = of.rows + (size_t)6 * DIPOLE_VALUES * (places.first_interval + in.index);
    row.t = in.t;
    if (of.points == SHIFTED) formulas::shifted_multipole(of.parameter, r, row.points);
    if (of.points == SCREENED) {
        formulas::screened_multipole(of.parameter, r, row.points + 2);
        for (int k = 0; k < 2; ++k) row.points[k] = row.points[2 + k];
    }
    for (int k = 0; k < 5; ++k) row.points[k] *= of.coulomb;
    return row;
}

// What is kept of a pair's functions; all of them are looked up where LOOKUP is defined.
struct KeptDipoles {
    const real *first;
    size_t stride;
    __device__ __forceinline__ double value(int v) const { return first[v * stride]; }
};

// Pairs of the atoms within the cutoff.
struct DipolePairs {
    List list;
    const Quad *sorted;
    const real *values;
    DipoleFunctions functions;
    const unsigned char *species;

    __device__ __forceinline__ DipoleRow looked_up(int i, int j, const double d[3]) const {
        return dipole_row(functions, species[i], species[j], sqrt(squared(d)));
    }
#ifdef LOOKUP
    __device__ __forceinline__ DipoleRow at(int i, int, int j, const double d[3]) const {
        return looked_up(i, j, d);
    }
#else
    __device__ __forceinline__ KeptDipoles at(int i, int p, int, const double *) const {
        return {values + (size_t)p * DIPOLE_VALUES * list.n + i, (size_t)list.n};
    }
#endif
};

#define DIPOLES                                                                                \
    int n, int bits, const int *__restrict__ near_counts,                                      \
        const unsigned *__restrict__ near_words, const Quad *__restrict__ sorted,              \
        const double *__restrict__ translations, const real *__restrict__ dipole_values,       \
        int elements, const unsigned char *__restrict__ species, int points, double parameter, \
        double coulomb, const PairNumbers *__restrict__ numbers,                               \
        const DipolePlaces *__restrict__ places, const real *__restrict__ rows,                \
        const double *__restrict__ state_charges,                                              \
        const double *__restrict__ polarisabilities
#define DIPOLE_PAIRS                                                                           \
    {{n, bits, 0.0, near_counts, near_words, translations}, sorted, dipole_values,             \
     {elements, points, parameter, coulomb, numbers, places, rows, state_charges}, species}
