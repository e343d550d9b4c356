"""A Markdown report about a Fisher information, and the figure of its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecteam._core import InvalidInputError
from ecteam.figures import BLUE, GREY, VERMILLION, embedded
from ecteam.fisher.information import STIFF, Fisher
from ecteam.fisher.intervals import Credible, Interval
from ecteam.fisher.words import SCALING_WORDS, advice, mixture
from ecteam.fit.labels import Labels
from ecteam.fit.model import PROPERTIES, UNITS, Model, row_properties

MOST_CHARGES = 6
"""Charges that are listed of a structure."""
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
    bottom.xaxis.get_major_locator().set_params(integer=True)


def spectrum_size(found: Fisher) -> tuple[float, float]:
    """Give every parameter name a line."""
    return 9.0, max(6.0, 3.0 + 0.16 * len(found.names))


def interval_table(found: Fisher, model: Model, labels: Labels, level: float) -> list[str]:
    """Width of the intervals of the labelled structures beside their errors, by group."""
    if found.factor.rows <= len(found.parameters):
        return []
    heads = [f"{name} ({UNITS[name]})" for name in PROPERTIES]
    lines = [
        "## How sure the predictions are",
        "",
        f"Root mean square of the half widths of the {level:.0%} intervals, and of the errors. The "
        "interval says where the potential of this form lies that the data ask for; what the form "
        "cannot express is in the errors only.",
        "",
        f"| group | structures | {' | '.join(heads)} |",
        "|---" * (len(heads) + 2) + "|",
    ]
    groups = np.array(labels.groups)
    for group in sorted(set(labels.groups)):
        own = labels[np.flatnonzero(groups == group).tolist()]
        cells = _widths(found, model, own, level)
        lines.append(f"| {group or '–'} | {len(own)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _widths(found: Fisher, model: Model, labels: Labels, level: float) -> list[str]:
    """Half width and error of each property in the units of errors."""
    low, high = found.interval(model, labels.structures, level)
    per = np.concatenate(
        [np.where(row_properties(atoms) == 0, 1.0 / len(atoms), 1.0) for atoms in labels.structures]
    )
    kinds = np.concatenate([row_properties(atoms) for atoms in labels.structures])
    error = (np.concatenate(labels.targets) - 0.5 * (low + high)) * per
    half = 0.5 * (high - low) * per
    cells = []
    for k in range(len(PROPERTIES)):
        known = (kinds == k) & np.isfinite(error)
        if not known.any():
            cells.append("–")
            continue
        width, rmse = (np.sqrt(np.mean(values[known] ** 2)) for values in (half, error))
        cells.append(f"± {width:.2g}, error {rmse:.2g}")
    return cells


def prediction_table(titles: Sequence[str], found: Sequence[Credible], level: float) -> list[str]:
    """Intervals of structures that were asked for."""
    if not found:
        return []
    lines = [
        f"## Predictions, {level:.0%} intervals",
        "",
        "| structure | energy (eV) | largest half width of a force (eV/Å) | dipole (e·Å) | "
        "charges (e) |",
        "|---|---|---|---|---|",
    ]
    for title, own in zip(titles, found, strict=True):
        dipole = "–" if own.dipole is None else ", ".join(_pairs(own.dipole))
        charges = ", ".join(_pairs(own.charges)[:MOST_CHARGES])
        charges += " …" * (own.charges.value.size > MOST_CHARGES)
        force = 0.5 * (own.forces.high - own.forces.low).max()
        lines.append(f"| {title} | {_pairs(own.energy)[0]} | {force:.2g} | {dipole} | {charges} |")
    return [*lines, ""]


def _pairs(interval: Interval) -> list[str]:
    """Each number as value ± half width, with the digits that mean something."""
    values = np.atleast_1d(interval.value)
    halves = np.atleast_1d(0.5 * (interval.high - interval.low))
    both = zip(values, halves, strict=True)
    return [f"{value:.{_digits(half)}f} ± {half:.2g}" for value, half in both]


def _digits(half: float) -> int:
    return int(np.clip(1 - np.floor(np.log10(half)), 0, 8)) if half > 0.0 else 6
