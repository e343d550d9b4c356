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
