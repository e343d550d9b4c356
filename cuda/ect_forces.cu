// Forces, virial and energies of the atoms at given state weights; twin of
// rust/core/src/energy/derivatives.rs. One thread per atom over its full list.
#include "pairs.cuh"

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

// Force and energy (without the entropy) of every atom at fixed weights, in sorted order, and for
// every block its part of dA/dstrain (xx yy zz yz xz xy). Per pair the tables are read once more.
extern "C" __global__ void __launch_bounds__(BLOCK) pair_forces(
    NEAR, SPECIES, const Quad *__restrict__ sorted, const double *__restrict__ translations,
    const PairNumbers *__restrict__ numbers, const real *__restrict__ rows,
    const double *__restrict__ state_charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const real *__restrict__ kernel_rows, double self_potential,
    const double *__restrict__ weights, const double *__restrict__ energies,
    const double2 *__restrict__ means, const double *__restrict__ charges,
    const double *__restrict__ potential, double *__restrict__ forces,
    double *__restrict__ atom_energies, double *__restrict__ virials) {
    int i = thread_index();
    Pull pull = {};
    if (i < n) {
        Kernel kernel = {{kernel_start, kernel_inverse_spacing}, kernel_intervals, kernel_rows};
        Functions functions = {elements, numbers, pair_places, rows, channels, state_charges,
                               kernel};
        Near near = {n, i, bits, near_counts, near_words, values};
        List list = {n, bits, 0.0, near_counts, near_words, translations};
        End here = {species[i], weights + (size_t)STATES * i, means[i].x};
        Quad place = sorted[i];
        double half = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            double d[3], w;
            int j = separation(list, sorted, i, place, p, d, &w);
            End there = {species[j], weights + (size_t)STATES * j, means[j].x};
            double r = sqrt(squared(d));
            PairEnergy energy = pair_energy(functions, near, p, r, here, there);
            half += energy.value;
            double factor = energy.slope / r;
            double slope[3] = {factor * d[0], factor * d[1], factor * d[2]};
            pull.add(slope, d);
        }
        double v = potential[i] + self_potential * charges[i];
        double energy = 0.5 * (half + charges[i] * v);
        for (int m = 0; m < STATES; ++m) energy += here.weights[m] * energies[i * STATES + m];
        atom_energies[i] = energy;
    }
    pull.store(i < n, forces + 3 * (size_t)i, virials);
}
