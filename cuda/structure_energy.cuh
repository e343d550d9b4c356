// Energy of one structure as a function of its state weights, by a block of threads whose shared
// memory holds all vectors; what ect.cu is for large systems. All threads of the block must call each
// function.
#pragma once

#include "structures.cuh"

#define SLOTS (ATOMS * STATES)

// What is known at a point, equal for all threads.
struct Numbers {
    double value, terms, potential, residual, square;
};

// A point in the space of weights.
struct Point {
    Numbers at;
    double weights[SLOTS], gradient[SLOTS], slack[SLOTS], root[SLOTS], normal[SLOTS];
};

// What does not change while the weights of a structure are sought.
struct Problem {
    const int *counts;
    const unsigned *words;
    const real *values;
    int elements;
    const PairPlaces *pair_places;
    const Channel *channels;
    const EmbeddingNumbers *embedding_numbers;
    const EmbeddingPlaces *embedding_places;
    const double *embedding_values, *state_charges, *charge_pairs;
    double temperature, self_potential, total_charge;
};

// Shared memory of a block.
struct Work {
    Problem problem;
    Point points[2];
    double y[SLOTS], r[SLOTS], z[SLOTS], p[SLOTS], hp[SLOTS], direction[SLOTS], response[SLOTS];
    double energies[SLOTS], slopes[SLOTS], inverses[SLOTS * STATES];
    double background[ATOMS], slope[ATOMS], curvature[ATOMS], charges[ATOMS], potential[ATOMS];
    double coupling[ATOMS], charge_changes[ATOMS];
    double parts[STATES + 2][BLOCK], rows[4][ATOMS];
    unsigned char species[ATOMS], allowed[SLOTS];
    // The pairs of this thread's atom.
    __device__ __forceinline__ Near near(const Task &task) const {
        return {task.n,         task.atom,     ATOM_BITS,
                problem.counts, problem.words, problem.values};
    }
    __device__ __forceinline__ const double *charges_of(const Task &task) const {
        return problem.state_charges + species[task.atom] * STATES;
    }
    __device__ __forceinline__ Channels channels_between(int i, int j) const {
        int pair = species[i] * problem.elements + species[j];
        return channels_of(problem.pair_places, problem.channels, pair);
    }
    // Potential of charges at this thread's atom, its lane's part of the direct sum.
    __device__ __forceinline__ double potential_of(const Task &task, const double *of) const {
        double sum = 0.0;
        if (problem.charge_pairs)
            for (int j = task.lane; j < task.n; j += task.lanes)
                sum += problem.charge_pairs[j * task.n + task.atom] * of[j];
        return sum;
    }
};
static_assert(sizeof(Work) <= 48 * 1024, "shared memory of a block");

// Background density, embedding energies and charges at a point.
__device__ __forceinline__ void find_sites(Work &work, Task task,
                                           const double *weights) {
    Near near = work.near(task);
    if (task.works())
        work.parts[0][threadIdx.x] = density_of(near, weights, task.lane, task.lanes);
    __syncthreads();
    if (task.leads()) {
        int i = task.atom;
        double density = over_lanes(work.parts[0], task);
        double slope = 0.0, curvature = 0.0, charge = 0.0;
        for (int m = 0; m < STATES; ++m) {
            int state = work.species[i] * STATES + m, slot = i * STATES + m;
            Jet f = embedding(work.problem.embedding_numbers + state,
                              work.problem.embedding_places + state,
                              work.problem.embedding_values, density);
            work.energies[slot] = work.problem.embedding_numbers[state].energy + f.value;
            work.slopes[slot] = f.slope;
            slope += weights[slot] * f.slope;
            curvature += weights[slot] * f.curvature;
            charge += weights[slot] * work.problem.state_charges[state];
        }
        work.background[i] = density;
        work.slope[i] = slope;
        work.curvature[i] = curvature;
        work.charges[i] = charge;
    }
    __syncthreads();
}

// ∂E/∂ω at the sites; returns this leader's part of the energy with the entropy.
__device__ __forceinline__ double find_gradient(Work &work, Task task,
                                                const double *weights, double *gradient) {
    Near near = work.near(task);
    const double *here = weights + task.slot();
    if (task.works()) {
        double g[STATES], half = 0.0;
        for (int m = 0; m < STATES; ++m) g[m] = 0.0;
        for (int p = task.lane; p < near.counts[task.atom]; p += task.lanes) {
            int j = near.other(p);
            half += add_gradient(near, p, work.channels_between(task.atom, j), here,
                                 weights + j * STATES, work.slope[j], g);
        }
        for (int m = 0; m < STATES; ++m) work.parts[m][threadIdx.x] = g[m];
        work.parts[STATES][threadIdx.x] = half;
        work.parts[STATES + 1][threadIdx.x] = work.potential_of(task, work.charges);
    }
    __syncthreads();
    double energy = 0.0;
    if (task.leads()) {
        int i = task.atom;
        const double *charges = work.charges_of(task);
        double potential = over_lanes(work.parts[STATES + 1], task);
        double v = potential + work.problem.self_potential * work.charges[i];
        work.potential[i] = potential;
        energy = 0.5 * (over_lanes(work.parts[STATES], task) + work.charges[i] * v);
        for (int m = 0; m < STATES; ++m) {
            int slot = i * STATES + m;
            double sum = over_lanes(work.parts[m], task) + work.energies[slot] + v * charges[m];
            energy += here[m] * work.energies[slot];
            if (here[m] > 0.0) {
                Jet entropy = formulas::entropy(here[m]);
                energy += work.problem.temperature * entropy.value;
                if (work.problem.temperature > 0.0) sum += work.problem.temperature * entropy.slope;
            }
            gradient[slot] = sum;
        }
    }
    return energy;
}

// Hessian times work.direction to the leaders' rows of work.hp.
__device__ __forceinline__ void find_product(Work &work, Task task,
                                             const double *weights) {
    Near near = work.near(task);
    int i = task.atom, first = task.slot();
    if (task.works())
        work.parts[0][threadIdx.x] =
            density_of(near, work.direction, task.lane, task.lanes);
    __syncthreads();
    const double *charges = work.charges_of(task);
    if (task.leads()) {
        double change = over_lanes(work.parts[0], task), coupling = 0.0, charge = 0.0;
        for (int m = 0; m < STATES; ++m) {
            double along = work.direction[first + m];
            coupling += along * work.slopes[first + m];
            charge += along * charges[m];
            work.hp[first + m] = work.slopes[first + m] * change +
                                 work.problem.temperature * along * inverse_of(weights[first + m]);
        }
        work.coupling[i] = coupling + work.curvature[i] * change;
        work.charge_changes[i] = charge;
    }
    __syncthreads();
    if (task.works()) {
        double sum[STATES];
        for (int m = 0; m < STATES; ++m) sum[m] = 0.0;
        Along here = {weights + first, work.direction + first};
        for (int p = task.lane; p < near.counts[i]; p += task.lanes) {
            int j = near.other(p);
            Along there = {weights + j * STATES, work.direction + j * STATES};
            add_product(near, p, work.channels_between(task.atom, j), here, there,
                        work.coupling[j], sum);
        }
        for (int m = 0; m < STATES; ++m) work.parts[m][threadIdx.x] = sum[m];
        work.parts[STATES][threadIdx.x] = work.potential_of(task, work.charge_changes);
    }
    __syncthreads();
    if (task.leads()) {
        double v = over_lanes(work.parts[STATES], task) +
                   work.problem.self_potential * work.charge_changes[i];
        for (int m = 0; m < STATES; ++m)
            work.hp[first + m] += over_lanes(work.parts[m], task) + v * charges[m];
    }
}

// The preconditioner's inverse block of every leader's atom.
__device__ __noinline__ void find_inverse(Work &work, Task task,
                                             const Point &point) {
    if (!task.leads()) return;
    Near near = work.near(task);
    const double *here = point.weights + task.slot();
    double block[STATES][STATES];
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k)
            block[m][k] = m == k ? work.problem.temperature * inverse_of(here[m]) : 0.0;
    for (int p = 0; p < near.counts[task.atom]; ++p) {
        int j = near.other(p);
        add_block(near, p, work.channels_between(task.atom, j), here,
                  point.weights + j * STATES, work.curvature[j], block);
    }
    double *out = work.inverses + task.slot() * STATES;
    for (int m = 0; m < STATES; ++m)
        for (int k = 0; k < STATES; ++k) out[m * STATES + k] = block[m][k];
    invert_block(point.root + task.slot(), out);
}
