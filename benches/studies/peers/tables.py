"""Quantities of several methods, as data and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import ecteam
from ecteam.peers import PeerTable, Row, cell, targets_met
from ecteam.progress import progress

from .methods import Method

PROGRAMS = ("ecteam", "ase", "tblite", "lammps")
REASON = 60
"""Characters of a reason."""


class Absent(Exception):
    """A method is not meant for a quantity; the message says why."""


@dataclass(frozen=True)
class Observable:
    """One row.

    Attributes
    ----------
    name, unit : str
        What it is.
    reference : float
        What the methods are compared with.
    source : str
        Where that comes from.
    target : float or None
        Largest error aimed at.
    compute : callable
        Value of a method; raises :class:`Absent` where it is not meant for it.
    digits : int
        After the decimal point.
    """

    name: str
    unit: str
    reference: float
    source: str
    target: float | None
    compute: Callable[[Method], float]
    digits: int = 3

    def row(self, methods: Mapping[str, Method]) -> Row:
        """Values of all methods."""
        values: dict[str, float] = {}
        failed: dict[str, str] = {}
        missing: dict[str, str] = {}
        for name, method in methods.items():
            try:
                values[name] = round(float(self.compute(method)), self.digits + 3)
            except Absent as error:
                missing[name] = str(error)
            except Exception as error:  # any program may fail at any geometry
                words = str(error).strip() or type(error).__name__
                failed[name] = words.split("\n")[0][:REASON]
        return {
            "name": self.name,
            "unit": self.unit,
            "reference": round(float(self.reference), self.digits + 3),
            "source": self.source,
            "target": None if self.target is None else round(float(self.target), 6),
            "digits": self.digits,
            "values": values,
            "failed": failed,
            "missing": missing,
        }


Compute = Callable[[Method], float]


def _meant(flag: str, words: str) -> Callable[[Compute], Compute]:
    """Make what restricts a quantity to methods with a flag."""

    def restricted(compute: Compute) -> Compute:
        def computed(method: Method) -> float:
            if not getattr(method, flag):
                raise Absent(words)
            return compute(method)

        return computed

    return restricted


polar, charged = _meant("polar", "no charges"), _meant("charged", "no ions")


def peer_table(
    name: str,
    title: str,
    observables: Sequence[Observable],
    methods: Mapping[str, Method],
    absent: Sequence[str],
) -> PeerTable:
    """Compute every cell; prints a progress bar on a terminal."""
    return {
        "title": title,
        "sha256": ecteam.load(name).sha256,
        "command": f"python benches/studies/peers {name} --write",
        "versions": {program: _version(program) for program in PROGRAMS},
        "methods": {key: method.about for key, method in methods.items()},
        "absent": list(absent),
        "rows": [one.row(methods) for one in progress(observables, name, len(observables))],
    }


def _version(program: str) -> str:
    try:
        return ecteam.__version__ if program == "ecteam" else version(program)
    except PackageNotFoundError:
        return "absent"


def markdown(table: PeerTable, rows: Sequence[str] | None = None) -> str:
    """Table, or some of its rows by name; a star marks what misses its target."""
    names, every = list(table["methods"]), {row["name"]: row for row in table["rows"]}
    lines = [_line(["", "reference", "target", *names]), _line(["---"] * (len(names) + 3))]
    for row in every.values() if rows is None else (every[name] for name in rows):
        target = "–" if row["target"] is None else f"± {row['target']:.2g}"
        words = f"{row['name']}, {row['unit']}" if row["unit"] else row["name"]
        first = [words, f"{row['reference']:.{row['digits']}f}", target]
        lines.append(_line([*first, *(cell(row, name) for name in names)]))
    met = ("{} of {}".format(*targets_met(table, name)) for name in names)
    judged = sum(row["target"] is not None for row in every.values())
    scope = "within target" if rows is None else f"within target, all {judged} rows with one"
    lines.append(_line([scope, "", "", *met]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
