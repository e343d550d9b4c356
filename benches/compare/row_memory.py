"""Resident memory of one evaluation of ``water-unpolarised``, neighbour list included.

Every contender has a process of its own, whose largest resident set the system reports. The box is
periodic, of molecules at any angle, repeated: memory depends on atoms and pairs alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from timing import Contender, Limit, Row

#: Repetitions of a box of 1,000 atoms along each axis.
SIZES = {"27k": 3, "216k": 6, "1M": 10}
GIGABYTES = {"1M": 2.5}


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size, and what an interpreter takes without an evaluation."""
    for title, cells in list(SIZES.items())[: 1 if quick else None]:
        own = {"cells": cells}
        contenders = (
            Contender("ecteam", "row_memory:evaluation", own, ours=True, rounds=1),
            Contender("without evaluation", "row_memory:interpreter", own, ours=True, rounds=1),
        )
        limits = (Limit("ecteam", GIGABYTES[title]),) if title in GIGABYTES else ()
        yield Row(f"Memory of one evaluation, water {title}", "GB", 1e9, contenders, limits)


def box(cells: int) -> object:
    """Make a periodic box of water of cells³ thousand atoms, about."""
    from ecteam.benchmark import water

    return water(333).repeat(cells)


def resident() -> float:
    """Largest resident set of this process so far, bytes."""
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale)


def interpreter(cells: int) -> Callable[[], float]:
    """Interpreter, libraries and the structure."""
    import ecteam

    atoms, potential = box(cells), ecteam.load("water-unpolarised")

    def sample() -> float:
        assert len(atoms) > 0  # type: ignore[arg-type]
        assert potential.name
        return resident()

    return sample


def evaluation(cells: int) -> Callable[[], float]:
    """One evaluation at the tolerance of dynamics."""
    from ecteam import _core, load
    from ecteam.structure import arrays_of

    arrays = arrays_of(box(cells))  # type: ignore[arg-type]
    evaluator = _core.Evaluator(load("water-unpolarised").core, tolerance=1e-6)

    def sample() -> float:
        evaluator.evaluate(*arrays, 0.0)
        return resident()

    return sample
