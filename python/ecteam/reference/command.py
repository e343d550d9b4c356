"""Command line: ``ecteam reference compute`` and the samplers of structures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from ase import Atoms

from ecteam._core import InvalidInputError
from ecteam.cli_common import (
    FAILED,
    STOPPED,
    PotentialName,
    check_output,
    one_line_errors,
    read_structure,
    read_structures,
)

if TYPE_CHECKING:
    from ecteam.reference.batch import Computed
    from ecteam.reference.level import Level
    from ecteam.reference.molecules import DensityOutput

_SUFFIXES = ".extxyz", ".xyz", ".extxyz.gz", ".xyz.gz"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Reference data from quantum chemistry (needs PySCF), and structures to compute.",
)

Structures = Annotated[Path, typer.Argument(help="Any file ASE reads.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Extended XYZ file, .gz if wanted.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the random numbers.")]


class Runner(str, Enum):
    """Where calculations run."""

    SERIAL = "serial"
    THREADS = "threads"
    PROCESSES = "processes"
    MPI = "mpi"
    DASK = "dask"


class Metric(str, Enum):
    """Metrics of the encoder."""

    COULOMB = "coulomb"
    L2 = "l2"
    KULLBACK_LEIBLER = "kullback-leibler"


@app.command()
def compute(
    structures: Structures,
    output: Output,
    level: Annotated[str, typer.Option(help="functional/basis, HF/basis or CCSD(T)/basis.")],
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the records; default: OUTPUT.runs.")
    ] = None,
    charge: Annotated[int | None, typer.Option(help="Of every structure, e.")] = None,
    spin: Annotated[int | None, typer.Option(help="Unpaired electrons of every structure.")] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Energies above separated neutral atoms.")
    ] = False,
    grid: Annotated[int, typer.Option(min=0, max=9, help="PySCF grid level.")] = 3,
    grid_response: Annotated[
        bool, typer.Option("--grid-response", help="Exact forces of the finite grid.")
    ] = False,
    cube: Annotated[bool, typer.Option("--cube", help="Write the density of each as a cube.")] = (
        False
    ),
    encode: Annotated[
        Metric | None, typer.Option(help="Encode the density as weights, in this metric.")
    ] = None,
    executor: Annotated[
        Runner | None,
        typer.Option(help="Default: processes with --workers, else serial."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes, threads or Dask workers.")] = 0,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute recorded failures again.")
    ] = False,
) -> None:
    """Energy, forces, multipoles and Hirshfeld charges of every structure of a file.

    Interrupted or killed, the same command goes on where it stopped. Exit codes: 1 if a
    calculation failed or did not converge (the file names which), 2 bad input, 130 interrupted.
    """
    with one_line_errors():
        _need_pyscf()
        from ecteam.reference.batch import compute as compute_all
        from ecteam.reference.executors import open_executor
        from ecteam.reference.frames import write_set

        check_output(output, *_SUFFIXES)
        frames = read_structures(structures)
        chosen = _level(level, grid, grid_response)
        wanted = _density(cube, encode)
        folder = runs or output.with_name(output.name + ".runs")
        kind = executor.value if executor else "processes" if workers else "serial"
        if kind != "serial":
            # One thread for each of many calculations; workers inherit it.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
        with _resumable(folder), open_executor(kind, max(workers, 1), scheduler) as pool:
            found = compute_all(
                frames,
                chosen,
                folder,
                charge=charge,
                spin=spin,
                relative=relative,
                density=wanted,
                executor=pool,
                retry_failed=retry_failed,
            )
        write_set(found.frames, output)
    _report(found, output)


@app.command()
def modes(
    structure: Structures,
    output: Output,
    potential: PotentialName = "water",
    temperature: Annotated[float, typer.Option(min=0.0, help="K.")] = 1000.0,
    count: Annotated[int, typer.Option(min=1, help="Structures.")] = 20,
    seed: Seed = 0,
) -> None:
    """Random displacements along the normal modes of the last structure of a file."""
    from ecteam.reference.samplers import hessian_of, normal_modes

    with one_line_errors():
        check_output(output, *_SUFFIXES)
        atoms = _with_potential(structure, potential)
        found = normal_modes(atoms, hessian_of(atoms), temperature, count, seed)
        _write(found, output)


@app.command()
def scan(
    structure: Structures,
    output: Output,
    bond: Annotated[tuple[int, int], typer.Option(help="Two atoms, counted from 0.")],
    shortest: Annotated[float, typer.Option(min=0.1, help="Å.")] = 0.7,
    longest: Annotated[float, typer.Option(min=0.1, help="Å.")] = 6.0,
    count: Annotated[int, typer.Option(min=2, help="Structures.")] = 20,
) -> None:
    """Bond lengths to dissociation, the parts of the molecule rigid, short ones denser."""
    from ecteam.reference.samplers import bond_scan

    with one_line_errors():
        check_output(output, *_SUFFIXES)
        distances = np.geomspace(shortest, longest, count)
        _write(bond_scan(read_structure(structure), *bond, distances.tolist()), output)


@app.command()
def dimers(
    first: Structures,
    second: Structures,
    output: Output,
    shortest: Annotated[float, typer.Option(min=0.1, help="Å, between centres of mass.")] = 2.5,
    longest: Annotated[float, typer.Option(min=0.1, help="Å.")] = 8.0,
    count: Annotated[int, typer.Option(min=1, help="Distances.")] = 12,
    orientations: Annotated[int, typer.Option(min=1, help="Random orientations.")] = 10,
    seed: Seed = 0,
) -> None:
    """Two rigid molecules at many distances and random orientations."""
    from ecteam.reference.samplers import rigid_dimers

    with one_line_errors():
        check_output(output, *_SUFFIXES)
        distances = np.geomspace(shortest, longest, count).tolist()
        pair = [read_structure(path) for path in (first, second)]
        _write(rigid_dimers(pair[0], pair[1], distances, orientations, seed), output)


@app.command()
def md(
    structure: Structures,
    output: Output,
    potential: PotentialName = "water",
    steps: Annotated[int, typer.Option(min=1, help="Steps.")] = 1000,
    timestep: Annotated[float, typer.Option(min=1e-3, help="fs.")] = 0.5,
    temperature: Annotated[float, typer.Option(min=0.0, help="K.")] = 300.0,
    count: Annotated[int, typer.Option(min=1, help="Frames.")] = 20,
    seed: Seed = 0,
) -> None:
    """Frames of a short run of molecular dynamics with a potential."""
    from ecteam.reference.samplers import md_frames

    with one_line_errors():
        check_output(output, *_SUFFIXES)
        atoms = _with_potential(structure, potential)
        interval = max(1, steps // (10 * count))
        found = md_frames(
            atoms,
            steps,
            count,
            temperature=temperature,
            timestep=timestep,
            interval=interval,
            seed=seed,
        )
        _write(found, output)


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Say what an interrupt left, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {folder} keeps what is done, the same command goes on", err=True)
        raise typer.Exit(STOPPED) from None


def _report(found: Computed, output: Path) -> None:
    for name, reason in found.failed.items():
        typer.echo(f"failed: {name}: {reason}", err=True)
    for name in found.unconverged:
        typer.echo(f"not converged: {name}", err=True)
    typer.echo(
        f"{output}: {len(found.frames)} structures, {found.new} calculations now, "
        f"{len(found.failed)} failed, {len(found.unconverged)} not converged"
    )
    if found.failed or found.unconverged:
        raise typer.Exit(FAILED)


def _need_pyscf() -> None:
    try:
        import pyscf  # noqa: F401
    except ImportError:
        raise InvalidInputError(
            "PySCF is not installed: python -m pip install 'ecteam[reference]'"
        ) from None


def _level(label: str, grid: int, grid_response: bool) -> Level:
    from ecteam.reference.level import Level

    return Level.parse(label, grid=grid, grid_response=grid_response)


def _density(cube: bool, metric: Metric | None) -> DensityOutput:
    from ecteam.reference.molecules import DensityOutput

    return DensityOutput(cube="" if cube else None, metric=metric.value if metric else None)


def _with_potential(path: Path, potential: str) -> Atoms:
    from ecteam.calculator import ECTEAM

    atoms = read_structure(path)
    atoms.calc = ECTEAM(potential)
    return atoms


def _write(frames: list[Atoms], output: Path) -> None:
    from ecteam.reference.frames import write_set

    write_set(frames, output)
    typer.echo(f"{output}: {len(frames)} structures")
