// Dipoles on the mesh: a dipole is the derivative m·∇ of a charge, and so are its spline weights;
// twin of rust/core/src/coulomb/pme/dipoles.rs. Sums as in pme.cu.
#include "mesh.cuh"

#define MESH                                                                                   \
    int n, const Quad *__restrict__ sorted, const double *__restrict__ inverse,                \
        const MeshShape *__restrict__ shape, const double *__restrict__ powers

// Components along the mesh of a vector.
__device__ __forceinline__ void along_mesh(const double *inverse, const int *m,
                                           const double *vector, double out[3]) {
    for (int d = 0; d < 3; ++d) {
        out[d] = 0.0;
        for (int axis = 0; axis < 3; ++axis) out[d] += m[d] * inverse[3 * axis + d] * vector[axis];
    }
}

// Charges and dipoles to the mesh: a thread for one plane of the points around an atom. Per atom
// ORDER³ additions of 8 bytes, most of which meet in the cache.
extern "C" __global__ void __launch_bounds__(BLOCK) spread_dipoles(
    MESH, const double *__restrict__ charges, const double *__restrict__ dipoles,
    unsigned long long *__restrict__ mesh) {
    int thread = thread_index();
    int i = thread / ORDER, a = thread % ORDER;
    if (i >= n) return;
    Axis x, y, z;
    locate<1>(sorted[i], inverse, shape, powers, &x, &y, &z);
    const int *m = shape->n;
    double u[3];
    along_mesh(inverse, m, dipoles + 3 * (size_t)i, u);
    size_t plane = wrapped(x.first + a, m[0]);
    double strength = FIXED * (charges[i] * x.weights[a] + u[0] * x.slopes[a]);
#pragma unroll 1  // fewer registers
    for (int b = 0; b < ORDER; ++b) {
        size_t row = (plane * m[1] + wrapped(y.first + b, m[1])) * m[2];
        double across = strength * y.weights[b] + FIXED * u[1] * x.weights[a] * y.slopes[b];
        double along = FIXED * u[2] * x.weights[a] * y.weights[b];
        for (int c = 0; c < ORDER; ++c) {
            long long part = llrint(across * z.weights[c] + along * z.slopes[c]);
            atomicAdd(mesh + row + wrapped(z.first + c, m[2]), (unsigned long long)part);
        }
    }
}

// Potential on the mesh at the atoms, and its gradient, (n, 3).
extern "C" __global__ void __launch_bounds__(BLOCK) gather_fields(
    MESH, const double *__restrict__ mesh, double *__restrict__ potential,
    double *__restrict__ gradients) {
    int i = thread_index();
    if (i >= n) return;
    Axis x, y, z;
    locate<1>(sorted[i], inverse, shape, powers, &x, &y, &z);
    Slopes found = slopes_at(shape->n, mesh, x, y, z);
    potential[i] = found.value;
    cartesian(inverse, shape->n, found.along, gradients + 3 * (size_t)i);
}

// Force −q ∇V − (m·∇)∇V of every atom, (n, 3), and for every block its part of −Σ ∇V⊗m (xx yy zz yz xz
// xy): the dipoles stay as they are under strain.
extern "C" __global__ void __launch_bounds__(BLOCK) gather_dipole_forces(
    MESH, const double *__restrict__ mesh, const double *__restrict__ charges,
    const double *__restrict__ dipoles, double *__restrict__ forces,
    double *__restrict__ virials) {
    int i = thread_index();
    double gradient[3] = {0.0, 0.0, 0.0}, moment[3] = {0.0, 0.0, 0.0};
    if (i < n) {
        Axis x, y, z;
        locate<2>(sorted[i], inverse, shape, powers, &x, &y, &z);
        const int *m = shape->n;
        double u[3], slope[3] = {0.0, 0.0, 0.0}, bend[3] = {0.0, 0.0, 0.0}, force[3];
        for (int axis = 0; axis < 3; ++axis) moment[axis] = dipoles[3 * (size_t)i + axis];
        along_mesh(inverse, m, moment, u);
#pragma unroll 1  // fewer registers
        for (int a = 0; a < ORDER; ++a) {
            size_t plane = wrapped(x.first + a, m[0]);
            double wx = x.weights[a], dx = x.slopes[a], cx = x.curvatures[a];
#pragma unroll 1
            for (int b = 0; b < ORDER; ++b) {
                const double *row = mesh + (plane * m[1] + wrapped(y.first + b, m[1])) * m[2];
                double s = 0.0, sz = 0.0, szz = 0.0;
#pragma unroll 1
                for (int c = 0; c < ORDER; ++c) {
                    double value = row[wrapped(z.first + c, m[2])];
                    s += z.weights[c] * value;
                    sz += z.slopes[c] * value;
                    szz += z.curvatures[c] * value;
                }
                double wy = y.weights[b], dy = y.slopes[b], cy = y.curvatures[b];
                slope[0] += dx * wy * s;
                slope[1] += wx * dy * s;
                slope[2] += wx * wy * sz;
                // Hessian times the dipole, along the mesh.
                bend[0] += (u[0] * cx * wy + u[1] * dx * dy) * s + u[2] * dx * wy * sz;
                bend[1] += (u[0] * dx * dy + u[1] * wx * cy) * s + u[2] * wx * dy * sz;
                bend[2] += (u[0] * dx * wy + u[1] * wx * dy) * sz + u[2] * wx * wy * szz;
            }
        }
        for (int d = 0; d < 3; ++d) bend[d] = -charges[i] * slope[d] - bend[d];
        cartesian(inverse, m, slope, gradient);
        cartesian(inverse, m, bend, force);
        for (int axis = 0; axis < 3; ++axis) forces[3 * (size_t)i + axis] = force[axis];
    }
    for (int part = 0; part < 6; ++part) {
        int a = part < 3 ? part : (part + 1) % 3, b = part < 3 ? part : (part + 2) % 3;
        double sum = block_reduce(-gradient[a] * moment[b], Sum());
        if (threadIdx.x == 0) virials[6 * blockIdx.x + part] = sum;
    }
}
