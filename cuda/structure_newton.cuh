// Points and Newton steps of the minimisation over a structure's weights, by a block of threads: the
// algorithm of constraints.py and ensemble.py. All threads of the block must call each function.
#pragma once

#include "structure_energy.cuh"

#define MOST_PRODUCTS 100          // of a Newton step
#define LARGEST_VALUE 1.7e308

// Σ ω q − Q of start·exp(ν q), normalised, to `out`; and its derivative in ν.
__device__ __forceinline__ void normalised(Work &work, Task task, double nu,
                                           const double *start, double *out, double found[2]) {
    double sums[2] = {0.0, 0.0};
    int slot = task.slot();
    if (task.leads())
        normalise_group(nu, start + slot, work.charges_of(task), work.allowed + slot,
                        out + slot, sums);
    total(work.rows, task, sums);
    found[0] = sums[0] - work.problem.total_charge;
    found[1] = sums[1];
}

// Replace positive numbers by the feasible weights nearest to them (Kullback and Leibler's distance).
__device__ __noinline__ void project(Work &work, Task task, double *weights) {
    double *start = work.hp, found[2];
    double nu = 0.0, low = -UNBOUNDED, high = UNBOUNDED, best = 1e300, best_nu = 0.0;
    normalised(work, task, 0.0, weights, start, found);
    for (int round = 0; round < 200; ++round) {
        double excess = fabs(found[0]);
        if (excess < best)
            best = excess, best_nu = nu;
        else if (best < 1e-9)
            break;
        if (excess <= 1e-15) break;
        if (found[0] > 0.0)
            high = nu;
        else
            low = nu;
        nu = next_multiplier(nu, found[0], found[1], low, high);
        if (nu == low || nu == high) break;
        normalised(work, task, nu, start, weights, found);
    }
    normalised(work, task, best_nu, start, weights, found);
}

// Middle of the interval of potentials that keeps all empty states empty.
__device__ __forceinline__ double vertex_potential(Work &work, Task task,
                                                   const Point &point) {
    double low = -LARGEST_VALUE, high = LARGEST_VALUE;
    int slot = task.slot(), most = 0;
    if (task.leads()) {
        const double *q = work.charges_of(task), *w = point.weights + slot;
        const double *g = point.gradient + slot;
        EACH_STATE if (w[m] > w[most]) most = m;
        EACH_STATE {
            double dq = work.allowed[slot + m] ? q[m] - q[most] : 0.0;
            if (dq > 0.0) high = fmin(high, (g[m] - g[most]) / dq);
            if (dq < 0.0) low = fmax(low, (g[m] - g[most]) / dq);
        }
    }
    low = largest(work.rows, task, low);
    high = -largest(work.rows, task, -high);
    if (low == -LARGEST_VALUE) return high == LARGEST_VALUE ? 0.0 : high;
    return high == LARGEST_VALUE ? low : 0.5 * (low + high);
}

// Value, gradient, multipliers and residual at the weights of a point.
__device__ __noinline__ void evaluate(Work &work, Task task, Point &point) {
    int slot = task.slot();
    find_sites(work, task, point.weights);
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    sums[3] = find_gradient(work, task, point.weights, point.gradient);
    const double *charges = work.charges_of(task);
    const unsigned char *allowed = work.allowed + slot;
    if (task.leads())
        add_moments(point.weights + slot, point.gradient + slot, charges, allowed, sums);
    total(work.rows, task, sums);
    bool varied = sums[1] > 1e-20;
    double potential = varied ? sums[0] / sums[1] : vertex_potential(work, task, point);
    double worst = 0.0, square[1] = {0.0};
    if (task.leads()) {
        worst = slacks_of(potential, point.weights + slot, point.gradient + slot, charges,
                          allowed, point.slack + slot, point.root + slot, point.normal + slot);
        EACH_STATE square[0] += point.normal[slot + m] * point.normal[slot + m];
    }
    total(work.rows, task, square);
    worst = largest(work.rows, task, worst);
    if (!isfinite(sums[3]) || !isfinite(worst)) worst = LARGEST_VALUE;
    if (threadIdx.x == 0) point.at = {sums[3], sums[2], potential, worst, square[0]};
    __syncthreads();
}

// factor · √ω x on the tangent space of all constraints.
__device__ __forceinline__ void tangent(Work &work, Task task, const Point &point,
                                        double factor, const double *x, double *y) {
    int slot = task.slot();
    double along[1] = {0.0};
    if (task.leads()) {
        tangent_of(factor, point.root + slot, x + slot, y + slot);
        EACH_STATE along[0] += point.normal[slot + m] * y[slot + m];
    }
    total(work.rows, task, along);
    double part = point.at.square > 0.0 ? along[0] / point.at.square : 0.0;
    if (task.leads()) EACH_STATE y[slot + m] -= part * point.normal[slot + m];
}

// M⁺ x of the leader's atom.
__device__ __forceinline__ void apply_inverse(const Work &work, Task task,
                                              const double *x, double *z) {
    int slot = task.slot();
    for (int r = 0; r < STATES; ++r) {
        double sum = 0.0;
        for (int c = 0; c < STATES; ++c)
            sum += work.inverses[STATES * (slot + r) + c] * x[slot + c];
        z[slot + r] = sum;
    }
}

// z = M⁺ (r − ν · normal), without charge; returns r · z.
__device__ __forceinline__ double precondition(Work &work, Task task,
                                               const Point &point, double stiffness) {
    int slot = task.slot();
    double sums[3] = {0.0, 0.0, 0.0};
    if (task.leads()) {
        apply_inverse(work, task, work.r, work.z);
        EACH_STATE {
            sums[0] += point.normal[slot + m] * work.z[slot + m];
            sums[1] += work.r[slot + m] * work.z[slot + m];
            sums[2] += work.r[slot + m] * work.response[slot + m];
        }
    }
    total(work.rows, task, sums);
    double nu = stiffness > 1e-250 ? sums[0] / stiffness : 0.0;
    if (task.leads()) EACH_STATE work.z[slot + m] -= nu * work.response[slot + m];
    return sums[1] - nu * sums[2];
}

// p = z + β p, and the direction √ω p in the weights.
__device__ __forceinline__ void turn(Work &work, Task task, const Point &point,
                                     double beta) {
    int slot = task.slot();
    if (task.leads()) EACH_STATE {
            int a = slot + m;
            work.p[a] = work.z[a] + beta * work.p[a];
            work.direction[a] = point.root[a] * work.p[a];
        }
    __syncthreads();
}

// Move y and r along p; false at negative curvature, where nothing moves.
__device__ __forceinline__ bool take_step(Work &work, Task task, const Point &point,
                                          double size) {
    int slot = task.slot();
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    if (task.leads()) {
        tangent_of(1.0, point.root + slot, work.hp + slot, work.hp + slot);
        EACH_STATE {
            double normal = point.normal[slot + m], p = work.p[slot + m], hp = work.hp[slot + m];
            sums[0] += normal * hp;
            sums[1] += p * hp;
            sums[2] += p * normal;
            sums[3] += p * p;
        }
    }
    total(work.rows, task, sums);
    double part = point.at.square > 0.0 ? sums[0] / point.at.square : 0.0;
    double curvature = sums[1] - part * sums[2];
    if (!(curvature > 1e-14 * sums[3])) return false;
    double alpha = size / curvature;
    if (task.leads()) EACH_STATE {
            int a = slot + m;
            work.y[a] += alpha * work.p[a];
            work.r[a] -= alpha * (work.hp[a] - part * point.normal[a]);
        }
    return true;
}

// H y = r on the tangent space; false at negative curvature, which work.p then is a direction of.
// `accuracy` 0: that which makes the outer iteration converge superlinearly.
__device__ __noinline__ bool conjugate_gradients(Work &work, Task task,
                                                 const Point &point,
                                                 double accuracy, int *products) {
    int slot = task.slot();
    find_inverse(work, task, point);
    double stiffness[1] = {0.0};
    if (task.leads()) {
        apply_inverse(work, task, point.normal, work.response);
        EACH_STATE {
            stiffness[0] += point.normal[slot + m] * work.response[slot + m];
            work.y[slot + m] = work.p[slot + m] = 0.0;
        }
    }
    total(work.rows, task, stiffness);
    double size = precondition(work, task, point, stiffness[0]);
    *products = 0;
    if (size <= 0.0) return true;
    turn(work, task, point, 0.0);
    if (accuracy == 0.0) accuracy = fmin(fmax(sqrt(sqrt(size)), 1e-3), 0.1);
    double target = size * accuracy * accuracy;
    while (*products < MOST_PRODUCTS) {
        ++*products;
        find_product(work, task, point.weights);
        if (!take_step(work, task, point, size)) return false;
        double next = precondition(work, task, point, stiffness[0]);
        if (next <= target) return true;
        turn(work, task, point, next / size);
        size = next;
    }
    return true;
}
