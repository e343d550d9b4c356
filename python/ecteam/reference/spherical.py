"""Hartree-Fock for isolated atoms: spherical start, chosen determinant, spherical average.

A spherical unrestricted SCF with fractional occupation of the open shells gives orbitals of pure l
in the wanted configuration. One determinant built from them is then relaxed, with its occupation
held by overlap (A. T. B. Gilbert, N. A. Besley, P. M. W. Gill, J. Phys. Chem. A 112, 13164 (2008)),
so that no other configuration is found by accident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyscf import lib, scf
from pyscf.dft.LebedevGrid import MakeAngularGrid

from ecteam.reference.configurations import Shell
from ecteam.reference.units import BOHR

__all__ = ["determinant", "radial_grid", "sphere_potential", "spherical_average"]

Array = NDArray[np.float64]
Blocks = list[tuple[int, NDArray[np.int64]]]

MAX_CYCLES = 300
ENERGY_TOLERANCE = 1e-9
GRADIENT_TOLERANCE = 1e-5
LINEAR_DEPENDENCE = 1e-8


def determinant(
    atom: Any,
    shells: Sequence[Shell],
    *,
    relativistic: bool,
    potential: Array | None = None,
    start: Any | None = None,
) -> Any:
    """Unrestricted Hartree-Fock determinant of a configuration.

    Parameters
    ----------
    atom : pyscf.gto.Mole
        The atom, with the electron count and spin of `shells`.
    shells : sequence of Shell
        Its configuration, innermost shell of each l first.
    relativistic : bool
        Spin-free exact two-component Hamiltonian instead of the non-relativistic one.
    potential : ndarray, shape (n, n), optional
        External potential in Hartree, added to the Hamiltonian of the electrons.
    start : pyscf.scf.uhf.UHF, optional
        Determinant of the same atom and basis in another potential, to continue from.

    Returns
    -------
    pyscf.scf.uhf.UHF
        Converged; its energy includes `potential`.

    Raises
    ------
    RuntimeError
        If either SCF does not converge or the determinant left its configuration.
    """
    field = _field(atom, relativistic, potential)
    if start is None:
        orbitals, occupations = _spherical_orbitals(field, shells)
    else:
        field._eri = start._eri
        orbitals, occupations = np.asarray(start.mo_coeff), np.asarray(start.mo_occ)
    matrix = np.einsum("spi,si,sqi->spq", orbitals, occupations, orbitals)
    field = scf.addons.mom_occ(field, orbitals, occupations)
    field.conv_tol, field.conv_tol_grad, field.max_cycle = 1e-10, 1e-5, MAX_CYCLES
    field.kernel(dm0=matrix)
    if start is None and not (field.converged and _wrong_momentum(field, shells) is None):
        _converge_by_symmetry(field, shells, matrix)
    if not field.converged:
        raise RuntimeError(f"UHF did not converge for {_label(atom)}")
    problem = _wrong_momentum(field, shells)
    if problem is not None:
        raise RuntimeError(f"{_label(atom)}: {problem}")
    return field


def _field(atom: Any, relativistic: bool, potential: Array | None) -> Any:
    field = scf.UHF(atom)
    if relativistic:
        field = field.sfx2c1e()
    if potential is not None:
        core = field.get_hcore() + potential
        field.get_hcore = lambda *_: core
    return field


_IRREPS = (("Ag",), ("B3u", "B2u", "B1u"), ("B1g", "B3g", "Ag", "B2g", "Ag"))
"""Representations of the real orbitals of each l in D₂h, in PySCF's order."""


def _converge_by_symmetry(field: Any, shells: Sequence[Shell], matrix: Array) -> None:
    """Converge at second order with fixed occupations of the D₂h representations.

    For weakly bound electrons: occupation by overlap can swap a p for a diffuse s, and
    extrapolation wanders.
    """
    atom = field.mol.copy()
    atom.symmetry = "D2h"
    atom.build(False, False)
    symmetric = _field(atom, False, None)
    core = field.get_hcore()
    symmetric.get_hcore = lambda *_: core
    symmetric._eri = field._eri
    symmetric.irrep_nelec = _electrons_by_irrep(shells)
    symmetric.conv_tol, symmetric.conv_tol_grad = field.conv_tol, field.conv_tol_grad
    symmetric = symmetric.newton()
    symmetric.max_cycle = MAX_CYCLES
    symmetric.kernel(dm0=matrix)
    field.converged, field.e_tot = symmetric.converged, symmetric.e_tot
    field.mo_coeff = np.array([np.asarray(orbitals) for orbitals in symmetric.mo_coeff])
    field.mo_energy, field.mo_occ = np.array(symmetric.mo_energy), np.array(symmetric.mo_occ)


def _electrons_by_irrep(shells: Sequence[Shell]) -> dict[str, tuple[int, int]]:
    counts: dict[str, list[int]] = {name: [0, 0] for names in _IRREPS for name in names}
    for shell in shells:
        for spin, components in enumerate(shell.components):
            for component in components:
                counts[_IRREPS[shell.momentum][component]][spin] += 1
    return {name: (up, down) for name, (up, down) in counts.items()}


def _label(atom: Any) -> str:
    return f"{atom.atom_symbol(0)} {atom.charge:+d}, 2S = {atom.spin}"


def _blocks(atom: Any) -> Blocks:
    """Per l, the indices of its basis functions, shape (shells, 2l + 1)."""
    momenta: list[int] = []
    for shell in range(atom.nbas):
        momenta += (
            [atom.bas_angular(shell)] * atom.bas_nctr(shell) * (2 * atom.bas_angular(shell) + 1)
        )
    every = np.array(momenta)
    return [
        (momentum, np.flatnonzero(every == momentum).reshape(-1, 2 * momentum + 1))
        for momentum in range(every.max() + 1)
    ]


def _spherical_orbitals(field: Any, shells: Sequence[Shell]) -> tuple[Array, Array]:
    """Orbitals of the spherical SCF, and the integer occupations of the determinant."""
    atom, blocks = field.mol, _blocks(field.mol)
    core, overlap = field.get_hcore(), field.get_ovlp()
    fock = _start(field, core, overlap)
    accelerator = lib.diis.DIIS()
    previous = 0.0
    for _ in range(MAX_CYCLES):
        orbitals = np.array([_eigenvectors(fock[spin], overlap, blocks) for spin in (0, 1)])
        average = _occupations(atom, shells, blocks, fractional=True)
        matrix = np.einsum("spi,si,sqi->spq", orbitals, average, orbitals)
        interaction = field.get_veff(dm=matrix)
        energy = float(np.einsum("sij,sji->", core + 0.5 * interaction, matrix))
        fock = _spherical_part(core + interaction, blocks)
        error = np.array(
            [f @ m @ overlap - overlap @ m @ f for f, m in zip(fock, matrix, strict=True)]
        )
        if abs(energy - previous) < ENERGY_TOLERANCE and np.abs(error).max() < GRADIENT_TOLERANCE:
            return orbitals, _occupations(atom, shells, blocks, fractional=False)
        previous = energy
        fock = accelerator.update(fock, error)
    raise RuntimeError(f"the spherical SCF did not converge for {_label(atom)}")


def _start(field: Any, core: Array, overlap: Array) -> Array:
    """Mean field of the neutral atom, scaled to the electron count."""
    guess = field.get_init_guess(key="minao")
    guess = guess * (field.mol.nelectron / np.einsum("sij,ji->", guess, overlap))
    return np.asarray(core + field.get_veff(dm=guess))


def _spherical_part(fock: Array, blocks: Blocks) -> Array:
    average = np.zeros_like(fock)
    for spin in range(len(fock)):
        for _, block in blocks:
            columns = block.T
            mean = np.mean([fock[spin][np.ix_(c, c)] for c in columns], axis=0)
            for c in columns:
                average[spin][np.ix_(c, c)] = mean
    return average


def _eigenvectors(fock: Array, overlap: Array, blocks: Blocks) -> Array:
    """Orbitals ordered by l, then energy, then component; zero where the basis is dependent."""
    vectors = np.zeros_like(fock)
    position = 0
    for _, block in blocks:
        columns = block.T
        mean = np.mean([fock[np.ix_(c, c)] for c in columns], axis=0)
        values, metric = np.linalg.eigh(overlap[np.ix_(columns[0], columns[0])])
        kept = values > LINEAR_DEPENDENCE
        root = metric[:, kept] / np.sqrt(values[kept])
        found = root @ np.linalg.eigh(root.T @ mean @ root)[1]
        for k in range(block.shape[0]):
            for c in columns:
                if k < found.shape[1]:
                    vectors[c, position] = found[:, k]
                position += 1
    return vectors


def _occupations(atom: Any, shells: Sequence[Shell], blocks: Blocks, *, fractional: bool) -> Array:
    occupations = np.zeros((2, atom.nao))
    first = dict(zip((momentum for momentum, _ in blocks), _offsets(blocks), strict=True))
    seen: Counter[int] = Counter()
    for shell in shells:
        size = 2 * shell.momentum + 1
        start = first[shell.momentum] + seen[shell.momentum] * size
        seen[shell.momentum] += 1
        for spin, count in enumerate((shell.up, shell.down)):
            if fractional:
                occupations[spin, start : start + size] = count / size
            else:
                occupations[spin, [start + m for m in shell.components[spin]]] = 1.0
    return occupations


def _offsets(blocks: Blocks) -> Iterator[int]:
    position = 0
    for _, block in blocks:
        yield position
        position += block.size


def _wrong_momentum(field: Any, shells: Sequence[Shell]) -> str | None:
    """Say where electrons of each l differ by more than what anisotropy may mix."""
    overlap = field.get_ovlp()
    values, vectors = np.linalg.eigh(overlap)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    matrix = np.sum(field.make_rdm1(), axis=0)
    populations = np.diag(root @ matrix @ root)
    wanted: Counter[int] = Counter()
    for shell in shells:
        wanted[shell.momentum] += shell.up + shell.down
    for momentum, block in _blocks(field.mol):
        found = float(populations[block].sum())
        if abs(found - wanted[momentum]) > 0.3:
            return f"{found:.2f} electrons of l = {momentum}, wanted {wanted[momentum]}"
    return None


def radial_grid() -> tuple[Array, Array]:
    """Radii from 1e-6 to 60 bohr and the weights of ∫ dr, both in Å: trapezoids in ln r."""
    logarithms = np.linspace(np.log(1e-6), np.log(60.0), 720)
    radii = np.exp(logarithms) * BOHR
    return radii, radii * (logarithms[1] - logarithms[0])


def spherical_average(atom: Any, matrix: Array, radii: Array) -> Array:
    """Spherical average of a density matrix.

    Parameters
    ----------
    atom : pyscf.gto.Mole
        The atom at the origin.
    matrix : ndarray, shape (n, n)
        Density matrix in its basis.
    radii : ndarray, shape (m,)
        Å.

    Returns
    -------
    ndarray, shape (m,)
        e/Å³; exact, as products of g functions have l ≤ 8.
    """
    angular = MakeAngularGrid(50)
    points = (radii[:, None, None] / BOHR * angular[None, :, :3]).reshape(-1, 3)
    orbitals = atom.eval_gto("GTOval_sph", points)
    density = np.einsum("gi,gi->g", orbitals @ matrix, orbitals).reshape(len(radii), -1)
    return np.asarray(density @ angular[:, 3] / BOHR**3)


def sphere_potential(atom: Any, charge: int, radius: float) -> Array:
    """Matrix of the potential of a charged sphere (Watson sphere) in Hartree.

    Parameters
    ----------
    atom : pyscf.gto.Mole
        The atom at the origin.
    charge : int
        Charge of the sphere in e; positive attracts electrons.
    radius : float
        Å.
    """
    radii, weights = radial_grid()
    angular = MakeAngularGrid(50)
    bohr = radii / BOHR
    values = -charge / np.maximum(bohr, radius / BOHR)
    points = (bohr[:, None, None] * angular[None, :, :3]).reshape(-1, 3)
    measure = np.multiply.outer(4.0 * np.pi * bohr**2 * weights / BOHR * values, angular[:, 3])
    orbitals = atom.eval_gto("GTOval_sph", points)
    return np.asarray(orbitals.T @ (measure.reshape(-1, 1) * orbitals))
