// Runs CUDA kernels on the CPU, block after block. The threads of a block are fibres, which take
// turns at every barrier. Blocks and threads may run backwards: a result that changes with the
// order is a race.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <math.h>

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

using std::isfinite;
using std::max;
using std::min;

struct Index {
    unsigned x, y, z;
};
struct alignas(16) double2 {
    double x, y;
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

inline unsigned atomicAdd(unsigned *address, unsigned value) {
    unsigned old = *address;
    *address += value;
    return old;
}
inline void __threadfence() {}

inline unsigned long long atomicAdd(unsigned long long *address, unsigned long long value) {
    unsigned long long old = *address;
    *address += value;
    return old;
}

// Sine and cosine of πx.
inline void sincospi(double x, double *sine, double *cosine) {
    double reduced = 3.14159265358979323846 * (x - 2.0 * std::rint(0.5 * x));
    *sine = std::sin(reduced);
    *cosine = std::cos(reduced);
}

namespace launcher {

constexpr size_t STACK = 1 << 16;

// A thread: its own stack, and where to go on. Fibres live from launch to launch; switching by
// _setjmp and _longjmp makes no system call.
struct Fibre {
    ucontext_t context;
    jmp_buf place;
    std::unique_ptr<char[]> stack{new char[STACK]};
    unsigned barriers = 0;
    bool started = false, done = false;
};

static std::vector<std::unique_ptr<Fibre>> fibres;
static jmp_buf scheduler;
static unsigned current;
static void (*body)(void *);
static void *body_argument;

// Back to the scheduler, until it resumes this fibre.
inline void yield() {
    if (_setjmp(fibres[current]->place) == 0) _longjmp(scheduler, 1);
}

static void fibre_main() {
    for (;;) {
        body(body_argument);
        fibres[current]->done = true;
        yield();
    }
}

// Run a fibre up to its next barrier or its end.
__attribute__((noinline)) static void resume(Fibre *fibre) {
    if (_setjmp(scheduler) != 0) return;
    if (fibre->started) _longjmp(fibre->place, 1);
    fibre->started = true;
    setcontext(&fibre->context);
}

inline void barrier() {
    ++fibres[current]->barriers;
    yield();
}

// Thread k of n, first to last or last to first.
inline unsigned nth(unsigned k, unsigned n, bool backwards) { return backwards ? n - 1 - k : k; }

static void add_fibre() {
    fibres.push_back(std::make_unique<Fibre>());
    Fibre &fibre = *fibres.back();
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack.get();
    fibre.context.uc_stack.ss_size = STACK;
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, fibre_main, 0);
}

// One block as fibres; false if not all of its threads came to the same barriers.
inline bool run_fibres(unsigned threads, bool backwards) {
    while (fibres.size() < threads) add_fibre();
    for (unsigned t = 0; t < threads; ++t) {
        fibres[t]->done = false;
        fibres[t]->barriers = 0;
    }
    while (!fibres[0]->done) {
        for (unsigned k = 0; k < threads; ++k) {
            current = nth(k, threads, backwards);
            threadIdx = {current, 0, 0};
            resume(fibres[current].get());
        }
        for (unsigned t = 1; t < threads; ++t)
            if (fibres[t]->done != fibres[0]->done || fibres[t]->barriers != fibres[0]->barriers)
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

// One letter for each parameter: i(nt), d(ouble); p(ointer), D and F to double and float.
template <class T>
constexpr char letter() {
    using Bare = std::remove_const_t<T>;
    using Target = std::remove_const_t<std::remove_pointer_t<Bare>>;
    if (std::is_pointer_v<Bare> && std::is_same_v<Target, double>) return 'D';
    if (std::is_pointer_v<Bare> && std::is_same_v<Target, float>) return 'F';
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
