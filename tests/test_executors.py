"""Where reference calculations run: this machine, Dask, MPI; a worker that dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest
from ecteam import InvalidInputError
from ecteam.reference.executors import open_executor
from ecteam.reference.runs import collect_runs, run_tasks


def power(base: int, exponent: int) -> int:
    """Work for executors; negative exponents fail."""
    if exponent < 0:
        raise ValueError("negative exponent")
    return base**exponent


TASKS = {"a": partial(power, 2, 3), "b": partial(power, 3, 2), "bad": partial(power, 2, -1)}


def check_tasks(folder: Path) -> None:
    results, failures = collect_runs(folder)
    assert results == {"a": 8, "b": 9}
    assert failures == {"bad": "ValueError: negative exponent"}


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_executors_of_this_machine(kind: str, tmp_path: Path) -> None:
    with open_executor(kind, 2) as executor:
        run_tasks(TASKS, tmp_path, executor=executor, progress=False)
    check_tasks(tmp_path)


def test_dask_runs_tasks_on_two_workers(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    script = """
        import sys
        from distributed import Client, LocalCluster
        from ecteam.reference.executors import open_executor
        from ecteam.reference.runs import run_tasks
        from test_reference_batch import TASKS

        if __name__ == "__main__":
            with open_executor("dask", 2) as executor:
                run_tasks(TASKS, sys.argv[1] + "/executor", executor=executor, progress=False)
            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            with cluster, Client(cluster) as client:
                run_tasks(TASKS, sys.argv[1] + "/client", executor=client, progress=False)
                assert len(client.scheduler_info()["workers"]) == 2
    """
    run_script([sys.executable], script, tmp_path)
    check_tasks(tmp_path / "executor")
    check_tasks(tmp_path / "client")


def test_mpi_runs_tasks_on_two_workers(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else shutil.which("mpirun")
    if launcher is None:
        pytest.skip("there is no mpirun")
    script = """
        import sys
        from ecteam.reference.executors import open_executor
        from ecteam.reference.runs import run_tasks
        from test_reference_batch import TASKS

        if __name__ == "__main__":
            with open_executor("mpi") as executor:
                run_tasks(TASKS, sys.argv[1], executor=executor, progress=False)
                assert executor.num_workers == 2
    """
    command = [launcher, "-n", "3", sys.executable, "-m", "mpi4py.futures"]
    run_script(command, script, tmp_path)
    check_tasks(tmp_path)


def run_script(command: list[str], script: str, folder: Path) -> None:
    """Run a script that imports this file."""
    path = folder / "script.py"
    path.write_text(textwrap.dedent(script))
    roots = [str(Path(__file__).parent), *sys.path]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(roots),
        # Only for Open MPI, in containers whose only user is root and that have few cores.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    done = subprocess.run(
        [*command, str(path), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_executors_are_checked() -> None:
    for kind, workers in (("cloud", 1), ("threads", 0)):
        with pytest.raises(InvalidInputError), open_executor(kind, workers):
            pass


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_fails_only_what_it_ran(tmp_path: Path) -> None:
    tasks = {"dies": die, **{f"later-{k}": partial(power, 2, k) for k in range(8)}}
    with pytest.raises(RuntimeError, match="run again"), open_executor("processes", 1) as executor:
        run_tasks(tasks, tmp_path, executor=executor, progress=False)
    _, failures = collect_runs(tmp_path)
    assert "dies" in failures
    with open_executor("processes", 1) as executor:
        run_tasks(tasks, tmp_path, executor=executor, progress=False)
    results, failures = collect_runs(tmp_path)
    assert len(results) + len(failures) == 9
    # Besides the one that died, a pool of one worker has at most two tasks in its queue.
    assert len(failures) <= 3
