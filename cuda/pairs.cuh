// The functions of a pair of atoms with state weights. STATES (most states of an element) and CHANNELS
// (most charge-transfer channels of a pair of elements) are given when this text is compiled.
#pragma once

#include "list.cuh"
#include "rows.cuh"
#include "tables.cuh"

// φ_MN with the point charges (eV), densities of the other atom's states here and of this atom's
// states there (e/Å³), channel amplitudes (eV).
#define HERE (STATES * STATES)
#define THERE (HERE + STATES)
#define AMPLITUDES (THERE + STATES)
#define VALUES (AMPLITUDES + CHANNELS)

struct PairNumbers {
    double start, inverse_spacing;
};
struct PairPlaces {
    int first_interval, intervals, channels;
};
// Initial and final state here, initial and final state there.
struct Channel {
    int states[4];
};

// What a point charge adds to R times the functions of a pair; no intervals: nothing.
struct Kernel {
    PairNumbers numbers;
    int intervals;
    const real *rows;

    __device__ __forceinline__ const real *row(double r, real *t) const {
        Interval in = interval_of(numbers.start, numbers.inverse_spacing, intervals, r);
        *t = in.t;
        return rows + 6 * in.index;
    }
};

// Rows of all functions of a pair at a distance.
__device__ __forceinline__ const real *rows_of(const PairNumbers &numbers,
                                               const PairPlaces &places, const real *rows,
                                               double r, real *t) {
    Interval in = interval_of(numbers.start, numbers.inverse_spacing, places.intervals, r);
    *t = in.t;
    return rows + (size_t)6 * VALUES * (places.first_interval + in.index);
}

// Tables of all pairs of elements.
struct Functions {
    int elements;
    const PairNumbers *numbers;
    const PairPlaces *places;
    const real *rows;
    const Channel *channels;
    const double *state_charges;
    Kernel kernel;
};

// The functions of a pair at a distance.
struct Row {
    const real *rows;
    real t, kernel, inverse;
    const double *here, *there;  // charges of the states

    __device__ __forceinline__ real value(int v) const {
        real found = polynomial(rows + 6 * v, t);
        if (v >= HERE) return found;
        return (found + kernel * (real)(here[v / STATES] * there[v % STATES])) * inverse;
    }
};

__device__ __forceinline__ Row row_of(const Functions &of, int here, int there, double r) {
    int pair = here * of.elements + there;
    Row row = {nullptr, 0, 0, (real)(1.0 / r), of.state_charges + here * STATES,
               of.state_charges + there * STATES};
    if (of.kernel.intervals > 0) {
        const real *kernel = of.kernel.row(r, &row.t);
        row.kernel = polynomial(kernel, row.t);
    }
    row.rows = rows_of(of.numbers[pair], of.places[pair], of.rows, r, &row.t);
    return row;
}

// What is kept of a pair: the values of its functions; or, if LOOKUP is defined when this text is
// compiled, its distance alone, and the functions are looked up whenever they are needed.
#ifdef LOOKUP
#define KEPT 1
typedef double kept;
#else
#define KEPT VALUES
typedef real kept;
#endif

// Pairs of an atom, and the values of one of them.
struct Near {
    int n, i, bits;
    const int *counts;
    const unsigned *words;
    const kept *values;
#ifdef LOOKUP
    Functions functions;
    const unsigned char *species;
#endif

    __device__ __forceinline__ int other(int p) const {
        return words[(size_t)p * n + i] & ((1u << bits) - 1u);
    }
    __device__ __forceinline__ real value(int p, int k) const {
#ifdef LOOKUP
        return row_of(functions, species[i], species[other(p)], values[(size_t)p * n + i])
            .value(k);
#else
        return values[((size_t)p * VALUES + k) * n + i];
#endif
    }
};

#define NEAR_LIST                                                                              \
    int n, int bits, const int *__restrict__ near_counts,                                      \
        const unsigned *__restrict__ near_words, const kept *__restrict__ values
#ifdef LOOKUP
#define NEAR                                                                                   \
    NEAR_LIST, int all_elements, const unsigned char *__restrict__ all_species,                \
        const PairNumbers *__restrict__ all_numbers, const PairPlaces *__restrict__ all_places, \
        const real *__restrict__ all_rows, const double *__restrict__ all_charges,             \
        double point_start, double point_inverse_spacing, int point_intervals,                 \
        const real *__restrict__ point_rows
#define NEAR_OF(ATOM)                                                                          \
    {n, ATOM, bits, near_counts, near_words, values,                                           \
     {all_elements, all_numbers, all_places, all_rows, nullptr, all_charges,                   \
      {{point_start, point_inverse_spacing}, point_intervals, point_rows}},                    \
     all_species}
#else
#define NEAR NEAR_LIST
#define NEAR_OF(ATOM)                                                                          \
    { n, ATOM, bits, near_counts, near_words, values }
#endif
#define SPECIES                                                                                \
    int elements, const unsigned char *__restrict__ species,                                   \
        const PairPlaces *__restrict__ pair_places, const Channel *__restrict__ channels

// Resonance of one channel of a pair: strength t·G and the inverse weights of its four states.
struct Resonance {
    double strength, inverse[4];
};

__device__ __forceinline__ double inverse_of(double weight) {
    return weight > 0.0 ? 1.0 / weight : 0.0;
}

__device__ __forceinline__ Resonance resonance(const Channel &channel, double amplitude,
                                               const double *here, const double *there) {
    double weights[4] = {here[channel.states[0]], here[channel.states[1]],
                         there[channel.states[2]], there[channel.states[3]]};
    Resonance found;
    found.strength = amplitude * formulas::resonance_mean(weights);
    for (int s = 0; s < 4; ++s) found.inverse[s] = inverse_of(weights[s]);
    return found;
}
