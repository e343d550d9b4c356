"""Lattice constant, cohesive energy and bulk modulus from energies of cells, for any calculator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase.build import bulk
from ase.units import GPa

from .methods import Method
from .tables import Observable

STEP = 0.01
"""Of the lattice constant, relative."""
STRIDES = (4, 2, 1)
"""Of the walk towards the minimum, in steps."""
FARTHEST = 24
"""Steps from the beginning."""


@dataclass
class Crystal:
    """Cubic crystal with an equation of state for each method, computed once.

    Five energies around the lowest one, of a polynomial of fourth order.

    Attributes
    ----------
    formula, structure : str
        As :func:`ase.build.bulk` reads them.
    constant : float
        Å, where the search for the minimum begins.
    repeat : int
        Primitive cells along each edge for programs without Bloch states, which must then do for
        those.
    """

    formula: str
    structure: str
    constant: float
    repeat: int = 3

    def __post_init__(self) -> None:
        """Start without results."""
        self._known: dict[int, tuple[float, float, float] | Exception] = {}

    def lattice_constant(self, method: Method) -> float:
        """Å."""
        return self._state(method)[0]

    def cohesive_energy(self, method: Method) -> float:
        """EV per atom."""
        return self._state(method)[1]

    def bulk_modulus(self, method: Method) -> float:
        """GPa."""
        return self._state(method)[2]

    def energy(self, method: Method, constant: float) -> float:
        """EV per atom at a lattice constant."""
        repeat = 1 if method.periodic else self.repeat
        cell = bulk(self.formula, self.structure, a=constant) * ((repeat,) * 3)
        return method.energy(cell) / len(cell)

    def _state(self, method: Method) -> tuple[float, float, float]:
        """Compute the state of a method once; what failed fails again at once."""
        if id(method) not in self._known:
            try:
                self._known[id(method)] = self._minimum(method)
            except Exception as error:  # any program may fail at any geometry
                self._known[id(method)] = error
        found = self._known[id(method)]
        if isinstance(found, Exception):
            raise found
        return found

    def _minimum(self, method: Method) -> tuple[float, float, float]:
        """Lattice constant, cohesive energy and bulk modulus."""
        grid: dict[int, float] = {}

        def at(k: int) -> float:
            if k not in grid:
                grid[k] = self.energy(method, self.constant * (1.0 + STEP * k))
            return grid[k]

        around = _around(at)
        scales = np.array([1.0 + STEP * k for k in around])
        curve = np.polynomial.Polynomial.fit(scales, [at(k) for k in around], 4)
        roots = curve.deriv().roots()
        real = roots[np.abs(roots.imag) < 1e-9].real
        best = float(real[np.argmin(np.abs(real - scales[2]))])
        cell = bulk(self.formula, self.structure, a=self.constant * best)
        per_atom = cell.get_volume() / len(cell)
        modulus = float(curve.deriv(2)(best)) * best**2 / (9.0 * per_atom) / GPa
        return self.constant * best, -float(curve(best)), modulus


QUANTITIES = {
    "lattice constant": ("Å", 3, Crystal.lattice_constant),
    "cohesive energy": ("eV/atom", 3, Crystal.cohesive_energy),
    "bulk modulus": ("GPa", 1, Crystal.bulk_modulus),
}
"""Unit, digits and what computes it."""


def crystal_rows(
    name: str, crystal: Crystal, known: Mapping[str, tuple[float, float, str]]
) -> list[Observable]:
    """Rows of a crystal.

    Parameters
    ----------
    name : str
        Of the crystal.
    crystal : Crystal
        What computes them.
    known : dict of str to (float, float, str)
        Some of :data:`QUANTITIES`: reference, relative target, source.
    """
    rows = []
    for quantity, (reference, share, source) in known.items():
        unit, digits, compute = QUANTITIES[quantity]
        computed, words = partial(compute, crystal), f"{name} {quantity}"
        target = share * reference
        rows.append(Observable(words, unit, reference, source, target, computed, digits))
    return rows


def _around(energy: Callable[[int], float]) -> list[int]:
    """Walk downhill with shrinking strides; the lowest place and two neighbours on each side."""
    middle = 0
    for stride in STRIDES:
        while True:
            best = min((middle - stride, middle, middle + stride), key=energy)
            if best == middle:
                break
            if abs(best) > FARTHEST:
                raise ValueError(f"no minimum within {100 * FARTHEST * STEP:.0f} %")
            middle = best
    return list(range(middle - 2, middle + 3))
