"""Reference geometries for a fit: energies, forces, dipoles, and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.io import read

FloatArray = npt.NDArray[np.float64]

HELD_OUT_EVERY = 10
"""Every tenth geometry of a group is never fitted."""
HIGHEST_ENERGY = 2.0
"""eV/atom above the lowest geometry of the same composition: higher molecules are left out.
Compressed crystals and walls stay, they keep the fit from collapsing."""


@dataclass(frozen=True)
class Dataset:
    """Geometries of n structures with N atoms in all.

    Attributes
    ----------
    structures : sequence of ase.Atoms
        With ``charge`` and ``group`` in ``info``.
    energies : (n,) float64
        Relative to isolated neutral atoms, eV.
    forces : (N, 3) float64
        eV/Å.
    dipoles : (n, 3) float64
        About the coordinate origin, e·Å; NaN where there is none (crystals, walls).
    held_out : (n,) bool
        Never fitted.
    excess : (n,) float64
        Energy above the lowest geometry of the same composition and charge, eV/atom.
    """

    structures: Sequence[Atoms]
    energies: FloatArray
    forces: FloatArray
    dipoles: FloatArray
    held_out: npt.NDArray[np.bool_]
    excess: FloatArray

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of atoms of each structure, (n,)."""
        return np.array([len(atoms) for atoms in self.structures], dtype=np.int64)

    @property
    def groups(self) -> list[str]:
        """Name of the group of each structure."""
        return [str(atoms.info["group"]) for atoms in self.structures]


def load_dataset(*paths: str | Path) -> Dataset:
    """Read extended XYZ files written by :mod:`ecteam.reference.datasets` or `crystals`.

    Unconverged and suspect geometries, and molecules more than 2 eV/atom above the lowest of the
    same composition (crystals and molecules apart), are left out. In each group the 6th, 16th,
    26th … geometry is held out.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    frames = [atoms for path in paths for atoms in read(path, ":") if _usable(atoms)]
    energies = np.array([atoms.info["energy"] for atoms in frames])
    sizes = np.array([len(atoms) for atoms in frames])
    kinds = np.array([_kind(atoms) for atoms in frames])
    excess = np.empty(len(frames))
    for kind in np.unique(kinds):
        chosen = kinds == kind
        # Neutral atoms far apart (energy 0) are a geometry of every neutral composition.
        lowest = min(energies[chosen].min(), 0.0 if "+0" in kind else np.inf)
        excess[chosen] = (energies[chosen] - lowest) / sizes[chosen]
    stiff = np.array([atoms.pbc.any() or atoms.info["group"] == "wall" for atoms in frames])
    kept = np.flatnonzero(stiff | (excess <= HIGHEST_ENERGY)).tolist()
    if not kept:
        raise ValueError(f"{paths}: no usable geometry")
    structures = [frames[k] for k in kept]
    return Dataset(
        structures=structures,
        energies=energies[kept],
        forces=np.concatenate([atoms.arrays["reference_forces"] for atoms in structures]),
        dipoles=np.array([_dipole(atoms) for atoms in structures]),
        held_out=_every_tenth([str(atoms.info["group"]) for atoms in structures]),
        excess=excess[kept],
    )


def _dipole(atoms: Atoms) -> FloatArray:
    """Give the reference dipole; a periodic cell has none of its own."""
    none = np.full(3, np.nan)
    found = atoms.info.get("dipole")
    return none if atoms.pbc.any() or found is None else np.asarray(found, dtype=float)


def _kind(atoms: Atoms) -> str:
    return f"{atoms.get_chemical_formula()}{atoms.info['charge']:+g} {atoms.pbc.any()}"


def _usable(atoms: Atoms) -> bool:
    """Keep converged geometries; ASE moves known arrays into a calculator: copy them back."""
    if not atoms.info.get("converged", True) or atoms.info.get("suspect", False):
        return False
    if atoms.calc is not None:
        results = atoms.calc.results
        atoms.info.setdefault("energy", results.get("energy"))
        if "dipole" in results:
            atoms.info.setdefault("dipole", results["dipole"])
        atoms.arrays["reference_forces"] = np.asarray(results["forces"])
    else:
        atoms.arrays["reference_forces"] = atoms.arrays["forces"]
    return len(atoms) > 1


def _every_tenth(groups: Sequence[str]) -> npt.NDArray[np.bool_]:
    seen: dict[str, int] = {}
    held_out = np.zeros(len(groups), dtype=bool)
    for k, group in enumerate(groups):
        held_out[k] = seen.get(group, 0) % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
        seen[group] = seen.get(group, 0) + 1
    return held_out
