"""Electron density of a result, at points or on a grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.cube import write_cube as write_ase_cube
from ase.units import Bohr

from ecteam import _core
from ecteam.evaluate import Result
from ecteam.files import whole_file
from ecteam.potential import Potential
from ecteam.structure import Arrays, FloatArray, arrays_of

_MAX_POINTS = 50_000_000


def electron_density(atoms: Atoms, result: Result, points: npt.ArrayLike) -> FloatArray:
    """Superposed density of the weighted states and the induced dipoles, e/Å³.

    An induced dipole m adds m·∇g, g the Slater function of its element's polarisation exponent; it
    has no electrons, and outside the states' own densities it may be negative.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure of `result`.
    result : Result
        Gives the weights, the dipoles and the potential.
    points : (m, 3) array_like
        Å; in a periodic cell they may lie anywhere.

    Returns
    -------
    (m,) float64

    Raises
    ------
    InvalidInputError
        If `points` has another shape, or `atoms` are not those of `result`.
    """
    points = points_of(points)
    system = arrays_of(atoms)
    if tuple(atoms.get_chemical_symbols()) != result.symbols:
        raise _core.InvalidInputError("atoms: must be the atoms of the result, in its order")
    density = _core.electron_density(result.potential.core, *system, result.weights, points)
    if result.potential.core.polarisable:
        density += _dipole_density(result, system, points)
    return density


def _dipole_density(result: Result, system: Arrays, points: FloatArray) -> FloatArray:
    """Σ m·∇g: gradients of densities that have the components of m for weights."""
    carriers = _carriers(result.potential)
    per_electron = result.induced_dipoles / system.numbers[:, None]
    total = np.zeros(len(points))
    for axis in range(3):
        weights = np.ascontiguousarray(per_electron[:, axis : axis + 1])
        gradient = _core.electron_density_gradient(carriers, *system, weights, points)[1]
        total += gradient[:, axis]
    return total


def _carriers(potential: Potential) -> _core.Potential:
    """Potential whose atoms are g of their element, times the atomic number."""
    fields = potential.to_dict()
    elements = {}
    for symbol, element in fields["elements"].items():
        number = float(atomic_numbers[symbol])
        exponent = element.get("polarisation_exponent", 1.0)
        rbf = {"exponents": [exponent], "coefficients": [number]}
        state = {"name": "g", "charge": 0.0, "multiplicity": 1, "energy": 0.0, "rbf": rbf}
        elements[symbol] = {"states": [state]}
    kept = ("format", "name", "description", "citation", "units", "cutoff")
    bare = {"repulsions": [], "resonances": [], "electronic_temperature": 0.0}
    return Potential.from_dict({k: fields[k] for k in kept} | bare | {"elements": elements}).core


def write_cube(
    path: str | Path,
    atoms: Atoms,
    result: Result,
    spacing: float = 0.2,
    padding: float = 4.0,
) -> None:
    """Write the electron density as a Gaussian cube file, in e/bohr³ as other programs expect.

    A fully periodic system is written on its cell, any other on a box around its atoms.

    Parameters
    ----------
    path : str or Path
        Written whole or not at all.
    atoms, result
        As in :func:`electron_density`.
    spacing : float
        Largest distance between grid points, Å.
    padding : float
        Distance from the outermost atoms to the faces of the box, Å.

    Raises
    ------
    InvalidInputError
        If `spacing` or `padding` is not positive, or the grid has more than 5e7 points.
    """
    write_grid(
        path,
        atoms,
        lambda points: electron_density(atoms, result, points),
        spacing,
        padding,
        f"potential {result.potential.name}",
    )


def points_of(points: npt.ArrayLike) -> FloatArray:
    """Points as the engine takes them.

    Raises
    ------
    InvalidInputError
        If they do not have shape (m, 3).
    """
    rows = np.ascontiguousarray(points, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise _core.InvalidInputError(f"points: must have shape (m, 3), got {rows.shape}")
    return rows


def write_grid(
    path: str | Path,
    atoms: Atoms,
    density: Callable[[FloatArray], FloatArray],
    spacing: float,
    padding: float,
    source: str,
) -> None:
    """Write a density (e/Å³ at (m, 3) points in Å) as a cube file; see :func:`write_cube`."""
    for name, value in {"spacing": spacing, "padding": padding}.items():
        if not (np.isfinite(value) and value > 0):
            raise _core.InvalidInputError(f"{name}: must be positive, in Å, got {value}")
    box, origin = _box(atoms, padding)
    shape = _grid_shape(box, spacing)
    points = origin + _fractional_grid(shape) @ box.cell.array
    values = density(points).reshape(shape) * Bohr**3
    comment = f"electron density, e/bohr^3; {source}"
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        write_ase_cube(file, box, values, origin=origin, comment=comment)


def _box(atoms: Atoms, padding: float) -> tuple[Atoms, FloatArray]:
    """Put the atoms in the box of the grid; also give the corner of that box, Å."""
    arrays_of(atoms)
    if atoms.pbc.all():
        return atoms, np.zeros(3)
    low = atoms.positions.min(axis=0) - padding
    high = atoms.positions.max(axis=0) + padding
    return Atoms(atoms.numbers, atoms.positions, cell=high - low), low


def _grid_shape(box: Atoms, spacing: float) -> tuple[int, int, int]:
    counts = np.maximum(np.ceil(box.cell.lengths() / spacing), 1.0)
    if counts.prod() > _MAX_POINTS:
        raise _core.InvalidInputError(
            f"spacing: {spacing} Å gives {counts.prod():.2g} grid points, the limit is "
            f"{_MAX_POINTS:.0e}"
        )
    n0, n1, n2 = counts.astype(int).tolist()
    return n0, n1, n2


def _fractional_grid(shape: tuple[int, int, int]) -> FloatArray:
    """Fractional coordinates (m, 3) of the grid, last index fastest."""
    axes = [np.arange(n) / n for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
