"""Properties of cubic crystals: lattice, elasticity, vacancy, surfaces, phonons.

Everything comes from the energies, forces and stresses of an ASE calculator, at 0 K and without
zero-point motion. Positions inside strained cells, around vacancies and in slabs are relaxed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, surface
from ase.calculators.calculator import BaseCalculator
from ase.units import GPa, _e, fs
from scipy.optimize import brentq

from ecteam._core import InvalidInputError
from ecteam.dynamics import relax
from ecteam.structure import FloatArray

CalculatorFactory = Callable[[], BaseCalculator]

J_PER_M2 = 1e20 * _e  # of 1 eV/Å²
LOW_INDEX = ((1, 1, 0), (1, 0, 0), (1, 1, 1))
# Small enough for the second-order error of a central difference, large enough for tables of 1e-8.
_STRAIN = 1e-3
_DISPLACEMENT = 0.01  # Å
# What `relaxed_crystal` tries around the given lattice constant, relative.
_LARGEST_CHANGE = 0.15


@dataclass(frozen=True)
class CrystalProperties:
    """Properties of a cubic crystal at 0 K.

    Attributes
    ----------
    formula : str
        Of the conventional cell.
    lattice_constant : float
        Å, at zero pressure.
    energy : float
        eV per atom.
    cohesive_energy : float
        Energy of the isolated atoms minus that of the crystal, eV per atom. Only as meaningful as
        the model's isolated atoms.
    bulk_modulus, c11, c12, c44 : float
        GPa, relaxed positions.
    vacancy_energy : float or None
        Formation energy, eV; None for compounds.
    surface_energies : dict of str to float
        J/m² by Miller indices, e.g. ``"110"``; empty for compounds.
    phonons : list of float
        Frequencies at the zone boundary, THz, ascending, imaginary ones negative: H of bcc, X of
        fcc and diamond (with the optical ones of Γ).
    """

    formula: str
    lattice_constant: float
    energy: float
    cohesive_energy: float
    bulk_modulus: float
    c11: float
    c12: float
    c44: float
    vacancy_energy: float | None
    surface_energies: dict[str, float]
    phonons: list[float]

    def data(self) -> dict[str, Any]:
        """All fields as plain numbers."""
        return asdict(self)


def reference_crystal(symbol: str) -> Atoms:
    """Conventional cubic cell of an element in the structure and lattice constant ASE lists.

    Raises
    ------
    InvalidInputError
        If the element is unknown or does not crystallise in a cubic cell.
    """
    try:
        crystal: Atoms = bulk(symbol, cubic=True)
    except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InvalidInputError(
            f"structure: {symbol!r} is not an element with a cubic crystal: {error}"
        ) from None
    _require_cubic(crystal)
    return crystal


def crystal_properties(
    crystal: Atoms,
    calculator: CalculatorFactory,
    surfaces: Sequence[tuple[int, int, int]] = LOW_INDEX,
    length: float = 12.0,
    fmax: float = 0.005,
) -> CrystalProperties:
    """Compute everything of :class:`CrystalProperties`.

    Parameters
    ----------
    crystal : ase.Atoms
        Conventional cubic cell near its equilibrium; see :func:`reference_crystal`.
    calculator : callable
        Makes an ASE calculator with energy, forces and stress, e.g. ``lambda: ECTEAM("niobium")``.
    surfaces : sequence of (int, int, int)
        Miller indices.
    length : float
        Least side of the supercell of the vacancy and least thickness of slabs, Å.
    fmax : float
        Largest force after a relaxation, eV/Å.

    Raises
    ------
    InvalidInputError
        If the cell is not cubic and periodic, or has no zero of the pressure near by.
    NotConvergedError
        If a relaxation does not converge.
    """
    crystal = relaxed_crystal(crystal, calculator)
    c11, c12, c44 = elastic_constants(crystal, calculator, fmax)
    elemental = len(set(crystal.numbers)) == 1
    energy = crystal.get_potential_energy() / len(crystal)
    return CrystalProperties(
        formula=crystal.get_chemical_formula(),
        lattice_constant=float(crystal.cell.lengths()[0]),
        energy=energy,
        cohesive_energy=_isolated_energy(crystal, calculator) - energy,
        bulk_modulus=bulk_modulus(crystal, calculator, fmax),
        c11=c11,
        c12=c12,
        c44=c44,
        vacancy_energy=vacancy_energy(crystal, calculator, length, fmax) if elemental else None,
        surface_energies={
            "".join(map(str, indices)): surface_energy(crystal, calculator, indices, length, fmax)
            for indices in (surfaces if elemental else ())
        },
        phonons=zone_boundary_phonons(crystal, calculator).tolist(),
    )


def relaxed_crystal(crystal: Atoms, calculator: CalculatorFactory) -> Atoms:
    """Copy of a cubic cell at the lattice constant of zero pressure, with a calculator.

    The positions scale with the cell: in the cubic structures considered symmetry fixes them.

    Raises
    ------
    InvalidInputError
        If the cell is not cubic, or the pressure has no zero within 15 % of its lattice constant.
    """
    _require_cubic(crystal)
    trial = _with_calculator(crystal, calculator)

    def pressure(scale: float) -> float:
        trial.set_cell(scale * crystal.cell.array, scale_atoms=True)
        return -float(trial.get_stress()[:3].mean())

    low, high = _bracket(pressure)
    pressure(float(brentq(pressure, low, high, xtol=1e-10, rtol=1e-12)))
    return trial


def _bracket(pressure: Callable[[float], float]) -> tuple[float, float]:
    """Find the scales nearest to 1 between which growing turns the pressure negative."""
    scales = 1 + np.linspace(0, _LARGEST_CHANGE, 16)
    outwards = scales if pressure(1.0) > 0 else 2 - scales
    for low, high in map(sorted, pairwise(outwards.tolist())):
        inner, outer = pressure(low), pressure(high)
        if inner >= 0 >= outer and inner > outer:
            return low, high
    raise InvalidInputError(
        "crystal: the pressure has no zero within "
        f"{100 * _LARGEST_CHANGE:.0f} % of the given lattice constant"
    )


def elastic_constants(
    crystal: Atoms, calculator: CalculatorFactory, fmax: float = 0.005
) -> tuple[float, float, float]:
    """C11, C12 and C44 of a cubic crystal at zero pressure, GPa.

    Slopes of the Cauchy stress by central differences at strains of ±0.001, positions relaxed.
    """
    along = _stress_slope(crystal, calculator, np.diag([1.0, 0.0, 0.0]), fmax)
    shear = np.zeros((3, 3))
    shear[1, 2] = shear[2, 1] = 0.5  # engineering strain 1
    across = _stress_slope(crystal, calculator, shear, fmax)
    return float(along[0]), float(along[1:3].mean()), float(across[3])


def bulk_modulus(crystal: Atoms, calculator: CalculatorFactory, fmax: float = 0.005) -> float:
    """Bulk modulus at zero pressure, GPa, from the pressure of a swollen and a shrunken cell."""
    return float(_stress_slope(crystal, calculator, np.eye(3) / 3, fmax)[:3].mean())


def _stress_slope(
    crystal: Atoms, calculator: CalculatorFactory, strain: FloatArray, fmax: float
) -> FloatArray:
    """Differentiate the stress, xx yy zz yz xz xy, along a multiple of `strain`, GPa."""
    stresses = []
    for size in (-_STRAIN, _STRAIN):
        strained = _with_calculator(crystal, calculator)
        strained.set_cell(crystal.cell.array @ (np.eye(3) + size * strain), scale_atoms=True)
        _settle(strained, fmax)
        stresses.append(strained.get_stress())
    slope: FloatArray = (stresses[1] - stresses[0]) / (2 * _STRAIN * GPa)
    return slope


def vacancy_energy(
    crystal: Atoms, calculator: CalculatorFactory, length: float = 12.0, fmax: float = 0.005
) -> float:
    """Compute the formation energy of a vacancy, eV: E(N − 1) − (N − 1)/N E(N) at constant volume.

    Parameters
    ----------
    crystal : ase.Atoms
        Relaxed conventional cell of an element, all sites equivalent.
    length : float
        Least side of the supercell, Å.

    Raises
    ------
    InvalidInputError
        For a compound: removing an atom would need a reservoir.
    """
    _require_element(crystal)
    repeats = int(np.ceil(length / crystal.cell.lengths()[0]))
    defective = _with_calculator(crystal, calculator).repeat(repeats)
    del defective[0]
    defective.calc = calculator()
    _settle(defective, fmax)
    per_atom = _energy_per_atom(crystal, calculator)
    return float(defective.get_potential_energy() - len(defective) * per_atom)


def surface_energy(
    crystal: Atoms,
    calculator: CalculatorFactory,
    indices: tuple[int, int, int],
    length: float = 12.0,
    fmax: float = 0.005,
    vacuum: float = 10.0,
) -> float:
    """Compute the energy of a relaxed surface, J/m²: (E_slab − N e_bulk) / 2A.

    Parameters
    ----------
    crystal : ase.Atoms
        Relaxed conventional cell of an element.
    indices : (int, int, int)
        Miller indices in that cell.
    length : float
        Least thickness of the slab, Å.
    vacuum : float
        Empty space on each side, Å.

    Raises
    ------
    InvalidInputError
        For a compound, whose terminations differ, or if all indices are zero.
    """
    _require_element(crystal)
    if not any(indices):
        raise InvalidInputError(f"surface: needs an index that is not zero, got {indices}")
    spacing = crystal.cell.lengths()[0] / np.linalg.norm(indices)
    layers = int(np.ceil(length / spacing))
    slab: Atoms = surface(crystal, indices, layers, vacuum=vacuum, periodic=True)
    slab.calc = calculator()
    _settle(slab, fmax)
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    excess = slab.get_potential_energy() - len(slab) * _energy_per_atom(crystal, calculator)
    return float(excess / (2 * area) * J_PER_M2)


def zone_boundary_phonons(crystal: Atoms, calculator: CalculatorFactory) -> FloatArray:
    """Phonons that are periodic in the conventional cubic cell, without translations, THz.

    Those are the zone-boundary modes H of bcc (3) and X of fcc (9: three arms of one longitudinal
    and two transverse), and in diamond also the optical modes of Γ. Forces are differentiated by
    central differences of 0.01 Å.

    Returns
    -------
    (3n − 3,) float64
        Ascending; imaginary frequencies are negative.
    """
    moved = _with_calculator(crystal, calculator)
    start = moved.get_positions()
    hessian = np.zeros((start.size, start.size))
    for k in range(start.size):
        step = np.zeros(start.size)
        step[k] = _DISPLACEMENT
        moved.set_positions(start + step.reshape(start.shape))
        ahead = moved.get_forces().ravel()
        moved.set_positions(start - step.reshape(start.shape))
        hessian[k] = (moved.get_forces().ravel() - ahead) / (2 * _DISPLACEMENT)
    mass = np.repeat(crystal.get_masses(), 3)
    dynamical = 0.5 * (hessian + hessian.T) / np.sqrt(np.outer(mass, mass))
    internal = _without_translations(np.sqrt(mass))
    squares = np.linalg.eigvalsh(internal.T @ dynamical @ internal)
    frequencies: FloatArray = np.sign(squares) * np.sqrt(np.abs(squares)) / (2 * np.pi)
    return frequencies * 1000 * fs  # per ASE unit of time to per ps


def _without_translations(root_mass: FloatArray) -> FloatArray:
    """Orthonormal basis, (3n, 3n − 3), of mass-weighted displacements at a fixed centre."""
    translations = np.kron(root_mass[::3, None], np.eye(3))
    basis: FloatArray = np.linalg.qr(translations, mode="complete")[0][:, 3:]
    return basis


def _with_calculator(crystal: Atoms, calculator: CalculatorFactory) -> Atoms:
    atoms: Atoms = crystal.copy()
    atoms.calc = calculator()
    return atoms


def _energy_per_atom(crystal: Atoms, calculator: CalculatorFactory) -> float:
    return float(_with_calculator(crystal, calculator).get_potential_energy()) / len(crystal)


def _isolated_energy(crystal: Atoms, calculator: CalculatorFactory) -> float:
    """Mean energy of the crystal's atoms when each is alone, eV."""
    alone = {}
    for symbol in set(crystal.get_chemical_symbols()):
        atom = Atoms(symbol)
        atom.calc = calculator()
        alone[symbol] = float(atom.get_potential_energy())
    return float(np.mean([alone[symbol] for symbol in crystal.get_chemical_symbols()]))


def _settle(atoms: Atoms, fmax: float) -> None:
    for _ in relax(atoms, fmax):
        pass


def _require_cubic(crystal: Atoms) -> None:
    cell = crystal.cell.array
    cubic = np.allclose(cell, cell[0, 0] * np.eye(3), rtol=0, atol=1e-6 * abs(cell).max())
    if not (crystal.pbc.all() and cubic and cell[0, 0] > 0):
        raise InvalidInputError(
            "crystal: must be a periodic conventional cell, equal sides along x, y and z, got "
            f"{crystal.cell.cellpar().round(4).tolist()}, periodic {crystal.pbc.tolist()}"
        )


def _require_element(crystal: Atoms) -> None:
    if len(set(crystal.numbers)) != 1:
        raise InvalidInputError(
            f"crystal: must be an element, got {crystal.get_chemical_formula()}"
        )
