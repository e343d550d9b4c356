"""What is computed, and how: structures with their electronic state, and levels of theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, ground_state_magnetic_moments

from ecteam._core import InvalidInputError

__all__ = ["GROUND_SPIN", "Level", "Structure", "structure_of"]

GROUND_SPIN = {
    symbol: round(float(moment))
    for symbol, moment in zip(chemical_symbols, ground_state_magnetic_moments, strict=False)
    if symbol != "X" and moment == moment  # not known beyond nobelium
}
"""Unpaired electrons (2S) of the neutral ground state of each element."""

WAVEFUNCTIONS = ("HF", "CCSD(T)")
"""Methods that are no density functionals."""


@dataclass(frozen=True)
class Level:
    """Level of theory.

    Attributes
    ----------
    basis : str
        Basis set, as PySCF names it.
    functional : str
        Exchange-correlation functional, ``HF``, or ``CCSD(T)``: its energy is that of CCSD(T), its
        density that of CCSD without orbital relaxation, and it has no forces.
    grid : int
        PySCF grid level, 0 to 9.
    density_fit : bool
        Fit the density in the Coulomb and exchange terms.
    grid_response : bool
        Include the response of the integration grid in the forces: exact derivatives of the
        computed energy, at about twice the price.
    potential : str
        Effective core potential of all atoms, as PySCF names it; empty for all electrons.
    """

    basis: str
    functional: str = "PBE0"
    grid: int = 3
    density_fit: bool = True
    grid_response: bool = False
    potential: str = ""

    @classmethod
    def parse(cls, label: str, **options: Any) -> Level:
        """Make a level from ``functional/basis``, such as ``PBE0/def2-TZVP``.

        Parameters
        ----------
        label : str
            Method and basis set.
        **options
            Other attributes. CCSD(T) does not fit densities unless told to.

        Raises
        ------
        InvalidInputError
            If it has another form, or an option is out of its range.
        """
        functional, slash, basis = (part.strip() for part in label.partition("/"))
        if not (functional and slash and basis):
            raise InvalidInputError(f"level: must be functional/basis, got {label!r}")
        if functional.upper() in WAVEFUNCTIONS:
            functional = functional.upper()
        options.setdefault("density_fit", functional != "CCSD(T)")
        level = cls(basis, functional, **options)
        if level.grid not in range(10):
            raise InvalidInputError(f"grid: must be 0 to 9, got {level.grid!r}")
        return level

    @property
    def label(self) -> str:
        """Name such as ``PBE0/aug-cc-pVDZ``."""
        return f"{self.functional}/{self.basis}"

    @property
    def is_kohn_sham(self) -> bool:
        """Whether the method is a density functional."""
        return self.functional not in WAVEFUNCTIONS

    @property
    def free_atoms(self) -> str:
        """Method of the free atoms of the Hirshfeld charges."""
        return self.functional if self.is_kohn_sham and not self.potential else "HF"


@dataclass(frozen=True)
class Structure:
    """Geometry and electronic state of one calculation.

    Attributes
    ----------
    symbols : tuple of str
        Chemical symbols, length n.
    positions : tuple of tuple of float
        Positions in Å, n by 3.
    charge : int
        Total charge in e.
    spin : int
        Unpaired electrons, 2S.
    group : str
        Group of the data set.
    broken_symmetry : bool
        Also try an unrestricted solution that starts from neutral atoms with the spins of
        `spin_signs`, and keep the lower one.
    spin_signs : tuple of int
        Direction (+1 or -1) of the spin of each atom in that start, length n.
    """

    symbols: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    charge: int = 0
    spin: int = 0
    group: str = ""
    broken_symmetry: bool = False
    spin_signs: tuple[int, ...] = ()


def structure_of(atoms: Atoms, charge: int | None = None, spin: int | None = None) -> Structure:
    """Read the electronic state of a molecule from ASE's atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        Not periodic. `info`: ``charge``, ``spin`` (2S) and ``group``; the array ``spin_signs``
        (+1 or -1) asks for a broken-symmetry start.
    charge : int, optional
        e; else ``info["charge"]``, else 0.
    spin : int, optional
        2S; else ``info["spin"]``, else the lowest that fits the number of electrons; for a single
        atom, that of the neutral atom with as many electrons.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If there are no atoms, they are periodic or not finite, or charge and spin are not whole
        numbers that fit the electrons.
    """
    if not len(atoms) or atoms.pbc.any():
        raise InvalidInputError("atoms: must be a molecule, with atoms and without periodicity")
    if not np.isfinite(atoms.positions).all():
        raise InvalidInputError("positions: must be finite")
    whole = _whole("charge", atoms.info.get("charge", 0) if charge is None else charge)
    electrons = sum(atomic_numbers[symbol] for symbol in atoms.symbols) - whole
    if electrons < 0:
        raise InvalidInputError(f"charge: must leave electrons or none, got {whole}")
    lowest = electrons % 2
    if len(atoms) == 1 and electrons:
        lowest = GROUND_SPIN[chemical_symbols[electrons]]
    unpaired = _whole("spin", atoms.info.get("spin", lowest) if spin is None else spin)
    if not 0 <= unpaired <= electrons or (electrons - unpaired) % 2:
        raise InvalidInputError(
            f"spin: 2S must be {electrons % 2}, {electrons % 2 + 2}, … for {electrons} electrons, "
            f"got {unpaired}"
        )
    signs = tuple(int(sign) for sign in atoms.arrays.get("spin_signs", ()))
    points = tuple((float(x), float(y), float(z)) for x, y, z in atoms.positions)
    group = str(atoms.info.get("group", ""))
    return Structure(tuple(atoms.symbols), points, whole, unpaired, group, bool(signs), signs)


def _whole(name: str, value: Any) -> int:
    try:
        number = round(float(value))
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"{name}: must be a whole number, got {value!r}") from None
    if abs(number - float(value)) > 1e-9:
        raise InvalidInputError(f"{name}: must be a whole number, got {value!r}")
    return number
