"""Induced dipoles: limits, laws, derivatives, and what must be refused."""

from dataclasses import replace

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, Hartree
from ecteam.fit.shipped import FORMS
from ecteam.frames import frame_of
from ecteam.report import result_data
from hypothesis import given, settings
from hypothesis import strategies as st
from polarised import POLARISED, neutral_atoms, with_polarisabilities
from strategies import (
    POTENTIALS,
    PRECISE,
    Follower,
    finite,
    periodic,
    random_rotation,
    rigid,
    systems,
)
from test_derivatives import RELATIVE, numerical_force, numerical_stress, picks
from test_laws import assert_same
from test_parameters import Predictions, system

COULOMB = Hartree * Bohr
FAR = {"tolerance": 1e-12, "accuracy": 1e-12}


def evaluate(atoms, name, **options):
    return ecteam.evaluate(atoms, POLARISED[name], **{**PRECISE, **options})


def beside_proton(positions, polarisability=1.7, exponent=3.0, **options):
    """Energy change and dipoles of neutral polarisable atoms that a proton at the origin makes."""
    symbols = "H" + "O" * len(positions)
    fragments = [0, *[1] * len(positions)]
    atoms = Atoms(symbols, [[0.0, 0.0, 0.0], *positions])

    def result(polarisability):
        potential = neutral_atoms(polarisability, exponent)
        given = {"total_charge": [1.0, 0.0], "fragments": fragments}
        return ecteam.evaluate(atoms, potential, **given, **FAR, **options)

    found = result(polarisability)
    return found.energy - result(0.0).energy, found.induced_dipoles[1:]


@pytest.mark.parametrize("distance", [6.5, 9.0, 25.0])
def test_an_atom_far_from_a_charge(distance):
    """Beyond the densities: the dipole αq/R² away from the charge, and −Cαq²/2R⁴."""
    energy, (dipole,) = beside_proton([[0.0, 0.0, distance]])
    assert dipole == pytest.approx([0.0, 0.0, 1.7 / distance**2], rel=1e-9, abs=1e-15)
    assert energy == pytest.approx(-0.5 * COULOMB * 1.7 / distance**4, rel=1e-6)


@pytest.mark.parametrize("distance", [0.3, 0.8, 2.0, 4.0])
def test_an_atom_near_a_charge(distance):
    """The field of a point charge on a Slater charge of the exponent, which stays finite."""
    x = 3.0 * distance
    screened = 1.0 - np.exp(-x) * (1.0 + x + x**2 / 2)
    field = screened / distance**2
    energy, (dipole,) = beside_proton([[distance, 0.0, 0.0]])
    assert dipole == pytest.approx([1.7 * field, 0.0, 0.0], rel=1e-6)
    assert energy == pytest.approx(-0.5 * COULOMB * 1.7 * field**2, rel=1e-6)


def test_dipoles_far_apart_are_points():
    rng = np.random.default_rng(5)
    places = 7.0 * np.array([[1, 0, 0], [0, 1, 0.2], [0, -0.1, 1], [1, 1, 1]]) + rng.random((4, 3))
    matrix = np.eye(12) / 20.0
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            if i != j:
                d, r = b - a, np.linalg.norm(b - a)
                block = np.eye(3) / r**3 - 3 * np.outer(d, d) / r**5
                matrix[3 * i : 3 * i + 3, 3 * j : 3 * j + 3] = block
    field = (places / np.linalg.norm(places, axis=1)[:, None] ** 3).ravel()
    expected = np.linalg.solve(matrix, field)
    energy, dipoles = beside_proton(places, polarisability=20.0, exponent=1.3)
    assert dipoles.ravel() == pytest.approx(expected, rel=1e-7, abs=1e-10)
    assert energy == pytest.approx(-0.5 * COULOMB * field @ expected, rel=1e-7)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_catastrophe_at_the_largest_polarisability(seed):
    """With ζ³α = 48 dipoles as near as 0.5 Å keep a minimum, and lower the energy."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*3 * [[-1, 0, 1]], indexing="ij"), -1).reshape(-1, 3)
    positions = 0.8 * grid[rng.permutation(27)[:8]] + rng.uniform(-0.15, 0.15, (8, 3))
    positions = positions[np.linalg.norm(positions, axis=1) > 0.5]
    energy, dipoles = beside_proton(positions, 48 / 2.0**3, 2.0, solver="dense")
    assert -1e3 < energy < 0.0
    assert np.isfinite(dipoles).all()


@settings(max_examples=25)
@given(system=finite, picks=picks)
def test_forces_of_finite_systems(system, picks):
    assert_forces(system, picks)


@settings(max_examples=20)
@given(system=periodic, picks=picks)
def test_forces_of_periodic_systems(system, picks):
    assert_forces(system, picks)


def assert_forces(system, picks, **options):
    follow = Follower(POLARISED[system.potential], **options)
    forces = follow(system.atoms).forces
    bound = RELATIVE * max(1.0, np.abs(forces).max())
    for pick in picks:
        atom, axis = divmod(pick % (3 * len(system.atoms)), 3)
        found = numerical_force(follow, system.atoms, atom, axis)
        assert abs(found - forces[atom, axis]) <= bound, (atom, axis, found, forces[atom, axis])


@settings(max_examples=15)
@given(system=periodic)
def test_stress(system):
    follow = Follower(POLARISED[system.potential])
    stress = follow(system.atoms).stress
    numerical = np.zeros((3, 3))
    for p, q in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]:
        numerical[p, q] = numerical[q, p] = numerical_stress(follow, system.atoms, p, q)
    scale = max(len(system.atoms) / system.atoms.get_volume(), np.abs(stress).max())
    found = full_3x3_to_voigt_6_stress(numerical)
    np.testing.assert_allclose(stress, found, rtol=0, atol=RELATIVE * scale)


@settings(max_examples=30)
@given(system=systems)
def test_sums_and_optimality(system):
    result = evaluate(system.atoms, system.potential)
    assert result.kkt_residual <= PRECISE["tolerance"]
    assert result.positive_definite
    assert result.energies.sum() == pytest.approx(result.energy, rel=0, abs=1e-9)
    dipole = result.charges @ system.atoms.positions + result.induced_dipoles.sum(axis=0)
    assert result.dipole == pytest.approx(dipole, abs=1e-12)
    largest = max(1.0, np.abs(result.forces).max())
    assert np.abs(result.forces.sum(axis=0)).max() <= 1e-9 * largest * len(system.atoms)
    if not system.atoms.pbc.any():
        torque = np.cross(system.atoms.positions, result.forces).sum(axis=0)
        assert np.abs(torque).max() <= 1e-8 * largest * len(system.atoms)


@settings(max_examples=25)
@given(system=systems, seed=st.integers(0, 2**32 - 1))
def test_turned_moved_and_reordered(system, seed):
    rng = np.random.default_rng(seed)
    turn, order = random_rotation(rng), rng.permutation(len(system.atoms))
    before = evaluate(system.atoms, system.potential)
    atoms = system.atoms[order]
    atoms.info = dict(system.atoms.info)
    atoms.positions = atoms.positions @ turn + rng.uniform(-9, 9, 3)
    atoms.set_cell(system.atoms.cell.array @ turn)
    after = evaluate(atoms, system.potential)
    assert_same(before, after, turn, order)
    expected = before.induced_dipoles[order] @ turn
    np.testing.assert_allclose(after.induced_dipoles, expected, rtol=0, atol=1e-7)


@settings(max_examples=25)
@given(system=systems)
def test_both_solvers_agree(system):
    dense, krylov = (
        evaluate(system.atoms, system.potential, solver=solver) for solver in ("dense", "krylov")
    )
    assert krylov.free_energy == pytest.approx(dense.free_energy, rel=0, abs=1e-8)
    np.testing.assert_allclose(krylov.charges, dense.charges, rtol=0, atol=1e-6)
    np.testing.assert_allclose(krylov.induced_dipoles, dense.induced_dipoles, rtol=0, atol=1e-6)


@settings(max_examples=20)
@given(system=periodic)
def test_the_split_of_the_ewald_sum_does_not_matter(system):
    """Another accuracy is another α; a doubled cell has other k vectors."""
    atoms = system.atoms
    one = evaluate(atoms, system.potential, accuracy=1e-12, electrostatics="ewald")
    other = evaluate(atoms, system.potential, accuracy=1e-14, electrostatics="ewald")
    assert other.energy == pytest.approx(one.energy, rel=0, abs=1e-9 * len(atoms))
    np.testing.assert_allclose(other.forces, one.forces, rtol=0, atol=1e-7)
    np.testing.assert_allclose(other.induced_dipoles, one.induced_dipoles, rtol=0, atol=1e-8)
    np.testing.assert_allclose(other.stress, one.stress, rtol=0, atol=1e-8)


@settings(max_examples=20)
@given(system=systems)
def test_no_polarisability_is_no_polarisation(system):
    unpolarised = with_polarisabilities(POTENTIALS[system.potential], factor=0.0)
    options = {**PRECISE, "electrostatics": "ewald" if system.atoms.pbc.all() else "direct"}
    plain = ecteam.evaluate(system.atoms, rigid(POTENTIALS[system.potential]), **options)
    result = ecteam.evaluate(system.atoms, unpolarised, **options)
    assert not result.induced_dipoles.any()
    assert not plain.induced_dipoles.any()
    assert_same(plain, result)


@settings(max_examples=20)
@given(system=systems)
def test_polarisation_never_raises_the_energy(system):
    options = {**PRECISE, "electrostatics": "ewald" if system.atoms.pbc.all() else "direct"}
    plain = ecteam.evaluate(system.atoms, rigid(POTENTIALS[system.potential]), **options)
    result = evaluate(system.atoms, system.potential, **options)
    assert result.free_energy <= plain.free_energy + 1e-8


@settings(max_examples=30)
@given(name=st.sampled_from(sorted(POLARISED)), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_derivatives_by_parameters(name, seed, data):
    potential, atoms = POLARISED[name], system(name, seed)
    charge = data.draw(st.sampled_from([0.0, 0.7, -1.0] if name != "halides" else [0.0, 0.5]))
    coefficients = potential.coefficients
    values = np.array([c.value for c in coefficients])
    rows = Predictions(potential, atoms, charge)
    soft = [k for k, c in enumerate(coefficients) if c.name.startswith("polar") and c.value > 0]
    others = st.integers(0, len(values) - 1)
    k = data.draw(st.one_of(st.sampled_from(soft), others))
    derivative, present = rows.jacobian([k])
    assert present == pytest.approx(rows.at(values), rel=1e-9, abs=1e-9)
    numeric = rows.differences(values, k)
    unseen = (1e-11 * np.abs(present).max() + 1e-8) / max(abs(values[k]), 0.02)
    error = np.abs(derivative - numeric).max()
    assert error < 1e-6 * np.abs(numeric).max() + unseen, coefficients[k].name


def test_names_and_bounds_of_polarisabilities():
    every = {c.name: c for c in POLARISED["water-unpolarised"].coefficients}
    oxygen = every["polarisability[O anion]"]
    assert oxygen.value == 1.6
    assert oxygen.fixed
    assert not oxygen.linear
    assert (oxygen.lowest, oxygen.highest) == pytest.approx((0.0, 48 / 2.5**3))
    assert not any(c.name.startswith("polar") for c in POTENTIALS["water-unpolarised"].coefficients)


def test_warm_calls_follow():
    """A path of small steps needs fewer products warm than cold, and ends at the same numbers."""
    rng = np.random.default_rng(0)
    atoms = system("water-unpolarised", 1)
    calculator = ecteam.ECTEAM(POLARISED["water-unpolarised"])
    velocity = 0.01 * rng.standard_normal(atoms.positions.shape)
    for _ in range(12):
        atoms.positions += velocity
        atoms.calc = calculator
        atoms.get_potential_energy()
    warm, cold = calculator.result, ecteam.evaluate(atoms, POLARISED["water-unpolarised"])
    assert warm.energy == pytest.approx(cold.energy, abs=1e-8)
    np.testing.assert_allclose(warm.induced_dipoles, cold.induced_dipoles, rtol=0, atol=1e-6)
    assert warm.hessian_products < 0.5 * cold.hessian_products


@pytest.mark.parametrize(
    ("symbol", "state", "field", "value", "message"),
    [
        ("O", 0, "polarisability", -0.1, r"elements\.O\.states\[0\]\.polarisability: .*positive"),
        ("O", 1, "polarisability", 3.1, r"states\[1\]\.polarisability: .*48/polarisation_exp"),
        ("O", None, "polarisation_exponent", 0.0, r"O\.polarisation_exponent: must be positive"),
        ("O", None, "polarisation_exponent", 1e3, r"O\.polarisation_exponent: must be at most"),
        ("O", None, "polarisation_exponent", None, r"O\.polarisation_exponent: must be given"),
        ("H", 0, "polarizability", 1.0, "unknown field"),
    ],
)
def test_bad_files(symbol, state, field, value, message):
    fields = POLARISED["water-unpolarised"].to_dict()
    fields.pop("sha256", None)
    element = fields["elements"][symbol]
    (element if state is None else element["states"][state])[field] = value
    with pytest.raises(ecteam.PotentialFormatError, match=message):
        ecteam.Potential.from_dict(fields)


def test_an_exponent_without_polarisabilities():
    fields = POTENTIALS["water-unpolarised"].to_dict()
    fields.pop("sha256", None)
    fields["elements"]["O"]["polarisation_exponent"] = 2.0
    with pytest.raises(ecteam.PotentialFormatError, match="absent where no state"):
        ecteam.Potential.from_dict(fields)


def test_what_is_refused():
    atoms, potential = system("water-unpolarised", 1), POLARISED["toy"]
    with pytest.raises(ecteam.InvalidInputError, match="shadow: does not propagate"):
        ecteam.evaluate(atoms, potential, shadow=True)


@settings(max_examples=5)
@given(system=periodic, picks=picks)
def test_the_mesh(system, picks):
    """Exact derivatives of its own energy, which is that of the Ewald sum."""
    options = {"electrostatics": "pme", "accuracy": 1e-6}
    assert_forces(system, picks, **options)
    one = evaluate(system.atoms, system.potential, **options)
    other = evaluate(system.atoms, system.potential, **{**options, "electrostatics": "ewald"})
    scale = max(1.0, np.abs(other.forces).max())
    np.testing.assert_allclose(one.forces, other.forces, rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose(one.stress, other.stress, rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose(one.induced_dipoles, other.induced_dipoles, rtol=0, atol=1e-5)
    assert one.energy == pytest.approx(other.energy, abs=1e-5 * len(system.atoms))


@settings(max_examples=5)
@given(system=periodic, picks=picks)
def test_shifted_forces(system, picks):
    assert_forces(system, picks, electrostatics="shifted_force")


def test_shifted_forces_end_smoothly():
    """Energy and dipoles do not jump where an ion leaves the cutoff of 6 Å."""

    def at(distance):
        positions = [[0.0, 0.0, distance], [1.0, 0.0, distance]]
        return beside_proton(positions, electrostatics="shifted_force")

    (inside, _), (energy, dipoles), (outside, _) = (at(6.0 + x) for x in (-2e-4, -1e-4, 1e-4))
    assert energy == pytest.approx(outside, abs=1e-9)
    assert abs(inside - energy) < 1e-8
    # Along the other axis the two atoms polarise each other.
    assert np.abs(dipoles[:, 2]).max() < 1e-6


def test_the_density_has_the_dipoles():
    """First moment of the density on a grid around a polarised atom."""
    atoms = Atoms("HO", [[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]])
    potential = neutral_atoms(1.7, 3.0)
    result = ecteam.evaluate(atoms, potential, [1.0, 0.0], fragments=[0, 1])
    axis = np.arange(-5.0, 5.0, 0.1) + 0.05
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    points += atoms.positions[1]
    density = ecteam.electron_density(atoms, result, points) * 1e-3
    moment = -(density @ (points - atoms.positions[1]))
    assert moment == pytest.approx(result.induced_dipoles[1], rel=2e-3, abs=1e-6)
    assert result.induced_dipoles[1, 2] > 0.1


def test_dipoles_of_frames_and_reports():
    atoms = system("water-unpolarised", 1)
    polar = ecteam.evaluate(atoms, POLARISED["water-unpolarised"])
    plain = ecteam.evaluate(atoms, POTENTIALS["water-unpolarised"])
    assert frame_of(atoms, polar).arrays["induced_dipoles"] == pytest.approx(polar.induced_dipoles)
    assert "induced_dipoles" not in frame_of(atoms, plain).arrays
    assert result_data(polar)["induced_dipoles"] == polar.induced_dipoles.tolist()
    assert not plain.induced_dipoles.any()


def test_polarisabilities_of_the_library():
    """Those of the library by default; given ones only where they are given."""
    fields = ecteam.polarised("halides").to_dict()["elements"]
    for symbol, element in fields.items():
        values = {state["name"]: state["polarisability"] for state in element["states"]}
        library = ecteam.states(symbol)
        assert values == {name: library[name].polarisability for name in values}
        assert element["polarisation_exponent"] ** 3 * max(values.values()) == pytest.approx(48)
    chosen = ecteam.polarised("halides", {"Cl": {"anion": 3.0}}, {"Cl": 2.0}).to_dict()["elements"]
    assert chosen["Cl"]["polarisation_exponent"] == 2.0
    assert "polarisation_exponent" not in chosen["Na"]
    with pytest.raises(ecteam.InvalidInputError, match="got 'Xe'"):
        ecteam.polarised("halides", {"Xe": {"ground": 1.0}})
    with pytest.raises(ecteam.InvalidInputError, match=r"Cl has .*got 'dication'"):
        ecteam.polarised("halides", {"Cl": {"dication": 1.0}})
    with pytest.raises(ecteam.InvalidInputError, match="polarisability: must be positive"):
        ecteam.polarised("halides", {"Cl": {"anion": 0.0}})


def test_a_form_with_polarisabilities():
    form = replace(FORMS["halides"](), polarisabilities={"Cl": {"anion": 3.0}})
    potential = form.start(seed=1)
    (found,) = [c for c in potential.coefficients if c.name.startswith("polarisability")]
    assert (found.name, found.value) == ("polarisability[Cl anion]", 3.0)
    assert form.prior(potential).width.shape == potential.parameters.shape
    assert form.width(found.name) == 1.0


# Recommended values, atomic units: P. Schwerdtfeger and J. K. Nagle, Mol. Phys. 117, 1200 (2019).
RECOMMENDED = {
    "H": 4.50, "He": 1.383, "Li": 164.1, "Be": 37.74, "C": 11.3, "N": 7.4, "O": 5.3, "F": 3.74,
    "Ne": 2.66, "Na": 162.7, "Mg": 71.2, "Cl": 14.6, "Ar": 11.083, "K": 289.7, "Ca": 160.8,
    "Cu": 46.5,
}  # fmt: skip


@pytest.mark.parametrize("symbol", RECOMMENDED)
def test_computed_polarisabilities_against_the_table(symbol):
    """Within 4 %; 13 % for the elements from K on, whose response is that of UMP2."""
    ground = ecteam.states(symbol)["ground"]
    table = RECOMMENDED[symbol] * Bohr**3
    assert ground.polarisability == pytest.approx(table, rel=0.01)
    bound = 0.13 if symbol in ("K", "Ca", "Cu") else 0.04
    assert ground.polarisability_computed == pytest.approx(table, rel=bound)
