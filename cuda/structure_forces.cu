// Forces, virials and atoms' energies of many small structures at given weights; see ect_forces.cu.
#include "list.cuh"
#include "structures.cuh"

// Forces and energies (without the entropy) of the atoms, and the virial of each structure (xx yy zz
// yz xz xy). `sites`: background, charge and potential of every atom.
extern "C" __global__ void __launch_bounds__(BLOCK) structure_forces(
    const Extent *__restrict__ extents, const int *__restrict__ near_counts,
    const unsigned *__restrict__ near_words, const real *__restrict__ values, SPECIES,
    const Quad *__restrict__ atoms, const double *__restrict__ translations,
    const PairNumbers *__restrict__ numbers, const real *__restrict__ rows,
    const double *__restrict__ state_charges, double kernel_start, double kernel_inverse_spacing,
    int kernel_intervals, const real *__restrict__ kernel_rows, double self_potential,
    double coulomb, const double *__restrict__ weights, const double *__restrict__ energies,
    const double2 *__restrict__ means, const double *__restrict__ sites,
    double *__restrict__ forces, double *__restrict__ atom_energies,
    double *__restrict__ virials) {
    __shared__ double parts[10][BLOCK], sums[6][ATOMS];
    const Extent &extent = extents[blockIdx.x];
    Task task = task_of(extent);
    int global = extent.first + task.atom;
    Pull pull = {};
    double half = 0.0;
    auto add = [&](double factor, const double d[3]) {
        double slope[3] = {factor * d[0], factor * d[1], factor * d[2]};
        pull.add(slope, d);
    };
    if (task.works()) {
        Kernel kernel = {{kernel_start, kernel_inverse_spacing}, kernel_intervals, kernel_rows};
        Functions functions = {elements, numbers, pair_places, rows, channels, state_charges,
                               kernel};
        Near near = {task.n,
                     task.atom,
                     ATOM_BITS,
                     near_counts + extent.first,
                     near_words + extent.first_pair,
                     values + extent.first_pair * VALUES};
        List list = {task.n, ATOM_BITS, 0.0, near.counts, near.words,
                     translations + 3 * extent.first_image};
        const Quad *places = atoms + extent.first;
        Quad place = places[task.atom];
        End here = {species[global], weights + (size_t)STATES * global, means[global].x};
        for (int p = task.lane; p < near.counts[task.atom]; p += task.lanes) {
            double d[3], w;
            int j = extent.first + separation(list, places, task.atom, place, p, d, &w);
            End there = {species[j], weights + (size_t)STATES * j, means[j].x};
            double r = sqrt(squared(d));
            PairEnergy energy = pair_energy(functions, near, p, r, here, there);
            half += energy.value;
            add(energy.slope / r, d);
        }
        // −C q q′/R² along the pair, of all pairs of the direct sum.
        for (int j = task.lane; coulomb > 0.0 && j < task.n; j += task.lanes) {
            double d[3] = {places[j].x - place.x, places[j].y - place.y, places[j].z - place.z};
            double r2 = squared(d);
            double qq = sites[3 * global + 1] * sites[3 * (extent.first + j) + 1];
            if (j != task.atom) add(-coulomb * qq / (r2 * sqrt(r2)), d);
        }
        for (int axis = 0; axis < 3; ++axis) parts[axis][threadIdx.x] = pull.force[axis];
        for (int part = 0; part < 6; ++part) parts[3 + part][threadIdx.x] = pull.virial[part];
        parts[9][threadIdx.x] = half;
    }
    __syncthreads();
    double virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    if (task.leads()) {
        double charge = sites[3 * global + 1];
        double v = sites[3 * global + 2] + self_potential * charge;
        double energy = 0.5 * (over_lanes(parts[9], task) + charge * v);
        EACH_STATE energy +=
            weights[(size_t)global * STATES + m] * energies[(size_t)global * STATES + m];
        atom_energies[global] = energy;
        for (int axis = 0; axis < 3; ++axis)
            forces[3 * global + axis] = over_lanes(parts[axis], task);
        // Every pair is met from both of its atoms.
        for (int part = 0; part < 6; ++part) virial[part] = 0.5 * over_lanes(parts[3 + part], task);
    }
    total(sums, task, virial);
    if (threadIdx.x == 0)
        for (int part = 0; part < 6; ++part) virials[6 * blockIdx.x + part] = virial[part];
}
