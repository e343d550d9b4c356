// State weights of many small structures: each is minimised by a block of threads from beginning to
// end, in shared memory, without the host; a structure that has converged keeps nobody waiting.
// The algorithm is that of ensemble.py and of rust/core/src/ensemble.
#include "random.cuh"
#include "structure_newton.cuh"

#define MINIMUM_BLOCKS (384 / BLOCK)  // of a multiprocessor: leaves 168 registers to a thread
#define MOST_STARTS 8
#define SMALL 100                  // up to so many weights all starts are tried
#define SAME_VALUE 1e-9            // eV: two minima of one value
#define LARGEST_CHANGE 0.5         // of a weight, along negative curvature
#define SUFFICIENT 1e-4            // decrease of the line search (Armijo)
#define MOST_ESCAPES 5
#define ESCAPE_ACCURACY 1e-3

// Minimisation from one start, which ends at points[current].
struct Outcome {
    int current, products, iterations;
    bool definite, converged;
};

struct Limits {
    double tolerance;
    int iterations;
    bool leave_saddles;
};

// Move along work.y with a backtracking line search, from points[current] to the other one; false if
// no step decreases the value.
__device__ __noinline__ bool advance(Work &work, Task task, int current, bool bounded) {
    Point &point = work.points[current], &trial = work.points[1 - current];
    int slot = task.slot();
    double slope[1] = {0.0}, change = 0.0;
    if (task.leads()) EACH_STATE {
            double step = work.y[slot + m] * point.root[slot + m];
            slope[0] += step * point.slack[slot + m];
            change = Larger()(change, fabs(step));
        }
    total(work.rows, task, slope);
    change = largest(work.rows, task, change);
    if (!(change > 0.0 && change < LARGEST_VALUE)) return false;
    double scale = bounded || change > 1.0 ? fmin(LARGEST_CHANGE / change, 1.0) : 1.0;
    if (bounded && slope[0] >= 0.0) scale = 0.05 * LARGEST_CHANGE / change;
    double noise = 2e-15 * (fabs(point.at.value) + point.at.terms + task.n * STATES);
    for (int trials = 0; trials < 40; ++trials, scale *= 0.4) {
        if (task.leads())
            retract_group(scale, point.weights + slot, point.root + slot, work.y + slot,
                          trial.weights + slot);
        project(work, task, trial.weights);
        evaluate(work, task, trial);
        double gain = trial.at.value - point.at.value;
        bool quiet = fabs(gain) <= noise && trial.at.residual <= point.at.residual;
        double enough =
            SUFFICIENT * scale * fmin(slope[0], 0.0) - (slope[0] >= 0.0 ? noise : 0.0);
        if (gain <= enough || quiet) return true;
    }
    evaluate(work, task, point);
    return false;
}

// A vector without symmetry to look for negative curvature with.
__device__ __forceinline__ void scatter(Work &work, Task task, int seed) {
    int slot = task.slot();
    if (task.leads()) EACH_STATE {
            unsigned word = philox({{(unsigned)(slot + m), 0, 0, 0}}, seed, 0).x[0];
            work.z[slot + m] = uniform(word) - 0.5;
        }
}

// Newton step from a point into work.y; at a stationary one (which is not a saddle: true) a direction of
// negative curvature.
__device__ __forceinline__ bool find_step(Work &work, Task task, const Point &point,
                                          bool stationary, int seed, int *products) {
    if (stationary) scatter(work, task, seed);
    const double *from = stationary ? work.z : point.slack;
    tangent(work, task, point, stationary ? 1.0 : -1.0, from, work.r);
    double accuracy = stationary ? ESCAPE_ACCURACY : 0.0;
    bool definite = conjugate_gradients(work, task, point, accuracy, products);
    bool along = !definite && (stationary || *products == 1);
    if (task.leads() && along)
        EACH_STATE work.y[task.slot() + m] = work.p[task.slot() + m];
    return definite;
}

// Minimise from the weights of points[0].
__device__ __forceinline__ Outcome minimise(Work &work, Task task, const Limits &limits) {
    project(work, task, work.points[0].weights);
    evaluate(work, task, work.points[0]);
    Outcome found = {0, 0, 0, true, false};
    for (int escapes = 0;; ++found.iterations) {
        const Point &point = work.points[found.current];
        bool stationary = point.at.residual <= limits.tolerance;
        if (stationary ? !limits.leave_saddles : found.iterations == limits.iterations) break;
        int products;
        found.definite = find_step(work, task, point, stationary, found.iterations, &products);
        found.products += products;
        if (stationary && (found.definite || escapes++ == MOST_ESCAPES)) break;
        if (found.iterations == limits.iterations) break;
        bool moved = advance(work, task, found.current, !found.definite);
        if (!moved && !stationary && point.at.residual > fmax(limits.tolerance, 1e-7)) {
            // A poor step near rounding: fall back to the scaled gradient once.
            tangent(work, task, point, -1.0, point.slack, work.y);
            moved = advance(work, task, found.current, true);
        }
        if (!moved) break;
        found.current = 1 - found.current;
    }
    found.converged = work.points[found.current].at.residual <= limits.tolerance;
    return found;
}

// Put the weights that a start gives every atom into a point; without starts those that are given.
__device__ __forceinline__ void put_start(Work &work, Task task, double *weights,
                                          const double *starts, int start, const double *given) {
    const double *of = starts + (start * work.problem.elements + work.species[task.atom]) * STATES;
    if (given) of = given + task.slot();
    if (task.leads()) EACH_STATE weights[task.slot() + m] = of[m];
    __syncthreads();
}

// The starts in the order in which they are tried; large structures: that of their energies.
__device__ __forceinline__ void order_starts(Work &work, Task task,
                                             const double *starts, int count, bool small,
                                             int order[MOST_STARTS]) {
    double values[MOST_STARTS];
    for (int start = 0; start < count; ++start) {
        int place = start;
        if (!small) {
            put_start(work, task, work.points[0].weights, starts, start, nullptr);
            project(work, task, work.points[0].weights);
            evaluate(work, task, work.points[0]);
            double value = work.points[0].at.value;
            for (; place > 0 && values[place - 1] > value; --place) {
                values[place] = values[place - 1];
                order[place] = order[place - 1];
            }
            values[place] = value;
        }
        order[place] = start;
    }
}

// Lowest minimum of all starts, or of a large structure the first that is found; without starts that
// of the weights in `best`. Its weights go to `best` and eight numbers to `row`, both in global memory.
__device__ __forceinline__ void search(Work &work, Task task, const Limits &limits,
                                       const double *starts, int count, bool small, double *best,
                                       double *row) {
    int order[MOST_STARTS], products = 0, slot = task.slot();
    order_starts(work, task, starts, count, small, order);
    double lowest = LARGEST_VALUE;
    bool converged = false;
    const double *given = count > 0 ? nullptr : best;
    for (int k = 0; k < max(count, 1); ++k) {
        int start = given ? 0 : order[k];
        put_start(work, task, work.points[0].weights, starts, start, given);
        Outcome found = minimise(work, task, limits);
        const Point &point = work.points[found.current];
        products += found.products;
        bool lower = point.at.value < lowest - SAME_VALUE;
        if (k == 0 || (found.converged && (lower || !converged))) {
            lowest = point.at.value, converged = found.converged;
            if (task.leads()) EACH_STATE best[slot + m] = point.weights[slot + m];
            if (threadIdx.x == 0) {
                row[0] = lowest, row[2] = point.at.potential, row[3] = point.at.residual;
                row[5] = found.iterations, row[6] = found.definite, row[7] = converged;
            }
        }
        if (found.converged && !small) break;
    }
    if (threadIdx.x == 0) row[4] = products;
}

// The weights, what belongs to them, and eight numbers of every structure: value and entropy T Σ ω ln ω
// (eV), chemical potential, residual, products, iterations, 1 for a strict minimum, 1 if converged.
// No starts: from the weights that are there.
extern "C" __global__ void __launch_bounds__(BLOCK, MINIMUM_BLOCKS) minimise_structures(
    const Extent *__restrict__ extents, const int *__restrict__ near_counts,
    const unsigned *__restrict__ near_words, const real *__restrict__ values, SPECIES,
    int direct, const double *__restrict__ charge_pairs, double temperature, double self_potential,
    const EmbeddingNumbers *__restrict__ embedding_numbers,
    const EmbeddingPlaces *__restrict__ embedding_places,
    const double *__restrict__ embedding_values, const double *__restrict__ state_charges,
    const unsigned char *__restrict__ allowed, const double *__restrict__ total_charges,
    int start_count, const double *__restrict__ starts, const int *__restrict__ weight_counts,
    double tolerance, int iterations, int leave_saddles, double *__restrict__ weights, double *__restrict__ energies,
    double2 *__restrict__ means, double *__restrict__ sites, double *__restrict__ numbers) {
    __shared__ Work work;
    const Extent &extent = extents[blockIdx.x];
    Task task = task_of(extent);
    int global = extent.first + task.atom, slot = task.slot();
    if (threadIdx.x == 0)
        work.problem = {near_counts + extent.first,
                        near_words + extent.first_pair,
                        values + extent.first_pair * VALUES,
                        elements,
                        pair_places,
                        channels,
                        embedding_numbers,
                        embedding_places,
                        embedding_values,
                        state_charges,
                        direct ? charge_pairs + extent.first_charge_pair : nullptr,
                        temperature,
                        self_potential,
                        total_charges[blockIdx.x]};
    if (task.leads()) {
        work.species[task.atom] = species[global];
        EACH_STATE work.allowed[slot + m] = allowed[global * STATES + m];
    }
    __syncthreads();
    double *own = weights + (size_t)extent.first * STATES;
    bool small = weight_counts[blockIdx.x] <= SMALL;
    double *row = numbers + 8 * blockIdx.x;
    search(work, task, {tolerance, iterations, leave_saddles != 0}, starts, start_count, small, own, row);
    double *last = work.points[0].weights;
    if (task.leads()) EACH_STATE last[slot + m] = own[slot + m];
    __syncthreads();
    evaluate(work, task, work.points[0]);
    double entropy[1] = {0.0};
    if (task.leads()) {
        EACH_STATE {
            double weight = last[slot + m];
            if (weight > 0.0) entropy[0] += temperature * formulas::entropy(weight).value;
            energies[(size_t)global * STATES + m] = work.energies[slot + m];
        }
        means[global] = {work.slope[task.atom], work.curvature[task.atom]};
        sites[3 * global] = work.background[task.atom];
        sites[3 * global + 1] = work.charges[task.atom];
        sites[3 * global + 2] = work.potential[task.atom];
    }
    total(work.rows, task, entropy);
    if (threadIdx.x == 0) row[1] = entropy[0];
}
