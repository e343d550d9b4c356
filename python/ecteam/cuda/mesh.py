"""Particle-mesh Ewald on a device; see `cuda/pme.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, bytes_of, require
from ecteam.cuda.sources import Program, block_size


class MeshSum:
    """The reciprocal part of an Ewald sum in one cell: everything beyond the screened pairs.

    Attributes
    ----------
    self_potential : float
        Potential of an atom's own charge, eV/e²; not in :meth:`potential`.
    self_gradient : float
        ∂E/∂m of an atom's own dipole over the dipole, eV/(e·Å)²; not in :meth:`fields`.
    work_bytes : int
        Memory that a sum takes while it is made.
    """

    def __init__(self, backend: Backend, plan: _core.MeshPlan) -> None:
        self._backend, self._xp, self._plan = backend, backend.xp, plan
        order = (("ORDER", plan.order),)
        self._program, self._dipoles = Program("pme.cu", order), Program("mesh_dipoles.cu", order)
        nx, ny, nz = plan.shape
        self._half = (nx, ny, nz // 2 + 1)
        self._points = nx * ny * nz
        # Charges or potential, spectrum, and the transform's own space and copy.
        self.work_bytes = 4 * bytes_of(plan.shape, np.float64)
        size = self.work_bytes + bytes_of(self._half, np.float64)
        require(backend, size, f"a mesh of {nx} × {ny} × {nz} points")
        upload = self._xp.asarray
        self._influence = upload(plan.influence.reshape(self._half))
        shape = upload(np.array(plan.shape, dtype=np.int32))
        self._geometry = upload(plan.inverse), shape
        self._powers = upload(plan.powers)
        self.self_potential, self.self_gradient = plan.self_potential, plan.self_gradient

    def potential(self, sorted_atoms: Array, charges: Array) -> Array:
        """Potential of all charges and their images, less the background's, eV/e."""
        values = self._convolve(self._spectrum(sorted_atoms, charges))
        potential = self._xp.empty(len(charges))
        self._launch("gather", len(charges), *self._atoms(sorted_atoms), values, potential)
        return potential - self._plan.background * charges.sum()

    def add_forces(self, sorted_atoms: Array, charges: Array, forces: Array) -> Array:
        """Add to the forces, eV/Å; returns dE/dstrain (xx yy zz yz xz xy), eV."""
        spectrum = self._spectrum(sorted_atoms, charges)
        virial = self._virial(charges, spectrum)
        inputs = *self._atoms(sorted_atoms), self._convolve(spectrum), charges
        self._launch("gather_forces", len(charges), *inputs, forces)
        return virial

    def fields(self, sorted_atoms: Array, charges: Array, dipoles: Array) -> tuple[Array, Array]:
        """:meth:`potential` of charges and dipoles (e·Å), and ∂E/∂m (n, 3), eV/(e·Å)."""
        values = self._convolve(self._spectrum(sorted_atoms, charges, dipoles))
        n = len(charges)
        potential, gradients = self._xp.empty(n), self._xp.empty((n, 3))
        inputs = *self._atoms(sorted_atoms), values, potential, gradients
        self._launch_dipoles("gather_fields", n, n, *inputs)
        return potential - self._plan.background * charges.sum(), gradients

    def add_dipole_forces(
        self, sorted_atoms: Array, charges: Array, dipoles: Array, forces: Array
    ) -> Array:
        """:meth:`add_forces` of charges and dipoles."""
        n, own = len(charges), self._xp.empty_like(forces)
        spectrum = self._spectrum(sorted_atoms, charges, dipoles)
        virial = self._virial(charges, spectrum)
        virials = self._xp.empty((-(-n // block_size()), 6))
        inputs = *self._atoms(sorted_atoms), self._convolve(spectrum), charges, dipoles
        self._launch_dipoles("gather_dipole_forces", n, n, *inputs, own, virials)
        forces += own
        return virial + virials.sum(axis=0)

    def _virial(self, charges: Array, spectrum: Array) -> Array:
        """dE/dstrain of the modes and of the background."""
        xp, modes = self._xp, self._influence.size
        virials = xp.empty((-(-modes // block_size()), 6))
        inverse, shape = self._geometry
        inputs = shape, inverse, np.float64(self._plan.alpha), self._influence, spectrum
        self._launch("mode_virial", modes, *inputs, virials)
        background = 0.5 * self._plan.background * charges.sum() ** 2
        return virials.sum(axis=0) + background * xp.asarray([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])

    def _spectrum(self, sorted_atoms: Array, charges: Array, dipoles: Array = None) -> Array:
        """Fourier transform of the charges, and dipoles, on the mesh."""
        xp, n = self._xp, len(charges)
        counts = xp.zeros(self._points, dtype=np.uint64)
        atoms = self._atoms(sorted_atoms)
        threads = n * self._plan.order
        if dipoles is None:
            inputs = np.int32(n), *atoms, charges, counts
            self._backend.launch(self._program, "spread", threads, *inputs)
        else:
            inputs = *atoms, charges, dipoles, counts
            self._launch_dipoles("spread_dipoles", threads, n, *inputs)
        self._launch("as_numbers", self._points, counts)
        values = counts.view(np.float64).reshape(self._plan.shape)
        return xp.ascontiguousarray(xp.fft.rfftn(values))

    def _convolve(self, spectrum: Array) -> Array:
        """Potential on the mesh; writes over the spectrum."""
        xp, shape = self._xp, tuple(self._plan.shape)
        # "forward": no factor on the way back.
        spectrum *= self._influence
        values = xp.fft.irfftn(spectrum, s=shape, axes=(0, 1, 2), norm="forward")
        return xp.ascontiguousarray(values)

    def _atoms(self, sorted_atoms: Array) -> tuple[Any, ...]:
        return sorted_atoms, *self._geometry, self._powers

    def _launch(self, kernel: str, threads: int, *arguments: Any) -> None:
        self._backend.launch(self._program, kernel, threads, np.int32(threads), *arguments)

    def _launch_dipoles(self, kernel: str, threads: int, n: int, *arguments: Any) -> None:
        self._backend.launch(self._dipoles, kernel, threads, np.int32(n), *arguments)
