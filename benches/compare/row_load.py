"""Loading a potential: reading and checking the file, compiling its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from timing import Contender, Limit, Row


def rows(quick: bool) -> Iterator[Row]:
    """One row: the largest of the shipped files."""
    own = (
        Contender("ecteam.load", "row_load:load", ours=True),
        Contender("ecteam.load and its first evaluation", "row_load:use", ours=True),
    )
    limits = (Limit("ecteam.load", 50.0),)
    yield Row("The largest shipped potential, from its file", "ms", 1e-3, own, limits)


def largest() -> str:
    """Path of the largest file of a shipped potential; a path is read anew at every call."""
    from importlib.resources import files

    folder = files("ecteam") / "data" / "potentials"
    return str(max(folder.iterdir(), key=lambda file: len(file.read_bytes())))


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def sample() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return sample


def load() -> Callable[[], float]:
    """Read and check."""
    from ecteam import load as load_potential

    path = largest()
    return _timed(lambda: load_potential(path))


def use() -> Callable[[], float]:
    """Tables are compiled for the elements at hand, with the first evaluation: here, all."""
    from ase import Atoms
    from ecteam import evaluate
    from ecteam import load as load_potential

    path = largest()
    symbols = sorted(load_potential(path).elements)
    atoms = Atoms(symbols, [[4.0 * i, 0.0, 0.0] for i in range(len(symbols))])
    return _timed(lambda: evaluate(atoms, load_potential(path)))
