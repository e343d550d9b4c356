// Ewald sums of many small periodic structures: all waves k with |k| ≤ `radius`, by a block of threads
// for each structure; twin of rust/core/src/coulomb/ewald.rs. The potential of every pair of atoms is
// kept, as that of a direct sum is: while weights are sought there are no waves.
#include "list.cuh"
#include "structures.cuh"

#define CHUNK 8                       // waves at a time
#define MINIMUM_BLOCKS (512 / BLOCK)  // of a multiprocessor: leaves 128 registers to a thread

// A cell: position · inverse = fractional coordinates; volume (Å³); largest multiple of every
// reciprocal vector.
struct Lattice {
    double inverse[9], volume, reach[3];
};

// Splitting (Å⁻¹), largest |k| (Å⁻¹), Coulomb constant.
struct WaveSum {
    double alpha, radius, coulomb;
};

// Waves of a structure, of which half of the sphere is enough, and the phases of the atoms at them.
struct Waves {
    double k[CHUNK][3], multiples[CHUNK][3], weight[CHUNK];
    double cosine[CHUNK][ATOMS], sine[CHUNK][ATOMS];
    int count;
};

// Minus the potential of the background per charge, eV/e².
__device__ __forceinline__ double background_of(const WaveSum &sum, const Lattice &lattice) {
    return formulas::PI * sum.coulomb / (sum.alpha * sum.alpha * lattice.volume);
}

// Waves from number `next` on, as many as fit; the first of those that are left.
__device__ __forceinline__ int take_waves(Waves &waves, const WaveSum &sum, const Lattice &lattice,
                                          int next) {
    int n1 = (int)lattice.reach[1], n2 = (int)lattice.reach[2];
    int wide = 2 * n1 + 1, deep = 2 * n2 + 1, all = ((int)lattice.reach[0] + 1) * wide * deep;
    double amount = 8.0 * formulas::PI * sum.coulomb / lattice.volume;
    int count = 0;
    for (; next < all && count < CHUNK; ++next) {
        int m[3] = {next / (wide * deep), next / deep % wide - n1, next % deep - n2};
        bool half = m[0] > 0 || m[1] > 0 || (m[1] == 0 && m[2] > 0);
        double k[3], k2 = 0.0;
        for (int axis = 0; axis < 3; ++axis) {
            k[axis] = 0.0;
            for (int d = 0; d < 3; ++d) k[axis] += lattice.inverse[3 * axis + d] * m[d];
            k[axis] *= 2.0 * formulas::PI;
            k2 += k[axis] * k[axis];
        }
        if (!half || !(k2 <= sum.radius * sum.radius)) continue;
        for (int d = 0; d < 3; ++d) waves.k[count][d] = k[d], waves.multiples[count][d] = m[d];
        waves.weight[count++] = amount * exp(-k2 / (4.0 * sum.alpha * sum.alpha)) / k2;
    }
    waves.count = count;
    return next;
}

// Call visit() with the waves in `waves`, CHUNK by CHUNK; all threads of the block must call it.
template <class Visit>
__device__ __forceinline__ void each_chunk(Waves &waves, const WaveSum &sum, const Lattice &lattice,
                                           const Task &task, const Quad *places, Visit visit) {
    __shared__ int next;
    Quad r = places[task.atom];
    double at[3];
    for (int d = 0; d < 3; ++d)
        at[d] = r.x * lattice.inverse[d] + r.y * lattice.inverse[3 + d] +
                r.z * lattice.inverse[6 + d];
    if (threadIdx.x == 0) next = take_waves(waves, sum, lattice, 0);
    __syncthreads();
    while (waves.count > 0) {
        for (int c = task.lane; task.works() && c < waves.count; c += task.lanes) {
            const double *m = waves.multiples[c];
            sincospi(2.0 * (m[0] * at[0] + m[1] * at[1] + m[2] * at[2]),
                     &waves.sine[c][task.atom], &waves.cosine[c][task.atom]);
        }
        __syncthreads();
        visit();
        __syncthreads();
        if (threadIdx.x == 0) next = take_waves(waves, sum, lattice, next);
        __syncthreads();
    }
}

#define EWALD                                                                                  \
    const Extent *__restrict__ extents, const Lattice *__restrict__ lattices, double alpha,    \
        double radius, double coulomb, const Quad *__restrict__ atoms

// Potential of every atom at every other one and at itself, images and background included, without
// that of an atom's own screening charge. Per pair and wave 4 operations.
extern "C" __global__ void __launch_bounds__(BLOCK, MINIMUM_BLOCKS) fill_ewald_pairs(
    EWALD, double *__restrict__ charge_pairs) {
    __shared__ Waves waves;
    const Extent &extent = extents[blockIdx.x];
    const Lattice &lattice = lattices[blockIdx.x];
    Task task = task_of(extent);
    WaveSum sum = {alpha, radius, coulomb};
    double *row = charge_pairs + extent.first_charge_pair + task.atom;
    double background = background_of(sum, lattice);
    for (int j = task.lane; task.works() && j < task.n; j += task.lanes)
        row[j * task.n] = -background;
    each_chunk(waves, sum, lattice, task, atoms + extent.first, [&]() {
        for (int j = task.lane; task.works() && j < task.n; j += task.lanes) {
            double added = 0.0;
            for (int c = 0; c < waves.count; ++c)
                added += waves.weight[c] *
                         (waves.cosine[c][task.atom] * waves.cosine[c][j] +
                          waves.sine[c][task.atom] * waves.sine[c][j]);
            row[j * task.n] += added;
        }
    });
}

// Add the part of a wave of this energy to dE/dstrain.
__device__ __forceinline__ void add_virial(const WaveSum &sum, const double k[3], double energy,
                                           int wave, double parts[6][CHUNK]) {
    double k2 = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
    double factor = 2.0 * energy * (1.0 / k2 + 0.25 / (sum.alpha * sum.alpha));
    for (int axis = 0; axis < 3; ++axis) {
        parts[axis][wave] += factor * k[axis] * k[axis] - energy;
        parts[3 + axis][wave] += factor * k[(axis + 1) % 3] * k[(axis + 2) % 3];
    }
}

// Add the forces to those of the pairs, and dE/dstrain (xx yy zz yz xz xy) to the virials. `sites`:
// background, charge and potential of every atom. Per atom and wave some 20 operations.
extern "C" __global__ void __launch_bounds__(BLOCK, MINIMUM_BLOCKS) ewald_forces(
    EWALD, const double *__restrict__ sites, double *__restrict__ forces,
    double *__restrict__ virials) {
    __shared__ Waves waves;
    __shared__ double factors[CHUNK][2], charges[ATOMS], parts[6][CHUNK];
    const Extent &extent = extents[blockIdx.x];
    const Lattice &lattice = lattices[blockIdx.x];
    Task task = task_of(extent);
    WaveSum sum = {alpha, radius, coulomb};
    int wave = threadIdx.x, global = extent.first + task.atom;
    double slope[3] = {0.0, 0.0, 0.0};
    for (int part = 0; wave < CHUNK && part < 6; ++part) parts[part][wave] = 0.0;
    if (task.leads()) charges[task.atom] = sites[3 * global + 1];
    __syncthreads();
    each_chunk(waves, sum, lattice, task, atoms + extent.first, [&]() {
        if (wave < waves.count) {
            double real_part = 0.0, imaginary = 0.0;
            const double *k = waves.k[wave];
            for (int i = 0; i < task.n; ++i) {
                real_part += charges[i] * waves.cosine[wave][i];
                imaginary += charges[i] * waves.sine[wave][i];
            }
            factors[wave][0] = waves.weight[wave] * real_part;
            factors[wave][1] = waves.weight[wave] * imaginary;
            double energy = 0.5 * (factors[wave][0] * real_part + factors[wave][1] * imaginary);
            add_virial(sum, k, energy, wave, parts);
        }
        __syncthreads();
        if (task.leads())
            for (int c = 0; c < waves.count; ++c) {
                double along = waves.cosine[c][task.atom] * factors[c][1] -
                               waves.sine[c][task.atom] * factors[c][0];
                for (int axis = 0; axis < 3; ++axis) slope[axis] += along * waves.k[c][axis];
            }
    });
    if (task.leads())
        for (int axis = 0; axis < 3; ++axis)
            forces[3 * global + axis] -= charges[task.atom] * slope[axis];
    if (threadIdx.x > 0) return;
    double charge = 0.0;
    for (int i = 0; i < task.n; ++i) charge += charges[i];
    double background = 0.5 * background_of(sum, lattice) * charge * charge;
    for (int part = 0; part < 6; ++part) {
        double total = part < 3 ? background : 0.0;
        for (int c = 0; c < CHUNK; ++c) total += parts[part][c];
        virials[6 * blockIdx.x + part] += total;
    }
}
