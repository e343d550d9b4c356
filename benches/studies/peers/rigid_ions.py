"""Point charges with Born-Mayer pairs, in molecules and rock salt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import ecteam
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ecteam.library import read_library
from ecteam.reference.salts import COULOMB

MADELUNG = 1.7475645946
"""Of rock salt, for the nearest distance."""
RANGE = 15.0
"""Å, of repulsion and dispersion."""
Pairs = Callable[[tuple[str, str], Any], Any]
"""Elements of two ions and their distances (Å) to repulsion and dispersion (eV)."""
STATES = {2: "dication", 1: "cation", -1: "anion", -2: "dianion"}


class RigidIons(Calculator):  # type: ignore[misc]
    """Energy above separated neutral atoms, through the observed energies of the ions.

    Parameters
    ----------
    charges : dict of str to int
        Charge of each element, e.
    pairs : callable
        Repulsion and dispersion of two ions.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "charges", "dipole"]

    def __init__(self, charges: dict[str, int], pairs: Pairs) -> None:
        super().__init__()
        self.ions, self.pairs = charges, pairs

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Atoms on their own are neutral, all others are ions at any distance."""
        super().calculate(atoms, list(properties), list(system_changes))
        structure: Atoms = self.atoms
        if len(structure) == 1:
            self.results = {"energy": 0.0}
            return
        symbols = list(structure.symbols)
        charges = np.array([float(self.ions[symbol]) for symbol in symbols])
        ionic = sum(_state_energy(symbol, self.ions[symbol]) for symbol in symbols)
        energy = ionic + _coulomb(structure, charges) + self._short(structure)
        dipole = charges @ structure.positions
        self.results = {"energy": energy, "charges": charges, "dipole": dipole}

    def _short(self, atoms: Atoms) -> float:
        i, j, distances = ecteam.neighbor_list("ijd", atoms, RANGE)
        symbols, total = np.array(atoms.symbols), 0.0
        for first in self.ions:
            for second in self.ions:
                chosen = (symbols[i] == first) & (symbols[j] == second)
                total += 0.5 * float(np.sum(self.pairs((first, second), distances[chosen])))
        return total


def _state_energy(symbol: str, charge: int) -> float:
    return float(read_library()[symbol][STATES[charge]].energy)


def _coulomb(atoms: Atoms, charges: Any) -> float:
    """Sum over pairs, or the Madelung energy of rock salt."""
    if atoms.pbc.any():
        nearest = ecteam.neighbor_list("d", atoms, 5.0).min()
        return float(-0.5 * len(atoms) * MADELUNG * charges[0] ** 2 * COULOMB / nearest)
    i, j = np.triu_indices(len(atoms), 1)
    return float(COULOMB * np.sum(charges[i] * charges[j] / atoms.get_all_distances()[i, j]))
