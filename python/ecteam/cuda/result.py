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


def stress_of(virial: FloatArray, system: Arrays) -> FloatArray | None:
    """Stress (eV/Å³) from dE/dstrain (eV); None unless fully periodic."""
    if not system.pbc.all():
        return None
    stress: FloatArray = virial / _core.Frame(system.cell, system.pbc).volume
    return stress
