"""`Result.timings`, the number of threads, and ``ecteam bench``."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import ecteam
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ecteam import _core, benchmark, load
from ecteam.cli import app
from typer.testing import CliRunner

PARTS = [
    "neighbors",
    "density",
    "weights",
    "weights_long_range",
    "long_range",
    "forces",
    "terms",
]


@pytest.mark.parametrize("name", ["water", "niobium"])
def test_timings_add_up_to_the_evaluation(name):
    atoms = benchmark.water(64) if name == "water" else bulk("Nb", cubic=True).repeat(3)
    start = time.perf_counter()
    result = ecteam.evaluate(atoms, name)
    elapsed = time.perf_counter() - start
    assert list(result.timings) == PARTS
    assert all(seconds >= 0 for seconds in result.timings.values())
    sums = ["weights", "weights_long_range", "long_range", "forces"]
    busy = sums if name == "water" else ["terms"]
    assert all(result.timings[part] > 0 for part in busy)
    assert sum(result.timings.values()) <= elapsed


def threads_in_a_process(value):
    path = [str(Path(ecteam.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "ECTEAM_NUM_THREADS": value, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-c", "import ecteam; print(ecteam._core.num_threads())"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("count", ["1", "3"])
def test_the_environment_sets_the_number_of_threads(count):
    assert threads_in_a_process(count).stdout.strip() == count


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_bad_number_of_threads_is_named(value):
    done = threads_in_a_process(value)
    assert done.returncode != 0
    assert "ECTEAM_NUM_THREADS: must be a positive whole number" in done.stderr
    assert repr(value) in done.stderr


def test_bench_measures():
    arguments = ["bench", "--atoms", "24", "--steps", "3", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["atoms"] == 24
    assert found["threads"] == _core.num_threads()
    assert list(found["parts"]) == PARTS
    assert 0 < found["largest_residual"] <= 1e-6
    assert found["atoms_per_second"] == pytest.approx(24 / found["seconds_per_step"])
    assert sum(found["parts"].values()) > 0
    of_weights = found["parts"]["weights"] + found["parts"]["weights_long_range"]
    assert found["seconds_of_minimisation"] == pytest.approx(of_weights)


def test_bench_prints_a_table_and_takes_a_structure(tmp_path):
    molecule("H2O").write(tmp_path / "water.xyz")
    arguments = ["bench", "--structure", str(tmp_path / "water.xyz"), "--steps", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "atoms/s" in done.stdout
    assert "long range" in done.stdout
    assert "minimisation in all" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--threads", "99"], "threads"),
        (["--potential", "nothing"], "nothing"),
        (["--structure", "nowhere.xyz"], "no such file"),
    ],
)
def test_bench_refuses(arguments, problem):
    _core.num_threads()
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_charged_structure_is_timed_with_its_charge():
    proton = Atoms("H", info={"charge": 1})
    run = benchmark.Dynamics(proton, load("water"), 0.25)
    assert run.evaluation.charges.tolist() == [1.0]


def test_example_systems():
    assert benchmark.system(load("halides"), 500).get_chemical_formula() == "Cl256Na256"
    assert set(benchmark.system(load("niobium"), 100).symbols) == {"Nb"}
    assert benchmark.system(load("oxides"), 60).get_chemical_formula() == "Mg32O32"
    with pytest.raises(ecteam.InvalidInputError, match="atoms: must be at least 1"):
        benchmark.system(load("water"), 0)
