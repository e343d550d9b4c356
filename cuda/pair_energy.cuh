// The functions of a pair from the tables: their values, which are kept while weights are sought, and
// its energy with the slope in the distance.
#pragma once

#include "pairs.cuh"

// Keep a pair of elements at a distance; value v at out[v · stride].
__device__ __forceinline__ void keep_pair([[maybe_unused]] const Functions &of,
                                          [[maybe_unused]] int here, [[maybe_unused]] int there,
                                          double r, kept *out, [[maybe_unused]] int stride) {
#ifdef LOOKUP
    *out = r;
#else
    Row row = row_of(of, here, there, r);
    for (int v = 0; v < VALUES; ++v) out[(size_t)v * stride] = row.value(v);
#endif
}

// One end of a pair: element, weights and mean slope of the embedding energy.
struct End {
    int element;
    const double *weights;
    double slope;
};

// Energy of a pair at a distance, and its derivative in it.
struct PairEnergy {
    double value, slope;
};

// Pair p of an atom; its values are those that were kept, its slopes are looked up.
__device__ __forceinline__ PairEnergy pair_energy(const Functions &of, const Near &near, int p,
                                                  double r, const End &here, const End &there) {
    int pair = here.element * of.elements + there.element;
    real kernel = 0, t;
    if (of.kernel.intervals > 0) {
        const real *row = of.kernel.row(r, &t);
        kernel = derivative(row, t) * (real)of.kernel.numbers.inverse_spacing;
    }
    real per_distance = (real)of.numbers[pair].inverse_spacing, inverse = (real)(1.0 / r);
    const real *rows = rows_of(of.numbers[pair], of.places[pair], of.rows, r, &t);
    auto slope = [&](int function) { return derivative(rows + 6 * function, t) * per_distance; };
    PairEnergy sum = {0.0, 0.0};
#pragma unroll 1  // fewer registers
    for (int m = 0; m < STATES; ++m) {
#pragma unroll 1
        for (int k = 0; k < STATES; ++k) {
            double both = here.weights[m] * there.weights[k];
            real qq = (real)(of.state_charges[here.element * STATES + m] *
                             of.state_charges[there.element * STATES + k]);
            real phi = near.value(p, m * STATES + k);
            sum.value += both * phi;
            // d(T/R)/dR = (T′ − φ)/R, T with the kernel's own.
            sum.slope += both * ((slope(m * STATES + k) + kernel * qq - phi) * inverse);
        }
        sum.slope += here.slope * slope(HERE + m) * there.weights[m];
        sum.slope += there.slope * slope(THERE + m) * here.weights[m];
    }
    for (int c = 0; c < of.places[pair].channels; ++c) {
        const Channel &channel = of.channels[pair * CHANNELS + c];
        Resonance unit = resonance(channel, 1.0, here.weights, there.weights);
        sum.value -= 2.0 * near.value(p, AMPLITUDES + c) * unit.strength;
        sum.slope -= 2.0 * slope(AMPLITUDES + c) * unit.strength;
    }
    return sum;
}
