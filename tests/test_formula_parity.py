"""Every scalar formula of the kernels against the engine's, compiled for the host."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from ecteam import InvalidInputError, _core
from host_compiler import build, needs_compiler
from hypothesis import given
from hypothesis import strategies as st

FORMULAS = dict(_core.formula_names())
WRAPPER = Path(__file__).parent / "device" / "formulas.cpp"
# Bits may differ where the two languages call different mathematical libraries.
RELATIVE = 2e-14

positive = st.floats(1e-3, 30.0)
signed = st.floats(-30.0, 30.0)
distance = st.floats(0.0, 12.0)
weight = st.floats(0.0, 1.0)
ARGUMENTS = {
    "product": [signed] * 6,
    "sum": [signed] * 6,
    "scaled": [signed] * 4,
    "slater": [positive, distance],
    "slater_potential": [positive, distance],
    "slater_repulsion_at_centre": [positive] * 2,
    "slater_overlap_at_centre": [positive] * 2,
    "polynomial_exponential": [positive, *[signed] * 4, distance],
    "exponential": [signed, positive, distance],
    "switch": [positive, st.floats(0.0, 5.0), distance],
    "smooth_cutoff": [positive, distance],
    "gaussian": [positive, distance, distance],
    "bessel": [positive, positive, distance],
    "chebyshev": [signed] * 9,
    "smooth_root": [positive, signed],
    "b_splines": [weight],
    "root_polynomial": [positive, *[signed] * 3, st.floats(0.0, 50.0)],
    "entropy": [weight],
    "resonance_mean": [weight] * 4,
    "point_multipole": [positive],
    "screened_multipole": [st.floats(0.1, 1.0), st.floats(0.1, 12.0)],
    "shifted_multipole": [positive, st.floats(0.1, 30.0)],
    "dipole_energy": [signed] * 13,
    "dipole_slope": [signed] * 17,
    "dipole_gradient": [signed] * 8,
    "harmonics": [st.floats(-1.0, 1.0)] * 3,
    "harmonic_gradient": [st.integers(0, 4), st.integers(-4, 4), *[st.floats(-1.0, 1.0)] * 3],
}
# Where a formula changes its branch: the argument that is moved, the others, the edge.
EDGES = [
    ("switch", [5.0, 1.0], 5.0),
    ("switch", [5.0, 1.0], 4.0),
    ("switch", [5.0, 0.0], 5.0),
    ("smooth_cutoff", [4.7], 4.7),
    ("slater", [3.1], 0.0),
    ("slater_potential", [2.0], 0.0),
    ("slater_potential", [2.0], 0.5e-5),
    ("bessel", [1.3, 0.7], 1e-2 / 1.3),
    ("bessel", [1.3, 0.7], 0.0),
    ("smooth_root", [0.01], 0.0),
    ("entropy", [], 0.0),
    ("entropy", [], 1.0),
    ("b_splines", [], 0.0),
    ("b_splines", [], 1.0),
    ("root_polynomial", [0.01, -2.0, 1.0, 0.3], 0.0),
    ("shifted_multipole", [6.5], 6.5),
    ("harmonics", [0.0, 0.0], 1.0),
    ("harmonics", [1.0, 0.0], 0.0),
]
# Polynomials whose terms, of order one, cancel.
SIZES = {"harmonics": 4.0, "harmonic_gradient": 16.0}


def compiled(name: str, rows: np.ndarray, results: int) -> np.ndarray:
    """Evaluate the formula of the kernels for rows of arguments."""
    function = build(WRAPPER.read_text(encoding="utf-8")).formula
    out = np.full((len(rows), results), np.nan)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (rows, out)]
    function(name.encode(), pointers[0], *rows.shape, pointers[1], results)
    return out


def check(name: str, rows: np.ndarray) -> None:
    """Compare both languages; terms that cancel may leave rounding of their own size."""
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    engine = _core.formula(name, rows)
    found = compiled(name, rows, engine.shape[1])
    scale = np.abs(engine[np.isfinite(engine)]).max(initial=SIZES.get(name, 1e-300))
    np.testing.assert_allclose(found, engine, rtol=RELATIVE, atol=1e-15 * scale, err_msg=name)


def around(edge: float) -> list[float]:
    """Numbers at an edge, one and a few units in the last place from it, and further away."""
    steps = [np.nextafter(edge, side) for side in (-np.inf, np.inf)]
    further = [edge + d for d in (-1e-3, -1e-9, 1e-9, 1e-3)]
    return [x for x in [edge, *steps, *further] if x >= 0.0]


def test_names_and_order_are_the_same():
    text = dict(_core.kernel_sources())["formulas.cuh"]
    names = re.findall(r"^FORMULA \w+ (\w+)\(", text, re.MULTILINE)
    assert [name.rstrip("_") for name in names] == list(FORMULAS)
    assert set(ARGUMENTS) == set(FORMULAS)


@needs_compiler
@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
def test_both_languages_agree(name, data):
    row = [data.draw(argument) for argument in ARGUMENTS[name]]
    assert len(row) == FORMULAS[name]
    check(name, np.array([row]))


@needs_compiler
@pytest.mark.parametrize(("name", "others", "edge"), EDGES)
def test_both_languages_agree_at_the_edges(name, others, edge):
    check(name, np.array([[*others, x] for x in around(edge)]))


@needs_compiler
def test_a_cutoff_is_exact_to_the_last_bit():
    rows = np.array([[5.0, 1.0, np.nextafter(5.0, 0.0)], [5.0, 1.0, 5.0]])
    below, at = compiled("switch", rows, 3)
    assert at.tolist() == [0.0] * 3
    assert below[0] > 0.0
    assert compiled("smooth_cutoff", np.array([[4.7, 4.7]]), 3).tolist() == [[0.0] * 3]


@needs_compiler
def test_every_harmonic_has_the_gradient_of_its_polynomial():
    u = np.array([0.36, -0.48, 0.8])
    rows = np.array(
        [[degree, m, *u] for degree in range(5) for m in range(-degree, degree + 1)], dtype=float
    )
    check("harmonic_gradient", rows)
    gradients = compiled("harmonic_gradient", rows, 3)
    # Euler: u·∇S = l S of a homogeneous polynomial of degree l.
    values = compiled("harmonics", u[None], 25)[0]
    np.testing.assert_allclose(gradients @ u, rows[:, 0] * values, rtol=0, atol=1e-14)


def test_a_formula_is_asked_for_by_name_and_with_its_arguments():
    with pytest.raises(InvalidInputError, match='name: must be a formula, got "nothing"'):
        _core.formula("nothing", np.zeros((1, 1)))
    with pytest.raises(InvalidInputError, match="must have 2 columns for slater, got 3"):
        _core.formula("slater", np.zeros((1, 3)))
