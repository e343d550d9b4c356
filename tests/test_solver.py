"""Ways to the minimum of the weights must not matter: starts, solvers, runs, threads."""

import os
import subprocess
import sys
from pathlib import Path

import ecteam
import numpy as np
import pytest
from ase import Atoms
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import (
    POTENTIALS,
    PRECISE,
    Follower,
    evaluate,
    finite,
    placed_ions,
    placed_molecules,
    systems,
)

FIELDS = ("free_energy", "energy", "energies", "forces", "weights", "charges", "background")


@settings(max_examples=40)
@given(system=systems, seed=st.integers(0, 2**32 - 1))
def test_warm_and_cold_starts_agree(system, seed):
    """From a geometry 0.05 Å away, and along a straight line as in dynamics."""
    rng = np.random.default_rng(seed)
    follow = Follower(system.potential)
    shift = rng.uniform(-0.05, 0.05, (len(system.atoms), 3))
    for k in (3, 2, 1, 0):
        atoms = system.atoms.copy()
        atoms.positions += k * shift
        warm = follow(atoms)
    cold = evaluate(system)
    assert warm.free_energy == pytest.approx(cold.free_energy, rel=0, abs=1e-8)
    np.testing.assert_allclose(warm.weights, cold.weights, rtol=0, atol=1e-6)


@pytest.mark.parametrize("distance", [2.0, 2.4, 3.0, 5.0, 9.0])
@pytest.mark.parametrize(("giver", "taker"), [("Na", "Cl"), ("Li", "F"), ("H", "F"), ("Cl", "F")])
def test_cold_starts_find_the_ionic_branch(giver, taker, distance):
    """Where every element has cation and anion: as low as with the other's ions left out."""
    potential = ecteam.Potential.from_library([giver, taker])
    fields = potential.to_dict()
    for symbol, left_out in ((giver, "anion"), (taker, "cation")):
        states = fields["elements"][symbol]["states"]
        fields["elements"][symbol]["states"] = [s for s in states if s["name"] != left_out]
    atoms = Atoms([giver, taker], positions=[[0, 0, 0], [distance, 0, 0]])
    found = ecteam.evaluate(atoms, potential)
    bound = ecteam.evaluate(atoms, ecteam.Potential.from_dict(fields))
    assert found.free_energy <= bound.free_energy + 1e-7


@settings(max_examples=40)
@given(system=systems)
def test_dense_and_krylov_agree(system):
    dense, krylov = (evaluate(system, solver=solver) for solver in ("dense", "krylov"))
    assert dense.free_energy == pytest.approx(krylov.free_energy, rel=0, abs=1e-8)
    np.testing.assert_allclose(dense.charges, krylov.charges, rtol=0, atol=1e-6)


@settings(max_examples=20)
@given(system=systems)
def test_the_answer_is_a_minimum(system):
    """The tolerance is in the gradient: the energy errs by its square."""
    rough, precise = evaluate(system, tolerance=1e-5), evaluate(system)
    assert rough.free_energy == pytest.approx(precise.free_energy, rel=0, abs=1e-7)


@settings(max_examples=20)
@given(system=systems)
def test_the_same_input_gives_the_same_bits(system):
    first, second = evaluate(system), evaluate(system)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), strict=True)


PROGRAM = """
import sys
import ecteam
from strategies import placed_molecules, sheared
import numpy as np
rng = np.random.default_rng(7)
atoms = sheared(placed_molecules(rng, int(sys.argv[1]), 3.1, 0.1), rng)
for _ in range(2):
    result = ecteam.evaluate(atoms, "water-unpolarised")
    parts = [result.forces, result.weights, result.energies, np.array([result.free_energy])]
    sys.stdout.write(b"".join(part.tobytes() for part in parts).hex() + "\\n")
"""


def bits(molecules, threads):
    """Results of two evaluations, in hexadecimal, of a process with so many threads."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "PYTHONPATH": path}
    command = [sys.executable, "-c", PROGRAM, str(molecules)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert len(lines) == 2
    return lines


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_number_of_threads_gives_the_same_bits(threads):
    """Enough pairs to be shared among threads, in two processes, twice in each."""
    assert len({line for _ in range(2) for line in bits(64, threads)}) == 1


def test_any_number_of_threads_gives_the_same_results():
    """Enough atoms for loops over them to be shared; other sums of pairs, so only to rounding."""
    runs = {n: [line for _ in range(2) for line in bits(400, n)] for n in (1, 2, 3)}
    assert all(len(set(lines)) == 1 for lines in runs.values())
    one, *others = (np.frombuffer(bytes.fromhex(lines[0])) for lines in runs.values())
    for other in others:
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-6)


def changed(name, **fields):
    return ecteam.Potential.from_dict({**POTENTIALS[name].to_dict(), **fields})


HARD = {
    **POTENTIALS,
    "water, T = 0": changed("water-unpolarised", electronic_temperature=0.0),
    "halides, T = 0": changed("halides", electronic_temperature=0.0),
    "toy, T = 0": changed("toy", electronic_temperature=0.0),
    "water, no resonance": changed("water-unpolarised", resonances=[]),
    "halides, no resonance": changed("halides", resonances=[]),
    "water, neither": changed("water-unpolarised", resonances=[], electronic_temperature=0.0),
    "halides, neither": changed("halides", resonances=[], electronic_temperature=0.0),
}


def random_liquid(rng, elements, n, periodic):
    """Atoms at random, no closer than 0.5 Å."""
    edge = (n / 0.05) ** (1 / 3)
    positions = np.empty((0, 3))
    while len(positions) < n:
        trial = rng.uniform(0, edge, 3)
        apart = positions - trial
        apart -= edge * np.round(apart / edge) * periodic
        if (np.linalg.norm(apart, axis=1) >= 0.5).all():
            positions = np.vstack([positions, trial])
    symbols = rng.choice(elements, n)
    return Atoms(symbols, positions=positions, cell=3 * [edge], pbc=periodic)


def reach(potential, symbols):
    """Lowest and highest total charge."""
    states = {s: e["states"] for s, e in potential.to_dict()["elements"].items()}
    charges = [[state["charge"] for state in states[s]] for s in symbols]
    return sum(map(min, charges)), sum(map(max, charges))


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(HARD)),
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 3, 20, 60]),
    periodic=st.booleans(),
    where=st.sampled_from([0.0, 0.0, 0.1, 0.5, 0.9, 1.0]),
)
# Dipoles of states without weight decide whether these should gain some.
@example(name="halides, neither", seed=0, n=60, periodic=False, where=0.0)
def test_hard_problems_converge(name, seed, n, periodic, where):
    """Random liquids with contacts of 0.5 Å and any total charge, at the extremes included.

    Not here: charges within 1e-3 e of an extreme on 80 atoms and more, where some give up.
    """
    potential = HARD[name]
    rng = np.random.default_rng(seed)
    atoms = random_liquid(rng, sorted(potential.elements), n, periodic)
    low, high = reach(potential, atoms.symbols)
    charge = low + where * (high - low) if where else float(np.clip(0.0, low, high))
    result = ecteam.evaluate(atoms, potential, charge)
    assert result.kkt_residual <= 1e-8
    assert (result.weights >= 0).all()
    assert abs(result.charges.sum() - charge) <= 1e-12 * max(1.0, abs(charge), 0.1 * n)


@pytest.mark.parametrize("where", [0.0, 1.0])
@settings(max_examples=15)
@given(system=finite)
def test_extreme_charges_leave_only_extreme_states(where, system):
    potential = POTENTIALS[system.potential]
    charge = reach(potential, system.atoms.symbols)[int(where)]
    result = ecteam.evaluate(system.atoms, potential, charge)
    assert result.charges.sum() == pytest.approx(charge, rel=0, abs=1e-12)
    assert set(result.weights.ravel().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("solver", ["dense", "krylov"])
@pytest.mark.parametrize("name", ["water-unpolarised", "toy"])
@pytest.mark.parametrize("distance", [0.8, 1.2, 2.0, 3.0, 4.5, 8.0])
def test_symmetric_dimers_leave_the_saddle(name, distance, solver):
    """O₂⁻ and H₂⁺: where the shared electron is bistable the answer is a minimum, not a saddle.

    By symmetry the gradient at the saddle points nowhere, and no start leads away from it.
    """
    for symbols, charge in (("OO", -1.0), ("HH", 1.0), ("OO", -3.0)):
        atoms = Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance]], info={"charge": charge})
        result = ecteam.evaluate(atoms, POTENTIALS[name], **PRECISE, solver=solver)
        assert result.positive_definite
        dense = ecteam.evaluate(atoms[::-1], POTENTIALS[name], charge, **PRECISE, solver="dense")
        assert result.free_energy == pytest.approx(dense.free_energy, rel=0, abs=1e-9)


def test_many_symmetric_dimers_leave_their_saddles():
    """The same for a system beyond the dense solver."""
    one = Atoms("OO", positions=[[0, 0, 0], [0, 0, 3.0]])
    atoms = Atoms()
    for k in range(20):
        one.positions[:, 0] = 20.0 * k
        atoms += one
    result = ecteam.evaluate(atoms, "water-unpolarised", -20.0)
    assert result.positive_definite
    assert (np.abs(result.charges.reshape(20, 2) + 0.5) > 0.4).all()


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3, 1.7])
def test_molten_salt(scale):
    """From crushed to expanded; stretched further, atoms are neutral."""
    rng = np.random.default_rng(3)
    atoms = placed_ions(rng, (4, 4, 4), 2.8 * scale)
    atoms.positions += rng.uniform(-0.4, 0.4, (64, 3))
    atoms.pbc = True
    result = ecteam.evaluate(atoms, "halides")
    assert result.kkt_residual <= 1e-8
    dense = ecteam.evaluate(atoms, "halides", solver="dense")
    assert dense.free_energy == pytest.approx(result.free_energy, rel=0, abs=1e-8)


def test_work_of_a_liquid_stays_small():
    """200 molecules: a Newton iteration takes tens of products, not hundreds."""
    atoms = placed_molecules(np.random.default_rng(5), 200, 3.1, 0.1)
    atoms.pbc = True
    result = ecteam.evaluate(atoms, "water-unpolarised")
    assert result.iterations <= 40
    assert result.hessian_products <= 40 * result.iterations
