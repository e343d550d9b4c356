"""Self-consistent fields that converge: a ladder of algorithms, and a record of the rung.

1. ``diis``: 50 cycles, on a coarse grid first and then on the wanted one.
2. ``level shift``: virtual orbitals raised by 0.3 Hartree, damping 0.3, 150 cycles.
3. ``newton``: the second-order solver (Q. Sun, arXiv:1610.08423), 20 macro-iterations.

If none converges, the last attempt is handed back with ``converged`` false: whoever uses its
numbers has to mark them.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscf import dft, gto, lib, scf
from scipy.linalg import block_diag, expm

from ecteam.reference.level import GROUND_SPIN, Level, Structure

__all__ = [
    "LADDER",
    "closed_shell",
    "continued",
    "is_unrestricted",
    "lowest_solution",
    "make_molecule",
]

Array = NDArray[np.float64]

LADDER = ("diis", "level shift", "newton")
"""Algorithms in the order in which they are tried."""

COARSE_GRID = 0
"""PySCF grid level of the first SCF, whose density starts the one on the wanted grid."""

logger = logging.getLogger(__name__)


def make_molecule(structure: Structure, level: Level) -> Any:
    """PySCF molecule of a structure."""
    return gto.M(
        atom=list(zip(structure.symbols, structure.positions, strict=True)),
        basis=level.basis,
        ecp=level.potential or {},
        charge=structure.charge,
        spin=structure.spin,
        unit="Angstrom",
        verbose=0,
    )


def lowest_solution(molecule: Any, structure: Structure, level: Level) -> tuple[str, Any]:
    """Converge each start the structure asks for and return the lowest solution.

    Parameters
    ----------
    molecule : pyscf.gto.Mole
        From `make_molecule`.
    structure : Structure
        Says whether to try a broken-symmetry start.
    level : Level
        Level of theory.

    Returns
    -------
    label : str
        ``closed shell``, ``open shell`` or ``broken symmetry``.
    field : pyscf mean-field object
        With `ecteam_scf`, the algorithm that converged it; if none did, the last attempt, with
        ``converged`` false and `ecteam_scf` ``unconverged``.

    Raises
    ------
    RuntimeError
        If every attempt broke down without an energy.
    """
    name = "open shell" if structure.spin else "closed shell"
    starts: list[tuple[str, bool, Array | None]] = [(name, structure.spin != 0, None)]
    if structure.broken_symmetry:
        guess = _neutral_atoms_guess(structure, level)
        starts.append((name if structure.spin else "broken symmetry", True, guess))
    attempts: list[tuple[str, Any]] = []
    for algorithm in LADDER:
        tried = [
            (label, _converge(molecule, level, unrestricted, start, algorithm))
            for label, unrestricted, start in starts
        ]
        attempts += [(label, field) for label, field in tried if field is not None]
        found = [(label, field) for label, field in attempts if field.converged]
        if found:
            label, field = _lower(found)
            return (
                _follow_instability(label, field) if structure.broken_symmetry else (label, field)
            )
    if not attempts:
        raise RuntimeError(f"every SCF broke down ({len(starts)} starts)")
    label, field = attempts[-1]
    field.ecteam_scf = "unconverged"
    return label, field


def continued(molecule: Any, level: Level, field: Any) -> Any | None:
    """Follow the solution of one geometry to a molecule with the same atoms and basis set nearby.

    Parameters
    ----------
    molecule : pyscf.gto.Mole
        The new geometry.
    level : Level
        Level of theory.
    field : pyscf mean-field object
        Unrestricted, converged at the old geometry.

    Returns
    -------
    pyscf mean-field object or None
        Converged, below any internal instability; None if no algorithm of `LADDER` converges.
    """
    guess = _moved_density(field, molecule)
    for algorithm in LADDER:
        found = _converge(molecule, level, True, guess, algorithm)
        if found is not None and found.converged:
            return _follow_instability("open shell", found)[1]
    return None


def closed_shell(molecule: Any, level: Level) -> Any | None:
    """Restricted solution as an unrestricted object; None if no algorithm converges it."""
    for algorithm in LADDER:
        found = _converge(molecule, level, False, None, algorithm)
        if found is not None and found.converged:
            return found.to_uhf()
    return None


def _moved_density(field: Any, molecule: Any) -> Array:
    """Density matrices of the occupied orbitals, orthonormalised in the overlap of `molecule`."""
    overlap = molecule.intor_symmetric("int1e_ovlp")
    matrices = []
    for orbitals, occupations in zip(field.mo_coeff, field.mo_occ, strict=True):
        occupied = orbitals[:, occupations > 0]
        metric = occupied.T @ overlap @ occupied
        matrices.append(occupied @ np.linalg.solve(metric, occupied.T))
    return np.asarray(lib.tag_array(np.array(matrices)))


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
    current = field if is_unrestricted(field) else _unrestricted(field)
    for _ in range(3):
        nudged = _nudged(current)
        orbitals = nudged.stability()[0]
        if np.allclose(orbitals, nudged.mo_coeff, atol=1e-5):
            break
        guess = current.make_rdm1(orbitals, current.mo_occ)
        lower = _converge(field.mol, field.ecteam_level, True, guess, "newton")
        if lower is None or not lower.converged or lower.e_tot > best.e_tot - 1e-6:
            break
        best_label = label if field.mol.spin else "broken symmetry"
        best = current = lower
    return best_label, best


def _nudged(field: Any) -> Any:
    """Copy with orbitals rotated by some 1e-3 at random, always the same.

    PySCF looks for instabilities from the gradient of the orbitals. In a symmetric solution that
    has no part that breaks the symmetry, and the search would never leave it.
    """
    random = np.random.default_rng(0)
    rotated = []
    for orbitals in field.mo_coeff:
        noise = random.normal(scale=1e-3, size=(orbitals.shape[1],) * 2)
        rotated.append(orbitals @ expm(noise - noise.T))
    copy = field.copy()
    copy.mo_coeff = np.asarray(rotated)
    return copy


def _converge(
    molecule: Any, level: Level, unrestricted: bool, guess: Array | None, algorithm: str
) -> Any | None:
    """Run an SCF; None if it breaks down, unconverged if it does not converge.

    Without a guess it converges on a coarse grid first, which halves the time. With one it does
    not, as a coarse grid can lead to another of several broken-symmetry solutions.
    """
    start = guess
    two_grids = guess is None and level.is_kohn_sham and level.grid > COARSE_GRID
    stages = [(COARSE_GRID, 1e-5)] if two_grids else []
    for grid, tolerance in (*stages, (level.grid, 1e-8)):
        field = _mean_field(molecule, level, unrestricted, algorithm)
        field.grids.level = grid
        field.conv_tol = tolerance
        try:
            field.kernel(dm0=start)
        except (np.linalg.LinAlgError, ValueError) as error:
            logger.info("SCF (%s) failed: %s", algorithm, error)
            return None
        if not field.converged:
            break
        start = field.make_rdm1()
    field.ecteam_scf, field.ecteam_level = algorithm, level
    return field


def _mean_field(molecule: Any, level: Level, unrestricted: bool, algorithm: str) -> Any:
    """Kohn-Sham or Hartree-Fock object set up for one of the algorithms of `LADDER`."""
    if level.is_kohn_sham:
        field = (dft.UKS if unrestricted else dft.RKS)(molecule)
        field.xc = level.functional
    else:
        field = (scf.UHF if unrestricted else scf.RHF)(molecule)
        field.grids = dft.gen_grid.Grids(molecule)
    field.max_cycle = 50
    if level.density_fit:
        field = field.density_fit()
    if algorithm == "level shift":
        field.level_shift, field.max_cycle, field.damp = 0.3, 150, 0.3
    if algorithm == "newton":
        field = field.newton()
        field.max_cycle = 20
    return field


def _unrestricted(field: Any) -> Any:
    return field.to_uks() if field.ecteam_level.is_kohn_sham else field.to_uhf()


def is_unrestricted(field: Any) -> bool:
    """Whether spin-up and spin-down orbitals differ."""
    return np.ndim(field.mo_coeff[0]) == 2


@lru_cache(maxsize=64)
def _atom_density(symbol: str, level: Level) -> tuple[Array, Array]:
    """Spin-up and spin-down density matrices of the neutral ground-state atom."""
    structure = Structure((symbol,), ((0.0, 0.0, 0.0),), 0, GROUND_SPIN[symbol], "atom")
    _, field = lowest_solution(make_molecule(structure, level), structure, level)
    if not field.converged:
        raise RuntimeError(f"the SCF of the atom {symbol} did not converge")
    matrix = np.asarray(field.make_rdm1())
    up, down = matrix if matrix.ndim == 3 else (0.5 * matrix, 0.5 * matrix)
    return up, down


def _neutral_atoms_guess(structure: Structure, level: Level) -> Array:
    """Density matrices of superposed neutral atoms with chosen spin directions."""
    blocks = [
        _atom_density(symbol, level)[::sign]
        for symbol, sign in zip(structure.symbols, structure.spin_signs, strict=True)
    ]
    guess = np.array([block_diag(*[block[s] for block in blocks]) for s in (0, 1)])
    return np.asarray(lib.tag_array(guess))
