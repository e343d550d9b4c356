"""Structures that ship with the package."""

from __future__ import annotations

import io
from importlib.resources import files

from ase import Atoms
from ase.io import read

_DATA = files("ecteam") / "data" / "structures"


def shipped(name: str) -> Atoms:
    """Read a structure of ``data/structures`` by its name without the suffix."""
    text = (_DATA / f"{name}.extxyz").read_text(encoding="utf-8")
    atoms = read(io.StringIO(text), index=-1, format="extxyz")
    assert isinstance(atoms, Atoms)
    return atoms
