"""What a Fisher information means, in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ecteam.fit.model import FloatArray

if TYPE_CHECKING:
    from ecteam.fisher.information import Fisher

SCALING_WORDS = {
    "unit": "parameters scaled to information 1 each",
    "relative": "relative changes of the parameters",
    "none": "parameters unscaled",
}
MOST = 0.8
"""Share of a direction that one or a few parameters must have to be called that direction."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
MOST_NAMED = 4
"""Parameters of a mixture that is spelled out."""

_PATTERNS = (
    (r"electronic_temperature", "the electronic temperature"),
    (r"energy\[(\w+) (\w+)\]", "the energy of the {1} of {0}"),
    (r"repulsion\[(\w+-\w+) (\d+): (\w+)\]", "the {2} of repulsion {1} of {0}"),
    (
        r"repulsion\[(\w+) (\w+)-(\w+) (\w+) (\d+): (\w+)\]",
        "the {5} of repulsion {4} of {0} ({1}) and {2} ({3})",
    ),
    (r"polarisability\[(\w+) (\w+)\]", "the polarisability of the {1} of {0}"),
    (r"density_scale\[(\w+) (\w+)\]", "the density scale of the {1} of {0}"),
    (r"density\[(\w+) (\w+): (\w+) (\d+)\]", "{2} {3} of the density of the {1} of {0}"),
    (
        r"resonance\[(\w+) (\w+)>(\w+) (\w+) (\w+)>(\w+): (\w+)\]",
        "the {6} of the resonance of {0} ({1} → {2}) with {3} ({4} → {5})",
    ),
)


def plain_name(name: str) -> str:
    """Say the name of a parameter in words; names of learned terms stay as they are.

    ``embedding[O anion 1]`` is "the embedding slope of the anion of O": F′(0) is the first
    coefficient over 2 √shift.
    """
    found = re.fullmatch(r"embedding\[(\w+) (\w+) (\d+)\]", name)
    if found is not None:
        symbol, state, number = found.groups()
        owner = f"neutral {symbol}" if state == "ground" else f"the {state} of {symbol}"
        k = int(number) - 1
        which = ORDINALS[k] if k < len(ORDINALS) else f"{number}th"
        part = "embedding slope" if k == 0 else f"{which} embedding coefficient"
        return f"the {part} of {owner}"
    for pattern, words in _PATTERNS:
        found = re.fullmatch(pattern, name)
        if found is not None:
            return words.format(*found.groups())
    return name


def summary(found: Fisher) -> str:
    """Count directions, name the best and the worst determined, and say what to freeze."""
    size = len(found.names)
    if size == 0:
        return "The model has no parameters."
    lines = [
        f"{found.factor.rows} labels, {size} parameters ({SCALING_WORDS[found.scaling]}).",
        f"{found.stiff_directions} directions are stiff, {size - found.stiff_directions} sloppy; "
        f"effective dimension {found.effective_dimension:.1f}.",
    ]
    if np.isfinite(found.condition):
        lines.append(f"Condition number {found.condition:.2g}.")
    else:
        empty = int((found.eigenvalues == 0.0).sum())
        lines.append(f"The data say nothing at all about {empty} of the directions.")
    lines.append(f"Determined best: {mixture(found, 0)}.")
    lines.append(f"Determined worst: {mixture(found, -1)}.")
    return "\n".join([*lines, *advice(found)])


def mixture(found: Fisher, direction: int, count: int = 3) -> str:
    """Largest parts of a direction."""
    parts = [f"{name} ({share:.0%})" for name, share in found.participation(direction, count)]
    return ", ".join(parts)


def advice(found: Fisher) -> list[str]:
    """One sentence for each sloppy direction, the sloppiest first, and what to freeze."""
    first, size = found.stiff_directions, len(found.names)
    if first == size:
        return ["Every direction is stiff: nothing needs to be frozen."]
    vectors = found.eigenvectors
    said = [_sentence(found.names, vectors[:, k]) for k in range(size - 1, first - 1, -1)]
    lines = [sentence for sentence in said if sentence is not None]
    if None in said:
        lines.append(
            f"{said.count(None)} sloppy directions are mixtures of more than {MOST_NAMED} "
            "parameters each."
        )
    frozen = found.to_freeze()
    names = ", ".join(f"`{name}`" for name in frozen)
    lines.append(f"Freezing {len(frozen)} of {size} leaves only stiff directions: {names}.")
    return lines


def _sentence(names: Sequence[str], vector: FloatArray) -> str | None:
    """Say what a sloppy direction is made of; None if it is too much to say."""
    order = np.argsort(-(vector**2), kind="stable")
    shares = np.cumsum(vector[order] ** 2)
    count = int(np.searchsorted(shares, MOST)) + 1
    named = [plain_name(names[k]) for k in order[:count]]
    if count == 1:
        return f"{_upper(named[0])} is hardly determined by itself: freeze it."
    if count == 2:
        opposite = "against each other" if vector[order[0]] * vector[order[1]] < 0.0 else "together"
        return (
            f"{_upper(named[0])} and {named[1]} are one direction (they change {opposite}): "
            "freeze one."
        )
    if count > MOST_NAMED:
        return None
    text = ", ".join(named[:-1]) + f" and {named[-1]}"
    return f"A mixture of {text} is not determined: freeze one of them."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text
