"""Live table of a running search."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from ecteam.design.config import Config
from ecteam.design.pareto import SELECTION, front

Record = dict[str, Any]

ROWS = 12
"""Of the table."""


class Table:
    """The front of error and parameters so far, and how far the round is; on stderr."""

    def __init__(self, config: Config, visible: bool) -> None:
        self._config = config
        self._records: list[Record] = []
        self._round, self._total, self._done, self._failed = 0, 0, 0, 0
        console = Console(stderr=True)
        shown = visible and console.is_terminal
        self._live = Live(console=console, refresh_per_second=4) if shown else None

    def __enter__(self) -> Table:
        """Show it."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        if self._live:
            self._live.stop()

    def start(self, generation: int, total: int) -> None:
        """Begin a round of so many candidates."""
        self._round, self._total, self._done = generation, total, 0
        self._show()

    def candidate(self, name: str, record: Record) -> None:
        """Note the end of a candidate."""
        self._done += 1
        if "result" in record:
            self._records.append(record["result"])
        else:
            self._failed += 1
        self._show()

    def finalist(self, name: str, record: Record) -> None:
        """Note the end of a final training."""
        self._done += 1
        self._show()

    def finish(self, records: list[Record]) -> None:
        """Take the records of all rounds so far."""
        self._records = list(records)
        self._show()

    def _show(self) -> None:
        if self._live:
            self._live.update(Group(self._title(), front_table(self._records, ROWS)))

    def _title(self) -> Text:
        rounds = self._config.search.generations
        words = f"round {self._round} of {rounds}, {self._done} of {self._total} candidates"
        return Text(f"{words}; {len(self._records)} in all, {self._failed} failed", style="bold")


def front_table(records: list[Record], rows: int) -> RichTable:
    """Table of the front of error and parameters, best error first."""
    table = RichTable("parameters", "meV/atom", "eV/Å", "condition", "µs/atom", "move", "formula")
    for k in front(records, SELECTION)[:rows]:
        record = records[k]
        errors = record["validation"]
        table.add_row(
            str(record["parameters"]),
            f"{1000 * errors['energy']:.1f}" if "energy" in errors else "–",
            f"{errors['force']:.3f}" if "force" in errors else "–",
            "∞" if record["condition"] is None else f"{record['condition']:.1e}",
            f"{record['cost']:.0f}",
            record["move"],
            record["formula"],
        )
    return table
