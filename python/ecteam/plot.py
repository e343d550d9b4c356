"""Figures of a result. Needs Matplotlib: ``pip install 'ecteam[plot]'``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam.density import electron_density
from ecteam.evaluate import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_weights(result: Result, ax: Axes | None = None) -> Axes:
    """Stacked bars: the weights of the states of every atom.

    Parameters
    ----------
    result : Result
        Any result.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    """
    ax = _axes(ax)
    names = list(dict.fromkeys(name for states in result.state_names for name in states))
    atoms = np.arange(len(result.symbols))
    bottom = np.zeros(len(atoms))
    for name in names:
        heights = np.array([result.weights_of(i).get(name, 0.0) for i in range(len(atoms))])
        ax.bar(atoms, heights, bottom=bottom, label=name)
        bottom += heights
    ax.set_xticks(atoms, [f"{symbol}{i}" for i, symbol in enumerate(result.symbols)])
    ax.set(ylabel="weight", ylim=(0, 1))
    ax.legend()
    return ax


def plot_density(
    atoms: Atoms,
    result: Result,
    start: npt.ArrayLike,
    stop: npt.ArrayLike,
    ax: Axes | None = None,
) -> Axes:
    """Electron density (e/Å³, logarithmic) along the straight line between two points.

    Parameters
    ----------
    atoms, result
        As in :func:`ecteam.electron_density`.
    start, stop : (3,) array_like
        Ends of the line, Å.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    """
    ax = _axes(ax)
    ends = np.array([start, stop], dtype=np.float64)
    fraction = np.linspace(0.0, 1.0, 401)
    points = ends[0] + fraction[:, None] * (ends[1] - ends[0])
    distance = fraction * np.linalg.norm(ends[1] - ends[0])
    ax.semilogy(distance, electron_density(atoms, result, points))
    ax.set(xlabel="distance along the line (Å)", ylabel="electron density (e/Å³)")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        message = "plots need Matplotlib: pip install 'ecteam[plot]'"
        raise ImportError(message) from None
    return pyplot.subplots()[1]
