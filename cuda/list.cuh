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

// The parameters of a list.
#define LIST                                                                                   \
    int n, int bits, double cutoff2, const int *__restrict__ counts,                           \
        const unsigned *__restrict__ words, const double *__restrict__ translations
