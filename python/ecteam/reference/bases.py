"""Gaussian basis sets of the atomic calculations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from pyscf import gto

from ecteam.reference.configurations import State

__all__ = ["augmented", "even_tempered"]


def _primitives(basis: Any) -> dict[int, list[float]]:
    """Exponents of each l."""
    found: dict[int, list[float]] = {}
    for shell in basis:
        rows = [row for row in shell[1:] if not isinstance(row, int)]
        found.setdefault(shell[0], []).extend(row[0] for row in rows)
    return found


def _load(name: str, symbol: str) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(gto.basis.load(name, symbol))


def augmented(name: str, symbol: str) -> list[Any]:
    """Load a basis and add one more diffuse s, p and d function in geometric progression."""
    basis = _load(name, symbol)
    added: list[Any] = []
    for momentum, exponents in _primitives(basis).items():
        smallest = sorted(set(exponents))[:2]
        if momentum <= 2 and len(smallest) == 2:
            ratio = min(smallest[1] / smallest[0], 4.0)
            added.append([momentum, [smallest[0] / ratio, 1.0]])
    return basis + added


def even_tempered(state: State) -> list[Any]:
    """Uncontracted functions up to the largest occupied l, from the outer tail to the nucleus."""
    number = int(atomic_numbers[state.symbol])
    diffuse = 0.008 if state.charge <= 0 else 0.03
    ranges = {
        0: (diffuse, 5e4 * number**2, 2.2),
        1: (diffuse, 100.0 * number**2, 2.5),
        2: (4 * diffuse, 3.0 * number**2, 2.7),
    }
    basis: list[Any] = []
    for momentum in range(max(shell.momentum for shell in state.shells) + 1):
        low, high, ratio = ranges[momentum]
        count = int(np.ceil(np.log(high / low) / np.log(ratio))) + 1
        basis += [[momentum, [float(low * ratio**k), 1.0]] for k in range(count)]
    return basis
