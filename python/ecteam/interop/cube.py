"""Electron densities from Gaussian cube files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.cube import read_cube as read_ase_cube
from ase.units import Bohr

from ecteam._core import InvalidInputError
from ecteam.sampling import SampledDensity

__all__ = ["sample_cube"]

NEGATIVE = 1e-3
"""Values below minus this fraction of the largest are not the noise of a density."""


def sample_cube(path: str | Path) -> SampledDensity:
    """Read an electron density in e/bohr³ with lengths in bohr, as the format has it.

    Parameters
    ----------
    path : str or Path
        Cube file with one volume of an all-electron density.

    Returns
    -------
    SampledDensity
        Points in Å, volumes in Å³, density in e/Å³, and the atoms of the file, not periodic.

    Raises
    ------
    InvalidInputError
        If there is no such file or it is not a cube file; if its lengths are in Å (negative
        numbers of voxels); if it holds several volumes, numbers that are not finite, or values
        so negative that they are no density.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInputError(f"density: there is no file {str(path)!r}")
    found = _read(path)
    density = np.ascontiguousarray(found["data"], dtype=float) / Bohr**3
    _check_density(path, density)
    atoms = found["atoms"]
    atoms.pbc = False
    atoms.set_cell(None)
    spacing = np.asarray(found["spacing"])
    steps = np.indices(density.shape).reshape(3, -1).T
    return SampledDensity(
        points=np.asarray(found["origin"]) + steps @ spacing,
        volumes=np.full(density.size, abs(np.linalg.det(spacing))),
        density=density.ravel(),
        atoms=atoms,
    )


def _read(path: Path) -> dict[str, Any]:
    """Check the header, whose variants ASE does not tell apart, and let ASE read the file."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n", 6)
        header = lines[2].split()
        counts = [int(line.split()[0]) for line in lines[3:6]]
        atoms, values = int(header[0]), int(header[4]) if len(header) > 4 else 1
        if min(counts) > 0 and atoms > 0 and values == 1:
            return dict(read_ase_cube(StringIO(text)))
    except (ValueError, IndexError) as error:
        raise InvalidInputError(f"{path}: is not a cube file: {error}") from None
    if min(counts) < 1:
        raise InvalidInputError(
            f"{path}: numbers of voxels must be positive, that is lengths in bohr, got {counts}"
        )
    raise InvalidInputError(f"{path}: holds orbitals or several volumes, not one density")


def _check_density(path: Path, density: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(density))
    if bad.size:
        raise InvalidInputError(
            f"{path}: value {bad[0]} must be finite, got {density.ravel()[bad[0]]}"
        )
    if density.min() < -NEGATIVE * max(density.max(), 0.0):
        raise InvalidInputError(
            f"{path}: is not an electron density: values reach from {density.min():.3g} to "
            f"{density.max():.3g} e/Å³"
        )
