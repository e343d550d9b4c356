"""Reference calculations of many structures, on any executor, resumable after any interruption."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ase import Atoms

from ecteam._core import InvalidInputError
from ecteam.reference.frames import failure_frame, relative_energy, result_frame
from ecteam.reference.level import GROUND_SPIN, Level, Structure, structure_of
from ecteam.reference.molecules import DensityOutput, single_point
from ecteam.reference.runs import Task, collect_runs, run_tasks

__all__ = ["Computed", "compute"]


@dataclass
class Computed:
    """Outcome of a batch.

    Attributes
    ----------
    frames : list of ase.Atoms
        One for every structure, in the order given; those of failed calculations hold the reason
        instead of numbers. See `ecteam.reference.frames`.
    failed : dict of str to str
        Name and reason of each calculation without numbers.
    unconverged : list of str
        Names of calculations whose numbers are marked ``converged=False``.
    new : int
        Calculations that ended in this call; the others had a record.
    """

    frames: list[Atoms] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unconverged: list[str] = field(default_factory=list)
    new: int = 0


def compute(
    structures: Sequence[Atoms],
    level: Level,
    folder: str | os.PathLike[str],
    *,
    charge: int | None = None,
    spin: int | None = None,
    relative: bool = False,
    density: DensityOutput | None = None,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> Computed:
    """Compute every structure at a level of theory; what has a record in `folder` is not redone.

    Records are named by a hash of structure, level and wanted density, so a folder can hold
    several levels, and a change of any input is a new calculation. Killed at any moment, a run
    loses at most the calculations in flight.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Molecules; see `ecteam.reference.level.structure_of` for charge and spin.
    level : Level
        Level of theory.
    folder : path
        Run folder, created if missing. Cube files go here too.
    charge, spin : int, optional
        For all structures, instead of what they say themselves; e and 2S.
    relative : bool
        Energies above separated neutral atoms, which are computed too, at the same level.
    density : DensityOutput, optional
        What to keep of the densities; any `cube` asks for a file per structure, named by itself.
    executor : concurrent.futures.Executor, optional
        Where to run; here without it. A ``distributed.Client`` will do.
    retry_failed : bool
        Compute what is recorded as failed again.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Computed

    Raises
    ------
    InvalidInputError
        If a structure has no fitting electronic state, or the level is unknown for its elements;
        the message names it. Nothing has been computed then.
    """
    named = _named(structures, charge, spin)
    if relative:
        named |= _atoms_of(structures)
    _check_level(level, {symbol for s in named.values() for symbol in s.symbols})
    keys, tasks = _tasks(named, level, density or DensityOutput(), folder)
    report = run_tasks(
        tasks,
        folder,
        executor=executor,
        retry_failed=retry_failed,
        progress=progress,
        description=level.label,
    )
    results, failures = collect_runs(folder)
    done = {name: results[key] for name, key in keys.items() if key in results}
    reasons = {name: failures[key] for name, key in keys.items() if key in failures}
    found = _collect(structures, level, done, reasons, relative)
    found.new = len(report.done) + len(report.failed)
    return found


def _tasks(
    named: Mapping[str, Structure],
    level: Level,
    wanted: DensityOutput,
    folder: str | os.PathLike[str],
) -> tuple[dict[str, str], dict[str, Task]]:
    """Key of the record of every structure, and the calculation behind every key."""
    keys: dict[str, str] = {}
    tasks: dict[str, Task] = {}
    for name, structure in named.items():
        # Nobody wants the densities of the atoms that only define the zero of energy.
        own = DensityOutput() if name.startswith("atom-") else wanted
        key = keys[name] = _key(name, structure, level, own)
        if own.cube is not None:
            own = replace(own, cube=str(Path(folder) / f"{quote(key, safe='+-_()')}.cube"))
        tasks[key] = partial(single_point, structure, level, own)
    return keys, tasks


def _collect(
    structures: Sequence[Atoms],
    level: Level,
    done: Mapping[str, dict[str, Any]],
    reasons: Mapping[str, str],
    relative: bool,
) -> Computed:
    found = Computed(failed=dict(reasons))
    found.unconverged = [name for name, result in done.items() if not result["converged"]]
    atoms = {s.removeprefix("atom-"): r for s, r in done.items() if s.startswith("atom-")}
    zero = {symbol: r["energy"] for symbol, r in atoms.items() if r["converged"]}
    for index, atoms_object in enumerate(structures):
        name = _name(index, atoms_object)
        missing = sorted(set(atoms_object.symbols) - set(zero)) if relative else []
        if name in done and missing:
            found.failed[name] = f"no energy of the atoms {' '.join(missing)}"
        if name in found.failed:
            frame = failure_frame(atoms_object, name, level.label, found.failed[name])
        else:
            result = done[name]
            frame = result_frame(result, name, relative_energy(result, zero) if relative else None)
        found.frames.append(frame)
    return found


def _name(index: int, atoms: Atoms) -> str:
    return str(atoms.info.get("name", f"{index:05d}-{atoms.get_chemical_formula()}"))


def _named(
    structures: Sequence[Atoms], charge: int | None, spin: int | None
) -> dict[str, Structure]:
    named: dict[str, Structure] = {}
    for index, atoms in enumerate(structures):
        name = _name(index, atoms)
        if name in named or name.startswith("atom-"):
            raise InvalidInputError(
                f"structures[{index}]: the name {name!r} must be the only one, and not begin "
                "with 'atom-'"
            )
        try:
            named[name] = structure_of(atoms, charge, spin)
        except InvalidInputError as error:
            raise InvalidInputError(f"structures[{index}]: {error}") from None
    return named


def _atoms_of(structures: Sequence[Atoms]) -> dict[str, Structure]:
    """Neutral ground-state atoms of all elements."""
    symbols = sorted({symbol for atoms in structures for symbol in atoms.symbols})
    origin = ((0.0, 0.0, 0.0),)
    return {f"atom-{s}": Structure((s,), origin, 0, GROUND_SPIN[s], "atom") for s in symbols}


def _key(name: str, structure: Structure, level: Level, density: DensityOutput) -> str:
    inputs = [asdict(structure), asdict(level), asdict(density)]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:12]}"


def _check_level(level: Level, symbols: set[str]) -> None:
    """Fail before anything runs if PySCF does not know the functional or the basis set."""
    from pyscf import dft, gto

    if level.is_kohn_sham:
        try:
            dft.libxc.parse_xc(level.functional)
        except (KeyError, ValueError, NotImplementedError) as error:
            raise InvalidInputError(
                f"level: PySCF has no functional {level.functional!r}: {error}"
            ) from None
    for symbol in sorted(symbols):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                gto.basis.load(level.basis, symbol)
        except (KeyError, ValueError, RuntimeError, OSError):
            raise InvalidInputError(
                f"level: PySCF has no basis set {level.basis!r} for {symbol}"
            ) from None
