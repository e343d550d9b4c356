"""Rigid ions of the alkali halides.

F. G. Fumi and M. P. Tosi, J. Phys. Chem. Solids 25, 31 and 45 (1964); dispersion of J. E. Mayer, J.
Chem. Phys. 1, 270 (1933). Every crystal has parameters of its own, fitted to itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ecteam.fit.shipped import METALS

from .methods import Method
from .rigid_ions import RigidIons
from .tables import Absent


@dataclass(frozen=True)
class BornMayer:
    """Parameters of a salt.

    Attributes
    ----------
    range : float
        ρ of the repulsion, Å.
    sixth, eighth : (float, float, float)
        Dispersion of cation-cation, cation-anion, anion-anion; 1e-79 J·m⁶ and 1e-99 J·m⁸.
    """

    range: float
    sixth: tuple[float, float, float]
    eighth: tuple[float, float, float]


FUMI_TOSI = {
    "LiF": BornMayer(0.299, (0.073, 0.8, 14.5), (0.03, 0.6, 17.0)),
    "LiCl": BornMayer(0.342, (0.073, 2.0, 111.0), (0.03, 2.4, 223.0)),
    "NaF": BornMayer(0.330, (1.68, 4.5, 16.5), (0.8, 3.8, 20.0)),
    "NaCl": BornMayer(0.317, (1.68, 11.2, 116.0), (0.8, 13.9, 233.0)),
    "KF": BornMayer(0.338, (24.3, 19.5, 18.6), (24.0, 21.0, 22.0)),
    "KCl": BornMayer(0.337, (24.3, 48.0, 124.5), (24.0, 73.0, 250.0)),
}
RADII = {"Li": 0.816, "Na": 1.170, "K": 1.463, "F": 1.179, "Cl": 1.585}
"""Å."""
OUTER = {"Li": 2, "Na": 8, "K": 8, "F": 8, "Cl": 8}
"""Electrons of the outer shell, for Pauling's factors."""
STRENGTH = 0.338e-19 / 1.602176634e-19
"""b, eV."""
DISPERSION = 1e-79 / 1.602176634e-19 * 1e60
"""From 1e-79 J·m⁶ to eV·Å⁶; the same number from 1e-99 J·m⁸ to eV·Å⁸."""


def charge(symbol: str) -> int:
    """E."""
    return 1 if symbol in METALS else -1


def short(salt: str, pair: tuple[str, str], distance: Any) -> Any:
    """Repulsion and dispersion of two ions, eV."""
    own = FUMI_TOSI[salt]
    kind = sum(charge(symbol) < 0 for symbol in pair)
    factor = 1.0 + sum(charge(symbol) / OUTER[symbol] for symbol in pair)
    contact = sum(RADII[symbol] for symbol in pair)
    repulsion = factor * STRENGTH * np.exp((contact - distance) / own.range)
    sixth, eighth = own.sixth[kind] * DISPERSION, own.eighth[kind] * DISPERSION
    return repulsion - sixth / distance**6 - eighth / distance**8


def rigid_ions() -> dict[str, Method]:
    """Ions of ±1 e."""

    def make(atoms: Atoms, total: float, spin: int) -> Any:
        elements = sorted(set(atoms.symbols), key=charge, reverse=True)
        salt = "".join(elements)
        if salt not in FUMI_TOSI and (len(atoms) > 1 or atoms.pbc.any()):
            raise Absent("only salts")
        charges = {symbol: charge(symbol) for symbol in elements}
        return RigidIons(charges, lambda pair, distance: short(salt, pair, distance))

    about = (
        "rigid ions of ±1 e, F. G. Fumi and M. P. Tosi, J. Phys. Chem. Solids 25, 31 and 45 "
        "(1964), each salt fitted on its own"
    )
    return {"Fumi–Tosi": Method(make, about, charged=False)}
