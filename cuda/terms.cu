// Learned terms: sums over the neighbours of an atom, an expression of these sums, and its forces;
// twin of rust/core/src/terms, whose tables are laid out as flat.rs there says. LMAX is the largest
// degree of a harmonic, given when this text is compiled.
//
// A thread sums one function over the pairs of an atom, so that its sums stay in registers; nothing
// is added to another atom. There are E elements, C scalar sums and A angular functions.
#include "list.cuh"
#include "rows.cuh"

#define LM ((LMAX + 1) * (LMAX + 1))
#define COINCIDENT2 1e-12  // Å²; atoms nearer than this have no direction between them
#define ROOT_WIDTH 0.01    // of the rounding of a square root at zero

using formulas::Jet;

struct FunctionNumbers {
    double cutoff, inverse_spacing;
};
struct FunctionPlaces {
    int first_row, rows;
};
struct Functions {
    const FunctionNumbers *numbers;
    const FunctionPlaces *places;
    const real *rows;
};

#define PAIRS                                                                                  \
    int n, int bits, const int *__restrict__ counts, const unsigned *__restrict__ words,       \
        const double *__restrict__ translations, const Quad *__restrict__ sorted,              \
        const unsigned char *__restrict__ species, int elements
#define FUNCTIONS                                                                              \
    const FunctionNumbers *__restrict__ numbers, const FunctionPlaces *__restrict__ places,    \
        const real *__restrict__ rows

// A neighbour, its distance and the direction to it.
struct Neighbor {
    int atom;
    double r, d[3];
    real u[3];
};

__device__ __forceinline__ Neighbor neighbor(const List &list, const Quad *sorted, int i,
                                             Quad here, int k) {
    Neighbor found;
    double w;
    found.atom = separation(list, sorted, i, here, k, found.d, &w);
    found.r = sqrt(squared(found.d));
    double inverse = 1.0 / found.r;
    for (int axis = 0; axis < 3; ++axis) found.u[axis] = (real)(found.d[axis] * inverse);
    return found;
}

// Row of a function at a distance; null beyond its cutoff.
__device__ __forceinline__ const real *row_of(const Functions &of, int function, double r,
                                              real *t) {
    FunctionNumbers numbers = of.numbers[function];
    FunctionPlaces places = of.places[function];
    if (!(r < numbers.cutoff)) return nullptr;
    Interval in = interval_of(0.0, numbers.inverse_spacing, places.rows, r);
    *t = in.t;
    return of.rows + (size_t)6 * (places.first_row + in.index);
}

// Pairs within the cutoff: what is kept of a list leaves its skin, and pairs of longer range, out.
extern "C" __global__ void __launch_bounds__(BLOCK) select_pairs(
    LIST, const Quad *__restrict__ sorted, int *__restrict__ near_counts,
    unsigned *__restrict__ near_words, int *__restrict__ too_close) {
    int i = thread_index();
    if (i >= n) return;
    List list = {n, bits, cutoff2, counts, words, translations};
    near_counts[i] = each_within(list, sorted, i, [&](int found, int k, double s, int) {
        if (s < COINCIDENT2) atomicMin(too_close, i);
        near_words[(size_t)found * n + i] = words[(size_t)k * n + i];
    });
}

// S of every scalar sum and atom, (C, n). Per pair 4 bytes of the list are read, 32 of the other
// atom and one row, mostly from the caches; some 40 operations.
extern "C" __global__ void __launch_bounds__(BLOCK) scalar_sums(
    PAIRS, FUNCTIONS, int scalars, double *__restrict__ sums) {
    int i = thread_index() % n, c = thread_index() / n;
    if (c >= scalars) return;
    List list = {n, bits, 0.0, counts, words, translations};
    Functions functions = {numbers, places, rows};
    Quad here = sorted[i];
    int first = (c * elements + species[i]) * elements;
    double sum = 0.0;
    for (int k = 0; k < counts[i]; ++k) {
        double d[3], w;
        real t;
        int j = separation(list, sorted, i, here, k, d, &w);
        const real *row = row_of(functions, first + species[j], sqrt(squared(d)), &t);
        if (row) sum += polynomial(row, t);
    }
    sums[(size_t)c * n + i] = sum;
}

// A of every neighbouring element, angular function, harmonic and atom, (E, A, LM, n). Per pair the
// same is read; some 40 + 5 LM operations.
extern "C" __global__ void __launch_bounds__(BLOCK) angular_sums(
    PAIRS, FUNCTIONS, int first, int angular, double *__restrict__ sums) {
    int i = thread_index() % n, channel = thread_index() / n;
    if (channel >= elements * angular) return;
    List list = {n, bits, 0.0, counts, words, translations};
    Functions functions = {numbers, places, rows};
    Quad here = sorted[i];
    double sum[LM];
    for (int lm = 0; lm < LM; ++lm) sum[lm] = 0.0;
    for (int k = 0; k < counts[i]; ++k) {
        if (species[words[(size_t)k * n + i] & ((1u << bits) - 1u)] != channel / angular) continue;
        real t, s[LM];
        Neighbor other = neighbor(list, sorted, i, here, k);
        const real *row = row_of(functions, first + channel % angular, other.r, &t);
        if (!row) continue;
        real g = polynomial(row, t);
        formulas::harmonics<LMAX, real>(other.u, s);
#pragma unroll
        for (int lm = 0; lm < LM; ++lm) sum[lm] += g * s[lm];
    }
    for (int lm = 0; lm < LM; ++lm) sums[((size_t)channel * LM + lm) * n + i] = sum[lm];
}

// A node of the expression, see flat.rs.
struct Node {
    int kind, first, count, sum, lmax;
};
enum NodeKind { CONSTANT, PAIR, EXPONENTIAL, SQUARE_ROOT, SPLINE, THREE_BODY, SUM, PRODUCT };

// An expression at one atom.
struct Site {
    int n, i, centre, elements, angular;
    const double *coefficients, *scalar_sums, *angular_sums;

    __device__ __forceinline__ double scalar(const Node &node) const {
        return scalar_sums[(size_t)node.sum * n + i];
    }
    // Channel p of a three-body model, (neighbouring element, function).
    __device__ __forceinline__ const double *channel(const Node &node, int p) const {
        int at = p / node.count * angular + node.sum + p % node.count;
        return angular_sums + (size_t)at * LM * n + i;
    }
    __device__ __forceinline__ const double *matrix(const Node &node, int l) const {
        int width = elements * node.count;
        return coefficients + node.first +
               (size_t)(centre * (node.lmax + 1) + l) * width * width;
    }
};

// A uniform cubic spline; straight lines beyond its span.
__device__ Jet spline_sum(const double *span, const double *c, int knots, double s) {
    double inverse = (knots - 3) / (span[1] - span[0]);
    double inside = fmin(fmax(s, span[0]), span[1]), x = (inside - span[0]) * inverse;
    int first = min((int)x, knots - 4);
    Jet splines[4], sum = {0.0, 0.0, 0.0};
    formulas::b_splines(x - first, splines);
    for (int k = 0; k < 4; ++k)
        sum = formulas::sum(sum, formulas::scaled(c[first + k], splines[k]));
    double slope = sum.slope * inverse, curvature = sum.curvature * inverse * inverse;
    return {sum.value + slope * (s - inside), slope, s == inside ? curvature : 0.0};
}

// The outer function of a scalar sum.
__device__ Jet outer(const Site &site, const Node &node) {
    double s = site.scalar(node);
    if (node.kind == PAIR) return {s, 1.0, 0.0};
    const double *first = site.coefficients + node.first;
    const double *c = first + (node.kind == SPLINE ? 2 : 0) + site.centre * node.count;
    if (node.kind == EXPONENTIAL) return formulas::exponential(c[0], 1.0, s);
    if (node.kind == SQUARE_ROOT)
        return formulas::scaled(c[0], formulas::smooth_root(ROOT_WIDTH, s));
    Jet found = spline_sum(first, c, node.count, s);
    found.value -= spline_sum(first, c, node.count, 0.0).value;  // zero without neighbours
    return found;
}

// Half of the quadratic form of the angular sums.
__device__ double three_body(const Site &site, const Node &node) {
    double sum = 0.0;
    int width = site.elements * node.count;
    for (int l = 0; l <= node.lmax; ++l) {
        const double *matrix = site.matrix(node, l);
        for (int p = 0; p < width; ++p)
            for (int lm = l * l; lm < (l + 1) * (l + 1); ++lm) {
                double slope = 0.0;
                for (int q = 0; q < width; ++q)
                    slope += matrix[p * width + q] * site.channel(node, q)[(size_t)lm * site.n];
                sum += site.channel(node, p)[(size_t)lm * site.n] * slope;
            }
    }
    return 0.5 * sum;
}

// Values of the nodes of an expression at one atom, and the energy's derivatives in them.
struct Work {
    int n, i;
    double *values, *adjoints, *slopes;

    __device__ __forceinline__ double &value(int node) const {
        return values[(size_t)node * n + i];
    }
    __device__ __forceinline__ double &adjoint(int node) const {
        return adjoints[(size_t)node * n + i];
    }
    // Derivative in a scalar sum: of its outer function at first.
    __device__ __forceinline__ double &slope(const Node &node) const {
        return slopes[(size_t)node.sum * n + i];
    }
};

// Value of a node from those inside it.
__device__ __forceinline__ double value_of(const Site &site, const Node &node,
                                           const int *inside, const Work &work) {
    if (node.kind == CONSTANT) return site.coefficients[node.first + site.centre];
    if (node.kind < THREE_BODY) {
        Jet found = outer(site, node);
        work.slope(node) = found.slope;
        return found.value;
    }
    if (node.kind == THREE_BODY) return three_body(site, node);
    double sum = 0.0, product = 1.0;
    for (int c = 0; c < node.count; ++c) {
        sum += work.value(inside[c]);
        product *= work.value(inside[c]);
    }
    return node.kind == SUM ? sum : product;
}

// Hand the derivative in a sum or a product down to what is inside.
__device__ __forceinline__ void hand_down(const Node &node, const int *inside, double along,
                                          const Work &work) {
    for (int c = 0; c < node.count; ++c) {
        double factor = along;
        for (int other = 0; node.kind == PRODUCT && other < node.count; ++other)
            if (other != c) factor *= work.value(inside[other]);
        work.adjoint(inside[c]) = factor;
    }
}

// Energy of every atom, the derivatives in its scalar sums (C, n) and in the nodes, adjoints
// (nodes, n); `values` is of that size. The angular sums are read 2 (E · functions)² times for each
// three-body model, mostly from the caches.
extern "C" __global__ void __launch_bounds__(BLOCK) models(
    int n, int elements, int angular, const unsigned char *__restrict__ species, int count,
    const Node *__restrict__ nodes, const int *__restrict__ children,
    const double *__restrict__ coefficients, const double *__restrict__ scalar_sums,
    const double *__restrict__ angular_sums, double *__restrict__ values,
    double *__restrict__ adjoints, double *__restrict__ slopes, double *__restrict__ energies) {
    int i = thread_index();
    if (i >= n) return;
    Site site = {n, i, species[i], elements, angular, coefficients, scalar_sums, angular_sums};
    Work work = {n, i, values, adjoints, slopes};
    for (int k = 0; k < count; ++k)
        work.value(k) = value_of(site, nodes[k], children + nodes[k].first, work);
    energies[i] = work.value(count - 1);
    work.adjoint(count - 1) = 1.0;
    for (int k = count - 1; k >= 0; --k) {
        Node node = nodes[k];
        double along = work.adjoint(k);
        if (node.kind > THREE_BODY) hand_down(node, children + node.first, along, work);
        if (node.kind > CONSTANT && node.kind < THREE_BODY) work.slope(node) *= along;
    }
}

// Derivatives in the angular sums, (E, A, n, LM): read by neighbours, one after the other.
extern "C" __global__ void __launch_bounds__(BLOCK) angular_slopes(
    int n, int elements, int angular, const unsigned char *__restrict__ species, int count,
    const Node *__restrict__ nodes, const double *__restrict__ coefficients,
    const double *__restrict__ angular_sums, const double *__restrict__ adjoints,
    real *__restrict__ slopes) {
    int i = thread_index() % n, channel = thread_index() / n;
    if (channel >= elements * angular) return;
    Site site = {n, i, species[i], elements, angular, coefficients, nullptr, angular_sums};
    double sum[LM];
#pragma unroll
    for (int lm = 0; lm < LM; ++lm) sum[lm] = 0.0;
    for (int k = 0; k < count; ++k) {
        Node node = nodes[k];
        int function = channel % angular - node.sum, width = elements * node.count;
        if (node.kind != THREE_BODY || function < 0 || function >= node.count) continue;
        int p = channel / angular * node.count + function;
        double along = adjoints[(size_t)k * n + i];
        for (int q = 0; q < width; ++q) {
            const double *other = site.channel(node, q);
#pragma unroll
            for (int lm = 0; lm < LM; ++lm) {
                int l = (lm > 0) + (lm > 3) + (lm > 8) + (lm > 15);
                if (l <= node.lmax)
                    sum[lm] += along * site.matrix(node, l)[p * width + q] * other[(size_t)lm * n];
            }
        }
    }
#pragma unroll
    for (int lm = 0; lm < LM; ++lm) slopes[((size_t)channel * n + i) * LM + lm] = (real)sum[lm];
}

// Forces of the scalar sums, and for every block its part of dE/dstrain. Per pair and sum two rows
// and a slope of the other atom, 8 bytes, are read, mostly from the caches; 30 operations.
extern "C" __global__ void __launch_bounds__(BLOCK) scalar_forces(
    PAIRS, FUNCTIONS, int scalars, const double *__restrict__ slopes, double *__restrict__ forces,
    double *__restrict__ virials) {
    int i = thread_index();
    Pull pull = {};
    for (int k = 0; i < n && k < counts[i]; ++k) {
        List list = {n, bits, 0.0, counts, words, translations};
        Functions functions = {numbers, places, rows};
        Neighbor other = neighbor(list, sorted, i, sorted[i], k);
        int here = species[i], there = species[other.atom], square = elements * elements;
        double factor = 0.0;
        for (int c = 0; c < scalars; ++c) {
            int from_here = c * square + here * elements + there;
            int from_there = c * square + there * elements + here;
            real t;
            const real *row = row_of(functions, from_here, other.r, &t);
            if (!row) continue;
            factor += slopes[(size_t)c * n + i] * derivative(row, t) *
                      numbers[from_here].inverse_spacing;
            row = row_of(functions, from_there, other.r, &t);
            factor += slopes[(size_t)c * n + other.atom] * derivative(row, t) *
                      numbers[from_there].inverse_spacing;
        }
        double slope[3] = {factor * other.u[0], factor * other.u[1], factor * other.u[2]};
        pull.add(slope, other.d);
    }
    pull.store(i < n, forces + 3 * (size_t)i, virials);
}

// Derivative in a pair vector of Σ_lm slope_lm g S_lm, seen from both of its atoms: from the other
// one the direction is reversed, which changes the sign of odd degrees.
__device__ __forceinline__ void pair_slope(const Neighbor &other, real value, real slope,
                                           const real *here, const real *there, double out[3]) {
    real s[LM], along = 0, gradient[3] = {0, 0, 0};
    formulas::harmonics<LMAX, real>(other.u, s);
#pragma unroll
    for (int l = 0; l <= LMAX; ++l)
#pragma unroll
        for (int m = -l; m <= l; ++m) {
            int lm = l * l + l + m;
            real both = here[lm] + (l % 2 ? -there[lm] : there[lm]);
            along += both * s[lm];
            if (l > 0) formulas::harmonic_gradient(l, m, both, s, gradient);
        }
    real turn = (real)(value / other.r), radial = 0;
    for (int axis = 0; axis < 3; ++axis) radial += other.u[axis] * gradient[axis];
    radial = slope * along - turn * radial;
    for (int axis = 0; axis < 3; ++axis)
        out[axis] = radial * other.u[axis] + turn * gradient[axis];
}

// Forces of one angular function after the other, (A, n, 3), and for every block its part of
// dE/dstrain. Per pair a row and 8 LM bytes of the other atom are read; some 60 + 16 LM operations.
extern "C" __global__ void __launch_bounds__(BLOCK) angular_forces(
    PAIRS, FUNCTIONS, int first, int angular, const real *__restrict__ slopes,
    double *__restrict__ forces, double *__restrict__ virials) {
    int i = thread_index() % n, function = thread_index() / n;
    bool active = function < angular;
    Pull pull = {};
    for (int k = 0; active && k < counts[i]; ++k) {
        List list = {n, bits, 0.0, counts, words, translations};
        Functions functions = {numbers, places, rows};
        Neighbor other = neighbor(list, sorted, i, sorted[i], k);
        real t;
        double slope[3];
        const real *row = row_of(functions, first + function, other.r, &t);
        if (!row) continue;
        auto of = [&](int atom, int element) {
            return slopes + ((size_t)(element * angular + function) * n + atom) * LM;
        };
        real along = derivative(row, t) * (real)numbers[first + function].inverse_spacing;
        pair_slope(other, polynomial(row, t), along, of(i, species[other.atom]),
                   of(other.atom, species[i]), slope);
        pull.add(slope, other.d);
    }
    pull.store(active, forces + 3 * ((size_t)function * n + i), virials);
}
