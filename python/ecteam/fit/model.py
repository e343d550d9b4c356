"""What a fit, a Fisher analysis and a design ask of a model.

The rows of a structure are those of :mod:`ecteam.rows`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam._core import EcteamError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PROPERTIES = ("energy", "force", "stress", "dipole", "charge")
"""Kinds of rows, in their order within a structure."""
UNITS = {"energy": "eV/atom", "force": "eV/Å", "stress": "eV/Å³", "dipole": "e·Å", "charge": "e"}
"""Of the errors that are reported; an energy error is divided by the number of atoms."""


class NotFiniteError(EcteamError, ArithmeticError):
    """A model predicts infinity or NaN, as a product that overflows does."""


Self = TypeVar("Self", bound="Model")


class Model(Protocol):
    """Parameters with names and bounds, and predictions with their exact Jacobian."""

    @property
    def parameters(self) -> FloatArray:
        """Values, (P,)."""
        ...

    @property
    def parameter_names(self) -> Sequence[str]:
        """Name of each parameter."""
        ...

    @property
    def parameter_bounds(self) -> FloatArray:
        """Lowest and highest value, (P, 2); infinite for none."""
        ...

    @property
    def linear_parameters(self) -> BoolArray:
        """Mark those the predictions are jointly linear in while the others are fixed, (P,)."""
        ...

    @property
    def elements(self) -> Collection[str]:
        """Chemical symbols the model knows."""
        ...

    def with_parameters(self: Self, parameters: FloatArray) -> Self:
        """Give the same model with other values."""
        ...

    def predictions(self, structures: Sequence[Atoms]) -> FloatArray:
        """Rows of all structures, one after another."""
        ...

    def jacobian(self, structures: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
        """Rows (R,) and their derivatives by every parameter (R, P)."""
        ...


def row_properties(atoms: Atoms) -> npt.NDArray[np.int64]:
    """Index into :data:`PROPERTIES` of each row of a structure."""
    return np.repeat(np.arange(5), (1, 3 * len(atoms), 6, 3, len(atoms)))
