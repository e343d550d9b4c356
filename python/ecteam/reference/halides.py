"""Structures of the alkali halide data sets: molecules, ions and clusters of Li, Na, K, F and Cl.

Every sampler is deterministic for a given seed and returns named structures in Å.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase.symbols import string2symbols
from numpy.typing import ArrayLike, NDArray

from ecteam.reference.level import Structure
from ecteam.reference.structures import atoms_and_ions, rattled, rotation, structure

__all__ = ["halide_structures", "like_ion_structures", "potassium_structures"]

Array = NDArray[np.float64]
Named = list[tuple[str, Structure]]


@dataclass(frozen=True)
class Family:
    """Molecules that a data set is made of.

    Attributes
    ----------
    metals, halogens : tuple of str
        Elements whose atoms and ions are in the set.
    pairs : dict
        Metal halide → bond length in Å.
    alike : dict
        Diatomic of two metals, or of two halogens → bond length in Å.
    mixed : tuple of (str, str)
        Pairs of metal halides that make clusters together.
    """

    metals: tuple[str, ...]
    halogens: tuple[str, ...]
    pairs: dict[str, float]
    alike: dict[str, float]
    mixed: tuple[tuple[str, str], ...]


PAIRS = {
    "LiF": 1.564,
    "LiCl": 2.021,
    "NaF": 1.926,
    "NaCl": 2.361,
    "KF": 2.171,
    "KCl": 2.667,
}
"""Bond lengths in Å of the metal halide molecules (K. P. Huber and G. Herzberg, NIST Chemistry
WebBook)."""
LIGHT = Family(
    metals=("Li", "Na"),
    halogens=("F", "Cl"),
    pairs={name: PAIRS[name] for name in ("LiF", "LiCl", "NaF", "NaCl")},
    alike={"F2": 1.412, "Cl2": 1.988, "FCl": 1.628, "Li2": 2.673, "Na2": 3.079, "LiNa": 2.889},
    mixed=(("LiF", "NaCl"), ("NaF", "LiCl")),
)
"""Bond lengths from experiment (NIST)."""
POTASSIUM = Family(
    metals=("Li", "Na", "K"),
    halogens=("F", "Cl"),
    pairs={name: PAIRS[name] for name in ("KF", "KCl")},
    alike={"K2": 3.905, "LiK": 3.27, "NaK": 3.589},
    mixed=(("NaF", "KCl"), ("LiCl", "KF")),
)
"""What potassium adds to it, and all atoms again, whose energies are the zero of energy."""
NEAR = (0.75, 0.82, 0.88, 0.94, 1.0, 1.06, 1.13, 1.22, 1.33, 1.47, 1.65, 1.85, 2.1)
FAR = (2.4, 2.75, 3.2, 3.7, 4.3, 5.1, 6.0)
"""Distances of the metal halide molecules in units of the bond length."""
GROWTH = {"ring2": 1.09, "ring3": 1.11, "cube": 1.17, "ion": 1.07}
"""Bond length in each kind of cluster, in units of the molecule's."""


ION_RADII = {"Li": 0.90, "Na": 1.16, "K": 1.52, "F": 1.19, "Cl": 1.67}
"""Å (R. D. Shannon, Acta Cryst. A32, 751 (1976))."""
LIKE_SCALES = (0.45, 0.55, 0.65, 0.75, 0.87, 1.0, 1.2)
"""Distances of two like ions in units of the sum of their radii."""


def halide_structures(seed: int = 20260320) -> dict[str, Structure]:
    """Sample the data set of lithium and sodium halides.

    Parameters
    ----------
    seed : int
        Seed of the random displacements.

    Returns
    -------
    dict of str to Structure
        About 320 structures, the small ones first.
    """
    named = _structures(LIGHT, seed)
    named += _molecules(LIGHT, FAR)  # last: their SCF is hard and their charges are doubtful
    return dict(named)


def potassium_structures(seed: int = 20260321) -> dict[str, Structure]:
    """Sample the data set of potassium halides; arguments as of `halide_structures`.

    Returns
    -------
    dict of str to Structure
        About 160 structures, the small ones first.
    """
    return dict(_structures(POTASSIUM, seed))


def like_ion_structures() -> dict[str, Structure]:
    """Pairs of two cations and of two anions: what keeps them apart in a hot crystal.

    Returns
    -------
    dict of str to Structure
        63 pairs and all atoms and ions.
    """
    ions = {m: 1 for m in POTASSIUM.metals} | {x: -1 for x in POTASSIUM.halogens}
    named = atoms_and_ions(tuple(ions), {symbol: (charge,) for symbol, charge in ions.items()})
    for scale in LIKE_SCALES:
        for a, b in combinations_with_replacement(ions, 2):
            if ions[a] == ions[b]:
                line = _line(scale * (ION_RADII[a] + ION_RADII[b]))
                pair = structure(a + b, line, charge=2 * ions[a], group="like-ions")
                named.append((f"{a}{b}-{scale:.2f}", pair))
    return dict(named)


def _structures(family: Family, seed: int) -> Named:
    random = np.random.default_rng(seed)
    ions = {m: (1,) for m in family.metals} | {x: (-1,) for x in family.halogens}
    named = atoms_and_ions((*family.metals, *family.halogens), ions)
    named += _molecules(family, NEAR) + _like_diatomics(family) + _triatomic_ions(family, random)
    for sampler in (_chains, _rhombi, _mixed, _rings, _cubes):
        named += sampler(family, random)
    return named


def _line(distance: float) -> list[list[float]]:
    return [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]


def _molecules(family: Family, factors: Sequence[float]) -> Named:
    """MX at some distances; from 1.6 bond lengths on, neutral atoms are tried too."""
    named: Named = []
    for factor in factors:
        for formula, bond in family.pairs.items():
            signs = (1, -1) if factor > 1.6 else ()
            pair = structure(formula, _line(factor * bond), group="mx", signs=signs)
            named.append((f"{formula}-{factor:.2f}", pair))
    return named


def _like_diatomics(family: Family) -> Named:
    """X2, XY, M2 and MM' at 10 distances, from 1.15 bond lengths on with broken symmetry."""
    named: Named = []
    for factor in (0.8, 0.88, 0.95, 1.0, 1.08, 1.2, 1.4, 1.7, 2.2, 3.0):
        for formula, bond in family.alike.items():
            signs = (1, -1) if factor > 1.15 else ()
            group = "xx" if set(string2symbols(formula)) <= set(family.halogens) else "mm"
            pair = structure(formula, _line(factor * bond), group=group, signs=signs)
            named.append((f"{formula}-{factor:.2f}", pair))
    return named


def _triatomic_ions(family: Family, random: np.random.Generator) -> Named:
    """M2X+ and MX2-, linear and bent, scaled and rattled, 8 of each."""
    named: Named = []
    for formula, bond in family.pairs.items():
        metal, halogen = string2symbols(formula)
        for ion, charge in ((metal + halogen + metal, 1), (halogen + metal + halogen, -1)):
            for index in range(8):
                angle = (180.0, 180.0, 180.0, 150.0, 130.0, 115.0, 100.0, 85.0)[index]
                length = GROWTH["ion"] * bond * (0.93, 1.0, 1.15, 1.0, 1.08, 0.96, 1.04, 1.1)[index]
                half = np.radians(angle) / 2.0
                x, y = length * np.cos(half), length * np.sin(half)
                rows = rattled([[x, y, 0], [0, 0, 0], [x, -y, 0]], 0.06 * (index % 3), random)
                group = "m2x-plus" if charge > 0 else "mx2-minus"
                three = structure(ion, rows, charge=charge, group=group)
                named.append((f"{ion}{charge:+d}-{index}", three))
    return named


def _chains(family: Family, random: np.random.Generator) -> Named:
    """Linear MXMX chains, 3 of each."""
    named: Named = []
    for formula, bond in family.pairs.items():
        for index, scale in enumerate((0.97, 1.1, 1.25)):
            spacing = 1.05 * bond * scale
            row = [[k * spacing, 0.0, 0.0] for k in range(4)]
            four = structure(formula * 2, rattled(row, 0.08, random), group="mx-chain")
            named.append((f"{formula}-chain-{index}", four))
    return named


def _rhombus(first: float, second: float, angle: float) -> Array:
    """M X M X: M on the x axis; sides `first`, `second` (M1-X, M2-X), `angle` at M in degrees."""
    half = np.radians(angle) / 2.0
    y = np.sqrt(first * second) * np.sin(half)
    left, right = -np.sqrt(first**2 - y**2), np.sqrt(second**2 - y**2)
    return np.array([[left, 0, 0], [0, y, 0], [right, 0, 0], [0, -y, 0]])


def _rhombi(family: Family, random: np.random.Generator) -> Named:
    """(MX)2, scaled 0.9 to 1.35, sheared and rattled, 10 of each."""
    named: Named = []
    for formula, bond in family.pairs.items():
        for index in range(10):
            side = (
                GROWTH["ring2"]
                * bond
                * (0.9, 0.96, 1.0, 1.0, 1.0, 1.04, 1.08, 1.15, 1.25, 1.35)[index]
            )
            base = _rhombus(side, side, random.uniform(88.0, 112.0))
            rows = rattled(base, 0.0 if index == 2 else random.uniform(0.03, 0.15), random)
            named.append((f"{formula}-rhombus-{index}", structure(formula * 2, rows, group="mx-2")))
    return named


def _mixed(family: Family, random: np.random.Generator) -> Named:
    """Rhombi of two different molecules, 5 of each kind."""
    named: Named = []
    for first, second in family.mixed:
        for index, scale in enumerate((0.93, 1.0, 1.05, 1.12, 1.25)):
            a, b = (GROWTH["ring2"] * scale * PAIRS[key] for key in (first, second))
            base = _rhombus((a + b) / 2.1, (a + b) / 1.9, random.uniform(88.0, 108.0))
            rows = rattled(base, 0.08, random)
            four = structure(first + second, rows, group="mx-mixed")
            named.append((f"{first}{second}-{index}", four))
    return named


def _rings(family: Family, random: np.random.Generator) -> Named:
    """(MX)3 hexagons, angles at X smaller than at M, 6 of each."""
    named: Named = []
    angles = np.arange(6) * np.pi / 3
    for index, scale in enumerate((1.0, 0.92, 1.05, 1.1, 1.18, 1.28)):
        for formula, bond in family.pairs.items():
            radius = GROWTH["ring3"] * bond * scale * np.where(np.arange(6) % 2, 1.08, 0.91)
            base = np.column_stack([radius * np.cos(angles), radius * np.sin(angles), 0 * radius])
            rows = rattled(base, 0.02 * (index + 1), random)
            six = structure(formula * 3, rows, group="mx-3")
            named.append((f"{formula}-ring-{index}", six))
    return named


def _cubes(family: Family, random: np.random.Generator) -> Named:
    """(MX)4 cubes, scaled 0.9 to 1.3 and rattled, 5 of each."""
    named: Named = []
    corners = _cube_corners()
    for index, scale in enumerate((1.0, 0.92, 1.07, 1.16, 1.3)):
        for formula, bond in family.pairs.items():
            base = GROWTH["cube"] * bond * scale * corners
            rows = rattled(base, 0.02 + 0.03 * index, random)
            eight = structure(formula * 4, rows, group="mx-4")
            named.append((f"{formula}-cube-{index}", eight))
    return named


def _cube_corners(turned: ArrayLike = (0.3, 0.5, 0.7)) -> Array:
    """Corners of the unit cube in an order that alternates even and odd corners, shape (8, 3)."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    even = corners[corners.sum(axis=1) % 2 == 0]
    odd = corners[corners.sum(axis=1) % 2 == 1]
    ordered = np.stack([even, odd], axis=1).reshape(8, 3) - 0.5
    return np.asarray(ordered @ rotation(turned, 0.4).T)
