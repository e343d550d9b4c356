"""Build the library of atomic states: calculations, radial fits, experiment, one sealed file.

A build is a folder of records: one per calculated state, one per fit, each written when it is done.
A killed build continues where it stopped, and a fit can be repeated without PySCF.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from ecteam._core import InvalidInputError
from ecteam.fit.rbf import Target
from ecteam.fit.states import fit_state, goals, misses, with_tail
from ecteam.library import FORMAT, seal
from ecteam.reference.configurations import ELEMENTS, State, element_states
from ecteam.reference.experiment import Observed, observed
from ecteam.reference.runs import collect_runs, run_tasks, write_atomic
from ecteam.reference.units import BOHR, HARTREE

__all__ = ["build_library", "compute_states", "parse_elements", "write_densities"]

Fields = dict[str, Any]
Folder = str | os.PathLike[str]

VERSION = "3"
"""Version of the numbers in the shipped library."""
_ADDED_D = "the added 3d electron is under-correlated: triple-zeta basis, 3s and 3p frozen"
_REMOVED_D = "3d¹⁰ and 3d⁵ correlation in a triple-zeta basis with 3s and 3p frozen"
_HOLE = "presumably the perturbative triples, with a valence p hole below the Rydberg electron"
REMARKS = {
    "Sc anion": "computed for 3d 4s² 4p high-spin; the observed ¹D is an open-shell singlet",
    **dict.fromkeys(("Ti anion", "V anion", "Fe anion", "Co anion", "Ni anion"), _ADDED_D),
    **dict.fromkeys(
        (f"{symbol} excited" for symbol in ("Sc", "Ti", "V", "Mn", "Fe", "Co", "Ni")), _ADDED_D
    ),
    **dict.fromkeys((f"{symbol} excited" for symbol in ("N", "P", "As")), _HOLE),
    **dict.fromkeys(("Cr cation", "Cu cation", "Cu excited"), _REMOVED_D),
}
"""What is known or presumed about energies far from experiment."""


def parse_elements(text: str) -> list[str]:
    """Read a list of elements and ranges such as ``H-Kr`` or ``H,O,Na-Cl``.

    Raises
    ------
    InvalidInputError
        If a word is not an element H to Kr or a rising range of them.
    """
    found: list[str] = []
    for word in text.split(","):
        ends = [end.strip() for end in word.split("-")]
        unknown = [end for end in ends if end not in ELEMENTS]
        if unknown or len(ends) > 2:
            raise InvalidInputError(
                f"elements: must be symbols or ranges within H-Kr, got {word!r}"
            )
        first, last = atomic_numbers[ends[0]], atomic_numbers[ends[-1]]
        if last < first:
            raise InvalidInputError(f"elements: a range must rise, got {word!r}")
        found += chemical_symbols[first : last + 1]
    return list(dict.fromkeys(found))


def compute_states(
    elements: Sequence[str],
    folder: Folder,
    *,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> dict[str, str]:
    """Calculate all states of the elements that have no record yet.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols.
    folder : path
        Folder of the build; made if missing.
    executor : concurrent.futures.Executor, optional
        Anything with its interface; without one the states are calculated here, in order.
    retry_failed : bool
        Calculate states that are recorded as failed again.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to str
        State and reason of each failure, earlier ones included.
    """
    from ecteam.reference.atoms import compute_state

    wanted = [state for symbol in elements for state in element_states(symbol)]
    tasks = {_name(state): partial(compute_state, state) for state in wanted}
    path = Path(folder) / "states"
    run_tasks(
        tasks,
        path,
        executor=executor,
        retry_failed=retry_failed,
        progress=progress,
        description="atomic states",
    )
    failures = collect_runs(path)[1]
    return {name: reason for name, reason in failures.items() if name in tasks}


def build_library(
    elements: Sequence[str],
    folder: Folder,
    *,
    executor: Executor | None = None,
    progress: bool = True,
) -> str:
    """Fit the calculated densities and assemble the library.

    Parameters
    ----------
    elements, folder, executor, progress
        As in :func:`compute_states`, which must have succeeded for the ground states.

    Returns
    -------
    str
        Text of the library file. States without a calculation or a fit are left out and listed
        under ``failures``.

    Raises
    ------
    InvalidInputError
        If a ground state of the elements has not been calculated.
    """
    records, failed = collect_runs(Path(folder) / "states")
    tables = {symbol: observed(symbol) for symbol in elements}
    wanted = [state for symbol in elements for state in element_states(symbol)]
    missing = [s.symbol for s in wanted if s.name == "ground" and _name(s) not in records]
    if missing:
        raise InvalidInputError(f"elements: no calculated ground state of {', '.join(missing)}")
    present = [state for state in wanted if _name(state) in records]
    fits, unfitted = _fits(present, records, tables, Path(folder) / "fits", executor, progress)
    failures = {
        _name(s): failed.get(_name(s), "not calculated") for s in wanted if s not in present
    }
    entries = {
        symbol: [
            _entry(state, records, fits[_name(state)], tables[symbol])
            for state in element_states(symbol)
            if _name(state) in fits
        ]
        for symbol in elements
    }
    return seal(_document(entries, failures | unfitted))


def write_densities(elements: Sequence[str], folder: Folder, output: str | Path) -> None:
    """Write the calculated radial densities, from which the fits can be repeated.

    Parameters
    ----------
    elements, folder
        As in :func:`build_library`.
    output : path
        Compressed JSON: ``radii`` (Å) and per state the ``densities`` (e/Å³) on every third
        point of the grid.
    """
    records, _ = collect_runs(Path(folder) / "states")
    wanted = [_name(state) for symbol in elements for state in element_states(symbol)]
    densities = {
        name: [float(f"{value:.6g}") for value in records[name]["density"][::3]]
        for name in wanted
        if name in records
    }
    radii = [float(f"{value:.12g}") for value in _radii(records[wanted[0]])[::3]]
    document = {"units": {"radii": "Å", "densities": "e/Å³"}, "radii": radii} | {
        "densities": densities
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    write_atomic(output, gzip.compress(text.encode(), mtime=0))


def _name(state: State) -> str:
    return f"{state.symbol} {state.name}"


def _document(entries: dict[str, list[Fields]], failures: dict[str, str]) -> Fields:
    return {
        "format": FORMAT,
        "version": VERSION,
        "description": "Isolated atomic states H-Kr: energies, densities, polarisabilities.",
        "units": {"energy": "eV", "length": "Å", "charge": "e", "polarisability": "Å³"},
        "software": {name: version(name) for name in ("pyscf", "mendeleev", "clarabel", "scipy")},
        "failures": failures,
        "elements": entries,
    }


def _radii(record: Fields) -> np.ndarray[Any, np.dtype[np.float64]]:
    grid = record["grid"]
    return np.geomspace(grid["first"], grid["last"], len(record["density"]))


def _fits(
    states: Sequence[State],
    records: dict[str, Fields],
    tables: dict[str, Observed],
    folder: Path,
    executor: Executor | None,
    progress: bool,
) -> tuple[dict[str, Fields], dict[str, str]]:
    """Fit of each state by name, and the failures; recorded fits of the same input are reused."""
    tasks, keys = {}, {}
    for state in states:
        record = records[_name(state)]
        ionisation = _ionisation(state, record, tables[state.symbol])[0]
        content = json.dumps([record["density"], ionisation]).encode()
        keys[_name(state)] = f"{_name(state)} {hashlib.sha256(content).hexdigest()[:12]}"
        tasks[keys[_name(state)]] = partial(_fit, state, record, ionisation)
    run_tasks(tasks, folder, executor=executor, progress=progress, description="radial fits")
    done, failed = collect_runs(folder)
    fits = {name: done[key] for name, key in keys.items() if key in done}
    return fits, {name: failed[key] for name, key in keys.items() if key in failed}


def _ionisation(state: State, record: Fields, table: Observed) -> tuple[float | None, str]:
    """Energy in eV that sets the decay of the density, and its origin."""
    if state.electrons == 0:
        return None, ""
    if record["in_sphere"] or state.name == "excited":
        return -record["orbital_energy"], "outermost orbital energy"
    quantities = {"ground": "first", "cation": "second", "dication": "third", "anion": "affinity"}
    quantity = quantities[state.name]
    return getattr(table, quantity), table.source(quantity)


def _fit(state: State, record: Fields, ionisation: float | None) -> Fields:
    """Exponents, coefficients, quality and misses."""
    if ionisation is None:
        return {"exponents": [], "coefficients": [], "quality": {}, "misses": []}
    radii = _radii(record)
    weights = radii * np.log(radii[1] / radii[0])
    number = int(atomic_numbers[state.symbol])
    cusp = 2.0 * number / BOHR
    kappa = 2.0 * np.sqrt(2.0 * ionisation / HARTREE)
    decay = cusp if state.configuration == "1s1" else kappa / BOHR
    density = np.array(record["density"])
    target = Target(radii, weights, density, float(state.electrons), cusp, decay)
    allowed = goals(shells=state.shell_count, heavy=number > 18, anion=state.charge < 0)
    tailed = with_tail(target, 4.0 * (state.charge + 1) / kappa - 2.0)
    fit, quality = fit_state(tailed, target, allowed)
    return {
        "exponents": fit.exponents.tolist(),
        "coefficients": fit.coefficients.tolist(),
        "quality": quality,
        "misses": misses(quality, allowed),
    }


def _entry(state: State, records: dict[str, Fields], fit: Fields, table: Observed) -> Fields:
    record, ground = records[_name(state)], records[f"{state.symbol} ground"]
    computed = record["energy"] - ground["energy"]
    energy, source = _observed_energy(state, table)
    ionisation, origin = _ionisation(state, record, table)
    polarisability = table.polarisability if state.name == "ground" else None
    provenance = {
        "computed": f"PySCF {record['versions']['pyscf']}: {record['method']}",
        "energy": source or "computed",
        "polarisability": "computed" if polarisability is None else table.source("polarisability"),
        "ionisation_energy": origin,
        "density": "constrained radial fit of the computed density",
    }
    if _name(state) in REMARKS:
        provenance["remark"] = REMARKS[_name(state)]
    return {
        "name": state.name,
        "configuration": state.configuration,
        "charge": state.charge,
        "multiplicity": state.spin + 1,
        "bound": state.bound,
        "energy": computed if energy is None else energy,
        "energy_computed": computed,
        "energy_observed": energy,
        "ionisation_energy": ionisation,
        "polarisability": record["polarisability"] if polarisability is None else polarisability,
        "polarisability_computed": record["polarisability"],
        "polarisability_observed": polarisability,
        "rbf": {"exponents": fit["exponents"], "coefficients": fit["coefficients"]},
        "quality": fit["quality"],
        "misses": fit["misses"],
        "provenance": provenance,
    }


def _observed_energy(state: State, table: Observed) -> tuple[float | None, str]:
    if state.name == "ground":
        return 0.0, "zero by definition"
    if state.name == "cation":
        return table.first, table.source("first")
    if state.name == "dication" and table.second is not None:
        return table.first + table.second, f"{table.source('first')}; {table.source('second')}"
    if state.name == "excited":
        return table.excitation, table.source("excitation")
    if state.name == "anion" and table.affinity is not None:
        return -table.affinity, table.source("affinity")
    return None, ""
