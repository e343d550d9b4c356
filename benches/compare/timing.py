"""Fair timing: every program in a process of its own, all in turn, medians and ratios.

A row module has ``rows(quick: bool) -> Iterator[Row]`` and the functions its contenders name; those
run in the workers and import what they time themselves (see `worker.py`). This file and the
functions `rows` need nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
#: Seconds of the same work before a sample: for some 50 ms after a pause Linux was seen to keep all
#: threads of a process on one core.
SETTLING = 0.1


def settle(work: Callable[[], object]) -> None:
    """Repeat `work` for as long as threads may need to get cores of their own."""
    start = time.perf_counter()
    while time.perf_counter() - start < SETTLING:
        work()


@dataclass(frozen=True)
class Contender:
    """A program that is timed: `of` is "module:function", called with `arguments`."""

    name: str
    of: str
    arguments: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    ours: bool = False
    #: Measurements, if fewer than the others' (programs thousands of times slower).
    rounds: int | None = None


@dataclass(frozen=True)
class Target:
    """`fast` is `factor` times faster than `slow`, or than the best of several."""

    fast: str
    slow: tuple[str, ...]
    factor: float


@dataclass(frozen=True)
class Limit:
    """`name`, less `base` if given, is at most `most` in the unit of the row."""

    name: str
    most: float
    base: str | None = None


@dataclass(frozen=True)
class Row:
    """One block of the table: contenders on one problem, times in `unit` = `scale` seconds."""

    title: str
    unit: str
    scale: float
    contenders: tuple[Contender, ...]
    targets: tuple[Target | Limit, ...] = ()


@dataclass
class Outcome:
    """Measurements of a contender in the unit of its row, or why there are none."""

    values: list[float] = field(default_factory=list)
    problem: str = ""

    @property
    def median(self) -> float:
        """Median of the measurements."""
        return median(self.values)

    @property
    def best(self) -> float:
        """Fastest measurement: the least disturbed on a shared machine."""
        return min(self.values)


class Worker:
    """A process that measures; see `worker.py`."""

    def __init__(self, python: str, threads: int) -> None:
        count = str(threads)
        variables = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(variables, count)}
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )

    def ask(self, contender: Contender) -> dict[str, Any]:
        """Measure once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"of": contender.of, "with": contender.arguments}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"the process ended with {self.process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(row: Row, peers: str, rounds: int) -> dict[str, Outcome]:
    """Run the contenders in turn, `rounds` times after one round that does not count."""
    workers = {
        c.name: Worker(sys.executable if c.ours else peers, c.threads) for c in row.contenders
    }
    found = {c.name: Outcome() for c in row.contenders}
    try:
        for turn in range(-1, rounds):
            for contender in row.contenders:
                outcome = found[contender.name]
                if outcome.problem or turn >= (contender.rounds or rounds):
                    continue
                if turn < 0 and contender.rounds:
                    continue
                _record(workers[contender.name].ask(contender), outcome, turn, row.scale)
    finally:
        for worker in workers.values():
            worker.close()
    return found


def _record(answer: dict[str, Any], outcome: Outcome, turn: int, scale: float) -> None:
    if "value" not in answer:
        outcome.problem = "; ".join(f"{kind}: {text}" for kind, text in answer.items())
    elif turn >= 0:
        outcome.values.append(answer["value"] / scale)


def verdict(target: Target | Limit, found: dict[str, Outcome]) -> str:
    """Say the target and what was measured."""
    if isinstance(target, Limit):
        return _limit(target, found)
    goal = f"{target.fast} ≥ {target.factor:g}× faster than {' / '.join(target.slow)}"
    fast, slow = found[target.fast], [found[name] for name in target.slow if found[name].values]
    if not slow or not fast.values:
        return f"{goal}: not measured"
    ratio = min(outcome.median for outcome in slow) / fast.median
    best = min(outcome.best for outcome in slow) / fast.best
    said = "met" if ratio >= target.factor else "MISSED"
    return f"{goal}: {ratio:.2f}× {said} ({best:.2f}× by the best runs)"


def _limit(limit: Limit, found: dict[str, Outcome]) -> str:
    over = f" over {limit.base}" if limit.base else ""
    goal = f"{limit.name} ≤ {limit.most:g}{over}"
    names = [limit.name, *([limit.base] if limit.base else [])]
    if not all(found[name].values for name in names):
        return f"{goal}: not measured"
    value = found[limit.name].median - (found[limit.base].median if limit.base else 0.0)
    best = found[limit.name].best - (found[limit.base].best if limit.base else 0.0)
    said = "met" if value <= limit.most else "MISSED"
    return f"{goal}: {value:.3g} {said} ({best:.3g} by the best runs)"
