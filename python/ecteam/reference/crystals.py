"""Rock-salt crystals from experiment, as energies along the lattice constant.

``python -m ecteam.reference.crystals -o crystals.extxyz.gz``

Lattice constants, atomisation energies and bulk moduli are experimental values corrected for
zero-point motion. Li and Na: as compiled by L. Schimka, J. Harl, G. Kresse, J. Chem. Phys. 134,
024116 (2011). K: heats of formation of crystal and atoms at 0 K (NIST-JANAF and CODATA tables) plus
9/4 k θ a formula unit, Debye temperatures θ of 336 K (KF) and 235 K (KCl); bulk moduli of 4 K from
elastic constants; lattice constants of 300 K, 5.347 Å and 6.293 Å, less 0.7 % of thermal expansion
and 0.4 % for zero-point motion, which leaves them uncertain by 0.01 Å. Between them the energy
follows P. Vinet et al., J. Phys. C 19, L467 (1986). Forces vanish by symmetry.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.units import GPa

CRYSTALS = {
    "LiF": (3.972, 4.46, 76.3),
    "LiCl": (5.070, 3.59, 38.7),
    "NaF": (4.582, 3.97, 53.1),
    "NaCl": (5.569, 3.34, 27.6),
    "KF": (5.288, 3.84, 35.0),
    "KCl": (6.222, 3.37, 20.2),
}
"""Lattice constant (Å), atomisation energy (eV/atom), bulk modulus (GPa)."""
PRESSURE_DERIVATIVE = 5.0
"""Of the bulk modulus; 4.5 to 5.5 for these crystals."""
SCALES = (
    0.70,
    0.74,
    0.78,
    0.81,
    0.84,
    0.88,
    0.91,
    0.94,
    0.97,
    0.99,
    1.0,
    1.01,
    1.03,
    1.06,
    1.10,
    1.15,
)
"""Lattice constants relative to equilibrium."""


def vinet(scale: float, atomisation: float, bulk_modulus: float, volume: float) -> float:
    """Energy of a formula unit (eV, zero for free atoms) at a scaled lattice constant.

    Parameters
    ----------
    scale : float
        Lattice constant over its equilibrium value.
    atomisation : float
        eV per formula unit at equilibrium.
    bulk_modulus : float
        eV/Å³.
    volume : float
        Equilibrium volume of a formula unit, Å³.
    """
    eta = 1.5 * (PRESSURE_DERIVATIVE - 1.0)
    x = eta * (scale - 1.0)
    depth = 9.0 * bulk_modulus * volume / eta**2
    return float(-atomisation + depth * (1.0 - (1.0 + x) * np.exp(-x)))


def crystal_frames() -> list[Atoms]:
    """Primitive cells with the ``info`` keys of the molecular data sets."""
    frames = []
    for name, (constant, atomisation, modulus) in CRYSTALS.items():
        for scale in SCALES:
            atoms = bulk(name, "rocksalt", a=constant * scale)
            energy = vinet(scale, 2.0 * atomisation, modulus * GPa, constant**3 / 4.0)
            atoms.arrays["forces"] = np.zeros((2, 3))
            atoms.info.update(
                energy=round(energy, 8),
                dipole=np.zeros(3),
                charge=0,
                group="crystal",
                name=f"{name}-{scale:.2f}",
                level="experiment",
                converged=True,
                suspect=False,
            )
            frames.append(atoms)
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.crystals")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    write_set(crystal_frames(), parser.parse_args(arguments).output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
