"""Where calculations run: here, in threads, processes, under MPI, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ecteam._core import InvalidInputError

__all__ = ["KINDS", "open_executor"]

KINDS = ("serial", "threads", "processes", "mpi", "dask")
"""What `open_executor` can open."""


@contextmanager
def open_executor(
    kind: str, workers: int = 1, address: str | None = None
) -> Iterator[Executor | None]:
    """Open an executor and close it at the end; what has not begun is cancelled on an error.

    Parameters
    ----------
    kind : {"serial", "threads", "processes", "mpi", "dask"}
        ``mpi`` needs mpi4py and a start by ``mpirun -n N python -m mpi4py.futures -m ecteam …``;
        ``dask`` needs distributed.
    workers : int
        Number of threads, processes or Dask workers on this machine; with MPI, and with an
        address, the number is that of the cluster.
    address : str, optional
        Of a Dask scheduler, such as ``tcp://node1:8786``; else a local cluster is started.

    Yields
    ------
    Executor or None
        None to run here, one by one.

    Raises
    ------
    InvalidInputError
        For another kind, fewer than one worker, or a package that is not installed.
    """
    if kind not in KINDS:
        raise InvalidInputError(f"executor: must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "serial":
        yield None
        return
    if workers < 1:
        raise InvalidInputError(f"workers: must be at least 1, got {workers}")
    opened = {"threads": _threads, "processes": _processes, "mpi": _mpi, "dask": _dask}[kind]
    with opened(workers, address) as executor:
        yield executor


@contextmanager
def _threads(workers: int, _: str | None) -> Iterator[Executor]:
    with ThreadPoolExecutor(workers) as pool:
        yield pool


@contextmanager
def _processes(workers: int, _: str | None) -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_obey_parent)
    try:
        yield pool
    except BaseException:
        # Calculations take minutes: do not wait for those in flight.
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    pool.shutdown()


def _obey_parent() -> None:
    """Set up a worker: Ctrl-C is the parent's business, and its death ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def _mpi(_: int, __: str | None) -> Iterator[Executor]:
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError as error:
        raise InvalidInputError(f"executor: mpi needs mpi4py and an MPI library: {error}") from None
    with MPIPoolExecutor() as pool:
        yield pool


@contextmanager
def _dask(workers: int, address: str | None) -> Iterator[Executor]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InvalidInputError(f"executor: dask needs distributed: {error}") from None
    if address is not None:
        with Client(address) as client:
            yield client.get_executor(pure=False)
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)
