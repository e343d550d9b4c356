// The vector operations of the weight minimisation; twin of rust/core/src/ensemble. A group of
// STATES weights per thread: the states of an atom, padded with states that are not allowed.
//
// Charge flows within fragments. With one of them all shares of it are summed here, block by block;
// with several (FRAGMENTS is 1 when this text is compiled) the shares of the atoms are written, and
// segment_sums adds them up.
//
// Sums over all atoms are made block by block in a fixed order and added up afterwards; scalars that
// only the device needs (multipliers, step lengths) are read from its memory and never copied.
#include "groups.cuh"

// With vectors (VECTORS is 1 when this text is compiled, see vectors.cu) three more unknowns of every
// group come after the weights of all.
#define UNKNOWNS (STATES + 3 * VECTORS)
#define GROUP for (int k = 0, a = unknown(n, i, 0); k < UNKNOWNS; a = unknown(n, i, ++k))

#define SHARES double *__restrict__ shares, unsigned *__restrict__ tickets
#define SUMS double *__restrict__ sums, unsigned *__restrict__ tickets

// Unknown k of group i.
__device__ __forceinline__ int unknown(int n, int i, int k) {
    return k < STATES ? STATES * i + k : STATES * n + 3 * i + k - STATES;
}

// Add up `count` numbers of every thread: each block over its threads, and the block that comes last
// over the blocks, in their order. sums: `count` totals, and then the parts of the blocks. `tickets`
// counts blocks, from 0 and back to 0.
__device__ __forceinline__ void store_sums(const double *values, int count,
                                           volatile double *sums, unsigned *tickets) {
    __shared__ bool last;
    volatile double *parts = sums + count;
    for (int k = 0; k < count; ++k) {
        double sum = block_reduce(values[k], Sum());
        if (threadIdx.x == 0) parts[count * blockIdx.x + k] = sum;
    }
    if (threadIdx.x == 0) {
        __threadfence();
        last = atomicAdd(tickets, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    for (int k = 0; k < count; ++k) {
        double sum = 0.0;
        for (unsigned b = threadIdx.x; b < gridDim.x; b += BLOCK) sum += parts[count * b + k];
        sum = block_reduce(sum, Sum());
        if (threadIdx.x == 0) sums[k] = sum;
    }
    if (threadIdx.x == 0) *tickets = 0;
}

#if FRAGMENTS
#define FRAGMENT fragments[i]
#else
#define FRAGMENT 0
#endif

// Write an atom's shares of `count` sums over its fragment, or the sums over the block.
__device__ __forceinline__ void store_shares([[maybe_unused]] int n, [[maybe_unused]] int i,
                                             const double *values, int count, double *shares,
                                             [[maybe_unused]] unsigned *tickets) {
#if FRAGMENTS
    for (int k = 0; i < n && k < count; ++k) shares[(size_t)count * i + k] = values[k];
#else
    store_sums(values, count, shares, tickets);
#endif
}

// A block sums the rows of one segment, members[starts[s]] … members[starts[s + 1] − 1].
extern "C" __global__ void segment_sums(int count, const int *__restrict__ starts,
                                        const int *__restrict__ members,
                                        const double *__restrict__ rows,
                                        double *__restrict__ sums) {
    int end = starts[blockIdx.x + 1];
    for (int k = 0; k < count; ++k) {
        double sum = 0.0;
        for (int m = starts[blockIdx.x] + threadIdx.x; m < end; m += BLOCK)
            sum += rows[(size_t)count * members[m] + k];
        sum = block_reduce(sum, Sum());
        if (threadIdx.x == 0) sums[count * blockIdx.x + k] = sum;
    }
}

// ω·exp(ν q), floored and normalised; shares: charge, and its derivative in ν.
extern "C" __global__ void normalise(int n, const double *__restrict__ multipliers,
                                     const double *__restrict__ start,
                                     const double *__restrict__ charges,
                                     const unsigned char *__restrict__ allowed,
                                     [[maybe_unused]] const int *__restrict__ fragments,
                                     double *__restrict__ weights, SHARES) {
    int i = thread_index();
    double parts[2] = {0.0, 0.0};
    if (i < n) {
        int a = STATES * i;
        normalise_group(multipliers[FRAGMENT], start + a, charges + a, allowed + a, weights + a,
                        parts);
    }
    store_shares(n, i, parts, 2, shares, tickets);
}

// Where a fragment's multiplier ν is: between low and high, once there are such, `best` the smallest
// |Σ ω q − Q| so far, which was at best_nu.
struct Multiplier {
    double nu, low, high, best, best_nu, done;
};

// Next ν of every fragment, towards the roots of functions that increase: Newton's, bisected into the
// bracket, and bounded while there is none. Done at 1e-15 e, or when rounding stops it.
extern "C" __global__ void next_multipliers(int n, const double *__restrict__ charges,
                                            const double *__restrict__ totals,
                                            Multiplier *__restrict__ multipliers,
                                            double *__restrict__ nus) {
    int f = thread_index();
    if (f >= n || multipliers[f].done != 0.0) return;
    Multiplier at = multipliers[f];
    double excess = charges[2 * f] - totals[f], size = fabs(excess);
    bool better = size < at.best;
    if (better) at.best = size, at.best_nu = at.nu;
    bool done = (!better && at.best < 1e-9) || size <= 1e-15;
    if (!done) {
        (excess > 0.0 ? at.high : at.low) = at.nu;
        at.nu = next_multiplier(at.nu, excess, charges[2 * f + 1], at.low, at.high);
        done = at.nu == at.low || at.nu == at.high;
    }
    at.done = done ? 1.0 : 0.0;
    multipliers[f] = at;
    nus[f] = done ? at.best_nu : at.nu;
}

// Shares: covariance of charge and gradient, variance of the charge, Σ ω |g|.
extern "C" __global__ void moments(int n, const double *__restrict__ weights,
                                   const double *__restrict__ gradient,
                                   const double *__restrict__ charges,
                                   const unsigned char *__restrict__ allowed,
                                   SHARES) {
    int i = thread_index();
    double parts[3] = {0.0, 0.0, 0.0};
    if (i < n) {
        int a = STATES * i;
        add_moments(weights + a, gradient + a, charges + a, allowed + a, parts);
        for (int k = STATES; k < UNKNOWNS; ++k)
            parts[2] += fabs(weights[unknown(n, i, k)] * gradient[unknown(n, i, k)]);
    }
    store_shares(n, i, parts, 3, shares, tickets);
}

// Slacks s = g − λ − μ q, roots √ω of free weights, the charge normal √ω (q − q̄); shares: its square;
// and for every block the largest KKT residual.
extern "C" __global__ void slacks(int n, const double *__restrict__ potentials,
                                  const double *__restrict__ weights,
                                  const double *__restrict__ gradient,
                                  const double *__restrict__ charges,
                                  const unsigned char *__restrict__ allowed,
                                  [[maybe_unused]] const int *__restrict__ fragments,
                                  double *__restrict__ slack, double *__restrict__ root,
                                  double *__restrict__ normal, double *__restrict__ residuals,
                                  SHARES) {
    int i = thread_index();
    double worst = 0.0, square = 0.0;
    if (i < n) {
        int a = STATES * i;
        worst = slacks_of(potentials[FRAGMENT], weights + a, gradient + a, charges + a, allowed + a,
                          slack + a, root + a, normal + a);
        for (int m = 0; m < STATES; ++m) square += normal[a + m] * normal[a + m];
    }
    double most = block_reduce(worst, Larger());
    if (threadIdx.x == 0) residuals[blockIdx.x] = most;
    store_shares(n, i, &square, 1, shares, tickets);
}

// y = factor · root · x without its part along √ω; shares: normal · y.
extern "C" __global__ void group_tangent(int n, double factor, const double *__restrict__ root,
                                         const double *__restrict__ normal,
                                         const double *__restrict__ x, double *__restrict__ y,
                                         SHARES) {
    int i = thread_index();
    double along = 0.0;
    if (i < n) {
        int a = STATES * i;
        tangent_of(factor, root + a, x + a, y + a);
        for (int m = 0; m < STATES; ++m) along += normal[a + m] * y[a + m];
        for (int k = STATES; k < UNKNOWNS; ++k) {
            int b = unknown(n, i, k);
            y[b] = factor * root[b] * x[b];
        }
    }
    store_shares(n, i, &along, 1, shares, tickets);
}

// Take the part along the charge normal from y, given normal · y and normal · normal; sums: p · y and
// p · p.
extern "C" __global__ void charge_tangent(int n, const double *__restrict__ along,
                                          const double *__restrict__ squares,
                                          [[maybe_unused]] const int *__restrict__ fragments,
                                          const double *__restrict__ normal,
                                          const double *__restrict__ p, double *__restrict__ y,
                                          SUMS) {
    int i = thread_index();
    double parts[2] = {0.0, 0.0};
    if (i < n) {
        double square = squares[FRAGMENT];
        double factor = square > 0.0 ? along[FRAGMENT] / square : 0.0;
        GROUP {
            y[a] -= factor * normal[a];
            parts[0] += p[a] * y[a];
            parts[1] += p[a] * p[a];
        }
    }
    store_sums(parts, 2, sums, tickets);
}

// Replace a block H by the pseudo-inverse of P √ω H √ω P, P the projector orthogonal to √ω.
extern "C" __global__ void invert_blocks(int n, const double *__restrict__ root,
                                         double *__restrict__ blocks) {
    int i = thread_index();
    if (i < n) invert_block(root + STATES * i, blocks + STATES * STATES * i);
}

// z = M⁺ r; shares: normal · z.
extern "C" __global__ void apply_blocks(int n, const double *__restrict__ inverses,
                                        const double *__restrict__ normal,
                                        const double *__restrict__ r, double *__restrict__ z,
                                        SHARES) {
    int i = thread_index();
    double along = 0.0;
    if (i < n) GROUP {
        double sum = k < STATES ? 0.0 : r[a];
        const double *row = inverses + STATES * a;
        for (int c = 0; k < STATES && c < STATES; ++c) sum += row[c] * r[STATES * i + c];
        z[a] = sum;
        along += normal[a] * sum;
    }
    store_shares(n, i, &along, 1, shares, tickets);
}

// z −= (normal · z / stiffness) M⁺ normal, so that z carries no charge; sums: r · z.
extern "C" __global__ void take_charge(int n, const double *__restrict__ along,
                                       const double *__restrict__ stiffness,
                                       [[maybe_unused]] const int *__restrict__ fragments,
                                       const double *__restrict__ response,
                                       const double *__restrict__ r, double *__restrict__ z,
                                       SUMS) {
    int i = thread_index();
    double rz = 0.0;
    if (i < n) {
        double own = stiffness[FRAGMENT];
        double nu = own > 1e-250 ? along[FRAGMENT] / own : 0.0;
        GROUP {
            z[a] -= nu * response[a];
            rz += r[a] * z[a];
        }
    }
    store_sums(&rz, 1, sums, tickets);
}

// y += α p and r −= α H p, α = r·z / p·Hp; nothing happens along p without positive curvature.
extern "C" __global__ void take_step(int n, const double *__restrict__ rz,
                                const double *__restrict__ curvature,
                                const double *__restrict__ p, const double *__restrict__ hp,
                                double *__restrict__ y, double *__restrict__ r) {
    int i = thread_index();
    if (i >= n || !(curvature[0] > 1e-14 * curvature[1])) return;
    double alpha = *rz / curvature[0];
    GROUP {
        y[a] += alpha * p[a];
        r[a] -= alpha * hp[a];
    }
}

// p = z + β p, β = next r·z over the last; and the direction √ω p in the weights.
extern "C" __global__ void turn(int n, const double *__restrict__ next,
                                const double *__restrict__ last, const double *__restrict__ root,
                                const double *__restrict__ z, double *__restrict__ p,
                                double *__restrict__ direction) {
    int i = thread_index();
    if (i >= n) return;
    double beta = *next / *last;
    GROUP {
        p[a] = z[a] + beta * p[a];
        direction[a] = root[a] * p[a];
    }
}

// Sums: slope y · √ω s; and for every block the largest change of a weight |√ω y|.
extern "C" __global__ void survey(int n, const double *__restrict__ root,
                                  const double *__restrict__ slack, const double *__restrict__ y,
                                  double *__restrict__ changes, SUMS) {
    int i = thread_index();
    double slope = 0.0, change = 0.0;
    if (i < n) GROUP {
        slope += y[a] * root[a] * slack[a];
        change = Larger()(change, fabs(y[a] * root[a]));
    }
    double most = block_reduce(change, Larger());
    if (threadIdx.x == 0) changes[blockIdx.x] = most;
    store_sums(&slope, 1, sums, tickets);
}

// ω·exp(y/√ω) where weight is lost, ω + √ω·y where it is gained.
extern "C" __global__ void retract(int n, double scale, const double *__restrict__ weights,
                                   const double *__restrict__ root, const double *__restrict__ y,
                                   double *__restrict__ out) {
    int i = thread_index();
    if (i >= n) return;
    int a = STATES * i;
    retract_group(scale, weights + a, root + a, y + a, out + a);
}
