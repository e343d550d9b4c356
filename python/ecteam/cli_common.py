"""What all commands share: errors on one line, reading structures, common options.

Exit codes: 0 fine, 1 failed calculations, 2 bad input, 3 not converged, 130 stopped by
Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from ase import Atoms
from ase.io import read

from ecteam._core import EcteamError, InvalidInputError, NotConvergedError

FAILED = 1
BAD_INPUT = 2
NOT_CONVERGED = 3
STOPPED = 130
"""Exit code after Ctrl-C."""

PotentialName = Annotated[str, typer.Option("--potential", "-p", help="Shipped name or file.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn expected errors into one line on stderr and an exit code."""
    try:
        yield
    except (EcteamError, OSError) as error:
        code = NOT_CONVERGED if isinstance(error, NotConvergedError) else BAD_INPUT
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(code) from None


def check_output(output: Path | None, *suffixes: str) -> None:
    """Fail before a long run, not after it, if its file could not be written.

    Raises
    ------
    InvalidInputError
        If the directory is missing, the file is one, or its name ends with none of the `suffixes`.
    """
    if output is None:
        return
    if not output.parent.is_dir():
        raise InvalidInputError(f"output: {output}: there is no directory {output.parent}")
    if output.is_dir():
        raise InvalidInputError(f"output: must be a file, {output} is a directory")
    if suffixes and not output.name.endswith(suffixes):
        raise InvalidInputError(f"output: must end in {' or '.join(suffixes)}, got {output.name}")


def read_structure(path: Path) -> Atoms:
    """Read the last frame."""
    return read_structures(path, "-1:")[-1]


def read_structures(path: Path, index: str = ":") -> list[Atoms]:
    """Read frames; ASE's readers raise anything at all on files they cannot read."""
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    try:
        frames = read(path, index=index)
    except Exception as error:
        # A KeyError, as of an unknown element, is nothing but the key.
        plain = str(error) and not isinstance(error, KeyError)
        problem = str(error) if plain else f"{type(error).__name__} {error}".strip()
        raise InvalidInputError(f"{path}: cannot be read as a structure: {problem}") from error
    if not isinstance(frames, list) or not frames:
        raise InvalidInputError(f"{path}: cannot be read as a structure: it holds none")
    return frames
