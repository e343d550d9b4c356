"""The form of a charge-transfer potential before its fit: states, functions, starting values.

Embedding: coefficients of a root polynomial for every state. Repulsion: a sum of exponentials with
chosen decays for every pair of elements, or for every pair of their states. Resonance: one
exponential for every charge-transfer channel. Learned terms may be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from ecteam._core import InvalidInputError
from ecteam.fit.settings import Prior
from ecteam.library import read_library
from ecteam.parameters import Selection, matching
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
DECAY_WIDTH = 0.6
"""Prior of the decay of a resonance, relative to its start."""
POLARISABILITY_WIDTH = 1.0
"""Prior of a polarisability, Å³."""
DENSITY_SCALE_WIDTH = 0.1
"""Prior of the scale of a state's density: it is the density of an isolated atom."""
EXPONENT_WIDTH = 0.2
"""Prior of an exponent of a freed density, 1/Å."""
DENSITY_COEFFICIENT_WIDTH = 0.2
"""Prior of a coefficient of a freed density, e."""
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
        Pair of elements, ``("Cl", "Li")``, or of one state of each, ``("Cl anion", "Li cation")``,
        → fixed decays of its repulsion, Å⁻¹. A pair of elements repels in all states alike, and
        the repulsions of its states add to that.
    channels : sequence of Channel
        Charge-transfer channels.
    electronic_temperature : float
        eV.
    radius, switch_width : float
        Range of the short-ranged functions, Å.
    coefficients : int
        Of each embedding function.
    embedding_widths : mapping, optional
        Name of a state → prior of the first coefficient of its embedding function, eV; default:
        :data:`EMBEDDING_WIDTH`.
    bounds : mapping, optional
        Pattern of names (see :meth:`ecteam.Potential.select`) → smallest and largest value.
    resonance : (float, float)
        Amplitude at :data:`TYPICAL` distance (eV) and decay (Å⁻¹) that every channel starts from.
    terms : Expression, optional
        Learned terms to add.
    polarisabilities : mapping, optional
        Element → state → Å³; see :func:`ecteam.polarised`. Held unless a fit selects
        ``polarisability[...]``. Default: no induced dipoles.
    polarisation_exponents : mapping, optional
        Element → exponent of its induced dipole, Å⁻¹; default: the largest that is stable.
    left_out : sequence of str
        Names of parameters that stay zero, see :func:`ecteam.fit.eliminate`; a name that is none is
        refused where a potential is made or selected from.
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
    embedding_widths: Mapping[str, float] | None = None
    bounds: Mapping[str, tuple[float, float]] | None = None
    resonance: tuple[float, float] = (0.3, 2.5)
    terms: Expression | None = None
    polarisabilities: Mapping[str, Mapping[str, float]] | None = None
    polarisation_exponents: Mapping[str, float] | None = None
    left_out: Sequence[str] = ()

    def start(self, seed: int | None = None) -> Potential:
        """Unfitted potential; with a seed, its parameters are drawn: the fit has several minima."""
        potential = self._unfitted()
        if seed is None:
            return potential
        model = self._selected(potential)
        random, values = np.random.default_rng(seed), model.parameters
        width = np.minimum(self.prior(potential).width, np.abs(values) + 1.0)
        values = values + 0.2 * width * random.normal(size=values.size)
        return model.with_parameters(np.clip(values, *model.parameter_bounds.T)).potential

    def inheriting(self, potential: Potential) -> Potential:
        """Give the start with the parameters of a potential that has some of its functions.

        Terms that only this form has begin as in :meth:`start`, repulsions at zero.
        """
        own, known = self._unfitted(), {c.name: c.value for c in potential.coefficients}
        start = zip(own.parameter_names, own.parameters, strict=True)
        own_start = {name: 0.0 if name.startswith("repulsion") else value for name, value in start}
        known = own_start | known | dict.fromkeys(self.left_out, 0.0)
        values = [known[name] for name in own.parameter_names]
        return own.with_parameters(np.clip(values, *own.parameter_bounds.T))

    def model(self, potential: Potential) -> Selection:
        """Give the parameters that are fitted, within their bounds; values outside are moved."""
        selection = self._selected(potential)
        low, high = selection.parameter_bounds.T
        for pattern, (lowest, highest) in (self.bounds or {}).items():
            chosen = matching(selection.parameter_names, [pattern], "bounds")
            low[chosen] = np.maximum(low[chosen], lowest)
            high[chosen] = np.minimum(high[chosen], highest)
        return selection.within(low, high).with_parameters(np.clip(selection.parameters, low, high))

    def prior(self, potential: Potential) -> Prior:
        """Gaussian prior of the parameters of :meth:`start`, around its values."""
        origin = self._selected(self._unfitted())
        widths = [self.width(name) for name in origin.parameter_names]
        return Prior(origin.parameters, np.array(widths))

    def width(self, name: str) -> float:
        """Give the width of the prior of a parameter by its name, in its units."""
        kind, _, rest = name.partition("[")
        if kind == "embedding":
            _, state, number = rest.rstrip("]").split()
            width = (self.embedding_widths or {}).get(state, EMBEDDING_WIDTH)
            return width / 2.0 ** (int(number) - 1)
        if kind == "repulsion":
            pair, _, number = rest.split(":")[0].rpartition(" ")
            a, b = pair.split("-")
            return _amplitude(REPULSION_WIDTH, self.decays[a, b][int(number) - 1])
        if kind == "resonance":
            return DECAY_WIDTH * self.resonance[1] if name.endswith(": decay]") else np.inf
        if kind == "polarisability":
            return POLARISABILITY_WIDTH
        if kind == "density_scale":
            return DENSITY_SCALE_WIDTH
        if kind == "density":
            return EXPONENT_WIDTH if ": exponent" in rest else DENSITY_COEFFICIENT_WIDTH
        return TERM_WIDTH

    def _selected(self, potential: Potential) -> Selection:
        return potential.select().without(self.left_out)

    def _unfitted(self) -> Potential:
        potential = Potential.from_dict(self._fields())
        if self.polarisabilities is not None:
            potential = polarised(potential, self.polarisabilities, self.polarisation_exponents)
        if not self.left_out:
            return potential
        kept = potential.select().without(self.left_out).parameter_names
        start = zip(potential.parameter_names, potential.parameters, strict=True)
        return potential.with_parameters([value if name in kept else 0.0 for name, value in start])

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
                repulsion
                for pair, decays in self.decays.items()
                for repulsion in _repulsions(pair, decays)
            ],
            "resonances": [
                {
                    "pair": list(channel.pair),
                    "first": list(channel.first),
                    "second": list(channel.second),
                    "amplitude": _exponential(*self.resonance),
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


def state_pairs(states: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """All pairs of states of all elements, as keys of :attr:`Form.decays`, each pair once."""
    every = [f"{symbol} {name}" for symbol in sorted(states) for name in states[symbol]]
    return list(combinations_with_replacement(every, 2))


def _repulsions(pair: tuple[str, str], decays: Sequence[float]) -> list[Fields]:
    """Exponentials between two elements, or between one state of each."""
    symbols, names = zip(*(_site(side) for side in pair), strict=True)
    if (names[0] == "") != (names[1] == ""):
        raise InvalidInputError(
            f"decays: must name two elements or one state of each, got {' and '.join(pair)}"
        )
    head: Fields = {"pair": list(symbols)}
    if names[0]:
        head["states"] = list(names)
    return [head | {"function": _exponential(_start(decays, d), d)} for d in decays]


def _site(side: str) -> tuple[str, str]:
    """Element and state of one side of a pair; no state stands for all."""
    symbol, _, name = side.partition(" ")
    return symbol, name


def _start(decays: Sequence[float], decay: float) -> float:
    """Start as one medium exponential, eV at the typical distance."""
    return 0.3 if decay == decays[len(decays) // 2] else 0.0


def _exponential(energy: float, decay: float) -> Fields:
    """Exponential that has this energy at the typical distance."""
    return {"form": "exponential", "amplitude": _amplitude(energy, decay), "decay": decay}


def _amplitude(energy: float, decay: float) -> float:
    return energy * float(np.exp(TYPICAL * decay))
