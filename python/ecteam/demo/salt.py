"""Sodium chloride: the crystal, and the ion pair pulled apart into atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter

from ecteam.calculator import ECTEAM
from ecteam.demo.proton import weight_curves
from ecteam.demo.structures import shipped
from ecteam.dynamics import relax
from ecteam.evaluate import Result, evaluate
from ecteam.potential import Potential
from ecteam.progress import progress
from ecteam.report import result_data
from ecteam.structure import FloatArray

SODIUM, CHLORINE = 0, 1
ION_PAIRS = 4
FMAX = 0.01
COULOMB = units.Hartree * units.Bohr
IONIC = 0.5
"""A pair with more charge than this is called ionic, e."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """Rock salt, relaxed isotropically."""

    relaxed: Atoms
    start_constant: float
    result: Result
    relax_steps: int

    @property
    def constant(self) -> float:
        """Lattice constant, Å."""
        return float(self.relaxed.cell.lengths()[0])

    @property
    def energy_per_pair(self) -> float:
        """Free energy per ion pair relative to neutral atoms, eV."""
        return self.result.free_energy / ION_PAIRS

    def data(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            **result_data(self.result),
            "lattice_constant": self.constant,
            "energy_per_ion_pair": self.energy_per_pair,
            "relax_steps": self.relax_steps,
        }


@dataclass(frozen=True, eq=False)
class Dissociation:
    """Na and Cl at a series of distances, each evaluated from a cold start.

    Attributes
    ----------
    distance : (n,) float64
        Å, increasing.
    frames : list of Atoms
        The n structures.
    results : list of Result
        Their results.
    crossing : float or None
        Distance beyond which the sodium has less than half an elementary charge, Å; None if that
        does not happen.
    """

    distance: FloatArray
    frames: list[Atoms]
    results: list[Result]
    crossing: float | None

    @property
    def energies(self) -> FloatArray:
        """Free energies relative to neutral atoms, eV."""
        return np.array([result.free_energy for result in self.results])

    @property
    def charges(self) -> FloatArray:
        """Charge of the sodium, e."""
        return np.array([result.charges[SODIUM] for result in self.results])

    @property
    def point_ions(self) -> FloatArray:
        """Energies of the two ions as point charges without any other interaction, eV."""
        states = self.results[0].potential.to_dict()["elements"]
        cost = sum(
            state["energy"]
            for symbol, name in (("Na", "cation"), ("Cl", "anion"))
            for state in states[symbol]["states"]
            if state["name"] == name
        )
        return np.asarray(cost - COULOMB / self.distance)

    @property
    def bond(self) -> int:
        """Index of the lowest point."""
        return int(np.argmin(self.energies))

    def weights(self, atom: int) -> dict[str, FloatArray]:
        """Weights of the states of an atom along the curve."""
        return weight_curves(self.results, atom)

    def data(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "distance": self.distance.tolist(),
            "bond_length": float(self.distance[self.bond]),
            "crossing": self.crossing,
            "points": [result_data(result) for result in self.results],
        }


def crystal(potential: Potential) -> Crystal:
    """Relax the shipped crystal isotropically."""
    atoms = shipped("nacl-crystal")
    start = float(atoms.cell.lengths()[0])
    atoms.calc = ECTEAM(potential)
    cell: Any = FrechetCellFilter(atoms, hydrostatic_strain=True)
    steps = len(list(progress(relax(cell, FMAX), "relaxing the crystal")))
    atoms.get_potential_energy()
    return Crystal(atoms, start, atoms.calc.result, steps)


def dissociation(potential: Potential, points: int) -> Dissociation:
    """Pull Na and Cl apart from 1.8 to 15 Å."""
    distances = np.linspace(1.8, 15.0, points)
    frames = [_pair(d) for d in distances]
    evaluations = (evaluate(frame, potential) for frame in frames)
    results = list(progress(evaluations, "NaCl dissociation", points))
    crossing = _crossing(potential, distances, results)
    return Dissociation(distances, frames, results, crossing)


def _pair(distance: float) -> Atoms:
    return Atoms("NaCl", [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])


def _is_ionic(result: Result) -> bool:
    return bool(result.charges[SODIUM] > IONIC)


def _crossing(potential: Potential, distances: FloatArray, results: list[Result]) -> float | None:
    """Halve the interval where the pair stops to be ionic, to 1e-4 Å."""
    ionic = [_is_ionic(result) for result in results]
    last = max((k for k, found in enumerate(ionic) if found), default=len(ionic) - 1)
    if last == len(ionic) - 1:
        return None
    low, high = distances[last], distances[last + 1]
    while high - low > 1e-4:
        middle = 0.5 * (low + high)
        if _is_ionic(evaluate(_pair(middle), potential)):
            low = middle
        else:
            high = middle
    return float(0.5 * (low + high))
