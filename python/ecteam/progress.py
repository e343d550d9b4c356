"""Progress bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], what: str, total: int | None = None) -> Iterator[_Item]:
    """Pass the items on and show a progress bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    disable = not console.is_terminal
    yield from track(items, what, total, console=console, disable=disable, transient=True)
