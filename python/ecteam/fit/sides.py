"""Train, validation or test: the side of a geometry is a function of that geometry alone.

The five numbers of :func:`ecteam.fit.labels.fingerprint`, rounded, and the formula are hashed to a
number from 0 to 1. Neither other geometries nor the order of files can move a geometry, and copies
that differ less than the rounding stay together. Two copies can still lie on either side of a
rounding step; then the one that would be trained on is left out, so that nothing leaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ase import Atoms

from ecteam.fit.config import SIDES, Side
from ecteam.fit.labels import Labels, duplicates, fingerprint

LEAKS: tuple[tuple[Side, Side], ...] = (
    ("validation", "test"),
    ("train", "test"),
    ("train", "validation"),
)
"""Sides that may not share a geometry; it is taken from the first."""
DIGITS = 4
"""Significant digits of a fingerprint; more different geometries that share them stay together."""


def share_of(atoms: Atoms, seed: int = 0) -> float:
    """Map a geometry to 0 … 1: the same for copies, turned, shifted and renumbered ones."""
    formula, numbers = fingerprint(atoms)
    text = " ".join([formula, *(f"{x:.{DIGITS - 1}e}" for x in numbers), str(seed)])
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


def side_of(atoms: Atoms, validation: float, test: float, seed: int = 0) -> Side:
    """Side of a geometry; lone atoms, the zero of all energies, are always trained on.

    Parameters
    ----------
    atoms : ase.Atoms
        Geometry.
    validation, test : float
        Shares of the two.
    seed : int
        Another one splits in another way.
    """
    share = share_of(atoms, seed)
    if len(atoms) == 1 or share >= validation + test:
        return "train"
    return "test" if share < test else "validation"


def divided(labels: Labels, sides: Sequence[Side]) -> tuple[dict[Side, Labels], list[str]]:
    """Labels of each side, without copies across sides.

    Returns
    -------
    parts : dict of str to Labels
        By side.
    dropped : list of str
        Origins of the structures left out because a copy is on a side that is fitted less.
    """
    parts = {side: labels[[k for k, s in enumerate(sides) if s == side]] for side in SIDES}
    dropped: list[str] = []
    for looser, stricter in LEAKS:
        copies = {a for a, _ in duplicates(parts[looser], parts[stricter])}
        own = parts[looser].structures
        copies = {k for k in copies if len(own[k]) > 1}
        dropped += [str(own[k].info.get("origin", own[k].get_chemical_formula())) for k in copies]
        parts[looser] = parts[looser][[k for k in range(len(own)) if k not in copies]]
    return parts, sorted(dropped)
