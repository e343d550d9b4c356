"""What is known of the molecules and crystals of six alkali halides, to judge a potential by."""

from __future__ import annotations

from dataclasses import dataclass

from ase.symbols import string2symbols
from ase.units import _c, _e

from ecteam.library import read_library
from ecteam.reference.crystals import CRYSTALS
from ecteam.reference.halides import PAIRS

__all__ = ["SALTS", "Salt", "coulomb_crossing", "separation"]

COULOMB = _e * _c**2 * 1e-7 * 1e10
"""eV·Å/e²."""
MOLECULES = {
    "LiF": (6.03, 6.33),
    "LiCl": (4.95, 7.13),
    "NaF": (4.96, 8.16),
    "NaCl": (4.25, 9.00),
    "KF": (5.13, 8.59),
    "KCl": (4.40, 10.27),
}
"""Dissociation energy without zero-point motion (eV), from heats of formation of molecule and atoms
(NIST-JANAF and CODATA tables) taken to 0 K; dipole in the lowest vibrational state (D), from
molecular-beam resonance as tabulated in the CRC Handbook. NIST's CCCBDB lists 6.28, 7.13, 8.16,
9.00, 8.56 and 10.24 D, some of them at the minimum; K. P. Huber and G. Herzberg (1979) have
D0 = 5.91 eV of LiF and 4.23 eV of NaCl, and for NaF 5.33 eV, which the heats of formation do not
support. Energies of the dissociation curves in :mod:`ecteam.reference.ion_pairs` are lower by up
to 2 %."""


@dataclass(frozen=True)
class Salt:
    """Experimental properties of a metal halide.

    Attributes
    ----------
    name : str
        Metal and halogen.
    bond : float
        Length in the molecule, Å.
    dissociation : float
        Of the molecule into neutral atoms, without zero-point motion, eV.
    dipole : float
        Of the molecule, D.
    lattice_constant : float
        Of rock salt, without zero-point motion, Å.
    cohesion : float
        Energy of neutral atoms above the crystal, likewise, eV per atom.
    """

    name: str
    bond: float
    dissociation: float
    dipole: float
    lattice_constant: float
    cohesion: float


SALTS = tuple(Salt(n, PAIRS[n], *MOLECULES[n], *CRYSTALS[n][:2]) for n in MOLECULES)


def separation(formula: str) -> float:
    """Energy of the separated ions above the separated atoms, eV, observed."""
    metal, halogen = string2symbols(formula)
    library = read_library()
    return float(library[metal]["cation"].energy + library[halogen]["anion"].energy)


def coulomb_crossing(formula: str) -> float:
    """Distance in Å at which two point charges have the energy of the neutral atoms.

    The charge of a metal halide jumps there as it is pulled apart; polarisation moves it by less
    than 1 %.
    """
    return COULOMB / separation(formula)
