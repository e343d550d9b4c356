"""Bad input: a clear exception of the right kind that names the field, at every entrance."""

import json
import re

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ecteam import _core
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import POTENTIALS, TOY_FILE

WATER = POTENTIALS["water-unpolarised"]


def rejected(match):
    return pytest.raises(ecteam.InvalidInputError, match=match)


def test_tree_of_exceptions():
    assert issubclass(ecteam.InvalidInputError, (ecteam.EcteamError, ValueError))
    for error, builtin in [
        (ecteam.InvalidInputError, ValueError),
        (ecteam.NotConvergedError, RuntimeError),
        (ecteam.PotentialFormatError, ValueError),
    ]:
        assert issubclass(error, ecteam.EcteamError)
        assert issubclass(error, builtin)
    assert not issubclass(ecteam.InvalidInputError, ecteam.PotentialFormatError)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 1e7])
@given(atom=st.integers(0, 2), axis=st.integers(0, 2))
@settings(max_examples=5)
def test_positions_that_are_not_places(value, atom, axis):
    atoms = molecule("H2O")
    atoms.positions[atom, axis] = value
    with rejected(rf"^positions\[{atom}, {axis}\]: "):
        ecteam.evaluate(atoms, "water-unpolarised")


@given(seed=st.integers(0, 2**32 - 1), distance=st.floats(0, 0.09))
@settings(max_examples=20)
def test_coincident_atoms_are_named(seed, distance):
    rng = np.random.default_rng(seed)
    atoms = Atoms("OHHOHH", positions=[[3.0 * k, 0, 0] for k in range(6)])
    i, j = sorted(rng.choice(6, 2, replace=False))
    atoms.positions[j] = atoms.positions[i] + [0, distance, 0]
    with rejected(rf"atoms {i} and {j} are .* Å apart; at least 0\.1 Å"):
        ecteam.evaluate(atoms, "water-unpolarised")


@pytest.mark.parametrize("name", ["water-unpolarised", "halides"])
def test_an_atom_on_its_own_image_is_named(name):
    symbol = sorted(POTENTIALS[name].elements)[0]
    with rejected("atoms 0 and 0 .*image.* apart"):
        ecteam.evaluate(Atoms(symbol, cell=[0.05, 5, 5], pbc=True), name)


@given(number=st.integers(1, 118).filter(lambda z: z not in (1, 8)), atom=st.integers(0, 2))
@settings(max_examples=20)
def test_unknown_elements_are_named(number, atom):
    atoms = molecule("H2O")
    atoms.numbers[atom] = number
    symbol = atoms.symbols[atom]
    with rejected(
        rf"^numbers\[{atom}\]: the potential 'water-unpolarised' has no element {symbol} .*H, O"
    ):
        ecteam.evaluate(atoms, "water-unpolarised")


def test_charges_out_of_reach_give_the_range():
    with rejected("^total_charge: .* reaches 3 e; the allowed range is -2 to 2 e"):
        ecteam.evaluate(molecule("H2O"), "water-unpolarised", 3.0)
    with rejected("^total_charge: .* allowed range is 0 to 0 e"):
        ecteam.evaluate(Atoms(), "water-unpolarised", 1.0)


BAD_FRAGMENTS = {
    "too few": ([0, 1], 0.0, "^fragments: must be an integer for each of 3 atoms"),
    "broken": ([0.0, 0.5, 1.0], 0.0, "^fragments: must be an integer"),
    "negative": ([0, -1, 0], 0.0, r"^fragments\[1\]: must be from 0 to 2, got -1"),
    "beyond": ([0, 3, 0], 0.0, r"^fragments\[1\]: must be from 0 to 2, got 3"),
    "one charge for two": ([0, 1, 1], 1.0, "^total_charge: must give a charge for each of 2"),
    "three charges for two": ([0, 1, 1], [0, 0, 1], "^total_charge: .* 2 fragments, got 3"),
    "NaN": ([0, 1, 1], [0, np.nan], "^total_charge: must be a finite number of e, got"),
    "out of reach": ([0, 1, 1], [1, 0], r"^total_charge\[0\]: .* range is -2 to 0 e"),
    "charges of nothing": (None, [0, 1], "^total_charge: must be one number of e unless fragments"),
}


@pytest.mark.parametrize("name", BAD_FRAGMENTS)
def test_fragments(name):
    fragments, charge, message = BAD_FRAGMENTS[name]
    with rejected(message):
        ecteam.evaluate(molecule("H2O"), "water-unpolarised", charge, fragments=fragments)


def test_several_chemical_potentials_are_not_one():
    result = ecteam.evaluate(molecule("H2O"), "water-unpolarised", fragments=[0, 1, 1])
    assert result.chemical_potentials.shape == (2,)
    with rejected("^chemical_potential: there are 2 fragments"):
        _ = result.chemical_potential


SINGULAR = {
    "flat": [[5, 0, 0], [0, 5, 0], [5, 5, 0]],
    "parallel": [[5, 0, 0], [10, 0, 0], [0, 0, 5]],
    "nearly flat": [[5, 0, 0], [0, 5, 0], [5, 5, 1e-6]],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_singular_cells(name):
    with rejected("^cell: is singular"):
        ecteam.evaluate(Atoms("O", cell=SINGULAR[name], pbc=True), "water-unpolarised")


@pytest.mark.parametrize("d", [0, 1, 2])
def test_periodic_vectors_without_length(d):
    atoms = Atoms("O", cell=[5.0, 5.0, 5.0], pbc=True)
    atoms.cell[d] = 0.0
    with rejected(rf"^cell\[{d}\]: must be at least .* because pbc\[{d}\] is true"):
        ecteam.evaluate(atoms, "water-unpolarised")
    atoms.cell[d, 0] = np.nan
    with rejected(rf"^cell\[{d}\]: must be finite"):
        ecteam.evaluate(atoms, "water-unpolarised")


@pytest.mark.parametrize("pbc", [(True, False, False), (True, True, False), (False, True, True)])
@pytest.mark.parametrize("electrostatics", ["auto", "ewald", "pme", "direct"])
def test_partial_periodicity_needs_a_cutoff(pbc, electrostatics):
    atoms = molecule("H2O", cell=[8.0, 8.0, 8.0], pbc=pbc)
    with rejected(r"^electrostatics: .* got pbc \["):
        ecteam.evaluate(atoms, "water-unpolarised", electrostatics=electrostatics)
    assert ecteam.evaluate(atoms, "water-unpolarised", electrostatics="shifted_force").energy < 0


BAD_OPTIONS = {
    "tolerance": [0.0, -1.0, np.nan, np.inf, 1.0, 1e-20],
    "accuracy": [0.0, -1.0, np.nan, np.inf, 0.5, 1e-16],
    "skin": [-1.0, np.nan, np.inf, 100.0],
    "max_iterations": [0],
    "electrostatics": ["", "pppm", "Ewald"],
    "solver": ["", "lbfgs"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD_OPTIONS.items() for v in vs])
def test_options_out_of_range(name, value):
    with rejected(f"^{name}: "):
        ecteam.evaluate(molecule("H2O"), "water-unpolarised", **{name: value})
    with rejected(f"^{name}: "):
        ecteam.ECTEAM("water-unpolarised", **{name: value})


WRONG_TYPES = {
    "max_iterations": [-1, 1.5, "ten", None, 10**30],
    "branch_interval": [-1, 0.5],
    "tolerance": ["1e-8", None, [1e-8, 1e-8]],
    "solver": [None, 3],
    "shadow": ["yes", 2],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in WRONG_TYPES.items() for v in vs])
def test_options_of_the_wrong_type(name, value):
    with rejected(rf"^{name}: must be .*, got {re.escape(repr(value))}"):
        ecteam.evaluate(molecule("H2O"), "water-unpolarised", **{name: value})


@pytest.mark.parametrize("value", [None, 3, ["water"]])
def test_potentials_of_the_wrong_type(value):
    with rejected("^potential: must be a name, a path or a Potential, got "):
        ecteam.ECTEAM(value)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan, 0.5, 51.0, 1e300])
def test_cutoffs_of_a_potential(cutoff):
    fields = WATER.to_dict()
    fields["cutoff"]["radius"] = cutoff
    with pytest.raises(ecteam.PotentialFormatError, match=r"^cutoff|^file"):
        ecteam.Potential.from_dict(fields)


GOOD = {
    "positions": np.zeros((1, 3)),
    "numbers": np.array([8], dtype=np.uint8),
    "cell": np.eye(3),
    "pbc": np.zeros(3, dtype=bool),
}
BAD_ARRAYS = {
    "positions": [
        np.zeros((1, 3), dtype=np.float32),
        np.zeros((1, 3), dtype=int),
        np.zeros((1, 3), dtype=complex),
        np.zeros((1, 3), dtype=object),
        np.zeros((1, 3), dtype=">f8"),
        np.zeros((1, 2)),
        np.zeros((2, 3)),
        np.zeros(3),
        np.zeros((1, 1, 3)),
        np.zeros((2, 6))[::2, ::2],
        np.asfortranarray(np.zeros((4, 3))),
        np.zeros((1, 3)).tolist(),
        None,
        "x",
        5,
    ],
    "numbers": [
        np.array([8]),
        np.array([8.0]),
        np.array([[8]], dtype=np.uint8),
        np.array([0], dtype=np.uint8),
        np.array([119], dtype=np.uint8),
        np.array([8, 8], dtype=np.uint8),
        np.array(8, dtype=np.uint8),
        [8],
        None,
    ],
    "cell": [np.eye(3, dtype=np.float32), np.eye(2), np.zeros(9), np.eye(6)[::2, ::2], None],
    "pbc": [np.zeros(3), np.zeros(3, dtype=np.uint8), np.zeros(2, dtype=bool), True, None],
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_of_the_core(name):
    evaluator = _core.Evaluator(WATER.core)
    assert evaluator.evaluate(*GOOD.values(), 0.0).energy == 0.0
    for bad in BAD_ARRAYS[name]:
        arguments = {**GOOD, name: bad}
        # The length of positions is what numbers must have.
        with rejected("^numbers|^positions" if name in ("positions", "numbers") else f"^{name}"):
            evaluator.evaluate(*arguments.values(), 0.0)
    # The evaluator is none the worse for it.
    assert evaluator.evaluate(*GOOD.values(), 0.0).energy == 0.0


@given(charge=st.one_of(st.floats(), st.just(1e308)))
@example(charge=1e-11)
def test_any_charge_at_the_core(charge):
    evaluator = _core.Evaluator(WATER.core)
    rounding = 3e-12  # forgiven: 1e-12 relative to 1 and the extremes, 0 and -2 e
    if -2 - rounding <= charge <= rounding:
        found = evaluator.evaluate(*GOOD.values(), charge)
        within = 1e-12 if -2 <= charge <= 0 else rounding
        assert found.charges[0] == pytest.approx(charge, rel=0, abs=within)
    else:
        with rejected("^total_charge: "):
            evaluator.evaluate(*GOOD.values(), charge)


@pytest.mark.parametrize("name", POTENTIALS)
@pytest.mark.parametrize("pbc", [False, True])
def test_no_atoms(name, pbc):
    result = ecteam.evaluate(Atoms(cell=[5, 5, 5], pbc=pbc), POTENTIALS[name])
    assert result.energy == result.free_energy == 0.0
    assert result.forces.shape == (0, 3)
    assert result.energies.shape == result.charges.shape == (0,)
    assert result.weights.shape[0] == 0
    assert result.dipole.tolist() == [0, 0, 0]
    assert (result.stress.tolist() == [0.0] * 6) if pbc else (result.stress is None)


@pytest.mark.parametrize("name", POTENTIALS)
def test_one_atom(name):
    for symbol in POTENTIALS[name].elements:
        result = ecteam.evaluate(Atoms(symbol), POTENTIALS[name])
        assert result.forces.tolist() == [[0, 0, 0]]
        assert result.charges[0] == 0.0 or abs(result.charges[0]) < 1e-6
        assert abs(result.energy) < 1e-6


def test_random_gas_of_2000_atoms():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*3 * [np.arange(13)]), -1).reshape(-1, 3)[:2000]
    positions = 4.0 * (grid + rng.uniform(-0.3, 0.3, grid.shape))
    atoms = Atoms(rng.choice(["H", "O"], 2000), positions=positions)
    result = ecteam.evaluate(atoms, "water-unpolarised", tolerance=1e-6)
    assert result.kkt_residual <= 1e-6
    assert abs(result.charges.sum()) < 1e-9


def test_a_wide_cell_is_refused_rather_than_summed_for_hours():
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.set_cell([20_000.0] * 3)
    with rejected("^cell: .*shifted_force"):
        ecteam.evaluate(atoms, "halides")


def test_positions_anywhere_in_reach():
    """Far from the origin a law holds to what a double resolves there."""
    atoms = molecule("H2O")
    here = ecteam.evaluate(atoms, "water-unpolarised")
    atoms.positions += 9e5
    assert ecteam.evaluate(atoms, "water-unpolarised").energy == pytest.approx(
        here.energy, abs=1e-6
    )


def test_toy_file_is_the_one_of_the_rust_tests():
    assert json.loads(TOY_FILE.read_text(encoding="utf-8"))["name"] == "toy"
