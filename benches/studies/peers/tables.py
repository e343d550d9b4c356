"""Observables of several methods as rows of a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .methods import Method


@dataclass(frozen=True)
class Observable:
    """One row.

    Attributes
    ----------
    name : str
        With its unit.
    reference : float
        What the methods are compared with.
    tolerance : float
        Target: largest error.
    compute : callable
        Value of a method.
    digits : int
        After the decimal point.
    applies : callable
        Whether a method is meant for it.
    """

    name: str
    reference: float
    tolerance: float
    compute: Callable[[Method], float]
    digits: int = 3
    applies: Callable[[Method], bool] = lambda method: True

    def cell(self, method: Method) -> str:
        """Value, with a star where it misses its target."""
        if not self.applies(method):
            return "–"
        try:
            value = self.compute(method)
        except Exception as error:  # any program may fail at any geometry
            return f"{error or type(error).__name__}".split("\n")[0][:40]
        star = "" if abs(value - self.reference) <= self.tolerance else " *"
        return f"{value:.{self.digits}f}{star}"


def markdown(title: str, observables: Sequence[Observable], methods: Mapping[str, Method]) -> str:
    """Table; a star marks what misses its target."""
    head = ["", "reference", "target", *methods]
    lines = [f"### {title}", "", _line(head), _line(["---"] * len(head))]
    for row in observables:
        first = [row.name, f"{row.reference:.{row.digits}f}", f"± {row.tolerance:.2g}"]
        lines.append(_line([*first, *(row.cell(method) for method in methods.values())]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
