// What one pair of atoms adds to the energy's derivatives in the state weights: to those of one of
// its ends, the other end adds its own. Used by one thread per atom (ect.cu) and by one block per
// structure (structures.cu).
#pragma once

#include "pairs.cuh"

// Σ_j Σ_N x_jN ρ_N(R_ij): what the weights, or changes of them, of all others make at an atom; every
// `stride`-th pair from `first` on.
__device__ __forceinline__ double density_of(const Near &near, const double *x, int first = 0,
                                             int stride = 1) {
    double sum = 0.0;
    for (int p = first; p < near.counts[near.i]; p += stride) {
        const double *there = x + (size_t)STATES * near.other(p);
        for (int state = 0; state < STATES; ++state)
            sum += near.value(p, HERE + state) * there[state];
    }
    return sum;
}

// Channels of a pair.
struct Channels {
    int count;
    const Channel *first;
};

__device__ __forceinline__ Channels channels_of(const PairPlaces *places, const Channel *channels,
                                                int pair) {
    return {places[pair].channels, channels + pair * CHANNELS};
}

// ∂E/∂ω of pair p, and its electrostatic and resonance energy; `slope` is the mean slope of the
// embedding energy of the other atom.
__device__ __forceinline__ double add_gradient(const Near &near, int p, const Channels &channels,
                                               const double *here, const double *there,
                                               double slope, double *g) {
    double energy = 0.0;
    for (int m = 0; m < STATES; ++m) {
        double phi = 0.0;
        for (int k = 0; k < STATES; ++k) phi += near.value(p, m * STATES + k) * there[k];
        energy += here[m] * phi;
        g[m] += phi + slope * near.value(p, THERE + m);
    }
    for (int c = 0; c < channels.count; ++c) {
        const Channel &channel = channels.first[c];
        Resonance found = resonance(channel, near.value(p, AMPLITUDES + c), here, there);
        energy -= 2.0 * found.strength;
        for (int s = 0; s < 2; ++s)
            g[channel.states[s]] -= 0.5 * found.strength * found.inverse[s];
    }
    return energy;
}

// One end of a pair in a Hessian product: weights, direction.
struct Along {
    const double *weights, *direction;
};

// Hessian times a direction, of pair p; `response` is the factor with which the other atom's density
// changes enter.
__device__ __forceinline__ void add_product(const Near &near, int p, const Channels &channels,
                                            const Along &here, const Along &there,
                                            double response, double *sum) {
    for (int m = 0; m < STATES; ++m) {
        for (int k = 0; k < STATES; ++k)
            sum[m] += near.value(p, m * STATES + k) * there.direction[k];
        sum[m] += response * near.value(p, THERE + m);
    }
    for (int c = 0; c < channels.count; ++c) {
        const Channel &channel = channels.first[c];
        Resonance found =
            resonance(channel, near.value(p, AMPLITUDES + c), here.weights, there.weights);
        double y[4], total = 0.0;
        for (int s = 0; s < 4; ++s) {
            y[s] = (s < 2 ? here : there).direction[channel.states[s]] * found.inverse[s];
            total += y[s];
        }
        for (int s = 0; s < 2; ++s)
            sum[channel.states[s]] -=
                0.125 * found.strength * found.inverse[s] * (total - 4.0 * y[s]);
    }
}

// The part of pair p in the atom's block of the Hessian; `curvature` is the mean one of the embedding
// energy of the other atom.
__device__ __forceinline__ void add_block(const Near &near, int p, const Channels &channels,
                                          const double *here, const double *there,
                                          double curvature, double block[STATES][STATES]) {
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k)
            block[m][k] += curvature * near.value(p, THERE + m) * near.value(p, THERE + k);
    for (int c = 0; c < channels.count; ++c) {
        const Channel &channel = channels.first[c];
        Resonance found = resonance(channel, near.value(p, AMPLITUDES + c), here, there);
        for (int s = 0; s < 2; ++s)
            for (int t = 0; t < 2; ++t)
                block[channel.states[s]][channel.states[t]] +=
                    (channel.states[s] == channel.states[t] ? 3.0 : -1.0) * 0.125 *
                    found.strength * found.inverse[s] * found.inverse[t];
    }
}
