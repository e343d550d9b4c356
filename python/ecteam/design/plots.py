"""Figures of a design run. Need Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecteam.design.pareto import SELECTION, front
from ecteam.figures import BLUE, GREY, VERMILLION, save_figure

Record = dict[str, Any]

NO_CONDITION = 1e30
"""Drawn for a singular Fisher information."""


def write_figures(
    folder: Path, records: Sequence[Record], finalists: Sequence[Record], best: Record
) -> None:
    """Write ``pareto.png``, ``spectra.png`` and ``moves.png``.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    """
    for name, draw in (("pareto", _pareto), ("spectra", _spectra), ("moves", _moves)):
        drawn = partial(draw, records=records, finalists=finalists, best=best)
        save_figure(folder / f"{name}.png", drawn)


def _pareto(
    figure: Any, records: Sequence[Record], finalists: Sequence[Record], best: Record
) -> None:
    ax = figure.subplots()
    size = [record["parameters"] for record in records]
    error = [record["error"] for record in records]
    color = [np.log10(record["condition"] or NO_CONDITION) for record in records]
    dots = ax.scatter(size, error, c=color, s=22, cmap="cividis_r", zorder=2)
    figure.colorbar(dots, label="log₁₀ condition number of the Fisher information")
    flat = sorted(
        (records[k]["parameters"], records[k]["error"]) for k in front(records, SELECTION)
    )
    ax.step(*zip(*flat, strict=True), where="post", color=GREY, linewidth=1.0, zorder=1)
    first = [record for record in records if record["generation"] == 0]
    ax.scatter(
        [record["parameters"] for record in first],
        [record["error"] for record in first],
        s=60,
        facecolors="none",
        edgecolors=BLUE,
        label="start",
    )
    chosen = next((record for record in records if record["key"] == best["key"]), best)
    ax.plot(
        chosen["parameters"],
        chosen["error"],
        marker="*",
        markersize=16,
        color=VERMILLION,
        linestyle="none",
        label="recommended",
    )
    ax.set(xlabel="parameters", ylabel="validation error (in units of the scales)", yscale="log")
    ax.legend(frameon=False)


def _spectra(
    figure: Any, records: Sequence[Record], finalists: Sequence[Record], best: Record
) -> None:
    ax = figure.subplots()
    ordered = sorted(finalists, key=lambda record: (record["parameters"], record["key"]))
    for k, record in enumerate(ordered):
        values = [value for value in record["fisher"]["eigenvalues"] if value > 0.0]
        chosen = record["key"] == best["key"]
        color = VERMILLION if chosen else BLUE if record["generation"] == 0 else GREY
        ax.scatter([k] * len(values), values, marker="_", s=220, linewidth=1.2, color=color)
    labels = [str(record["parameters"]) for record in ordered]
    ax.set_xticks(range(len(ordered)), labels)
    ax.set(
        yscale="log",
        xlabel="parameters of each finalist (blue: start, red: recommended)",
        ylabel="eigenvalues, parameters of unit information",
    )


def _moves(
    figure: Any, records: Sequence[Record], finalists: Sequence[Record], best: Record
) -> None:
    from ecteam.design.report import gains

    ax = figure.subplots()
    found = gains(records)
    names = sorted(found)
    for k, name in enumerate(names):
        falls = [100.0 * max(fall, -1.0) for fall, _ in found[name]]
        spread = np.linspace(-0.25, 0.25, len(falls)) if len(falls) > 1 else np.zeros(1)
        ax.scatter(k + spread, falls, s=16, color=BLUE)
        ax.hlines(np.median(falls), k - 0.35, k + 0.35, color=VERMILLION)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel="fall of the error against the parent (%)")
    ax.set_title("each use of a move, and the median; −100 % stands for worse", fontsize=10)
