"""Potentials with induced dipoles: polarisabilities of the states, extent of the dipoles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecteam import _core
from ecteam.library import states
from ecteam.potential import Potential, load

__all__ = ["exponent_of", "polarised"]

LARGEST_SOFTNESS = 48.0
"""Of ζ³α: beyond it a dipole in the field of its own density −m·∇g gains energy."""


def exponent_of(polarisability: float) -> float:
    """Largest stable exponent of an induced dipole's density, (48/α)^(1/3) in 1/Å.

    Parameters
    ----------
    polarisability : float
        The largest of an element's states, Å³.

    Raises
    ------
    InvalidInputError
        If it is not positive and finite.
    """
    if not 0.0 < polarisability < np.inf:
        raise _core.InvalidInputError(
            f"polarisability: must be positive and finite, got {polarisability}"
        )
    return float(np.cbrt(LARGEST_SOFTNESS / polarisability))


def polarised(
    potential: str | Path | Potential,
    polarisabilities: Mapping[str, Mapping[str, float]] | None = None,
    exponents: Mapping[str, float] | None = None,
) -> Potential:
    """Give the states of a potential polarisabilities; nothing else changes.

    Parameters
    ----------
    potential : str, Path or Potential
        See :func:`ecteam.load`.
    polarisabilities : mapping of symbol to mapping of state to float, optional
        Å³. Only these elements and states are polarisable. Default: those of the library
        (:func:`ecteam.library.states`), of isolated atoms. An anion in vacuum is far softer than
        one in a crystal or a molecule (Cl⁻ 5.2 against some 3 Å³ in NaCl), and alkali atoms and
        anions of metals are larger than any bond: give values, or fit them.
    exponents : mapping of symbol to float, optional
        ζ of the dipole's charge density −m·∇g, g the Slater function of that exponent, 1/Å.
        Default: `exponent_of` the largest polarisability of each element.

    Returns
    -------
    Potential

    Raises
    ------
    InvalidInputError
        If an element or state is not in the potential, or its library state has no polarisability.
    PotentialFormatError
        If a value is out of its range; see the potential file's schema.
    """
    fields = load(potential).to_dict()
    fields.pop("sha256", None)
    elements = fields["elements"]
    given = _library(elements) if polarisabilities is None else polarisabilities
    for symbol, values in given.items():
        if symbol not in elements:
            raise _core.InvalidInputError(
                f"polarisabilities: the potential has {', '.join(elements)}, got {symbol!r}"
            )
        _set(elements[symbol], symbol, values, (exponents or {}).get(symbol))
    return Potential.from_dict(fields)


def _library(elements: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for symbol, element in elements.items():
        found[symbol] = {}
        for name in (state["name"] for state in element["states"]):
            value = states(symbol)[name].polarisability
            if value is None:
                raise _core.InvalidInputError(
                    f"polarisabilities: the library has none for {symbol} {name}; give it"
                )
            found[symbol][name] = value
    return found


def _set(
    element: dict[str, Any], symbol: str, values: Mapping[str, float], exponent: float | None
) -> None:
    known = {state["name"]: state for state in element["states"]}
    for name, value in values.items():
        if name not in known:
            raise _core.InvalidInputError(
                f"polarisabilities: {symbol} has {', '.join(known)}, got {name!r}"
            )
        known[name]["polarisability"] = float(value)
    largest = max(values.values(), default=0.0)
    element["polarisation_exponent"] = exponent_of(largest) if exponent is None else exponent
