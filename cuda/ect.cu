// Energy, gradient and Hessian products in the state weights; twin of rust/core/src/energy.
//
// One thread per atom over its full list: every sum is made by the atom that it belongs to. The
// functions of a pair are looked up once per geometry and kept: product after product streams
// 4 + 8 · VALUES bytes per pair (half of it in single precision), next to what is read of the other
// atom (8 · STATES bytes, mostly from the caches). Where there is no memory for them (LOOKUP) it is
// 12 bytes per pair, and the functions are looked up again and again, 48 · VALUES bytes that mostly
// come from the caches. Value k of the pair that is number p of atom i: values[(p · VALUES + k) · n + i].
#include "pair_energy.cuh"
#include "pair_terms.cuh"

// Number of pairs of every atom within the cutoff: what is kept of a list leaves its skin out.
extern "C" __global__ void __launch_bounds__(BLOCK) count_pairs(
    LIST, const Quad *__restrict__ sorted, int *__restrict__ near_counts) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    near_counts[i] = each_within(list, sorted, i, [](int, int, double, int) {});
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
    unsigned *__restrict__ near_words, kept *__restrict__ values, int *__restrict__ too_close) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    Functions functions = {elements, numbers, places, rows, nullptr, charges,
                           {{kernel_start, kernel_inverse_spacing}, kernel_intervals, kernel_rows}};
    near_counts[i] = each_within(list, sorted, i, [&](int found, int k, double s, int j) {
        if (s < min2) atomicMin(too_close, i);
        kept *out = values + (size_t)found * KEPT * n + i;
        keep_pair(functions, species[i], species[j], sqrt(s), out, n);
        near_words[(size_t)found * n + i] = list.words[(size_t)k * n + i];
    });
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
    double density = density_of(NEAR_OF(i), weights);
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
        Near near = NEAR_OF(i);
        const double *here = weights + (size_t)STATES * i;
        int element = species[i];
        double g[STATES], half = 0.0;
        for (int m = 0; m < STATES; ++m) g[m] = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            int j = near.other(p), pair = element * elements + species[j];
            const double *there = weights + (size_t)STATES * j;
            half += add_gradient(near, p, channels_of(pair_places, channels, pair), here, there,
                                 means[j].x, g);
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
    double change = density_of(NEAR_OF(i), direction);
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
    Near near = NEAR_OF(i);
    Along here = {weights + (size_t)STATES * i, direction + (size_t)STATES * i};
    int element = species[i];
    double sum[STATES];
    for (int m = 0; m < STATES; ++m) sum[m] = 0.0;
    for (int p = 0; p < near_counts[i]; ++p) {
        int j = near.other(p), pair = element * elements + species[j];
        Along there = {weights + (size_t)STATES * j, direction + (size_t)STATES * j};
        add_product(near, p, channels_of(pair_places, channels, pair), here, there, response[j], sum);
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
    Near near = NEAR_OF(i);
    const double *here = weights + (size_t)STATES * i;
    double block[STATES][STATES];
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k)
            block[m][k] = m == k ? temperature * inverse_of(here[m]) : 0.0;
    for (int p = 0; p < near_counts[i]; ++p) {
        int j = near.other(p), pair = species[i] * elements + species[j];
        add_block(near, p, channels_of(pair_places, channels, pair), here,
                  weights + (size_t)STATES * j, means[j].y, block);
    }
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k) out[(i * STATES + m) * STATES + k] = block[m][k];
}
