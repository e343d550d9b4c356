"""Superposed densities on a grid: AtomDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import systems
from timing import Contender, Row, Target, settle

MARGIN = 4.0  # Å between the outermost nuclei and the faces of the grid
CASES = {"H₂O": ("H2O", 100), "benzene": ("C6H6", 100), "64 waters": ("waters", 100)}
#: AtomDB keeps an array of all points for each atom: a coarser grid where it would fill memory.
FEWER = {"waters": 46}


def rows(quick: bool) -> Iterator[Row]:
    """One row for each system."""
    for title, (name, side) in list(CASES.items())[: 1 if quick else None]:
        own = {"name": name, "side": side}
        peer = {"name": name, "side": FEWER.get(name, side)}
        value, gradient = "AtomDB, value", "AtomDB, value and gradient"
        contenders = (
            Contender("ecteam, value and gradient", "row_density:ecteam", own, ours=True),
            Contender("ecteam, 2 threads", "row_density:ecteam", own, threads=2, ours=True),
            Contender(value, "row_density:atomdb", peer),
            Contender(gradient, "row_density:atomdb", {**peer, "gradient": True}, rounds=2),
        )
        targets = (Target("ecteam, value and gradient", (value,), 30),)
        yield Row(
            f"Superposed density, {title}, {side**3:.0e} points",
            "ns per atom and point",
            1e-9,
            contenders,
            targets,
        )


def grid(atoms: Any, side: int) -> Any:
    """Return a regular grid of side³ points around the atoms, (m, 3), Å."""
    import numpy as np

    ends = atoms.positions.min(axis=0) - MARGIN, atoms.positions.max(axis=0) + MARGIN
    axes = [np.linspace(low, high, side) for low, high in zip(*ends, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def ecteam(name: str, side: int) -> Callable[[], float]:
    """Neutral ground states of the library; tables are made anew in every call."""
    import numpy as np
    from ecteam import Potential, _core
    from ecteam.structure import arrays_of

    atoms = systems.molecules(name)
    symbols = atoms.get_chemical_symbols()
    core = Potential.from_library(sorted(set(symbols)), embedding=None).core
    weights = np.zeros((len(atoms), max(map(len, core.elements.values()))))
    for row, symbol in zip(weights, symbols, strict=True):
        row[core.elements[symbol].index("ground")] = 1.0
    arguments = (core, *arrays_of(atoms), weights, grid(atoms, side))

    def sample() -> float:
        settle(lambda: _core.electron_density_gradient(*arguments))
        start = time.perf_counter()
        _core.electron_density_gradient(*arguments)
        return (time.perf_counter() - start) / (len(atoms) * side**3)

    return sample


def atomdb(name: str, side: int, gradient: bool = False) -> Callable[[], float]:
    """AtomDB's promolecule, on radial grids like those of its data sets (10,000 points).

    Its data are on a server of their own; these densities are exponentials, which costs the same.
    """
    import numpy as np
    from atomdb.promolecule import Promolecule
    from atomdb.species import Species

    atoms = systems.molecules(name)
    radii = np.geomspace(1e-5, 15.0, 10_000)
    promolecule = Promolecule()
    for symbol, number, position in zip(
        atoms.get_chemical_symbols(), atoms.numbers, atoms.positions, strict=True
    ):
        density = number * np.exp(-2.0 * radii) / np.pi
        fields = {"elem": symbol, "atnum": int(number), "nelec": int(number), "nspin": 0, "nexc": 0}
        fields |= {"rs": radii, "dens_tot": density, "d_dens_tot": -2.0 * density}
        promolecule._extend([Species("slater", fields)], [position], [1.0])
    points = grid(atoms, side)

    def sample() -> float:
        start = time.perf_counter()
        promolecule.density(points)
        if gradient:
            promolecule.gradient(points)
        return (time.perf_counter() - start) / (len(atoms) * len(points))

    return sample
