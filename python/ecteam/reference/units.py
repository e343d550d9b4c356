"""Conversion factors of the reference layer: Hartree and bohr never leave this folder."""

from __future__ import annotations

from scipy.constants import physical_constants

__all__ = ["BOHR", "HARTREE"]

HARTREE: float = physical_constants["Hartree energy in eV"][0]
"""One Hartree in eV (CODATA, through scipy)."""
BOHR: float = physical_constants["Bohr radius"][0] * 1e10
"""One bohr in Å (CODATA, through scipy)."""
