"""Laws of one evaluation: constraints of the weights, and what must not change the answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    POTENTIALS,
    PRECISE,
    System,
    evaluate,
    finite,
    periodic,
    random_rotation,
    systems,
)

# Energies are of the order of 10 to 100 eV: this leaves some rounding.
SAME_ENERGY = 1e-9
SAME_FORCE = 1e-7


def random(seed):
    return np.random.default_rng(seed)


seeds = st.integers(0, 2**32 - 1)


def with_positions(system, positions, cell=None):
    atoms = system.atoms.copy()
    atoms.positions = positions
    if cell is not None:
        atoms.set_cell(cell)
    return System(system.potential, atoms)


def assert_same(before, after, turned=None, order=slice(None)):
    """Compare energies, charges and forces, up to a rotation (rows · turned) and an order."""
    turned = np.eye(3) if turned is None else turned
    n = len(before.charges)
    assert after.free_energy == pytest.approx(before.free_energy, rel=0, abs=SAME_ENERGY * n)
    assert after.energy == pytest.approx(before.energy, rel=0, abs=SAME_ENERGY * n)
    largest = max(1.0, np.abs(before.forces).max())
    np.testing.assert_allclose(
        after.forces, before.forces[order] @ turned, rtol=0, atol=SAME_FORCE * largest
    )
    np.testing.assert_allclose(after.charges, before.charges[order], rtol=0, atol=SAME_FORCE)
    if before.stress is not None:
        np.testing.assert_allclose(
            matrix(after.stress),
            turned.T @ matrix(before.stress) @ turned,
            rtol=0,
            atol=SAME_FORCE * largest,
        )


def matrix(voigt):
    xx, yy, zz, yz, xz, xy = voigt
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@settings(max_examples=60)
@given(system=systems)
def test_weights_meet_their_constraints(system):
    result = evaluate(system)
    charge = system.atoms.info.get("charge", 0.0)
    assert (result.weights >= 0).all()
    np.testing.assert_allclose(result.weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert abs(result.charges.sum() - charge) <= 1e-12
    assert result.kkt_residual <= PRECISE["tolerance"]
    assert result.positive_definite


@settings(max_examples=60)
@given(system=systems)
def test_charges_are_those_of_the_weights(system):
    result = evaluate(system)
    elements = POTENTIALS[system.potential].to_dict()["elements"]
    for i, symbol in enumerate(result.symbols):
        states = elements[symbol]["states"]
        charge = sum(w * s["charge"] for w, s in zip(result.weights[i], states, strict=False))
        assert charge == pytest.approx(result.charges[i], rel=0, abs=1e-13)


@settings(max_examples=60)
@given(system=systems)
def test_energies_of_atoms_add_up(system):
    result = evaluate(system)
    assert result.energies.sum() == pytest.approx(result.energy, rel=0, abs=SAME_ENERGY)


@settings(max_examples=60)
@given(system=systems)
def test_entropy_is_what_separates_the_two_energies(system):
    result = evaluate(system)
    temperature = POTENTIALS[system.potential].to_dict()["electronic_temperature"]
    weights = result.weights[result.weights > 0]
    entropy = temperature * np.sum(weights * np.log(weights))
    difference = result.free_energy - result.energy
    assert difference == pytest.approx(entropy, rel=0, abs=SAME_ENERGY)


@settings(max_examples=60)
@given(system=systems)
def test_no_net_force_and_no_torque(system):
    result = evaluate(system)
    largest = max(1.0, np.abs(result.forces).max())
    bound = 1e-10 * largest * len(system.atoms)
    np.testing.assert_allclose(result.forces.sum(axis=0), 0.0, rtol=0, atol=bound)
    if not system.atoms.pbc.any():
        torque = np.cross(system.atoms.positions, result.forces).sum(axis=0)
        np.testing.assert_allclose(torque, 0.0, rtol=0, atol=10 * bound)


@settings(max_examples=60)
@given(system=systems, seed=seeds)
def test_translation(system, seed):
    shift = random(seed).uniform(-20, 20, 3)
    moved = with_positions(system, system.atoms.positions + shift)
    assert_same(evaluate(system), evaluate(moved))


@settings(max_examples=60)
@given(system=systems, seed=seeds)
def test_rotation(system, seed):
    turn = random_rotation(random(seed))
    moved = with_positions(system, system.atoms.positions @ turn, system.atoms.cell.array @ turn)
    assert_same(evaluate(system), evaluate(moved), turn)


@settings(max_examples=30)
@given(system=systems)
def test_reflection(system):
    mirror = np.diag([1.0, 1.0, -1.0])
    moved = with_positions(
        system, system.atoms.positions @ mirror, system.atoms.cell.array @ mirror
    )
    assert_same(evaluate(system), evaluate(moved), mirror)


@settings(max_examples=60)
@given(system=systems, seed=seeds)
def test_permutation(system, seed):
    order = random(seed).permutation(len(system.atoms))
    permuted = System(system.potential, system.atoms[order])
    assert_same(evaluate(system), evaluate(permuted), order=order)


UNIMODULAR = [
    [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 0, -2], [1, 1, 0], [0, 0, 1]],
    [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    [[-1, 0, 0], [3, 1, 0], [0, -1, 1]],
]


@settings(max_examples=60)
@given(system=periodic, change=st.sampled_from(UNIMODULAR))
def test_other_vectors_of_the_same_lattice(system, change):
    cell = np.array(change) @ system.atoms.cell.array
    moved = with_positions(system, system.atoms.positions, cell)
    assert_same(evaluate(system), evaluate(moved))


@settings(max_examples=60)
@given(system=periodic, seed=seeds)
def test_atoms_in_other_cells(system, seed):
    cells = random(seed).integers(-3, 4, (len(system.atoms), 3))
    moved = with_positions(system, system.atoms.positions + cells @ system.atoms.cell.array)
    before, after = evaluate(system), evaluate(moved)
    # The dipole about the origin is the one quantity that may change.
    assert_same(before, after)
    wrapped = system.atoms.copy()
    wrapped.wrap()
    assert_same(before, evaluate(System(system.potential, wrapped)))


@settings(max_examples=20)
@given(system=periodic, axis=st.integers(0, 2), copies=st.integers(2, 3))
def test_supercell(system, axis, copies):
    n = len(system.atoms)
    repeats = [1, 1, 1]
    repeats[axis] = copies
    large = system.atoms.repeat(repeats)
    large.info["charge"] = copies * system.atoms.info.get("charge", 0.0)
    one, many = evaluate(system), evaluate(System(system.potential, large))
    bound = SAME_ENERGY * n
    assert many.free_energy / copies == pytest.approx(one.free_energy, rel=0, abs=bound)
    np.testing.assert_allclose(many.charges.reshape(copies, n), [one.charges] * copies, atol=1e-7)
    np.testing.assert_allclose(many.forces.reshape(copies, n, 3), [one.forces] * copies, atol=1e-6)
    np.testing.assert_allclose(many.stress, one.stress, rtol=0, atol=1e-7)


@settings(max_examples=30)
@given(system=finite, direction=seeds)
def test_a_cell_without_periodicity_means_nothing(system, direction):
    atoms = system.atoms.copy()
    atoms.set_cell(random(direction).uniform(-5, 5, (3, 3)))
    assert_same(evaluate(system), evaluate(System(system.potential, atoms)))


@settings(max_examples=30)
@given(system=finite)
def test_the_dipole_moves_with_the_charge(system):
    before = evaluate(system)
    shift = np.array([5.0, -3.0, 2.0])
    moved = evaluate(with_positions(system, system.atoms.positions + shift))
    change = system.atoms.info["charge"] * shift
    np.testing.assert_allclose(moved.dipole, before.dipole + change, rtol=0, atol=1e-7)
