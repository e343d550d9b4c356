"""The energy of a geometry as a function of the state weights, on a device; see `cuda/ect.cu`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, bytes_of, require
from ecteam.cuda.dipoles import InducedDipoles, values_of
from ecteam.cuda.direct import DirectSum
from ecteam.cuda.mesh import MeshSum
from ecteam.cuda.neighbors import NeighborList
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Derivatives
from ecteam.cuda.sources import Program, block_size
from ecteam.structure import Arrays

_NOBODY = np.iinfo(np.int32).max


def memory_of(
    atoms: int,
    longest: int,
    states: int,
    channels: int,
    pair_size: int = 8,
    polarisable: bool = False,
) -> tuple[int, int]:
    """Memory of a minimisation over weights, bytes: pairs' functions kept, or looked up each time.

    Lists of neighbours (4 bytes for each of those within cutoff and skin, 240 for an atom) and the
    mesh of an Ewald sum (36 bytes a point) come on top.

    Parameters
    ----------
    longest : int
        Most pairs of an atom within the cutoff.
    states, channels : int
        Most of an element, and of a pair of elements.
    pair_size : int
        Bytes of a number that is kept of a pair: 4 with mixed precision.
    polarisable : bool
        With induced dipoles.
    """
    # Vectors of the minimisation and its results, blocks of the preconditioner.
    own = 8 * (30 * (states + 3 * polarisable) + states**2 + 20)
    functions = states * (states + 2) + channels + values_of(states) * polarisable
    kept = atoms * (own + longest * (4 + pair_size * functions))
    return kept, atoms * (own + longest * (4 + 8))


class WeightEnergy:
    """An `Objective` of the weights of sorted atoms, at the geometry of :meth:`prepare`.

    With polarisabilities the unknowns are the weights (n · states) and after them the induced
    dipoles (n · 3, e·Å), in one array.

    Attributes
    ----------
    too_close : (1,) int32
        Less than 2³¹ − 1 if two atoms are closer than the potential allows.
    background, charges : (n,) float64
        At the weights of the last value.
    looks_up : bool
        True if there was no memory to keep the functions of all pairs: they are looked up for every
        product.
    memory : (int, int)
        Bytes taken if those functions are kept, and if they are looked up.
    pair_bytes : int
        What a product streams of the pairs: it reads the densities once more than the rest.
    """

    def __init__(self, backend: Backend, tables: _core.EnsembleTables, reals: Reals) -> None:
        self._backend, self._xp = backend, backend.xp
        self._tables, self._real = tables, reals.dtype
        self.states = tables.states
        self._width = tables.states * (tables.states + 2) + tables.channels
        defines = (("STATES", tables.states), ("CHANNELS", tables.channels), *reals.defines)
        self._defines = defines
        self._screened = tables.electrostatics == "screened"
        self.looks_up = False
        self._words: Array = None
        self._values: Array = None
        self._far: MeshSum | DirectSum | None = None
        if tables.electrostatics == "direct":
            self._far = DirectSum(backend, tables.coulomb)
        self._mesh_of: tuple[bytes, int] | None = None
        self._self_potential = np.float64(tables.self_potential)
        self._self_field = np.float64(0.0)
        upload = self._xp.asarray
        self._pair_numbers = upload(tables.pair_numbers)
        self._pair_places = upload(tables.pair_places)
        self._rows = upload(tables.rows, dtype=self._real)
        self._channels, self._state_charges = upload(tables.channel_states), upload(tables.charges)
        kernel = upload(tables.kernel_rows, dtype=self._real)
        intervals = np.int32(len(tables.kernel_rows) // 6)
        self._kernel = (*map(np.float64, tables.kernel_numbers), intervals, kernel)
        names = ("embedding_numbers", "embedding_places", "embedding_values")
        self._embedding = tuple(upload(getattr(tables, name)) for name in names)
        self._induced: InducedDipoles | None = None
        if len(tables.polarisabilities):
            self._induced = InducedDipoles(backend, tables, reals, self._state_charges)

    def prepare(self, neighbors: NeighborList, species: Array, system: Arrays) -> None:
        """Look up the functions of all pairs of a list; `species` of the sorted atoms."""
        xp, n = self._xp, len(neighbors.order)
        self._prepare_mesh(system)
        self._n, self._species, self._neighbors = n, species, neighbors
        cutoff2, min2 = self._tables.cutoff**2, self._tables.min_distance**2
        arrays = neighbors.counts, neighbors.words, neighbors.translations
        list_inputs = np.int32(neighbors.bits), np.float64(cutoff2), *arrays
        self._counts = xp.empty(n, dtype=np.int32)
        self._launch("count_pairs", *list_inputs, neighbors.sorted, self._counts)
        self._allocate(int(self._counts.max()))
        self.too_close = xp.full(1, _NOBODY, dtype=np.int32)
        elements = np.int32(len(self._tables.counts))
        self._pair_inputs = (elements, species, self._pair_places, self._channels)
        functions = self._pair_numbers, self._pair_places, self._rows, self._state_charges
        outputs = self._counts, self._words, self._values, self.too_close
        geometry = *list_inputs, np.float64(min2), neighbors.sorted
        inputs = *geometry, elements, species, *functions, *self._kernel
        self._launch("fill_pairs", *inputs, *outputs)
        self._near = (np.int32(neighbors.bits), self._counts, self._words, self._values)
        if self.looks_up:
            self._near += elements, species, *functions, *self._kernel
        self.background, self.charges = xp.empty(n), xp.empty(n)
        self._energies, self._slopes = xp.empty((n, self.states)), xp.empty((n, self.states))
        self._means = xp.empty((n, 2))
        self._none = xp.zeros(n), xp.zeros((n if self._induced is not None else 0, 3))
        if self._induced is not None:
            self._induced.prepare(self._near[:3], neighbors, species)

    def _allocate(self, longest: int) -> None:
        """Make room for so many pairs of each atom; what there is may do."""
        pairs = (longest, self._n)
        if self._words is not None and self._words.shape[1] == self._n:
            if self._words.shape[0] >= longest:
                return
        self._words = self._values = None  # first give back the memory
        if self._induced is not None:
            self._induced.release()
        size, polarisable = np.dtype(self._real).itemsize, self._induced is not None
        mesh = self._far.work_bytes if self._far else 0
        sizes = self.states, self._tables.channels, size, polarisable
        both = memory_of(self._n, longest, *sizes)
        self.memory = both[0] + mesh, both[1] + mesh
        self.looks_up = self.memory[0] > self._backend.available_bytes()
        if self.looks_up:
            require(self._backend, self.memory[1], f"state weights of {self._n} atoms")
        self._words = self._xp.empty(pairs, dtype=np.uint32)
        shape = (longest, self._n) if self.looks_up else (longest, self._width, self._n)
        self._values = self._xp.empty(shape, np.float64 if self.looks_up else self._real)
        if self._induced is not None:
            self._induced.allocate(longest, self._n, keep=not self.looks_up)

    @property
    def pair_bytes(self) -> int:
        """Bytes of the pairs that a product reads."""
        pairs = int(self._counts.sum())
        dipoles = values_of(self.states) if self._induced is not None else 0
        numbers = self._width + self.states + dipoles
        kept = bytes_of((numbers,), self._real) if not self.looks_up else 2 * 8
        return pairs * (2 * 4 + kept)

    def value_gradient(self, unknowns: Array, gradient: Array) -> Array:
        """Fill the gradient (eV); returns parts of the value (eV) that are to be added up."""
        self._unknowns = unknowns
        outputs = self.background, self._energies, self._slopes, self._means, self.charges
        inputs = *self._near, self._species, unknowns, *self._embedding, self._state_charges
        self._launch("sites", *inputs, *outputs)
        self._potential, self._fields = self._far_fields(self.charges, unknowns)
        sums = self._xp.empty(-(-self._n // block_size()))
        scalars = np.float64(self._tables.temperature), self._self_potential
        inputs = *self._near, *self._pair_inputs, *scalars, unknowns, self._energies, self._means
        electric = self.charges, self._potential, self._state_charges
        self._launch("gradient", *inputs, *electric, gradient, sums)
        if self._induced is None:
            return sums
        inputs = self._self_field, unknowns, self._fields
        return sums + self._induced.add_gradient(*inputs, gradient)

    def product(self, direction: Array, out: Array) -> None:
        """Fill the Hessian times a direction at the last point."""
        response, charges = self._xp.empty(self._n), self._xp.empty(self._n)
        site = self._unknowns, self._slopes, self._means, self._state_charges, direction
        temperature = np.float64(self._tables.temperature)
        inputs = *self._near, self._species, temperature, *site
        self._launch("respond", *inputs, out, response, charges)
        potential, fields = self._far_fields(charges, direction)
        electric = charges, potential, self._state_charges
        vectors = self._self_potential, self._unknowns, direction, response
        self._launch("product", *self._near, *self._pair_inputs, *vectors, *electric, out)
        if self._induced is not None:
            point = self._self_field, self._unknowns
            self._induced.add_product(*point, direction, fields, out)

    def blocks(self, out: Array) -> None:
        """Fill the Hessian's blocks (n, states, states) at the last point."""
        temperature = np.float64(self._tables.temperature)
        inputs = *self._near, *self._pair_inputs, temperature, self._unknowns, self._means
        self._launch("blocks", *inputs, out)

    def derivatives(self) -> Derivatives:
        """Find forces, energies and virial at the weights of the last value."""
        xp, n = self._xp, self._n
        forces, energies = xp.empty((n, 3)), xp.empty(n)
        virials = xp.empty((-(-n // block_size()), 6))
        places = self._neighbors.sorted, self._neighbors.translations, self._pair_numbers
        functions = self._rows, self._state_charges, *self._kernel, self._self_potential
        site = self._unknowns, self._energies, self._means, self.charges, self._potential
        inputs = *self._near, *self._pair_inputs, *places, *functions, *site
        arguments = np.int32(n), *inputs, forces, energies, virials
        self._backend.launch(self._program("ect_forces.cu"), "pair_forces", n, *arguments)
        found = Derivatives(forces, energies, virials.sum(axis=0))
        if self._induced is not None:
            inputs = self._self_field, self._unknowns, self._fields
            found = found + self._induced.derivatives(*inputs)
        return found if self._far is None else self._with_far_forces(self._far, found)

    def _with_far_forces(self, far: MeshSum | DirectSum, found: Derivatives) -> Derivatives:
        """Add the forces of charges, and dipoles, beyond the pairs."""
        sources, forces = (self._neighbors.sorted, self.charges), found.forces
        if self._induced is None:
            virial = far.add_forces(*sources, forces)
        else:
            dipoles = self._dipoles_of(self._unknowns)
            virial = far.add_dipole_forces(*sources, dipoles, forces)
        return Derivatives(forces, found.energies, found.virial + virial)

    def entropy(self, weights: Array) -> float:
        """T Σ ω ln ω, eV."""
        xp = self._xp
        logarithms = xp.log(xp.where(weights > 0.0, weights, 1.0))
        return self._tables.temperature * float((weights * logarithms).sum())

    def _far_fields(self, charges: Array, unknowns: Array) -> tuple[Array, Array]:
        """Potential of charges, and dipoles, beyond the pairs (eV/e), and ∂E/∂m (eV/(e·Å))."""
        if self._far is None:
            return self._none
        if self._induced is None:
            return self._far.potential(self._neighbors.sorted, charges), self._none[1]
        return self._far.fields(self._neighbors.sorted, charges, self._dipoles_of(unknowns))

    def _dipoles_of(self, unknowns: Array) -> Array:
        return unknowns[self._n * self.states :].reshape(self._n, 3)

    def _prepare_mesh(self, system: Arrays) -> None:
        """Make the mesh of a new cell."""
        key = system.cell.tobytes(), len(system.positions)
        if not self._screened or self._mesh_of == key:
            return
        frame = _core.Frame(system.cell, system.pbc)
        plan = frame.mesh(len(system.positions), self._tables.cutoff, self._tables.accuracy)
        mesh = MeshSum(self._backend, plan)
        self._far, self._mesh_of = mesh, key
        self._self_potential = np.float64(mesh.self_potential)
        self._self_field = np.float64(mesh.self_gradient)

    def _launch(self, kernel: str, *arguments: Any) -> None:
        program = self._program("ect.cu")
        self._backend.launch(program, kernel, self._n, np.int32(self._n), *arguments)

    def _program(self, file: str) -> Program:
        return Program(file, (*self._defines, *([("LOOKUP", 1)] if self.looks_up else [])))
