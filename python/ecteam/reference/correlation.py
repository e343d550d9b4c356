"""Coupled-cluster and second-order energies on any mean field, with a second try."""

from __future__ import annotations

from typing import Any

from pyscf import cc, mp

__all__ = ["cluster_energy", "coupled_cluster", "second_order_energy"]

TOLERANCE = 1e-8
"""Hartree: change of the CCSD energy between two cycles."""


def coupled_cluster(mean_field: Any, frozen: int) -> Any | None:
    """Converged unrestricted CCSD; None if fewer than two electrons are correlated.

    Parameters
    ----------
    mean_field : pyscf.scf.uhf.UHF
        Converged.
    frozen : int
        Core orbitals that are not correlated.

    Raises
    ------
    RuntimeError
        If the equations do not converge, with a level shift either.
    """
    if mean_field.mol.nelectron - 2 * frozen < 2:
        return None
    cluster = cc.UCCSD(mean_field, frozen=frozen or None)
    cluster.conv_tol, cluster.conv_tol_normt, cluster.max_cycle = TOLERANCE, 1e-5, 300
    cluster.kernel()
    if not cluster.converged:
        cluster.level_shift, cluster.diis_space = 0.3, 10
        cluster.kernel()
    if not cluster.converged:
        raise RuntimeError("CCSD did not converge")
    return cluster


def cluster_energy(cluster: Any) -> float:
    """CCSD(T) energy in Hartree; two electrons have no triples."""
    active = sum(cluster.nocc)
    return float(cluster.e_tot) + (float(cluster.ccsd_t()) if active > 2 else 0.0)


def second_order_energy(mean_field: Any, frozen: int) -> float:
    """UMP2 energy in Hartree; that of the mean field if fewer than two electrons are correlated."""
    if mean_field.mol.nelectron - 2 * frozen < 2:
        return float(mean_field.e_tot)
    perturbation = mp.UMP2(mean_field, frozen=frozen or None)
    perturbation.kernel(with_t2=False)
    return float(perturbation.e_tot)
