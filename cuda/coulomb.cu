// Point charges beyond the pairs: all pairs of a finite system; twin of
// rust/core/src/coulomb/direct.rs. Threads of a block share the atoms they have loaded.
#include "common.cuh"

struct Field {
    double potential, x, y, z;
};

// Potential per COULOMB of all other atoms at one, and if FORCES its gradient with the sign of a
// force. All threads of the block must call it. Per pair: 40 bytes per block, and some 20 operations.
template <bool FORCES>
__device__ Field field_of(int n, int i, const Quad *positions, const double *charges) {
    __shared__ Quad shared[BLOCK];
    Field field = {0.0, 0.0, 0.0, 0.0};
    Quad here = positions[min(i, n - 1)];
    for (int start = 0; start < n; start += BLOCK) {
        int mine = start + threadIdx.x, count = min(BLOCK, n - start);
        if (mine < n) {
            Quad p = positions[mine];
            shared[threadIdx.x] = {p.x, p.y, p.z, charges[mine]};
        }
        __syncthreads();
        for (int k = 0; k < count; ++k) {
            Quad there = shared[k];
            double dx = here.x - there.x, dy = here.y - there.y, dz = here.z - there.z;
            double squared = dx * dx + dy * dy + dz * dz;
            if (start + k == i) continue;
            double inverse = 1.0 / sqrt(squared), part = there.w * inverse;
            field.potential += part;
            if (FORCES) {
                double factor = part * inverse * inverse;
                field.x += factor * dx;
                field.y += factor * dy;
                field.z += factor * dz;
            }
        }
        __syncthreads();
    }
    return field;
}

// V_i = COULOMB Σ_{j≠i} q_j/R_ij, eV/e.
extern "C" __global__ void __launch_bounds__(BLOCK) direct_potential(
    int n, double coulomb, const Quad *__restrict__ positions, const double *__restrict__ charges,
    double *__restrict__ potential) {
    int i = thread_index();
    Field field = field_of<false>(n, i, positions, charges);
    if (i < n) potential[i] = coulomb * field.potential;
}

// Add the forces to those of the pairs. The virial of 1/R is −½ Σ_i q_i (r_i · …): dE/dstrain_ab =
// −½ Σ_i (f_i)_a (r_i)_b summed over both ends of every pair, which is −Σ_i (f_i)_a (r_i)_b here, as
// the forces sum to zero.
extern "C" __global__ void __launch_bounds__(BLOCK) direct_forces(
    int n, double coulomb, const Quad *__restrict__ positions, const double *__restrict__ charges,
    double *__restrict__ forces, double *__restrict__ virials) {
    int i = thread_index();
    Field field = field_of<true>(n, i, positions, charges);
    double f[3] = {0.0, 0.0, 0.0}, r[3] = {0.0, 0.0, 0.0};
    if (i < n) {
        double factor = coulomb * charges[i];
        f[0] = factor * field.x, f[1] = factor * field.y, f[2] = factor * field.z;
        Quad here = positions[i], first = positions[0];
        r[0] = here.x - first.x, r[1] = here.y - first.y, r[2] = here.z - first.z;
        for (int axis = 0; axis < 3; ++axis) forces[3 * i + axis] += f[axis];
    }
    for (int part = 0; part < 6; ++part) {
        int a = part < 3 ? part : (part + 1) % 3, b = part < 3 ? part : (part + 2) % 3;
        double sum = block_reduce(-f[a] * r[b], Sum());
        if (threadIdx.x == 0) virials[6 * blockIdx.x + part] += sum;
    }
}
