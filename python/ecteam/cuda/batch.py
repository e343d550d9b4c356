"""Many structures in one call: small ones together on a device, the others one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from ase.data import atomic_numbers

from ecteam import _core
from ecteam.cuda.backend import Backend
from ecteam.cuda.precision import Reals
from ecteam.cuda.result import Evaluation, StructureResults, stress_of
from ecteam.cuda.structures import MOST_ATOMS, Limits, StructureGroup, room_for
from ecteam.cuda.terms import LearnedTerms
from ecteam.cuda.waves import Waves
from ecteam.systems import System

_LARGEST = 1e6  # Å, the engine's limit of a coordinate
_NOBODY = np.iinfo(np.int32).max
_FLOOR = 2e-30  # weights at or below this are on the boundary

Found: TypeAlias = Evaluation | _core.Evaluation | _core.EcteamError


def one_by_one(evaluate: Callable[..., Any], systems: Iterable[Any]) -> list[Any]:
    """Evaluate structures cold, one after another: for each its result or its error."""
    found: list[Any] = []
    for system in systems:
        try:
            found.append(evaluate(*system, warm=False))
        except _core.EcteamError as error:
            found.append(error)
    return found


class BatchSource(NamedTuple):
    """What is evaluated, where and how: electrostatics and its accuracy as `_core.Evaluator`."""

    potential: _core.Potential
    backend: Backend
    reals: Reals
    electrostatics: tuple[Any, float]
    limits: Limits


class StructureBatch:
    """Evaluates small structures of a potential with state weights, a block of threads for each.

    Parameters
    ----------
    source : BatchSource
        What, where and how.
    terms_of : callable
        Returns the learned terms for atomic numbers, if there are any.
    alone : callable
        Evaluates what does not fit: structures of more atoms than a block holds, of several
        fragments, with a sum on a mesh (``"pme"``, or too many waves), with induced dipoles,
        periodic ones with learned terms, or such with an error, which it raises.
    """

    def __init__(
        self,
        source: BatchSource,
        terms_of: Callable[[Any], LearnedTerms | None],
        alone: Callable[..., Any],
    ) -> None:
        potential = source.potential
        self._source, self._terms_of, self._alone = source, terms_of, alone
        self.backend, self._limits = source.backend, source.limits
        self._columns = max(len(states) for states in potential.elements.values())
        self._known = frozenset(atomic_numbers[symbol] for symbol in potential.elements)

    def evaluate(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate structures: for each its result or its error."""
        found: list[Any] = [None] * len(systems)
        for members, tables in self._groups(systems):
            for k, result in zip(members, self._together(systems, members, tables), strict=True):
                found[k] = result
        rest = [k for k, result in enumerate(found) if result is None]
        for k, result in zip(
            rest, one_by_one(self._alone, (systems[k] for k in rest)), strict=True
        ):
            found[k] = result
        return found

    def group(
        self, systems: Sequence[System], tables: _core.EnsembleTables, single: bool = False
    ) -> StructureGroup:
        """Bring structures of the same elements and periodicity to the device."""
        charges = [total_of(system) for system in systems]
        arrays = [system.arrays for system in systems]
        source = self._source
        where = source.backend, source.reals, tables
        group = StructureGroup(*where, arrays, charges, source.limits, single)
        terms = self._terms_of(np.unique(systems[0].numbers))
        if terms is not None:
            group.add_terms(terms, source.potential.cutoff)
        return group

    def tables(self, system: System) -> _core.EnsembleTables:
        """Tables of the elements of a structure, in the order of their numbers."""
        return _core.ensemble_tables(
            self._source.potential,
            np.unique(system.numbers),
            system.pbc.tolist(),
            *self._source.electrostatics,
        )

    def fitting(self, system: System) -> _core.EnsembleTables | None:
        """Tables for a structure that a block of threads can hold; None for any other."""
        groups = self._groups([system])
        return groups[0][1] if groups else None

    def _groups(self, systems: Sequence[System]) -> list[tuple[list[int], _core.EnsembleTables]]:
        """Structures that can be evaluated together, and their tables."""
        members: dict[tuple[frozenset[int], bytes], list[int]] = {}
        for k, system in enumerate(systems):
            elements = frozenset(system.numbers.tobytes())
            if self._known >= elements and self.suits(system):
                members.setdefault((elements, system.pbc.tobytes()), []).append(k)
        groups = []
        for group in members.values():
            try:
                tables = self.tables(systems[group[0]])
            except _core.EcteamError:
                continue  # raised again for each of them alone
            if tables.electrostatics == "screened":
                group = self._with_waves(systems, group, tables)
            rooms: dict[int, list[int]] = {}
            for k in group:
                room = room_for(len(systems[k].positions), tables.states)
                rooms.setdefault(room, []).append(k)
            groups += [(fitting, tables) for room, fitting in rooms.items() if room]
        return groups

    def _with_waves(
        self, systems: Sequence[System], group: list[int], tables: _core.EnsembleTables
    ) -> list[int]:
        """Structures of a group whose Ewald sum is a plain one: not of too many waves."""
        if self._source.electrostatics[0] == "pme":
            return []
        waves = Waves(tables)
        return [k for k in group if waves.suit(systems[k].arrays)]

    def suits(self, system: System) -> bool:
        """Return True for structures with atoms, not too many, in range, of one fragment."""
        if not 0 < len(system.positions) <= MOST_ATOMS:
            return False
        if system.fragments is not None and system.fragments.max(initial=0) > 0:
            return False
        if self._source.potential.polarisable:
            return False
        if system.pbc.any() and self._source.potential.has_terms:
            return False
        if system.pbc.any() and not _has_volume(system):
            return False
        # A coordinate that is no number is not in range either.
        return bool(system.positions.max() <= _LARGEST and system.positions.min() >= -_LARGEST)

    def rows(self, results: StructureResults) -> Rows:
        """Copy the results of some structures to the host."""
        return Rows(self.backend, results, self._columns)

    def _together(
        self, systems: Sequence[System], members: list[int], tables: _core.EnsembleTables
    ) -> list[Found | None]:
        """Results of a group; None where the engine must say what is wrong."""
        group = self.group([systems[k] for k in members], tables)
        positions = np.concatenate([systems[k].positions for k in members])
        found: list[Found | None] = []
        for part, results in group.compute(self.backend.xp.asarray(positions)):
            rows = self.rows(results)
            for row, k in enumerate(members[part]):
                atoms = slice(*group.firsts[part.start + row :][:2].tolist())
                good = group.reachable[part.start + row] and rows.apart(row)
                tolerance = self._limits.tolerance
                result = rows.result(row, atoms, systems[k], tolerance) if good else None
                found.append(result)
        return found


def _has_volume(system: System) -> bool:
    try:
        _core.Frame(system.cell, system.pbc)
    except _core.EcteamError:
        return False  # raised again for it alone
    return True


def total_of(system: System) -> float:
    """Total charge of a structure, e."""
    charge = system.total_charge
    return charge if isinstance(charge, float) else float(np.sum(charge))


class Rows:
    """Results of a group on the host."""

    def __init__(self, backend: Backend, results: StructureResults, columns: int) -> None:
        to_host = backend.to_host
        self._numbers, self._close = to_host(results.numbers), to_host(results.too_close)
        weights, self._sites = to_host(results.weights), to_host(results.sites)
        weights = np.where(weights <= _FLOOR, 0.0, weights)
        self._weights = np.pad(weights, ((0, 0), (0, columns - weights.shape[1])))
        self._energies, self._forces = to_host(results.energies), to_host(results.forces)
        self._virials = to_host(results.virials)
        self._added = np.zeros(len(self._weights))
        if results.added is not None:
            self._added = to_host(results.added)

    def apart(self, row: int) -> bool:
        """Return True if no two atoms are too close."""
        return bool(self._close[row] == _NOBODY)

    def result(
        self, row: int, atoms: slice, system: System, tolerance: float
    ) -> Evaluation | _core.NotConvergedError:
        """Return the result of a structure with these atoms."""
        numbers = self._numbers[row].tolist()
        value, entropy, potential, residual, products, iterations, definite, converged = numbers
        if not converged:
            return not_converged(residual, int(iterations), tolerance)
        value += float(self._added[atoms].sum())
        charges = self._sites[atoms, 1].copy()
        return Evaluation(
            energy=value - entropy,
            free_energy=value,
            energies=self._energies[atoms].copy(),
            forces=self._forces[atoms].copy(),
            stress=stress_of(self._virials[row], system.arrays),
            background=self._sites[atoms, 0].copy(),
            weights=self._weights[atoms].copy(),
            charges=charges,
            induced_dipoles=np.zeros((len(charges), 3)),
            dipole=charges @ system.positions,
            chemical_potentials=np.array([potential]),
            kkt_residual=residual,
            hessian_products=int(products),
            iterations=int(iterations),
            positive_definite=bool(definite),
        )


def not_converged(residual: float, iterations: int, tolerance: float) -> _core.NotConvergedError:
    """Make the error of weights that did not converge."""
    error = _core.NotConvergedError(
        f"the state weights did not converge on the device: KKT residual {residual:.3e} eV after "
        f"{iterations} iterations (tolerance {tolerance:.1e} eV)"
    )
    error.iterations, error.residual = iterations, residual
    return error
