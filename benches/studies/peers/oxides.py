"""The potential `oxides` beside experiment, the ions of Lewis and Catlow and GFN2-xTB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ecteam.peers import PeerTable
from ecteam.reference.crystals import CRYSTALS

from .crystals import Crystal, crystal_rows
from .diatomics import Diatomic
from .methods import Method, fitted, tight_binding, unfitted
from .rigid_ions import RigidIons
from .sources import HUBER_HERZBERG, SCHIMKA
from .tables import Observable, peer_table

BORN_MAYER = {1: (821.6, 0.3242, 0.0), 2: (22764.3, 0.149, 27.88)}
"""A (eV), ρ (Å) and C (eV·Å⁶) by the number of oxygens in a pair."""
DISSOCIATION = 2.73
"""eV: 21645 ± 50 cm⁻¹ (2.684 eV) and half of 785 cm⁻¹."""
ENERGY = (
    "D0 of F. Li et al., Imaging photodissociation dynamics of MgO at 193 nm, and the zero-point "
    "energy; 3.53 eV of Huber and Herzberg is obsolete"
)
UNFITTED = (
    "fitted to nothing; the library has no dimer curves of magnesium to make embedding functions "
    "of, and without them atoms fall into each other"
)
ABSENT = (
    "a charge-equilibration model of MgO: none is among the files of LAMMPS (COMB3, SMTBQ and "
    "ReaxFF have no magnesium) or ASE",
)


def lewis_catlow(pair: tuple[str, str], distance: Any) -> Any:
    """Repulsion and dispersion of two ions, eV."""
    count = pair.count("O")
    if not count:
        return np.zeros_like(distance)
    amplitude, length, sixth = BORN_MAYER[count]
    return amplitude * np.exp(-distance / length) - sixth / distance**6


def rigid_ions() -> dict[str, Method]:
    """Ions of ±2 e."""

    def make(atoms: Atoms, charge: float, spin: int) -> Any:
        return RigidIons({"Mg": 2, "O": -2}, lewis_catlow)

    about = (
        "rigid ions of ±2 e, G. V. Lewis and C. R. A. Catlow, J. Phys. C 18, 1149 (1985), without "
        "the shells of oxygen"
    )
    return {"Lewis–Catlow": Method(make, about, charged=False)}


def observables() -> list[Observable]:
    """Rows; experiment throughout."""
    molecule, crystal = Diatomic("MgO", 1.749), Crystal("MgO", "rocksalt", 4.21)
    constant, cohesion, modulus = CRYSTALS["MgO"]
    known = {
        "lattice constant": (constant, 0.01, SCHIMKA),
        "cohesive energy": (cohesion, 0.04, SCHIMKA),
        "bulk modulus": (modulus, 0.1, SCHIMKA),
    }
    energy = molecule.dissociation
    return [
        Observable("MgO bond", "Å", 1.749, HUBER_HERZBERG, 0.03, molecule.bond),
        Observable("MgO dissociation", "eV", DISSOCIATION, ENERGY, 0.3, energy, 2),
        *crystal_rows("rock salt", crystal, known),
    ]


def methods(others: Sequence[str]) -> dict[str, Method]:
    """Every method by name."""
    states = ("ground", "cation", "anion")
    found = fitted("oxides", others) | unfitted(UNFITTED, states=states, embedding=None)
    return found | tight_binding() | rigid_ions()


def table(others: Sequence[str] = ()) -> PeerTable:
    """Compute everything."""
    title = "oxides beside experiment"
    return peer_table("oxides", title, observables(), methods(others), ABSENT)
