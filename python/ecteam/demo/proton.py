"""A proton handed from one water molecule to another in H5O2+."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from ecteam.calculator import ECTEAM
from ecteam.demo.structures import shipped
from ecteam.evaluate import Result
from ecteam.potential import Potential
from ecteam.progress import progress
from ecteam.report import result_data
from ecteam.structure import FloatArray

LEFT, RIGHT, PROTON = 0, 1, 2
SHORTEST_BOND = 0.92


@dataclass(frozen=True, eq=False)
class ProtonPath:
    """The proton on the straight line between the oxygens, all other atoms fixed.

    Attributes
    ----------
    coordinate : (n,) float64
        Distance to the left oxygen minus distance to the right one, Å.
    frames : list of Atoms
        The n structures.
    results : list of Result
        Their results.
    """

    coordinate: FloatArray
    frames: list[Atoms]
    results: list[Result]

    @property
    def energies(self) -> FloatArray:
        """Free energies above the lowest point of the path, eV."""
        energies = np.array([result.free_energy for result in self.results])
        return np.asarray(energies - energies.min())

    @property
    def barrier(self) -> float:
        """Free energy of the shared proton above the lowest point of the path, eV."""
        return float(self.energies[len(self.results) // 2])

    @property
    def separation(self) -> float:
        """Distance between the oxygens, Å."""
        return float(self.frames[0].get_distance(LEFT, RIGHT))

    def weights(self, atom: int) -> dict[str, FloatArray]:
        """Weights of the states of an atom along the path."""
        return weight_curves(self.results, atom)

    def data(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "coordinate": self.coordinate.tolist(),
            "oxygen_separation": self.separation,
            "barrier": self.barrier,
            "points": [result_data(result) for result in self.results],
        }


def proton_path(potential: Potential, points: int) -> ProtonPath:
    """Move the proton of H5O2+ from the left oxygen to the right one; `points` is odd."""
    atoms = shipped("h5o2-plus")
    atoms.calc = ECTEAM(potential)
    left, right = atoms.positions[LEFT].copy(), atoms.positions[RIGHT].copy()
    separation = float(np.linalg.norm(right - left))
    bonds = np.linspace(SHORTEST_BOND, separation - SHORTEST_BOND, points)
    frames, results = [], []
    for bond in progress(bonds, "proton path", points):
        atoms.positions[PROTON] = left + (right - left) * bond / separation
        atoms.get_potential_energy()
        frames.append(atoms.copy())
        results.append(atoms.calc.result)
    return ProtonPath(2 * bonds - separation, frames, results)


def weight_curves(results: list[Result], atom: int) -> dict[str, FloatArray]:
    """Weights of the states of an atom along a series of results, by name of the state."""
    names = results[0].state_names[atom]
    return {
        name: np.array([result.weights[atom, k] for result in results])
        for k, name in enumerate(names)
    }
