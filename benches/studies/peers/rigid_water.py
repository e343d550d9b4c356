"""TIP4P water of ASE: rigid molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.tip4p import TIP4P, angleHOH, rOH
from ase.constraints import FixBondLengths
from ase.optimize import FIRE

from .methods import Method
from .tables import Absent


class RigidWater(Method):
    """Method whose relaxation keeps the molecules as they are in the model."""

    def relaxed(self, atoms: Atoms, charge: float = 0.0, spin: int = 0) -> Atoms:
        """Relax a copy to 5 meV/Å with molecules of the model's shape."""
        copy = atoms.copy()
        for k in range(0, len(copy), 3):
            _set_shape(copy, k)
        bonds = [
            (k + a, k + b) for k in range(0, len(copy), 3) for a, b in ((0, 1), (0, 2), (1, 2))
        ]
        copy.set_constraint(FixBondLengths(bonds))
        copy.calc = self.make(copy, charge, spin)
        FIRE(copy, logfile=None, maxstep=0.05).run(fmax=0.005, steps=2000)
        return copy


def _set_shape(atoms: Atoms, first: int) -> None:
    """Give a molecule O, H, H the bond length and the angle of the model."""
    for hydrogen in (first + 1, first + 2):
        atoms.set_distance(first, hydrogen, rOH, fix=0)
    angle = atoms.get_angle(first + 1, first, first + 2)
    half = (angleHOH - angle) / 2.0
    normal = _normal(atoms, first)
    for hydrogen, sign in ((first + 1, -1.0), (first + 2, 1.0)):
        one = Atoms("H", positions=[atoms.positions[hydrogen]])
        one.rotate(sign * half, normal, center=atoms.positions[first])
        atoms.positions[hydrogen] = one.positions[0]


def _normal(atoms: Atoms, first: int) -> Any:
    a, b = (atoms.positions[first + k] - atoms.positions[first] for k in (1, 2))
    return np.cross(a, b)


def rigid_water() -> dict[str, Method]:
    """TIP4P: energies are those between molecules."""

    def make(atoms: Atoms, charge: float, spin: int) -> Any:
        if len(atoms) % 3:
            raise Absent("only whole molecules")
        return TIP4P(rc=30.0)

    about = (
        "rigid molecules, W. L. Jorgensen et al., J. Chem. Phys. 79, 926 (1983), in ASE; it binds "
        "molecules and cannot break them"
    )
    return {"TIP4P": RigidWater(make, about, charged=False, polar=False, rigid=True)}
