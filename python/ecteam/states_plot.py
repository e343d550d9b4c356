"""Figure of the densities of an element. Needs Matplotlib: ``pip install 'ecteam[plot]'``."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecteam.files import whole_file
from ecteam.library import AtomicState, Element

__all__ = ["computed_density", "save_figure"]

Array = NDArray[np.float64]

SMALLEST = 1e-9
"""e/Å: lower end of the logarithmic scale."""


def computed_density(symbol: str, name: str) -> tuple[Array, Array] | None:
    """Read the calculated radial density that the shipped library was fitted to.

    Parameters
    ----------
    symbol, name : str
        Element and state.

    Returns
    -------
    tuple of two ndarray, shape (m,), or None
        Radii in Å and density in e/Å³; None if the state is not in the library.
    """
    document = _densities()
    values = document["densities"].get(f"{symbol} {name}")
    if values is None:
        return None
    return np.array(document["radii"]), np.array(values)


@cache
def _densities() -> dict[str, Any]:
    source = files("ecteam") / "data" / "densities.json.gz"
    content: dict[str, Any] = json.loads(gzip.decompress(source.read_bytes()))
    return content


def save_figure(element: Element, output: str | Path) -> None:
    """Draw r²ρ of every state, and below the differences of the fits from the calculation.

    Parameters
    ----------
    element : Element
        What to draw.
    output : path
        Figure file; the suffix is its format.

    Raises
    ------
    OSError, ValueError
        If it cannot be written, or the format is unknown.
    """
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for index, state in enumerate(state for state in element.states if state.quality):
        _draw(state, f"C{index}", upper, lower)
    upper.set(ylabel="r²ρ (e/Å)", yscale="log", xscale="log", ylim=(SMALLEST, None))
    upper.set_title(f"{element.symbol}: lines are fits, dots calculated densities")
    upper.legend(fontsize="small")
    lower.set(xlabel="r (Å)", ylabel="r²Δρ (e/Å)", xlim=(1e-3, 15.88))
    lower.axhline(0.0, color="0.7", linewidth=0.5, zorder=0)
    with whole_file(output) as part:
        figure.savefig(part, format=Path(output).suffix.lstrip(".") or "png", dpi=150)


def _draw(state: AtomicState, color: str, upper: Axes, lower: Axes) -> None:
    radii = np.geomspace(1e-3, 15.88, 800)
    quality = state.quality
    label = (
        f"{state.name}: count {quality['count_error']:+.0e} e, cusp {quality['cusp_error']:+.0e}, "
        f"∫|Δρ| {quality['absolute_error']:.4f} e"
    )
    upper.plot(radii, radii**2 * state.density.density(radii), color=color, label=label)
    found = computed_density(state.symbol, state.name)
    if found is None:
        return
    points, values = found
    seen = (points > radii[0]) & (points < radii[-1])
    points, values = points[seen], values[seen]
    upper.plot(points, points**2 * values, ".", color=color, markersize=2.5)
    difference = points**2 * (state.density.density(points) - values)
    lower.plot(points, difference, color=color, linewidth=1.0)
