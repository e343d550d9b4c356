"""Pareto fronts, and the knee that is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecteam.fit.model import FloatArray

Record = dict[str, Any]

OBJECTIVES = ("error", "parameters", "condition", "cost")
"""All to be small: validation error in units of the scales, number of parameters, logarithm of
the condition number of the Fisher information, microseconds an atom."""
SELECTION = ("error", "parameters")
"""What the knee is a knee of."""
PARENTS = (SELECTION, ("error", "parameters", "condition"))
"""Fronts that parents come from, in turn. A measured time must not decide what a run does."""
CLOSE = 1.03
"""Errors within this factor count as equal when the knee is chosen."""


def values_of(records: Sequence[Record], objectives: Sequence[str] = OBJECTIVES) -> FloatArray:
    """Table of objectives, (n, m); infinite where a record lacks one."""
    table = [[_value(record, name) for name in objectives] for record in records]
    return np.array(table, dtype=float).reshape(len(records), len(objectives))


def _value(record: Record, name: str) -> float:
    value = record[name]
    if value is None:
        return float("inf")
    return float(np.log10(value)) if name == "condition" else float(value)


def front(records: Sequence[Record], objectives: Sequence[str] = OBJECTIVES) -> list[int]:
    """Find the records that no other beats in one objective and matches in the rest.

    Gives indices in the order of the error. Of several equal ones the first stays.
    """
    table = values_of(records, objectives)
    kept = []
    for k, row in enumerate(table):
        no_worse = (table <= row).all(axis=1)
        better = no_worse & (table < row).any(axis=1)
        earlier_twin = no_worse[:k] & (table[:k] == row).all(axis=1)
        if not better.any() and not earlier_twin.any() and np.isfinite(row[0]):
            kept.append(k)
    return sorted(kept, key=lambda k: (table[k, 0], k))


def knee(
    records: Sequence[Record], targets: dict[str, float] | None = None
) -> tuple[int, str] | None:
    """Index of the record to recommend, and why in words; None without records.

    With targets that some records meet: the one with the fewest parameters among these. Else the
    knee of the front of error and parameters: farthest below the straight line between its ends,
    both axes logarithmic; if another record has about the same error, no more parameters and a
    condition number at least three times smaller, that one.
    """
    flat = front(records, SELECTION)
    if not flat:
        return None
    reached = _by_targets(records, targets or {})
    if reached is not None:
        return reached
    chosen, reason = _by_distance(records, flat)
    better = _better_determined(records, chosen)
    if better != chosen:
        ratio = records[chosen]["condition"] or np.inf
        reason += (
            f" Instead of {records[chosen]['key']}, this one has about the same error and a "
            f"condition number {ratio / records[better]['condition']:.3g} times smaller."
        )
    return better, reason


def _by_targets(records: Sequence[Record], targets: dict[str, float]) -> tuple[int, str] | None:
    def meets(record: Record) -> bool:
        known = {**record["validation"], "parameters": record["parameters"]}
        return all(known.get(name, np.inf) <= value for name, value in targets.items())

    reached = [k for k, record in enumerate(records) if targets and meets(record)]
    if not reached:
        return None
    best = min(reached, key=lambda k: (records[k]["parameters"], records[k]["error"], k))
    words = ", ".join(f"{name} ≤ {value:g}" for name, value in targets.items())
    return best, (
        f"Of the {len(reached)} models that meet the targets ({words}) it has the fewest "
        f"parameters, {records[best]['parameters']}."
    )


def _by_distance(records: Sequence[Record], flat: Sequence[int]) -> tuple[int, str]:
    order = sorted(flat, key=lambda k: records[k]["parameters"])
    table = values_of([records[k] for k in order], SELECTION)
    x, y = np.log(np.maximum(table[:, 1], 1.0)), np.log(np.maximum(table[:, 0], 1e-12))
    if len(order) < 3 or x[-1] == x[0] or y[0] == y[-1]:
        best = flat[0]
        return best, f"It has the lowest error, {records[best]['error']:.3g}; no knee to be seen."
    x, y = (x - x[0]) / (x[-1] - x[0]), (y - y[-1]) / (y[0] - y[-1])
    position = int(np.argmax(1.0 - x - y))
    return order[position], _knee_words(records, order, position)


def _knee_words(records: Sequence[Record], order: Sequence[int], position: int) -> str:
    here = records[order[position]]
    first, last = records[order[0]], records[order[-1]]
    return (
        f"It is the knee of the front: from {first['parameters']} to {here['parameters']} "
        f"parameters the error falls by {1 - here['error'] / first['error']:.0%}, and from there "
        f"to {last['parameters']} by another {1 - last['error'] / here['error']:.0%}."
    )


def _better_determined(records: Sequence[Record], chosen: int) -> int:
    mine = records[chosen]
    similar = [
        k
        for k, record in enumerate(records)
        if record["error"] <= CLOSE * mine["error"]
        and record["parameters"] <= mine["parameters"]
        and record["condition"] is not None
    ]
    best = min(similar, key=lambda k: (records[k]["condition"], k), default=chosen)
    own = mine["condition"]
    return best if own is None or 3.0 * records[best]["condition"] < own else chosen
