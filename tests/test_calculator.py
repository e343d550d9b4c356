"""evaluate() and the ASE calculator: laws, derivatives, bookkeeping."""

import copy
import dataclasses
import pickle

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ecteam.dynamics import molecular_dynamics


def water(charge=None):
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    if charge is not None:
        atoms.info["charge"] = charge
    return atoms


def hydroxide():
    return Atoms("OH", positions=[[0, 0, 0], [0.1, 0.2, 0.95]], info={"charge": -1.0})


def hydronium():
    positions = [[0, 0, 0.1], [0.95, 0, -0.2], [-0.5, 0.83, -0.2], [-0.5, -0.83, -0.2]]
    return Atoms("OH3", positions=positions, info={"charge": 1.0})


def salt(name="NaCl", a=5.64):
    atoms = bulk(name, "rocksalt", a=a, cubic=True)
    atoms.rattle(0.05, seed=2)
    return atoms


CASES = {
    "water": ("water", water),
    "hydroxide": ("water", hydroxide),
    "hydronium": ("water", hydronium),
    "salt": ("halides", salt),
}


@pytest.fixture(params=CASES)
def case(request):
    potential, make = CASES[request.param]
    return potential, make()


def test_shapes(case):
    potential, atoms = case
    n = len(atoms)
    result = ecteam.evaluate(atoms, potential)
    assert result.energies.shape == result.charges.shape == result.background.shape == (n,)
    assert result.forces.shape == (n, 3)
    assert result.weights.shape[0] == n
    assert result.dipole.shape == (3,)
    assert (result.stress is None) == (not atoms.pbc.all())
    assert result.symbols == tuple(atoms.symbols)
    assert result.potential == ecteam.load(potential)
    assert vars(result).keys() >= {field.name for field in dataclasses.fields(result)}
    assert dataclasses.replace(result, energy=1.0).energy == 1.0


def test_constraints_hold(case):
    potential, atoms = case
    result = ecteam.evaluate(atoms, potential)
    assert (result.weights >= 0).all()
    np.testing.assert_allclose(result.weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert result.charges.sum() == pytest.approx(atoms.info.get("charge", 0.0), abs=1e-11)
    assert result.kkt_residual <= 1e-8
    assert result.energies.sum() == pytest.approx(result.energy, abs=1e-9)


def test_weights_by_name():
    result = ecteam.evaluate(water(), "water")
    oxygen = result.weights_of(0)
    assert list(oxygen) == ["ground", "anion", "dianion"]
    assert -oxygen["anion"] - 2 * oxygen["dianion"] == pytest.approx(result.charges[0])
    assert list(result.weights_of(1)) == ["ground", "cation"]


def test_rigid_motion_changes_nothing(case):
    potential, atoms = case
    before = ecteam.evaluate(atoms, potential)
    moved = atoms.copy()
    moved.positions += [0.3, -1.2, 0.7]
    moved.rotate(40, (1, 2, 3), rotate_cell=True)
    after = ecteam.evaluate(moved, potential)
    assert after.free_energy == pytest.approx(before.free_energy, abs=1e-6)
    np.testing.assert_allclose(after.charges, before.charges, rtol=0, atol=1e-6)
    np.testing.assert_allclose(after.forces.sum(axis=0), 0.0, rtol=0, atol=1e-6)


def test_order_of_atoms_does_not_matter(case):
    potential, atoms = case
    order = np.random.default_rng(0).permutation(len(atoms))
    before = ecteam.evaluate(atoms, potential)
    after = ecteam.evaluate(atoms[order], potential)
    assert after.free_energy == pytest.approx(before.free_energy, abs=1e-7)
    np.testing.assert_allclose(after.forces, before.forces[order], rtol=0, atol=1e-6)


class FreeEnergy(ecteam.ECTEAM):
    """Gives the free energy where ASE's finite differences ask for the energy."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["energy"] = self.results["free_energy"]


def test_forces_are_the_slope_of_the_free_energy(case):
    potential, atoms = case
    atoms = atoms.copy()
    atoms.calc = FreeEnergy(potential, tolerance=1e-10)
    analytic = atoms.get_forces()[:3]
    numerical = calculate_numerical_forces(atoms, eps=1e-4, iatoms=range(len(analytic)))
    np.testing.assert_allclose(analytic, numerical, rtol=0, atol=2e-5)


def test_stress_is_the_slope_of_the_free_energy():
    atoms = salt()
    atoms.calc = FreeEnergy("halides", tolerance=1e-10)
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), numerical, rtol=0, atol=1e-6)


def test_supercell_repeats_the_cell():
    one = ecteam.evaluate(salt(), "halides")
    two = ecteam.evaluate(salt().repeat((2, 1, 1)), "halides")
    assert two.free_energy == pytest.approx(2 * one.free_energy, abs=2e-5)
    np.testing.assert_allclose(two.charges[:8], one.charges, rtol=0, atol=1e-5)


def test_calculator_agrees_with_evaluate(case):
    potential, atoms = case
    result = ecteam.evaluate(atoms, potential)
    atoms.calc = ecteam.ECTEAM(potential)
    assert atoms.get_potential_energy() == pytest.approx(result.energy, abs=1e-9)
    free = atoms.get_potential_energy(force_consistent=True)
    assert free == pytest.approx(result.free_energy, abs=1e-9)
    np.testing.assert_allclose(atoms.get_forces(), result.forces, rtol=0, atol=1e-7)
    np.testing.assert_allclose(atoms.get_charges(), result.charges, rtol=0, atol=1e-8)
    np.testing.assert_allclose(atoms.get_dipole_moment(), result.dipole, rtol=0, atol=1e-7)
    assert atoms.calc.result.symbols == result.symbols


def test_warm_start_gives_the_cold_answer():
    atoms = water()
    atoms.calc = ecteam.ECTEAM("water")
    for step in range(5):
        atoms.rattle(0.02, seed=step)
        cold = ecteam.evaluate(atoms, "water")
        assert atoms.get_potential_energy() == pytest.approx(cold.energy, abs=1e-7)
        np.testing.assert_allclose(atoms.get_forces(), cold.forces, rtol=0, atol=1e-6)


def test_one_calculator_for_changing_systems():
    calculator = ecteam.ECTEAM("water")
    for atoms in (water(), hydroxide(), hydronium(), water()):
        energy = calculator.get_potential_energy(atoms)
        assert energy == pytest.approx(ecteam.evaluate(atoms, "water").energy, abs=1e-7)


def test_a_changed_charge_is_noticed():
    atoms = water()
    atoms.calc = ecteam.ECTEAM("water")
    neutral = atoms.get_potential_energy()
    atoms.info["charge"] = 1.0
    assert atoms.get_charges().sum() == pytest.approx(1.0)
    cation = atoms.get_potential_energy()
    assert cation > neutral + 5.0
    atoms.calc.total_charge = 0.0
    assert atoms.get_potential_energy() == pytest.approx(neutral, abs=1e-7)


def test_the_argument_wins_over_info():
    atoms = water(charge=1.0)
    assert ecteam.evaluate(atoms, "water").charges.sum() == pytest.approx(1.0)
    assert ecteam.evaluate(atoms, "water", 0.0).charges.sum() == pytest.approx(0.0)


def test_stress_needs_three_periodic_directions():
    atoms = water()
    atoms.calc = ecteam.ECTEAM("water")
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
@pytest.mark.parametrize("used", [False, True])
def test_calculators_can_be_copied(twin, used):
    atoms = water()
    calculator = ecteam.ECTEAM("water", tolerance=1e-9)
    if used:
        calculator.get_potential_energy(atoms)
    other = twin(calculator)
    atoms.rattle(0.05, seed=5)
    assert other.get_potential_energy(atoms) == pytest.approx(
        calculator.get_potential_energy(atoms), abs=1e-7
    )


def test_free_energy_is_conserved_in_dynamics():
    atoms = water()
    atoms.calc = ecteam.ECTEAM("water")
    totals = []
    for _ in molecular_dynamics(atoms, steps=100, timestep=0.25, temperature=300, seed=0):
        free = atoms.get_potential_energy(force_consistent=True)
        totals.append(free + atoms.get_kinetic_energy())
    assert np.ptp(totals) < 5e-3


def test_unknown_element():
    with pytest.raises(ecteam.InvalidInputError, match="Cu"):
        ecteam.evaluate(Atoms("Cu"), "water")


@pytest.mark.parametrize("charge", [np.nan, np.inf, "one", None])
def test_bad_charge(charge):
    atoms = water()
    atoms.info["charge"] = charge
    with pytest.raises(ecteam.InvalidInputError, match=r"^total_charge: "):
        ecteam.evaluate(atoms, "water")


def test_bad_atoms():
    with pytest.raises(ecteam.InvalidInputError, match=r"^atoms: .* got str"):
        ecteam.evaluate("H2O", "water")
    with pytest.raises(ecteam.InvalidInputError, match=r"^atoms\[1\]: .* got NoneType"):
        ecteam.evaluate([water(), None], "water")
    assert ecteam.evaluate([], "water") == []
    with pytest.raises(ecteam.InvalidInputError, match=r"^numbers\[1\]: "):
        ecteam.evaluate(Atoms("HX", positions=[[0, 0, 0], [1, 0, 0]]), "water")
    broken = water()
    broken.positions[1, 2] = np.nan
    with pytest.raises(ecteam.InvalidInputError, match="positions"):
        ecteam.evaluate(broken, "water")


def test_not_converged_says_how_far_it_came():
    with pytest.raises(ecteam.NotConvergedError) as raised:
        ecteam.evaluate(water(), "water", max_iterations=1)
    assert raised.value.iterations == 1
    assert raised.value.residual > 0


def test_unknown_option():
    with pytest.raises(TypeError):
        ecteam.ECTEAM("water", tolerence=1e-6)


def test_a_lower_branch_is_reported(caplog):
    pair = Atoms("NaCl", [[0, 0, 0], [5.0, 0, 0]])
    pair.calc = ecteam.ECTEAM("halides", branch_interval=1)
    pair.get_potential_energy()
    assert pair.calc.result.charges[0] > 0.5
    for distance in np.arange(5.5, 11.0, 0.5):
        pair.positions[1, 0] = distance
        pair.get_potential_energy()
    found = pair.calc.result
    if found.charges[0] < 0.5:
        pytest.skip("this potential has no second branch to follow")
    assert found.lower_branch == pytest.approx(found.free_energy, abs=1e-3)
    assert "another branch of the state weights" in caplog.text
    pair.calc.reset()
    pair.get_potential_energy()
    assert abs(pair.calc.result.charges[0]) < 1e-6


def _counted(potential="water"):
    """Return a calculator that counts its calculations."""

    class Counted(ecteam.ECTEAM):
        calls = 0

        def calculate(self, *args, **kwargs):
            self.calls += 1
            super().calculate(*args, **kwargs)

    return Counted(potential)


@pytest.mark.parametrize("change", ["none", "positions", "cell", "pbc", "numbers", "atoms", "tags"])
def test_what_asks_for_a_calculation(change):
    atoms = salt()
    atoms.calc = calculator = _counted("halides")
    atoms.get_forces()
    if change == "positions":
        atoms.positions[0, 0] += 1e-9
    elif change == "cell":
        atoms.cell[0, 0] += 1e-3
    elif change == "pbc":
        atoms.pbc = False
    elif change == "numbers":
        atoms.numbers[[0, 1]] = atoms.numbers[[1, 0]]
    elif change == "atoms":
        del atoms[[0, 1]]
    elif change == "tags":
        atoms.set_tags(1)
    expected = [] if change in ("none", "tags") else [change]
    if change == "atoms":
        expected = ["numbers", "positions"]
    assert sorted(calculator.check_state(atoms)) == expected
    assert calculator.calculation_required(atoms, ["forces"]) == bool(expected)
    atoms.get_forces()
    assert calculator.calls == 1 + bool(expected)
    fresh = ecteam.evaluate(atoms, "halides")
    np.testing.assert_allclose(atoms.get_forces(), fresh.forces, rtol=0, atol=1e-6)
    assert calculator.calls == 1 + bool(expected)


def test_atoms_of_the_last_calculation():
    atoms = water()
    atoms.calc = calculator = ecteam.ECTEAM("water")
    assert calculator.atoms is None
    atoms.get_forces()
    first = calculator.atoms
    before = atoms.positions.copy()
    assert first == atoms
    assert first is not atoms
    for step in range(3):  # twice over the same copy
        atoms.positions += 0.01
        atoms.set_momenta(np.full((3, 3), float(step)))
        atoms.info["step"] = [step]
        atoms.get_forces()
    assert (first.positions == before).all()
    assert calculator.atoms == atoms
    assert (calculator.atoms.get_momenta() == 2.0).all()
    assert calculator.atoms.info == {"step": [2]}
    assert calculator.atoms.info["step"] is not atoms.info["step"]
    assert calculator.get_property("energy") == atoms.get_potential_energy()
    calculator.reset()
    assert calculator.atoms is None
    assert calculator.results == {}


def test_results_are_copies():
    atoms = water()
    atoms.calc = ecteam.ECTEAM("water")
    atoms.get_forces()[:] = 0.0
    assert abs(atoms.get_forces()).max() > 0.01


def test_fragments_of_the_atoms():
    """They come with the atoms or as an argument, and a change of either is a change."""
    atoms = molecule("H2O") + Atoms("OH", positions=[[0, 0, 3], [0, 0, 3.97]])
    labels = [0, 0, 0, 1, 1]
    atoms.info["charge"] = [0.0, -1.0]
    atoms.set_array("fragments", np.array(labels))
    atoms.calc = calc = ecteam.ECTEAM("water")
    kept = atoms.get_charges()
    assert kept[3:].sum() == pytest.approx(-1.0, abs=1e-12)
    atoms.info["charge"] = [-1.0, 0.0]
    assert calc.check_state(atoms) == ["total_charge"]
    assert atoms.get_charges()[3:].sum() == pytest.approx(0.0, abs=1e-12)
    atoms.info["charge"] = -1.0
    del atoms.arrays["fragments"]
    assert abs(atoms.get_charges()[3:].sum() + 1) > 1e-3
    by_argument = ecteam.ECTEAM("water", [0.0, -1.0], fragments=labels)
    np.testing.assert_allclose(by_argument.get_charges(atoms), kept, rtol=0, atol=1e-7)
