"""Command that computes and collects the reference data sets.

``python -m ecteam.reference.datasets water -o water.extxyz.gz --runs DIR`` runs whatever is
missing in the run folder and then writes the set; ``--collect`` only writes what is finished.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from ecteam.library import read_library
from ecteam.reference.copper import copper_structures
from ecteam.reference.executors import open_executor
from ecteam.reference.frames import relative_energy, result_frame, write_set
from ecteam.reference.halides import (
    halide_structures,
    like_ion_structures,
    potassium_structures,
)
from ecteam.reference.molecules import Level, Structure, single_point
from ecteam.reference.oxides import magnesia_structures, oxide_structures
from ecteam.reference.runs import RunReport, collect_runs, run_tasks
from ecteam.reference.water import water_structures

__all__ = ["SETS", "collect", "generate", "to_atoms", "write_set"]

SETS: dict[str, tuple[Callable[[], dict[str, Structure]], Level]] = {
    "water": (water_structures, Level("aug-cc-pVDZ", grid=2)),
    "halides": (halide_structures, Level("def2-SVPD", grid_response=True)),
    "like-ions": (like_ion_structures, Level("def2-SVPD", grid_response=True)),
    "potassium": (potassium_structures, Level("def2-SVPD", grid_response=True)),
    "oxides": (oxide_structures, Level("def2-SVPD", grid_response=True)),
    "magnesia": (magnesia_structures, Level("def2-TZVPP", "CCSD(T)", density_fit=False)),
    "copper": (copper_structures, Level("lanl2dz", "PBE", grid=2, potential="lanl2dz")),
}
"""Sampler and level of theory of each data set."""

OBSERVED_IONS = ("copper",)
"""Sets of one element whose ions have observed energies: their levels miss those of the atom's ions
by tenths of an eV. A cluster of charge q is moved by what the ion X^q is off."""

SUSPECT_DISTANCE = {"pair": 3.6, "hydrogen": 2.2}
"""Å: from here on a neutral pair, or a hydrogen atom of an ion, should have integer charges."""

logger = logging.getLogger(__name__)
Result = dict[str, Any]


def generate(
    name: str, runs: str, *, executor: Executor | None = None, retry_failed: bool = False
) -> RunReport:
    """Run the calculations of a data set that have no record yet.

    Parameters
    ----------
    name : str
        Key of :data:`SETS`.
    runs : path
        Run folder.
    executor : concurrent.futures.Executor, optional
        Where to run; here and one by one without it.
    retry_failed : bool
        Run failed calculations again.

    Returns
    -------
    RunReport
    """
    sampler, level = SETS[name]
    tasks = {key: partial(single_point, value, level) for key, value in sampler().items()}
    return run_tasks(tasks, runs, executor=executor, retry_failed=retry_failed, description=name)


def collect(name: str, runs: str) -> tuple[list[Atoms], dict[str, str]]:
    """Make ASE structures of the finished calculations of a run folder, in sampling order.

    Parameters
    ----------
    name : str
        Key of :data:`SETS`.
    runs : path
        Run folder, of a finished or unfinished run.

    Returns
    -------
    frames : list of ase.Atoms
        See `to_atoms`.
    failures : dict of str to str
        Reason of each failed calculation.

    Raises
    ------
    RuntimeError
        If an atom, whose energy is the zero of energy, is missing.
    """
    sampler, level = SETS[name]
    results, failures = collect_runs(runs)
    for key in [key for key, result in results.items() if not result.get("converged", True)]:
        failures[key] = "no SCF converged"
        del results[key]
    zero = {
        key.removeprefix("atom-"): float(result["energy"])
        for key, result in results.items()
        if key.startswith("atom-")
    }
    frames = []
    for key, structure in sampler().items():
        if key not in results:
            continue
        missing = set(structure.symbols) - set(zero)
        if missing:
            raise RuntimeError(f"{runs}: no energy of the atoms {sorted(missing)}")
        frames.append(to_atoms(key, results[key], zero, level))
    return _with_observed_ions(frames) if name in OBSERVED_IONS else frames, failures


def _with_observed_ions(frames: list[Atoms]) -> list[Atoms]:
    """Move the energies of all charged frames by one constant for each charge."""
    ions = [atoms for atoms in frames if len(atoms) == 1 and atoms.info["charge"]]
    states = {state.charge: state for state in read_library()[ions[0].symbols[0]].states[::-1]}
    shifts = {
        atoms.info["charge"]: states[atoms.info["charge"]].energy - atoms.info["energy"]
        for atoms in ions
    }
    for atoms in frames:
        shift = shifts.get(atoms.info["charge"], 0.0)
        atoms.info["energy"] = round(atoms.info["energy"] + shift, 8)
        atoms.info["ion_shift"] = round(shift, 8)
    return frames


def to_atoms(name: str, result: Result, zero: Mapping[str, float], level: Level) -> Atoms:
    """Make an ASE structure that keeps everything through extended XYZ.

    Parameters
    ----------
    name : str
        Name of the structure.
    result : dict
        What `ecteam.reference.molecules.single_point` returned.
    zero : mapping of str to float
        Total energy in eV of each neutral ground-state atom.
    level : Level
        Level of theory.

    Returns
    -------
    ase.Atoms
        See `ecteam.reference.frames.result_frame`; `energy` is zero for separated neutral atoms,
        and `info["suspect"]` marks doubtful charges.
    """
    atoms = result_frame(result, name, relative_energy(result, zero))
    atoms.info["level"] = level.label
    atoms.info["suspect"] = _is_suspect(atoms, int(result["structure"]["charge"]))
    return atoms


def _is_suspect(atoms: Atoms, charge: int) -> bool:
    """Whether a stretched bond shows the fractional charges of the delocalisation error.

    A neutral pair is judged by the charge its dipole stands for (0 and 0.8 to 1 are fine, the
    Hirshfeld charge is too small at medium distances), the hydrogen of an ion by its Hirshfeld
    charge.
    """
    distances = np.linalg.norm(atoms.positions[:, None] - atoms.positions[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    if charge == 0:
        far = len(atoms) == 2 and nearest[0] > SUSPECT_DISTANCE["pair"]
        return bool(far and 0.1 < np.linalg.norm(atoms.info["dipole"]) / nearest[0] < 0.8)
    charges = np.abs(atoms.arrays["hirshfeld"])
    free = (atoms.numbers == 1) & (nearest > SUSPECT_DISTANCE["hydrogen"]) & (len(atoms) > 1)
    return bool((free & (charges > 0.15) & (charges < 0.85)).any())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ecteam.reference.datasets", description=__doc__
    )
    parser.add_argument("set", choices=sorted(SETS), help="data set")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    parser.add_argument("--runs", required=True, help="run folder; resumed if it exists")
    parser.add_argument("--collect", action="store_true", help="run nothing, write what is there")
    parser.add_argument("--retry-failed", action="store_true", help="run failures again")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: run in this one")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status, 1 if any calculation failed."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kind = "processes" if options.workers and not options.collect else "serial"
    with open_executor(kind, options.workers) as executor:
        if not options.collect:
            generate(
                options.set, options.runs, executor=executor, retry_failed=options.retry_failed
            )
    frames, failures = collect(options.set, options.runs)
    write_set(frames, options.output)
    for name, reason in failures.items():
        logger.warning("failed: %s: %s", name, reason)
    logger.info("%s: %d structures, %d failures", options.output, len(frames), len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
