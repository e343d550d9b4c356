"""Full neighbour lists with shifts, distances and vectors: vesin, matscipy, ASE."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import systems
from timing import Contender, Row, Target, settle

CASES = {
    "fcc Cu 4k, 5.5 Å": ("copper", 10, 5.5),
    "fcc Cu 32k, 5.5 Å": ("copper", 20, 5.5),
    "fcc Cu 256k, 5.5 Å": ("copper", 40, 5.5),
    "water-like 3k, 6 Å": ("water_like", 1000, 6.0),
    "water-like 24k, 6 Å": ("water_like", 8000, 6.0),
    "water-like 192k, 6 Å": ("water_like", 64000, 6.0),
}


def rows(quick: bool) -> Iterator[Row]:
    """One row for each system."""
    for title, (make, size, cutoff) in list(CASES.items())[: 1 if quick else None]:
        arguments = {"make": make, "size": size, "cutoff": cutoff}
        own = "row_neighbors:ecteam"
        contenders = [
            Contender("ecteam, 1 thread", own, arguments, ours=True),
            Contender("ecteam, 2 threads", own, arguments, threads=2, ours=True),
            Contender("vesin, 1 thread", "row_neighbors:vesin", arguments),
            Contender("matscipy", "row_neighbors:matscipy", arguments),
        ]
        if size in (10, 1000):
            contenders.append(Contender("ASE", "row_neighbors:ase", arguments, rounds=1))
        targets = (
            Target("ecteam, 1 thread", ("vesin, 1 thread",), 2),
            Target("ecteam, 1 thread", ("matscipy",), 6),
            Target("ecteam, 2 threads", ("ecteam, 1 thread",), 1.7),
        )
        title = f"Neighbour list ijSdD, {title}"
        yield Row(title, "ns per pair", 1e-9, tuple(contenders), targets)


def _timed(build: Callable[[], Any], pairs_of: Callable[[Any], int]) -> Callable[[], float]:
    """Seconds per pair; a sample takes at least 0.2 s, after some untimed."""

    def sample() -> float:
        settle(build)
        pairs, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < 0.2:
            pairs += pairs_of(build())
        return taken / pairs

    return sample


def ecteam(make: str, size: int, cutoff: float) -> Callable[[], float]:
    """Ours, as users call it."""
    from ecteam.neighbors import neighbor_list

    atoms = getattr(systems, make)(size)
    return _timed(lambda: neighbor_list("ijSdD", atoms, cutoff), lambda found: len(found[0]))


def matscipy(make: str, size: int, cutoff: float) -> Callable[[], float]:
    """Matscipy's cell list."""
    from matscipy.neighbours import neighbour_list

    atoms = getattr(systems, make)(size)
    return _timed(lambda: neighbour_list("ijSdD", atoms, cutoff), lambda found: len(found[0]))


def ase(make: str, size: int, cutoff: float) -> Callable[[], float]:
    """ASE's own list."""
    from ase.neighborlist import neighbor_list

    atoms = getattr(systems, make)(size)
    return _timed(lambda: neighbor_list("ijSdD", atoms, cutoff), lambda found: len(found[0]))


def vesin(make: str, size: int, cutoff: float) -> Callable[[], float]:
    """Vesin, arrays copied as a user would get them."""
    from vesin import NeighborList

    atoms = getattr(systems, make)(size)
    calculator = NeighborList(cutoff=cutoff, full_list=True)
    cell = atoms.cell.array

    def build() -> Any:
        return calculator.compute(atoms.positions, cell, True, quantities="ijSdD")

    return _timed(build, lambda found: len(found[0]))
