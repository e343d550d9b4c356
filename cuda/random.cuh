// Random numbers that depend on what they are for, not on what was drawn before: the counter-based
// generator Philox4x32-10 (Salmon et al., Proc. SC11, 16 (2011)). Twin of `philox` in ecteam/steps.py.
#pragma once

#include "common.cuh"

struct Words {
    unsigned x[4];
};

__device__ __forceinline__ Words philox(Words counter, unsigned key0, unsigned key1) {
    for (int round = 0; round < 10; ++round) {
        unsigned long long first = 0xD2511F53ull * counter.x[0];
        unsigned long long second = 0xCD9E8D57ull * counter.x[2];
        counter = {(unsigned)(second >> 32) ^ counter.x[1] ^ key0, (unsigned)second,
                   (unsigned)(first >> 32) ^ counter.x[3] ^ key1, (unsigned)first};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

// Between 0 and 1, neither included.
__device__ __forceinline__ double uniform(unsigned word) { return (word + 0.5) * 0x1p-32; }
