// Smooth particle-mesh Ewald around a Fourier transform made elsewhere: charges to the mesh,
// potentials and forces back; twin of rust/core/src/coulomb/pme.rs.
//
// Charges are added to the mesh as whole numbers of 2⁻⁵² e: such sums do not depend on their order,
// so the atomics leave no trace in the results; the error of a mesh point is below 10⁻¹⁵ e.
#include "mesh.cuh"

// Charges to the mesh: a thread for one plane of the points around an atom. Per atom ORDER³ additions
// of 8 bytes, most of which meet in the cache.
extern "C" __global__ void __launch_bounds__(BLOCK) spread(
    int n, const Quad *__restrict__ sorted, const double *__restrict__ inverse,
    const MeshShape *__restrict__ shape, const double *__restrict__ powers,
    const double *__restrict__ charges, unsigned long long *__restrict__ mesh) {
    int thread = thread_index();
    int i = thread / ORDER, a = thread % ORDER;
    if (i >= n) return;
    Axis x, y, z;
    locate<0>(sorted[i], inverse, shape, powers, &x, &y, &z);
    const int *m = shape->n;
    size_t plane = wrapped(x.first + a, m[0]);
    double strength = FIXED * charges[i] * x.weights[a];
    for (int b = 0; b < ORDER; ++b) {
        size_t row = (plane * m[1] + wrapped(y.first + b, m[1])) * m[2];
        double factor = strength * y.weights[b];
        for (int c = 0; c < ORDER; ++c) {
            long long part = llrint(factor * z.weights[c]);
            atomicAdd(mesh + row + wrapped(z.first + c, m[2]), (unsigned long long)part);
        }
    }
}

union MeshPoint {
    long long count;
    double number;
};

// Charges as numbers again, in place; eight bytes read and written per point.
extern "C" __global__ void as_numbers(int points, MeshPoint *mesh) {
    int point = thread_index();
    if (point < points) mesh[point].number = mesh[point].count * (1.0 / FIXED);
}

// Potential at the atoms from that on the mesh.
extern "C" __global__ void __launch_bounds__(BLOCK) gather(
    int n, const Quad *__restrict__ sorted, const double *__restrict__ inverse,
    const MeshShape *__restrict__ shape, const double *__restrict__ powers,
    const double *__restrict__ mesh, double *__restrict__ potential) {
    int i = thread_index();
    if (i >= n) return;
    Axis x, y, z;
    locate<0>(sorted[i], inverse, shape, powers, &x, &y, &z);
    const int *m = shape->n;
    double sum = 0.0;
    for (int a = 0; a < ORDER; ++a) {
        size_t plane = wrapped(x.first + a, m[0]);
        for (int b = 0; b < ORDER; ++b) {
            const double *row = mesh + (plane * m[1] + wrapped(y.first + b, m[1])) * m[2];
            double along = 0.0;
            for (int c = 0; c < ORDER; ++c)
                along += z.weights[c] * row[wrapped(z.first + c, m[2])];
            sum += x.weights[a] * y.weights[b] * along;
        }
    }
    potential[i] = sum;
}

// Add −q ∇V to the forces.
extern "C" __global__ void __launch_bounds__(BLOCK) gather_forces(
    int n, const Quad *__restrict__ sorted, const double *__restrict__ inverse,
    const MeshShape *__restrict__ shape, const double *__restrict__ powers,
    const double *__restrict__ mesh, const double *__restrict__ charges,
    double *__restrict__ forces) {
    int i = thread_index();
    if (i >= n) return;
    Axis x, y, z;
    locate<1>(sorted[i], inverse, shape, powers, &x, &y, &z);
    double gradient[3];
    cartesian(inverse, shape->n, slopes_at(shape->n, mesh, x, y, z).along, gradient);
    for (int axis = 0; axis < 3; ++axis) forces[3 * i + axis] -= charges[i] * gradient[axis];
}

// For every block the energy of the modes of a half spectrum and Σ_k E_k 2 k⊗k (1/k² + 1/4α²)
// (xx yy zz yz xz xy), from the charges' spectrum.
extern "C" __global__ void __launch_bounds__(BLOCK) mode_virial(
    int modes, const MeshShape *__restrict__ shape, const double *__restrict__ inverse,
    double alpha, const double *__restrict__ influence, const double2 *__restrict__ spectrum,
    double *__restrict__ sums) {
    int mode = thread_index();
    double energy = 0.0, k[3] = {0.0, 0.0, 0.0}, factor = 0.0;
    if (mode < modes) {
        const int *n = shape->n;
        int half = n[2] / 2 + 1;
        int index[3] = {mode / half / n[1], mode / half % n[1], mode % half};
        for (int d = 0; d < 3; ++d) {
            int m = 2 * index[d] < n[d] ? index[d] : index[d] - n[d];
            for (int axis = 0; axis < 3; ++axis)
                k[axis] += 2.0 * formulas::PI * inverse[3 * axis + d] * m;
        }
        // Modes of the half spectrum stand for their mirror images too; those that stand for two
        // waves at once, and k = 0, have no influence.
        double2 s = spectrum[mode];
        energy = (index[2] == 0 ? 0.5 : 1.0) * influence[mode] * (s.x * s.x + s.y * s.y);
        double k2 = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
        if (mode > 0) factor = 2.0 * energy * (1.0 / k2 + 0.25 / (alpha * alpha));
    }
    for (int part = 0; part < 6; ++part) {
        int a = part < 3 ? part : (part + 1) % 3, b = part < 3 ? part : (part + 2) % 3;
        double value = factor * k[a] * k[b] - (part < 3 ? energy : 0.0);
        double sum = block_reduce(value, Sum());
        if (threadIdx.x == 0) sums[6 * blockIdx.x + part] = sum;
    }
}
