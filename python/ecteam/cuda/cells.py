"""Where the atoms and the images of many structures are; see `cuda/extents.cuh`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecteam import _core
from ecteam.structure import Arrays, FloatArray

EXTENT = np.dtype(
    [(name, np.int32) for name in ("first", "atoms", "first_image", "images")]
    + [(name, np.int64) for name in ("first_pair", "first_charge_pair")]
)


class Cells:
    """Atoms of structures side by side, with the images of their cells within a cutoff (Å).

    Attributes
    ----------
    extents : (s,) array
        `Extent` of each structure, pairs left out.
    shifts : (N, 3) float64
        What moves every atom into its cell, Å.
    translations : (m, 3) float64
        Of the images of all structures, each one's own first, Å.

    Raises
    ------
    InvalidInputError
        For a cell without volume.
    """

    def __init__(self, systems: Sequence[Arrays], cutoff: float) -> None:
        counts = np.array([len(system.positions) for system in systems])
        images = [_images(system, cutoff) for system in systems]
        self.extents = np.zeros(len(systems), dtype=EXTENT)
        self.extents["first"], self.extents["atoms"] = np.cumsum(counts) - counts, counts
        self.extents["images"] = [len(shifts) for shifts, _, _ in images]
        self.extents["first_image"] = np.cumsum(self.extents["images"]) - self.extents["images"]
        self.translations = np.concatenate([shifts @ cell for shifts, cell, _ in images])
        self.shifts = np.concatenate([wraps for _, _, wraps in images])


def _images(system: Arrays, cutoff: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Multiples (k, 3) of the cell vectors within reach, the cell, and what wraps atoms into it."""
    if not system.pbc.any():
        return np.zeros((1, 3)), np.zeros((3, 3)), np.zeros_like(system.positions)
    inverse = _core.Frame(system.cell, system.pbc).inverse
    wraps = -np.floor(system.positions @ inverse) * system.pbc
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    # Fractional coordinates of two atoms in a cell differ by less than one.
    reach = np.where(system.pbc, np.ceil(cutoff / heights), 0).astype(int)
    ranges = (np.arange(-count, count + 1) for count in reach)
    shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    own = ~shifts.any(axis=1)
    cell = system.cell * system.pbc[:, None]
    return np.concatenate([shifts[own], shifts[~own]]).astype(float), cell, wraps @ cell
