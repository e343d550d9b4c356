"""One pass over labelled structures: weighted rows into factors, errors into sums.

Structures are handed to the model in chunks of bounded size, so memory does not grow with the
data. A pass can keep several factors apart, for cross validation: by fold, group and property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from ecteam._core import NotConvergedError
from ecteam.fit.factor import Accumulator, Factor
from ecteam.fit.labels import Labels, Scales
from ecteam.fit.model import (
    PROPERTIES,
    FloatArray,
    Model,
    NotFiniteError,
    row_properties,
)
from ecteam.rows import row_count

CHUNK_BYTES = 64 * 2**20
"""Largest Jacobian held at once, unless a single structure has a larger one."""

FAILED = 10.0
"""Residual over scale that stands for each label of a structure whose weights did not converge."""

Key = tuple[int, str, str]
"""Fold, group and property."""


@dataclass
class ErrorSum:
    """Root mean square and mean absolute error, one number at a time."""

    count: int = 0
    squares: float = 0.0
    absolutes: float = 0.0

    def add(self, errors: FloatArray) -> None:
        """Count errors in."""
        self.count += errors.size
        self.squares += float(errors @ errors)
        self.absolutes += float(np.abs(errors).sum())

    @property
    def rmse(self) -> float:
        """Root of the mean square; NaN without labels."""
        return float(np.sqrt(self.squares / self.count)) if self.count else float("nan")

    @property
    def mae(self) -> float:
        """Mean of the absolute values; NaN without labels."""
        return self.absolutes / self.count if self.count else float("nan")


@dataclass
class Errors:
    """Errors of a model by group and property, in the units of :data:`ecteam.fit.model.UNITS`."""

    sums: dict[tuple[str, str], ErrorSum] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    """Structures whose weights did not converge; they count in no error."""

    def add(self, group: str, atoms: Atoms, residual: FloatArray) -> None:
        """Count the rows of a structure in; NaN where there is no label."""
        kinds = row_properties(atoms)
        for k, name in enumerate(PROPERTIES):
            rows = residual[kinds == k]
            rows = rows[np.isfinite(rows)] / (len(atoms) if name == "energy" else 1)
            if rows.size:
                self.sums.setdefault((group, name), ErrorSum()).add(rows)

    def total(self, name: str) -> ErrorSum:
        """Sum over all groups of a property."""
        total = ErrorSum()
        for (_, kind), part in self.sums.items():
            if kind == name:
                total.count += part.count
                total.squares += part.squares
                total.absolutes += part.absolutes
        return total

    def rmse(self) -> dict[str, float]:
        """Root-mean-square error of each property that has labels."""
        totals = {name: self.total(name) for name in PROPERTIES}
        return {name: total.rmse for name, total in totals.items() if total.count}

    def mae(self) -> dict[str, float]:
        """Mean absolute error of each property that has labels."""
        totals = {name: self.total(name) for name in PROPERTIES}
        return {name: total.mae for name, total in totals.items() if total.count}


@dataclass
class Sweep:
    """What a pass over the data found.

    Attributes
    ----------
    factors : dict of (fold, group, property) to Factor
        Only one, named (0, "", "all"), without folds. Residuals are reference minus model,
        divided by the scales.
    errors : Errors
        Of the model as it stands.
    """

    factors: dict[Key, Factor]
    errors: Errors

    @property
    def factor(self) -> Factor:
        """Of all rows."""
        return Factor.merged(list(self.factors.values()))


def chunks(structures: Sequence[Atoms], columns: int) -> Iterator[range]:
    """Consecutive indices of structures whose Jacobian fits :data:`CHUNK_BYTES`."""
    start, size = 0, 0
    for k, atoms in enumerate(structures):
        added = row_count(atoms) * columns * 8
        if k > start and size + added > CHUNK_BYTES:
            yield range(start, k)
            start, size = k, 0
        size += added
    if len(structures) > start:
        yield range(start, len(structures))


def sweep(
    model: Model, labels: Labels, scales: Scales, folds: Sequence[int] | None = None
) -> Sweep:
    """Take the Jacobian of every structure and fold it into factors.

    Parameters
    ----------
    model, labels, scales
        What is compared with what, in which units.
    folds : sequence of int, optional
        Fold of each structure; default: one fold, and one factor for all properties.

    Raises
    ------
    NotFiniteError
        If a prediction or derivative is not finite; the message names the structure.
    """
    size = len(model.parameters)
    excess = labels.excess
    sums: dict[Key, Accumulator] = {}
    errors = Errors()
    for chunk in chunks(labels.structures, size + 1):
        part = labels[chunk]
        values, jacobian = _tolerant(model.jacobian, part, size, errors)
        _check_finite(part, values, jacobian)
        own = scales, excess[chunk]
        for keys, rows in _weighted(part, values, jacobian, own, errors, folds, chunk).items():
            sums.setdefault(keys, Accumulator(size)).add(rows[:, :-1], rows[:, -1])
    if not sums:
        raise NotFiniteError("labels: every label has an infinite scale")
    return Sweep({key: sums[key].factor() for key in sorted(sums)}, errors)


def _weighted(
    part: Labels,
    values: FloatArray,
    jacobian: FloatArray,
    own: tuple[Scales, FloatArray],
    errors: Errors,
    folds: Sequence[int] | None,
    chunk: range,
) -> dict[Key, FloatArray]:
    """Rows [J | r] over their scales of each key; the errors go into `errors`."""
    parts: dict[Key, list[FloatArray]] = {}
    start = 0
    for k, atoms, target, group, excess in zip(
        chunk, part.structures, part.targets, part.groups, own[1], strict=True
    ):
        rows = slice(start, start + row_count(atoms))
        start = rows.stop
        residual = target - values[rows]
        errors.add(group, atoms, residual)
        weights = own[0].row_weights(atoms, group, excess)
        kinds = row_properties(atoms)
        known = np.isfinite(target) & (weights > 0.0)
        weighted = np.column_stack([jacobian[rows], residual]) * weights[:, None]
        if np.isnan(values[rows]).all():
            weighted[:] = [0.0] * jacobian.shape[1] + [FAILED]
        if folds is None:
            parts.setdefault((0, "", "all"), []).append(weighted[known])
            continue
        for kind, name in enumerate(PROPERTIES):
            chosen = known & (kinds == kind)
            if chosen.any():
                parts.setdefault((folds[k], group, name), []).append(weighted[chosen])
    return {key: np.concatenate(rows) for key, rows in parts.items() if len(rows)}


def _tolerant(
    rows_of: Callable[[Sequence[Atoms]], tuple[FloatArray, FloatArray]],
    part: Labels,
    columns: int,
    errors: Errors,
) -> tuple[FloatArray, FloatArray]:
    """Values and Jacobian; NaN for the structures whose weights did not converge."""
    try:
        return rows_of(part.structures)
    except NotConvergedError:
        if len(part) > 1:
            each = [_tolerant(rows_of, part[[k]], columns, errors) for k in range(len(part))]
            return np.concatenate([v for v, _ in each]), np.concatenate([j for _, j in each])
    atoms = part.structures[0]
    errors.rejected.append(str(atoms.info.get("origin", atoms.get_chemical_formula())))
    rows = row_count(atoms)
    return np.full(rows, np.nan), np.full((rows, columns), np.nan)


def predicted(model: Model, labels: Labels, errors: Errors | None = None) -> list[FloatArray]:
    """Rows of each structure; NaN throughout where the weights did not converge.

    Raises
    ------
    NotFiniteError
        If a prediction is not finite.
    """

    def rows_of(structures: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
        values = model.predictions(structures)
        return values, np.zeros((len(values), 0))

    found: list[FloatArray] = []
    for chunk in chunks(labels.structures, 1):
        part = labels[chunk]
        values, _ = _tolerant(rows_of, part, 0, errors or Errors())
        _check_finite(part, values)
        ends = np.cumsum([row_count(atoms) for atoms in part.structures])
        found += np.split(values, ends[:-1])
    return found


def errors_of(model: Model, labels: Labels) -> Errors:
    """Errors of a model on labelled structures.

    Raises
    ------
    NotFiniteError
        If a prediction is not finite.
    """
    errors = Errors()
    rows = predicted(model, labels, errors)
    for atoms, target, group, own in zip(
        labels.structures, labels.targets, labels.groups, rows, strict=True
    ):
        errors.add(group, atoms, target - own)
    return errors


def loss_of(rows: Sequence[FloatArray], labels: Labels, scales: Scales) -> float:
    """Mean square of (prediction − label)/scale over all labels; NaN without labels.

    Structures without a prediction count as in a fit.
    """
    parts = [np.zeros(0)]
    for atoms, target, group, excess, own in zip(
        labels.structures, labels.targets, labels.groups, labels.excess, rows, strict=True
    ):
        weights = scales.row_weights(atoms, group, excess)
        residual = np.where(np.isnan(own).all(), FAILED, (target - own) * weights)
        parts.append(residual[np.isfinite(target) & (weights > 0.0)])
    every = np.concatenate(parts)
    return float(every @ every / every.size) if every.size else float("nan")


def _check_finite(part: Labels, values: FloatArray, jacobian: FloatArray | None = None) -> None:
    """Only labelled rows matter, a molecule has no stress; NaN throughout is a rejection."""
    bad = ~np.isfinite(values)
    if jacobian is not None:
        bad |= ~np.isfinite(jacobian).all(axis=1)
    bad &= np.isfinite(np.concatenate(part.targets))
    ends = np.cumsum([row_count(atoms) for atoms in part.structures])
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        bad[start:end] &= not np.isnan(values[start:end]).all()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        k = int(np.searchsorted(ends, row, side="right"))
        origin = part.structures[k].info.get("origin", f"structure {k} of the chunk")
        raise NotFiniteError(f"{origin}: the model's prediction or derivative is not finite")
