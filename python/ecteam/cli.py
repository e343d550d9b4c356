"""Command line: ``ecteam run``, ``show``, ``demo``, ``design``, ``states`` and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from ase import Atoms
from rich.console import Console

from ecteam import __version__, states_cli
from ecteam._core import InvalidInputError
from ecteam.calculator import ECTEAM
from ecteam.cli_bench import bench
from ecteam.cli_common import (
    JsonFlag,
    PotentialName,
    check_output,
    one_line_errors,
    read_structure,
)
from ecteam.cli_properties import properties
from ecteam.demo import run_demo
from ecteam.demo.report import demo_report
from ecteam.design.command import app as design_app
from ecteam.dynamics import Conservation, Record, molecular_dynamics, relax
from ecteam.evaluate import Result
from ecteam.fisher.command import fisher
from ecteam.fit.command import fit
from ecteam.frames import frame_of, write_frames
from ecteam.library import read_library
from ecteam.potential import load
from ecteam.progress import progress
from ecteam.reference.command import app as reference_app
from ecteam.report import potential_card, result_data, result_tables
from ecteam.states_report import library_card, library_data

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command()(properties)
app.command()(bench)
app.command()(fisher)
app.command()(fit)
app.add_typer(design_app, name="design")
app.add_typer(reference_app, name="reference")
app.add_typer(states_cli.app, name="states")


def main() -> None:
    """Entry point of the ``ecteam`` command."""
    app(prog_name="ecteam")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecteam {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """ECT-EAM: a reactive, variable-charge interatomic potential."""


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Shipped name or file.")],
    as_json: JsonFlag = False,
) -> None:
    """Describe a potential: states, densities, resonance, errors; or the `library` of states."""
    with one_line_errors():
        if name == "library":
            _show_library(as_json)
            return
        potential = load(name)
        if as_json:
            typer.echo(potential.to_json(), nl=False)
        else:
            Console().print(potential_card(potential))


def _show_library(as_json: bool) -> None:
    library = read_library()
    if as_json:
        typer.echo(json.dumps(library_data(library), ensure_ascii=False))
    else:
        Console().print(library_card(library))


@app.command()
def run(
    context: typer.Context,
    structure: Annotated[Path, typer.Argument(help="Any file ASE reads; its last frame is used.")],
    potential: PotentialName = "water",
    charge: Annotated[float | None, typer.Option(help="Total charge, e.")] = None,
    electrostatics: Annotated[
        str, typer.Option(help="auto, direct, ewald, pme or shifted_force (slabs, wires).")
    ] = "auto",
    do_relax: Annotated[bool, typer.Option("--relax", help="Relax first.")] = False,
    fmax: Annotated[float, typer.Option(min=1e-6, help="Largest force, eV/Å.")] = 0.05,
    do_md: Annotated[bool, typer.Option("--md", help="Molecular dynamics.")] = False,
    steps: Annotated[int, typer.Option(min=1, help="MD steps.")] = 1000,
    timestep: Annotated[float, typer.Option(min=1e-3, help="MD time step, fs.")] = 0.5,
    temperature: Annotated[float, typer.Option(min=0.0, help="Start, K.")] = 300.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the start velocities.")] = 0,
    interval: Annotated[int, typer.Option(min=1, help="MD steps between frames.")] = 10,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Trajectory, extended XYZ.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate a structure; relax it or run molecular dynamics first if asked."""
    frames: list[Atoms] = []
    with one_line_errors():
        check_output(output, ".extxyz", ".xyz")
        _need(context, "--relax", do_relax, "fmax")
        _need(context, "--md", do_md, "steps", "timestep", "temperature", "seed", "interval")
        atoms = read_structure(structure)
        if charge is not None:
            atoms.info["charge"] = charge  # which the frames keep: they are of this charge
        calculator = atoms.calc = ECTEAM(potential, electrostatics=electrostatics)
        record = Record(timestep)
        try:
            frames.append(_frame(atoms))
            if do_relax:
                for _ in progress(relax(atoms, fmax), "relaxing"):
                    frames.append(_frame(atoms))
            if do_md:
                dynamics = molecular_dynamics(atoms, steps, timestep, temperature, seed)
                for step in progress(dynamics, "dynamics", steps):
                    record.add(atoms)
                    if step % interval == 0:
                        frames.append(_frame(atoms))
        finally:
            if output is not None:
                write_frames(output, frames)
        atoms.get_potential_energy()
        if calculator.result is not None:
            _print_result(calculator.result, record.conservation(), as_json)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the files; made if missing.")
    ] = Path("ecteam-demo"),
    as_json: JsonFlag = False,
) -> None:
    """Relax, run dynamics and follow charges on structures that ship with the package."""
    with one_line_errors():
        found = run_demo(output)
        if as_json:
            typer.echo(json.dumps(found.data()))
        else:
            Console().print(demo_report(found))


def _frame(atoms: Atoms) -> Atoms:
    """Evaluate, unless that is done, and freeze the results in a copy of the atoms."""
    atoms.get_potential_energy()
    return frame_of(atoms, atoms.calc.result)


def _need(context: typer.Context, flag: str, given: bool, *names: str) -> None:
    """Refuse options that say how to do what was not asked for."""
    for name in names:
        source = context.get_parameter_source(name)
        if not given and source is not None and source.name == "COMMANDLINE":
            raise InvalidInputError(f"--{name}: goes with {flag}, which was not given")


def _print_result(result: Result, dynamics: Conservation | None, as_json: bool) -> None:
    if as_json:
        data = result_data(result)
        if dynamics is not None:
            data["dynamics"] = dynamics.data()
        typer.echo(json.dumps(data))
    else:
        Console().print(result_tables(result, dynamics))
