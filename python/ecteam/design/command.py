"""Command line: ``ecteam design CONFIG`` and ``ecteam design report RUN``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ecteam.cli_common import STOPPED, JsonFlag, one_line_errors
from ecteam.design.config import read_config
from ecteam.design.report import error_words, write_report
from ecteam.design.search import POTENTIAL, Outcome, design, workers
from ecteam.design.table import front_table


class _RunByDefault(TyperGroup):
    """A first argument that names no command is the configuration of ``run``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Insert ``run``."""
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Search for a small potential: ecteam design CONFIG, then ecteam design report RUN.",
)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="TOML or JSON file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder; default: CONFIG without end.")
    ] = None,
    count: Annotated[int, typer.Option("--workers", "-w", min=1, help="Processes.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Run or resume the search of a configuration."""
    with one_line_errors():
        settings = read_config(config)
        folder = output or config.with_suffix("")
        try:
            with workers(count) as pool:
                outcome = design(settings, folder, executor=pool)
        except KeyboardInterrupt:
            typer.echo(f"stopped; the same command resumes the run in {folder}", err=True)
            raise typer.Exit(STOPPED) from None
        _print(outcome, folder, as_json)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
) -> None:
    """Write report.md and its figures into the folder of a run."""
    with one_line_errors():
        typer.echo(str(write_report(run_folder)))


def _print(outcome: Outcome, folder: Path, as_json: bool) -> None:
    if as_json:
        content = {"recommended": outcome.recommended, "reason": outcome.reason}
        typer.echo(json.dumps(content))
        return
    console = Console()
    console.print(front_table(outcome.records, rows=100))
    best = outcome.recommended
    console.print(f"recommended: {best['formula']}")
    console.print(f"{best['parameters']} parameters, test errors {error_words(best['test'])}")
    console.print(outcome.reason)
    console.print(f"potential: {folder / POTENTIAL}; the story: ecteam design report {folder}")
