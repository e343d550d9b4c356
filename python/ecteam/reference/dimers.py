"""Homonuclear dimer curves X₂, X₂⁺, X₂⁻ with PySCF, from which embedding functions are made.

Energy: UHF-CCSD(T), the noble-gas core frozen, plus, where the level names a larger
basis, the change of UMP2 to that one. Bonds that break need a broken-symmetry determinant, and
ions one with the charge on one atom, so the unrestricted solution is followed outwards from near
the bond length, inwards from the largest distance, and outwards from the shortest, below internal
instabilities all the way; at every distance the lowest is taken. Near the bond length the closed
shell competes, too: the lower CCSD energy of the two decides.

All energies of a curve are relative to the separated atoms X + X, X + X⁺, X + X⁻ at the same
level. Nothing here is multi-reference: around the distance where the determinant breaks its
symmetry the energies of multiple bonds are too high, by tenths of an eV.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from numpy.typing import NDArray

from ecteam.reference.composite import Composite, composite_energy
from ecteam.reference.level import GROUND_SPIN, Level, Structure
from ecteam.reference.runs import collect_runs, run_tasks
from ecteam.reference.scf import (
    closed_shell,
    continued,
    is_unrestricted,
    lowest_solution,
    make_molecule,
)

__all__ = ["CHARGES", "Curve", "compute_curves", "curves_of", "dimer_level", "point_names"]

Array = NDArray[np.float64]
Record = dict[str, Any]

CHARGES = {"ground": 0, "cation": 1, "anion": -1}
"""Charge of the dimer whose curve gives the embedding function of each state, e."""
POINTS = 15
SHORTEST, CLOSED_SHELL_UNTIL, LONGEST = 0.6, 1.4, 2.2
"""In units of twice the covalent radius; the even part of the curves reaches 5 Å at least."""
CLOSEST, RATIO = 0.9, 1.2
"""Å and 1: large atoms get closer points, as they meet the dense inside of small ones."""
FAR = (7.5, 12.0)
"""Å: for the slow decay of the metals, and to see whether a curve ends at its limit."""
SAME = 1e-5
"""Hartree: determinants closer than this are the same."""


def dimer_level(symbol: str) -> Composite:
    """Level of theory of an element: triple zeta, from Li on as an increment."""
    if atomic_numbers[symbol] <= 2:
        return Composite("aug-cc-pVTZ")
    return Composite("aug-cc-pVDZ", "aug-cc-pVTZ")


@dataclass(frozen=True)
class Curve:
    """One electronic state of a dimer along its bond.

    Attributes
    ----------
    symbol : str
        Element.
    name : str
        State of the atom that the curve is for, a key of `CHARGES`.
    spin : int
        Unpaired electrons (2S) of the dimer's determinant.
    distances : tuple of float
        Å, rising.
    """

    symbol: str
    name: str
    spin: int
    distances: tuple[float, ...]

    @property
    def label(self) -> str:
        """Name such as ``O ground 2``."""
        return f"{self.symbol} {self.name} {self.spin}"

    def structure(self, distance: float) -> Structure:
        """Geometry and electronic state."""
        places = ((0.0, 0.0, 0.0), (0.0, 0.0, distance))
        return Structure(
            (self.symbol,) * 2, places, CHARGES[self.name], self.spin, self.label, True, (1, -1)
        )


def atom_spin(symbol: str, charge: int) -> int:
    """2S of the ground state of an ion: that of the neutral atom with as many electrons."""
    electrons = int(atomic_numbers[symbol]) - charge
    return GROUND_SPIN[chemical_symbols[electrons]] if electrons else 0


def curves_of(symbol: str) -> list[Curve]:
    """Curves of an element: the atoms' spins opposed and, for two spins of 1, also the triplet.

    O₂ is a triplet near its bond length, whose determinant does not dissociate into ground-state
    atoms; the opposed spins do.
    """
    length = 2.0 * float(covalent_radii[atomic_numbers[symbol]])
    last = max(5.0, LONGEST * length)
    near = np.geomspace(SHORTEST * length, last, POINTS)
    inner = [near[0] / RATIO**k for k in range(9, 0, -1) if near[0] / RATIO**k >= CLOSEST]
    distances = tuple(round(float(r), 4) for r in (*inner, *near, *FAR))
    found = []
    for name, charge in CHARGES.items():
        one, other = atom_spin(symbol, 0), atom_spin(symbol, charge)
        spins = [abs(one - other)] + ([2] if charge == 0 and one == 2 else [])
        found += [Curve(symbol, name, spin, distances) for spin in spins]
    return found


def compute_curves(
    elements: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> dict[str, str]:
    """Compute what has no record yet: a record for every point, written when it is done.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols.
    folder : path
        ``atoms`` and ``points`` in it hold the records, see `collect_runs`.
    executor : concurrent.futures.Executor, optional
        Anything with its interface, a task for each curve; without one they run here, in order.
    retry_failed, progress : bool
        As of `run_tasks`.

    Returns
    -------
    dict of str to str
        Name and reason of each curve that broke down before its points; failed points have
        records.
    """
    run = partial(run_tasks, executor=executor, progress=progress)
    atoms = {
        f"{symbol} {name}": partial(compute_atom, symbol, charge)
        for symbol in elements
        for name, charge in CHARGES.items()
    }
    run(atoms, Path(folder) / "atoms", retry_failed=retry_failed, description="atoms")
    points = Path(folder) / "points"
    points.mkdir(parents=True, exist_ok=True)
    done, failed = collect_runs(points)
    known = set(done) | (set() if retry_failed else set(failed))
    waiting = {
        curve.label: partial(compute_curve, curve, points, retry_failed)
        for symbol in elements
        for curve in curves_of(symbol)
        if not set(point_names(curve).values()) <= known
    }
    # The points are what is kept: a curve is done when they are.
    with TemporaryDirectory() as scratch:
        return run(waiting, scratch, description="dimer curves").failed


def compute_atom(symbol: str, charge: int) -> Record:
    """Energy of an atom or ion at the level of its dimers, see `composite_energy`."""
    spin = atom_spin(symbol, charge)
    structure = Structure((symbol,), ((0.0, 0.0, 0.0),), charge, spin, "atom")
    return composite_energy(structure, dimer_level(symbol))


def compute_curve(curve: Curve, points: Path, retry_failed: bool = False) -> list[str]:
    """Compute the points of a curve that have no record; names of those that failed."""
    level = dimer_level(curve.symbol)
    fields = followed(curve, level.field)
    tasks = {
        name: partial(_point, curve, distance, level, fields[distance])
        for distance, name in point_names(curve).items()
    }
    report = run_tasks(tasks, points, retry_failed=retry_failed, progress=False)
    return sorted(report.failed)


def point_names(curve: Curve) -> dict[float, str]:
    """Names of the records of a curve, by distance."""
    return {distance: f"{curve.label} {distance:g}" for distance in curve.distances}


def followed(curve: Curve, level: Level) -> dict[float, list[Any]]:
    """Lowest unrestricted solution at every distance, then the closed shell where it competes."""
    distances = list(curve.distances)
    length = 2.0 * float(covalent_radii[atomic_numbers[curve.symbol]])
    middle = int(np.argmin(np.abs(np.array(distances) - length)))
    outer = _path(curve, level, distances[middle:], None)
    inner = _path(curve, level, distances[::-1], outer[distances[-1]])
    fresh = _path(curve, level, distances[: middle + 1], None)
    found: dict[float, list[Any]] = {}
    for distance in distances:
        tried = [path.get(distance) for path in (outer, inner, fresh)]
        converged = [field for field in tried if field is not None]
        found[distance] = [min(converged, key=lambda f: float(f.e_tot))] if converged else []
        if curve.spin == 0 and distance <= CLOSED_SHELL_UNTIL * length:
            closed = closed_shell(make_molecule(curve.structure(distance), level), level)
            if closed is not None and all(abs(closed.e_tot - f.e_tot) > SAME for f in converged):
                found[distance].append(closed)
    return found


def _path(
    curve: Curve, level: Level, distances: Sequence[float], start: Any | None
) -> dict[float, Any]:
    """Solutions followed from distance to distance; a fresh start where the path breaks."""
    found: dict[float, Any] = {}
    field = start
    for distance in distances:
        structure = curve.structure(distance)
        molecule = make_molecule(structure, level)
        after = None if field is None else continued(molecule, level, field)
        if after is None:
            after = lowest_solution(molecule, structure, level)[1]
            after = after if is_unrestricted(after) else after.to_uhf()
        field = after if after.converged else None
        found[distance] = field
    return found


def _point(curve: Curve, distance: float, level: Composite, fields: list[Any]) -> Record:
    """Energy of one geometry from the determinant with the lower CCSD energy."""
    if not fields:
        raise RuntimeError("no self-consistent field converged")
    return {"distance": distance, **composite_energy(curve.structure(distance), level, fields)}
