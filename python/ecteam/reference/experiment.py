"""Observed energies and recommended polarisabilities of atoms, through ``mendeleev``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from ecteam.reference.configurations import ELEMENTS
from ecteam.reference.units import BOHR

__all__ = ["Observed", "observed"]


@dataclass(frozen=True)
class Observed:
    """What is known of an element from measurements.

    Attributes
    ----------
    symbol : str
        Element.
    first, second, third : float or None
        Ionisation energies of the atom, of its cation and of its dication, eV.
    affinity : float or None
        Electron affinity in eV; None where the anion is unbound.
    excitation : float
        Of the library's excited state, eV.
    polarisability : float
        Of the ground state, Å³.
    """

    symbol: str
    first: float
    second: float | None
    third: float | None
    affinity: float | None
    excitation: float
    polarisability: float

    def source(self, quantity: str) -> str:
        """Where a quantity (the name of an attribute) comes from."""
        if quantity == "excitation":
            return _EXCITATIONS.get(self.symbol, _SPECTRA)
        return _SOURCES[quantity].format(version=version("mendeleev"))


_SOURCES = {
    "first": "observed ionisation energy, lowest levels (NIST, mendeleev {version})",
    "second": "observed ionisation energy of the cation (NIST, mendeleev {version})",
    "third": "observed ionisation energy of the dication (NIST, mendeleev {version})",
    "affinity": "observed electron affinity (mendeleev {version})",
    "polarisability": "recommended value of P. Schwerdtfeger and J. K. Nagle, Mol. Phys. 117, "
    "1200 (2019) (mendeleev {version})",
}

_SPECTRA = (
    "observed lowest level of the term (NIST Atomic Spectra Database, levels of 2013-2017 as "
    "distributed with the code Cloudy; H, He and Kr as quoted by other codes)"
)
_UNCHECKED = (
    "observed lowest level of the term, entered by hand to 0.01 eV, not checked against the NIST "
    "Atomic Spectra Database"
)
_EXCITATIONS = {
    "B": "never observed: calculated 28959 cm⁻¹ from ²P3/2 to ⁴P5/2 (arXiv:1310.2394), moved to "
    "the lowest levels by observed and extrapolated splittings (15 and 11 cm⁻¹); the extrapolated "
    "3.552 eV of the NIST Atomic Spectra Database are held to be more than 300 cm⁻¹ too low (also "
    "arXiv:2009.08723)",
    **dict.fromkeys(("Ga", "Ge", "As", "Se", "Br"), _UNCHECKED),
}


def observed(symbol: str) -> Observed:
    """Look an element up.

    Parameters
    ----------
    symbol : str
        Chemical symbol, H to Kr.
    """
    # Slow to import, and needed only to build the library.
    from mendeleev import element

    entry, row = element(symbol), ELEMENTS[symbol]
    energies = {number: float(energy) for number, energy in entry.ionenergies.items()}
    affinity = entry.electron_affinity
    return Observed(
        symbol=symbol,
        first=energies[1],
        second=energies.get(2),
        third=energies.get(3),
        affinity=None if row.unbound or affinity is None else float(affinity),
        excitation=row.observed,
        polarisability=float(entry.dipole_polarizability) * BOHR**3,
    )
