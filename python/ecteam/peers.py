"""How good the shipped potentials are, beside what a user would otherwise pick.

``benches/studies/peers`` computes every number of a table in one run and writes them to
``data/peers.json``; ``ecteam show NAME`` prints the table, the README an extract of it.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TypedDict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = [
    "PeerTable",
    "Row",
    "cell",
    "peer_card",
    "peers_of",
    "read_peers",
    "targets_met",
    "within",
]


class Row(TypedDict):
    """A quantity.

    Attributes
    ----------
    name, unit : str
        What it is; the unit may be empty.
    reference : float
        What the methods are compared with.
    source : str
        Where the reference comes from.
    target : float or None
        Largest error that was aimed at; None where there was no aim.
    digits : int
        After the decimal point.
    values : dict of str to float
        Value of each method that has one.
    failed : dict of str to str
        Why other methods, which should have one, have none: that misses the target.
    missing : dict of str to str
        Why the rest is not meant for it.
    """

    name: str
    unit: str
    reference: float
    source: str
    target: float | None
    digits: int
    values: dict[str, float]
    failed: dict[str, str]
    missing: dict[str, str]


class PeerTable(TypedDict):
    """Everything about a potential.

    Attributes
    ----------
    title : str
        What is compared with what.
    sha256 : str
        Identifies the potential that the numbers were computed with.
    command : str
        What makes the table.
    versions : dict of str to str
        Of the programs.
    methods : dict of str to str
        Name and description of each method, the potential first.
    absent : list of str
        What one would look for and does not find, and why.
    rows : list of Row
        Quantities.
    """

    title: str
    sha256: str
    command: str
    versions: dict[str, str]
    methods: dict[str, str]
    absent: list[str]
    rows: list[Row]


def read_peers() -> dict[str, PeerTable]:
    """Tables that ship with the package, by name of the potential."""
    text = (files("ecteam") / "data" / "peers.json").read_text(encoding="utf-8")
    found: dict[str, PeerTable] = json.loads(text)
    return found


def peers_of(name: str, sha256: str) -> PeerTable | None:
    """Table of a potential, or None if there is none for this very file.

    Parameters
    ----------
    name, sha256 : str
        Of the potential.
    """
    found = read_peers().get(name)
    return found if found is not None and found["sha256"] == sha256 else None


def within(row: Row, method: str) -> bool | None:
    """Whether a value is within the target; None without a target or for what is not meant."""
    if row["target"] is None or method in row["missing"]:
        return None
    if method in row["failed"]:
        return False
    return abs(row["values"][method] - row["reference"]) <= row["target"]


def cell(row: Row, method: str) -> str:
    """Value, with a star where it misses the target; a dash for what is not meant."""
    if method in row["missing"]:
        return "–"
    star = " *" if within(row, method) is False else ""
    if method in row["failed"]:
        return f"none{star}"
    return f"{row['values'][method]:.{row['digits']}f}{star}"


def targets_met(table: PeerTable, method: str) -> tuple[int, int]:
    """Rows within their targets, and rows with a target that the method is meant for."""
    found = [within(row, method) for row in table["rows"]]
    return sum(verdict is True for verdict in found), sum(x is not None for x in found)


def peer_card(table: PeerTable) -> RenderableType:
    """Table, methods, sources of the references and what is absent."""
    names = list(table["methods"])
    sources = list(dict.fromkeys(row["source"] for row in table["rows"]))
    view = Table("", "reference", "target", *names, title=table["title"])
    for row in table["rows"]:
        view.add_row(
            f"{row['name']}, {row['unit']}" if row["unit"] else row["name"],
            f"{row['reference']:.{row['digits']}f} [{sources.index(row['source']) + 1}]",
            "–" if row["target"] is None else f"± {row['target']:.2g}",
            *(cell(row, name) for name in names),
        )
    met = (targets_met(table, name) for name in names)
    view.add_row("within target", "", "", *(f"{good} of {most}" for good, most in met))
    lines = ["* misses the target; – not meant for it"]
    lines += [f"{name}: {about}" for name, about in table["methods"].items()]
    lines += [f"[{k}] {source}" for k, source in enumerate(sources, 1)]
    lines += [f"absent: {words}" for words in table["absent"]]
    lines += _reasons(table)
    versions = ", ".join(f"{name} {number}" for name, number in table["versions"].items())
    lines.append(f"made by: {table['command']} ({versions})")
    lines.append(f"for the potential with sha256 {table['sha256']}")
    return Group(view, Text("\n".join(lines)))


def _reasons(table: PeerTable) -> list[str]:
    """Why values are missing: each reason once, with its quantities."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for row in table["rows"]:
        for method, reason in (row["failed"] | row["missing"]).items():
            grouped.setdefault((method, reason), []).append(row["name"])
    return [
        f"no value of {method}: {reason} ({', '.join(rows)})"
        for (method, reason), rows in grouped.items()
    ]
