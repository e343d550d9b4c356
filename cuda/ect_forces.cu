// Forces, virial and energies of the atoms at given state weights; twin of
// rust/core/src/energy/derivatives.rs. One thread per atom over its full list.
#include "pair_energy.cuh"

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
        Near near = NEAR_OF(i);
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
