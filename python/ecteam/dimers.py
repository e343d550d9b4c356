"""Curves of homonuclear dimers that ship with the package.

One file, ``data/dimers.json``: format ``ecteam-dimers/1``, units eV and Å, sealed like the library
of states. ``ecteam states dimers`` makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecteam._core import InvalidInputError
from ecteam.library import read_sealed, sealed_fields

__all__ = ["FORMAT", "DimerCurve", "Dimers", "read_dimers"]

FORMAT = "ecteam-dimers/1"


@dataclass(frozen=True)
class DimerCurve:
    """Energy of X₂, X₂⁺ or X₂⁻ along its bond.

    Attributes
    ----------
    symbol, state : str
        Element, and the state of one of the atoms far apart; the other is the ground state.
    level : str
        Level of theory.
    distances : (n,) float64
        Å, rising.
    energies : (n,) float64
        Above the separated atoms X + X, X + X⁺ or X + X⁻ at the same level, eV.
    """

    symbol: str
    state: str
    level: str
    distances: NDArray[np.float64]
    energies: NDArray[np.float64]


class Dimers:
    """A checked file of curves.

    Attributes
    ----------
    fields : dict
        The file as read; not to be changed.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return str(self.fields["sha256"])

    def __iter__(self) -> Iterator[str]:
        """Symbols."""
        return iter(self.fields["elements"])

    def curve(self, symbol: str, state: str) -> DimerCurve:
        """Curve of an element and a state of one of its atoms.

        Raises
        ------
        InvalidInputError
            If there is none.
        """
        element = self.fields["elements"].get(symbol)
        if element is None or state not in element["curves"]:
            known = ", ".join(f"{s} ({', '.join(self._states(s))})" for s in self)
            raise InvalidInputError(
                f"embedding: there is no dimer curve of {symbol} {state}, only of {known}; "
                "embedding=None starts without embedding functions"
            )
        found = element["curves"][state]
        numbers = (np.array(found[key]) for key in ("distances", "energies"))
        return DimerCurve(symbol, state, element["level"], *numbers)

    def _states(self, symbol: str) -> list[str]:
        return list(self.fields["elements"][symbol]["curves"])


def read_dimers(path: str | Path | None = None) -> Dimers:
    """Read a file of dimer curves; without a path the shipped one.

    Raises
    ------
    InvalidInputError
        If the file is missing, not of this format, or was changed after it was sealed.
    """
    if path is None:
        return _shipped()
    return Dimers(read_sealed(path, "dimers", FORMAT))


@cache
def _shipped() -> Dimers:
    source = files("ecteam") / "data" / "dimers.json"
    return Dimers(sealed_fields(source.read_text(encoding="utf-8"), "dimers.json", FORMAT))
