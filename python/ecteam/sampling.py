"""Electron densities at points with volumes, from whatever holds one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ecteam._core import InvalidInputError
from ecteam.structure import FloatArray

__all__ = ["SampledDensity", "sample_density"]


@dataclass(frozen=True, eq=False)
class SampledDensity:
    """An all-electron density at m points, ready for quadrature.

    Attributes
    ----------
    points : (m, 3) float64
        Å.
    volumes : (m,) float64
        Quadrature weights, Å³; they may be negative.
    density : (m,) float64
        e/Å³.
    atoms : ase.Atoms
        Nuclei of the density, not periodic.
    total_charge : float or None
        Charge of the whole system, e, where the source says it.
    """

    points: FloatArray
    volumes: FloatArray
    density: FloatArray
    atoms: Atoms
    total_charge: float | None = None

    def electrons(self) -> float:
        """Electron count by plain quadrature, e; on a coarse grid the nuclear cusps spoil it."""
        return float(self.volumes @ self.density)


def sample_density(density: Any, grid_level: int = 4) -> SampledDensity:
    """Turn a density of any supported kind into values at points.

    Parameters
    ----------
    density : SampledDensity, str, Path, PySCF mean-field object, or (Mole, density matrix)
        A path is that of a cube file. A density matrix is in the atomic-orbital basis, shape
        (k, k) or (2, k, k) by spin; that is how a correlated density is passed.
    grid_level : int
        PySCF's level of the atom-centred grid (A. D. Becke, J. Chem. Phys. 88, 2547 (1988)), 0
        to 9; not used for cube files, which bring their own points.

    Returns
    -------
    SampledDensity

    Raises
    ------
    InvalidInputError
        If it is of another kind, or the file or the matrix is unusable.
    """
    from ecteam.interop.cube import sample_cube
    from ecteam.interop.pyscf import is_pyscf, sample_pyscf

    if isinstance(density, SampledDensity):
        return density
    if isinstance(density, str | Path):
        return sample_cube(density)
    if is_pyscf(density):
        return sample_pyscf(density, grid_level)
    raise InvalidInputError(
        "density: must be a SampledDensity, the path of a cube file, a PySCF mean-field object or "
        f"a pair (Mole, density matrix), got {type(density).__name__}"
    )


def matched_atoms(sample: SampledDensity, atoms: Atoms | None, tolerance: float = 1e-3) -> Atoms:
    """Atoms to encode on: those given, after checking that the density belongs to them.

    Raises
    ------
    InvalidInputError
        If number, elements or positions (beyond `tolerance`, Å) differ.
    """
    if atoms is None:
        return sample.atoms
    own, given = sample.atoms.get_chemical_symbols(), atoms.get_chemical_symbols()
    if own != given:
        raise InvalidInputError(
            f"atoms: must be those of the density, in its order: {' '.join(own)}; "
            f"got {' '.join(given)}"
        )
    shifts = np.linalg.norm(atoms.positions - sample.atoms.positions, axis=1)
    if len(atoms) and not shifts.max() <= tolerance:
        worst = int(shifts.argmax())
        raise InvalidInputError(
            f"positions[{worst}]: must be where the density has that atom, "
            f"{sample.atoms.positions[worst]} Å (within {tolerance} Å), "
            f"got {atoms.positions[worst]}; are the units of the density right?"
        )
    return atoms
