// Many structures in one launch: a block of threads for each, of up to ATOMS atoms.
#pragma once

#include "extents.cuh"
#include "groups.cuh"
#include "pair_energy.cuh"
#include "pair_terms.cuh"

// A neighbour is image << ATOM_BITS | atom of the structure.
#define ATOM_BITS 8
static_assert(ATOMS < 1 << ATOM_BITS && ATOMS <= BLOCK, "atoms of a structure");

// What a thread does: every `lanes`-th pair, from `lane` on, of an atom; the first lane leads.
struct Task {
    int n, atom, lane, lanes;

    __device__ __forceinline__ bool works() const { return lane < lanes; }
    __device__ __forceinline__ bool leads() const { return lane == 0; }
    // First weight of the atom.
    __device__ __forceinline__ int slot() const { return atom * STATES; }
};

__device__ __forceinline__ Task task_of(const Extent &extent) {
    int n = extent.atoms, thread = threadIdx.x;
    return {n, thread % n, thread / n, BLOCK / n};
}

// Sum of what the lanes of an atom have left in a row, in their order.
__device__ __forceinline__ double over_lanes(const double row[BLOCK], const Task &task) {
    double sum = 0.0;
    for (int lane = 0; lane < task.lanes; ++lane) sum += row[lane * task.n + task.atom];
    return sum;
}

// Sums over the atoms of COUNT numbers of every leader, in the atoms' order; all threads must call it,
// and all get the results.
template <int COUNT>
__device__ __forceinline__ void total(double rows[][ATOMS], const Task &task,
                                      double (&numbers)[COUNT]) {
    if (task.leads())
        for (int k = 0; k < COUNT; ++k) rows[k][task.atom] = numbers[k];
    __syncthreads();
    for (int k = 0; k < COUNT; ++k) numbers[k] = 0.0;
    for (int i = 0; i < task.n; ++i)
        for (int k = 0; k < COUNT; ++k) numbers[k] += rows[k][i];
    __syncthreads();
}

// The largest of a number of every leader; NaN if there is one.
__device__ __forceinline__ double largest(double rows[][ATOMS], const Task &task, double number) {
    if (task.leads()) rows[0][task.atom] = number;
    __syncthreads();
    double most = rows[0][0];
    for (int i = 1; i < task.n; ++i) most = Larger()(most, rows[0][i]);
    __syncthreads();
    return most;
}
