"""Bond length, dissociation energy, dipole and end of the charge transfer of a molecule MX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from scipy.optimize import minimize_scalar

from .methods import Method

WIDTH = 0.25
"""The minimum is looked for within this share of the given length."""


@dataclass
class Diatomic:
    """Molecule whose bond of each method is computed once.

    Attributes
    ----------
    formula : str
        Two elements, the metal first.
    around : float
        Å, where the minimum is looked for.
    """

    formula: str
    around: float
    _known: dict[int, float] = field(default_factory=dict)

    def at(self, distance: float) -> Atoms:
        """Molecule at a distance (Å)."""
        return Atoms(self.formula, positions=[[0, 0, distance], [0, 0, 0]])

    def bond(self, method: Method) -> float:
        """Å."""
        if id(method) not in self._known:
            self._known[id(method)] = lowest(lambda r: method.energy(self.at(r)), self.around)
        return self._known[id(method)]

    def dissociation(self, method: Method) -> float:
        """Energy of the neutral atoms above the minimum, eV."""
        return -method.energy(self.at(self.bond(method)))

    def dipole(self, method: Method) -> float:
        """D, at the minimum."""
        return method.dipole(self.at(self.bond(method)))

    def crossing(self, method: Method, scale: float) -> float:
        """First distance, in steps of 2 % of a scale, with less than half an electron moved."""
        for distance in scale * np.arange(0.5, 1.5, 0.02):
            if abs(method.charges(self.at(distance))[0]) < 0.5:
                return float(distance)
        raise ValueError("the atoms stay charged")


def lowest(function: Callable[[float], float], around: float) -> float:
    """Place of the minimum; an error where that is an end of the range."""
    bounds = (1.0 - WIDTH) * around, (1.0 + WIDTH) * around
    options = {"xatol": 1e-4}
    found = minimize_scalar(function, bounds=bounds, method="bounded", options=options)
    if min(abs(found.x - end) for end in bounds) < 0.01:
        raise ValueError(f"no minimum within {100 * WIDTH:.0f} %")
    return float(found.x)
