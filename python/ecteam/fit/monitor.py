"""What a fit says while it runs: a bar on a terminal, a line per step elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Record = dict[str, Any]


def words(record: Record) -> str:
    """Say loss, validation, gain ratio and rejections of a step in one line."""
    parts = [f"loss {record['loss']:.4g}"]
    if record["validation"] is not None:
        parts.append(f"validation {record['validation']:.3g}")
    gain = record["gain"]
    parts.append("overflow" if gain is None else f"gain {gain:.2f}")
    if not record["accepted"]:
        parts.append("step rejected")
    if record["rejected"]:
        parts.append(f"{len(record['rejected'])} structures rejected")
    return ", ".join(parts)


class Monitor:
    """Context that shows the steps of a fit on stderr."""

    def __init__(self, total: int, done: int, visible: bool) -> None:
        self.console = Console(stderr=True, quiet=not visible)
        self.total, self.done, self.first = total, done, done
        self.begin = time.perf_counter()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("at most {task.fields[left]}"),
            console=self.console,
            disable=not (visible and self.console.is_terminal),
        )

    def __enter__(self) -> Monitor:
        """Start the bar."""
        self.bar.start()
        self.task = self.bar.add_task(
            "first sweep", total=self.total, completed=self.done, left="–"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bar."""
        self.bar.stop()

    def show(self, record: Record) -> None:
        """Show a step."""
        self.done = record["iteration"]
        each = (time.perf_counter() - self.begin) / max(self.done - self.first, 1)
        left = f"{each * max(self.total - self.done, 0):.0f} s"
        said = words(record)
        self.bar.update(self.task, completed=self.done, description=said, left=left)
        if not self.console.is_terminal:
            step = f"step {self.done}/{self.total}: {said}; at most {left}"
            self.console.print(step, soft_wrap=True, highlight=False)
