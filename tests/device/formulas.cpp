// The formulas of formulas.cuh behind one function: rows of arguments in, rows of results out.
#include "formulas.cuh"

#include <cstring>

using namespace formulas;

static Jet jet(const double *x) { return {x[0], x[1], x[2]}; }

static void store(double *out, Jet j) {
    out[0] = j.value;
    out[1] = j.slope;
    out[2] = j.curvature;
}

static void evaluate(const char *name, const double *x, double *out) {
    auto is = [&](const char *other) { return std::strcmp(name, other) == 0; };
    if (is("product")) store(out, product(jet(x), jet(x + 3)));
    if (is("sum")) store(out, sum(jet(x), jet(x + 3)));
    if (is("scaled")) store(out, scaled(x[0], jet(x + 1)));
    if (is("slater")) store(out, slater(x[0], x[1]));
    if (is("slater_potential")) *out = slater_potential(x[0], x[1]);
    if (is("slater_repulsion_at_centre")) *out = slater_repulsion_at_centre(x[0], x[1]);
    if (is("slater_overlap_at_centre")) *out = slater_overlap_at_centre(x[0], x[1]);
    if (is("polynomial_exponential")) store(out, polynomial_exponential(x[0], x + 1, x[5]));
    if (is("exponential")) store(out, exponential(x[0], x[1], x[2]));
    if (is("switch")) store(out, switch_(x[0], x[1], x[2]));
    if (is("smooth_cutoff")) store(out, smooth_cutoff(x[0], x[1]));
    if (is("gaussian")) store(out, gaussian(x[0], x[1], x[2]));
    if (is("bessel")) store(out, bessel(x[0], x[1], x[2]));
    if (is("chebyshev")) store(out, chebyshev(jet(x), jet(x + 3), jet(x + 6)));
    if (is("smooth_root")) store(out, smooth_root(x[0], x[1]));
    if (is("root_polynomial")) store(out, root_polynomial(x[0], x + 1, 3, x[4]));
    if (is("entropy")) store(out, entropy(x[0]));
    if (is("resonance_mean")) *out = resonance_mean(x);
    if (is("point_multipole")) point_multipole(x[0], out);
    if (is("screened_multipole")) screened_multipole(x[0], x[1], out);
    if (is("shifted_multipole")) shifted_multipole(x[0], x[1], out);
    if (is("dipole_energy")) *out = dipole_energy(x, x + 4, x + 7, x + 10);
    if (is("dipole_slope")) dipole_slope(x, x + 4, x + 8, x + 11, x + 14, out);
    if (is("dipole_gradient")) dipole_gradient(x[0], x[1], x + 2, x + 5, out);
    if (is("harmonics")) harmonics<4, double>(x, out);
    if (is("harmonic_gradient")) {
        double s[25];
        int l = (int)x[0], m = (int)x[1];
        harmonics<4, double>(x + 2, s);
        out[0] = out[1] = out[2] = 0.0;
        if (l > 0 && m >= -l && m <= l) harmonic_gradient(l, m, 1.0, s, out);
    }
    if (is("b_splines")) {
        Jet jets[4];
        b_splines(x[0], jets);
        for (int k = 0; k < 4; ++k) store(out + 3 * k, jets[k]);
    }
}

extern "C" void formula(const char *name, const double *rows, int n, int arguments, double *out,
                        int results) {
    for (int k = 0; k < n; ++k) evaluate(name, rows + k * arguments, out + k * results);
}
