"""All pairs of a finite system on a device; see `cuda/coulomb.cu` and `cuda/direct_dipoles.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.sources import Program, block_size

_CHARGES, _DIPOLES = Program("coulomb.cu"), Program("direct_dipoles.cu")


class DirectSum:
    """Point charges, and dipoles, of all atoms; the same interface as `MeshSum`.

    Attributes
    ----------
    self_potential, self_gradient : float
        Nothing here.
    work_bytes : int
        None.
    """

    self_potential = self_gradient = 0.0
    work_bytes = 0

    def __init__(self, backend: Backend, coulomb: float) -> None:
        self._backend, self._xp, self._coulomb = backend, backend.xp, np.float64(coulomb)

    def potential(self, sorted_atoms: Array, charges: Array) -> Array:
        """Potential of all other charges, eV/e."""
        potential = self._xp.empty(len(charges))
        self._launch(_CHARGES, "direct_potential", sorted_atoms, charges, potential)
        return potential

    def add_forces(self, sorted_atoms: Array, charges: Array, forces: Array) -> Array:
        """Add to the forces, eV/Å; returns dE/dstrain (xx yy zz yz xz xy), eV."""
        virials = self._xp.zeros((-(-len(charges) // block_size()), 6))
        self._launch(_CHARGES, "direct_forces", sorted_atoms, charges, forces, virials)
        return virials.sum(axis=0)

    def fields(self, sorted_atoms: Array, charges: Array, dipoles: Array) -> tuple[Array, Array]:
        """Potential of all other charges and dipoles, eV/e, and ∂E/∂m (n, 3), eV/(e·Å)."""
        found = self._xp.empty(len(charges)), self._xp.empty((len(charges), 3))
        self._launch(_DIPOLES, "direct_fields", sorted_atoms, charges, dipoles, *found)
        return found

    def add_dipole_forces(
        self, sorted_atoms: Array, charges: Array, dipoles: Array, forces: Array
    ) -> Array:
        """:meth:`add_forces` of charges and dipoles."""
        own = self._xp.empty_like(forces)
        virials = self._xp.empty((-(-len(charges) // block_size()), 6))
        arrays = sorted_atoms, charges, dipoles, own, virials
        self._launch(_DIPOLES, "direct_dipole_forces", *arrays)
        forces += own
        return virials.sum(axis=0)

    def _launch(self, program: Program, kernel: str, atoms: Array, *arguments: Any) -> None:
        n = len(atoms)
        self._backend.launch(program, kernel, n, np.int32(n), self._coulomb, atoms, *arguments)
