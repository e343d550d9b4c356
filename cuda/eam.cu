// Energy, forces and virial of potentials with one neutral state per element; twin of
// rust/core/src/eam. One thread per atom over its full list: nothing is added to another atom.
//
// Functions of an ordered pair of elements are polynomials of s = R², in rows of FUNCTIONS · 6
// doubles: φ, the density at the first atom and, with several elements, that at the second. Rows
// that the engine left out (NaN) or that lie outside the table are looked up in its own knots.
#include "list.cuh"
#include "rows.cuh"
#include "tables.cuh"

struct PairNumbers {
    double offset, inverse, start, inverse_spacing;
};
struct PairPlaces {
    int first_row, rows, first_knot, intervals;
};

// All that is looked up for pairs.
struct PairTables {
    int elements;
    double min2;
    const PairNumbers *numbers;
    const PairPlaces *places;
    const real *rows;
    const double *knots;
};

// φ (eV), twice the derivatives in s of φ and of the densities at the first and the second atom.
struct PairValue {
    real phi, phi_slope, first_slope, second_slope;
};

struct ValueSlope {
    double value, slope;
};

// A function and its slope in R from the engine's own knots.
template <int FUNCTIONS>
__device__ ValueSlope from_knots(const PairTables &tables, int pair, int function, double r) {
    PairNumbers numbers = tables.numbers[pair];
    PairPlaces places = tables.places[pair];
    Lookup at = lookup(numbers.start, numbers.inverse_spacing, places.intervals, r);
    const double *knots =
        tables.knots + 3 * ((size_t)FUNCTIONS * (places.first_knot + at.knot) + function);
    int stride = 3 * FUNCTIONS;
    return {combine(knots, stride, at.value), combine(knots, stride, at.slope)};
}

// All functions from the engine's own knots: rare, and too long for the registers of the loop.
template <int FUNCTIONS>
__device__ __noinline__ PairValue exact(const PairTables &tables, int pair, double s) {
    double r = sqrt(s);
    ValueSlope f[3];
    for (int k = 0; k < FUNCTIONS; ++k) f[k] = from_knots<FUNCTIONS>(tables, pair, k, r);
    if (FUNCTIONS == 2) f[2] = f[1];
    double phi = f[0].value / r;
    return {(real)phi, (real)((f[0].slope - phi) / s), (real)(f[1].slope / r),
            (real)(f[2].slope / r)};
}

// A row of a squared distance and t = −½ … ½ in it; null where the engine has none.
template <int FUNCTIONS>
__device__ __forceinline__ const real *row_of(const PairTables &tables, const PairNumbers &numbers,
                                              const PairPlaces &places, double s, real *t) {
    double x = fma(s, numbers.inverse, numbers.offset);
    double whole = rint(x);
    *t = (real)(x - whole);
    if (!(whole >= 0.0 && whole < places.rows)) return nullptr;
    const real *row = tables.rows + (size_t)6 * FUNCTIONS * (places.first_row + (int)whole);
    return row[0] == row[0] ? row : nullptr;
}

// Tell the host of an atom with a neighbour too close: the first one in sorted order.
__device__ __forceinline__ void report(int *too_close, int i) { atomicMin(too_close, i); }

// Density at every atom (in the user's order), its embedding energy with the energy of the state, and its position with
// the slope of the embedding energy. Per pair: 4 bytes of the list, 32 of the other atom and 48 of
// the row, both mostly from the caches; 17 multiplications or additions.
template <int FUNCTIONS>
__device__ void density_pass(const List &list, const PairTables &tables, const Quad *sorted,
                             const unsigned char *species, const int *order,
                             const EmbeddingNumbers *numbers, const EmbeddingPlaces *places,
                             const double *values, double *densities, double *site_energies,
                             Quad *sites, int *too_close) {
    int i = thread_index();
    if (i >= list.n) return;
    Quad here = sorted[i];
    int element = FUNCTIONS == 2 ? 0 : species[i], pair = 0, count = list.counts[i];
    double sum = 0.0, w;
    for (int k = 0; k < count; ++k) {
        double d[3];
        real t;
        int j = separation(list, sorted, i, here, k, d, &w);
        double s = squared(d);
        if (!(s < list.cutoff2)) continue;
        if (FUNCTIONS == 3) pair = element * tables.elements + species[j];
        const real *row =
            row_of<FUNCTIONS>(tables, tables.numbers[pair], tables.places[pair], s, &t);
        if (row)
            sum += polynomial(row + 6, t);
        else if (s < tables.min2)
            report(too_close, i);
        else
            sum += from_knots<FUNCTIONS>(tables, pair, 1, sqrt(s)).value;
    }
    Jet energy = embedding(numbers + element, places + element, values, sum);
    densities[order[i]] = sum;
    site_energies[i] = numbers[element].energy + energy.value;
    sites[i] = {here.x, here.y, here.z, energy.slope};
}

// Force and energy of every atom in the user's order, and for every block its part of dE/dstrain
// (xx yy zz yz xz xy). Per pair: 4 bytes of the list, 32 of the other atom and 96 or 144 of the
// row, mostly from the caches; 40 or 49 multiplications or additions.
template <int FUNCTIONS>
__device__ void force_pass(const List &list, const PairTables &tables, const Quad *sites,
                           const unsigned char *species, const int *order,
                           const double *site_energies, double *forces, double *energies,
                           double *virials) {
    int i = thread_index();
    Pull pull = {};
    double phi = 0.0;
    bool active = i < list.n;
    int atom = active ? order[i] : 0;
    if (active) {
        Quad here = sites[i];
        int element = FUNCTIONS == 2 ? 0 : species[i], pair = 0, count = list.counts[i];
        for (int k = 0; k < count; ++k) {
            double d[3], w;
            real t;
            int j = separation(list, sites, i, here, k, d, &w);
            double s = squared(d);
            if (!(s < list.cutoff2)) continue;
            if (FUNCTIONS == 3) pair = element * tables.elements + species[j];
            PairNumbers numbers = tables.numbers[pair];
            const real *row = row_of<FUNCTIONS>(tables, numbers, tables.places[pair], s, &t);
            PairValue value = {0, 0, 0, 0};
            if (row) {
                real twice = (real)(2.0 * numbers.inverse);
                value.phi = polynomial(row, t);
                value.phi_slope = twice * derivative(row, t);
                value.first_slope = twice * derivative(row + 6, t);
                value.second_slope = value.first_slope;
                if (FUNCTIONS == 3) value.second_slope = twice * derivative(row + 12, t);
            } else if (s >= tables.min2) {
                value = exact<FUNCTIONS>(tables, pair, s);
            }
            double factor =
                value.phi_slope + here.w * value.first_slope + w * value.second_slope;
            phi += value.phi;
            double slope[3] = {factor * d[0], factor * d[1], factor * d[2]};
            pull.add(slope, d);
        }
        energies[atom] = site_energies[i] + 0.5 * phi;
    }
    pull.store(active, forces + 3 * (size_t)atom, virials);
}

#define TABLES                                                                                 \
    int elements, double min2, const PairNumbers *__restrict__ pair_numbers,                   \
        const PairPlaces *__restrict__ pair_places, const real *__restrict__ rows,             \
        const double *__restrict__ knots

#define DENSITY_KERNEL(NAME, FUNCTIONS)                                                        \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(                                  \
        LIST, TABLES, const Quad *__restrict__ sorted, const unsigned char *__restrict__ species, \
        const int *__restrict__ order, const EmbeddingNumbers *__restrict__ numbers,           \
        const EmbeddingPlaces *__restrict__ places, const double *__restrict__ values,         \
        double *__restrict__ densities, double *__restrict__ site_energies,                    \
        Quad *__restrict__ sites, int *__restrict__ too_close) {                               \
        List list = {n, bits, cutoff2, counts, words, translations};                           \
        PairTables tables = {elements, min2, pair_numbers, pair_places, rows, knots};          \
        density_pass<FUNCTIONS>(list, tables, sorted, species, order, numbers, places, values, \
                                densities, site_energies, sites, too_close);                   \
    }

#define FORCE_KERNEL(NAME, FUNCTIONS)                                                          \
    extern "C" __global__ void __launch_bounds__(BLOCK) NAME(                                  \
        LIST, TABLES, const Quad *__restrict__ sites, const unsigned char *__restrict__ species, \
        const int *__restrict__ order, const double *__restrict__ site_energies,               \
        double *__restrict__ forces, double *__restrict__ energies,                            \
        double *__restrict__ virials) {                                                        \
        List list = {n, bits, cutoff2, counts, words, translations};                           \
        PairTables tables = {elements, min2, pair_numbers, pair_places, rows, knots};          \
        force_pass<FUNCTIONS>(list, tables, sites, species, order, site_energies, forces,      \
                              energies, virials);                                              \
    }

DENSITY_KERNEL(one_element_density, 2)
DENSITY_KERNEL(density, 3)
FORCE_KERNEL(one_element_forces, 2)
FORCE_KERNEL(forces, 3)
