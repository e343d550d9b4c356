"""Coupled-cluster energies in a small basis with a second-order step to a larger one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyscf
from ase.data import atomic_numbers
from pyscf import scf

from ecteam.reference.correlation import cluster_energy, coupled_cluster, second_order_energy
from ecteam.reference.level import Level, Structure
from ecteam.reference.scf import is_unrestricted, lowest_solution, make_molecule
from ecteam.reference.units import HARTREE

__all__ = ["Composite", "composite_energy", "frozen_core"]

Record = dict[str, Any]
NOBLE_GASES = (2, 10, 18, 36, 54)


@dataclass(frozen=True)
class Composite:
    """Level of theory UHF-CCSD(T)/basis + UMP2/large − UMP2/basis, noble-gas cores frozen.

    Attributes
    ----------
    basis : str
        Basis of coupled cluster.
    large : str
        Basis of the UMP2 increment; empty for none.
    """

    basis: str
    large: str = ""

    @property
    def label(self) -> str:
        """Method and basis sets in words."""
        words = f"UHF-CCSD(T)/{self.basis}"
        if self.large:
            words += f" + UMP2/{self.large} − UMP2/{self.basis}"
        return f"{words}, noble-gas cores frozen"

    @property
    def field(self) -> Level:
        """Hartree-Fock in the basis of coupled cluster."""
        return hartree_fock(self.basis)


def hartree_fock(basis: str) -> Level:
    """Hartree-Fock without density fitting."""
    return Level(basis, "HF", density_fit=False)


def frozen_core(symbols: Sequence[str]) -> int:
    """Count the orbitals of the noble-gas cores of some atoms."""
    numbers = [int(atomic_numbers[symbol]) for symbol in symbols]
    return sum(max((gas for gas in NOBLE_GASES if gas < n), default=0) // 2 for n in numbers)


def composite_energy(
    structure: Structure, level: Composite, fields: Sequence[Any] | None = None
) -> Record:
    """Energy of a structure.

    Parameters
    ----------
    structure : Structure
        Geometry and electronic state.
    level : Composite
        Level of theory.
    fields : sequence of pyscf.scf.uhf.UHF, optional
        Converged determinants in the basis of coupled cluster, of which that with the lowest CCSD
        energy is used; without them, the one of `lowest_solution`.

    Returns
    -------
    dict
        ``energy``: total, eV; ``hartree_fock``: of each determinant, eV; ``chosen``: index of the
        one used; ``spin_square``: of that one, in both bases; ``mulliken``: charges, e; ``level``
        and ``pyscf``: words.

    Raises
    ------
    RuntimeError
        If a self-consistent field or the coupled-cluster equations do not converge.
    """
    origin = {"level": level.label, "pyscf": pyscf.__version__}
    if sum(atomic_numbers[symbol] for symbol in structure.symbols) == structure.charge:
        return {"energy": 0.0, "spin_square": [0.0], **origin}
    fields = [_lowest(structure, level)] if fields is None else fields
    frozen = frozen_core(structure.symbols)
    clusters = [coupled_cluster(field, frozen) for field in fields]
    totals = [
        float(field.e_tot if cluster is None else cluster.e_tot)
        for field, cluster in zip(fields, clusters, strict=True)
    ]
    best = int(np.argmin(totals))
    field, cluster = fields[best], clusters[best]
    energy = float(field.e_tot) if cluster is None else cluster_energy(cluster)
    squares = [float(field.spin_square()[0])]
    if level.large:
        large = _enlarged(structure, level, field)
        energy += second_order_energy(large, frozen) - second_order_energy(field, frozen)
        squares.append(float(large.spin_square()[0]))
    charges = np.asarray(field.mulliken_pop(verbose=0)[1])
    return {
        "energy": energy * HARTREE,
        "hartree_fock": [float(field.e_tot) * HARTREE for field in fields],
        "chosen": best,
        "spin_square": squares,
        "mulliken": [float(f"{charge:.4f}") for charge in charges],
        **origin,
    }


def _lowest(structure: Structure, level: Composite) -> Any:
    field = lowest_solution(make_molecule(structure, level.field), structure, level.field)[1]
    if not field.converged:
        raise RuntimeError("the SCF did not converge")
    return field if is_unrestricted(field) else field.to_uhf()


def _enlarged(structure: Structure, level: Composite, field: Any) -> Any:
    """Converge the same solution in the larger basis."""
    molecule = make_molecule(structure, hartree_fock(level.large))
    large = scf.UHF(molecule)
    guess = np.asarray(scf.addons.project_dm_nr2nr(field.mol, field.make_rdm1(), molecule))
    large.kernel(dm0=guess)
    if not large.converged:
        large = large.newton()
        large.kernel(dm0=guess)
    if not large.converged:
        raise RuntimeError(f"the SCF in {level.large} did not converge")
    return large
