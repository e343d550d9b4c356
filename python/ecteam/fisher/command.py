"""Command line: ``ecteam fisher POTENTIAL DATA``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from ase import Atoms
from rich.console import Console

from ecteam._core import InvalidInputError
from ecteam.cli_common import JsonFlag, check_directory, one_line_errors, read_structures
from ecteam.files import whole_file
from ecteam.fisher.information import Fisher
from ecteam.fisher.information import fisher as fisher_of
from ecteam.fisher.intervals import Credible, credible
from ecteam.fisher.report import fisher_sections, interval_table, prediction_table
from ecteam.fit.labels import Labels, Scales, read_labels
from ecteam.fit.model import PROPERTIES
from ecteam.fit.sources import data_file
from ecteam.parameters import Selection
from ecteam.potential import load
from ecteam.structure import total_charge_of


def fisher(
    potential: Annotated[str, typer.Argument(help="Shipped name or file.")],
    data: Annotated[
        list[str], typer.Argument(help="Labelled structures: files, or data of the package.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Markdown report, with its figure.")
    ] = None,
    free: Annotated[
        list[str] | None, typer.Option(help="Parameters by name, * and ! as in a fit; repeatable.")
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="Expected error, e.g. dipole=0.05; repeatable; inf leaves out."),
    ] = None,
    scaling: Annotated[str, typer.Option(help="unit, relative or none.")] = "unit",
    predict: Annotated[
        Path | None, typer.Option(help="Structures to predict, with credible intervals.")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability inside the intervals.")] = 0.95,
    as_json: JsonFlag = False,
) -> None:
    """Say what data determine of a potential's parameters, and how sure its predictions are."""
    with one_line_errors():
        check_directory(output)
        model = load(potential).select(*(free or []))
        scales = _scales(scale or [])
        labels = read_labels(*map(data_file, data))
        frames = [] if predict is None else read_structures(predict)
        with Console(stderr=True).status("derivatives of all predictions"):
            found = fisher_of(model, labels, scales, scaling=scaling)
            predicted = credible(found, model, frames, level) if frames else []
        if output is not None:
            _write(output, _report(output, model, labels, found, predicted, frames, level))
    if as_json:
        typer.echo(json.dumps(found.data() | {"predictions": _plain(predicted)}))
        return
    typer.echo(found.summary())
    if output is not None:
        typer.echo(f"report: {output}")


def _scales(pairs: list[str]) -> Scales:
    """Scales from NAME=VALUE."""
    given: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in (*PROPERTIES, "softening"):
            allowed = ", ".join(PROPERTIES)
            raise InvalidInputError(f"scale: must be one of {allowed}, softening, got {name!r}")
        try:
            given[name] = float(value)
        except ValueError:
            raise InvalidInputError(f"scale: {name} must be a number, got {value!r}") from None
    return replace(Scales(), **given)


def _report(
    output: Path,
    model: Selection,
    labels: Labels,
    found: Fisher,
    predicted: list[Credible],
    frames: list[Atoms],
    level: float,
) -> list[str]:
    figure = output.with_name(f"{output.stem}-spectrum.png")
    lines = [
        f"# What the data determine of {model.potential.name}",
        "",
        f"Potential SHA-256 `{model.potential.sha256}`; {len(labels)} structures.",
        "",
        *fisher_sections(found, figure),
        *interval_table(found, model, labels, level),
    ]
    names = [f"{k}: {atoms.get_chemical_formula()}" for k, atoms in enumerate(frames)]
    charges = [total_charge_of(atoms, None) for atoms in frames]
    titles = [n + (f", {q:+g} e" if q else "") for n, q in zip(names, charges, strict=True)]
    return [*lines, *prediction_table(titles, predicted, level)]


def _write(output: Path, lines: list[str]) -> None:
    with whole_file(output) as part:
        part.write_text("\n".join(lines), encoding="utf-8")


def _plain(predicted: list[Credible]) -> list[dict[str, Any]]:
    """Intervals as JSON knows them."""
    return [
        {
            name: {key: np.asarray(value).tolist() for key, value in interval._asdict().items()}
            for name, interval in vars(own).items()
            if interval is not None
        }
        for own in predicted
    ]
