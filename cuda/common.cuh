// What all kernels share: one thread per atom, four numbers per load, sums in a fixed order.
#pragma once

#include "formulas.cuh"

// Threads of a block, for all kernels of a file that does not say otherwise.
#ifndef BLOCK
#define BLOCK 256
#endif

// Functions of a pair: its distance, what sums the functions up, and all else is double in any case.
// SINGLE is defined, or not, when this text is compiled.
#ifdef SINGLE
typedef float real;
#else
typedef double real;
#endif

// Four doubles, moved by 16-byte loads: one 32-byte sector of memory.
struct alignas(16) Quad {
    double x, y, z, w;
};

// Index of this thread in the grid.
__device__ __forceinline__ int thread_index() { return blockIdx.x * BLOCK + threadIdx.x; }

// a + b or the larger of the two, over the threads of a block, in the same order in every run; all
// threads must call it, and all get the result.
template <class Combine>
__device__ __forceinline__ double block_reduce(double value, Combine combine) {
    __shared__ double parts[BLOCK];
    parts[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            parts[threadIdx.x] = combine(parts[threadIdx.x], parts[threadIdx.x + half]);
        __syncthreads();
    }
    double total = parts[0];
    __syncthreads();  // before the next call writes
    return total;
}

struct Sum {
    __device__ double operator()(double a, double b) const { return a + b; }
};

// NaN counts as larger than any number.
struct Larger {
    __device__ double operator()(double a, double b) const { return b > a || b != b ? b : a; }
};
