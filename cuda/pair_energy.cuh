// The functions of a pair from the tables: their values, which are kept while weights are sought, and
// its energy with the slope in the distance.
#pragma once

#include "pairs.cuh"

// Tables of all pairs of elements, and the kernel of the point charges (no intervals: none).
struct Functions {
    int elements;
    const PairNumbers *numbers;
    const PairPlaces *places;
    const double *knots;
    const Channel *channels;
    const double *state_charges;
    PairNumbers kernel;
    int kernel_intervals;
    const double *kernel_knots;
};

// All functions of a pair of elements at a distance; value v at out[v · stride].
__device__ __forceinline__ void store_values(const Functions &of, int here, int there, double r,
                                             double *out, int stride) {
    int pair = here * of.elements + there;
    double kernel = 0.0;
    if (of.kernel_intervals > 0) {
        Lookup at = lookup(of.kernel.start, of.kernel.inverse_spacing, of.kernel_intervals, r);
        kernel = combine(of.kernel_knots + 3 * at.knot, 3, at.value);
    }
    PairPlaces places = of.places[pair];
    Lookup at =
        lookup(of.numbers[pair].start, of.numbers[pair].inverse_spacing, places.intervals, r);
    const double *first = of.knots + (size_t)3 * VALUES * (places.first_knot + at.knot);
    for (int v = 0; v < VALUES; ++v) {
        double value = function_of(first, v, at.value);
        if (v < HERE) {
            double qq = of.state_charges[here * STATES + v / STATES] *
                        of.state_charges[there * STATES + v % STATES];
            value = (value + kernel * qq) / r;
        }
        out[(size_t)v * stride] = value;
    }
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
    double kernel = 0.0;
    if (of.kernel_intervals > 0) {
        Lookup at = lookup(of.kernel.start, of.kernel.inverse_spacing, of.kernel_intervals, r);
        kernel = combine(of.kernel_knots + 3 * at.knot, 3, at.slope);
    }
    PairPlaces places = of.places[pair];
    Lookup at =
        lookup(of.numbers[pair].start, of.numbers[pair].inverse_spacing, places.intervals, r);
    const double *first = of.knots + (size_t)3 * VALUES * (places.first_knot + at.knot);
    PairEnergy sum = {0.0, 0.0};
#pragma unroll 1  // fewer registers
    for (int m = 0; m < STATES; ++m) {
#pragma unroll 1
        for (int k = 0; k < STATES; ++k) {
            double both = here.weights[m] * there.weights[k];
            double qq = of.state_charges[here.element * STATES + m] *
                        of.state_charges[there.element * STATES + k];
            double phi = near.value(p, m * STATES + k);
            double times_r = function_of(first, m * STATES + k, at.slope);
            sum.value += both * phi;
            // d(T/R)/dR = (T′ − φ)/R, T with the kernel's own.
            sum.slope += both * (times_r + kernel * qq - phi) / r;
        }
        sum.slope += here.slope * function_of(first, HERE + m, at.slope) * there.weights[m];
        sum.slope += there.slope * function_of(first, THERE + m, at.slope) * here.weights[m];
    }
    for (int c = 0; c < places.channels; ++c) {
        const Channel &channel = of.channels[pair * CHANNELS + c];
        Resonance unit = resonance(channel, 1.0, here.weights, there.weights);
        sum.value -= 2.0 * near.value(p, AMPLITUDES + c) * unit.strength;
        sum.slope -= 2.0 * function_of(first, AMPLITUDES + c, at.slope) * unit.strength;
    }
    return sum;
}
