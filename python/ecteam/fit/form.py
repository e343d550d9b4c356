"""The form of a fitted potential: named parameters and how they fill a potential file.

Embedding: coefficients of the root polynomial for every state. Repulsion: a sum of
exponentials with fixed decays for every pair of elements. Resonance: logarithms of amplitude and
decay of every charge-transfer channel, so that nothing needs bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Fields = dict[str, Any]

SHIFT = 0.02
"""e/Å³: keeps the slope of the embedding finite without neighbours."""


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
        Element → states as in the state library (name, charge, energy, rbf, …).
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
    """

    name: str
    description: str
    citation: str
    states: Mapping[str, Sequence[Fields]]
    decays: Mapping[tuple[str, str], Sequence[float]]
    channels: Sequence[Channel]
    electronic_temperature: float
    radius: float
    switch_width: float
    coefficients: int = 4
    names: list[str] = field(init=False, default_factory=list)
    initial: FloatArray = field(init=False, default_factory=lambda: np.empty(0))
    prior_width: FloatArray = field(init=False, default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """List the parameters with start and width of the prior."""
        rows: list[tuple[str, float, float]] = []
        for element, states in self.states.items():
            for state in states:
                for k in range(self.coefficients):
                    name = f"embedding.{element}.{state['name']}.{k + 1}"
                    rows.append((name, 0.0, 20.0 / 2**k))
        for (a, b), decays in self.decays.items():
            for decay in decays:
                # In units of the energy at 2 Å; starts as one medium exponential.
                start = 0.3 if decay == decays[len(decays) // 2] else 0.0
                rows.append((f"repulsion.{a}-{b}.{decay:g}", start, 50.0))
        for channel in self.channels:
            name = _channel_name(channel)
            rows.append((f"resonance.{name}.log_amplitude", 0.0, 1.0))
            rows.append((f"resonance.{name}.log_decay", 0.4, 0.4))
        columns = list(zip(*rows, strict=True))
        object.__setattr__(self, "names", list(columns[0]))
        keys = ("initial", "prior_width")
        for key, column in zip(keys, columns[1:], strict=True):
            object.__setattr__(self, key, np.array(column))

    def random_start(self, seed: int) -> FloatArray:
        """Draw starting values from the prior, narrowed: the fit has several minima."""
        random = np.random.default_rng(seed)
        width = np.minimum(0.2 * self.prior_width, 0.5)
        return np.asarray(self.initial + width * random.normal(size=len(self.names)))

    def fields(self, parameters: FloatArray) -> Fields:
        """Potential file with these parameters, unsealed."""
        values = iter(np.asarray(parameters, dtype=float).tolist())
        elements = {
            element: {"states": [self._state(state, values) for state in states]}
            for element, states in self.states.items()
        }
        repulsions = [
            {"pair": list(pair), "function": _at_two(next(values), decay)}
            for pair, decays in self.decays.items()
            for decay in decays
        ]
        return {
            "format": "ecteam/1",
            "name": self.name,
            "description": self.description,
            "citation": self.citation,
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": elements,
            "repulsions": repulsions,
            "resonances": [_resonance(c, next(values), next(values)) for c in self.channels],
            "electronic_temperature": self.electronic_temperature,
            "cutoff": {"radius": self.radius, "switch_width": self.switch_width},
        }

    def _state(self, state: Fields, values: Any) -> Fields:
        kept = ("name", "charge", "multiplicity", "energy", "bound", "rbf", "provenance")
        coefficients = [next(values) for _ in range(self.coefficients)]
        embedding = {"form": "root_polynomial", "shift": SHIFT, "coefficients": coefficients}
        return {key: state[key] for key in kept} | {"embedding": embedding}


def _channel_name(channel: Channel) -> str:
    (a, b), (m, m2), (n, n2) = channel.pair, channel.first, channel.second
    return f"{a}({m}>{m2})-{b}({n}>{n2})"


def _at_two(energy: float, decay: float) -> Fields:
    """Exponential that has this energy at 2 Å."""
    return {"form": "exponential", "amplitude": energy * float(np.exp(2 * decay)), "decay": decay}


def _resonance(channel: Channel, log_amplitude: float, log_decay: float) -> Fields:
    amplitude = _at_two(float(np.exp(log_amplitude)), float(np.exp(log_decay)))
    return {
        "pair": list(channel.pair),
        "first": list(channel.first),
        "second": list(channel.second),
        "amplitude": amplitude,
    }
