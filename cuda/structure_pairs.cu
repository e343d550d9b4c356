// Pairs within the cutoff of many small structures, each with its own cell: all atoms are tried against
// all images of all atoms of their structure. No floating-point atomics; atom and image order.
#include "list.cuh"
#include "structures.cuh"

// A neighbour as a word.
__device__ __forceinline__ unsigned word_of(int image, int atom) {
    return (unsigned)image << ATOM_BITS | (unsigned)atom;
}

// Number of pairs of every atom, and the largest of each structure. Per candidate 8 operations.
extern "C" __global__ void __launch_bounds__(BLOCK) count_structure_pairs(
    const Extent *__restrict__ extents, double cutoff2, const Quad *__restrict__ atoms,
    const double *__restrict__ translations, int *__restrict__ counts, int *__restrict__ longest) {
    const Extent &extent = extents[blockIdx.x];
    Task task = task_of(extent);
    int found = 0;
    if (task.leads()) {
        each_pair(task.atom, extent, {atoms, translations, cutoff2},
                  [&](int, int, const double *, double) { ++found; });
        counts[extent.first + task.atom] = found;
    }
    double most = block_reduce((double)found, Larger());
    if (threadIdx.x == 0) longest[blockIdx.x] = (int)most;
}

// The pairs, with all of their functions (as fill_pairs in ect.cu), and COULOMB/R of all pairs of
// charges if there is a direct sum. Per pair 48 · VALUES bytes are read from the tables and
// 4 + 8 · VALUES written.
extern "C" __global__ void __launch_bounds__(BLOCK) fill_structure_pairs(
    const Extent *__restrict__ extents, double cutoff2, double min2,
    const Quad *__restrict__ atoms, const double *__restrict__ translations, int elements,
    const unsigned char *__restrict__ species, const PairNumbers *__restrict__ numbers,
    const PairPlaces *__restrict__ places, const real *__restrict__ rows,
    const double *__restrict__ charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const real *__restrict__ kernel_rows, double coulomb,
    unsigned *__restrict__ words, real *__restrict__ values,
    double *__restrict__ charge_pairs, int *__restrict__ too_close) {
    const Extent &extent = extents[blockIdx.x];
    Task task = task_of(extent);
    words += extent.first_pair;
    values += extent.first_pair * VALUES;
    int found = 0;
    if (task.leads())
        each_pair(task.atom, extent, {atoms, translations, cutoff2},
                  [&](int image, int j, const double *, double r2) {
                      words[(size_t)found * task.n + task.atom] = word_of(image, j);
                      if (r2 < min2) atomicMin(too_close + blockIdx.x, task.atom);
                      ++found;
                  });
    __shared__ int counts[ATOMS];
    if (task.leads()) counts[task.atom] = found;
    __syncthreads();
    if (!task.works()) return;
    Functions functions = {elements, numbers, places, rows, nullptr, charges,
                           {{kernel_start, kernel_inverse_spacing}, kernel_intervals, kernel_rows}};
    List list = {task.n, ATOM_BITS, cutoff2, counts, words,
                 translations + 3 * extent.first_image};
    const Quad *near = atoms + extent.first;
    const unsigned char *element = species + extent.first;
    for (int p = task.lane; p < counts[task.atom]; p += task.lanes) {
        double d[3], w;
        int j = separation(list, near, task.atom, near[task.atom], p, d, &w);
        double r = sqrt(squared(d));
        real *out = values + (size_t)p * VALUES * task.n + task.atom;
        keep_pair(functions, element[task.atom], element[j], r, out, task.n);
    }
    if (!(coulomb > 0.0)) return;
    for (int j = task.lane; j < task.n; j += task.lanes) {
        Quad here = near[task.atom], there = near[j];
        double d[3] = {there.x - here.x, there.y - here.y, there.z - here.z};
        charge_pairs[extent.first_charge_pair + j * task.n + task.atom] =
            j == task.atom ? 0.0 : coulomb / sqrt(squared(d));
    }
}

// All pairs of atoms of a structure that is not periodic, as a list of all structures' atoms
// (neighbors.cu).
extern "C" __global__ void __launch_bounds__(BLOCK) list_structure_pairs(
    const Extent *__restrict__ extents, int n, double cutoff2, const Quad *__restrict__ atoms,
    const double *__restrict__ translations, int *__restrict__ counts,
    unsigned *__restrict__ words) {
    const Extent &extent = extents[blockIdx.x];
    Task task = task_of(extent);
    if (!task.leads()) return;
    int global = extent.first + task.atom, found = 0;
    each_pair(task.atom, extent, {atoms, translations, cutoff2},
              [&](int, int j, const double *, double) {
                  words[(size_t)found++ * n + global] = extent.first + j;
              });
    counts[global] = found;
}
