"""Dissociation curves of alkali halide molecules: an ion pair, and neutral atoms beyond.

``python -m ecteam.reference.ion_pairs -o ion-pairs.extxyz.gz --runs DIR``

Where the ions are the ground state the energy is that of the closed shell, MP2 in def2-QZVPPD with
fitted densities and the step to CCSD(T) in def2-SVPD, relative to the separated *ions* at the same
level; to neutral atoms it is that plus the observed ionisation energy minus the observed electron
affinity. So the curves have the right limits and the right crossing, and no delocalisation error: a
density functional leaves a tenth of an electron too much on the metal of a stretched pair. Dipole:
central difference of MP2 energies in a field. Beyond the crossing, where the pair's energy would be
positive, the ground state is two neutral atoms: energy, forces and dipole zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyscf
from ase import Atoms
from ase.symbols import string2symbols
from numpy.typing import NDArray
from pyscf import cc, gto, scf
from pyscf.mp import dfmp2
from scipy.linalg import block_diag

from ecteam.reference.frames import write_set
from ecteam.reference.halides import PAIRS
from ecteam.reference.runs import collect_runs, run_tasks
from ecteam.reference.salts import coulomb_crossing, separation
from ecteam.reference.units import BOHR, HARTREE

__all__ = ["ion_pair", "pair_frames"]

Array = NDArray[np.float64]
Record = dict[str, Any]

BASIS, LARGE = "def2-SVPD", "def2-QZVPPD"
CORE = {"Li": 0, "Na": 1, "K": 5, "F": 1, "Cl": 5}
"""Orbitals that are not correlated: the shell below the valence of a cation counts."""
FIELD = 0.002
"""Atomic units, for the dipole."""
SCALES = (1.0, 0.94, 1.06, 0.88, 1.18, 1.4, 1.7, 2.1, 2.6, 0.8, 3.3, 0.97, 1.03, 1.28, 4.3)
"""Distances in units of the bond length, as far as the ions are the ground state; the most
important first."""
BEYOND = (1.1, 1.25, 1.5)
"""Distances of the neutral atoms in units of the crossing radius."""
LEVEL = f"MP2/{LARGE}+CCSD(T)/{BASIS}"


def ion_pair(formula: str, distance: float) -> Record:
    """Energy above the separated ions (eV) and dipole (e·Å, towards the metal) of a metal halide.

    Parameters
    ----------
    formula : str
        Metal and halogen, ``NaCl``.
    distance : float
        Å.

    Returns
    -------
    dict
        ``energy``, ``dipole``, ``level``, ``program``.

    Raises
    ------
    RuntimeError
        If Hartree-Fock or coupled cluster do not converge.
    """
    metal, halogen = string2symbols(formula)
    pair = [(halogen, (0.0, 0.0, 0.0)), (metal, (0.0, 0.0, distance))]
    total = _composite(pair, 0)
    ions = _ion_energy(halogen, -1) + _ion_energy(metal, 1)
    field = _hartree_fock(pair, 0, LARGE)
    frozen = CORE[metal] + CORE[halogen]
    up, down = (_second_order(_in_field(field, s * FIELD), frozen) for s in (1.0, -1.0))
    return {
        "energy": (total - ions) * HARTREE,
        "dipole": (down - up) / (2.0 * FIELD) * BOHR + _nuclear_dipole(field.mol),
        "level": LEVEL,
        "program": f"PySCF {pyscf.__version__}",
    }


@lru_cache
def _ion_energy(symbol: str, charge: int) -> float:
    return _composite([(symbol, (0.0, 0.0, 0.0))], charge)


def _composite(places: Sequence[Any], charge: int) -> float:
    """MP2 in the larger basis with the step to CCSD(T) in the smaller one, Hartree."""
    frozen = sum(CORE[symbol] for symbol, _ in places)
    small, large = (_hartree_fock(places, charge, basis) for basis in (BASIS, LARGE))
    cluster = cc.RCCSD(small, frozen=frozen or None)
    cluster.conv_tol = 1e-8
    cluster.kernel()
    if not cluster.converged:
        raise RuntimeError("CCSD did not converge")
    triples = float(cluster.ccsd_t()) if small.mol.nelectron > 2 else 0.0
    step = _second_order(large, frozen) - _second_order(small, frozen)
    return float(cluster.e_tot) + triples + step


def _hartree_fock(places: Sequence[Any], charge: int, basis: str) -> Any:
    """Converge the closed shell of the ions, from their densities."""
    molecule = gto.M(atom=list(places), basis=basis, charge=charge, unit="Angstrom", verbose=0)
    guess = None
    if len(places) > 1:
        ions = zip(places, (-1, 1), strict=True)
        guess = block_diag(*(_ion_density(symbol, q, basis) for (symbol, _), q in ions))
    return _converged(scf.RHF(molecule).density_fit(), guess)


@lru_cache
def _ion_density(symbol: str, charge: int, basis: str) -> Array:
    field = _hartree_fock([(symbol, (0.0, 0.0, 0.0))], charge, basis)
    return np.asarray(field.make_rdm1())


def _in_field(field: Any, strength: float) -> Any:
    """Converge the same determinant in a field along the axis, without the nuclei's share."""
    other = scf.RHF(field.mol).density_fit()
    push = strength * field.mol.intor("int1e_r")[2]
    core = field.get_hcore() + push
    other.get_hcore = lambda *_: core
    other.with_df = field.with_df
    return _converged(other, field.make_rdm1())


def _converged(field: Any, guess: Array | None) -> Any:
    field.conv_tol = 1e-10
    field.kernel(dm0=guess)
    if not field.converged:
        field = field.newton()
        field.kernel(dm0=guess)
    if not field.converged:
        raise RuntimeError("Hartree-Fock did not converge")
    return field


def _second_order(field: Any, frozen: int) -> float:
    perturbation = dfmp2.DFMP2(field, frozen=frozen or None)
    perturbation.kernel()
    return float(perturbation.e_tot)


def _nuclear_dipole(molecule: Any) -> float:
    return float(molecule.atom_charges() @ molecule.atom_coords()[:, 2]) * BOHR


def pair_tasks() -> dict[str, partial[Record]]:
    """Every ion pair, by name."""
    return {
        f"{formula}-{scale:.2f}": partial(ion_pair, formula, round(scale * bond, 4))
        for scale in SCALES
        for formula, bond in PAIRS.items()
        if scale * bond < 0.95 * coulomb_crossing(formula)
    }


def pair_frames(records: Mapping[str, Record]) -> list[Atoms]:
    """Curves with the ``info`` keys of the molecular data sets, energies above neutral atoms."""
    frames = []
    for name, task in pair_tasks().items():
        if name in records:
            formula, distance = task.args
            energy = records[name]["energy"] + separation(formula)
            frames.append(_frame(name, task.args, energy, records[name]["dipole"], LEVEL))
    for formula in PAIRS:
        for scale in BEYOND:
            distance = round(scale * coulomb_crossing(formula), 4)
            name = f"{formula}-atoms-{scale:.2f}"
            frame = _frame(name, (formula, distance), 0.0, 0.0, "neutral atoms")
            frame.arrays["forces"] = np.zeros((2, 3))
            frames.append(frame)
    return frames


def _frame(name: str, pair: tuple[str, float], energy: float, dipole: float, level: str) -> Atoms:
    atoms = Atoms(pair[0], positions=[[0.0, 0.0, pair[1]], [0.0, 0.0, 0.0]])
    atoms.info.update(
        energy=round(energy, 8),
        energy_zero="neutral-atoms",
        dipole=np.round([0.0, 0.0, dipole], 8),
        charge=0,
        group="ion-pair",
        name=name,
        level=level,
        converged=True,
        suspect=False,
    )
    return atoms


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what has no record, write the set; returns the exit status, 1 after a failure."""
    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.ion_pairs")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    parser.add_argument("--runs", required=True, help="run folder; resumed if it exists")
    options = parser.parse_args(arguments)
    run_tasks(pair_tasks(), options.runs, description="ion pairs")
    records, failures = collect_runs(options.runs)
    write_set(pair_frames(records), options.output)
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
