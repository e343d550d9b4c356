"""Classical embedded-atom potentials in DYNAMO's setfl format, as LAMMPS reads them.

Format: https://docs.lammps.org/pair_eam.html, sections on eam/alloy and eam/fs.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from ase.data import atomic_numbers

from ecteam._core import PotentialFormatError
from ecteam.potential import Potential

_COMMENT_LINES = 3


def read_setfl(path: str | Path) -> Potential:
    """Read an eam/alloy or eam/fs file as a potential with one state per element.

    The two are told apart by the number of density functions per element: one in eam/alloy, one
    for every element in eam/fs. In eam/fs the k-th density function in the block of element A is
    the density that an A atom makes at an atom of the k-th element; LAMMPS and ASE agree on it.

    Parameters
    ----------
    path : str or Path
        The file. Masses and lattice constants in it are ignored.

    Raises
    ------
    PotentialFormatError
        If the file is truncated or odd; the message gives file and line.
    OSError
        If it cannot be read.
    """
    reader = _Reader(Path(path))
    symbols = _read_symbols(reader)
    grid = _read_grid(reader)
    elements = _read_elements(reader, symbols, grid)
    repulsions = [
        _read_repulsion(reader, [first, second], grid)
        for k, first in enumerate(symbols)
        for second in symbols[: k + 1]
    ]
    reader.finish()
    return Potential.from_dict(
        {
            "format": "ecteam/1",
            "name": reader.path.name,
            "description": reader.comments or "no comment in the file",
            "citation": "see description",
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": elements,
            "repulsions": repulsions,
            "resonances": [],
            "electronic_temperature": 0.0,
            "cutoff": {"radius": grid.cutoff, "switch_width": 0.0},
        }
    )


class _Grid(NamedTuple):
    """Second header line: numbers of points and spacings of density and distance, cutoff."""

    n_density: int
    density_spacing: float
    n_radial: int
    spacing: float
    cutoff: float


class _Reader:
    """Words of a file one after the other, with the line each stands on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        self.comments = " ".join(" ".join(lines[:_COMMENT_LINES]).split())
        self.line = len(lines)
        self.words = deque(
            (word, number)
            for number, text in enumerate(lines[_COMMENT_LINES:], start=_COMMENT_LINES + 1)
            for word in text.split()
        )

    def error(self, problem: str) -> PotentialFormatError:
        return PotentialFormatError(f"{self.path}, line {self.line}: {problem}")

    def word(self, what: str) -> str:
        if not self.words:
            raise self.error(f"the file ends where {what} should be")
        word, self.line = self.words.popleft()
        return word

    def number(self, what: str) -> float:
        word = self.word(what)
        value = _to_float(word)
        if not math.isfinite(value):
            raise self.error(f"{what} must be a finite number, got {word!r}")
        return value

    def integer(self, what: str) -> int:
        word = self.word(what)
        if not word.isdecimal() or int(word) == 0:
            raise self.error(f"{what} must be a positive integer, got {word!r}")
        return int(word)

    def at_element_header(self) -> bool:
        """Look for 'atomic number, mass, lattice constant, lattice type': the last is a word."""
        return len(self.words) > 3 and math.isnan(_to_float(self.words[3][0]))

    def finish(self) -> None:
        if self.words:
            word, self.line = self.words[0]
            raise self.error(f"the file should end here, got {word!r}")


def _to_float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _read_symbols(reader: _Reader) -> list[str]:
    count = reader.integer("the number of elements")
    symbols: list[str] = []
    for _ in range(count):
        symbol = reader.word("a chemical symbol")
        if symbol not in atomic_numbers or symbol in symbols:
            raise reader.error(f"expected {count} different chemical symbols, got {symbol!r}")
        symbols.append(symbol)
    return symbols


def _read_grid(reader: _Reader) -> _Grid:
    return _Grid(
        n_density=reader.integer("the number of density points"),
        density_spacing=reader.number("the density spacing"),
        n_radial=reader.integer("the number of radial points"),
        spacing=reader.number("the radial spacing"),
        cutoff=reader.number("the cutoff"),
    )


def _read_elements(reader: _Reader, symbols: list[str], grid: _Grid) -> dict[str, Any]:
    """Read one block per element; after the first density it is known which format this is."""
    elements: dict[str, Any] = {}
    finnis_sinclair = False
    for symbol in symbols:
        _check_header(reader, symbol)
        embedding = _table(reader, grid.density_spacing, grid.n_density, f"F of {symbol}")
        density = _table(reader, grid.spacing, grid.n_radial, f"ρ of {symbol}")
        if not elements and len(symbols) > 1:
            finnis_sinclair = not reader.at_element_header()
        densities = {receiver: density for receiver in symbols}
        if finnis_sinclair:
            for receiver in symbols[1:]:
                what = f"ρ of {symbol} at {receiver}"
                densities[receiver] = _table(reader, grid.spacing, grid.n_radial, what)
        form = "eam/fs" if finnis_sinclair else "eam/alloy"
        elements[symbol] = {"states": [_state(embedding, densities, f"{form} file")]}
    return elements


def _read_repulsion(reader: _Reader, pair: list[str], grid: _Grid) -> dict[str, Any]:
    table = _table(reader, grid.spacing, grid.n_radial, f"rφ of {pair[0]} and {pair[1]}")
    return {"pair": pair, "function": {"form": "tabulated_times_r", **table}}


def _check_header(reader: _Reader, symbol: str) -> None:
    # Not compared with the symbol: published files (Cu_mishin1.eam.alloy) count their elements
    # here, and LAMMPS does not use the number.
    reader.integer(f"the atomic number of {symbol}")
    reader.number(f"the mass of {symbol}")
    reader.number(f"the lattice constant of {symbol}")
    reader.word(f"the lattice type of {symbol}")


def _table(reader: _Reader, spacing: float, count: int, what: str) -> dict[str, Any]:
    values = [reader.number(f"value {k + 1} of {count} of {what}") for k in range(count)]
    return {"spacing": spacing, "values": values}


def _state(embedding: dict[str, Any], densities: dict[str, Any], provenance: str) -> dict[str, Any]:
    return {
        "name": "ground",
        "charge": 0.0,
        "multiplicity": 1,
        "energy": 0.0,
        "density_tables": densities,
        "embedding": {"form": "tabulated", **embedding},
        "provenance": provenance,
    }
