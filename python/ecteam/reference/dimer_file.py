"""From the records of dimer calculations to one sealed file of curves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyscf

from ecteam.dimers import FORMAT
from ecteam.library import seal
from ecteam.reference.dimers import CHARGES, curves_of, dimer_level, point_names
from ecteam.reference.runs import collect_runs

__all__ = ["LIMIT", "build_dimers"]

VERSION = "1"
LIMIT = 0.02
"""eV: by how much the last point of a curve may miss the separated atoms."""
Fields = dict[str, Any]


def build_dimers(elements: Sequence[str], folder: str | os.PathLike[str]) -> str:
    """Assemble the curves of the elements.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols.
    folder : path
        Of `ecteam.reference.dimers.compute_curves`.

    Returns
    -------
    str
        Text of the file. Points without a result are left out and listed under ``failures``, as
        are curves whose atoms failed, and curves that do not end within `LIMIT` of zero.
    """
    atoms, failed_atoms = collect_runs(Path(folder) / "atoms")
    points, failed_points = collect_runs(Path(folder) / "points")
    failures: dict[str, str] = {}
    entries = {}
    for symbol in elements:
        curves = {}
        for name in CHARGES:
            wanted = {
                n for c in curves_of(symbol) if c.name == name for n in point_names(c).values()
            }
            for point in sorted(wanted - set(points)):
                failures[point] = failed_points.get(point, "not calculated")
            missing = [n for n in (f"{symbol} ground", f"{symbol} {name}") if n not in atoms]
            failures |= {n: failed_atoms.get(n, "not calculated") for n in missing}
            if not missing:
                curve = curves[name] = _curve(symbol, name, atoms, points)
                if abs(curve["energies"][-1]) > LIMIT:
                    failures[f"{symbol} {name} limit"] = f"ends at {curve['energies'][-1]} eV"
        entries[symbol] = {"level": dimer_level(symbol).label, "curves": curves}
    return seal(_document(entries, failures))


def _document(entries: Fields, failures: dict[str, str]) -> Fields:
    return {
        "format": FORMAT,
        "version": VERSION,
        "description": "Homonuclear dimers X2, X2+, X2-: energies above X + X, X + X+, X + X-.",
        "units": {"energy": "eV", "length": "Å"},
        "software": {"pyscf": pyscf.__version__},
        "failures": failures,
        "elements": entries,
    }


def _curve(symbol: str, name: str, atoms: Fields, points: Fields) -> Fields:
    """Lowest energy at each distance over the spins that were computed."""
    ground, other = (atoms[f"{symbol} {state}"]["energy"] for state in ("ground", name))
    rows = []
    for distance in curves_of(symbol)[0].distances:
        found = [
            (points[label]["energy"] - ground - other, curve.spin, points[label]["spin_square"][0])
            for curve in curves_of(symbol)
            if curve.name == name and (label := point_names(curve)[distance]) in points
        ]
        if found:
            rows.append((distance, *min(found)))
    distances, energies, spins, squares = (list(column) for column in zip(*rows, strict=True))
    return {
        "separated": float(np.round(other - ground, 6)),
        "distances": distances,
        "energies": [float(f"{energy:.6f}") for energy in energies],
        "spins": spins,
        "spin_squares": [float(f"{square:.3f}") for square in squares],
    }
