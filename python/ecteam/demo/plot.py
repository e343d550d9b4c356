"""Figure of the demonstration: energy and state weights along both curves.

Colour is the atom, line style the state; the hues are those of Okabe and Ito, which stay apart for
colour-blind eyes. Curves are labelled where they end. Needs Matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecteam.demo.proton import LEFT, PROTON, RIGHT, ProtonPath
from ecteam.demo.salt import CHLORINE, SODIUM, Dissociation
from ecteam.structure import FloatArray

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"
STYLES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)))
Label = tuple[float, str, str]
"""Height, words, colour."""
DASHES_OVER = (0, (3, 3))
"""For a curve that may coincide with another one below it."""
LABEL_GAP = 0.075
"""Smallest distance of two labels, as a share of the axis."""
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
}


def weights_figure(path: ProtonPath, curve: Dissociation) -> Figure:
    """Two panels: the proton path and the NaCl curve, energy above weights."""
    with rc_context(STYLE):
        figure = Figure(figsize=(12.5, 6.4))
        axes = figure.subplots(2, 2, sharex="col", height_ratios=(1.0, 1.15))
        _draw_proton(axes[0, 0], axes[1, 0], path)
        _draw_salt(axes[0, 1], axes[1, 1], curve)
        figure.align_ylabels(axes[:, 0])
        figure.align_ylabels(axes[:, 1])
        figure.subplots_adjust(0.065, 0.09, 0.91, 0.92, wspace=0.42, hspace=0.12)
    return figure


def _draw_proton(energy: Axes, weights: Axes, path: ProtonPath) -> None:
    x = path.coordinate
    energy.plot(x, path.energies, color="black")
    energy.set_title(f"A proton between two water molecules, O–O {path.separation:.2f} Å")
    energy.set_ylabel("energy above minimum (eV)")
    highest = float(path.energies.max())
    energy.set_ylim(-0.03 * highest, 1.05 * highest)
    ends = _draw_weights(weights, x, path.weights(PROTON), "proton", BLUE)
    ends += _draw_weights(weights, x, path.weights(LEFT), "left O", VERMILLION)
    ends += _draw_weights(weights, x, path.weights(RIGHT), "right O", GREEN)
    _finish_weights(weights, ends)
    weights.set_xlabel("H–O distance, left minus right (Å)")
    weights.set_xlim(x[0], x[-1])


def _draw_salt(energy: Axes, weights: Axes, curve: Dissociation) -> None:
    x, lowest = curve.distance, float(curve.energies.min())
    energy.axhline(0.0, color=GREY, linewidth=0.8)
    energy.plot(x, curve.point_ions, color=GREY, linestyle="--", linewidth=1.3)
    energy.plot(x, curve.energies, color="black")
    energy.set_title("Na and Cl pulled apart")
    energy.set_ylabel("free energy (eV)")
    energy.set_ylim(1.15 * lowest, 2.2)
    _label_ends(energy, [(0.0, "neutral atoms", GREY), (curve.point_ions[-1], "point ions", GREY)])
    ends = _draw_weights(weights, x, curve.weights(SODIUM), "Na", BLUE)
    ends += _draw_weights(weights, x, curve.weights(CHLORINE), "Cl", VERMILLION, over=True)
    _finish_weights(weights, ends)
    weights.set_xlabel("Na–Cl distance (Å)")
    weights.set_xlim(x[0], x[-1])
    _mark_crossing(energy, weights, curve.crossing)


def _mark_crossing(energy: Axes, weights: Axes, crossing: float | None) -> None:
    """Draw a line where the ion pair becomes a pair of atoms."""
    if crossing is None:
        return
    for ax in (energy, weights):
        ax.axvline(crossing, color=GREY, linewidth=0.8, linestyle=":")
    energy.annotate(
        f"ions up to {crossing:.2f} Å,\natoms beyond",
        (crossing, 0.04),
        xytext=(7, 0),
        xycoords=energy.get_xaxis_transform(),
        textcoords="offset points",
        color=GREY,
        fontsize=9,
    )


def _draw_weights(
    ax: Axes,
    x: FloatArray,
    curves: dict[str, FloatArray],
    atom: str,
    color: str,
    over: bool = False,
) -> list[Label]:
    """Draw all states but the first, whose weight is the rest; give the labels of the ends."""
    shown = list(curves.items())[1:]
    styles = (DASHES_OVER,) if over else STYLES
    for (_, values), style in zip(shown, styles, strict=False):
        ax.plot(x, values, color=color, linestyle=style)
    return [(float(values[-1]), f"{atom}: {name}", color) for name, values in shown]


def _finish_weights(ax: Axes, ends: list[Label]) -> None:
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("state weight")
    _label_ends(ax, ends)
    ax.text(
        0.015,
        0.03,
        "the rest is the neutral ground state",
        color=GREY,
        fontsize=9,
        transform=ax.transAxes,
    )


def _label_ends(ax: Axes, labels: list[Label]) -> None:
    """Write each label beside the right end of its curve, moved apart where they collide."""
    labels = sorted(labels)
    low, high = ax.get_ylim()
    wanted = [(y - low) / (high - low) for y, _, _ in labels]
    for (_, words, color), height in zip(labels, _spread(wanted), strict=True):
        ax.annotate(words, (1.015, height), xycoords="axes fraction", color=color, va="center")


def _spread(heights: Iterable[float]) -> list[float]:
    """Increasing heights, at least LABEL_GAP apart, none above 1."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + LABEL_GAP) if placed else height)
    ceiling = 1.0
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], ceiling)
        ceiling = placed[k] - LABEL_GAP
    return placed
