"""Structures of the magnesium oxide data set: MgO, its ions and clusters of up to eight atoms.

Every sampler is deterministic for a given seed and returns named structures in Å.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecteam.reference.level import Structure
from ecteam.reference.structures import atoms_and_ions, rattled, rotation, structure

__all__ = ["magnesia_structures", "oxide_structures"]

Array = NDArray[np.float64]
Named = list[tuple[str, Structure]]

BOND = 1.749
"""Å: MgO (K. P. Huber and G. Herzberg, NIST Chemistry WebBook)."""
CROSSING = 1.95
"""Å: beyond, the triplet of Mg ¹S and O ³P is below the singlet."""
NEAR = (0.80, 0.86, 0.92, 0.97, 1.0, 1.04, 1.09)
FAR = (1.16, 1.26, 1.4, 1.6, 1.85, 2.2)
"""Distances of MgO in units of the bond length."""
SCALES = (0.93, 0.97, 1.0, 1.04, 1.1, 1.18)


def oxide_structures(seed: int = 20261121) -> dict[str, Structure]:
    """Sample the magnesium oxide data set.

    Parameters
    ----------
    seed : int
        Seed of the random displacements.

    Returns
    -------
    dict of str to Structure
        About 40 structures, the small ones first.
    """
    random = np.random.default_rng(seed)
    named = atoms_and_ions(("Mg", "O"), {"Mg": (1,), "O": (-1,)})
    named += _cations() + _like_pairs() + _triatomics(random)
    for sampler in (_rhombi, _rings, _cubes):
        named += sampler(random)
    return dict(named)


def _line(distance: float) -> list[list[float]]:
    return [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]


def magnesia_structures() -> dict[str, Structure]:
    """MgO at some distances, for coupled cluster: one determinant with exchange is not enough.

    Returns
    -------
    dict of str to Structure
        The closed-shell singlet inside :data:`CROSSING`, the triplet outside.
    """
    named = atoms_and_ions(("Mg", "O"), {})
    for factor in NEAR + FAR:
        r = factor * BOND
        pair = structure("MgO", _line(r), spin=0 if r < CROSSING else 2, group="mgo")
        named.append((f"MgO-{factor:.2f}", pair))
    return dict(named)


def _cations() -> Named:
    """MgO+ (doublet)."""
    named: Named = []
    for factor in (0.92, 1.0, 1.06, 1.15, 1.3):
        pair = structure("MgO", _line(factor * BOND), charge=1, spin=1, group="mgo-plus")
        named.append((f"MgO+1-{factor:.2f}", pair))
    return named


def _like_pairs() -> Named:
    """O2 (triplet) and Mg2 (singlet): they keep like atoms at their distance.

    Longer O2 would have to break its symmetry.
    """
    named: Named = []
    for r in (1.05, 1.208, 1.4):
        named.append((f"O2-{r:.2f}", structure("O2", _line(r), spin=2, group="oo")))
    for r in (2.4, 3.0, 3.6, 4.4):
        named.append((f"Mg2-{r:.2f}", structure("Mg2", _line(r), group="mgmg")))
    return named


def _triatomics(random: np.random.Generator) -> Named:
    """Mg2O, linear and bent. Which state of MgO2 is lowest, one determinant cannot tell."""
    named: Named = []
    for index, angle in enumerate((180.0, 140.0, 100.0, 160.0)):
        half = np.radians(angle) / 2.0
        length = BOND * (1.02, 1.08, 1.05, 0.95)[index]
        x, y = length * np.cos(half), length * np.sin(half)
        rows = rattled([[x, y, 0], [0, 0, 0], [x, -y, 0]], 0.04, random)
        named.append((f"Mg2O-{index}", structure("MgOMg", rows, group="mg2o")))
    return named


def _rhombi(random: np.random.Generator) -> Named:
    """(MgO)2, scaled, sheared and rattled."""
    named: Named = []
    for index, scale in enumerate(SCALES):
        half = np.radians(random.uniform(96.0, 112.0)) / 2.0
        side = 1.07 * scale * BOND
        x, y = side * np.cos(half), side * np.sin(half)
        rows = rattled([[x, 0, 0], [0, y, 0], [-x, 0, 0], [0, -y, 0]], 0.02 * index, random)
        named.append((f"Mg2O2-{index}", structure("MgOMgO", rows, group="mgo-2")))
    return named


def _rings(random: np.random.Generator) -> Named:
    """(MgO)3 hexagons."""
    named: Named = []
    angles = np.arange(6) * np.pi / 3
    for index, scale in enumerate((1.0, 0.94, 1.06, 1.14)):
        radius = 1.04 * BOND * scale * np.where(np.arange(6) % 2, 0.98, 1.05)
        base = np.column_stack([radius * np.cos(angles), radius * np.sin(angles), 0 * radius])
        rows = rattled(base, 0.025 * (index + 1), random)
        named.append((f"Mg3O3-{index}", structure("MgO" * 3, rows, group="mgo-3")))
    return named


def _cubes(random: np.random.Generator) -> Named:
    """(MgO)4 cubes."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    odd = corners.sum(axis=1) % 2 == 1
    ordered = np.stack([corners[~odd], corners[odd]], axis=1).reshape(8, 3) - 0.5
    turned = ordered @ rotation((0.3, 0.5, 0.7), 0.4).T
    named: Named = []
    for index, scale in enumerate((1.0, 0.95, 1.06, 1.15)):
        rows = rattled(1.13 * BOND * scale * turned, 0.02 + 0.03 * index, random)
        named.append((f"Mg4O4-{index}", structure("MgO" * 4, rows, group="mgo-4")))
    return named
