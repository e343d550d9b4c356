"""Results of a device on the host."""

from __future__ import annotations

from dataclasses import dataclass

from ecteam import _core
from ecteam.cuda.backend import Array
from ecteam.structure import Arrays, FloatArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results on the host, with the names of `ecteam._core.Evaluation`."""

    energy: float
    free_energy: float
    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None
    background: FloatArray
    weights: FloatArray
    charges: FloatArray
    induced_dipoles: FloatArray
    dipole: FloatArray
    chemical_potentials: FloatArray
    kkt_residual: float = 0.0
    hessian_products: int = 0
    iterations: int = 0
    positive_definite: bool = True
    lower_branch: float | None = None
    timings: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Forces (n, 3) eV/Å, energies (n,) eV without entropy, dA/dstrain (6,) eV; sorted atoms."""

    forces: Array
    energies: Array
    virial: Array

    def __add__(self, other: Derivatives) -> Derivatives:
        """Return the sum."""
        return Derivatives(
            self.forces + other.forces,
            self.energies + other.energies,
            self.virial + other.virial,
        )


@dataclass(frozen=True, eq=False)
class StructureResults:
    """Results of s structures with N atoms, on the device.

    Attributes
    ----------
    numbers : (s, 8) float64
        Free energy and T Σ ω ln ω (eV), chemical potential (eV/e), KKT residual (eV), Hessian
        products, iterations, 1 at a strict minimum, 1 if converged.
    weights : (N, states) float64
        State weights.
    sites : (N, 3) float64
        Background density (e/Å³), charge (e), potential beyond the pairs (eV/e).
    energies : (N,) float64
        eV, without the entropy.
    forces : (N, 3) float64
        eV/Å.
    virials : (s, 6) float64
        dA/dstrain, xx yy zz yz xz xy, eV.
    too_close : (s,) int32
        Less than 2³¹ − 1 if two atoms are closer than the potential allows.
    added : (N,) float64 or None
        Energies of the learned terms (eV), which `numbers` leaves out and the others hold.
    """

    numbers: Array
    weights: Array
    sites: Array
    energies: Array
    forces: Array
    virials: Array
    too_close: Array
    added: Array = None


def stress_of(virial: FloatArray, system: Arrays) -> FloatArray | None:
    """Stress (eV/Å³) from dE/dstrain (eV); None unless fully periodic."""
    if not system.pbc.all():
        return None
    stress: FloatArray = virial / _core.Frame(system.cell, system.pbc).volume
    return stress
