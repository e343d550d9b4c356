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

// Pairs of an atom, and the values of one of them.
struct Near {
    int n, i, bits;
    const int *counts;
    const unsigned *words;
    const real *values;

    __device__ __forceinline__ int other(int p) const {
        return words[(size_t)p * n + i] & ((1u << bits) - 1u);
    }
    __device__ __forceinline__ real value(int p, int k) const {
        return values[((size_t)p * VALUES + k) * n + i];
    }
};

#define NEAR                                                                                   \
    int n, int bits, const int *__restrict__ near_counts,                                      \
        const unsigned *__restrict__ near_words, const real *__restrict__ values
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
