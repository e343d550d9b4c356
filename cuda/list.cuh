// How kernels read the neighbour lists of neighbors.cu.
#pragma once

#include "common.cuh"

// The list of an atom, see neighbors.cu.
struct List {
    int n, bits;
    double cutoff2;
    const int *counts;
    const unsigned *words;
    const double *translations;
};

// Vector to neighbour k of atom i; returns the sorted index of the neighbour.
__device__ __forceinline__ int separation(const List &list, const Quad *sorted, int i, Quad here,
                                          int k, double d[3], double *w) {
    unsigned word = list.words[(size_t)k * list.n + i];
    int j = word & ((1u << list.bits) - 1u);
    const double *t = list.translations + 3 * (word >> list.bits);
    Quad there = sorted[j];
    d[0] = there.x - (here.x - t[0]);
    d[1] = there.y - (here.y - t[1]);
    d[2] = there.z - (here.z - t[2]);
    *w = there.w;
    return j;
}

__device__ __forceinline__ double squared(const double d[3]) {
    return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

// Call visit(number among them, place in the list, squared distance, other atom) for the neighbours
// of atom i within the cutoff; returns how many there are.
template <class Visit>
__device__ __forceinline__ int each_within(const List &list, const Quad *sorted, int i,
                                           Visit visit) {
    Quad here = sorted[i];
    int found = 0;
    for (int k = 0; k < list.counts[i]; ++k) {
        double d[3], w;
        int j = separation(list, sorted, i, here, k, d, &w);
        double s = squared(d);
        if (s < list.cutoff2) visit(found++, k, s, j);
    }
    return found;
}

// What all pairs of an atom pull: its force, and their part of dE/dstrain (xx yy zz yz xz xy).
struct Pull {
    double force[3], virial[6];

    // The energy's derivative in a pair vector.
    __device__ __forceinline__ void add(const double slope[3], const double d[3]) {
        for (int axis = 0; axis < 3; ++axis) {
            int a = (axis + 1) % 3, b = (axis + 2) % 3;
            force[axis] += slope[axis];
            virial[axis] += slope[axis] * d[axis];
            virial[3 + axis] += slope[a] * d[b];
        }
    }

    // Write the force and, for every block, its part of dE/dstrain; every pair is met from both of
    // its atoms. All threads of the block must call it, active or not.
    __device__ __forceinline__ void store(bool active, double *force_here, double *virials) const {
        for (int axis = 0; active && axis < 3; ++axis) force_here[axis] = force[axis];
        for (int part = 0; part < 6; ++part) {
            double sum = block_reduce(0.5 * virial[part], Sum());
            if (threadIdx.x == 0) virials[6 * blockIdx.x + part] = sum;
        }
    }
};

// The parameters of a list.
#define LIST                                                                                   \
    int n, int bits, double cutoff2, const int *__restrict__ counts,                           \
        const unsigned *__restrict__ words, const double *__restrict__ translations
