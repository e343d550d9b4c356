"""The form of a charge-transfer potential before its fit: states, functions, starting values.

Embedding: coefficients of a root polynomial for every state. Repulsion: a sum of exponentials with
chosen decays for every pair of elements. Resonance: one exponential for every charge-transfer
channel. Learned terms may be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecteam.fit.settings import Prior
from ecteam.library import read_library
from ecteam.polarisation import polarised
from ecteam.potential import Potential
from ecteam.terms import Expression

FloatArray = npt.NDArray[np.float64]
Fields = dict[str, Any]

SHIFT = 0.02
"""e/Å³: keeps the slope of the embedding finite without neighbours."""
EMBEDDING_WIDTH = 20.0
"""Prior of the first coefficient of an embedding function, eV; halved for each further one."""
REPULSION_WIDTH = 50.0
"""Prior of a repulsion at :data:`TYPICAL` distance, eV."""
TYPICAL = 2.0
"""Å."""
RESONANCE_START = 0.3, 2.5
"""Amplitude at :data:`TYPICAL` distance (eV) and decay (1/Å) a channel starts from."""
DECAY_WIDTH = 1.5
"""Prior of the decay of a resonance, 1/Å."""
POLARISABILITY_WIDTH = 1.0
"""Prior of a polarisability, Å³."""
TERM_WIDTH = 10.0
"""Prior of a coefficient of the learned terms, eV: it keeps them from digging holes."""


@dataclass(frozen=True)
class Channel:
    """A charge-transfer channel: (initial, final) state of one element and of the other."""

    pair: tuple[str, str]
    first: tuple[str, str]
    second: tuple[str, str]


@dataclass(frozen=True)
class Form:
    """What is fitted, and everything that is not.

    Attributes
    ----------
    name, description, citation : str
        Head of the potential file.
    states : mapping
        Element → names of its states in the library, ``ground`` first.
    decays : mapping
        Pair of elements → fixed decays of its repulsion, Å⁻¹.
    channels : sequence of Channel
        Charge-transfer channels.
    electronic_temperature : float
        eV.
    radius, switch_width : float
        Range of the short-ranged functions, Å.
    coefficients : int
        Of each embedding function.
    terms : Expression, optional
        Learned terms to add.
    polarisabilities : mapping, optional
        Element → state → Å³; see :func:`ecteam.polarised`. Held unless a fit selects
        ``polarisability[...]``. Default: no induced dipoles.
    """

    name: str
    description: str
    citation: str
    states: Mapping[str, Sequence[str]]
    decays: Mapping[tuple[str, str], Sequence[float]]
    channels: Sequence[Channel]
    electronic_temperature: float
    radius: float
    switch_width: float
    coefficients: int = 4
    terms: Expression | None = None
    polarisabilities: Mapping[str, Mapping[str, float]] | None = None

    def start(self, seed: int | None = None) -> Potential:
        """Unfitted potential; with a seed, its parameters are drawn: the fit has several minima."""
        potential = self._unfitted()
        if seed is None:
            return potential
        random, values = np.random.default_rng(seed), potential.parameters
        width = np.minimum(self.prior(potential).width, np.abs(values) + 1.0)
        values = values + 0.2 * width * random.normal(size=values.size)
        return potential.with_parameters(np.clip(values, *potential.parameter_bounds.T))

    def prior(self, potential: Potential) -> Prior:
        """Gaussian prior of the parameters of :meth:`start`, around its values."""
        origin = self._unfitted().parameters
        widths = [self.width(c.name) for c in potential.coefficients if not (c.held or c.fixed)]
        return Prior(origin, np.array(widths))

    def width(self, name: str) -> float:
        """Give the width of the prior of a parameter by its name, in its units."""
        kind, _, rest = name.partition("[")
        if kind == "embedding":
            return EMBEDDING_WIDTH / 2.0 ** (int(rest.rstrip("]").split()[-1]) - 1)
        if kind == "repulsion":
            pair, number = rest.split(":")[0].split()
            a, b = pair.split("-")
            return _amplitude(REPULSION_WIDTH, self.decays[a, b][int(number) - 1])
        if kind == "resonance":
            return DECAY_WIDTH if name.endswith(": decay]") else np.inf
        if kind == "polarisability":
            return POLARISABILITY_WIDTH
        return TERM_WIDTH

    def _unfitted(self) -> Potential:
        potential = Potential.from_dict(self._fields())
        if self.polarisabilities is None:
            return potential
        return polarised(potential, self.polarisabilities)

    def _fields(self) -> Fields:
        library = read_library()
        fields: Fields = {
            "format": "ecteam/1",
            "name": self.name,
            "description": self.description,
            "citation": self.citation,
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": {
                symbol: {"states": [self._state(library[symbol][n].to_potential()) for n in names]}
                for symbol, names in self.states.items()
            },
            "repulsions": [
                {"pair": list(pair), "function": _exponential(_start(decays, decay), decay)}
                for pair, decays in self.decays.items()
                for decay in decays
            ],
            "resonances": [
                {
                    "pair": list(channel.pair),
                    "first": list(channel.first),
                    "second": list(channel.second),
                    "amplitude": _exponential(*RESONANCE_START),
                }
                for channel in self.channels
            ],
            "electronic_temperature": self.electronic_temperature,
            "cutoff": {"radius": self.radius, "switch_width": self.switch_width},
        }
        if self.terms is not None:
            fields["terms"] = self.terms.potential(sorted(self.states)).to_dict()["terms"]
        return fields

    def _state(self, state: Fields) -> Fields:
        zeros = [0.0] * self.coefficients
        embedding = {"form": "root_polynomial", "shift": SHIFT, "coefficients": zeros}
        return state | {"embedding": embedding}


def _start(decays: Sequence[float], decay: float) -> float:
    """Start as one medium exponential, eV at the typical distance."""
    return 0.3 if decay == decays[len(decays) // 2] else 0.0


def _exponential(energy: float, decay: float) -> Fields:
    """Exponential that has this energy at the typical distance."""
    return {"form": "exponential", "amplitude": _amplitude(energy, decay), "decay": decay}


def _amplitude(energy: float, decay: float) -> float:
    return energy * float(np.exp(TYPICAL * decay))
