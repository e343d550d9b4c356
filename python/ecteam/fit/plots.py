"""Figures of a fit: parity, dissociation curves, progress. Drawn on a Matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from ecteam.figures import BLUE, GREY, ORANGE, VERMILLION
from ecteam.fit.config import SIDES, Curve, Side
from ecteam.fit.labels import Labels
from ecteam.fit.model import PROPERTIES, UNITS, FloatArray, row_properties
from ecteam.fit.run import Outcome, Part
from ecteam.fit.sweep import predicted
from ecteam.parameters import Selection
from ecteam.structure import total_charge_of

COLORS: dict[Side, str] = {"train": BLUE, "validation": ORANGE, "test": VERMILLION}
FINE = 120
"""Points of a calculated curve of two atoms."""


def pairs_of(part: Part, name: str) -> tuple[FloatArray, FloatArray]:
    """Labels of a property and their predictions; energies per atom."""
    which = PROPERTIES.index(name)
    found: list[FloatArray] = [np.zeros((0, 2))]
    for atoms, target, rows in zip(
        part.labels.structures, part.labels.targets, part.rows, strict=True
    ):
        kinds = row_properties(atoms) == which
        both = np.column_stack([target, rows])[kinds & np.isfinite(target) & np.isfinite(rows)]
        found.append(both / (len(atoms) if name == "energy" else 1))
    every = np.concatenate(found)
    return every[:, 0], every[:, 1]


def labelled_properties(outcome: Outcome) -> list[str]:
    """Properties that have labels."""
    return [
        name
        for name in PROPERTIES
        if any(len(pairs_of(part, name)[0]) for part in outcome.after.values())
    ]


def draw_parity(figure: Any, outcome: Outcome) -> None:
    """Prediction against label, a panel for each property."""
    names = labelled_properties(outcome)
    columns = min(len(names), 2)
    panels = figure.subplots(-(-len(names) // columns), columns, squeeze=False).ravel()
    for panel in panels[len(names) :]:
        panel.axis("off")
    scales = outcome.problem.config.scales
    for panel, name in zip(panels, names, strict=False):
        _parity(panel, outcome, name)
        used = np.isfinite(getattr(scales, name))
        panel.set_title(name if used else f"{name} (not fitted)", fontsize=10)
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")


def _parity(panel: Any, outcome: Outcome, name: str) -> None:
    every: list[FloatArray] = []
    words = []
    for side in SIDES:
        labels, values = pairs_of(outcome.after[side], name)
        every += [labels, values]
        if not len(labels):
            continue
        error = np.sqrt(np.mean((values - labels) ** 2))
        words.append(f"{side} {error:.3g}")
        panel.plot(labels, values, ".", color=COLORS[side], markersize=4, label=side, alpha=0.7)
    ends = [min(map(np.min, filter(len, every))), max(map(np.max, filter(len, every)))]
    panel.plot(ends, ends, color=GREY, linewidth=0.8, zorder=0)
    unit = UNITS[name]
    panel.set(xlabel=f"reference ({unit})", ylabel=f"potential ({unit})")
    text = "RMSE\n" + "\n".join(words)
    panel.text(0.97, 0.03, text, transform=panel.transAxes, ha="right", va="bottom", fontsize=7)


@dataclass(frozen=True)
class Series:
    """Structures of one composition and charge, in the order of a distance."""

    title: str
    labels: Labels
    sides: tuple[Side, ...]
    distances: FloatArray
    curve: Curve

    @property
    def energies(self) -> FloatArray:
        """Reference energies, eV."""
        return np.array([target[0] for target in self.labels.targets])


def series_of(outcome: Outcome, curve: Curve) -> list[Series]:
    """Sort the structures of a group into curves; those with one point are none."""
    members: dict[str, list[tuple[float, Side, int]]] = {}
    i, j = curve.atoms
    for side, part in outcome.after.items():
        for k, atoms in enumerate(part.labels.structures):
            known = np.isfinite(part.labels.targets[k][0])
            if part.labels.groups[k] == curve.group and max(i, j) < len(atoms) and known:
                distance = float(atoms.get_distance(i, j, mic=bool(atoms.pbc.any())))
                members.setdefault(_title(atoms), []).append((distance, side, k))
    return [
        _series(outcome, curve, title, sorted(found))
        for title, found in sorted(members.items())
        if len(found) > 1
    ]


def _series(
    outcome: Outcome, curve: Curve, title: str, found: Sequence[tuple[float, Side, int]]
) -> Series:
    parts = [outcome.after[side].labels[[k]] for _, side, k in found]
    labels = Labels(
        [part.structures[0] for part in parts],
        [part.targets[0] for part in parts],
        [curve.group] * len(parts),
    )
    distances = np.array([distance for distance, _, _ in found])
    return Series(title, labels, tuple(side for _, side, _ in found), distances, curve)


def _title(atoms: Atoms) -> str:
    charge = total_charge_of(atoms)
    formula = str(atoms.get_chemical_formula("metal"))
    return formula + (f", {charge:+g} e" if charge else "")


def draw_curves(figure: Any, outcome: Outcome, series: Sequence[Series]) -> None:
    """Energy over distance: labels by side, the fitted potential and the start."""
    columns = min(len(series), 3)
    panels = figure.subplots(-(-len(series) // columns), columns, squeeze=False).ravel()
    for panel in panels[len(series) :]:
        panel.axis("off")
    for panel, own in zip(panels, series, strict=False):
        _curve(panel, outcome, own)
    handles = {
        label: handle
        for panel in panels[: len(series)]
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), ncols=5, frameon=False, loc="outside upper left"
    )


def lowest_points(outcome: Outcome, own: Series) -> list[tuple[float, float]]:
    """Distance (Å) and energy (eV) at the lowest point: reference, potential.

    A parabola through three points, unless the lowest lies at an end.
    """
    path, distances = curve_path(own)
    energies = _energies(outcome.trained.model, path)
    return [_lowest(own.distances, own.energies), _lowest(distances, energies)]


def _lowest(distances: FloatArray, energies: FloatArray) -> tuple[float, float]:
    k = int(np.nanargmin(energies))
    three = slice(k - 1, k + 2)
    if not 0 < k < len(energies) - 1 or not np.isfinite(energies[three]).all():
        return float(distances[k]), float(energies[k])
    a, b, c = np.polyfit(distances[three] - distances[k], energies[three], 2)
    shift = float(
        np.clip(-b / (2.0 * a), distances[k - 1] - distances[k], distances[k + 1] - distances[k])
    )
    return float(distances[k]) + shift, float(np.polyval([a, b, c], shift))


def _curve(panel: Any, outcome: Outcome, own: Series) -> None:
    path, distances = curve_path(own)
    for model, style, label in (
        (outcome.problem.model, {"color": GREY, "linewidth": 0.8, "linestyle": ":"}, "start"),
        (outcome.trained.model, {"color": "black", "linewidth": 1.2}, "potential"),
    ):
        panel.plot(distances, _energies(model, path), label=label, **style)
    energies = own.energies
    for side in SIDES:
        chosen = np.array([s == side for s in own.sides])
        if chosen.any():
            color = COLORS[side]
            panel.plot(own.distances[chosen], energies[chosen], "o", color=color, ms=4, label=side)
    low, high = energies.min(), energies.max()
    margin = 0.15 * (high - low) + 1e-3
    i, j = own.curve.atoms
    symbols = own.labels.structures[0].get_chemical_symbols()
    panel.set(
        ylim=(low - margin, high + margin),
        xlabel=f"{symbols[i]}–{symbols[j]} (Å)",
        ylabel="energy (eV)",
    )
    panel.set_title(f"{own.curve.group}: {own.title}", fontsize=9)


def curve_path(own: Series) -> tuple[list[Atoms], FloatArray]:
    """Structures to draw a curve through: many for two atoms, those of the data for more."""
    frames = list(own.labels.structures)
    if len(frames[0]) != 2 or frames[0].pbc.any():
        return frames, own.distances
    distances = np.linspace(own.distances[0], own.distances[-1], FINE)
    path = []
    for distance in distances:
        atoms = frames[0].copy()
        atoms.set_distance(*own.curve.atoms, distance, fix=0)
        path.append(atoms)
    return path, distances


def _energies(model: Selection, frames: Sequence[Atoms]) -> FloatArray:
    none = [np.zeros(10 + 4 * len(atoms)) for atoms in frames]
    rows = predicted(model, Labels(frames, none, [""] * len(frames)))
    return np.array([row[0] for row in rows])


def draw_progress(figure: Any, outcome: Outcome) -> None:
    """Loss of training and validation over the steps."""
    panel = figure.subplots()
    steps = np.arange(1, len(outcome.history) + 1)
    for name, color in (("loss", BLUE), ("validation", ORANGE)):
        values = [np.nan if r[name] is None else r[name] for r in outcome.history]
        label = "training, with the prior" if name == "loss" else name
        panel.semilogy(steps, np.array(values, dtype=float), ".-", color=color, label=label)
    panel.set(xlabel="step", ylabel="mean square of residual over scale")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(frameon=False)
