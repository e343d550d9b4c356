"""The potential `oxides` beside the ions of Lewis and Catlow and GFN2-xTB.

Born-Mayer potentials with whole charges: G. V. Lewis and C. R. A. Catlow, J. Phys. C 18, 1149
(1985): Mg–O A = 821.6 eV, ρ = 0.3242 Å; O–O A = 22764.3 eV, ρ = 0.149 Å, C = 27.88 eV·Å⁶ (the
shells of oxygen are left out). Its zero of energy is that of ions; the observed ionisation energies
of magnesium and the second electron affinity of oxygen in `ecteam.states` bring it to atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import ecteam
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.units import Bohr, Hartree
from ecteam.library import read_library
from scipy.optimize import minimize_scalar

from .crystals import Crystal
from .methods import Method, ensemble, fitted, tight_binding
from .tables import Observable, markdown

ROCK_SALT = Crystal("MgO", "rocksalt", 4.21)
LARGE = Crystal("MgO", "rocksalt", 4.21, repeat=3)
"""54 atoms for GFN2-xTB, which samples no Bloch states."""
BORN_MAYER = {1: (821.6, 0.3242, 0.0), 2: (22764.3, 0.149, 27.88)}
"""A (eV), ρ (Å) and C (eV·Å⁶) by the number of oxygens in a pair."""
COULOMB = Hartree * Bohr
"""EV·Å."""
MADELUNG = 1.7475645946
"""Of rock salt, for the nearest distance."""
BONDS = 1.4, 2.2
"""Å, between which the molecule is looked for."""
PRECISION = {"xatol": 1e-4}
RANGE = 10.0
"""Å, of the repulsion and dispersion."""


class RigidIons(Calculator):  # type: ignore[misc]
    """Charges of ±2 e by the Ewald sums of this package, and Born-Mayer pairs."""

    implemented_properties: ClassVar[list[str]] = ["energy"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Energy above separated neutral atoms."""
        super().calculate(atoms, list(properties), list(system_changes))
        library = read_library()
        states = {"Mg": library["Mg"]["dication"], "O": library["O"]["dianion"]}
        self.results = {"energy": 0.0}
        if len(self.atoms) == 1:
            return
        energy = sum(states[symbol].energy for symbol in self.atoms.symbols)
        self.results["energy"] = energy + _coulomb(self.atoms) + _short(self.atoms)


def _coulomb(atoms: Atoms) -> float:
    """Ions of ±2 e: a sum of pairs, or the Madelung energy of rock salt."""
    if atoms.pbc.any():
        nearest = ecteam.neighbor_list("d", atoms, 4.0).min()
        return float(-0.5 * len(atoms) * MADELUNG * 4.0 * COULOMB / nearest)
    charges = np.where(atoms.numbers == 8, -2.0, 2.0)
    i, j = np.triu_indices(len(atoms), 1)
    return float(COULOMB * np.sum(charges[i] * charges[j] / atoms.get_all_distances()[i, j]))


def _short(atoms: Atoms) -> float:
    """Born-Mayer repulsion and dispersion."""
    i, j, distances = ecteam.neighbor_list("ijd", atoms, RANGE)
    oxygens = (atoms.numbers[i] == 8).astype(int) + (atoms.numbers[j] == 8)
    total = 0.0
    for count, (amplitude, length, sixth) in BORN_MAYER.items():
        r = distances[oxygens == count]
        total += 0.5 * float(np.sum(amplitude * np.exp(-r / length) - sixth / r**6))
    return total


def bond(method: Method) -> float:
    """Å."""
    found = minimize_scalar(
        lambda r: _molecule(method, r), bounds=BONDS, method="bounded", options=PRECISION
    )
    if min(abs(found.x - end) for end in BONDS) < 0.01:
        raise ValueError("no minimum")
    return float(found.x)


def _molecule(method: Method, distance: float) -> float:
    return method.energy(Atoms("MgO", positions=[[0, 0, 0], [0, 0, distance]]))


def observables() -> list[Observable]:
    """Rows; experiment throughout."""
    rows = [
        Observable("MgO bond, Å", 1.749, 0.03, bond),
        Observable("MgO dissociation, eV", 2.56, 0.3, lambda m: -_molecule(m, bond(m))),
    ]
    for name, value, target, compute, digits in (
        ("lattice constant, Å", 4.188, 0.042, "lattice_constant", 3),
        ("cohesive energy, eV/atom", 5.203, 0.21, "cohesive_energy", 3),
        ("bulk modulus, GPa", 169.8, 17.0, "bulk_modulus", 1),
    ):
        rows.append(Observable(f"rock salt {name}", value, target, _of_crystal(compute), digits))
    return rows


def _of_crystal(name: str) -> Callable[[Method], float]:
    return lambda method: float(getattr(ROCK_SALT if method.periodic else LARGE, name)(method))


def methods(others: Sequence[str]) -> dict[str, Method]:
    """Every method by name."""
    found = fitted("oxides", others)
    states = ("ground", "cation", "anion")
    bare = ecteam.Potential.from_library(["Mg", "O"], states=states, embedding=None)
    found["not fitted"] = ensemble(bare)
    found["Lewis–Catlow"] = Method(lambda charge, spin: RigidIons())
    return found | tight_binding()


def table(others: Sequence[str] = ()) -> str:
    """Markdown."""
    return markdown("oxides, beside experiment", observables(), methods(others))
