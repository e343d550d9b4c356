// Cell list and neighbour lists: any cell, any mix of periodic directions, the cutoff as large as
// you like. No floating-point atomics; a list does not depend on the order of the threads.
//
// "Sorted" atoms are in the order of their bins, ties in the user's order. A neighbour is one
// word, image << bits | sorted atom, where `bits` hold any atom; word k of atom i is at
// list[k · n + i], so that the threads of a warp read consecutive words.
#include "common.cuh"

// Numbers of a plan: cell and inverse (rows), first face of the bins, bins per fractional unit;
// bins, reach, images and periodicity along each axis.
struct Plan {
    double cell[9], inverse[9], origin[3], scale[3];
};
struct PlanCounts {
    int bins[3], reach[3], images[3], periodic[3];
};

// Bin along an axis of an atom, and the whole cells taken away.
__device__ __forceinline__ int locate(const Plan *plan, const PlanCounts *counts, int axis,
                                      const double *position, int *wrap) {
    double fractional = position[0] * plan->inverse[axis] + position[1] * plan->inverse[3 + axis] +
                        position[2] * plan->inverse[6 + axis];
    double cells = counts->periodic[axis] ? floor(fractional) : 0.0;
    *wrap = (int)cells;
    int bin = (int)floor((fractional - cells - plan->origin[axis]) * plan->scale[axis]);
    return min(max(bin, 0), counts->bins[axis] - 1);
}

// Bin and wraps of every atom, in the user's order. Per atom: 24 bytes read, 16 written.
extern "C" __global__ void assign_bins(int n, const double *__restrict__ positions,
                                       const Plan *__restrict__ plan,
                                       const PlanCounts *__restrict__ counts,
                                       int *__restrict__ bins, int *__restrict__ wraps) {
    int i = thread_index();
    if (i >= n) return;
    int bin = 0;
    for (int axis = 0; axis < 3; ++axis) {
        int wrap, along = locate(plan, counts, axis, positions + 3 * i, &wrap);
        bin = bin * counts->bins[axis] + along;
        wraps[3 * i + axis] = wrap;
    }
    bins[i] = bin;
}

// First sorted atom of every bin, and n; by bisection, so that empty bins cost no more.
extern "C" __global__ void find_starts(int n, int bins, const int *__restrict__ sorted_bins,
                                       int *__restrict__ starts) {
    int bin = thread_index();
    if (bin > bins) return;
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted_bins[middle] < bin)
            low = middle + 1;
        else
            high = middle;
    }
    starts[bin] = low;
}

// Positions in sorted order, moved into the cell of the plan as when the list was made, and for
// every block how far (Å²) an atom has moved since. Per atom: 80 bytes read, 32 written.
extern "C" __global__ void place(int n, const double *__restrict__ positions,
                                 const int *__restrict__ order, const int *__restrict__ wraps,
                                 const Plan *__restrict__ plan, const Quad *__restrict__ before,
                                 Quad *__restrict__ sorted, double *__restrict__ moved) {
    int i = thread_index();
    double squared = 0.0;
    if (i < n) {
        int atom = order[i];
        double r[3], d[3];
        for (int axis = 0; axis < 3; ++axis) {
            r[axis] = positions[3 * atom + axis];
            for (int row = 0; row < 3; ++row)
                r[axis] -= wraps[3 * i + row] * plan->cell[3 * row + axis];
        }
        Quad old = before[i];
        d[0] = r[0] - old.x, d[1] = r[1] - old.y, d[2] = r[2] - old.z;
        squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        sorted[i] = {r[0], r[1], r[2], 0.0};
    }
    double most = block_reduce(squared, Larger());
    if (threadIdx.x == 0) moved[blockIdx.x] = most;
}

// One atom's search: its position, and where its neighbours go.
struct Search {
    int n, atom, bits, capacity, count;
    double cutoff2;
    const Quad *sorted;
    const double *translations;
    unsigned *list;

    // Atoms start … end−1 in an image.
    __device__ __forceinline__ void run(int start, int end, int image, int home) {
        const double *t = translations + 3 * image;
        Quad here = sorted[atom];
        double x = here.x - t[0], y = here.y - t[1], z = here.z - t[2];
        for (int j = start; j < end; ++j) {
            double dx = sorted[j].x - x, dy = sorted[j].y - y, dz = sorted[j].z - z;
            bool near = dx * dx + dy * dy + dz * dz < cutoff2;
            if (!near || (image == home && j == atom)) continue;
            if (count < capacity)
                list[(size_t)count * n + atom] = (unsigned)image << bits | (unsigned)j;
            ++count;
        }
    }
};

// Bin of the cell and image of a bin counted beyond the faces; false where there is none.
__device__ __forceinline__ bool fold(const PlanCounts *counts, int axis, int *bin, int *image) {
    int bins = counts->bins[axis];
    *image = 0;
    if (!counts->periodic[axis]) return *bin >= 0 && *bin < bins;
    *image = *bin >= 0 ? *bin / bins : -((bins - 1 - *bin) / bins);
    *bin -= *image * bins;
    return true;
}

// Runs of atoms within reach along the third axis of one row of bins, image by image.
__device__ void search_row(Search *search, const PlanCounts *counts, const int *starts, int row,
                           int image, int bin, int home) {
    int bins = counts->bins[2], low = bin - counts->reach[2], high = bin + counts->reach[2];
    int from = low, to = high, first = 0, last = 0;
    if (counts->periodic[2]) {
        fold(counts, 2, &from, &first);
        fold(counts, 2, &to, &last);
    }
    for (int shift = first; shift <= last; ++shift) {
        int begin = max(low - shift * bins, 0), end = min(high + 1 - shift * bins, bins);
        if (begin < end)
            search->run(starts[row * bins + begin], starts[row * bins + end], image + shift, home);
    }
}

// Neighbours within the cutoff of every atom, in a fixed order. A count above `capacity` says how
// much longer the list must be. Per candidate: 32 bytes, mostly from the caches, and 8 operations;
// per neighbour 4 bytes written.
extern "C" __global__ void search(int n, int capacity, int bits, double cutoff2,
                                  const Quad *__restrict__ sorted,
                                  const int *__restrict__ sorted_bins,
                                  const int *__restrict__ starts,
                                  const PlanCounts *__restrict__ counts,
                                  const double *__restrict__ translations,
                                  int *__restrict__ neighbors, unsigned *__restrict__ list) {
    int i = thread_index();
    if (i >= n) return;
    Search task = {n, i, bits, capacity, 0, cutoff2, sorted, translations, list};
    const int *bins = counts->bins, *images = counts->images;
    int flat = sorted_bins[i];
    int z = flat % bins[2], y = flat / bins[2] % bins[1], x = flat / bins[2] / bins[1];
    int rows = 2 * images[1] + 1, columns = 2 * images[2] + 1;
    int home = (images[0] * rows + images[1]) * columns + images[2];
    for (int dx = -counts->reach[0]; dx <= counts->reach[0]; ++dx) {
        int a = x + dx, image_a;
        if (!fold(counts, 0, &a, &image_a)) continue;
        for (int dy = -counts->reach[1]; dy <= counts->reach[1]; ++dy) {
            int b = y + dy, image_b;
            if (!fold(counts, 1, &b, &image_b)) continue;
            int image = home + (image_a * rows + image_b) * columns;
            search_row(&task, counts, starts, a * bins[1] + b, image, z, home);
        }
    }
    neighbors[i] = task.count;
}
