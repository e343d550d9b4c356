// Induced dipoles: a vector on every atom, unknowns beside the weights; twin of
// rust/core/src/energy/polarisation.rs, which has the formulas. One thread per atom over its full list.
//
// "Unknowns" are the weights of all atoms, STATES of each, and after them the dipoles, three of each.
// The functions of a pair are kept as those of ect.cu are: a product streams 4 + 8 · DIPOLE_VALUES
// bytes per pair (half of it in single precision), next to the other atom's unknowns and its place.
#include "dipoles.cuh"

// Functions of all pairs. Per pair 48 · DIPOLE_VALUES bytes are read from the tables, mostly from the
// caches, and 8 · DIPOLE_VALUES written; some 40 + 12 · DIPOLE_VALUES operations.
extern "C" __global__ void __launch_bounds__(BLOCK) fill_dipoles(DIPOLES, real *out) {
    int i = thread_index();
    if (i >= n) return;
    DipolePairs pairs = DIPOLE_PAIRS;
    for (int p = 0; p < near_counts[i]; ++p) {
        double d[3], w;
        int j = separation(pairs.list, sorted, i, sorted[i], p, d, &w);
        DipoleRow row = pairs.looked_up(i, j, d);
        for (int v = 0; v < DIPOLE_VALUES; ++v)
            out[((size_t)p * DIPOLE_VALUES + v) * n + i] = (real)row.value(v);
    }
}

// Derivatives in the unknowns of one atom.
struct Answer {
    double weights[STATES], dipole[3];
};

// Those of the terms of its pairs, which are bilinear, at unknowns x.
__device__ __forceinline__ Answer answer_of(const DipolePairs &pairs, int i, const double *x) {
    Answer sum = {};
    int n = pairs.list.n;
    Quad here = pairs.sorted[i];
    for (int p = 0; p < pairs.list.counts[i]; ++p) {
        double d[3], w, part[3], field = 0.0;
        int j = separation(pairs.list, pairs.sorted, i, here, p, d, &w);
        auto pair = pairs.at(i, p, j, d);
        const double *there = x + (size_t)STATES * j;
        const double *m = x + (size_t)STATES * n + 3 * (size_t)j;
        double along = m[0] * d[0] + m[1] * d[1] + m[2] * d[2];
        for (int k = 0; k < STATES; ++k) {
            field += pair.value(k) * there[k];
            sum.weights[k] += along * pair.value(OF_OTHER + k);
        }
        formulas::dipole_gradient(pair.value(OF_BOTH), pair.value(OF_BOTH + 1), d, m, part);
        for (int axis = 0; axis < 3; ++axis) sum.dipole[axis] += part[axis] - field * d[axis];
    }
    return sum;
}

// 1/Σ_M ω_M α_M of an atom, Å⁻³; 0 for none.
__device__ __forceinline__ double inverse_softness(const double *weights, const double *alpha) {
    double softness = 0.0;
    for (int k = 0; k < STATES; ++k) softness += weights[k] * alpha[k];
    return softness > 0.0 ? 1.0 / softness : 0.0;
}

// Add the derivatives of the dipoles' energy to `gradient`, whose dipoles are written, and for every
// block its part of the energy, to `sums`. `fields` is ∂E/∂m of all multipoles beyond the pairs,
// `self_field` that of an atom's own dipole over it.
extern "C" __global__ void __launch_bounds__(BLOCK) polarise(
    DIPOLES, double self_field, const double *__restrict__ unknowns,
    const double *__restrict__ fields, double *__restrict__ gradient,
    double *__restrict__ sums) {
    int i = thread_index();
    double energy = 0.0;
    if (i < n) {
        DipolePairs pairs = DIPOLE_PAIRS;
        Answer found = answer_of(pairs, i, unknowns);
        const double *weights = unknowns + (size_t)STATES * i;
        const double *alpha = polarisabilities + species[i] * STATES;
        size_t first = (size_t)STATES * n + 3 * (size_t)i;
        double inverse = inverse_softness(weights, alpha), square = 0.0, bilinear = 0.0;
        for (int axis = 0; axis < 3; ++axis) {
            double m = unknowns[first + axis];
            double far = fields[3 * (size_t)i + axis] + self_field * m;
            square += m * m;
            bilinear += m * (found.dipole[axis] + far);
            gradient[first + axis] = found.dipole[axis] + far + coulomb * inverse * m;
        }
        double own = 0.5 * coulomb * inverse * square;
        for (int k = 0; k < STATES; ++k) {
            bilinear += weights[k] * found.weights[k];
            gradient[(size_t)STATES * i + k] += found.weights[k] - alpha[k] * own * inverse;
        }
        energy = own + 0.5 * bilinear;
    }
    double sum = block_reduce(energy, Sum());
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The same of the Hessian times a direction, to `out`.
extern "C" __global__ void __launch_bounds__(BLOCK) polarise_product(
    DIPOLES, double self_field, const double *__restrict__ unknowns,
    const double *__restrict__ direction, const double *__restrict__ fields,
    double *__restrict__ out) {
    int i = thread_index();
    if (i >= n) return;
    DipolePairs pairs = DIPOLE_PAIRS;
    Answer found = answer_of(pairs, i, direction);
    const double *alpha = polarisabilities + species[i] * STATES;
    size_t slot = (size_t)STATES * i, first = (size_t)STATES * n + 3 * (size_t)i;
    double inverse = inverse_softness(unknowns + slot, alpha), relative = 0.0, along = 0.0;
    // With v = m/s: C (δm − v δs)/s and −α_M C v·(δm − v δs)/s.
    for (int k = 0; k < STATES; ++k) relative += inverse * alpha[k] * direction[slot + k];
    for (int axis = 0; axis < 3; ++axis) {
        double m = unknowns[first + axis], change = direction[first + axis];
        double stress = coulomb * inverse * (change - relative * m);
        double far = fields[3 * (size_t)i + axis] + self_field * change;
        out[first + axis] = found.dipole[axis] + far + stress;
        along += inverse * stress * m;
    }
    for (int k = 0; k < STATES; ++k) out[slot + k] += found.weights[k] - alpha[k] * along;
}

// Forces and energies of the dipoles in sorted order, and for every block its part of dA/dstrain,
// without the forces of multipoles beyond the pairs. Per pair the tables are read once more.
extern "C" __global__ void __launch_bounds__(BLOCK) dipole_forces(
    DIPOLES, double self_field, const double *__restrict__ unknowns,
    const double *__restrict__ fields, double *__restrict__ forces,
    double *__restrict__ energies, double *__restrict__ virials) {
    int i = thread_index();
    Pull pull = {};
    if (i < n) {
        DipolePairs pairs = DIPOLE_PAIRS;
        Quad place = sorted[i];
        const double *here = unknowns + (size_t)STATES * i;
        const double *dipoles = unknowns + (size_t)STATES * n, *mine = dipoles + 3 * (size_t)i;
        double half = 0.0, far = 0.0, square = 0.0;
        for (int p = 0; p < near_counts[i]; ++p) {
            double d[3], w, slope[3], by[4] = {0.0, 0.0, 0.0, 0.0}, by_r[4] = {0.0, 0.0, 0.0, 0.0};
            int j = separation(pairs.list, sorted, i, place, p, d, &w);
            DipoleRow row = pairs.looked_up(i, j, d);
            const double *there = unknowns + (size_t)STATES * j;
#pragma unroll 1  // fewer registers
            for (int k = 0; k < STATES; ++k) {
                by[0] += row.value(k) * there[k];
                by[1] += row.value(OF_OTHER + k) * here[k];
                by_r[0] += row.slope(k) * there[k];
                by_r[1] += row.slope(OF_OTHER + k) * here[k];
            }
            for (int k = 0; k < 2; ++k)
                by[2 + k] = row.value(OF_BOTH + k), by_r[2 + k] = row.slope(OF_BOTH + k);
            const double *other = dipoles + 3 * (size_t)j;
            half += formulas::dipole_energy(by, d, mine, other);
            formulas::dipole_slope(by, by_r, d, mine, other, slope);
            pull.add(slope, d);
        }
        for (int axis = 0; axis < 3; ++axis) {
            far += mine[axis] * (fields[3 * (size_t)i + axis] + self_field * mine[axis]);
            square += mine[axis] * mine[axis];
        }
        double own = coulomb * inverse_softness(here, polarisabilities + species[i] * STATES);
        energies[i] = 0.5 * (half + far + own * square);
    }
    pull.store(i < n, forces + 3 * (size_t)i, virials);
}
