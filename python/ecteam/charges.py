"""Electrostatics of given point charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam.structure import FloatArray, arrays_of

__all__ = ["ChargeEnergy", "PointCharges"]


@dataclass(frozen=True)
class ChargeEnergy:
    """Energy of point charges and its derivatives.

    Attributes
    ----------
    energy : float
        ½ Σ q_i V_i, eV.
    potential : (n,) float64
        V_i = ∂E/∂q_i, eV/e.
    forces : (n, 3) float64
        −∂E/∂R, eV/Å.
    stress : (6,) float64 or None
        xx, yy, zz, yz, xz, xy, eV/Å³, positive under tension; None unless all directions are
        periodic.
    """

    energy: float
    potential: FloatArray
    forces: FloatArray
    stress: FloatArray | None


class PointCharges:
    """Sums Coulomb's law: directly, by Ewald, or by smooth particle-mesh Ewald.

    Periodic sums have conducting surroundings, and a uniform background that neutralises any total
    charge. On a mesh (Essmann et al., J. Chem. Phys. 103, 8577 (1995)) forces are the exact
    derivatives of an energy that depends a little on where the mesh lies: they conserve it, but
    their sum is not zero, only as small as their error.

    Parameters
    ----------
    method : {"auto", "direct", "ewald", "pme"}
        "auto" is "direct" without periodic directions and otherwise the cheaper of "ewald" and
        "pme" for the structure: "pme" from some 250 atoms on.
    accuracy : float
        Root-mean-square force error relative to q²/a², the force of a mean charge at the mean
        distance a = (V/n)^⅓; 1e-14 to 1e-1.
    cutoff : float, optional
        Of the real-space sum, Å; by default the cheapest.

    Raises
    ------
    InvalidInputError
        If an argument is out of range.
    """

    def __init__(
        self,
        method: Literal["auto", "direct", "ewald", "pme"] = "auto",
        accuracy: float = 1e-6,
        cutoff: float | None = None,
    ) -> None:
        self._core = _core.PointCharges(method=method, accuracy=accuracy, cutoff=cutoff)

    def evaluate(self, atoms: Atoms, charges: npt.ArrayLike | None = None) -> ChargeEnergy:
        """Energy, potentials, forces and stress.

        Parameters
        ----------
        atoms : ase.Atoms
            No or all directions periodic.
        charges : (n,) array_like, optional
            e; the initial charges of `atoms` by default.

        Raises
        ------
        InvalidInputError
            If `charges` has another shape or is not finite, atoms are at the same place, or the
            method does not fit the periodicity.
        """
        positions, _, cell, pbc = arrays_of(atoms)
        given = atoms.get_initial_charges() if charges is None else charges
        values = np.ascontiguousarray(given, dtype=np.float64)
        return ChargeEnergy(*self._core.evaluate(positions, cell, pbc, values))
