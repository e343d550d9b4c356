// Energy, forces and virial of potentials with one neutral state per element. One thread per atom
// over its full list: nothing is added to another atom.
#include "eam.cuh"

// Density at every atom (in the user's order), its embedding energy with the energy of the state, and
// its position with the slope of the embedding energy. Per pair: 4 bytes of the list, 32 of the other
// atom and 48 of the row, both mostly from the caches; 17 multiplications or additions.
template <int FUNCTIONS>
__device__ void density_pass(const List &list, const PairTables &tables, const Quad *sorted,
                             const unsigned char *species, const int *order,
                             const EmbeddingNumbers *numbers, const EmbeddingPlaces *places,
                             const double *values, double *densities, double *site_energies,
                             Quad *sites, int *too_close) {
    int i = thread_index();
    if (i >= list.n) return;
    Quad here = sorted[i];
    int element = FUNCTIONS == 2 ? 0 : species[i], pair = 0, count = list.counts[i];
    double sum = 0.0, w;
    for (int k = 0; k < count; ++k) {
        double d[3];
        bool close = false;
        int j = separation(list, sorted, i, here, k, d, &w);
        double s = squared(d);
        if (!(s < list.cutoff2)) continue;
        if (FUNCTIONS == 3) pair = element * tables.elements + species[j];
        sum += density_of<FUNCTIONS>(tables, pair, s, &close);
        if (close) report(too_close, i);
    }
    Jet energy = embedding(numbers + element, places + element, values, sum);
    densities[order[i]] = sum;
    site_energies[i] = numbers[element].energy + energy.value;
    sites[i] = {here.x, here.y, here.z, energy.slope};
}

// Force and energy of every atom in the user's order, and for every block its part of dE/dstrain
// (xx yy zz yz xz xy). Per pair: 4 bytes of the list, 32 of the other atom and 96 or 144 of the
// row, mostly from the caches; 40 or 49 multiplications or additions.
template <int FUNCTIONS>
__device__ void force_pass(const List &list, const PairTables &tables, const Quad *sites,
                           const unsigned char *species, const int *order,
                           const double *site_energies, double *forces, double *energies,
                           double *virials) {
    int i = thread_index();
    Pull pull = {};
    double phi = 0.0;
    bool active = i < list.n;
    int atom = active ? order[i] : 0;
    if (active) {
        Quad here = sites[i];
        int element = FUNCTIONS == 2 ? 0 : species[i], pair = 0, count = list.counts[i];
        for (int k = 0; k < count; ++k) {
            double d[3], w;
            int j = separation(list, sites, i, here, k, d, &w);
            double s = squared(d);
            if (!(s < list.cutoff2)) continue;
            if (FUNCTIONS == 3) pair = element * tables.elements + species[j];
            PairValue value = value_of<FUNCTIONS>(tables, pair, s);
            double factor =
                value.phi_slope + here.w * value.first_slope + w * value.second_slope;
            phi += value.phi;
            double slope[3] = {factor * d[0], factor * d[1], factor * d[2]};
            pull.add(slope, d);
        }
        energies[atom] = site_energies[i] + 0.5 * phi;
    }
    pull.store(active, forces + 3 * (size_t)atom, virials);
}

#define DENSITY_KERNEL(NAME, FUNCTIONS)                                                        \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(                                  \
        LIST, TABLES, const Quad *__restrict__ sorted, const unsigned char *__restrict__ species, \
        const int *__restrict__ order, const EmbeddingNumbers *__restrict__ numbers,           \
        const EmbeddingPlaces *__restrict__ places, const double *__restrict__ values,         \
        double *__restrict__ densities, double *__restrict__ site_energies,                    \
        Quad *__restrict__ sites, int *__restrict__ too_close) {                               \
        List list = {n, bits, cutoff2, counts, words, translations};                           \
        PairTables tables = {elements, min2, pair_numbers, pair_places, rows, knots};          \
        density_pass<FUNCTIONS>(list, tables, sorted, species, order, numbers, places, values, \
                                densities, site_energies, sites, too_close);                   \
    }

#define FORCE_KERNEL(NAME, FUNCTIONS)                                                          \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(                                  \
        LIST, TABLES, const Quad *__restrict__ sites, const unsigned char *__restrict__ species, \
        const int *__restrict__ order, const double *__restrict__ site_energies,               \
        double *__restrict__ forces, double *__restrict__ energies,                            \
        double *__restrict__ virials) {                                                        \
        List list = {n, bits, cutoff2, counts, words, translations};                           \
        PairTables tables = {elements, min2, pair_numbers, pair_places, rows, knots};          \
        force_pass<FUNCTIONS>(list, tables, sites, species, order, site_energies, forces,      \
                              energies, virials);                                              \
    }

DENSITY_KERNEL(one_element_density, 2)
DENSITY_KERNEL(density, 3)
FORCE_KERNEL(one_element_forces, 2)
FORCE_KERNEL(forces, 3)
