"""Figures of reports, drawn without a display. Matplotlib is asked for only here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecteam.files import whole_file

logger = logging.getLogger(__name__)

BLUE, ORANGE, VERMILLION, GREY = "#0072B2", "#E69F00", "#D55E00", "#6B6B6B"
"""Colours that most people can tell apart (M. Okabe and K. Ito, 2008)."""
NO_MATPLOTLIB = "figures need Matplotlib: pip install 'ecteam[plot]'"


def save_figure(
    path: Path, draw: Callable[[Any], None], size: tuple[float, float] = (8.0, 5.0)
) -> None:
    """Draw into an empty figure and write it as PNG, whole or not at all.

    Parameters
    ----------
    path : Path
        File.
    draw : callable
        Gets a `matplotlib.figure.Figure`.
    size : (float, float)
        Width and height, inch.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(NO_MATPLOTLIB) from None
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=150)


def embedded(path: Path, words: str, draw: Callable[[Any], None], **options: Any) -> list[str]:
    """Markdown lines that show a figure, or say why there is none: a report is worth having."""
    try:
        save_figure(path, draw, **options)
    except ImportError as error:
        logger.warning("%s is left out: %s", path.name, error)
        return [f"({words}: {error})", ""]
    return [f"![{words}]({path.name})", ""]
