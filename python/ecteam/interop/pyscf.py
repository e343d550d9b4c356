"""Electron densities from PySCF; bohr stops here."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr

from ecteam._core import InvalidInputError
from ecteam.sampling import SampledDensity
from ecteam.structure import FloatArray

__all__ = ["density_at", "is_pyscf", "sample_pyscf"]

BLOCK = 20_000
"""Points whose orbitals are held at one time."""


def is_pyscf(density: Any) -> bool:
    """Whether this is a mean-field object, or a pair of a molecule and a density matrix."""
    if isinstance(density, tuple) and len(density) == 2:
        return hasattr(density[0], "eval_gto")
    return hasattr(density, "make_rdm1") and hasattr(density, "mol")


def sample_pyscf(density: Any, grid_level: int = 4) -> SampledDensity:
    """Evaluate a density on an atom-centred grid.

    Parameters
    ----------
    density : mean-field object, or (Mole, density matrix)
        See `ecteam.sampling.sample_density`.
    grid_level : int
        PySCF grid level, 0 to 9.

    Returns
    -------
    SampledDensity
        In Å and e/Å³, with the atoms and the charge of the molecule.

    Raises
    ------
    InvalidInputError
        For a calculation that is not converged, a correlated method's object, a periodic cell,
        effective core potentials, a density matrix of another shape or not finite, or a grid
        level outside 0 to 9.
    """
    molecule, matrix = _molecule_and_matrix(density)
    if grid_level not in range(10):
        raise InvalidInputError(f"grid_level: must be 0 to 9, got {grid_level!r}")
    points, volumes = _grid(molecule, grid_level)
    return SampledDensity(
        points=points,
        volumes=volumes,
        density=density_at(molecule, matrix, points),
        atoms=Atoms(molecule.atom_charges(), positions=molecule.atom_coords() * Bohr),
        total_charge=float(molecule.charge),
    )


def _molecule_and_matrix(density: Any) -> tuple[Any, FloatArray]:
    if isinstance(density, tuple):
        molecule, matrix = density
    else:
        if hasattr(density, "_scf"):
            raise InvalidInputError(
                "density: pass a correlated method as (Mole, density matrix in the basis of "
                f"atomic orbitals), not as {type(density).__name__}"
            )
        if not getattr(density, "converged", True):
            raise InvalidInputError("density: the calculation is not converged")
        molecule, matrix = density.mol, density.make_rdm1()
    _check_molecule(molecule)
    matrix = np.asarray(matrix, dtype=float)
    size = molecule.nao
    if matrix.shape == (2, size, size):
        matrix = matrix[0] + matrix[1]
    if matrix.shape != (size, size):
        raise InvalidInputError(
            f"density: the matrix must have shape ({size}, {size}) or (2, {size}, {size}), "
            f"got {matrix.shape}"
        )
    if not np.isfinite(matrix).all():
        raise InvalidInputError("density: the matrix must be finite")
    return molecule, matrix


def _check_molecule(molecule: Any) -> None:
    if hasattr(molecule, "lattice_vectors"):
        raise InvalidInputError("density: periodic cells are not supported, only molecules")
    if molecule.has_ecp():
        raise InvalidInputError(
            "density: must be an all-electron density, the molecule has effective core potentials"
        )


def _grid(molecule: Any, level: int) -> tuple[FloatArray, FloatArray]:
    """Points (m, 3) in Å and volumes (m,) in Å³."""
    from pyscf import dft

    grids = dft.gen_grid.Grids(molecule)
    grids.level, grids.verbose = level, 0
    grids.build(with_non0tab=False, sort_grids=False)
    return (
        np.ascontiguousarray(grids.coords * Bohr),
        np.ascontiguousarray(grids.weights * Bohr**3),
    )


def density_at(molecule: Any, matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Density of a density matrix at (m, 3) points in Å, e/Å³, shape (m,)."""
    values = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        orbitals = molecule.eval_gto("GTOval", points[start : start + BLOCK] / Bohr)
        values[start : start + BLOCK] = np.einsum("gi,gi->g", orbitals @ matrix, orbitals)
    return values / Bohr**3
