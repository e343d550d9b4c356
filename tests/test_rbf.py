"""The constrained radial fit: exact count and cusp, positive density, known moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("clarabel")

from ecteam.fit.quality import quality_report
from ecteam.fit.rbf import RadialFit, Target, fit_density, solve_coefficients

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOHR = 0.529177210903
LOGARITHMS = np.linspace(np.log(1e-6), np.log(30.0), 400)
RADII = np.exp(LOGARITHMS)
WEIGHTS = RADII * (LOGARITHMS[1] - LOGARITHMS[0])


def make_target(
    nuclear: int, electrons: float, decay: float, shares: NDArray[np.float64]
) -> Target:
    """Target whose density is a positive mixture of shells between the decay and the cusp."""
    cusp = 2.0 * nuclear / BOHR
    exponents = np.geomspace(1.1 * decay, 1.2 * cusp, len(shares))
    source = RadialFit(exponents, electrons * shares / shares.sum())
    return Target(RADII, WEIGHTS, source.density(RADII), electrons, cusp, decay)


def exact_density(exponents: NDArray[np.float64], electrons: float, cusp: float) -> RadialFit:
    """Three functions that have the count and the cusp; two thirds in the most diffuse one."""
    rows = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], exponents**3 * (exponents - cusp)])
    right = np.array([2.0 * electrons / 3.0, electrons, 0.0])
    return RadialFit(exponents, np.linalg.solve(rows, right))


@given(
    nuclear=st.integers(1, 36),
    fraction=st.floats(0.6, 1.2),
    decay=st.floats(0.2, 0.9),
    shares=st.lists(st.floats(0.05, 1.0), min_size=2, max_size=5),
    steps=st.lists(st.floats(1.15, 3.0), min_size=4, max_size=10),
)
@settings(max_examples=100, deadline=None)
def test_constraints_hold_for_random_densities_and_exponents(
    nuclear: int, fraction: float, decay: float, shares: list[float], steps: list[float]
) -> None:
    slowest = 2.0 * decay / BOHR
    target = make_target(nuclear, nuclear * fraction, slowest, np.array(shares))
    # The largest exponent must be beyond the cusp, else no positive density has it.
    reach = max(1.6 * target.cusp, 6.0 * slowest) / slowest
    logarithms = np.cumsum(np.log(steps))
    exponents = slowest * np.exp(np.append(0.0, logarithms * np.log(reach) / logarithms[-1]))
    fit = solve_coefficients(exponents, target)
    assert fit.electrons() == pytest.approx(target.electrons, rel=1e-12)
    assert abs(fit.cusp_error(target.cusp)) < 1e-12
    assert fit.density(np.linspace(0.0, 15.88, 3001)).min() >= 0.0
    assert np.abs(fit.coefficients).max() <= 40.0 * target.electrons * (1 + 1e-6)


@pytest.mark.parametrize(("nuclear", "electrons"), [(3, 3.0), (8, 9.0), (17, 17.0)])
def test_fit_recovers_a_smooth_density(nuclear: int, electrons: float) -> None:
    cusp = 2.0 * nuclear / BOHR
    source = exact_density(np.array([2.5, 0.6 * cusp, 1.4 * cusp]), electrons, cusp)
    target = Target(RADII, WEIGHTS, source.density(RADII), electrons, cusp, 2.5)
    fit = fit_density(target, functions=6, ratio=1.2)
    quality = quality_report(fit, target)
    assert fit.exponents[0] == target.decay
    assert (np.diff(np.log(fit.exponents)) >= np.log(1.2) - 1e-12).all()
    assert quality["absolute_error"] < 0.01
    assert quality["smallest_density"] >= 0.0
    assert abs(quality["hartree_error"]) < 1e-3
    assert abs(quality["inverse_radius_error"]) < 1e-3


def test_moments_of_hydrogen() -> None:
    hydrogen = RadialFit(np.array([2.0 / BOHR]), np.ones(1))
    assert hydrogen.electrons() == 1.0
    assert hydrogen.moment(-1) == pytest.approx(1.0 / BOHR, rel=1e-14)
    assert hydrogen.moment(0) == pytest.approx(1.0, rel=1e-14)
    assert hydrogen.moment(1) == pytest.approx(1.5 * BOHR, rel=1e-14)
    assert hydrogen.moment(2) == pytest.approx(3.0 * BOHR**2, rel=1e-14)
    # Half of the Coulomb integral of two 1s electrons, 5/8 Hartree.
    assert hydrogen.hartree() == pytest.approx(5.0 / 16.0 / BOHR, rel=1e-14)
    assert hydrogen.cusp_error(2.0 / BOHR) == pytest.approx(0.0, abs=1e-14)


def test_report_agrees_with_quadrature() -> None:
    source = RadialFit(np.array([3.0, 9.0]), np.array([2.0, 1.0]))
    target = Target(RADII, WEIGHTS, source.density(RADII), 3.0, 12.0, 3.0)
    quality = quality_report(source, target)
    assert quality["absolute_error"] == pytest.approx(0.0, abs=1e-12)
    for key in ("hartree_error", "inverse_radius_error", "squared_radius_error"):
        assert quality[key] == pytest.approx(0.0, abs=5e-4)
    assert all(abs(probe["error"]) < 1e-3 * probe["reference"] for probe in quality["probes"])


@pytest.mark.parametrize(("functions", "decay"), [(2, 1.0), (13, 1.0), (6, 0.0), (6, 100.0)])
def test_impossible_requests_are_refused(functions: int, decay: float) -> None:
    target = Target(RADII, WEIGHTS, np.exp(-RADII), 1.0, 4.0, decay)
    with pytest.raises(ValueError, match="decay"):
        fit_density(target, functions=functions)
