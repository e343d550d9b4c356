"""A Markdown report about a Fisher information, and the figure of its spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecteam._core import InvalidInputError
from ecteam.figures import BLUE, GREY, VERMILLION, embedded
from ecteam.fisher.information import STIFF, Fisher
from ecteam.fisher.words import SCALING_WORDS, advice, mixture

MOST_ROWS = 60
"""Directions that get a row in the table."""


def fisher_sections(found: Fisher, figure: Path) -> list[str]:
    """Markdown lines: words, spectrum, directions, parameters; writes the figure."""
    if not found.names:
        return ["There are no parameters.", ""]
    return [
        *_head(found),
        *embedded(
            figure,
            "Spectrum of the Fisher information",
            lambda f: draw_spectrum(f, found),
            size=spectrum_size(found),
        ),
        *_directions(found),
        *_parameters(found),
    ]


def _head(found: Fisher) -> list[str]:
    size, stiff = len(found.names), found.stiff_directions
    condition = "infinite" if np.isinf(found.condition) else f"{found.condition:.2g}"
    return [
        f"{found.factor.rows} labels, {size} parameters. {stiff} directions are stiff, "
        f"{size - stiff} sloppy; effective dimension {found.effective_dimension:.1f}; condition "
        f"number {condition} ({SCALING_WORDS[found.scaling]}; stiff: at least {STIFF:g} of the "
        "mean eigenvalue).",
        "",
        *(f"- {sentence}" for sentence in advice(found)),
        "",
    ]


def _directions(found: Fisher) -> list[str]:
    values = found.eigenvalues
    lines = ["| direction | eigenvalue | | parameters and their shares |", "|---|---|---|---|"]
    limit = STIFF * values.mean()
    for k, value in enumerate(values[:MOST_ROWS]):
        word = "stiff" if value >= limit else "sloppy"
        lines.append(f"| {k + 1} | {value:.3g} | {word} | {mixture(found, k, 4)} |")
    return [*lines, ""]


def _parameters(found: Fisher) -> list[str]:
    try:
        errors = found.standard_errors
    except InvalidInputError as problem:  # fewer labels than parameters
        return [str(problem), ""]
    shares = found.sloppiness
    lines = [
        f"Standard errors include the noise of the fit, {found.noise:.3g} in units of the scales.",
        "",
        "| parameter | value | standard error | in sloppy directions |",
        "|---|---|---|---|",
    ]
    for name, value, error, share in zip(
        found.names, found.parameters, errors, shares, strict=True
    ):
        lines.append(f"| `{name}` | {value:.5g} | {error:.2g} | {share:.0%} |")
    return [*lines, ""]


def draw_spectrum(figure: Any, found: Fisher) -> None:
    """Eigenvalues in order, and who takes part in each direction."""
    top, bottom = figure.subplots(2, 1, height_ratios=(1.0, 1.6), sharex=True)
    values, size = found.eigenvalues, len(found.names)
    limit = STIFF * values.mean()
    place = np.arange(1, size + 1)
    known = values > 0.0
    for chosen, color, label in (
        (known & (values >= limit), BLUE, "stiff"),
        (known & (values < limit), VERMILLION, "sloppy"),
    ):
        top.semilogy(place[chosen], values[chosen], "o", color=color, label=label)
    top.axhline(limit, color=GREY, linewidth=0.8, linestyle="--")
    top.set(ylabel="eigenvalue", title=SCALING_WORDS[found.scaling])
    top.legend(frameon=False)
    shares = found.eigenvectors**2
    image = bottom.pcolormesh(place, np.arange(size), shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=bottom, label="share", pad=0.01)
    bottom.set_yticks(np.arange(size), found.names, fontsize=max(3.0, min(7.0, 180.0 / size)))
    bottom.invert_yaxis()
    bottom.set(xlabel="direction, stiffest first")


def spectrum_size(found: Fisher) -> tuple[float, float]:
    """Give every parameter name a line."""
    return 9.0, max(6.0, 3.0 + 0.16 * len(found.names))
