"""Lattice constant, cohesive energy and bulk modulus from energies of cells, for any calculator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.build import bulk
from ase.units import GPa

from .methods import Method

STEP = 0.01
"""Of the lattice constant, relative."""
STEPS = 8
"""Most moves towards the minimum."""


@dataclass
class Crystal:
    """Cubic crystal with an equation of state for each method, computed once.

    Attributes
    ----------
    formula, structure : str
        As :func:`ase.build.bulk` reads them.
    constant : float
        Å, where the search for the minimum begins.
    repeat : int
        Primitive cells along each edge, for programs without Bloch states.
    """

    formula: str
    structure: str
    constant: float
    repeat: int = 1

    def __post_init__(self) -> None:
        """Start without results."""
        self._known: dict[int, tuple[float, float, float]] = {}

    def lattice_constant(self, method: Method) -> float:
        """Å."""
        return self._state(method)[0]

    def cohesive_energy(self, method: Method) -> float:
        """EV per atom."""
        return self._state(method)[1]

    def bulk_modulus(self, method: Method) -> float:
        """GPa."""
        return self._state(method)[2]

    def _energy(self, method: Method, constant: float) -> float:
        cell = bulk(self.formula, self.structure, a=constant) * ((self.repeat,) * 3)
        return method.energy(cell) / len(cell)

    def _state(self, method: Method) -> tuple[float, float, float]:
        """Polynomial of fourth order through five energies around the lowest."""
        if id(method) not in self._known:
            grid: dict[int, float] = {}

            def at(k: int) -> float:
                if k not in grid:
                    grid[k] = self._energy(method, self.constant * (1.0 + STEP * k))
                return grid[k]

            middle = 0
            for _ in range(STEPS):
                middle = min((middle - 1, middle, middle + 1), key=at)
            if at(middle) > min(at(middle - 1), at(middle + 1)):
                raise ValueError("no minimum near the given lattice constant")
            around = range(middle - 2, middle + 3)
            scales = np.array([1.0 + STEP * k for k in around])
            curve = np.polynomial.Polynomial.fit(scales, [at(k) for k in around], 4)
            roots = curve.deriv().roots()
            real = roots[np.abs(roots.imag) < 1e-9].real
            best = float(real[np.argmin(np.abs(real - scales[2]))])
            volume = bulk(self.formula, self.structure, a=self.constant * best)
            per_atom = volume.get_volume() / len(volume)
            modulus = float(curve.deriv(2)(best)) * best**2 / (9.0 * per_atom) / GPa
            self._known[id(method)] = self.constant * best, -float(curve(best)), modulus
        return self._known[id(method)]
