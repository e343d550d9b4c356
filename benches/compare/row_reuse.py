"""Neighbour lists inside dynamics: their share of a step, kept with a skin between rebuilds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from row_eam import TIMESTEP, WARM_UP, moving, setfl
from timing import Contender, Limit, Row

STEPS = 80


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size; the table's target is that of 32k atoms."""
    for title, cells in (("4k", 10), ("32k", 20))[: 1 if quick else None]:
        own = Contender("ecteam", "row_reuse:share", {"cells": cells}, ours=True)
        head = f"Neighbour list in NVE of EAM copper at 300 K, {title} atoms, one core"
        yield Row(head, "% of the step", 1e-2, (own,), (Limit("ecteam", 10.0),))


def share(cells: int) -> Callable[[], float]:
    """Time booked for neighbours over the whole time of steps that include every rebuild."""
    import numpy as np
    from ase.units import fs
    from ecteam import _core, read_setfl
    from ecteam.structure import arrays_of

    atoms = moving(cells)
    positions, *rest = arrays_of(atoms)
    evaluator = _core.Evaluator(read_setfl(setfl()).core)
    mass, step = atoms.get_masses()[0], TIMESTEP * fs
    velocities = atoms.get_velocities()
    found = evaluator.evaluate(positions, *rest, 0.0)

    def advance() -> float:
        nonlocal found
        np.add(velocities, found.forces * (step / mass), out=velocities)
        np.add(positions, velocities * step, out=positions)
        found = evaluator.evaluate(positions, *rest, 0.0)
        return dict(found.timings)["neighbors"]

    def sample() -> float:
        start = time.perf_counter()
        lists = sum(advance() for _ in range(STEPS))
        return lists / (time.perf_counter() - start)

    for _ in range(WARM_UP):
        advance()
    return sample
