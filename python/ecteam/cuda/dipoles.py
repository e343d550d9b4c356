"""Induced dipoles on a device; see `cuda/dipoles.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.neighbors import NeighborList
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Derivatives
from ecteam.cuda.sources import Program, block_size

_POINTS = {"neutral": 0, "direct": 0, "screened": 1, "shifted_force": 2}
"""What is left of point multipoles to the pairs, as in `dipoles.cuh`."""


def values_of(states: int) -> int:
    """Count the functions of a pair that dipoles need."""
    return 2 * states + 2


class InducedDipoles:
    """What dipoles add to the energy of `WeightEnergy`, at the pairs of :meth:`prepare`.

    All unknowns are one array: the weights (n · states), after them the dipoles (n · 3, e·Å).
    """

    def __init__(
        self,
        backend: Backend,
        tables: _core.EnsembleTables,
        reals: Reals,
        state_charges: Array,
    ) -> None:
        self._backend, self._xp, upload = backend, backend.xp, backend.xp.asarray
        self._real, self._states = reals.dtype, tables.states
        self._defines = (("STATES", tables.states), ("CHANNELS", 0), *reals.defines)
        points = np.int32(_POINTS[tables.electrostatics])
        numbers = np.float64(tables.kernel_parameter), np.float64(tables.coulomb)
        rows = upload(tables.dipole_rows, dtype=self._real)
        arrays = upload(tables.dipole_numbers), upload(tables.dipole_places), rows
        self._functions = points, *numbers, *arrays, state_charges, upload(tables.polarisabilities)

    def allocate(self, longest: int, atoms: int, keep: bool) -> None:
        """Make room for the functions of so many pairs of each atom, if they are to be kept."""
        shape = (longest if keep else 0, values_of(self._states), atoms)
        self._values = self._xp.empty(shape, self._real)
        self._keep = keep

    def release(self) -> None:
        """Give back the memory."""
        self._values = None

    def prepare(self, near: tuple[Any, ...], neighbors: NeighborList, species: Array) -> None:
        """Look up the functions of the pairs within the cutoff: bits, counts, words."""
        elements = np.int32(len(self._functions[-1]))
        places = neighbors.sorted, neighbors.translations
        self._n = len(neighbors.order)
        self._inputs = *near, *places, self._values, elements, species, *self._functions
        if self._keep:
            self._launch("fill_dipoles", self._values)

    def add_gradient(
        self, self_field: np.float64, unknowns: Array, fields: Array, gradient: Array
    ) -> Array:
        """Add to the gradient, whose dipoles are written; returns parts of the energy, eV.

        `fields` is ∂E/∂m of all multipoles beyond the pairs, `self_field` that of an atom's own
        dipole over the dipole.
        """
        sums = self._xp.empty(-(-self._n // block_size()))
        self._launch("polarise", self_field, unknowns, fields, gradient, sums)
        return sums

    def add_product(
        self, self_field: np.float64, unknowns: Array, direction: Array, fields: Array, out: Array
    ) -> None:
        """Add the Hessian at `unknowns` times a direction; the dipoles of `out` are written."""
        self._launch("polarise_product", self_field, unknowns, direction, fields, out)

    def derivatives(self, self_field: np.float64, unknowns: Array, fields: Array) -> Derivatives:
        """Find forces, energies and virial, without the forces of multipoles beyond the pairs."""
        forces, energies = self._xp.empty((self._n, 3)), self._xp.empty(self._n)
        virials = self._xp.empty((-(-self._n // block_size()), 6))
        outputs = forces, energies, virials
        self._launch("dipole_forces", self_field, unknowns, fields, *outputs)
        return Derivatives(forces, energies, virials.sum(axis=0))

    def _launch(self, kernel: str, *arguments: Any) -> None:
        lookup = () if self._keep else (("LOOKUP", 1),)
        program = Program("dipoles.cu", (*self._defines, *lookup))
        inputs = np.int32(self._n), *self._inputs, *arguments
        self._backend.launch(program, kernel, self._n, *inputs)
