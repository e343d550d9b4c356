"""Rock-salt crystals from experiment, as energies along the lattice constant.

``python -m ecteam.reference.crystals LiF LiCl NaF NaCl KF KCl -o crystals.extxyz.gz``

Lattice constants, atomisation energies and bulk moduli are experimental values corrected for
zero-point motion. Li and Na: as compiled by L. Schimka, J. Harl, G. Kresse, J. Chem. Phys. 134,
024116 (2011). K: heats of formation of crystal and atoms at 0 K (NIST-JANAF and CODATA tables) plus
9/4 k θ a formula unit, Debye temperatures θ of 336 K (KF) and 235 K (KCl); bulk moduli of 4 K from
elastic constants; lattice constants of 300 K, 5.347 Å and 6.293 Å, less 0.7 % of thermal expansion
and 0.4 % for zero-point motion, which leaves them uncertain by 0.01 Å. Between them the energy
follows P. Vinet et al., J. Phys. C 19, L467 (1986). Forces vanish by symmetry.

Where measured shear moduli and frequencies are listed, sheared cells and cells with displaced
sublattices follow, in the harmonic approximation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.units import GPa, _c, s
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CRYSTALS = {
    "LiF": (3.972, 4.46, 76.3),
    "LiCl": (5.070, 3.59, 38.7),
    "NaF": (4.582, 3.97, 53.1),
    "NaCl": (5.569, 3.34, 27.6),
    "KF": (5.288, 3.84, 35.0),
    "KCl": (6.222, 3.37, 20.2),
    "MgO": (4.188, 5.203, 169.8),
}
"""Lattice constant (Å), atomisation energy (eV/atom), bulk modulus (GPa)."""
PRESSURE_DERIVATIVE = 5.0
"""Of the bulk modulus; 4.5 to 5.5 for the halides."""
PRESSURE_DERIVATIVES = {"MgO": 4.1}
"""The same where it is known better."""
SHEAR_MODULI = {"MgO": (106.5, 157.6)}
"""(C11 − C12)/2 and C44 in GPa: 80 K, D. G. Isaak, O. L. Anderson and T. Goto, Phys. Chem. Miner.
16, 704 (1989)."""
OPTICAL = {"MgO": 401.0}
"""Transverse optical frequency at Γ, cm⁻¹ (J. R. Jasperse et al., Phys. Rev. 146, 526 (1966))."""
WAVE_NUMBER = 2.0 * np.pi * _c * 100.0 / s
"""Angular frequency of 1 cm⁻¹ in ASE's unit of time."""
BOUNDARY = {"MgO": (421.0, 552.0)}
"""Longitudinal frequencies at X, cm⁻¹ (M. J. L. Sangster, G. Peckham and D. H. Saunderson, J. Phys.
C 3, 1026 (1970)). They leave the stiffness of one sublattice open; it is taken as the other's."""
STRAINS = (-0.03, -0.015, 0.015, 0.03)
DISPLACEMENTS = (0.04, 0.08, 0.12)
"""Å: of the cation against the anion."""
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


def vinet(
    scale: float,
    atomisation: float,
    bulk_modulus: float,
    volume: float,
    derivative: float = PRESSURE_DERIVATIVE,
) -> float:
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
    derivative : float
        Of the bulk modulus by pressure.
    """
    eta = 1.5 * (derivative - 1.0)
    x = eta * (scale - 1.0)
    depth = 9.0 * bulk_modulus * volume / eta**2
    return float(-atomisation + depth * (1.0 - (1.0 + x) * np.exp(-x)))


def crystal_frames(names: Sequence[str]) -> list[Atoms]:
    """Primitive cells of some of :data:`CRYSTALS`, with the ``info`` keys of molecular data."""
    frames = []
    for name in names:
        constant, atomisation, modulus = CRYSTALS[name]
        derivative = PRESSURE_DERIVATIVES.get(name, PRESSURE_DERIVATIVE)
        for scale in SCALES:
            atoms = bulk(name, "rocksalt", a=constant * scale)
            volume = constant**3 / 4.0
            energy = vinet(scale, 2.0 * atomisation, modulus * GPa, volume, derivative)
            frames.append(_frame(atoms, energy, np.zeros((2, 3)), "crystal", f"{name}-{scale:.2f}"))
        if name in SHEAR_MODULI:
            frames += _strained(name) + _displaced(name) + _alternating(name)
    return frames


def _frame(atoms: Atoms, energy: float, forces: FloatArray, group: str, name: str) -> Atoms:
    atoms.arrays["forces"] = forces
    atoms.info.update(
        energy=round(energy, 8),
        dipole=np.zeros(3),
        charge=0,
        group=group,
        name=name,
        level="experiment",
        converged=True,
        suspect=False,
    )
    return atoms


def _strained(name: str) -> list[Atoms]:
    """Cells stretched along one and three axes, and sheared; inversion keeps forces at zero."""
    constant, atomisation, modulus = CRYSTALS[name]
    tetragonal, shear = (value * GPa for value in SHEAR_MODULI[name])
    c11, c12 = modulus * GPa + 4.0 / 3.0 * tetragonal, modulus * GPa - 2.0 / 3.0 * tetragonal
    shapes = {
        "uniaxial": np.diag([1.0, 0.0, 0.0]),
        "tetragonal": np.diag([1.0, -0.5, -0.5]),
        "shear": np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        "trigonal": np.ones((3, 3)) - np.eye(3),
    }
    frames = []
    for kind, shape in shapes.items():
        for size in STRAINS:
            strain, axes = size * shape, size * np.diag(shape)
            off = 0.5 * float(np.sum(strain**2) - axes @ axes)
            mixed = 0.5 * float(axes.sum() ** 2 - axes @ axes)
            density = 0.5 * c11 * float(axes @ axes) + c12 * mixed + 2.0 * shear * off
            atoms = bulk(name, "rocksalt", a=constant)
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energy = density * constant**3 / 4.0 - 2.0 * atomisation
            words = f"{name}-{kind}{size:+.3f}"
            frames.append(_frame(atoms, energy, np.zeros((2, 3)), "strained", words))
    return frames


def _displaced(name: str) -> list[Atoms]:
    """Cells with the cations moved against the anions, without a macroscopic field."""
    constant, atomisation, _ = CRYSTALS[name]
    frames = []
    for axis in ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        for length in DISPLACEMENTS:
            atoms = bulk(name, "rocksalt", a=constant)
            first, second = atoms.get_masses()
            stiffness = first * second / (first + second) * (OPTICAL[name] * WAVE_NUMBER) ** 2
            move = length * np.array(axis) / np.linalg.norm(axis)
            atoms.positions[0] += move
            energy = 0.5 * stiffness * length**2 - 2.0 * atomisation
            forces = np.array([-stiffness * move, stiffness * move])
            words = f"{name}-optical-{sum(axis):.0f}-{length:.2f}"
            frames.append(_frame(atoms, energy, forces, "strained", words))
    return frames


def _alternating(name: str) -> list[Atoms]:
    """Cubic cells whose (200) planes move in turns along their normal: X, longitudinal."""
    constant, atomisation, _ = CRYSTALS[name]
    frames = []
    for together in (1.0, -1.0):
        for length in DISPLACEMENTS:
            atoms = bulk(name, "rocksalt", a=constant, cubic=True)
            heavy, light = np.unique(atoms.get_masses())[::-1]
            stiffness, coupling = _longitudinal(BOUNDARY[name], heavy, light)
            signs = np.where(np.isclose(atoms.positions[:, 0] % constant, 0.0), 1.0, -1.0)
            moves = length * signs * np.where(atoms.get_masses() == heavy, 1.0, together)
            atoms.positions[:, 0] += moves
            forces = np.zeros((len(atoms), 3))
            forces[:, 0] = -(stiffness + together * coupling) * moves
            energy = -0.5 * float(forces[:, 0] @ moves) - len(atoms) * atomisation
            words = f"{name}-alternating{together:+.0f}-{length:.2f}"
            frames.append(_frame(atoms, energy, forces, "strained", words))
    return frames


def _longitudinal(waves: tuple[float, float], heavy: float, light: float) -> tuple[float, float]:
    """Stiffness of each sublattice and coupling of the two, eV/Å², from two frequencies."""
    low, high = ((wave * WAVE_NUMBER) ** 2 for wave in waves)
    stiffness = (low + high) * heavy * light / (heavy + light)
    coupling = np.sqrt(max(stiffness**2 - low * high * heavy * light, 0.0))
    return float(stiffness), float(coupling)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.crystals")
    parser.add_argument("crystals", nargs="+", choices=sorted(CRYSTALS), metavar="crystal")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    options = parser.parse_args(arguments)
    write_set(crystal_frames(options.crystals), options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
