"""Charges of molecules from `ecteam.encode` beside Hirshfeld, MBIS and linear ISA.

    python -m pip install 'ecteam[reference]' horton-part
    python benches/partitions.py

prints, for 15 molecules at PBE0/def2-TZVPPD, every method's charges, the error of the dipole that
its charges make (spherical atoms have no other), the density it does not represent, ∫|ρ − Σ ρ_A⁰|
with ρ_A⁰ the method's own spherical atoms, and its time without the SCF. A library of states is
given by --states (``ecteam-states/1``); without it, the package's own.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ecteam
import numpy as np
from ase import Atoms
from ase.build import molecule as build
from ase.units import Bohr
from ecteam.interop.pyscf import sample_pyscf
from ecteam.reference.hirshfeld import free_atom_densities
from ecteam.reference.hirshfeld import hirshfeld as hirshfeld_shares
from ecteam.sampling import SampledDensity
from ecteam.state_library import shipped_states
from pyscf import dft, gto

FUNCTIONAL, BASIS = "PBE0", "def2-TZVPPD"
NEUTRAL = "H2O NH3 CH4 HF LiF NaCl CO CO2 H2CO CH3OH N2".split()
METRICS = ("coulomb", "l2", "kullback-leibler")


@dataclass
class Row:
    """What a method says about a molecule: charges (e), e·Å, e, s."""

    method: str
    charges: np.ndarray
    dipole_error: float
    residual: float
    seconds: float


def ions() -> dict[str, tuple[Atoms, int]]:
    """Ions at experimental or near-experimental geometries, Å."""
    bend = np.radians(115.4 / 2)
    cone, tetrahedron = np.radians(111.3), np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1]])
    fourth = np.array([[-1, -1, 1]])
    sine = np.sin(cone / 2) * 2 / np.sqrt(3)
    angles = 2 * np.pi * np.arange(3) / 3
    pyramid = np.column_stack(
        [sine * np.cos(angles), sine * np.sin(angles), np.full(3, np.sqrt(1 - sine**2))]
    )
    nitrite = 1.24 * np.array([[np.sin(bend), np.cos(bend), 0], [-np.sin(bend), np.cos(bend), 0]])
    centre = np.zeros((1, 3))
    four = 1.021 * np.vstack([tetrahedron, fourth]) / np.sqrt(3)
    return {
        "OH-": (Atoms("OH", [[0, 0, 0], [0, 0, 0.964]]), -1),
        "H3O+": (Atoms("OH3", np.vstack([centre, 0.976 * pyramid])), 1),
        "NH4+": (Atoms("NH4", np.vstack([centre, four])), 1),
        "NO2-": (Atoms("NO2", np.vstack([centre, nitrite])), -1),
    }


def molecules() -> dict[str, tuple[Atoms, int]]:
    """Names, geometries and charges of all molecules."""
    return {**{name: (build(name), 0) for name in NEUTRAL}, **ions()}


def converge(atoms: Atoms, charge: int) -> Any:
    """Kohn-Sham solution."""
    geometry = list(zip(atoms.symbols, atoms.positions, strict=True))
    molecule = gto.M(atom=geometry, basis=BASIS, charge=charge, verbose=0)
    field = dft.RKS(molecule, xc=FUNCTIONAL).density_fit()
    field.grids.level = 4
    field.kernel()
    if not field.converged:
        raise RuntimeError(f"the SCF of {atoms.symbols} did not converge")
    return field


def hirshfeld(field: Any, sample: SampledDensity) -> tuple[np.ndarray, float]:
    """Charges and residual of PySCF's neutral free atoms."""
    charges, _ = hirshfeld_shares(field.mol, field.make_rdm1(), field.grids, FUNCTIONAL)
    parts = np.array_split(sample.points / Bohr, 1 + len(sample.points) // 20_000)
    free = [free_atom_densities(field.mol, FUNCTIONAL, points).sum(axis=0) for points in parts]
    difference = sample.density - np.concatenate(free) / Bohr**3
    return charges, float(sample.volumes @ np.abs(difference))


def horton(field: Any, kind: str) -> tuple[np.ndarray, float]:
    """Charges and residual of MBIS or linear ISA, on horton-part's own grid."""
    from grid.becke import BeckeWeights
    from grid.molgrid import MolGrid
    from grid.onedgrid import GaussChebyshev
    from grid.rtransform import BeckeRTransform
    from horton_part.alisa import LinearISAWPart
    from horton_part.mbis import MBISWPart

    molecule, numbers = field.mol, field.mol.atom_charges()
    radial = BeckeRTransform(1e-4, 1.5).transform_1d_grid(GaussChebyshev(120))
    grid = MolGrid.from_size(
        numbers, molecule.atom_coords(), 194, radial, BeckeWeights(order=3), store=True, rotate=0
    )
    orbitals = molecule.eval_gto("GTOval", grid.points)
    density = np.einsum("gi,gi->g", orbitals @ field.make_rdm1(), orbitals)
    method = {"MBIS": MBISWPart, "linear ISA": LinearISAWPart}[kind]
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    part = method(
        molecule.atom_coords(), numbers, numbers.astype(float), grid, density, lmax=0, logger=quiet
    )
    part.do_partitioning()
    model = np.zeros(grid.size)
    for index in range(len(numbers)):
        own = np.zeros(grid.size)
        part.eval_proatom(index, own, grid)
        model += own
    return part["charges"], float(grid.integrate(np.abs(density - model)))


def encoded(field: Any, library: Any, metric: str) -> tuple[np.ndarray, float]:
    """Charges and residual of the encoder."""
    found = ecteam.encode(field, library=library, metric=metric)
    return found.charges, found.residual


def compare(atoms: Atoms, charge: int, library: Any) -> Iterator[Row]:
    """Run every method on one molecule."""
    field = converge(atoms, charge)
    sample = sample_pyscf(field)
    exact = field.dip_moment(unit="AU", verbose=0) * Bohr
    methods: dict[str, Callable[[], tuple[np.ndarray, float]]] = {
        "Hirshfeld": lambda: hirshfeld(field, sample),
        "MBIS": lambda: horton(field, "MBIS"),
        "linear ISA": lambda: horton(field, "linear ISA"),
    }
    for metric in METRICS:
        methods[f"encode {metric}"] = lambda metric=metric: encoded(field, library, metric)
    for name, method in methods.items():
        start = time.perf_counter()
        try:
            charges, residual = method()
        except KeyError:  # horton-part's linear ISA has basis functions for few elements
            yield Row(name, np.full(len(atoms), np.nan), np.nan, np.nan, np.nan)
            continue
        seconds = time.perf_counter() - start
        # About the mean position, so that an ion's dipole does not depend on where it is.
        centre = atoms.positions.mean(axis=0)
        origin = exact - charge * centre
        error = charges @ (atoms.positions - centre) - origin
        yield Row(name, charges, float(np.linalg.norm(error)), residual, seconds)


def line(atoms: Atoms, row: Row) -> str:
    """Format one row; atoms of equal element and charge are named once."""
    if np.isnan(row.residual):
        return f"| {row.method} | not available for an element | – | – | – |"
    labels = dict.fromkeys(
        f"{s} {round(float(q), 2) + 0.0:+.2f}"
        for s, q in zip(atoms.symbols, row.charges, strict=True)
    )
    return (
        f"| {row.method} | {', '.join(labels)} | {row.dipole_error:.3f} | {row.residual:.3f} "
        f"| {row.seconds:.2f} |"
    )


def main() -> None:
    """Print the tables and the means over the molecules that every method can do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=Path, help="library, ecteam-states/1")
    parser.add_argument("--molecules", nargs="*", help="some of them; default all")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    library = json.loads(options.states.read_text()) if options.states else shipped_states()
    rows: dict[str, list[Row]] = {}
    print(f"{FUNCTIONAL}/{BASIS}; dipole error in e·Å, residual in e, time in s\n")
    for name, (atoms, charge) in molecules().items():
        if options.molecules and name not in options.molecules:
            continue
        print(f"| {name} | charges | dipole error | residual | time |\n|---|---|---|---|---|")
        for row in compare(atoms, charge, library):
            rows.setdefault(row.method, []).append(row)
            print(line(atoms, row), flush=True)
        print()
    numbers = {
        method: np.array([[r.dipole_error, r.residual, r.seconds] for r in found])
        for method, found in rows.items()
    }
    everywhere = np.all([np.isfinite(values).all(axis=1) for values in numbers.values()], axis=0)
    print(f"| mean of {everywhere.sum()} | dipole error | residual | time |\n|---|---|---|---|")
    for method, values in numbers.items():
        means = values[everywhere].mean(axis=0)
        print(f"| {method} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.2f} |")


if __name__ == "__main__":
    main()
