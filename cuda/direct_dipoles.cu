// Point charges and point dipoles beyond the pairs: all pairs of a finite system; twin of `Direct` in
// rust/core/src/coulomb/multipoles.rs. Threads of a block share the atoms they have loaded.
#include "list.cuh"

// Charge and dipole of an atom.
struct Multipole {
    double charge, dipole[3];
};

#define MULTIPOLES                                                                             \
    int n, double coulomb, const Quad *__restrict__ positions,                                 \
        const double *__restrict__ charges, const double *__restrict__ dipoles

__device__ __forceinline__ Multipole multipole_of(const double *charges, const double *dipoles,
                                                  int i) {
    const double *m = dipoles + 3 * (size_t)i;
    return {charges[i], {m[0], m[1], m[2]}};
}

// Call visit(vector from i, its square, multipole) for all other atoms. All threads of the block must
// call it. Per pair: 64 bytes per block.
template <class Visit>
__device__ __forceinline__ void each_other(int n, int i, const Quad *positions,
                                           const double *charges, const double *dipoles,
                                           Visit visit) {
    __shared__ Quad places[BLOCK];
    __shared__ Multipole sources[BLOCK];
    Quad here = positions[min(i, n - 1)];
    for (int start = 0; start < n; start += BLOCK) {
        int mine = start + threadIdx.x, count = min(BLOCK, n - start);
        if (mine < n) {
            places[threadIdx.x] = positions[mine];
            sources[threadIdx.x] = multipole_of(charges, dipoles, mine);
        }
        __syncthreads();
        for (int k = 0; k < count; ++k) {
            double d[3] = {places[k].x - here.x, places[k].y - here.y, places[k].z - here.z};
            if (start + k != i && i < n) visit(d, squared(d), sources[k]);
        }
        __syncthreads();
    }
}

// ∂E/∂q (eV/e) and ∂E/∂m (eV/(e·Å)) of every atom. Some 40 operations a pair.
extern "C" __global__ void __launch_bounds__(BLOCK) direct_fields(
    MULTIPOLES, double *__restrict__ potential, double *__restrict__ gradients) {
    int i = thread_index();
    double v = 0.0, gradient[3] = {0.0, 0.0, 0.0};
    each_other(n, i, positions, charges, dipoles,
               [&](const double d[3], double r2, const Multipole &there) {
                   double f[4], part[3];
                   const double *m = there.dipole;
                   formulas::point_multipole(r2, f);
                   formulas::dipole_gradient(f[1], f[2], d, m, part);
                   v += there.charge * f[0] + (m[0] * d[0] + m[1] * d[1] + m[2] * d[2]) * f[1];
                   for (int axis = 0; axis < 3; ++axis)
                       gradient[axis] += part[axis] - there.charge * f[1] * d[axis];
               });
    if (i >= n) return;
    potential[i] = coulomb * v;
    for (int axis = 0; axis < 3; ++axis) gradients[3 * (size_t)i + axis] = coulomb * gradient[axis];
}

// Forces, and for every block its part of dE/dstrain. Some 90 operations a pair.
extern "C" __global__ void __launch_bounds__(BLOCK) direct_dipole_forces(
    MULTIPOLES, double *__restrict__ forces, double *__restrict__ virials) {
    int i = thread_index();
    Pull pull = {};
    Multipole here = multipole_of(charges, dipoles, min(i, n - 1));
    each_other(n, i, positions, charges, dipoles,
               [&](const double d[3], double r2, const Multipole &there) {
                   double f[4], slope[3];
                   formulas::point_multipole(r2, f);
                   double qi = here.charge, qj = there.charge;
                   double by[4] = {qj * f[1], qi * f[1], f[1], f[2]};
                   double by_r[4] = {qj * f[2], qi * f[2], f[2], f[3]};
                   formulas::dipole_slope(by, by_r, d, here.dipole, there.dipole, slope);
                   for (int axis = 0; axis < 3; ++axis)
                       slope[axis] = coulomb * (slope[axis] + qi * qj * f[1] * d[axis]);
                   pull.add(slope, d);
               });
    pull.store(i < n, forces + 3 * (size_t)i, virials);
}
