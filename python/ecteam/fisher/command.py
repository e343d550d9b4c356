"""Command line: ``ecteam fisher POTENTIAL DATA``."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from ase import Atoms
from rich.console import Console

from ecteam._core import InvalidInputError
from ecteam.cli_common import JsonFlag, check_output, one_line_errors, read_structures
from ecteam.configuration import naming_field
from ecteam.files import whole_file
from ecteam.fisher.information import Fisher, check_level
from ecteam.fisher.information import fisher as fisher_of
from ecteam.fisher.intervals import Credible, credible
from ecteam.fisher.report import fisher_sections, interval_table, prediction_table
from ecteam.fit.config import read_fit
from ecteam.fit.labels import Labels, Scales, read_labels
from ecteam.fit.model import PROPERTIES, FloatArray
from ecteam.fit.problem import problem_of
from ecteam.fit.sources import data_file
from ecteam.parameters import Selection
from ecteam.potential import load
from ecteam.structure import total_charge_of


def fisher(
    potential: Annotated[str, typer.Argument(help="Shipped name or file.")],
    data: Annotated[
        list[str],
        typer.Argument(
            help="Labelled structures: files, or data of the package. Or the CONFIG of a fit: its "
            "training data, parameters, scales and prior."
        ),
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
        check_output(output)
        check_level(level)
        asked = _asked(potential, data, free or [], scale or [])
        frames = [] if predict is None else read_structures(predict)
        with Console(stderr=True).status("derivatives of all predictions"):
            found = asked.information(scaling)
            with naming_field("predict"):
                predicted = credible(found, asked.model, frames, level) if frames else []
        if output is not None:
            _write(output, _report(output, asked, found, predicted, frames, level))
        if as_json:
            covariance = {"covariance": found.covariance.tolist()}
            typer.echo(json.dumps(found.data() | covariance | {"predictions": _plain(predicted)}))
            return
        typer.echo(found.summary())
        if output is not None:
            typer.echo(f"report: {output}")


@dataclass(frozen=True)
class _Asked:
    """A model and the labels that are to say something about it."""

    model: Selection
    labels: Labels
    scales: Scales
    precision: FloatArray | None = None

    def information(self, scaling: str) -> Fisher:
        """Fisher information of the labels."""
        return fisher_of(
            self.model, self.labels, self.scales, scaling=scaling, precision=self.precision
        )


def _asked(potential: str, data: list[str], free: list[str], scale: list[str]) -> _Asked:
    """Make the model, and read the labels or take those of a fit."""
    chosen = load(potential)
    given = _scales(scale)
    if not data[0].endswith((".toml", ".json")):
        labels = read_labels(*map(data_file, data))
        return _Asked(chosen.select(*free), labels, replace(Scales(), **given))
    if free or len(data) > 1:
        raise InvalidInputError(
            f"data: {data[0]} says data and parameters; --free and further files do not go with it"
        )
    problem = problem_of(read_fit(data[0]))
    model = chosen.select(*problem.model.parameter_names)
    scales = replace(problem.config.scales, **given)
    return _Asked(model, problem.sides["train"], scales, problem.prior.width**-2.0)


def _scales(pairs: list[str]) -> dict[str, Any]:
    """Fields of the scales from NAME=VALUE."""
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
    return given


def _report(
    output: Path,
    asked: _Asked,
    found: Fisher,
    predicted: list[Credible],
    frames: list[Atoms],
    level: float,
) -> list[str]:
    figure = output.with_name(f"{output.stem}-spectrum.png")
    lines = [
        f"# What the data determine of {asked.model.potential.name}",
        "",
        f"Potential SHA-256 `{asked.model.potential.sha256}`; {len(asked.labels)} structures.",
        "",
        *fisher_sections(found, figure),
        *interval_table(found, asked.model, asked.labels, level),
    ]
    names = [f"{k}: {atoms.get_chemical_formula()}" for k, atoms in enumerate(frames)]
    charges = [total_charge_of(atoms) for atoms in frames]
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
