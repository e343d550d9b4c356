"""The story of a design run: a Markdown file and its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecteam._core import InvalidInputError
from ecteam.design.pareto import SELECTION, front
from ecteam.design.search import CANDIDATES, CONFIG, FINALISTS, RESULT
from ecteam.files import whole_file
from ecteam.fisher import STIFF
from ecteam.reference.runs import collect_runs

Record = dict[str, Any]

REPORT = "report.md"


def write_report(folder: str | Path) -> Path:
    """Write ``report.md`` and figures (PNG) about a finished run into its folder.

    Returns
    -------
    Path
        Of the Markdown file.

    Raises
    ------
    InvalidInputError
        If the folder holds no finished run.
    ImportError
        If Matplotlib is missing.
    """
    from ecteam.design.plots import write_figures

    path = Path(folder)
    if not (path / RESULT).is_file():
        raise InvalidInputError(f"{path}: holds no finished design run (no {RESULT})")
    result = json.loads((path / RESULT).read_text(encoding="utf-8"))
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    records = in_order(collect_runs(path / CANDIDATES)[0])
    finalists = in_order(collect_runs(path / FINALISTS)[0])
    write_figures(path, records, finalists, result["recommended"])
    text = "\n".join(
        [
            *_head(config, result, records),
            *_finalist_table(finalists, result["recommended"]),
            *_spectrum_words(result["recommended"]),
            *_lineage(records, result["recommended"]),
            *_move_table(records),
            *_failures(result["failures"]),
        ]
    )
    target = path / REPORT
    with whole_file(target) as part:
        part.write_text(text, encoding="utf-8")
    return target


def in_order(results: Mapping[str, Record]) -> list[Record]:
    """Sort records by round, then by name."""
    return [results[name] for name in sorted(results)]


def _head(config: Record, result: Record, records: Sequence[Record]) -> list[str]:
    best = result["recommended"]
    seconds = sum(record["seconds"] for record in records)
    return [
        f"# Design of a potential for {', '.join(config['elements'])}",
        "",
        f"{len(records)} candidates were trained in {seconds:.0f} s of computing, seed "
        f"{config['seed']}; {len(result['failures'])} failed.",
        "",
        "## Recommended",
        "",
        "```",
        best["formula"],
        "```",
        "",
        f"{best['parameters']} parameters; test errors {error_words(best['test'])}; validation "
        f"{error_words(best['validation'])}; {best['cost']:.1f} µs an atom.",
        "",
        result["reason"],
        "",
        "![Pareto front](pareto.png)",
        "",
    ]


def error_words(errors: Mapping[str, float]) -> str:
    """Root-mean-square errors with units."""
    parts = []
    if "energy" in errors:
        parts.append(f"{1000 * errors['energy']:.2f} meV/atom")
    if "force" in errors:
        parts.append(f"{errors['force']:.4f} eV/Å")
    if "stress" in errors:
        parts.append(f"{errors['stress']:.5f} eV/Å³")
    return ", ".join(parts)


def _finalist_table(finalists: Sequence[Record], best: Record) -> list[str]:
    lines = [
        "## Finalists",
        "",
        "Trained on all training structures. Errors are root mean squares on the test set. The",
        "condition number is that of the Fisher information with every parameter scaled to unit",
        f"information; stiff directions have eigenvalues of at least {STIFF:g} of the mean.",
        "",
        "| parameters | meV/atom | eV/Å | eV/Å³ | condition | effective dimension | stiff | "
        "µs/atom | formula |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ordered = sorted(finalists, key=lambda record: (record["parameters"], record["error"]))
    return [*lines, *(_finalist_row(record, best) for record in ordered), ""]


def _finalist_row(record: Record, best: Record) -> str:
    test, fisher = record["test"], record["fisher"]
    cells = [
        str(record["parameters"]),
        f"{1000 * test['energy']:.2f}" if "energy" in test else "–",
        f"{test['force']:.4f}" if "force" in test else "–",
        f"{test['stress']:.5f}" if "stress" in test else "–",
        "∞" if record["condition"] is None else f"{record['condition']:.2g}",
        f"{fisher['effective_dimension']:.1f}",
        str(fisher["stiff_directions"]),
        f"{record['cost']:.1f}",
        f"`{record['formula']}`" + (" **recommended**" if record["key"] == best["key"] else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _spectrum_words(best: Record) -> list[str]:
    fisher = best["fisher"]

    def mixture(name: str) -> str:
        return ", ".join(f"{parameter} ({share:.0%})" for parameter, share in fisher[name][:4])

    return [
        "## What the data determine",
        "",
        f"Of {best['parameters']} directions {fisher['stiff_directions']} are stiff, effective "
        f"dimension {fisher['effective_dimension']:.1f}.",
        f"Determined best: {mixture('stiffest')}. Determined worst: {mixture('sloppiest')}.",
        "",
        "![Spectra of the Fisher information](spectra.png)",
        "",
    ]


def _lineage(records: Sequence[Record], best: Record) -> list[str]:
    by_key = {record["key"]: record for record in records}
    chain: list[Record] = []
    key = best["key"]
    while key in by_key:
        chain.append(by_key[key])
        key = by_key[key]["parent"]
    lines = ["## How it came about", "", "| round | move | parameters | error | formula |"]
    lines.append("|---|---|---|---|---|")
    for record in reversed(chain):
        lines.append(
            f"| {record['generation']} | {record['move']} | {record['parameters']} | "
            f"{record['error']:.3f} | `{record['formula']}` |"
        )
    return [*lines, "", "Errors in units of the scales, on validation folds.", ""]


def gains(records: Sequence[Record]) -> dict[str, list[tuple[float, int]]]:
    """Relative fall of the error and change of the number of parameters, for each use of a move."""
    by_key = {record["key"]: record for record in records}
    found: dict[str, list[tuple[float, int]]] = {}
    for record in records:
        parent = by_key.get(record["parent"])
        if parent is not None:
            fall = 1.0 - record["error"] / parent["error"]
            change = record["parameters"] - parent["parameters"]
            found.setdefault(record["move"], []).append((fall, change))
    return found


def _move_table(records: Sequence[Record]) -> list[str]:
    keys = {records[k]["key"] for k in front(records, SELECTION)}
    lines = [
        "## What each move gained",
        "",
        "![Gain of each move](moves.png)",
        "",
        "| move | tried | lowered the error | mean fall of the error | mean change of parameters | "
        "now on the front |",
        "|---|---|---|---|---|---|",
    ]
    for move, uses in sorted(gains(records).items()):
        falls, changes = zip(*uses, strict=True)
        kept = sum(record["move"] == move and record["key"] in keys for record in records)
        lines.append(
            f"| {move} | {len(uses)} | {sum(fall > 0 for fall in falls)} | "
            f"{sum(falls) / len(uses):+.1%} | {sum(changes) / len(uses):+.1f} | {kept} |"
        )
    return [*lines, ""]


def _failures(failures: Mapping[str, str]) -> list[str]:
    if not failures:
        return []
    return ["## Failed", "", *(f"- {name}: {why}" for name, why in sorted(failures.items())), ""]
