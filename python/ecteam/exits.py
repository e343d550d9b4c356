"""Errors and exit codes of the command line: 0 fine, 2 bad input, 3 not converged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ecteam._core import EcteamError, NotConvergedError

BAD_INPUT = 2
NOT_CONVERGED = 3


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn expected errors into one line on stderr and an exit code."""
    try:
        yield
    except (EcteamError, OSError) as error:
        code = NOT_CONVERGED if isinstance(error, NotConvergedError) else BAD_INPUT
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(code) from None
