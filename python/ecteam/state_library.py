"""Libraries of atomic states for the encoder, in any of the shapes they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ase.data import atomic_numbers

from ecteam import _core
from ecteam._core import InvalidInputError
from ecteam.library import read_library
from ecteam.potential import Potential

__all__ = ["StateSet", "shipped_states", "state_set"]


@dataclass(frozen=True)
class StateSet:
    """States of some elements: their names by symbol, and the densities in the engine."""

    names: dict[str, tuple[str, ...]]
    core: _core.StateLibrary


@lru_cache(maxsize=1)
def shipped_states() -> dict[str, list[dict[str, Any]]]:
    """Read the library that ships with the package: entries as in a potential, by symbol."""
    library = read_library()
    return {symbol: [s.to_potential() for s in library[symbol].states] for symbol in library}


def state_set(library: Any = None) -> StateSet:
    """Read a library of states.

    Parameters
    ----------
    library : mapping, Potential or StateSet, optional
        Chemical symbol to a sequence of states (or to anything whose attribute ``states`` is one),
        each with ``name``, ``charge`` (e) and ``rbf`` or ``density`` with ``exponents`` (1/Å) and
        ``coefficients`` (e), as items or as attributes: the shape of ``elements`` in a file of
        states, or that whole document. A potential gives its own states. Default: the states that
        ship with the package.

    Returns
    -------
    StateSet

    Raises
    ------
    InvalidInputError
        If it is of another shape; the message names element and state.
    """
    if isinstance(library, StateSet):
        return library
    if library is None:
        return _shipped_set()
    return _state_set(_elements(library))


@lru_cache(maxsize=1)
def _shipped_set() -> StateSet:
    return _state_set(shipped_states())


def _state_set(elements: Mapping[str, Any]) -> StateSet:
    names: dict[str, tuple[str, ...]] = {}
    numbers: dict[int, list[tuple[float, list[float], list[float]]]] = {}
    for symbol, holder in elements.items():
        if symbol not in atomic_numbers or symbol == "X":
            raise InvalidInputError(f"library: {symbol!r} is not a chemical symbol")
        states = getattr(holder, "states", holder)
        entries = [_entry(f"library[{symbol}][{k}]", state) for k, state in enumerate(states)]
        names[symbol] = tuple(name for name, _ in entries)
        numbers[atomic_numbers[symbol]] = [state for _, state in entries]
    return StateSet(names, _core.StateLibrary(numbers))


def _elements(library: Any) -> Mapping[str, Any]:
    if isinstance(library, Potential):
        return {symbol: e["states"] for symbol, e in library.to_dict()["elements"].items()}
    if isinstance(library, Mapping):
        elements = library.get("elements", library)
        if isinstance(elements, Mapping):
            return elements
    elif hasattr(library, "__getitem__") and hasattr(library, "__iter__"):
        return {symbol: library[symbol] for symbol in library if isinstance(symbol, str)}
    raise InvalidInputError(
        "library: must map chemical symbols to lists of states, or be a Potential, "
        f"got {type(library).__name__}"
    )


def _entry(where: str, state: Any) -> tuple[str, tuple[float, list[float], list[float]]]:
    """Name of a state, and its charge, exponents and coefficients."""
    try:
        rbf = _field(state, "rbf" if _has(state, "rbf") else "density")
        exponents = [float(x) for x in _field(rbf, "exponents")]
        coefficients = [float(x) for x in _field(rbf, "coefficients")]
        numbers = (float(_field(state, "charge")), exponents, coefficients)
        return str(_field(state, "name")), numbers
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{where}: must have name, charge and rbf with exponents and coefficients: {error!r}"
        ) from None


def _field(holder: Any, name: str) -> Any:
    return holder[name] if isinstance(holder, Mapping) else getattr(holder, name)


def _has(holder: Any, name: str) -> bool:
    return name in holder if isinstance(holder, Mapping) else hasattr(holder, name)
