// Energy, gradient and Hessian products in the state weights; twin of rust/core/src/energy.
//
// One thread per atom over its full list: every sum is made by the atom that it belongs to. The
// functions of a pair are looked up once per geometry and kept: product after product streams
// 4 + 8 · VALUES bytes per pair, in single precision 4 + 4 · VALUES, next to what is read of the
// other atom (8 · STATES bytes, mostly from the caches). Value k of the pair that is number p of
// atom i: values[(p · VALUES + k) · n + i].
#include "pairs.cuh"

// Number of pairs of every atom within the cutoff: what is kept of a list leaves its skin out.
extern "C" __global__ void __launch_bounds__(BLOCK) count_pairs(
    LIST, const Quad *__restrict__ sorted, int *__restrict__ near_counts) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    Quad here = sorted[i];
    int found = 0;
    for (int k = 0; k < counts[i]; ++k) {
        double d[3], w;
        separation(list, sorted, i, here, k, d, &w);
        if (squared(d) < list.cutoff2) ++found;
    }
    near_counts[i] = found;
}

// Pairs within the cutoff, and all of their functions. Per pair a row, 48 · VALUES bytes, is read
// from the tables, mostly from the caches, 10 · VALUES operations made and 4 + 8 · VALUES bytes
// written.
extern "C" __global__ void __launch_bounds__(BLOCK) fill_pairs(
    LIST, double min2, const Quad *__restrict__ sorted, int elements,
    const unsigned char *__restrict__ species, const PairNumbers *__restrict__ numbers,
    const PairPlaces *__restrict__ places, const real *__restrict__ rows,
    const double *__restrict__ charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const real *__restrict__ kernel_rows, int *__restrict__ near_counts,
    unsigned *__restrict__ near_words, real *__restrict__ values, int *__restrict__ too_close) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    Kernel point = {{kernel_start, kernel_inverse_spacing}, kernel_intervals, kernel_rows};
    Quad here = sorted[i];
    int element = species[i], found = 0;
    for (int k = 0; k < counts[i]; ++k) {
        double d[3], w;
        real t, kernel = 0;
        int j = separation(list, sorted, i, here, k, d, &w);
        double s = squared(d);
        if (!(s < cutoff2)) continue;
        if (s < min2) atomicMin(too_close, i);
        double r = sqrt(s);
        int pair = element * elements + species[j];
        if (kernel_intervals > 0) {
            const real *row = point.row(r, &t);
            kernel = polynomial(row, t);
        }
        const real *row = rows_of(numbers[pair], places[pair], rows, r, &t);
        real *out = values + (size_t)found * VALUES * n + i;
        real inverse = (real)(1.0 / r);
        for (int v = 0; v < HERE; ++v) {
            real qq = (real)(charges[element * STATES + v / STATES] *
                             charges[species[j] * STATES + v % STATES]);
            out[(size_t)v * n] = (polynomial(row + 6 * v, t) + kernel * qq) * inverse;
        }
        for (int v = HERE; v < VALUES; ++v) out[(size_t)v * n] = polynomial(row + 6 * v, t);
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
// the factor with which its density changes enter its neighbours' rows. Per pair 4 + 8 · STATES bytes
// are streamed; 2 · STATES operations.
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

// Second half: what the neighbours add. Per pair 4 + 8 · (VALUES − STATES) bytes are streamed;
// 2 · STATES · (STATES + 1) operations, and some 40 for every channel.
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
