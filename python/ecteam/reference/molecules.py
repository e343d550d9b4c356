"""Single-point molecular reference calculations with PySCF.

Hartree and bohr stop here: everything returned is in eV, Å and e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyscf
from ase import Atoms
from numpy.typing import NDArray
from pyscf import cc

from ecteam.reference.hirshfeld import hirshfeld
from ecteam.reference.level import Level, Structure, structure_of
from ecteam.reference.scf import is_unrestricted, lowest_solution, make_molecule
from ecteam.reference.units import BOHR, HARTREE

__all__ = ["DensityOutput", "Level", "Structure", "single_point", "structure_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DensityOutput:
    """What to keep of the electron density.

    Attributes
    ----------
    cube : str or None
        Cube file to write, e/bohr³; none without it.
    spacing, padding : float
        Largest distance of its points and distance of its faces from the atoms, Å.
    metric : str or None
        Metric with which to encode the density as weights of atomic states (`ecteam.encode`);
        not encoded without it.
    library : mapping or None
        States for that; by default those of the package.
    """

    cube: str | None = None
    spacing: float = 0.2
    padding: float = 4.0
    metric: str | None = None
    library: Mapping[str, Any] | None = None


def single_point(
    structure: Structure, level: Level, density: DensityOutput | None = None
) -> dict[str, Any]:
    """Compute energy, forces, multipoles, Hirshfeld charges and spins of one structure.

    The SCF goes through the ladder of `ecteam.reference.scf`. If no rung converges, energy, dipole
    and so on are those of the last attempt, ``converged`` is false and there are no forces.

    Parameters
    ----------
    structure : Structure
        Geometry, charge and spin.
    level : Level
        Level of theory.
    density : DensityOutput, optional
        Keep the density, too.

    Returns
    -------
    dict
        JSON serialisable: `structure` and `level` (their fields), `program`, `converged`, `energy`
        (total, eV), `forces` (eV/Å, n by 3, or None), `dipole` (e Å, vector, Σ q r about the
        coordinate origin, pointing from minus to plus), `quadrupole` (e Å², 3 by 3, ½Σ q (3 r r −
        r² 1) about the centre of the nuclear charges), `hirshfeld` (e, n), `hirshfeld_spin` (n),
        `solution` (``closed shell``, ``open shell`` or ``broken symmetry``), `spin_square` (of the
        SCF), `scf` (the rung that converged), and, if asked for, `cube` and `encoding`.

    Raises
    ------
    RuntimeError
        If every SCF breaks down, or the coupled-cluster equations do not converge.
    """
    molecule = make_molecule(structure, level)
    if molecule.nelectron == 0 and molecule.natm == 1:
        return _bare_proton(structure, level)
    solution, field = lowest_solution(molecule, structure, level)
    energy, matrix = _energy_and_density(field, level)
    charges, spins = hirshfeld(molecule, matrix, field.grids, level.free_atoms)
    total = matrix.sum(axis=0) if matrix.ndim == 3 else matrix
    return {
        **_origin(structure, level),
        "converged": bool(field.converged),
        "energy": energy * HARTREE,
        "forces": _forces(field, level),
        "dipole": (_dipole(molecule, total) * BOHR).tolist(),
        "quadrupole": (_quadrupole(molecule, total) * BOHR**2).tolist(),
        "hirshfeld": charges.tolist(),
        "hirshfeld_spin": spins.tolist(),
        "solution": solution,
        "spin_square": float(field.spin_square()[0]) if is_unrestricted(field) else 0.0,
        "scf": field.ecteam_scf,
        **_density_output(molecule, total, structure, density or DensityOutput()),
    }


def _origin(structure: Structure, level: Level) -> dict[str, Any]:
    return {
        "structure": asdict(structure),
        "level": asdict(level),
        "program": f"PySCF {pyscf.__version__}",
    }


def _bare_proton(structure: Structure, level: Level) -> dict[str, Any]:
    """Make the result of a nucleus without electrons: its energy is zero by definition."""
    charge = float(structure.charge)
    return {
        **_origin(structure, level),
        "converged": True,
        "energy": 0.0,
        "forces": [[0.0, 0.0, 0.0]],
        "dipole": (charge * np.array(structure.positions[0])).tolist(),
        "quadrupole": np.zeros((3, 3)).tolist(),
        "hirshfeld": [charge],
        "hirshfeld_spin": [0.0],
        "solution": "bare nucleus",
        "spin_square": 0.0,
        "scf": "none",
    }


def _energy_and_density(field: Any, level: Level) -> tuple[float, Array]:
    """Energy in Hartree, and density matrix in atomic orbitals, by spin if unrestricted."""
    if level.functional != "CCSD(T)" or not field.converged:
        return float(field.e_tot), np.asarray(field.make_rdm1())
    cluster = cc.CCSD(field).set_frozen()
    cluster.max_cycle = 200
    cluster.kernel()
    if not cluster.converged:
        raise RuntimeError("the coupled-cluster equations did not converge")
    energy = float(cluster.e_tot)
    if field.mol.nelectron > 2:
        energy += float(cluster.ccsd_t())
    cluster.solve_lambda()
    return energy, np.asarray(cluster.make_rdm1(ao_repr=True))


def _forces(field: Any, level: Level) -> list[list[float]] | None:
    """−dE/dR in eV/Å; none for CCSD(T) and for a field that is not converged."""
    if level.functional == "CCSD(T)" or not field.converged:
        return None
    gradient = field.nuc_grad_method()
    if level.is_kohn_sham:
        gradient.grid_response = level.grid_response
    forces: list[list[float]] = (-np.asarray(gradient.kernel()) * HARTREE / BOHR).tolist()
    return forces


def _dipole(molecule: Any, matrix: Array) -> Array:
    """About the coordinate origin, e bohr."""
    with molecule.with_common_origin((0.0, 0.0, 0.0)):
        electrons = np.einsum("xij,ji->x", molecule.intor_symmetric("int1e_r", comp=3), matrix)
    return np.asarray(molecule.atom_charges() @ molecule.atom_coords() - electrons)


def _quadrupole(molecule: Any, matrix: Array) -> Array:
    """Traceless, about the centre of the nuclear charges, e bohr²."""
    charges, positions = molecule.atom_charges(), molecule.atom_coords()
    centre = charges @ positions / charges.sum()
    with molecule.with_common_origin(centre):
        integrals = molecule.intor("int1e_rr").reshape(3, 3, *matrix.shape)
    second = np.einsum("i,ix,iy->xy", charges, positions - centre, positions - centre)
    second = second - np.einsum("xyij,ji->xy", integrals, matrix)
    return np.asarray(1.5 * second - 0.5 * np.trace(second) * np.eye(3))


def _density_output(
    molecule: Any, matrix: Array, structure: Structure, wanted: DensityOutput
) -> dict[str, Any]:
    """Write and encode the density as far as it is wanted."""
    from ecteam.density import write_grid
    from ecteam.encoder import encode
    from ecteam.interop.pyscf import density_at

    atoms = Atoms(structure.symbols, positions=structure.positions)
    found: dict[str, Any] = {}
    if wanted.cube is not None:
        write_grid(
            wanted.cube,
            atoms,
            lambda points: density_at(molecule, matrix, points),
            wanted.spacing,
            wanted.padding,
            f"PySCF {pyscf.__version__}, {molecule.basis}",
        )
        found["cube"] = Path(wanted.cube).name
    if wanted.metric is not None:
        encoded = encode(
            (molecule, matrix),
            atoms,
            wanted.library,
            wanted.metric,  # type: ignore[arg-type]
            total_charge=structure.charge,
        )
        found["encoding"] = {
            "metric": wanted.metric,
            "weights": encoded.weights.tolist(),
            "states": [list(names) for names in encoded.state_names],
            "residual": encoded.residual,
            "dipole_error": encoded.dipole_error.tolist(),
            "gap": encoded.gap,
        }
    return found
