// Where atoms are on the mesh of a smooth particle-mesh Ewald sum, and their B-splines; twin of
// rust/core/src/coulomb/{mesh,spline}.rs. ORDER is the order of the B-splines.
#pragma once

#include "common.cuh"

// Charges are added to the mesh as whole numbers of 2⁻⁵² e.
#define FIXED 4503599627370496.0

struct MeshShape {
    int n[3];
};

// First mesh point of an atom along an axis, and the weights of the ORDER points from there on.
struct Axis {
    int first;
    double weights[ORDER], slopes[ORDER], curvatures[ORDER];
};

// DERIVATIVES of the weights along an axis: none, the first or both.
template <int DERIVATIVES>
__device__ __forceinline__ void locate(const Quad &r, const double *inverse,
                                       const MeshShape *shape, const double *powers, int axis,
                                       Axis *out) {
    int n = shape->n[axis];
    double s = r.x * inverse[axis] + r.y * inverse[3 + axis] + r.z * inverse[6 + axis];
    double u = (s - floor(s)) * n;
    out->first = min((int)u, n - 1);
    double t = u - out->first;
    for (int a = 0; a < ORDER; ++a) {
        double w = powers[(ORDER - 1) * ORDER + a], d = (ORDER - 1) * w, c = (ORDER - 2) * d;
        for (int power = ORDER - 2; power >= 0; --power) {
            double next = powers[power * ORDER + a];
            w = w * t + next;
            if (DERIVATIVES > 0 && power > 0) d = d * t + power * next;
            if (DERIVATIVES > 1 && power > 1) c = c * t + power * (power - 1) * next;
        }
        out->weights[a] = w;
        if (DERIVATIVES > 0) out->slopes[a] = d;
        if (DERIVATIVES > 1) out->curvatures[a] = c;
    }
}

template <int DERIVATIVES>
__device__ __forceinline__ void locate(const Quad &r, const double *inverse,
                                       const MeshShape *shape, const double *powers, Axis *x,
                                       Axis *y, Axis *z) {
    locate<DERIVATIVES>(r, inverse, shape, powers, 0, x);
    locate<DERIVATIVES>(r, inverse, shape, powers, 1, y);
    locate<DERIVATIVES>(r, inverse, shape, powers, 2, z);
}

__device__ __forceinline__ int wrapped(int index, int n) { return index >= n ? index % n : index; }

// Value on the mesh at an atom, and its slopes along the mesh.
struct Slopes {
    double value, along[3];
};

__device__ __forceinline__ Slopes slopes_at(const int *m, const double *mesh, const Axis &x,
                                            const Axis &y, const Axis &z) {
    Slopes sum = {0.0, {0.0, 0.0, 0.0}};
#pragma unroll 1  // fewer registers
    for (int a = 0; a < ORDER; ++a) {
        size_t plane = wrapped(x.first + a, m[0]);
#pragma unroll 1
        for (int b = 0; b < ORDER; ++b) {
            const double *row = mesh + (plane * m[1] + wrapped(y.first + b, m[1])) * m[2];
            double along = 0.0, across = 0.0;
            for (int c = 0; c < ORDER; ++c) {
                double value = row[wrapped(z.first + c, m[2])];
                along += z.weights[c] * value;
                across += z.slopes[c] * value;
            }
            sum.value += x.weights[a] * y.weights[b] * along;
            sum.along[0] += x.slopes[a] * y.weights[b] * along;
            sum.along[1] += x.weights[a] * y.slopes[b] * along;
            sum.along[2] += x.weights[a] * y.weights[b] * across;
        }
    }
    return sum;
}

// Cartesian components of slopes along the mesh.
__device__ __forceinline__ void cartesian(const double *inverse, const int *m,
                                          const double along[3], double out[3]) {
    for (int axis = 0; axis < 3; ++axis) {
        out[axis] = 0.0;
        for (int d = 0; d < 3; ++d) out[axis] += inverse[3 * axis + d] * along[d] * m[d];
    }
}
