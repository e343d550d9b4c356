// Runs CUDA kernels on the CPU, block after block. The threads of a block are fibres, which take
// turns at every barrier. Blocks and threads may run backwards: a result that changes with the
// order is a race.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __restrict__ __restrict
// One variable for all fibres of a block: blocks run one after the other.
#define __shared__ static

using std::max;
using std::min;

struct Index {
    unsigned x, y, z;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

inline int atomicMin(int *address, int value) {
    int old = *address;
    *address = std::min(old, value);
    return old;
}
inline int atomicMax(int *address, int value) {
    int old = *address;
    *address = std::max(old, value);
    return old;
}

namespace launcher {

constexpr size_t STACK = 1 << 16;

struct Fibre {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    unsigned barriers = 0;
    bool done = false;
};

static std::vector<Fibre> fibres;
static ucontext_t scheduler;
static unsigned current;
static void (*body)(void *);
static void *body_argument;

static void fibre_main() {
    body(body_argument);
    fibres[current].done = true;
    swapcontext(&fibres[current].context, &scheduler);
}

inline void barrier() {
    ++fibres[current].barriers;
    swapcontext(&fibres[current].context, &scheduler);
}

// Thread k of n, first to last or last to first.
inline unsigned nth(unsigned k, unsigned n, bool backwards) { return backwards ? n - 1 - k : k; }

// One block as fibres; false if not all of its threads came to the same barriers.
inline bool run_fibres(unsigned threads, bool backwards) {
    if (fibres.size() < threads) fibres.resize(threads);
    for (unsigned t = 0; t < threads; ++t) {
        Fibre &fibre = fibres[t];
        fibre.done = false;
        fibre.barriers = 0;
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.get();
        fibre.context.uc_stack.ss_size = STACK;
        fibre.context.uc_link = nullptr;
        makecontext(&fibre.context, fibre_main, 0);
    }
    for (bool running = true; running;) {
        running = false;
        for (unsigned k = 0; k < threads; ++k) {
            current = nth(k, threads, backwards);
            if (fibres[current].done) continue;
            threadIdx = {current, 0, 0};
            swapcontext(&scheduler, &fibres[current].context);
            running = true;
        }
        for (unsigned t = 1; t < threads; ++t)
            if (fibres[t].done != fibres[0].done || fibres[t].barriers != fibres[0].barriers)
                return false;
    }
    return true;
}

template <class Call>
inline bool run_grid(Call &call, unsigned grid, unsigned block, bool backwards) {
    blockDim = {block, 1, 1};
    gridDim = {grid, 1, 1};
    body = [](void *argument) { (*static_cast<Call *>(argument))(); };
    body_argument = &call;
    for (unsigned b = 0; b < grid; ++b) {
        blockIdx = {nth(b, grid, backwards), 0, 0};
        if (!run_fibres(block, backwards)) return false;
    }
    return true;
}

template <class... A, size_t... I>
bool unpack(void (*kernel)(A...), std::index_sequence<I...>, void **arguments, unsigned grid,
            unsigned block, bool backwards) {
    auto call = [&] { kernel(*static_cast<std::remove_const_t<A> *>(arguments[I])...); };
    return run_grid(call, grid, block, backwards);
}

// One letter for each parameter: p(ointer), i(nt), d(ouble).
template <class T>
constexpr char letter() {
    using Bare = std::remove_const_t<T>;
    if (std::is_pointer_v<Bare>) return 'p';
    return std::is_same_v<Bare, int> ? 'i' : std::is_same_v<Bare, double> ? 'd' : '?';
}

template <class... A>
const char *signature(void (*)(A...)) {
    static const char letters[] = {letter<A>()..., '\0'};
    return letters;
}

template <class... A>
bool run(void (*kernel)(A...), void **arguments, unsigned grid, unsigned block, bool backwards) {
    return unpack(kernel, std::index_sequence_for<A...>{}, arguments, grid, block, backwards);
}

}  // namespace launcher

inline void __syncthreads() { launcher::barrier(); }

// A launch by pointers to the arguments, as the driver's own; and what it must be given.
#define LAUNCHER(KERNEL)                                                                       \
    extern "C" int launch_##KERNEL(void **arguments, unsigned grid, unsigned block,            \
                                   int backwards) {                                            \
        return launcher::run(KERNEL, arguments, grid, block, backwards);                       \
    }                                                                                          \
    extern "C" const char *signature_##KERNEL() { return launcher::signature(KERNEL); }
