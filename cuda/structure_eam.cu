// Many structures of a potential with one neutral state per element in one launch: a block of threads
// for each, without lists. RADIAL, given when this text is compiled, is the number of functions of a
// pair of elements.
#include "eam.cuh"
#include "extents.cuh"

// Density, energy and force of every atom, and dE/dstrain (xx yy zz yz xz xy) of each structure. Per pair
// that is tried some 10 operations, within the cutoff some 60; both of its atoms make it, twice.
extern "C" __global__ void __launch_bounds__(BLOCK) structure_eam(
    const Extent *__restrict__ extents, double cutoff2, const Quad *__restrict__ atoms,
    const double *__restrict__ translations, const unsigned char *__restrict__ species, TABLES,
    const EmbeddingNumbers *__restrict__ numbers, const EmbeddingPlaces *__restrict__ places,
    const double *__restrict__ values, double *slopes, double *__restrict__ background,
    double *__restrict__ forces, double *__restrict__ energies, double *__restrict__ virials,
    int *__restrict__ too_close) {
    const Extent &extent = extents[blockIdx.x];
    Search search = {atoms, translations, cutoff2};
    PairTables tables = {elements, min2, pair_numbers, pair_places, rows, knots};
    const unsigned char *element = species + extent.first;
    auto pair_of = [&](int i, int j) { return RADIAL == 2 ? 0 : element[i] * elements + element[j]; };
    for (int i = threadIdx.x; i < extent.atoms; i += BLOCK) {
        double sum = 0.0;
        bool any = false;
        each_pair(i, extent, search, [&](int, int j, const double *, double s) {
            bool close = false;
            sum += density_of<RADIAL>(tables, pair_of(i, j), s, &close);
            any = any || close;
        });
        if (any) report(too_close + blockIdx.x, i);
        int global = extent.first + i, own = RADIAL == 2 ? 0 : element[i];
        Jet energy = embedding(numbers + own, places + own, values, sum);
        background[global] = sum;
        energies[global] = numbers[own].energy + energy.value;
        slopes[global] = energy.slope;
    }
    __syncthreads();
    Pull all = {};
    for (int i = threadIdx.x; i < extent.atoms; i += BLOCK) {
        int global = extent.first + i;
        Pull pull = {};
        double phi = 0.0, here = slopes[global];
        each_pair(i, extent, search, [&](int, int j, const double d[3], double s) {
            PairValue value = value_of<RADIAL>(tables, pair_of(i, j), s);
            double factor = value.phi_slope + here * value.first_slope +
                            slopes[extent.first + j] * value.second_slope;
            double slope[3] = {factor * d[0], factor * d[1], factor * d[2]};
            phi += value.phi;
            pull.add(slope, d);
        });
        energies[global] += 0.5 * phi;
        for (int axis = 0; axis < 3; ++axis) forces[3 * global + axis] = pull.force[axis];
        for (int part = 0; part < 6; ++part) all.virial[part] += pull.virial[part];
    }
    all.store(false, nullptr, virials);
}
