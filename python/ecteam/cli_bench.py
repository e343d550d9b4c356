"""Command line: ``ecteam bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ecteam.benchmark import Benchmark, measure, system, total_steps
from ecteam.cli_common import JsonFlag, PotentialName, one_line_errors, read_structure
from ecteam.potential import load
from ecteam.progress import progress
from ecteam.threads import limit_threads


def bench(
    potential: PotentialName = "water",
    atoms: Annotated[int, typer.Option(min=1, help="Number of atoms, about.")] = 3000,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all cores.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps measured.")] = 20,
    timestep: Annotated[float, typer.Option(min=1e-3, help="fs.")] = 0.25,
    structure: Annotated[
        Path | None, typer.Option(help="A structure of your own, instead of --atoms.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Time molecular dynamics on this machine: atoms per second, and where the time goes."""
    with one_line_errors():
        if threads is not None:
            limit_threads(threads)
        model = load(potential)
        made = read_structure(structure) if structure is not None else system(model, atoms)
        found = None
        for item in progress(
            measure(made, model, steps, timestep), "steps", total_steps(steps) + 1
        ):
            found = item if isinstance(item, Benchmark) else found
        if isinstance(found, Benchmark):
            if as_json:
                typer.echo(json.dumps(found.data()))
            else:
                Console().print(_table(found))


def _table(found: Benchmark) -> Table:
    title = (
        f"{found.potential}, {found.atoms} atoms, {found.threads} threads, {found.timestep:g} fs: "
        f"{found.atoms_per_second:,.0f} atoms/s"
    )
    table = Table("part", "µs per atom and step", "share", title=title)
    scale, whole = 1e6 / found.atoms, found.seconds_per_step
    for name, seconds in found.parts.items():
        table.add_row(name.replace("_", " "), f"{seconds * scale:.3f}", f"{seconds / whole:.0%}")
    table.add_row(
        "minimisation in all",
        f"{found.minimisation * scale:.3f}",
        f"{found.minimisation / whole:.0%}",
        end_section=True,
    )
    table.add_row("whole step", f"{whole * scale:.3f}", "100%")
    table.add_row("Hessian products per step", f"{found.products_per_step:.1f}", "")
    return table
