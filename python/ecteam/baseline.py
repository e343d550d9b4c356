"""What potentials from the library alone, fitted to nothing, predict for small molecules.

It is what every fit has to beat. ``benches/studies/unfitted.py`` puts the numbers beside reference
calculations into ``data/unfitted.json``; ``ecteam show library`` prints them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import minimize

from ecteam.evaluate import Result, evaluate
from ecteam.potential import Potential

__all__ = ["MOLECULES", "Molecule", "predict", "read_baseline"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Molecule:
    """A diatomic molecule AB, or AB₂ with two equal bonds.

    Attributes
    ----------
    symbols : tuple of str
        A, then B.
    start : tuple of float
        Rough bond length in Å and, for AB₂, angle in degrees: where reference calculations begin.
    spin : int
        Unpaired electrons, 2S.
    """

    symbols: tuple[str, ...]
    start: tuple[float, ...]
    spin: int = 0

    def atoms(self, coordinates: Array) -> Atoms:
        """Structure from bond length (Å) and angle (degrees)."""
        length, *angle = (float(x) for x in coordinates)
        ends = [(0.0, 0.0, length)]
        if angle:
            turn = np.radians(angle[0])
            ends.append((length * np.sin(turn), 0.0, length * np.cos(turn)))
        return Atoms(self.symbols, [(0.0, 0.0, 0.0), *ends])

    @property
    def search(self) -> list[Array]:
        """Bond lengths, and angles, from which the deepest minimum is looked for."""
        lengths = np.arange(0.6, 6.01, 0.1)
        return [lengths, np.arange(20.0, 181.0, 10.0)][: len(self.start)]


MOLECULES = {
    "HF": Molecule(("H", "F"), (0.92,)),
    "LiF": Molecule(("Li", "F"), (1.57,)),
    "NaCl": Molecule(("Na", "Cl"), (2.38,)),
    "H2O": Molecule(("O", "H", "H"), (0.96, 104.0)),
    "O2": Molecule(("O", "O"), (1.21,), 2),
    "N2": Molecule(("N", "N"), (1.10,)),
}
"""Molecules of the table."""


def predict(name: str) -> dict[str, Any]:
    """Minimum of a molecule with the potential `Potential.from_library` makes of its elements.

    Parameters
    ----------
    name : str
        A key of `MOLECULES`.

    Returns
    -------
    dict
        ``length`` (Å), ``angle`` (degrees, None for two atoms), ``depth`` (energy of the separated
        neutral atoms above the minimum, eV), ``dipole`` (absolute, e·Å), ``charges`` (e).
    """
    molecule = MOLECULES[name]
    potential = Potential.from_library(sorted(set(molecule.symbols)))

    def result(coordinates: Array) -> Result:
        return evaluate(molecule.atoms(coordinates), potential)

    found = _minimum(lambda x: result(x).free_energy, molecule.search)
    last = result(found)
    return {
        "length": float(found[0]),
        "angle": float(found[1]) if len(found) > 1 else None,
        "depth": -last.energy,
        "dipole": float(np.linalg.norm(last.dipole)),
        "charges": last.charges.tolist(),
    }


def _minimum(energy: Callable[[Array], float], search: list[Array]) -> Array:
    """Deepest point of a grid, refined; the edges of the grid are walls."""
    start = min((np.array(point) for point in itertools.product(*search)), key=energy)
    steps = np.array([axis[1] - axis[0] for axis in search])
    simplex = [start, *(start - np.eye(len(start))[k] * steps[k] / 2 for k in range(len(start)))]
    bounds = [(axis[0], axis[-1]) for axis in search]
    options = {"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-9}
    found = minimize(energy, start, method="Nelder-Mead", bounds=bounds, options=options)
    return np.asarray(found.x)


def read_baseline() -> dict[str, Any]:
    """Table that ships with the package, as ``benches/studies/unfitted.py`` wrote it."""
    text = (files("ecteam") / "data" / "unfitted.json").read_text(encoding="utf-8")
    fields: dict[str, Any] = json.loads(text)
    return fields
