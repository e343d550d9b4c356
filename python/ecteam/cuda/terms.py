"""Learned terms beside a device: weights do not change them, and the engine evaluates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ecteam import _core
from ecteam.cuda.backend import Array, Backend
from ecteam.cuda.batch import Found
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.cuda.result import Evaluation
from ecteam.potential import Potential
from ecteam.structure import Arrays, Charge, FloatArray
from ecteam.systems import System


def without_terms(potential: Potential) -> Potential:
    """Return the states, and the functions between them, alone."""
    found = potential.to_dict()
    found.pop("terms", None)
    return Potential.from_dict(found)


def terms_of(potential: Potential) -> Potential:
    """Return the learned terms alone: every element has a state, and no energy from it."""
    ground = {"name": "ground", "charge": 0.0, "multiplicity": 1, "energy": 0.0}
    found = potential.to_dict()
    found["elements"] = {symbol: {"states": [ground]} for symbol in found["elements"]}
    found.update(repulsions=[], resonances=[], electronic_temperature=0.0)
    return Potential.from_dict(found)


class WithTerms:
    """Evaluates the states on a device and the learned terms on the host, one after the other.

    Parameters
    ----------
    states : OneStateEvaluator or EnsembleEvaluator
        For the potential without its terms.
    terms : _core.Evaluator
        For the terms alone.
    """

    def __init__(
        self, states: OneStateEvaluator | EnsembleEvaluator, terms: _core.Evaluator
    ) -> None:
        self._states, self._terms = states, terms

    @property
    def backend(self) -> Backend:
        """Where the arrays of the states are."""
        return self._states.backend

    def find_forces(self, positions: Array, system: Arrays, charge: Charge) -> tuple[Array, Array]:
        """Find forces and parts of the energy on the device; the positions visit the host."""
        backend = self.backend
        forces, energies = self._states.find_forces(positions, system, charge)
        here = system._replace(positions=backend.to_host(positions))
        added = self._terms.evaluate(*here, 0.0)
        total = backend.xp.full(1, float(energies.sum()) + added.energy)
        return forces + backend.xp.asarray(added.forces), total

    def reset(self) -> None:
        """Forget neighbour lists and weights."""
        self._states.reset()
        self._terms.reset()

    def evaluate(
        self,
        positions: FloatArray,
        numbers: Any,
        cell: FloatArray,
        pbc: Any,
        total_charge: float | FloatArray,
        fragments: Any = None,
        warm: bool = True,
    ) -> Evaluation:
        """Evaluate a structure; arguments, errors and result as `_core.Evaluator.evaluate`."""
        system = positions, numbers, cell, pbc
        found = self._states.evaluate(*system, total_charge, fragments, warm)
        return _sum_of(found, self._terms.evaluate(*system, 0.0))

    def evaluate_all(self, systems: Sequence[System]) -> list[Found]:
        """Evaluate many structures cold: for each its result or its error."""
        states = self._states.evaluate_all(systems)
        uncharged = [system._replace(total_charge=0.0, fragments=None) for system in systems]
        both = zip(states, self._terms.evaluate_all(uncharged), strict=True)
        return [_sum_or_error(found, added) for found, added in both]


def _sum_or_error(found: Found, added: _core.Evaluation | _core.EcteamError) -> Found:
    if isinstance(found, _core.EcteamError):
        return found
    return added if isinstance(added, _core.EcteamError) else _sum_of(found, added)


def _sum_of(found: Evaluation | _core.Evaluation, added: _core.Evaluation) -> Evaluation:
    """Results of the states with those of the terms."""
    stress = found.stress
    if stress is not None and added.stress is not None:
        stress = stress + added.stress
    sums = {
        "energy": found.energy + added.energy,
        "free_energy": found.free_energy + added.energy,
        "energies": found.energies + added.energies,
        "forces": found.forces + added.forces,
        "stress": stress,
    }
    return Evaluation(**{f.name: getattr(found, f.name) for f in fields(Evaluation)} | sums)
