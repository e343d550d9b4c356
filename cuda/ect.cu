// Energy, gradient and Hessian products in the state weights, forces and virial; twin of
// rust/core/src/energy. STATES (most states of an element) and CHANNELS (most charge-transfer
// channels of a pair of elements) are given when this text is compiled.
//
// One thread per atom over its full list: every sum is made by the atom that it belongs to. The
// functions of a pair are looked up once per geometry and kept: product after product streams
// 4 + 8 · VALUES bytes per pair, next to what is read of the other atom (8 · STATES bytes, mostly
// from the caches). Value k of the pair that is number p of atom i: values[(p · VALUES + k) · n + i].
#include "list.cuh"
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
    int first_knot, intervals, channels;
};
// Initial and final state here, initial and final state there.
struct Channel {
    int states[4];
};

// Combination of one function of a pair.
__device__ __forceinline__ double function_of(const double *knots, int function,
                                              const double basis[6]) {
    return combine(knots + 3 * function, 3 * VALUES, basis);
}

// Pairs of an atom, and the values of one of them.
struct Near {
    int n, i, bits;
    const int *counts;
    const unsigned *words;
    const double *values;

    __device__ __forceinline__ int other(int p) const {
        return words[(size_t)p * n + i] & ((1u << bits) - 1u);
    }
    __device__ __forceinline__ double value(int p, int k) const {
        return values[((size_t)p * VALUES + k) * n + i];
    }
};

#define NEAR                                                                                   \
    int n, int bits, const int *__restrict__ near_counts,                                      \
        const unsigned *__restrict__ near_words, const double *__restrict__ values
#define SPECIES                                                                                \
    int elements, const unsigned char *__restrict__ species,                                   \
        const PairPlaces *__restrict__ pair_places, const Channel *__restrict__ channels

// Pairs within the cutoff, and all of their functions. Per pair 864 bytes (3 states, no channels:
// 720) are read from the tables, mostly from the caches, and 4 + 8 · VALUES written.
extern "C" __global__ void __launch_bounds__(BLOCK) fill_pairs(
    LIST, double min2, const Quad *__restrict__ sorted, int elements,
    const unsigned char *__restrict__ species, const PairNumbers *__restrict__ numbers,
    const PairPlaces *__restrict__ places, const double *__restrict__ knots,
    const double *__restrict__ charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const double *__restrict__ kernel_knots, int *__restrict__ near_counts,
    unsigned *__restrict__ near_words, double *__restrict__ values, int *__restrict__ too_close) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    Quad here = sorted[i];
    int element = species[i], found = 0;
    for (int k = 0; k < counts[i]; ++k) {
        double d[3], w;
        int j = separation(list, sorted, i, here, k, d, &w);
        double s = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        if (!(s < cutoff2)) continue;
        if (s < min2) atomicMin(too_close, i);
        double r = sqrt(s), kernel = 0.0;
        int pair = element * elements + species[j];
        if (kernel_intervals > 0) {
            Lookup at = lookup(kernel_start, kernel_inverse_spacing, kernel_intervals, r);
            kernel = combine(kernel_knots + 3 * at.knot, 3, at.value);
        }
        Lookup at = lookup(numbers[pair].start, numbers[pair].inverse_spacing,
                           places[pair].intervals, r);
        const double *first = knots + (size_t)3 * VALUES * (places[pair].first_knot + at.knot);
        double *out = values + (size_t)found * VALUES * n + i;
        for (int v = 0; v < VALUES; ++v) {
            double value = function_of(first, v, at.value);
            if (v < HERE) {
                double qq = charges[element * STATES + v / STATES] *
                            charges[species[j] * STATES + v % STATES];
                value = (value + kernel * qq) / r;
            }
            out[(size_t)v * n] = value;
        }
        near_words[(size_t)found * n + i] = list.words[(size_t)k * n + i];
        ++found;
    }
    near_counts[i] = found;
}

// Σ_j Σ_N x_jN ρ_N(R_ij): what the weights, or changes of them, of all others make at an atom.
__device__ __forceinline__ double density_of(const Near &near, const double *x) {
    double sum = 0.0;
    for (int p = 0; p < near.counts[near.i]; ++p) {
        const double *there = x + (size_t)STATES * near.other(p);
        for (int state = 0; state < STATES; ++state)
            sum += near.value(p, HERE + state) * there[state];
    }
    return sum;
}

// Background density, embedding energies, charges: everything of an atom that its neighbours then
// look at. `slopes` are those of the embedding energy of each state; `means` their average and
// that of the curvatures.
extern "C" __global__ void __launch_bounds__(BLOCK) sites(
    NEAR, const unsigned char *__restrict__ species, const double *__restrict__ weights,
    const EmbeddingNumbers *__restrict__ embedding_numbers,
    const EmbeddingPlaces *__restrict__ embedding_places,
    const double *__restrict__ embedding_values, const double *__restrict__ state_charges,
    double *__restrict__ background, double *__restrict__ energies, double *__restrict__ slopes,
    double2 *__restrict__ means, double *__restrict__ charges) {
    int i = thread_index();
    if (i >= n) return;
    double density = density_of({n, i, bits, near_counts, near_words, values}, weights);
    double2 mean = {0.0, 0.0};
    double charge = 0.0;
    for (int m = 0; m < STATES; ++m) {
        int state = species[i] * STATES + m, slot = i * STATES + m;
        Jet f = embedding(embedding_numbers + state, embedding_places + state, embedding_values,
                          density);
        energies[slot] = embedding_numbers[state].energy + f.value;
        slopes[slot] = f.slope;
        mean.x += weights[slot] * f.slope;
        mean.y += weights[slot] * f.curvature;
        charge += weights[slot] * state_charges[state];
    }
    background[i] = density;
    means[i] = mean;
    charges[i] = charge;
}

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

// ∂E/∂ω, and for every block its part of the energy with the entropy. `potential` is that of the
// point charges beyond the pairs, `self_potential` that of an atom's own charge, eV/e.
extern "C" __global__ void __launch_bounds__(BLOCK) gradient(
    NEAR, SPECIES, double temperature, double self_potential, const double *__restrict__ weights,
    const double *__restrict__ energies, const double2 *__restrict__ means,
    const double *__restrict__ charges, const double *__restrict__ potential,
    const double *__restrict__ state_charges, double *__restrict__ out,
    double *__restrict__ sums) {
    int i = thread_index();
    double energy = 0.0;
    if (i < n) {
        Near near = {n, i, bits, near_counts, near_words, values};
        const double *here = weights + (size_t)STATES * i;
        int element = species[i];
        double g[STATES], half = 0.0;
        for (int m = 0; m < STATES; ++m) g[m] = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            int j = near.other(p), pair = element * elements + species[j];
            const double *there = weights + (size_t)STATES * j;
            for (int m = 0; m < STATES; ++m) {
                double phi = 0.0;
                for (int k = 0; k < STATES; ++k) phi += near.value(p, m * STATES + k) * there[k];
                half += here[m] * phi;
                g[m] += phi + means[j].x * near.value(p, THERE + m);
            }
            for (int c = 0; c < pair_places[pair].channels; ++c) {
                const Channel &channel = channels[pair * CHANNELS + c];
                Resonance found = resonance(channel, near.value(p, AMPLITUDES + c), here, there);
                half -= 2.0 * found.strength;
                for (int s = 0; s < 2; ++s)
                    g[channel.states[s]] -= 0.5 * found.strength * found.inverse[s];
            }
        }
        double v = potential[i] + self_potential * charges[i];
        energy = 0.5 * (half + charges[i] * v);
        for (int m = 0; m < STATES; ++m) {
            int slot = i * STATES + m;
            double total = g[m] + energies[slot] + v * state_charges[element * STATES + m];
            energy += here[m] * energies[slot];
            if (here[m] > 0.0) {
                Jet entropy = formulas::entropy(here[m]);
                energy += temperature * entropy.value;
                if (temperature > 0.0) total += temperature * entropy.slope;
            }
            out[slot] = total;
        }
    }
    double sum = block_reduce(energy, Sum());
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// First half of a Hessian product: the part of the atom itself, its charge along the direction, and
// the factor with which its density changes enter its neighbours' rows.
extern "C" __global__ void __launch_bounds__(BLOCK) respond(
    NEAR, const unsigned char *__restrict__ species, double temperature,
    const double *__restrict__ weights, const double *__restrict__ slopes,
    const double2 *__restrict__ means, const double *__restrict__ state_charges,
    const double *__restrict__ direction, double *__restrict__ out, double *__restrict__ response,
    double *__restrict__ charges) {
    int i = thread_index();
    if (i >= n) return;
    double change = density_of({n, i, bits, near_counts, near_words, values}, direction);
    double coupling = 0.0, charge = 0.0;
    for (int m = 0; m < STATES; ++m) {
        int slot = i * STATES + m;
        coupling += direction[slot] * slopes[slot];
        charge += direction[slot] * state_charges[species[i] * STATES + m];
        out[slot] = slopes[slot] * change +
                    temperature * direction[slot] * inverse_of(weights[slot]);
    }
    response[i] = coupling + means[i].y * change;
    charges[i] = charge;
}

// Second half: what the neighbours add.
extern "C" __global__ void __launch_bounds__(BLOCK) product(
    NEAR, SPECIES, double self_potential, const double *__restrict__ weights,
    const double *__restrict__ direction, const double *__restrict__ response,
    const double *__restrict__ charges, const double *__restrict__ potential,
    const double *__restrict__ state_charges, double *__restrict__ out) {
    int i = thread_index();
    if (i >= n) return;
    Near near = {n, i, bits, near_counts, near_words, values};
    const double *here = weights + (size_t)STATES * i, *along = direction + (size_t)STATES * i;
    int element = species[i];
    double sum[STATES];
    for (int m = 0; m < STATES; ++m) sum[m] = 0.0;
    for (int p = 0; p < near_counts[i]; ++p) {
        int j = near.other(p), pair = element * elements + species[j];
        const double *there = weights + (size_t)STATES * j;
        const double *along_there = direction + (size_t)STATES * j;
        for (int m = 0; m < STATES; ++m) {
            for (int k = 0; k < STATES; ++k)
                sum[m] += near.value(p, m * STATES + k) * along_there[k];
            sum[m] += response[j] * near.value(p, THERE + m);
        }
        for (int c = 0; c < pair_places[pair].channels; ++c) {
            const Channel &channel = channels[pair * CHANNELS + c];
            Resonance found = resonance(channel, near.value(p, AMPLITUDES + c), here, there);
            double y[4], total = 0.0;
            for (int s = 0; s < 4; ++s) {
                y[s] = (s < 2 ? along : along_there)[channel.states[s]] * found.inverse[s];
                total += y[s];
            }
            for (int s = 0; s < 2; ++s)
                sum[channel.states[s]] -=
                    0.125 * found.strength * found.inverse[s] * (total - 4.0 * y[s]);
        }
    }
    double v = potential[i] + self_potential * charges[i];
    for (int m = 0; m < STATES; ++m)
        out[i * STATES + m] += sum[m] + v * state_charges[element * STATES + m];
}

// Hessian blocks of the atoms, for the preconditioner: entropy, resonance, and the response of the
// others' embedding energies to the density of this atom.
extern "C" __global__ void __launch_bounds__(BLOCK) blocks(
    NEAR, SPECIES, double temperature, const double *__restrict__ weights,
    const double2 *__restrict__ means, double *__restrict__ out) {
    int i = thread_index();
    if (i >= n) return;
    Near near = {n, i, bits, near_counts, near_words, values};
    const double *here = weights + (size_t)STATES * i;
    double block[STATES][STATES];
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k)
            block[m][k] = m == k ? temperature * inverse_of(here[m]) : 0.0;
    for (int p = 0; p < near_counts[i]; ++p) {
        int j = near.other(p), pair = species[i] * elements + species[j];
        for (int m = 0; m < STATES; ++m)
            for (int k = 0; k < STATES; ++k)
                block[m][k] += means[j].y * near.value(p, THERE + m) * near.value(p, THERE + k);
        for (int c = 0; c < pair_places[pair].channels; ++c) {
            const Channel &channel = channels[pair * CHANNELS + c];
            Resonance found = resonance(channel, near.value(p, AMPLITUDES + c), here,
                                        weights + (size_t)STATES * j);
            for (int s = 0; s < 2; ++s)
                for (int t = 0; t < 2; ++t)
                    block[channel.states[s]][channel.states[t]] +=
                        (channel.states[s] == channel.states[t] ? 3.0 : -1.0) * 0.125 *
                        found.strength * found.inverse[s] * found.inverse[t];
        }
    }
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k) out[(i * STATES + m) * STATES + k] = block[m][k];
}

// Force and energy (without the entropy) of every atom at fixed weights, in sorted order, and for
// every block its part of dA/dstrain (xx yy zz yz xz xy). Per pair the tables are read once more.
extern "C" __global__ void __launch_bounds__(BLOCK) pair_forces(
    NEAR, SPECIES, const Quad *__restrict__ sorted, const double *__restrict__ translations,
    const PairNumbers *__restrict__ numbers, const double *__restrict__ knots,
    const double *__restrict__ state_charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const double *__restrict__ kernel_knots, double self_potential,
    const double *__restrict__ weights, const double *__restrict__ energies,
    const double2 *__restrict__ means, const double *__restrict__ charges,
    const double *__restrict__ potential, double *__restrict__ forces,
    double *__restrict__ atom_energies, double *__restrict__ virials) {
    int i = thread_index();
    double f[3] = {0.0, 0.0, 0.0}, virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    if (i < n) {
        Near near = {n, i, bits, near_counts, near_words, values};
        List list = {n, bits, 0.0, near_counts, near_words, translations};
        const double *here = weights + (size_t)STATES * i;
        int element = species[i];
        Quad place = sorted[i];
        double half = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            double d[3], w, kernel_slope = 0.0, slope = 0.0;
            int j = separation(list, sorted, i, place, p, d, &w);
            int pair = element * elements + species[j];
            const double *there = weights + (size_t)STATES * j;
            double r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
            if (kernel_intervals > 0) {
                Lookup at = lookup(kernel_start, kernel_inverse_spacing, kernel_intervals, r);
                kernel_slope = combine(kernel_knots + 3 * at.knot, 3, at.slope);
            }
            Lookup at = lookup(numbers[pair].start, numbers[pair].inverse_spacing,
                               pair_places[pair].intervals, r);
            const double *first =
                knots + (size_t)3 * VALUES * (pair_places[pair].first_knot + at.knot);
#pragma unroll 1  // fewer registers
            for (int m = 0; m < STATES; ++m) {
#pragma unroll 1
                for (int k = 0; k < STATES; ++k) {
                    double both = here[m] * there[k], phi = near.value(p, m * STATES + k);
                    double qq = state_charges[element * STATES + m] *
                                state_charges[species[j] * STATES + k];
                    double times_r = function_of(first, m * STATES + k, at.slope);
                    half += both * phi;
                    // d(T/R)/dR = (T′ − φ)/R, T with the kernel's own.
                    slope += both * (times_r + kernel_slope * qq - phi) / r;
                }
                slope += means[i].x * function_of(first, HERE + m, at.slope) * there[m];
                slope += means[j].x * function_of(first, THERE + m, at.slope) * here[m];
            }
            for (int c = 0; c < pair_places[pair].channels; ++c) {
                const Channel &channel = channels[pair * CHANNELS + c];
                Resonance unit = resonance(channel, 1.0, here, there);
                half -= 2.0 * near.value(p, AMPLITUDES + c) * unit.strength;
                slope -= 2.0 * function_of(first, AMPLITUDES + c, at.slope) * unit.strength;
            }
            double factor = slope / r;
            for (int axis = 0; axis < 3; ++axis) {
                f[axis] += factor * d[axis];
                virial[axis] += 0.5 * factor * d[axis] * d[axis];
                virial[3 + axis] += 0.5 * factor * d[(axis + 1) % 3] * d[(axis + 2) % 3];
            }
        }
        double v = potential[i] + self_potential * charges[i];
        double energy = 0.5 * (half + charges[i] * v);
        for (int m = 0; m < STATES; ++m) energy += here[m] * energies[i * STATES + m];
        atom_energies[i] = energy;
        for (int axis = 0; axis < 3; ++axis) forces[3 * i + axis] = f[axis];
    }
    for (int part = 0; part < 6; ++part) {
        double sum = block_reduce(virial[part], Sum());
        if (threadIdx.x == 0) virials[6 * blockIdx.x + part] = sum;
    }
}
