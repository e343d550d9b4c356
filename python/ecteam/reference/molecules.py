"""Single-point molecular reference calculations with PySCF.

Hartree and bohr stop here: everything returned is in eV, Å and e.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscf import dft, gto, lib
from scipy.linalg import block_diag

from ecteam.reference.hirshfeld import hirshfeld_charges
from ecteam.reference.units import BOHR, HARTREE

__all__ = [
    "GROUND_SPIN",
    "Level",
    "Structure",
    "single_point",
]

Array = NDArray[np.float64]

GROUND_SPIN = {"H": 1, "Li": 1, "O": 2, "F": 1, "Na": 1, "Cl": 1}
"""Unpaired electrons (2S) of the neutral ground state of each element."""

COARSE_GRID = 0
"""PySCF grid level of the first SCF, whose density starts the one on the wanted grid."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Level:
    """Level of theory.

    Attributes
    ----------
    basis : str
        Basis set, as PySCF names it.
    functional : str
        Exchange-correlation functional.
    grid : int
        PySCF grid level, 0 to 9.
    density_fit : bool
        Fit the density in the Coulomb and exchange terms.
    grid_response : bool
        Include the response of the integration grid in the forces: exact derivatives of the
        computed energy, at about twice the price.
    """

    basis: str
    functional: str = "PBE0"
    grid: int = 3
    density_fit: bool = True
    grid_response: bool = False

    @property
    def label(self) -> str:
        """Name such as ``PBE0/aug-cc-pVDZ``."""
        return f"{self.functional}/{self.basis}"


@dataclass(frozen=True)
class Structure:
    """Geometry and electronic state of one calculation.

    Attributes
    ----------
    symbols : tuple of str
        Chemical symbols, length n.
    positions : tuple of tuple of float
        Positions in Å, n by 3.
    charge : int
        Total charge in e.
    spin : int
        Unpaired electrons, 2S.
    group : str
        Group of the data set.
    broken_symmetry : bool
        Also try an unrestricted solution that starts from neutral atoms with the spins of
        `spin_signs`, and keep the lower one.
    spin_signs : tuple of int
        Direction (+1 or -1) of the spin of each atom in that start, length n.
    """

    symbols: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    charge: int = 0
    spin: int = 0
    group: str = ""
    broken_symmetry: bool = False
    spin_signs: tuple[int, ...] = ()


def single_point(structure: Structure, level: Level) -> dict[str, Any]:
    """Compute energy, forces, dipole and Hirshfeld charges of one structure.

    Parameters
    ----------
    structure : Structure
        Geometry, charge and spin.
    level : Level
        Level of theory.

    Returns
    -------
    dict
        JSON serialisable: `structure` and `level` (their fields), `energy` (total, eV), `forces`
        (eV/Å, n by 3), `dipole` (e Å, vector, Σ q r about the coordinate origin, pointing from
        minus to plus), `hirshfeld` (e, n), `solution` (``closed shell``, ``open shell`` or
        ``broken symmetry``), `spin_square` and `scf` (how the SCF converged).

    Raises
    ------
    RuntimeError
        If no SCF converges.
    """
    molecule = _molecule(structure, level)
    if molecule.nelectron == 0 and molecule.natm == 1:
        return _bare_proton(structure, level)
    solution, field = _lowest_solution(molecule, structure, level)
    gradient = field.nuc_grad_method()
    gradient.grid_response = level.grid_response
    forces = -np.asarray(gradient.kernel()) * HARTREE / BOHR
    dipole = np.asarray(field.dip_moment(unit="AU", verbose=0)) * BOHR
    return {
        "structure": asdict(structure),
        "level": asdict(level),
        "energy": float(field.e_tot) * HARTREE,
        "forces": forces.tolist(),
        "dipole": dipole.tolist(),
        "hirshfeld": hirshfeld_charges(field, level.functional).tolist(),
        "solution": solution,
        "spin_square": float(field.spin_square()[0]) if _is_unrestricted(field) else 0.0,
        "scf": field.ecteam_scf,
    }


def _bare_proton(structure: Structure, level: Level) -> dict[str, Any]:
    """Make the result of a nucleus without electrons: its energy is zero by definition."""
    charge = float(structure.charge)
    return {
        "structure": asdict(structure),
        "level": asdict(level),
        "energy": 0.0,
        "forces": [[0.0, 0.0, 0.0]],
        "dipole": (charge * np.array(structure.positions[0])).tolist(),
        "hirshfeld": [charge],
        "solution": "bare nucleus",
        "spin_square": 0.0,
        "scf": "none",
    }


def _molecule(structure: Structure, level: Level) -> Any:
    return gto.M(
        atom=list(zip(structure.symbols, structure.positions, strict=True)),
        basis=level.basis,
        charge=structure.charge,
        spin=structure.spin,
        unit="Angstrom",
        verbose=0,
    )


def _lowest_solution(molecule: Any, structure: Structure, level: Level) -> tuple[str, Any]:
    """Converge each start the structure asks for and return the lowest solution."""
    name = "open shell" if structure.spin else "closed shell"
    starts: list[tuple[str, bool, Array | None]] = [(name, structure.spin != 0, None)]
    if structure.broken_symmetry:
        guess = _neutral_atoms_guess(structure, level)
        starts.append((name if structure.spin else "broken symmetry", True, guess))
    for algorithm in ("diis", "level shift", "newton"):
        found = []
        for label, unrestricted, start in starts:
            field = _converge(molecule, level, unrestricted, start, algorithm)
            if field is not None:
                found.append((label, field))
        if found:
            label, field = _lower(found)
            return (
                _follow_instability(label, field) if structure.broken_symmetry else (label, field)
            )
    raise RuntimeError(f"no SCF converged for {structure.group} ({len(starts)} starts)")


def _lower(found: list[tuple[str, Any]]) -> tuple[str, Any]:
    """Lowest solution; one that fell back to the first (within 1e-7 Hartree) counts as it."""
    lowest = min(found, key=lambda item: float(item[1].e_tot))
    return found[0] if found[0][1].e_tot - lowest[1].e_tot < 1e-7 else lowest


def _follow_instability(label: str, field: Any) -> tuple[str, Any]:
    """Leave saddle points: follow internal instabilities, at most three times.

    The stability conditions are those of R. Seeger and J. A. Pople, J. Chem. Phys. 66, 3045
    (1977). If no lower solution converges, the one at hand is returned.
    """
    best_label, best = label, field
    current = field if _is_unrestricted(field) else field.to_uks()
    for _ in range(3):
        orbitals = current.stability()[0]
        if np.allclose(orbitals, current.mo_coeff, atol=1e-5):
            break
        guess = current.make_rdm1(orbitals, current.mo_occ)
        lower = _converge(field.mol, field.ecteam_level, True, guess, "newton")
        if lower is None or lower.e_tot > best.e_tot - 1e-6:
            break
        best_label = label if field.mol.spin else "broken symmetry"
        best = current = lower
    return best_label, best


def _converge(
    molecule: Any, level: Level, unrestricted: bool, guess: Array | None, algorithm: str
) -> Any | None:
    """Converge an SCF; None if it does not converge.

    Without a guess it converges on a coarse grid first, which halves the time. With one it does
    not, as a coarse grid can lead to another of several broken-symmetry solutions.
    """
    start = guess
    stages = [(COARSE_GRID, 1e-5)] if guess is None and level.grid > COARSE_GRID else []
    for grid, tolerance in (*stages, (level.grid, 1e-8)):
        field = _kohn_sham(molecule, level, unrestricted, algorithm)
        field.grids.level = grid
        field.conv_tol = tolerance
        try:
            field.kernel(dm0=start)
        except (np.linalg.LinAlgError, ValueError) as error:
            logger.info("SCF (%s) failed: %s", algorithm, error)
            return None
        if not field.converged:
            return None
        start = field.make_rdm1()
    field.ecteam_scf, field.ecteam_level = algorithm, level
    return field


def _kohn_sham(molecule: Any, level: Level, unrestricted: bool, algorithm: str) -> Any:
    """Kohn-Sham object set up for one of the algorithms diis, level shift and newton."""
    field = (dft.UKS if unrestricted else dft.RKS)(molecule)
    field.xc = level.functional
    field.max_cycle = 50
    if level.density_fit:
        field = field.density_fit()
    if algorithm == "level shift":
        field.level_shift, field.max_cycle, field.damp = 0.3, 150, 0.3
    if algorithm == "newton":
        field = field.newton()
        field.max_cycle = 20
    return field


def _is_unrestricted(field: Any) -> bool:
    return np.ndim(field.mo_coeff[0]) == 2


@lru_cache(maxsize=64)
def _atom_density(symbol: str, level: Level) -> tuple[Array, Array]:
    """Spin-up and spin-down density matrices of the neutral ground-state atom."""
    structure = Structure((symbol,), ((0.0, 0.0, 0.0),), 0, GROUND_SPIN[symbol], "atom")
    _, field = _lowest_solution(_molecule(structure, level), structure, level)
    up, down = np.asarray(field.make_rdm1())
    return up, down


def _neutral_atoms_guess(structure: Structure, level: Level) -> Array:
    """Density matrices of superposed neutral atoms with chosen spin directions."""
    blocks = [
        _atom_density(symbol, level)[::sign]
        for symbol, sign in zip(structure.symbols, structure.spin_signs, strict=True)
    ]
    guess = np.array([block_diag(*[block[s] for block in blocks]) for s in (0, 1)])
    return np.asarray(lib.tag_array(guess))
