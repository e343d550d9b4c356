"""Many structures of a potential with one neutral state per element in one launch.

See `cuda/structure_eam.cu`: a block of threads for each structure, which tries all images of all
atoms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from ecteam import _core
from ecteam.cuda.backend import Array, Backend, require
from ecteam.cuda.cells import Cells
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Evaluation, stress_of
from ecteam.cuda.sources import Program
from ecteam.structure import FloatArray
from ecteam.systems import System

_BLOCK = 64
_MOST_TRIED = 1 << 14  # atoms and images that a block tries for every atom
_LARGEST = 1e6  # Å, the engine's limit of a coordinate
_NOBODY = np.iinfo(np.int32).max
_BYTES_PER_ATOM = 160
_AT_ONCE = 1 << 20  # atoms of a launch


class OneStateBatch:
    """Evaluates small structures together.

    Parameters
    ----------
    potential : _core.Potential
        With one neutral state per element and no learned terms.
    backend : Backend
        Where to.
    reals : Reals
        Numbers of the pairs.
    """

    def __init__(self, potential: _core.Potential, backend: Backend, reals: Reals) -> None:
        self._potential, self._backend, self._reals = potential, backend, reals
        self._known = frozenset(atomic_numbers[symbol] for symbol in potential.elements)

    def evaluate(self, systems: Sequence[System]) -> list[Evaluation | None]:
        """Evaluate structures: None for what does not suit, or must be named by the engine."""
        found: list[Evaluation | None] = [None] * len(systems)
        suiting = [k for k, system in enumerate(systems) if self._suits(system)]
        for part in self._parts(systems, suiting):
            for k, result in zip(part, self._together([systems[k] for k in part]), strict=True):
                found[k] = result
        return found

    def _suits(self, system: System) -> bool:
        """Return True for structures with known atoms, in range, without fragments or charge."""
        n = len(system.positions)
        if n == 0 or self._potential.has_terms or not self._known >= set(system.numbers.tobytes()):
            return False
        if system.fragments is not None or np.any(system.total_charge):
            return False
        if not (system.positions.max() <= _LARGEST and system.positions.min() >= -_LARGEST):
            return False
        try:
            cells = Cells([system.arrays], self._potential.cutoff)
        except _core.EcteamError:
            return False
        return bool(n * len(cells.translations) <= _MOST_TRIED)

    def _parts(self, systems: Sequence[System], members: Sequence[int]) -> Iterator[list[int]]:
        """Cut into launches of not too many atoms."""
        part: list[int] = []
        atoms = 0
        for k in members:
            n = len(systems[k].positions)
            if part and atoms + n > _AT_ONCE:
                yield part
                part, atoms = [], 0
            part.append(k)
            atoms += n
        if part:
            yield part

    def _together(self, systems: Sequence[System]) -> list[Evaluation | None]:
        xp, n = self._backend.xp, sum(len(system.positions) for system in systems)
        require(self._backend, n * _BYTES_PER_ATOM, f"structures of {n} atoms")
        tables = _core.one_state_tables(
            self._potential, np.concatenate([system.numbers for system in systems])
        )
        cells = Cells([system.arrays for system in systems], tables.cutoff)
        atoms = np.zeros((n, 4))
        atoms[:, :3] = np.concatenate([system.positions for system in systems]) + cells.shifts
        slopes, background, energies = (xp.empty(n) for _ in range(3))
        forces, virials = xp.empty((n, 3)), xp.empty((len(systems), 6))
        close = xp.full(len(systems), _NOBODY, dtype=np.int32)
        extents = xp.asarray(np.ascontiguousarray(cells.extents).view(np.uint8))
        inputs = extents, np.float64(tables.cutoff**2), xp.asarray(atoms)
        inputs += (xp.asarray(cells.translations), *self._uploaded(tables))
        outputs = slopes, background, forces, energies, virials, close
        several = ("BLOCK", _BLOCK), ("RADIAL", 3 if tables.elements > 1 else 2)
        program = Program("structure_eam.cu", (*several, *self._reals.defines))
        threads = len(systems) * _BLOCK
        self._backend.launch(program, "structure_eam", threads, *inputs, *outputs)
        results = [self._backend.to_host(array) for array in outputs[1:]]
        firsts = cells.extents["first"]
        return [
            _result(system, slice(first, first + len(system.positions)), k, results)
            for k, (system, first) in enumerate(zip(systems, firsts.tolist(), strict=True))
        ]

    def _uploaded(self, tables: _core.OneStateTables) -> tuple[Array, ...]:
        upload = self._backend.xp.asarray
        numbers = np.int32(tables.elements), np.float64(tables.min_distance**2)
        rows = upload(tables.rows, dtype=self._reals.dtype)
        pairs = upload(tables.pair_numbers), upload(tables.pair_places), rows, upload(tables.knots)
        names = ("embedding_numbers", "embedding_places", "embedding_values")
        embedding = tuple(upload(getattr(tables, name)) for name in names)
        return upload(tables.species), *numbers, *pairs, *embedding


def _result(
    system: System, atoms: slice, structure: int, results: Sequence[FloatArray]
) -> Evaluation | None:
    """Return the result of a structure; None if atoms are too close or a number is not finite."""
    background, forces, energies, virials, close = results
    own: dict[str, Any] = {
        "background": background[atoms].copy(),
        "forces": forces[atoms].copy(),
        "energies": energies[atoms].copy(),
    }
    finite = np.isfinite(own["forces"]).all() and np.isfinite(own["energies"]).all()
    if close[structure] != _NOBODY or not finite:
        return None
    energy, n = float(own["energies"].sum()), len(system.positions)
    return Evaluation(
        energy=energy,
        free_energy=energy,
        stress=stress_of(virials[structure], system.arrays),
        weights=np.ones((n, 1)),
        charges=np.zeros(n),
        induced_dipoles=np.zeros((n, 3)),
        dipole=np.zeros(3),
        chemical_potentials=np.zeros(1),
        **own,
    )
