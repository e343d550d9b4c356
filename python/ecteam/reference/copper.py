"""Structures of the copper data set: clusters of two to four atoms with three total charges.

Every sampler is deterministic for a given seed and returns named structures in Å.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecteam.reference.level import Structure
from ecteam.reference.structures import atoms_and_ions, rattled, structure

__all__ = ["copper_structures"]

Array = NDArray[np.float64]
Named = list[tuple[str, Structure]]

SIGNS = {0: "", 1: "-plus", -1: "-minus"}
"""Ends of the names of the groups, by total charge."""
DIMER = (1.8, 1.95, 2.1, 2.2, 2.3, 2.45, 2.65, 2.9)
TRIMER_BONDS = {0: 2.32, 1: 2.40, -1: 2.35}
"""Å, roughly those of the minima."""
TETRAMERS: dict[str, list[list[float]]] = {
    "rhombus": [[1.2, 0, 0], [-1.2, 0, 0], [0, 2.05, 0], [0, -2.05, 0]],
    "chain": [[-3.45, 0, 0], [-1.15, 0, 0], [1.15, 0, 0], [3.45, 0, 0]],
}
"""Å."""


def copper_structures(seed: int = 20261121) -> dict[str, Structure]:
    """Sample the copper data set.

    Parameters
    ----------
    seed : int
        Seed of the random displacements.

    Returns
    -------
    dict of str to Structure
        About 60 structures.
    """
    random = np.random.default_rng(seed)
    named = atoms_and_ions(("Cu",), {"Cu": (1, -1)})
    return dict(named + _dimers() + _trimers(random) + _tetramers(random))


def _cluster(positions: ArrayLike, charge: int) -> Structure:
    """Lowest spin; the zero of charges is closed-shell for an even number of electrons."""
    count = len(np.asarray(positions))
    return structure(
        f"Cu{count}",
        positions,
        charge=charge,
        spin=(count - charge) % 2,
        group=f"cu{count}{SIGNS[charge]}",
    )


def _dimers() -> Named:
    """Cu2 and its ions; beyond 2.9 Å the determinant would have to break its symmetry."""
    return [
        (f"cu2{SIGNS[charge]}-{r:.2f}", _cluster([[0.0, 0.0, 0.0], [0.0, 0.0, r]], charge))
        for charge in (0, 1, -1)
        for r in DIMER
    ]


def triangle(first: float, second: float, angle: float) -> Array:
    """Positions of three atoms from two bonds (Å) and the angle between them (degrees), (3, 3)."""
    half = np.radians(angle) / 2.0
    return np.array(
        [
            [0.0, 0.0, 0.0],
            [first * np.cos(half), first * np.sin(half), 0.0],
            [second * np.cos(half), -second * np.sin(half), 0.0],
        ]
    )


def _trimers(random: np.random.Generator) -> Named:
    """Bends at the bond length of each charge, stretches, unequal bonds; 10 of each charge."""
    named: Named = []
    shapes = [(1.0, 1.0, angle) for angle in (60.0, 68.0, 180.0, 90.0, 120.0)]
    shapes += [(s, s, angle) for angle in (60.0, 180.0) for s in (0.94, 1.08)]
    shapes += [(0.97, 1.10, 75.0)]
    for first, second, angle in shapes:
        for charge, bond in TRIMER_BONDS.items():
            rows = rattled(triangle(first * bond, second * bond, angle), 0.02, random)
            name = f"cu3{SIGNS[charge]}-{first:.2f}-{second:.2f}-{angle:.0f}"
            named.append((name, _cluster(rows, charge)))
    return named


def _tetramers(random: np.random.Generator) -> Named:
    """Rhombus and chain with three charges."""
    named: Named = []
    for shape, rows in TETRAMERS.items():
        for charge in (0, 1, -1):
            moved = rattled(rows, 0.06, random)
            named.append((f"cu4{SIGNS[charge]}-{shape}", _cluster(moved, charge)))
    return named
