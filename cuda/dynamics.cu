// Steps of molecular dynamics, atoms in the order of the user: twin of ecteam/steps.py. BAOAB
// (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34): half a kick, half a drift, friction and
// noise, half a drift; then the forces, and half a kick. Without friction it is velocity Verlet.
// Units: eV, Å, u; hence time in Å √(u/eV).
#include "random.cuh"

// Three independent normal numbers (Box and Muller) for an atom at a step.
__device__ __forceinline__ void normals(int atom, const unsigned *step, const unsigned *seed,
                                        double out[3]) {
    Words words = philox({{(unsigned)atom, step[0], step[1], 0}}, seed[0], seed[1]);
    double radius = sqrt(-2.0 * log(uniform(words.x[0])));
    double angle = 2.0 * formulas::PI * uniform(words.x[1]);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
    radius = sqrt(-2.0 * log(uniform(words.x[2])));
    out[2] = radius * cos(2.0 * formulas::PI * uniform(words.x[3]));
}

// Everything of a step up to the forces at the new positions. `kept` is what friction leaves of a
// velocity in a step, exp(−γ Δt); `thermal` √(k_B T (1 − kept²)); `counters` the step and the seed, two
// words each. Per atom 104 bytes are read and 48 written.
extern "C" __global__ void kick_and_drift(int n, double timestep, double kept, double thermal,
                                          const unsigned *__restrict__ counters,
                                          const double *__restrict__ masses,
                                          const double *__restrict__ forces,
                                          double *__restrict__ velocities,
                                          double *__restrict__ positions) {
    int i = thread_index();
    if (i >= n) return;
    double half = 0.5 * timestep, noise[3] = {0.0, 0.0, 0.0};
    if (thermal > 0.0) normals(i, counters, counters + 2, noise);
    for (int a = 3 * i; a < 3 * i + 3; ++a) {
        double v = velocities[a] + half / masses[i] * forces[a], r = positions[a] + half * v;
        v = kept * v + thermal / sqrt(masses[i]) * noise[a - 3 * i];
        velocities[a] = v;
        positions[a] = r + half * v;
    }
}

// The last half of a kick, and for every block the kinetic energy (eV). Per atom 56 bytes are read and
// 24 written.
extern "C" __global__ void kick(int n, double timestep, const double *__restrict__ masses,
                                const double *__restrict__ forces,
                                double *__restrict__ velocities, double *__restrict__ kinetic) {
    int i = thread_index();
    double energy = 0.0;
    if (i < n) {
        double half = 0.5 * timestep / masses[i];
        for (int a = 3 * i; a < 3 * i + 3; ++a) {
            double v = velocities[a] + half * forces[a];
            velocities[a] = v;
            energy += 0.5 * masses[i] * v * v;
        }
    }
    double sum = block_reduce(energy, Sum());
    if (threadIdx.x == 0) kinetic[blockIdx.x] = sum;
}

// Next step: what `kick_and_drift` reads its noise by.
extern "C" __global__ void count_step(int n, unsigned *__restrict__ counters) {
    if (thread_index() < n && ++counters[0] == 0) ++counters[1];
}

// Keep the largest displacement (Å²) since the list was made, over many steps; one block.
extern "C" __global__ void keep_largest(int n, const double *__restrict__ moved,
                                        double *__restrict__ largest) {
    double most = 0.0;
    for (int i = threadIdx.x; i < n; i += BLOCK) most = Larger()(most, moved[i]);
    most = block_reduce(most, Larger());
    if (blockIdx.x == 0 && threadIdx.x == 0) *largest = Larger()(*largest, most);
}
