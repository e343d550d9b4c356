"""Helpers shared by the samplers of the reference data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.symbols import string2symbols
from numpy.typing import ArrayLike, NDArray

from ecteam.reference.level import GROUND_SPIN, Structure

__all__ = ["atoms_and_ions", "distance_allowed", "rattled", "rotation", "structure"]

Array = NDArray[np.float64]

ION_SPIN = {
    ("H", 1): 0,
    ("O", -1): 1,
    ("Li", 1): 0,
    ("Na", 1): 0,
    ("K", 1): 0,
    ("F", -1): 0,
    ("Cl", -1): 0,
    ("Mg", 1): 1,
    ("Cu", 1): 0,
    ("Cu", -1): 0,
}
"""Unpaired electrons of each ion."""


def structure(
    formula: str,
    positions: ArrayLike,
    *,
    charge: int = 0,
    spin: int = 0,
    group: str = "",
    signs: Sequence[int] = (),
) -> Structure:
    """Make a structure from a formula such as ``OHH`` or ``NaCl``.

    Parameters
    ----------
    formula : str
        Chemical formula; the order of its atoms is the order of the positions.
    positions : array_like, shape (n, 3)
        Positions in Å.
    charge : int
        Total charge in e.
    spin : int
        Unpaired electrons, 2S.
    group : str
        Group of the data set.
    signs : sequence of int
        Spin directions of the atoms in a broken-symmetry start; none if empty.

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        If the numbers of atoms, positions and signs differ.
    """
    symbols = tuple(string2symbols(formula))
    rows = np.asarray(positions, dtype=float)
    if rows.shape != (len(symbols), 3) or (signs and len(signs) != len(symbols)):
        raise ValueError(f"{formula}: {rows.shape} positions, {len(signs)} signs")
    points = tuple((float(x), float(y), float(z)) for x, y, z in np.round(rows, 8))
    return Structure(symbols, points, charge, spin, group, bool(signs), tuple(signs))


def atoms_and_ions(
    elements: Sequence[str], ions: Mapping[str, Sequence[int]]
) -> list[tuple[str, Structure]]:
    """Neutral atoms (the zero of energy) and ions of the given charges.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols.
    ions : mapping of str to sequence of int
        Charges to include for each element.

    Returns
    -------
    list of (str, Structure)
        Named ``atom-O``, ``ion-O-1`` and so on, all in group ``atom``.
    """
    origin = [[0.0, 0.0, 0.0]]
    named = []
    for symbol in elements:
        neutral = structure(symbol, origin, spin=GROUND_SPIN[symbol], group="atom")
        named.append((f"atom-{symbol}", neutral))
        for charge in ions.get(symbol, ()):
            spin = ION_SPIN[symbol, charge]
            ion = structure(symbol, origin, charge=charge, spin=spin, group="atom")
            named.append((f"ion-{symbol}{charge:+d}", ion))
    return named


def rotation(axis: ArrayLike, angle: float) -> Array:
    """Rotation matrix about an axis (Rodrigues' formula).

    Parameters
    ----------
    axis : array_like, shape (3,)
        Axis, of any length but zero.
    angle : float
        Angle in radians.

    Returns
    -------
    ndarray, shape (3, 3)
    """
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return np.asarray(turned)


def rattled(positions: ArrayLike, sigma: float, random: np.random.Generator) -> Array:
    """Displace every coordinate by a normal deviate, cut at two standard deviations.

    Parameters
    ----------
    positions : array_like, shape (n, 3)
        Positions in Å.
    sigma : float
        Standard deviation in Å.
    random : numpy.random.Generator
        Source of the displacements.

    Returns
    -------
    ndarray, shape (n, 3)
    """
    rows = np.asarray(positions, dtype=float)
    return np.asarray(rows + sigma * np.clip(random.normal(size=rows.shape), -2.0, 2.0))


def distance_allowed(
    formula: str,
    positions: Array,
    fragments: Sequence[int],
    closest: Mapping[tuple[str, str], float],
) -> bool:
    """Tell whether atoms of different fragments keep their smallest distances.

    Parameters
    ----------
    formula : str
        Chemical formula in the order of the positions.
    positions : ndarray, shape (n, 3)
        Positions in Å.
    fragments : sequence of int, length n
        Fragment of each atom.
    closest : mapping of (str, str) to float
        Smallest distance in Å by alphabetically ordered symbols.

    Returns
    -------
    bool
    """
    symbols = string2symbols(formula)
    for i, first in enumerate(symbols):
        for j in range(i):
            a, b = sorted((first, symbols[j]))
            near = np.linalg.norm(positions[i] - positions[j]) < closest[a, b]
            if fragments[i] != fragments[j] and near:
                return False
    return True
