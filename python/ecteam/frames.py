"""Frames of a trajectory, with everything the potential says about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ecteam.calculator import ECTEAM
from ecteam.evaluate import Result
from ecteam.files import whole_file


def frame_of(atoms: Atoms, result: Result) -> Atoms:
    """Copy of the atoms with the numbers of `result` frozen in.

    Induced dipoles, where the potential has polarisabilities, become the array ``induced_dipoles``
    (n, 3), e·Å. The weights become the array ``weights`` (n, n_states_max); ``info["states"]``
    names their columns for each element, e.g. ``"H: ground cation; O: ground anion"``.
    """
    frame: Atoms = atoms.copy()
    found = {name: getattr(result, name) for name in ECTEAM.implemented_properties}
    known = {name: value for name, value in found.items() if value is not None}
    frame.calc = SinglePointCalculator(frame, **known)
    if result.potential.core.polarisable:
        frame.arrays["induced_dipoles"] = result.induced_dipoles.copy()
    frame.arrays["weights"] = result.weights.copy()
    states = dict(sorted(zip(result.symbols, result.state_names, strict=True)))
    frame.info["states"] = "; ".join(f"{el}: {' '.join(names)}" for el, names in states.items())
    return frame


def write_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write extended XYZ, whole or not at all; nothing if there are no frames."""
    if frames:
        with whole_file(path) as part:
            write(part, frames, format="extxyz")
