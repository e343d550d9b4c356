"""Forces and stress against fourth-order central differences of the free energy.

The evaluator is warm: it stays on the branch of the undisturbed geometry, as the forces do. The
step balances the error of the formula (h⁴ times the fifth derivative; resonance at a crossing of
charge transfer changes over 0.02 Å) with rounding (1e-15 of the energy over h).
"""

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import Follower, finite, periodic

STEP = 3e-4  # Å, or strain
RELATIVE = 1e-6
COEFFICIENTS = {1: 8 / 12, -1: -8 / 12, 2: -1 / 12, -2: 1 / 12}


def slope(energy, step):
    """Fourth-order difference of a function of one number."""
    return sum(c * energy(k * step) for k, c in COEFFICIENTS.items()) / step


def numerical_force(follow, atoms, atom, axis):
    def energy(displacement):
        moved = atoms.copy()
        moved.positions[atom, axis] += displacement
        return follow(moved).free_energy

    return -slope(energy, STEP)


def numerical_stress(follow, atoms, p, q):
    """Slope along ε_pq = ε_qp over the volume."""

    def energy(strain):
        deformation = np.eye(3)
        deformation[p, q] += strain / 2
        deformation[q, p] += strain / 2
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ deformation, scale_atoms=False)
        strained.positions = atoms.positions @ deformation
        return follow(strained).free_energy

    return slope(energy, STEP) / atoms.get_volume()


def assert_forces(system, picks):
    follow = Follower(system.potential)
    forces = follow(system.atoms).forces
    bound = RELATIVE * max(1.0, np.abs(forces).max())
    for pick in picks:
        atom, axis = divmod(pick % (3 * len(system.atoms)), 3)
        found = numerical_force(follow, system.atoms, atom, axis)
        assert abs(found - forces[atom, axis]) <= bound, (atom, axis, found, forces[atom, axis])


picks = st.lists(st.integers(0, 71), min_size=3, max_size=3)


@settings(max_examples=40)
@given(system=finite, picks=picks)
def test_forces_of_finite_systems(system, picks):
    assert_forces(system, picks)


@settings(max_examples=25)
@given(system=periodic, picks=picks)
def test_forces_of_periodic_systems(system, picks):
    assert_forces(system, picks)


@settings(max_examples=20)
@given(system=periodic)
def test_stress(system):
    follow = Follower(system.potential)
    stress = follow(system.atoms).stress
    numerical = np.zeros((3, 3))
    for p, q in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]:
        numerical[p, q] = numerical[q, p] = numerical_stress(follow, system.atoms, p, q)
    # Stress of the order of 1 eV per atom and volume.
    scale = max(len(system.atoms) / system.atoms.get_volume(), np.abs(stress).max())
    found = full_3x3_to_voigt_6_stress(numerical)
    np.testing.assert_allclose(stress, found, rtol=0, atol=RELATIVE * scale)


@settings(max_examples=15)
@given(system=periodic, picks=picks)
def test_forces_with_shifted_force_electrostatics(system, picks):
    follow = Follower(system.potential, electrostatics="shifted_force")
    forces = follow(system.atoms).forces
    bound = RELATIVE * max(1.0, np.abs(forces).max())
    for pick in picks:
        atom, axis = divmod(pick % (3 * len(system.atoms)), 3)
        assert abs(numerical_force(follow, system.atoms, atom, axis) - forces[atom, axis]) <= bound


@settings(max_examples=20)
@given(system=st.one_of(finite, periodic))
def test_the_chemical_potential_is_the_slope_in_the_total_charge(system):
    follow = Follower(system.potential)
    charge = system.atoms.info.get("charge", 0.0)

    def energy(change):
        charged = system.atoms.copy()
        charged.info["charge"] = charge + change
        return follow(charged).free_energy

    result = follow(system.atoms)
    # Where every atom is in one state the energy has a kink: no slope to speak of.
    assume((result.weights * (1.0 - result.weights)).max() > 0.05)
    (expected,) = result.chemical_potentials
    found = slope(energy, 1e-4)
    assert abs(found - expected) <= 1e-5 * max(1.0, abs(expected))
