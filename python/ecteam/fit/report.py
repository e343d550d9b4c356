"""The story of a fit: a Markdown file and its figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ecteam.figures import embedded
from ecteam.files import whole_file
from ecteam.fisher.report import fisher_sections
from ecteam.fit.config import SIDES
from ecteam.fit.model import UNITS
from ecteam.fit.plots import (
    Series,
    draw_curves,
    draw_parity,
    draw_progress,
    labelled_properties,
    lowest_points,
    series_of,
)
from ecteam.fit.run import Outcome, Part

REPORT = "report.md"
MOST_REJECTED = 20
"""Rejected structures that are named."""


def write_report(outcome: Outcome, folder: str | Path) -> Path:
    """Write ``report.md`` and its figures into a folder; without Matplotlib, no figures.

    Returns
    -------
    Path
        Of the Markdown file.
    """
    path = Path(folder)
    text = "\n".join(
        [
            *_head(outcome),
            *_errors(outcome),
            *_parity(outcome, path),
            *_curves(outcome, path),
            *_course(outcome, path),
            "## What the data determine",
            "",
            *fisher_sections(outcome.information, path / "spectrum.png"),
            *_parameters(outcome),
            *_left_out(outcome),
        ]
    )
    with whole_file(path / REPORT) as part:
        part.write_text(text, encoding="utf-8")
    return path / REPORT


def _head(outcome: Outcome) -> list[str]:
    config, trained = outcome.problem.config, outcome.trained
    counts = ", ".join(f"{len(outcome.after[side].labels)} {side}" for side in SIDES)
    state = "converged" if trained.converged else "**not converged**: more iterations are needed"
    return [
        f"# Fit of {config.name}",
        "",
        *([config.description, ""] if config.description else []),
        f"{len(trained.model.parameters)} parameters fitted to {trained.factor.rows} labels; "
        f"{counts} structures. {len(outcome.history)} steps, {state}. Mean square of residual over "
        f"scale: {_losses(outcome)}.",
        "",
        f"Potential `{outcome.potential.name}`, SHA-256 `{outcome.potential.sha256}`.",
        "",
    ]


def _losses(outcome: Outcome) -> str:
    return ", ".join(
        f"{side} {outcome.before[side].loss:.3g} → {outcome.after[side].loss:.3g}"
        for side in SIDES
        if len(outcome.after[side].labels)
    )


def _errors(outcome: Outcome) -> list[str]:
    names = labelled_properties(outcome)
    fitted = outcome.problem.config.scales
    heads = [
        f"{name} ({UNITS[name]})" + ("" if np.isfinite(getattr(fitted, name)) else ", not fitted")
        for name in names
    ]
    lines = [
        "## Errors",
        "",
        "Root mean squares; in brackets those of the start. Only `train` was fitted; `validation` "
        "was watched, `test` was not looked at.",
        "",
        f"| group | side | structures | {' | '.join(heads)} |",
        "|---" * (len(names) + 3) + "|",
    ]
    for side in SIDES:
        before, after = outcome.before[side], outcome.after[side]
        for group in [*sorted(set(after.labels.groups)), None]:
            count = sum(group in (None, own) for own in after.labels.groups)
            if count:
                cells = [_cell(after, before, group, name) for name in names]
                title = "**all**" if group is None else group or "–"
                lines.append(f"| {title} | {side} | {count} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(after: Part, before: Part, group: str | None, name: str) -> str:
    values = [rmse_of(part, group, name) for part in (after, before)]
    return "–" if np.isnan(values[0]) else f"{values[0]:.4g} ({values[1]:.3g})"


def rmse_of(part: Part, group: str | None, name: str) -> float:
    """Root-mean-square error of a property in a group, or in all; NaN without labels."""
    if group is None:
        return part.errors.total(name).rmse
    found = part.errors.sums.get((group, name))
    return float("nan") if found is None else found.rmse


def _parity(outcome: Outcome, path: Path) -> list[str]:
    rows = -(-len(labelled_properties(outcome)) // 2)
    drawn = partial(draw_parity, outcome=outcome)
    size = 8.0, 3.6 * max(rows, 1)
    return embedded(path / "parity.png", "Prediction against reference", drawn, size=size)


def _curves(outcome: Outcome, path: Path) -> list[str]:
    curves = outcome.problem.config.curves
    if not curves:
        return []
    series = [own for curve in curves for own in series_of(outcome, curve)]
    lines = ["## Curves", ""]
    found = {own.curve.group for own in series}
    lines += [
        f"Group `{curve.group}` has no two structures of one composition with the atoms "
        f"{curve.atoms[0]} and {curve.atoms[1]}.\n"
        for curve in curves
        if curve.group not in found
    ]
    if series:
        drawn = partial(draw_curves, outcome=outcome, series=series)
        size = 9.0, 0.6 + 2.8 * -(-len(series) // 3)
        lines += embedded(path / "curves.png", "Energy over distance", drawn, size=size)
        lines += [*_curve_table(outcome, series), ""]
    return lines


def _curve_table(outcome: Outcome, series: list[Series]) -> list[str]:
    lines = [
        "Lowest points, of a parabola through three points unless at an end.",
        "",
        "| curve | points | reference (Å) | potential (Å) | reference (eV) | potential (eV) |",
        "|---|---|---|---|---|---|",
    ]
    for own in series:
        (r, energy), (r_found, found) = lowest_points(outcome, own)
        lines.append(
            f"| {own.curve.group}: {own.title} | {len(own.distances)} | {r:.3f} | {r_found:.3f} | "
            f"{energy:.3f} | {found:.3f} |"
        )
    return lines


def _course(outcome: Outcome, path: Path) -> list[str]:
    if not outcome.history:
        return ["All parameters are linear: one solve, no steps.", ""]
    accepted = sum(record["accepted"] for record in outcome.history)
    drawn = partial(draw_progress, outcome=outcome)
    return [
        "## Course",
        "",
        f"{len(outcome.history)} steps were tried, {accepted} were taken.",
        "",
        *embedded(path / "progress.png", "Loss over the steps", drawn),
    ]


def _parameters(outcome: Outcome) -> list[str]:
    """Where each parameter came from and where it was held."""
    model, prior = outcome.trained.model, outcome.problem.prior
    lines = [
        "## Parameters",
        "",
        "| parameter | start | fitted | prior | bounds |",
        "|---|---|---|---|---|",
    ]
    for name, start, value, centre, width, (low, high) in zip(
        model.parameter_names,
        outcome.problem.model.parameters,
        model.parameters,
        prior.centre,
        prior.width,
        model.parameter_bounds,
        strict=True,
    ):
        held = f"{centre:.4g} ± {width:.3g}" if np.isfinite(width) else "–"
        limits = "–" if np.isinf([low, high]).all() else f"{low:g} … {high:g}"
        limits += " **on its bound**" if value in (low, high) else ""
        lines.append(f"| `{name}` | {start:.5g} | {value:.5g} | {held} | {limits} |")
    unknown = outcome.trained.unidentified
    if unknown:
        lines += ["", f"The data alone do not determine {', '.join(f'`{n}`' for n in unknown)}."]
    return [*lines, ""]


def _left_out(outcome: Outcome) -> list[str]:
    lines: list[str] = []
    for side, part in outcome.after.items():
        rejected = part.errors.rejected
        if rejected:
            named = ", ".join(rejected[:MOST_REJECTED])
            more = f" and {len(rejected) - MOST_REJECTED} more" * (len(rejected) > MOST_REJECTED)
            lines += [f"- {side}: the weights of {named}{more} did not converge."]
    if outcome.problem.dropped:
        named = ", ".join(outcome.problem.dropped)
        lines += [f"- Left out, for a copy is held out: {named}."]
    return ["## Left out", "", *lines, ""] if lines else []


def summary_table(outcome: Outcome) -> Table:
    """Root-mean-square errors of each side, for a terminal."""
    names = labelled_properties(outcome)
    table = Table(title=f"root-mean-square errors of {outcome.potential.name} (of the start)")
    for head in ("side", "structures", *(f"{name} ({UNITS[name]})" for name in names)):
        table.add_column(head)
    for side in SIDES:
        before, after = outcome.before[side], outcome.after[side]
        if len(after.labels):
            cells: list[Any] = [_cell(after, before, None, name) for name in names]
            table.add_row(side, str(len(after.labels)), *cells)
    return table
