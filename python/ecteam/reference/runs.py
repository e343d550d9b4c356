"""Resumable runs of many independent calculations.

A run is a folder of JSON records, one per named task. A record is written once, atomically, when
its task ends; a killed run loses only the tasks that were in progress, and the next call with the
same folder continues where it stopped. Failures are records too: they keep their reason.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["RunReport", "Task", "collect_runs", "run_tasks", "write_atomic"]

Task = Callable[[], Any]
Record = dict[str, Any]

DONE_SUFFIX = ".json"
FAILED_SUFFIX = ".failed.json"

logger = logging.getLogger(__name__)


@dataclass
class RunReport:
    """What a run did.

    Attributes
    ----------
    done : list of str
        Tasks finished by this call.
    skipped : list of str
        Tasks that already had a record (a result, or a failure that was not to be retried).
    failed : dict of str to str
        Failed tasks of this call and the reason of each.
    """

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def run_tasks(
    tasks: Mapping[str, Task],
    folder: str | os.PathLike[str],
    *,
    executor: Executor | Any = None,
    retry_failed: bool = False,
    progress: bool = True,
    description: str = "reference",
    on_record: Callable[[str, Record], None] | None = None,
) -> RunReport:
    """Run the tasks that have no record in `folder` yet, and record each as it ends.

    Parameters
    ----------
    tasks : mapping of str to callable
        Name and zero-argument callable of each task, picklable for a process pool; its return
        value must be JSON serialisable.
    folder : path
        Run folder, created if missing.
    executor : concurrent.futures.Executor, optional
        Anything whose `submit` returns `concurrent.futures.Future` objects: a process pool, an
        ``mpi4py.futures.MPIPoolExecutor``, or a ``distributed.Client``, whose ``get_executor`` is
        used. Without one the tasks run here, in order.
    retry_failed : bool
        Run the tasks that are recorded as failed again.
    progress, description : bool, str
        Whether to show a progress bar, and its label.
    on_record : callable, optional
        Called with the name and the record of each task once that is stored. A record has either
        ``result`` or ``reason``.

    Returns
    -------
    RunReport

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the tasks not yet started were cancelled; all finished ones are recorded.
    RuntimeError
        If a worker died. What it was computing is recorded as failed; what had not begun is left
        for the next call.
    OSError
        If a record cannot be written.
    """
    if hasattr(executor, "get_executor"):
        executor = executor.get_executor(pure=False)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    recorded = [name for name in tasks if _is_recorded(path, name, retry_failed)]
    report = RunReport(skipped=recorded)
    pending = {name: task for name, task in tasks.items() if name not in recorded}
    outcomes = _serial(pending) if executor is None else _concurrent(pending, executor)
    with _progress_bar(progress) as bar:
        line = bar.add_task(description, total=len(tasks), completed=len(report.skipped))
        for name, record in outcomes:
            _store(path, name, record, report)
            if on_record is not None:
                on_record(name, record)
            bar.advance(line)
    return report


def collect_runs(
    folder: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read all records of a run folder, also of a run still in progress.

    Parameters
    ----------
    folder : path
        Run folder.

    Returns
    -------
    results : dict of str to object
        Result of each finished task.
    failures : dict of str to str
        Reason of each failed task.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"no run folder {path}")
    results: dict[str, Any] = {}
    failures: dict[str, str] = {}
    for file in sorted(path.glob("*" + DONE_SUFFIX)):
        record = json.loads(file.read_text())
        if file.name.endswith(FAILED_SUFFIX):
            failures[unquote(file.name[: -len(FAILED_SUFFIX)])] = record["reason"]
        else:
            results[unquote(file.name[: -len(DONE_SUFFIX)])] = record["result"]
    return results, failures


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that readers see either nothing (or the old file) or all of it.

    Parameters
    ----------
    path : path
        File to write.
    content : bytes
        Its content.

    Raises
    ------
    OSError
        If it cannot be written; the temporary file is removed.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _file(folder: Path, name: str, suffix: str) -> Path:
    # A dot in the name is quoted too, so that no name can look like a failure record.
    return folder / (quote(name, safe="+-_ ()").replace(".", "%2E") + suffix)


def _is_recorded(folder: Path, name: str, retry_failed: bool) -> bool:
    if _file(folder, name, DONE_SUFFIX).exists():
        return True
    return not retry_failed and _file(folder, name, FAILED_SUFFIX).exists()


def _attempt(task: Task) -> Record:
    """Run one task; turn an exception into a failure record."""
    start = time.perf_counter()
    try:
        result = task()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return {"reason": reason, "traceback": traceback.format_exc(), "seconds": _since(start)}
    return {"result": result, "seconds": _since(start)}


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)


def _serial(tasks: Mapping[str, Task]) -> Iterator[tuple[str, Record]]:
    for name, task in tasks.items():
        yield name, _attempt(task)


def _concurrent(tasks: Mapping[str, Task], executor: Executor) -> Iterator[tuple[str, Record]]:
    names = {executor.submit(_attempt, task): name for name, task in tasks.items()}
    waiting: set[Future[Record]] = set(names)
    left = 0
    try:
        while waiting:
            begun = {future for future in waiting if future.running()}
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                broken = isinstance(future.exception(), BrokenExecutor)
                if broken and future not in begun:
                    left += 1
                else:
                    yield names[future], _outcome(future)
    finally:
        for future in waiting:
            future.cancel()
    if left:
        raise RuntimeError(
            f"a worker died (out of memory?); {left} tasks had not begun, run again for them"
        )


def _outcome(future: Future[Record]) -> Record:
    # A future can fail on its own: a worker that died, a result that cannot be pickled.
    error = future.exception()
    if error is not None:
        return {"reason": f"{type(error).__name__}: {error}", "traceback": "", "seconds": None}
    return future.result()


def _store(folder: Path, name: str, record: Record, report: RunReport) -> None:
    """Write the record of a task and note it in the report."""
    failed_file = _file(folder, name, FAILED_SUFFIX)
    try:
        content = json.dumps({"name": name, **record}).encode()
    except (TypeError, ValueError) as error:
        record = {"reason": f"result is not JSON: {error}", "seconds": record["seconds"]}
        content = json.dumps({"name": name, **record}).encode()
    if "reason" in record:
        logger.warning("%s failed: %s", name, record["reason"])
        write_atomic(failed_file, content)
        report.failed[name] = record["reason"]
        return
    write_atomic(_file(folder, name, DONE_SUFFIX), content)
    failed_file.unlink(missing_ok=True)
    report.done.append(name)


def _progress_bar(visible: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not visible,
    )
