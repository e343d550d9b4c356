// Forces, virial and energies of the atoms at given state weights; twin of
// rust/core/src/energy/derivatives.rs. One thread per atom over its full list.
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
        Functions functions = {elements, numbers, pair_places, knots, channels, state_charges,
                               {kernel_start, kernel_inverse_spacing}, kernel_intervals,
                               kernel_knots};
        Near near = {n, i, bits, near_counts, near_words, values};
        List list = {n, bits, 0.0, near_counts, near_words, translations};
        End here = {species[i], weights + (size_t)STATES * i, means[i].x};
        Quad place = sorted[i];
        double half = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            double d[3], w;
            int j = separation(list, sorted, i, place, p, d, &w);
            End there = {species[j], weights + (size_t)STATES * j, means[j].x};
            double r = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
            PairEnergy energy = pair_energy(functions, near, p, r, here, there);
            half += energy.value;
            double factor = energy.slope / r;
            for (int axis = 0; axis < 3; ++axis) {
                f[axis] += factor * d[axis];
                virial[axis] += 0.5 * factor * d[axis] * d[axis];
                virial[3 + axis] += 0.5 * factor * d[(axis + 1) % 3] * d[(axis + 2) % 3];
            }
        }
        double v = potential[i] + self_potential * charges[i];
        double energy = 0.5 * (half + charges[i] * v);
        for (int m = 0; m < STATES; ++m) energy += here.weights[m] * energies[i * STATES + m];
        atom_energies[i] = energy;
        for (int axis = 0; axis < 3; ++axis) forces[3 * i + axis] = f[axis];
    }
    for (int part = 0; part < 6; ++part) {
        double sum = block_reduce(virial[part], Sum());
        if (threadIdx.x == 0) virials[6 * blockIdx.x + part] = sum;
    }
}
