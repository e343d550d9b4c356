"""Parameters of a potential: which of its numbers a fit may change.

Every potential names its coefficients: ``electronic_temperature``, ``energy[H cation]``,
``polarisability[O anion]``, ``density_scale[O anion]``, ``embedding[H ground 1]``,
``repulsion[H-O 2: amplitude]``, ``resonance[H ground>cation O ground>anion: decay]`` and those of
the learned terms, ``three_body1[O: H0 H1 l=2]``. Some are *held*: they belong to the form and are
never a parameter. Some are *fixed* unless they are asked for: temperature, energies,
polarisabilities and density scales of states, decays of repulsions.

A density scale is a factor on a state's density in the background density of the embedding
energies, not in the electrostatics. The densities themselves, ``density[O anion: exponent 1]`` and
``density[O anion: coefficient 2]``, are parameters after
:meth:`ecteam.Potential.free_densities` only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import rows
from ecteam._core import InvalidInputError

if TYPE_CHECKING:
    from ecteam.potential import Potential

FloatArray = npt.NDArray[np.float64]


class Coefficient(NamedTuple):
    """A coefficient of a potential; `linear` ones change energy and forces jointly linearly."""

    name: str
    value: float
    held: bool
    fixed: bool
    linear: bool
    lowest: float
    highest: float


@dataclass(frozen=True)
class Selection:
    """A potential and those of its coefficients that are parameters.

    Attributes
    ----------
    potential : Potential
        With the present values.
    chosen : tuple of int
        Indices of the parameters among the coefficients of the potential, increasing.
    limits : tuple of (float, float), optional
        Smallest and largest value of each parameter, within what the potential allows.
    """

    potential: Potential
    chosen: tuple[int, ...]
    limits: tuple[tuple[float, float], ...] | None = None

    @property
    def _coefficients(self) -> list[Coefficient]:
        every = self.potential.coefficients
        return [every[k] for k in self.chosen]

    @property
    def parameters(self) -> FloatArray:
        """Values, (P,)."""
        return np.array([c.value for c in self._coefficients], dtype=float)

    @property
    def parameter_names(self) -> list[str]:
        """Their names."""
        return [c.name for c in self._coefficients]

    @property
    def parameter_bounds(self) -> FloatArray:
        """Their smallest and largest values, (P, 2)."""
        own = [(c.lowest, c.highest) for c in self._coefficients]
        bounds = np.array(own, dtype=float).reshape(-1, 2)
        if self.limits is None:
            return bounds
        low, high = np.array(self.limits, dtype=float).reshape(-1, 2).T
        return np.column_stack([np.maximum(bounds[:, 0], low), np.minimum(bounds[:, 1], high)])

    @property
    def linear_parameters(self) -> npt.NDArray[np.bool_]:
        """Mark those the energy is linear in all together, (P,)."""
        return np.array([c.linear for c in self._coefficients], dtype=bool)

    @property
    def elements(self) -> Collection[str]:
        """Chemical symbols the potential knows."""
        return self.potential.elements

    def with_parameters(self, parameters: npt.ArrayLike) -> Selection:
        """Return the same selection of the potential with other values, (P,).

        Raises
        ------
        InvalidInputError
            Unless there is one finite number for each parameter.
        PotentialFormatError
            If a value is outside what the potential file allows.
        """
        values = np.asarray(parameters, dtype=np.float64)
        if values.shape != (len(self.chosen),):
            raise InvalidInputError(
                f"parameters: must have shape ({len(self.chosen)},), got {values.shape}"
            )
        every = np.array([c.value for c in self.potential.coefficients], dtype=np.float64)
        every[list(self.chosen)] = values
        return replace(self, potential=self.potential.with_coefficients(every))

    def without(self, names: Collection[str]) -> Selection:
        """Return the same selection less the parameters of these names.

        Raises
        ------
        InvalidInputError
            If a name is not that of a parameter.
        """
        unknown = [name for name in names if name not in self.parameter_names]
        if isinstance(names, str) or unknown:
            wrong = names if isinstance(names, str) else unknown[0]
            raise InvalidInputError(
                f"names: must be a list of parameters, got {wrong!r}; the names are "
                f"{_shortened(self.parameter_names)}"
            )
        left = [name not in names for name in self.parameter_names]
        limits = self.limits and tuple(compress(self.limits, left))
        return replace(self, chosen=tuple(compress(self.chosen, left)), limits=limits)

    def within(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Selection:
        """Return the same selection with narrower bounds, (P,) each; they say nothing of values."""
        limits = zip(np.asarray(low, dtype=float), np.asarray(high, dtype=float), strict=True)
        return replace(self, limits=tuple((float(a), float(b)) for a, b in limits))

    def predictions(self, structures: Sequence[Atoms]) -> FloatArray:
        """Rows of all structures, see :mod:`ecteam.rows`."""
        return rows.predictions(self.potential, structures)

    def jacobian(self, structures: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
        """Rows (R,) and their derivatives by the parameters (R, P)."""
        return rows.jacobian(self.potential, structures, self.chosen)


def default_selection(potential: Potential) -> Selection:
    """Select what is neither held nor fixed."""
    every = enumerate(potential.coefficients)
    return Selection(potential, tuple(k for k, c in every if not (c.held or c.fixed)))


def select(potential: Potential, patterns: Sequence[str]) -> Selection:
    """Select by name; see `Potential.select`."""
    names = [(k, c.name) for k, c in enumerate(potential.coefficients) if not c.held]
    found = matching([name for _, name in names], patterns, "parameters")
    return Selection(potential, tuple(names[k][0] for k in found))


def matching(names: Sequence[str], patterns: Sequence[str], where: str) -> list[int]:
    """Give the indices of the names that patterns choose, increasing; see `Potential.select`.

    Raises
    ------
    InvalidInputError
        If a pattern matches nothing; the message begins with `where`.
    """
    chosen: set[int] = set()
    for pattern in patterns:
        found = {k for k, name in enumerate(names) if _matches(name, pattern.removeprefix("!"))}
        if not found:
            raise InvalidInputError(
                f"{where}: nothing matches {pattern!r}; the names are {_shortened(names)}"
            )
        chosen = chosen - found if pattern.startswith("!") else chosen | found
    return sorted(chosen)


def _matches(name: str, pattern: str) -> bool:
    """Tell if a name fits; ``*`` is the only wildcard, names have brackets of their own."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None


def _shortened(names: Sequence[Any], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
