"""Command line: ``ecteam fit CONFIG``."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ecteam.cli_common import NOT_CONVERGED, STOPPED, JsonFlag, one_line_errors


def _print_example(wanted: bool) -> None:
    if wanted:
        source = files("ecteam") / "data" / "fits" / "lithium-fluoride.toml"
        typer.echo(source.read_text(encoding="utf-8"), nl=False)
        raise typer.Exit


def fit(
    config: Annotated[Path, typer.Argument(help="TOML or JSON file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the results; default: CONFIG without end."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard a fit that is in the folder.")
    ] = False,
    example: Annotated[
        bool,
        typer.Option("--example", callback=_print_example, is_eager=True, help="Print a CONFIG."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fit a potential to labelled structures; write it and a report about it."""
    from ecteam.fit.config import read_fit
    from ecteam.fit.report import summary_table, write_report
    from ecteam.fit.run import CHECKPOINT, POTENTIAL
    from ecteam.fit.run import fit as run_fit

    folder = output or config.with_suffix("")
    with one_line_errors():
        settings = read_fit(config)
        if restart:
            (folder / CHECKPOINT).unlink(missing_ok=True)
        try:
            outcome = run_fit(settings, folder, resume=resume and not restart)
        except KeyboardInterrupt:
            said = f"stopped; {folder / POTENTIAL} is the best so far, --resume goes on"
            typer.echo(said, err=True)
            raise typer.Exit(STOPPED) from None
        report = write_report(outcome, folder)
    if as_json:
        typer.echo(json.dumps(outcome.data()))
    else:
        Console().print(summary_table(outcome))
        typer.echo(f"potential: {folder / POTENTIAL}; the story: {report}")
    if not outcome.trained.converged:
        said = f"not converged after {len(outcome.history)} steps; more iterations and --resume"
        typer.echo(f"{said} go on", err=True)
        raise typer.Exit(NOT_CONVERGED)
