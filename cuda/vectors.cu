// Vectors beside the weights: three unknowns without constraints for every group, after all weights;
// twin of rust/core/src/ensemble/vectors.rs. A vector v costs |v|²/2s with the softness s = Σ_a ω_a s_a
// of its weights, and is scaled by √s.
#include "groups.cuh"

#define EMPTY 1e-8  // softness below which a vector follows its field by itself

__device__ __forceinline__ double softness_of(const double *weights, const double *softness) {
    double sum = 0.0;
    for (int m = 0; m < STATES; ++m) sum += weights[m] * softness[m];
    return sum;
}

// First component of the vector of group i.
__device__ __forceinline__ size_t vector_of(int n, int i) {
    return (size_t)STATES * n + 3 * (size_t)i;
}

// Copy the vectors of groups where something is soft.
extern "C" __global__ void keep_vectors(int n, const double *__restrict__ softness,
                                        const double *__restrict__ given,
                                        double *__restrict__ unknowns) {
    int i = thread_index();
    if (i >= n) return;
    int a = STATES * i;
    bool soft = softness_of(unknowns + a, softness + a) > 0.0;
    for (size_t k = vector_of(n, i); k < vector_of(n, i + 1); ++k)
        unknowns[k] = soft ? given[k] : 0.0;
}

// Slack, scale and (none) charge normal of the vectors; and for every block the largest residual √s|g|
// and the largest gradient of a vector that should follow its field.
extern "C" __global__ void vector_slacks(int n, const double *__restrict__ softness,
                                         const double *__restrict__ unknowns,
                                         const double *__restrict__ gradient,
                                         double *__restrict__ slack, double *__restrict__ root,
                                         double *__restrict__ normal,
                                         double *__restrict__ residuals) {
    int i = thread_index();
    double worst = 0.0, unsettled = 0.0;
    if (i < n) {
        int a = STATES * i;
        double soft = softness_of(unknowns + a, softness + a), scale = sqrt(soft);
        for (size_t k = vector_of(n, i); k < vector_of(n, i + 1); ++k) {
            slack[k] = gradient[k];
            root[k] = scale;
            normal[k] = 0.0;
            worst = Larger()(worst, fabs(scale * gradient[k]));
            if (soft > 0.0 && soft < EMPTY) unsettled = Larger()(unsettled, fabs(gradient[k]));
        }
    }
    double most = block_reduce(worst, Larger()), left = block_reduce(unsettled, Larger());
    if (threadIdx.x == 0) residuals[2 * blockIdx.x] = most, residuals[2 * blockIdx.x + 1] = left;
}

// Move the vectors along y, those of `moved`, whose weights have been moved and projected. To first
// order v ← v + √s y; where the softness falls, v/s takes the step.
extern "C" __global__ void move_vectors(int n, double scale, const double *__restrict__ softness,
                                        const double *__restrict__ unknowns,
                                        const double *__restrict__ root,
                                        const double *__restrict__ y,
                                        double *__restrict__ moved) {
    int i = thread_index();
    if (i >= n) return;
    int first = STATES * i;
    double before = softness_of(unknowns + first, softness + first), change = 0.0;
    double after = softness_of(moved + first, softness + first);
    for (int a = first; a < first + STATES; ++a) change += scale * root[a] * y[a] * softness[a];
    for (size_t k = vector_of(n, i); k < vector_of(n, i + 1); ++k) {
        double target = unknowns[k] + scale * root[k] * y[k], own = 0.0;
        if (before > 0.0 && change < 0.0)
            own = (target - unknowns[k] * change / before) * (after / before);
        else if (before > 0.0)
            own = target * (after / (before + change));
        moved[k] = own;
    }
}

// Take the vectors of all but empty states to where their gradient vanishes: in the scaling of a step
// they count for nothing, but v/s decides whether such a state should gain weight.
extern "C" __global__ void settle_vectors(int n, const double *__restrict__ softness,
                                          const double *__restrict__ gradient,
                                          double *__restrict__ unknowns) {
    int i = thread_index();
    if (i >= n) return;
    int a = STATES * i;
    double soft = softness_of(unknowns + a, softness + a);
    if (!(soft > 0.0 && soft < EMPTY)) return;
    for (size_t k = vector_of(n, i); k < vector_of(n, i + 1); ++k)
        unknowns[k] -= soft * gradient[k];
}
