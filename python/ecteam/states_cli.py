"""``ecteam states build``, ``dimers``, ``show`` and ``plot``: the library of atomic states."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from ecteam._core import InvalidInputError
from ecteam.cli_common import FAILED, check_output, one_line_errors
from ecteam.dimers import read_dimers
from ecteam.library import read_library
from ecteam.states_report import element_card, library_card

app = typer.Typer(no_args_is_help=True, help="Isolated atomic states: build, show, plot.")

LibraryFile = Annotated[
    Path | None, typer.Option("--library", help="Library file; default: the shipped one.")
]


Elements = Annotated[str, typer.Option(help="Such as H-Kr or H,O,Na-Cl.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Folder = Annotated[Path, typer.Option(help="Records; a killed run resumes from them.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Calculate failures again.")]


@app.command()
def build(
    elements: Elements = "H-Kr",
    workers: Workers = 1,
    folder: Folder = Path("states-build"),
    output: Output = Path("library.json"),
    densities: Annotated[
        Path | None, typer.Option(help="Write the radial densities here, .json.gz.")
    ] = None,
    retry_failed: RetryFailed = False,
) -> None:
    """Calculate atomic states with PySCF, fit their densities, write a library file.

    Exit code 1 if a state failed; the file then lacks it and lists the reason.
    """
    with one_line_errors():
        library = _reference_layer("pyscf", "mendeleev")
        wanted = library.parse_elements(elements)
        check_output(output)
        with _executor(workers) as executor:
            library.compute_states(wanted, folder, executor=executor, retry_failed=retry_failed)
            text = library.build_library(wanted, folder, executor=executor)
        library.write_atomic(output, text.encode())
        if densities is not None:
            library.write_densities(wanted, folder, densities)
        failures = read_library(output).fields["failures"]
    _report(failures)


@app.command()
def dimers(
    elements: Elements = "H,Li,N-F,Na,Cl",
    workers: Workers = 1,
    folder: Folder = Path("dimers-build"),
    output: Output = Path("dimers.json"),
    retry_failed: RetryFailed = False,
) -> None:
    """Calculate curves of X2, X2+, X2- with PySCF, from which embedding functions are made.

    Exit code 1 if a point failed; the file then lacks it and lists the reason.
    """
    with one_line_errors():
        library = _reference_layer("pyscf")
        from ecteam.reference.dimer_file import build_dimers
        from ecteam.reference.dimers import compute_curves

        wanted = library.parse_elements(elements)
        check_output(output)
        with _executor(workers) as executor:
            failures = compute_curves(wanted, folder, executor=executor, retry_failed=retry_failed)
        library.write_atomic(output, build_dimers(wanted, folder).encode())
        failures |= read_dimers(output).fields["failures"]
    _report(failures)


@app.command()
def show(
    symbol: Annotated[str | None, typer.Argument(help="Element; all of them without it.")] = None,
    library: LibraryFile = None,
) -> None:
    """Show the states of an element, or the card of the whole library."""
    with one_line_errors():
        found = read_library(library)
        card = library_card(found) if symbol is None else element_card(found[symbol])
        Console().print(card)


@app.command()
def plot(
    symbol: Annotated[str, typer.Argument(help="Element.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Figure: png, pdf, svg.")],
    library: LibraryFile = None,
) -> None:
    """Plot r²ρ of the states of an element, with constraints and residuals of the fits."""
    with one_line_errors():
        check_output(output, ".png", ".pdf", ".svg")
        element = read_library(library)[symbol]
        try:
            from ecteam.states_plot import save_figure
        except ImportError as error:
            raise InvalidInputError(f"plotting needs pip install 'ecteam[plot]': {error}") from None
        save_figure(element, output)


def _report(failures: dict[str, str]) -> None:
    for name, reason in failures.items():
        typer.echo(f"failed: {name}: {reason}", err=True)
    if failures:
        raise typer.Exit(FAILED)


def _reference_layer(*packages: str) -> ModuleType:
    """Import what only building needs, after these packages."""
    try:
        for package in packages:
            import_module(package)
        from ecteam.reference import library
    except ImportError as error:
        raise InvalidInputError(
            f"building needs pip install 'ecteam[reference]': {error}"
        ) from None
    return library


def _executor(workers: int) -> Executor:
    # One thread each: the calculations are small, and fork after threads is unsafe.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
