"""Reference layer: resumable runs, samplers, molecules and their files."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
import pytest

pytest.importorskip("rich")

from ecteam.reference.runs import collect_runs, run_tasks, write_atomic


@pytest.fixture
def pyscf_files() -> Iterator[None]:
    """Collect PySCF's unclosed scratch files quietly, after skipping if PySCF is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pyscf")
        yield
        gc.collect()


def square(value: float) -> float:
    """Return the square; refuse negative numbers."""
    if value < 0:
        raise ValueError("negative")
    return value * value


@pytest.mark.parametrize("threads", [0, 2])
def test_runs_record_results_and_failures(tmp_path: Path, threads: int) -> None:
    tasks = {"a": partial(square, 2.0), "b.c/d": partial(square, 3.0), "bad": partial(square, -1.0)}
    executor = ThreadPoolExecutor(threads) if threads else None
    report = run_tasks(tasks, tmp_path, executor=executor, progress=False)
    results, failures = collect_runs(tmp_path)
    assert results == {"a": 4.0, "b.c/d": 9.0}
    assert failures == {"bad": "ValueError: negative"} == report.failed
    assert sorted(report.done) == ["a", "b.c/d"]


def test_runs_skip_what_is_there_and_retry_on_request(tmp_path: Path) -> None:
    run_tasks({"a": partial(square, 2.0), "b": partial(square, -1.0)}, tmp_path, progress=False)
    tasks = {"a": partial(square, 5.0), "b": partial(square, 1.0)}
    assert sorted(run_tasks(tasks, tmp_path, progress=False).skipped) == ["a", "b"]
    report = run_tasks(tasks, tmp_path, progress=False, retry_failed=True)
    assert report.done == ["b"]
    assert collect_runs(tmp_path) == ({"a": 4.0, "b": 1.0}, {})


def test_a_result_that_is_not_json_is_a_failure(tmp_path: Path) -> None:
    report = run_tasks({"a": object}, tmp_path, progress=False)
    assert "not JSON" in report.failed["a"]


def test_interrupt_keeps_finished_results(tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks({"a": partial(square, 2.0), "b": interrupted}, tmp_path, progress=False)
    assert collect_runs(tmp_path) == ({"a": 4.0}, {})
    assert run_tasks({"a": object, "b": partial(square, 1.0)}, tmp_path, progress=False).done == [
        "b"
    ]


def test_runs_resume_after_a_kill(tmp_path: Path) -> None:
    script = """
        import os, signal, sys
        from ecteam.reference.runs import run_tasks

        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        run_tasks({"a": lambda: 1, "b": die, "c": lambda: 3}, sys.argv[1], progress=False)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, check=False, env=environment).returncode != 0
    assert collect_runs(tmp_path) == ({"a": 1}, {})
    report = run_tasks({k: partial(square, 2.0) for k in "abc"}, tmp_path, progress=False)
    assert (report.skipped, report.done) == (["a"], ["b", "c"])


def test_atomic_write_leaves_no_debris(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomic(target, "text")  # type: ignore[arg-type]
    assert target.read_bytes() == b"old"
    write_atomic(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == b"new"


def test_missing_run_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run folder"):
        collect_runs(tmp_path / "none")


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
@pytest.mark.parametrize("name", ["water", "halides", "potassium"])
def test_samplers_are_deterministic(name: str) -> None:
    from ecteam.reference.datasets import SETS

    sampler, _ = SETS[name]
    first, second = sampler(), sampler()
    assert first == second
    assert 150 < len(first) < 420
    for structure in first.values():
        positions = np.array(structure.positions)
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        assert (distances[~np.eye(len(positions), dtype=bool)] > 0.6).all()


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_single_point_of_hydrogen_molecule() -> None:
    from ecteam.reference.molecules import Level, Structure, single_point

    level = Level("def2-SVP", grid=2, grid_response=True)

    def energy(distance: float) -> float:
        pair = Structure(("H", "H"), ((0.0, 0.0, 0.0), (distance, 0.0, 0.0)))
        return float(single_point(pair, level)["energy"])

    pair = Structure(("H", "H"), ((0.0, 0.0, 0.0), (0.9, 0.0, 0.0)))
    result = single_point(pair, level)
    slope = (energy(0.905) - energy(0.895)) / 0.01
    assert result["solution"] == "closed shell"
    assert result["forces"][1][0] == pytest.approx(-slope, abs=5e-3)
    assert np.abs(np.sum(result["forces"], axis=0)).max() < 1e-6
    assert np.abs(result["hirshfeld"]).max() < 1e-4
    json.dumps(result)


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_stretched_hydrogen_dissociates_into_atoms() -> None:
    from ecteam.reference.molecules import Level, Structure, single_point

    level = Level("def2-SVP", grid=2)
    far = ((0.0, 0.0, 0.0), (5.0, 0.0, 0.0))
    pair = Structure(("H", "H"), far, broken_symmetry=True, spin_signs=(1, -1))
    atom = single_point(Structure(("H",), far[:1], spin=1), level)
    result = single_point(pair, level)
    assert result["solution"] == "broken symmetry"
    assert result["energy"] == pytest.approx(2.0 * atom["energy"], abs=5e-3)


@pytest.mark.reference
@pytest.mark.usefixtures("pyscf_files")
def test_dipole_points_from_minus_to_plus_and_survives_the_file(tmp_path: Path) -> None:
    from ecteam.reference.datasets import to_atoms, write_set
    from ecteam.reference.molecules import Level, Structure, single_point

    level = Level("def2-SVP", grid=1)
    pair = Structure(("H", "F"), ((0.0, 0.0, 0.0), (0.92, 0.0, 0.0)), group="hf")
    result = single_point(pair, level)
    assert result["dipole"][0] < -0.2
    assert result["hirshfeld"][0] > 0.05
    assert sum(result["hirshfeld"]) == pytest.approx(0.0, abs=1e-2)
    atoms = to_atoms("pair", result, {"H": -10.0, "F": -20.0}, level)
    write_set([atoms, atoms], tmp_path / "set.extxyz.gz")
    read = ase.io.read(tmp_path / "set.extxyz.gz", index=":")
    assert len(read) == 2
    assert read[0].get_potential_energy() == pytest.approx(result["energy"] + 30.0, abs=1e-7)
    np.testing.assert_allclose(read[0].get_forces(), result["forces"], atol=1e-8)
    np.testing.assert_allclose(read[0].get_dipole_moment(), result["dipole"], atol=1e-8)
    np.testing.assert_allclose(read[0].arrays["hirshfeld"], result["hirshfeld"], atol=1e-8)
    expected = {"charge": 0, "spin": 0, "group": "hf", "level": "PBE0/def2-SVP", "name": "pair"}
    assert {key: read[0].info[key] for key in expected} == expected
    assert read[0].info["converged"]
    assert not read[0].info["suspect"]
