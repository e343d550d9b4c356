"""The library of isolated atomic states H–Kr that ships with the package.

One file, ``data/library.json``: format ``ecteam-states/2``, units eV, Å, e, sealed by the SHA-256
of its text with the digest itself replaced by zeros.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ecteam._core import InvalidInputError
from ecteam.slater import RadialFit

__all__ = [
    "FORMAT",
    "AtomicState",
    "Element",
    "Library",
    "read_library",
    "seal",
    "sealed_fields",
    "states",
]

FORMAT = "ecteam-states/2"
_DIGEST = re.compile(r'"sha256": "([0-9a-f]{64})"')


@dataclass(frozen=True, repr=False)
class AtomicState:
    """A state of an isolated atom.

    Attributes
    ----------
    symbol, name, configuration : str
        Element; ``ground``, ``cation``, ``anion``, ``dication``, ``dianion`` or ``excited``;
        electrons.
    charge : int
        e.
    multiplicity : int
        2S + 1.
    bound : bool
        Whether the state holds its electrons in vacuum.
    energy : float
        Above the neutral ground state, eV: the observed one where there is one.
    energy_computed, energy_observed : float, float or None
        Both numbers, eV.
    ionisation_energy : float or None
        eV: what sets the decay of the density; None for a bare nucleus.
    polarisability : float or None
        Static dipole polarisability, Å³: the recommended one where there is one.
    polarisability_computed, polarisability_observed : float or None
        Both numbers, Å³.
    density : RadialFit
        Spherical electron density.
    quality : dict
        Errors of `density`, see :func:`ecteam.fit.quality.quality_report`.
    misses : tuple of str
        Targets that `density` misses.
    provenance : dict of str to str
        Where ``computed`` numbers, ``energy``, ``polarisability``, ``ionisation_energy`` and
        ``density`` come from.
    """

    symbol: str
    name: str
    configuration: str
    charge: int
    multiplicity: int
    bound: bool
    energy: float
    energy_computed: float
    energy_observed: float | None
    ionisation_energy: float | None
    polarisability: float | None
    polarisability_computed: float | None
    polarisability_observed: float | None
    density: RadialFit
    quality: dict[str, Any]
    misses: tuple[str, ...]
    provenance: dict[str, str]

    @property
    def electrons(self) -> int:
        """Electron count."""
        return round(self.density.electrons())

    def __repr__(self) -> str:
        """One line: the fields fill a screen."""
        return (
            f"<AtomicState {self.symbol} {self.name}: {self.configuration}, {self.charge:+d} e, "
            f"{self.energy:.4f} eV>"
        )

    def to_potential(self) -> dict[str, Any]:
        """Fields of this state in a potential file, without an embedding function."""
        return {
            "name": self.name,
            "charge": float(self.charge),
            "multiplicity": self.multiplicity,
            "energy": self.energy,
            "bound": self.bound,
            "rbf": {
                "exponents": self.density.exponents.tolist(),
                "coefficients": self.density.coefficients.tolist(),
            },
            "provenance": "; ".join(
                f"{key}: {self.provenance[key]}" for key in ("energy", "density")
            ),
        }


@dataclass(frozen=True, repr=False)
class Element:
    """States of an element by name, the ground state first."""

    symbol: str
    states: tuple[AtomicState, ...]

    def __getitem__(self, name: str) -> AtomicState:
        """State by name; `InvalidInputError` if the element has none of that name."""
        for state in self.states:
            if state.name == name:
                return state
        raise InvalidInputError(f"state: {self.symbol} has {', '.join(self)}, got {name!r}")

    def __contains__(self, name: object) -> bool:
        """Whether there is a state of this name."""
        return any(state.name == name for state in self.states)

    def __iter__(self) -> Iterator[str]:
        """Names of the states."""
        return (state.name for state in self.states)

    def __len__(self) -> int:
        """Count of states."""
        return len(self.states)

    def __repr__(self) -> str:
        """Symbol and names of the states."""
        return f"<Element {self.symbol}: {', '.join(self)}>"


class Library:
    """A checked library file; elements are made when asked for.

    Attributes
    ----------
    fields : dict
        The file as read; not to be changed.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self._made: dict[str, Element] = {}

    @property
    def version(self) -> str:
        """Version of the numbers."""
        return str(self.fields["version"])

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return str(self.fields["sha256"])

    def __getitem__(self, symbol: str) -> Element:
        """Element by symbol; `InvalidInputError` if the library has none."""
        if symbol not in self._made:
            self._made[symbol] = Element(symbol, self._states(symbol))
        return self._made[symbol]

    def __iter__(self) -> Iterator[str]:
        """Symbols."""
        return iter(self.fields["elements"])

    def __len__(self) -> int:
        """Count of elements."""
        return len(self.fields["elements"])

    def _states(self, symbol: str) -> tuple[AtomicState, ...]:
        entries = self.fields["elements"].get(symbol)
        if entries is None:
            known = list(self)
            raise InvalidInputError(
                f"symbol: the library has {known[0]} to {known[-1]}, got {symbol!r}"
            )
        return tuple(_state(symbol, entry) for entry in entries)


def states(symbol: str) -> Element:
    """Isolated-atom states of an element from the shipped library.

    Parameters
    ----------
    symbol : str
        Chemical symbol, H to Kr.

    Returns
    -------
    Element
        Its states by name, e.g. ``states("O")["anion"].energy``.

    Raises
    ------
    InvalidInputError
        If the library has no such element.
    """
    return _shipped()[symbol]


def read_library(path: str | Path | None = None) -> Library:
    """Read a library file; without a path the shipped one.

    Raises
    ------
    InvalidInputError
        If the file is missing, not of this format, or was changed after it was sealed.
    """
    if path is None:
        return _shipped()
    return Library(read_sealed(path, "library", FORMAT))


def seal(fields: dict[str, Any]) -> str:
    """Text of a library file with its SHA-256."""
    unsealed = {key: value for key, value in fields.items() if key != "sha256"}
    text = _text({"sha256": "0" * 64, **unsealed})
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text.replace("0" * 64, digest, 1)


def _text(fields: dict[str, Any]) -> str:
    """JSON with one line per leaf list, so that the file can be read and compared."""
    text = json.dumps(fields, indent=1, ensure_ascii=False)
    flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{_joined(found[1])}]", text)
    return flat + "\n"


def _joined(lines: str) -> str:
    return re.sub(r",\s+(?=\S)", ", ", lines)


@cache
def _shipped() -> Library:
    source = files("ecteam") / "data" / "library.json"
    return Library(sealed_fields(source.read_text(encoding="utf-8"), "library.json", FORMAT))


def read_sealed(path: str | Path, argument: str, expected: str) -> dict[str, Any]:
    """Fields of a sealed file that an argument names; see :func:`sealed_fields`."""
    path = Path(path)
    if not path.is_file():
        raise InvalidInputError(f"{argument}: must be a file, got {str(path)!r}")
    return sealed_fields(path.read_text(encoding="utf-8"), str(path), expected)


def sealed_fields(text: str, name: str, expected: str) -> dict[str, Any]:
    """Fields of a sealed file.

    Parameters
    ----------
    text, name : str
        Contents, and the name for messages.
    expected : str
        Format.

    Raises
    ------
    InvalidInputError
        If the text is not of this format or was changed after it was sealed.
    """
    found = _DIGEST.search(text)
    if found is None:
        raise InvalidInputError(f"{name}: sha256: must be 64 hexadecimal digits, found none")
    unsealed = text.replace(found[1], "0" * 64, 1)
    if hashlib.sha256(unsealed.encode()).hexdigest() != found[1]:
        raise InvalidInputError(f"{name}: sha256: the file was changed after it was sealed")
    fields: dict[str, Any] = json.loads(text)
    if fields.get("format") != expected:
        found_format = fields.get("format")
        raise InvalidInputError(f"{name}: format: must be {expected!r}, got {found_format!r}")
    return fields


def _state(symbol: str, entry: dict[str, Any]) -> AtomicState:
    rest = {key: value for key, value in entry.items() if key not in ("rbf", "misses")}
    rbf = entry["rbf"]
    density = RadialFit(np.array(rbf["exponents"]), np.array(rbf["coefficients"]))
    return AtomicState(symbol=symbol, density=density, misses=tuple(entry["misses"]), **rest)
