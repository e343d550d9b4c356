"""Cards of the library of atomic states and of its elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecteam.baseline import read_baseline
from ecteam.dimers import Dimers, read_dimers
from ecteam.library import AtomicState, Element, Library

__all__ = ["element_card", "energy_errors", "library_card", "library_data"]

OUTLIER = 0.2
"""eV: a larger difference from experiment is listed."""


def energy_errors(library: Library, name: str, heaviest: int = 118) -> dict[str, float]:
    """Collect computed minus observed energies in eV of the states of a name, by element.

    Parameters
    ----------
    library : Library
        Any library.
    name : str
        ``cation``: ionisation energies; ``anion``: minus the electron affinities; ``excited``.
    heaviest : int
        Largest atomic number.
    """
    found: dict[str, float] = {}
    for symbol in library:
        if atomic_numbers[symbol] > heaviest or name not in library[symbol]:
            continue
        state = library[symbol][name]
        if state.energy_observed is not None:
            found[symbol] = state.energy_computed - state.energy_observed
    return found


def library_card(library: Library) -> RenderableType:
    """Everything worth knowing about a library on one screen and a half."""
    every = [state for symbol in library for state in library[symbol].states]
    facts = [
        library.fields["description"],
        f"{len(every)} states of {len(library)} elements, version {library.version}; energies and "
        "polarisabilities for use are the observed ones where there are any",
        f"computed with PySCF {library.fields['software']['pyscf']}, UHF-CCSD(T); level of each "
        "state: ecteam states show ELEMENT",
    ]
    parts: list[RenderableType] = [Text("\n".join(facts)), _energy_table(library)]
    parts += [_outlier_table(library), _quality_table(every), _miss_table(every)]
    failures = library.fields["failures"]
    if failures:
        parts.append(Text("failed: " + "; ".join(f"{k}: {v}" for k, v in failures.items())))
    dimers, baseline = read_dimers(), read_baseline()
    if baseline["library"] == library.sha256:
        parts += [_dimer_table(dimers), _unfitted_table(baseline), Text(_UNFITTED)]
    digests = f"sha256 {library.sha256}\nsha256 of the dimer curves {dimers.sha256}"
    return Group(*parts, Text(digests))


def library_data(library: Library) -> dict[str, Any]:
    """Collect what the card of a library says, as plain data."""
    baseline = read_baseline()
    every = {symbol: library[symbol].states for symbol in library}
    return {
        "version": library.version,
        "sha256": library.sha256,
        "software": library.fields["software"],
        "states": {symbol: [state.name for state in found] for symbol, found in every.items()},
        "misses": {
            f"{symbol} {state.name}": list(state.misses)
            for symbol, found in every.items()
            for state in found
            if state.misses
        },
        "failures": library.fields["failures"],
        "dimers": {"sha256": read_dimers().sha256, "elements": list(read_dimers())},
        "unfitted": baseline if baseline["library"] == library.sha256 else None,
    }


def _energy_table(library: Library) -> Table:
    title = "computed minus observed energies (eV)"
    table = Table("quantity", "range", "count", "mean |error|", "largest", title=title)
    quantities = {"cation": "ionisation", "anion": "electron affinity", "excited": "excitation"}
    for name, words in quantities.items():
        for heaviest, span in ((18, "Z ≤ 18"), (36, "Z ≤ 36")):
            errors = energy_errors(library, name, heaviest)
            if not errors:
                continue
            worst = max(errors, key=lambda symbol: abs(errors[symbol]))
            mean = float(np.mean(np.abs(list(errors.values()))))
            row = (words, span, str(len(errors)), f"{mean:.3f}", f"{worst} {errors[worst]:+.3f}")
            table.add_row(*row)
    return table


def _outlier_table(library: Library) -> Table:
    title = f"energies further than {OUTLIER:g} eV from experiment"
    table = Table("state", "computed (eV)", "observed (eV)", "why", title=title)
    for name in ("cation", "anion", "excited"):
        for symbol, error in energy_errors(library, name).items():
            if abs(error) > OUTLIER:
                state = library[symbol][name]
                table.add_row(
                    f"{symbol} {name}",
                    f"{state.energy_computed:.3f}",
                    f"{state.energy_observed:.3f}",
                    state.provenance.get("remark", ""),
                )
    return table


def _quality_table(states: list[AtomicState]) -> Table:
    columns = ("error of the fits", "median", "90 % below", "largest", "at")
    table = Table(*columns, title="radial fits against computed densities")
    fitted = [state for state in states if state.quality]
    rows = {
        "∫|Δρ| (e)": ("absolute_error", 1.0),
        "⟨1/r⟩ (%)": ("inverse_radius_error", 100.0),
        "⟨r⟩ (%)": ("mean_radius_error", 100.0),
        "⟨r²⟩ (%)": ("squared_radius_error", 100.0),
        "Hartree energy (%)": ("hartree_error", 100.0),
        "count (e)": ("count_error", 1.0),
        "cusp": ("cusp_error", 1.0),
    }
    for label, (key, factor) in rows.items():
        _add_errors(table, label, fitted, [factor * abs(s.quality[key]) for s in fitted])
    for index, distance in enumerate((0.5, 1.0, 1.5, 2.0, 3.0, 4.0)):
        errors = [abs(state.quality["probes"][index]["error"]) for state in fitted]
        _add_errors(table, f"ρ at {distance:g} Å (e/Å³)", fitted, errors)
    return table


def _add_errors(table: Table, label: str, states: list[AtomicState], errors: list[float]) -> None:
    worst = int(np.argmax(errors))
    numbers = (np.median(errors), np.quantile(errors, 0.9), errors[worst])
    state = states[worst]
    table.add_row(label, *(f"{value:.2g}" for value in numbers), f"{state.symbol} {state.name}")


def _miss_table(states: list[AtomicState]) -> Table:
    table = Table("state", "misses", title="fits that miss a target")
    for state in states:
        if state.misses:
            table.add_row(f"{state.symbol} {state.name}", "; ".join(state.misses))
    return table


def _dimer_table(dimers: Dimers) -> Table:
    table = Table("elements", "level", title="dimer curves, for embedding functions")
    levels: dict[str, list[str]] = {}
    for symbol in dimers:
        levels.setdefault(dimers.fields["elements"][symbol]["level"], []).append(symbol)
    for level, symbols in levels.items():
        table.add_row(" ".join(symbols), level)
    for point, reason in dimers.fields["failures"].items():
        table.add_row(point, f"failed: {reason}")
    return table


_UNFITTED = (
    "unfitted: Potential.from_library of the elements, embedding functions from dimer curves, no "
    "resonance: the baseline of every fit. O2 and N2 are among those curves, not predictions."
)


def _unfitted_table(baseline: dict[str, Any]) -> Table:
    title = f"unfitted potentials / {baseline['reference']}"
    table = Table("molecule", title=title)
    for name in ("bond (Å)", "angle (°)", "depth (eV)", "dipole (e·Å)", "charge of the first (e)"):
        table.add_column(name, justify="right")
    forms = {"length": ".3f", "angle": ".1f", "depth": ".2f", "dipole": ".3f"}
    for name, row in baseline["molecules"].items():
        ours, theirs = row["unfitted"], row["reference"]
        cells = [_both(ours[key], theirs[key], form) for key, form in forms.items()]
        table.add_row(name, *cells, _both(ours["charges"][0], theirs["charges"][0], "+.2f"))
    return table


def _both(unfitted: float | None, reference: float | None, form: str) -> str:
    if unfitted is None or reference is None:
        return "–"
    return f"{unfitted:{form}} / {reference:{form}}"


def element_card(element: Element) -> RenderableType:
    """States of an element: energies, polarisabilities, quality and origin."""
    return Group(_state_table(element), _fit_table(element), Text("\n".join(_origins(element))))


def _state_table(element: Element) -> Table:
    columns = ("state", "configuration", "2S+1", "charge (e)", "energy (eV)", "computed")
    more = ("difference", "polariz. (Å³)", "computed", "bound")
    rows = []
    for state in element.states:
        observed = state.energy_observed
        difference = "–" if observed is None else f"{state.energy_computed - observed:+.3f}"
        row = (
            state.name,
            state.configuration or "bare nucleus",
            str(state.multiplicity),
            f"{state.charge:+d}",
            f"{state.energy:.4f}",
            f"{state.energy_computed:.4f}",
            difference,
            _number(state.polarisability),
            _number(state.polarisability_computed),
            "yes" if state.bound else "no",
        )
        rows.append(row)
    return _by_state(element.symbol, (*columns, *more), rows)


def _by_state(title: str, labels: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Give each state a column, so that numbers fit on a narrow terminal."""
    table = Table(labels[0], *(row[0] for row in rows), title=title)
    for k, label in enumerate(labels[1:], 1):
        table.add_row(label, *(row[k] for row in rows))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _fit_table(element: Element) -> Table:
    columns = ("state", "functions", "exponents (1/Å)", "∫|Δρ| (e)", "⟨1/r⟩ %", "⟨r⟩ %")
    more = ("⟨r²⟩ %", "Hartree %", "count (e)", "cusp", "misses")
    rows = []
    for state in element.states:
        if not state.quality:
            continue
        quality, exponents = state.quality, state.density.exponents
        keys = ("inverse_radius", "mean_radius", "squared_radius", "hartree")
        row = (
            state.name,
            str(len(exponents)),
            f"{exponents[0]:.3g} … {exponents[-1]:.4g}",
            f"{quality['absolute_error']:.4f}",
            *(f"{100 * quality[key + '_error']:+.3f}" for key in keys),
            f"{quality['count_error']:.0e}",
            f"{quality['cusp_error']:.0e}",
            "; ".join(state.misses) or "none",
        )
        rows.append(row)
    return _by_state("radial fits", (*columns, *more), rows)


def _origins(element: Element) -> Iterator[str]:
    for state in element.states:
        for key, words in state.provenance.items():
            if words:
                yield f"{state.name} {key.replace('_', ' ')}: {words}"
