"""Homonuclear dimer curves X₂, X₂⁺, X₂⁻ with PySCF, from which embedding functions are made.

Energy: UHF-CCSD(T), the noble-gas core frozen, plus, where `DimerLevel.large` is named, the change
of UMP2 from the one basis to the other. Bonds that break need a broken-symmetry determinant, and
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
from typing import Any

import numpy as np
import pyscf
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from numpy.typing import NDArray
from pyscf import scf

from ecteam.reference.correlation import cluster_energy, coupled_cluster, second_order_energy
from ecteam.reference.level import GROUND_SPIN, Level, Structure
from ecteam.reference.runs import collect_runs, run_tasks
from ecteam.reference.scf import closed_shell, continued, lowest_solution, make_molecule
from ecteam.reference.units import HARTREE

__all__ = ["CHARGES", "Curve", "DimerLevel", "compute_curves", "curves_of", "dimer_level"]

Array = NDArray[np.float64]
Record = dict[str, Any]

CHARGES = {"ground": 0, "cation": 1, "anion": -1}
"""Charge of the dimer whose curve gives the embedding function of each state, e."""
POINTS = 15
SHORTEST, CLOSED_SHELL_UNTIL, LONGEST = 0.6, 1.4, 2.2
"""In units of twice the covalent radius; curves reach 5 Å at least."""
NOBLE_CORES = (2, 10, 18, 36, 54)
SAME = 1e-5
"""Hartree: determinants closer than this are the same."""


@dataclass(frozen=True)
class DimerLevel:
    """How the dimers of an element are computed.

    Attributes
    ----------
    basis : str
        Basis of coupled cluster.
    large : str
        Basis of the UMP2 increment; empty for none.
    frozen : int
        Core orbitals of an atom that are not correlated.
    """

    basis: str
    large: str
    frozen: int

    @property
    def label(self) -> str:
        """Method and basis sets in words."""
        words = f"UHF-CCSD(T)/{self.basis}"
        if self.large:
            words += f" + UMP2/{self.large} - UMP2/{self.basis}"
        return f"{words}, {self.frozen} orbitals an atom frozen"


def dimer_level(symbol: str) -> DimerLevel:
    """Level of theory of an element: triple zeta, by an increment where there are many electrons."""
    number = int(atomic_numbers[symbol])
    core = max((n for n in NOBLE_CORES if n < number), default=0)
    frozen = core // 2
    if number - core <= 2:
        return DimerLevel("aug-cc-pVTZ", "", frozen)
    return DimerLevel("aug-cc-pVDZ", "aug-cc-pVTZ", frozen)


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
    distances = tuple(round(float(r), 4) for r in np.geomspace(SHORTEST * length, last, POINTS))
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
) -> None:
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
    """
    points = Path(folder) / "points"
    options = {"executor": executor, "retry_failed": retry_failed, "progress": progress}
    tasks = {
        f"{symbol} {name}": partial(compute_atom, symbol, charge)
        for symbol in elements
        for name, charge in CHARGES.items()
    }
    run_tasks(tasks, Path(folder) / "atoms", description="atoms", **options)
    curves = [curve for symbol in elements for curve in curves_of(symbol)]
    points.mkdir(parents=True, exist_ok=True)
    done, failed = collect_runs(points)
    known = set(done) | (set() if retry_failed else set(failed))
    waiting = {c.label: c for c in curves if not set(_point_names(c).values()) <= known}
    work = {
        label: partial(compute_curve, curve, points, retry_failed)
        for label, curve in waiting.items()
    }
    options["retry_failed"] = True  # a curve is finished when its points are
    run_tasks(work, Path(folder) / "curves", description="dimer curves", **options)


def compute_atom(symbol: str, charge: int) -> Record:
    """Energy of an atom or ion in eV at the level of the dimers."""
    level = dimer_level(symbol)
    spin = atom_spin(symbol, charge)
    structure = Structure((symbol,), ((0.0, 0.0, 0.0),), charge, spin, "atom")
    molecule = make_molecule(structure, _reference(level.basis))
    if molecule.nelectron == 0:
        return {"energy": 0.0, "spin_square": 0.0, "level": level.label, "pyscf": pyscf.__version__}
    field = lowest_solution(molecule, structure, _reference(level.basis))[1]
    if not field.converged:
        raise RuntimeError("the SCF did not converge")
    if spin == 0:
        field = field.to_uhf()
    return _energies(structure, level, field, coupled_cluster(field, level.frozen))


def compute_curve(curve: Curve, points: Path, retry_failed: bool = False) -> list[str]:
    """Compute the points of a curve that have no record; names of those that failed."""
    level = dimer_level(curve.symbol)
    fields = followed(curve, _reference(level.basis))
    tasks = {
        name: partial(_point, curve, distance, level, fields[distance])
        for distance, name in _point_names(curve).items()
    }
    report = run_tasks(tasks, points, retry_failed=retry_failed, progress=False)
    return sorted(report.failed)


def _point_names(curve: Curve) -> dict[float, str]:
    return {distance: f"{curve.label} {distance:g}" for distance in curve.distances}


def _reference(basis: str) -> Level:
    return Level(basis, "HF", density_fit=False)


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
            after = after if np.ndim(after.mo_coeff[0]) == 2 else after.to_uhf()
        field = after if after.converged else None
        found[distance] = field
    return found


def _point(curve: Curve, distance: float, level: DimerLevel, fields: list[Any]) -> Record:
    """Energy of one geometry from the determinant with the lower CCSD energy."""
    if not fields:
        raise RuntimeError("no self-consistent field converged")
    frozen = 2 * level.frozen
    clusters = [coupled_cluster(field, frozen) for field in fields]
    totals = [
        float(field.e_tot if cluster is None else cluster.e_tot)
        for field, cluster in zip(fields, clusters, strict=True)
    ]
    best = int(np.argmin(totals))
    record = _energies(curve.structure(distance), level, fields[best], clusters[best])
    record["distance"] = distance
    record["hartree_fock"] = [float(field.e_tot) * HARTREE for field in fields]
    record["chosen"] = best
    return record


def _energies(
    structure: Structure, level: DimerLevel, field: Any, cluster: Any | None
) -> Record:
    """Total energy in eV with the increment, and what tells one solution from another."""
    frozen = len(structure.symbols) * level.frozen
    energy = float(field.e_tot) if cluster is None else cluster_energy(cluster)
    squares = [float(field.spin_square()[0])]
    if level.large and cluster is not None:
        large = _enlarged(structure, level, field)
        energy += second_order_energy(large, frozen) - second_order_energy(field, frozen)
        squares.append(float(large.spin_square()[0]))
    charges = np.asarray(field.mulliken_pop(verbose=0)[1])
    return {
        "energy": energy * HARTREE,
        "spin_square": squares,
        "mulliken": [float(f"{charge:.4f}") for charge in charges],
        "level": level.label,
        "pyscf": pyscf.__version__,
    }


def _enlarged(structure: Structure, level: DimerLevel, field: Any) -> Any:
    """The same solution in the larger basis."""
    molecule = make_molecule(structure, _reference(level.large))
    large = scf.UHF(molecule)
    guess = scf.addons.project_dm_nr2nr(field.mol, field.make_rdm1(), molecule)
    large.kernel(dm0=np.asarray(guess))
    if not large.converged:
        large = large.newton()
        large.kernel(dm0=np.asarray(guess))
    if not large.converged:
        raise RuntimeError(f"the SCF in {level.large} did not converge")
    return large
