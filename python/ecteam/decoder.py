"""From weights of atomic states back to density, charges, dipole and electrostatic potential.

Weights say nothing about induced dipoles: those of a polarisable potential are in
`ecteam.electron_density` of its result, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam._core import InvalidInputError
from ecteam.density import points_of, write_grid
from ecteam.encoder import EncodedDensity
from ecteam.state_library import StateSet, state_set
from ecteam.structure import FloatArray, arrays_of

__all__ = ["DecodedDensity", "decode"]


@dataclass(frozen=True, eq=False)
class DecodedDensity:
    """What weights say about n atoms; everything in closed form.

    Attributes
    ----------
    weights : (n, n_states_max) float64
        Padded with zeros.
    charges : (n,) float64
        e.
    dipole : (3,) float64
        About the origin of the coordinates, e·Å.
    atoms : ase.Atoms
        Atoms of the rows.
    states : StateSet
        States of the columns.
    """

    weights: FloatArray
    charges: FloatArray
    dipole: FloatArray
    atoms: Atoms
    states: StateSet

    def density(self, points: npt.ArrayLike) -> FloatArray:
        """Electron density at (m, 3) points in Å, e/Å³, shape (m,).

        Raises
        ------
        InvalidInputError
            If `points` has another shape or is not finite.
        """
        system = arrays_of(self.atoms)
        return _core.decode_density(self.states.core, *system, self.weights, points_of(points))

    def potential(self, points: npt.ArrayLike) -> FloatArray:
        """Electrostatic potential of nuclei and electrons at (m, 3) points in Å, V, shape (m,).

        Positive near nuclei, where it is infinite; a unit positive charge has this energy in eV.

        Raises
        ------
        InvalidInputError
            If `points` has another shape, or the atoms are periodic.
        """
        system = arrays_of(self.atoms)
        return _core.decode_potential(self.states.core, *system, self.weights, points_of(points))

    def write_cube(self, path: str | Path, spacing: float = 0.2, padding: float = 4.0) -> None:
        """Write the electron density as a cube file, e/bohr³; see `ecteam.write_cube`.

        Raises
        ------
        InvalidInputError
            If `spacing` or `padding` is not positive, or the grid has more than 5e7 points.
        """
        write_grid(path, self.atoms, self.density, spacing, padding, "atomic states")


def decode(
    weights: npt.ArrayLike | EncodedDensity, atoms: Atoms | None = None, library: Any = None
) -> DecodedDensity:
    """Make density, dipole and electrostatic potential from weights.

    Parameters
    ----------
    weights : (n, n_states_max) array_like, or EncodedDensity
        Weights in the order of the library's states, padded with 0. They are taken as they are:
        no constraint is imposed.
    atoms : ase.Atoms, optional
        Atoms of the rows; those of an `EncodedDensity` by default.
    library : mapping, Potential or StateSet, optional
        See `ecteam.state_library.state_set`; that of an `EncodedDensity` by default.

    Returns
    -------
    DecodedDensity

    Raises
    ------
    InvalidInputError
        If there are no atoms, the weights have another shape or are not finite, or an element is
        not in the library.
    """
    if isinstance(weights, EncodedDensity):
        atoms = weights.atoms if atoms is None else atoms
        library = weights.states if library is None else library
        weights = weights.weights
    if atoms is None:
        raise InvalidInputError("atoms: must be given unless weights is an EncodedDensity")
    rows = np.ascontiguousarray(weights, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(atoms):
        raise InvalidInputError(
            f"weights: must have shape ({len(atoms)}, n_states_max), got {rows.shape}"
        )
    states = state_set(library)
    charges = _core.decode_charges(states.core, *arrays_of(atoms), rows)
    return DecodedDensity(rows, charges, charges @ atoms.positions, atoms.copy(), states)
