"""Results of reference calculations as ASE structures and extended XYZ files."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from ecteam.reference.runs import write_atomic

__all__ = ["UNITS", "failure_frame", "relative_energy", "result_frame", "write_set"]

UNITS = "energy eV; forces eV/Ang; dipole e*Ang; quadrupole e*Ang^2; charges e; lengths Ang"
"""What `info["units"]` says in every frame."""

Result = dict[str, Any]


def relative_energy(result: Result, zero: Mapping[str, float]) -> float:
    """Energy in eV above separated neutral atoms, whose total energies `zero` holds."""
    symbols = result["structure"]["symbols"]
    return float(result["energy"]) - sum(zero[symbol] for symbol in symbols)


def result_frame(result: Result, name: str, energy: float | None = None) -> Atoms:
    """Make an ASE structure that keeps everything through extended XYZ.

    Parameters
    ----------
    result : dict
        What `ecteam.reference.molecules.single_point` returned, or an older record of it.
    name : str
        Name of the structure.
    energy : float, optional
        Energy above separated neutral atoms, eV; else the total energy is written.

    Returns
    -------
    ase.Atoms
        `info`: `energy` (eV) and `energy_zero` (``neutral-atoms`` or ``nuclei-and-electrons``),
        `dipole` (e Å, from minus to plus, about the coordinate origin), `quadrupole` (e Å²,
        traceless, about the centre of the nuclear charges, in the order xx yy zz yz xz xy),
        `charge` (e), `spin` (2S), `group`,
        `name`, `level`, `grid` (PySCF grid level), `density_fit`, `program`, `converged`, `scf`
        (the rung of the ladder that converged), `solution`, `spin_square`, `units`, and if they
        were asked for `cube` and what the encoder says. `arrays`: `forces` (eV/Å; not for
        unconverged results and CCSD(T)), `hirshfeld` (e), `hirshfeld_spin`, `weights`. ASE's
        reader moves energy, forces and dipole into ``atoms.calc.results``.
    """
    structure, level = result["structure"], result["level"]
    atoms = Atoms(structure["symbols"], positions=structure["positions"])
    if result["forces"] is not None:
        atoms.arrays["forces"] = np.array(result["forces"])
    for array in ("hirshfeld", "hirshfeld_spin"):
        if array in result:
            atoms.arrays[array] = np.array(result[array])
    atoms.info.update(
        energy=round(result["energy"] if energy is None else energy, 8),
        energy_zero="nuclei-and-electrons" if energy is None else "neutral-atoms",
        dipole=np.round(result["dipole"], 8),
        charge=int(structure["charge"]),
        spin=int(structure["spin"]),
        group=structure["group"] or "none",
        name=name,
        level=f"{level['functional']}/{level['basis']}",
        grid=int(level["grid"]),
        density_fit=bool(level["density_fit"]),
        converged=bool(result.get("converged", True)),
        scf=result["scf"].replace(" ", "-"),
        solution=result["solution"].replace(" ", "-"),
        spin_square=round(result["spin_square"], 4),
        units=UNITS,
    )
    if "quadrupole" in result:
        tensor = np.round(np.asarray(result["quadrupole"], dtype=float), 8)
        atoms.info["quadrupole"] = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    if "program" in result:
        atoms.info["program"] = result["program"]
    if "cube" in result:
        atoms.info["cube"] = result["cube"]
    if "encoding" in result:
        _add_encoding(atoms, result["encoding"])
    return atoms


def _add_encoding(atoms: Atoms, encoding: Mapping[str, Any]) -> None:
    atoms.arrays["weights"] = np.array(encoding["weights"])
    named = dict(sorted(zip(atoms.symbols, encoding["states"], strict=True)))
    atoms.info["states"] = "; ".join(f"{el}: {' '.join(names)}" for el, names in named.items())
    atoms.info["encoding_metric"] = encoding["metric"]
    atoms.info["encoding_residual"] = round(encoding["residual"], 8)
    atoms.info["encoding_dipole_error"] = np.round(encoding["dipole_error"], 8)
    atoms.info["encoding_gap"] = encoding["gap"]


def failure_frame(atoms: Atoms, name: str, level: str, reason: str) -> Atoms:
    """Make the frame of a calculation that gave no numbers: the geometry and the reason."""
    frame = Atoms(atoms.symbols, positions=atoms.positions)
    one_line = " ".join(reason.split()).replace('"', "'")
    frame.info.update(name=name, level=level, converged=False, failure=one_line)
    return frame


def write_set(frames: Sequence[Atoms], path: str | os.PathLike[str]) -> None:
    """Write extended XYZ, atomically and reproducibly; gzip-compressed if the name ends in gz.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        Structures of `result_frame`.
    path : path
        Output file.
    """
    text = io.StringIO()
    ase.io.write(text, list(frames), format="extxyz")
    content = text.getvalue().encode()
    packed = gzip.compress(content, mtime=0) if os.fspath(path).endswith(".gz") else content
    write_atomic(path, packed)
