"""Hirshfeld charges and spins: shares of the free atoms in a molecular density.

F. L. Hirshfeld, Theor. Chim. Acta 44, 129 (1977). The free atoms are spherical, spin-restricted,
in the basis and functional of the molecule (Hartree-Fock where a potential stands for the core).
Lengths are in bohr here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscf import gto
from pyscf.scf import atom_hf, atom_ks

__all__ = ["free_atom_densities", "hirshfeld"]

Array = NDArray[np.float64]

BLOCK = 20_000
"""Grid points treated at one time."""


def hirshfeld(molecule: Any, matrix: Any, grids: Any, functional: str) -> tuple[Array, Array]:
    """Charges q_A = Z_A − ∫ w_A ρ and spins ∫ w_A (ρ_↑ − ρ_↓), w_A = ρ_A⁰/Σ_B ρ_B⁰.

    Parameters
    ----------
    molecule : pyscf.gto.Mole
        Atoms and basis set.
    matrix : array_like, shape (k, k) or (2, k, k)
        Density matrix in atomic orbitals, total or by spin.
    grids : pyscf.dft.gen_grid.Grids
        Integration grid.
    functional : str
        Functional of the free atoms; ``HF`` for Hartree-Fock.

    Returns
    -------
    charges : ndarray, shape (n,)
        e.
    spins : ndarray, shape (n,)
        Electrons with spin up minus spin down.
    """
    if grids.coords is None:
        grids.build(with_non0tab=False)
    density = np.asarray(matrix)
    up, down = density if density.ndim == 3 else (0.5 * density, 0.5 * density)
    populations = np.zeros((2, molecule.natm))
    for start in range(0, len(grids.weights), BLOCK):
        points = grids.coords[start : start + BLOCK]
        orbitals = molecule.eval_gto("GTOval", points)
        rho = [np.einsum("gi,gi->g", orbitals @ one, orbitals) for one in (up + down, up - down)]
        free = free_atom_densities(molecule, functional, points)
        every = free.sum(axis=0)
        share = np.where(every > 1e-25, free / np.maximum(every, 1e-300), 0.0)
        populations += np.array(rho) * grids.weights[start : start + BLOCK] @ share.T
    return molecule.atom_charges() - populations[0], populations[1]


def free_atom_densities(molecule: Any, functional: str, points: Array) -> Array:
    """Densities of the free atoms where they are in the molecule.

    Parameters
    ----------
    molecule : pyscf.gto.Mole
        Atoms and basis set.
    functional : str
        Functional of the free atoms; ``HF`` for Hartree-Fock.
    points : ndarray, shape (m, 3)
        Points in bohr.

    Returns
    -------
    ndarray, shape (n, m)
        Density of each atom in e/bohr³.
    """
    orbitals = molecule.eval_gto("GTOval", points)
    rows = []
    for index, (_, _, first, last) in enumerate(molecule.aoslice_by_atom()):
        symbol = molecule.atom_symbol(index)
        block = _free_atom(symbol, molecule.basis, molecule.ecp or "", functional)
        own = orbitals[:, first:last]
        rows.append(np.einsum("gi,gi->g", own @ block, own))
    return np.array(rows)


@lru_cache(maxsize=64)
def _free_atom(symbol: str, basis: str, potential: str, functional: str) -> Array:
    """Density matrix of the spherical, spin-restricted free atom."""
    spin = int(gto.charge(symbol) % 2)
    atom = gto.M(atom=symbol, basis=basis, ecp=potential or {}, spin=spin, verbose=0)
    if functional == "HF":
        _, _, coefficients, occupations = atom_hf.get_atm_nrhf(atom)[symbol]
    else:
        _, _, coefficients, occupations = atom_ks.get_atm_nrks(atom, xc=functional)[symbol]
    return np.asarray((coefficients * occupations) @ coefficients.T)
