"""Models as what makes an ASE calculator, and the energies of their atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ecteam
import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from ase.units import Debye
from ecteam.reference.level import GROUND_SPIN

Maker = Callable[[Atoms, float, int], Any]
"""Structure, total charge (e) and unpaired electrons to calculator."""


@dataclass
class Method:
    """A model.

    Attributes
    ----------
    make : callable
        Makes its calculator for a structure, a total charge and a number of unpaired electrons.
    about : str
        What it is and where it comes from.
    charged : bool
        Whether total charges mean anything to it.
    polar : bool
        Whether it has charges and dipoles.
    periodic : bool
        Whether a primitive cell is enough for a crystal.
    rigid : bool
        Whether its molecules have no inner degrees of freedom.
    """

    make: Maker
    about: str
    charged: bool = True
    polar: bool = True
    periodic: bool = True
    rigid: bool = False
    atoms: dict[str, float] = field(default_factory=dict)

    def energy(self, atoms: Atoms, charge: float = 0.0, spin: int = 0) -> float:
        """Energy whose slopes are the forces, above separated neutral atoms, eV."""
        zero = sum(self.atom(symbol) for symbol in atoms.symbols)
        return energy_of(self.prepared(atoms, charge, spin)) - zero

    def atom(self, symbol: str) -> float:
        """Energy of a neutral atom, eV."""
        if symbol not in self.atoms:
            alone = Atoms(symbol, cell=[20.0] * 3, pbc=False)
            self.atoms[symbol] = energy_of(self.prepared(alone, 0.0, GROUND_SPIN[symbol]))
        return self.atoms[symbol]

    def dipole(self, atoms: Atoms) -> float:
        """Absolute dipole, D."""
        moment = self.prepared(atoms, 0.0, 0).get_dipole_moment()
        return float(np.linalg.norm(moment)) / Debye

    def charges(self, atoms: Atoms) -> Any:
        """E."""
        return self.prepared(atoms, 0.0, 0).get_charges()

    def relaxed(self, atoms: Atoms, charge: float = 0.0, spin: int = 0) -> Atoms:
        """Relax a copy to 5 meV/Å."""
        copy = self.prepared(atoms, charge, spin)
        BFGS(copy, logfile=None, maxstep=0.05).run(fmax=0.005, steps=500)
        return copy

    def prepared(self, atoms: Atoms, charge: float, spin: int) -> Atoms:
        """Copy with the calculator and the unpaired electrons."""
        copy = atoms.copy()
        copy.set_initial_magnetic_moments([float(spin)] + [0.0] * (len(copy) - 1))
        copy.calc = self.make(copy, charge, spin)
        return copy


def energy_of(atoms: Atoms) -> float:
    """Give the energy whose slopes are the forces, eV."""
    consistent = "free_energy" in atoms.calc.implemented_properties
    return float(atoms.get_potential_energy(force_consistent=consistent))


def ensemble(potential: Any, about: str) -> Method:
    """Potential of this package."""
    return Method(lambda atoms, charge, _: ecteam.ECTEAM(potential, total_charge=charge), about)


def fitted(name: str, others: Sequence[str]) -> dict[str, Method]:
    """Shipped potential and more potential files."""
    found = {name: ensemble(ecteam.load(name), "the shipped potential")}
    return found | {Path(o).stem: ensemble(ecteam.load(o), f"{Path(o).name}") for o in others}


def unfitted(note: str = "fitted to nothing", **options: Any) -> dict[str, Method]:
    """Let the library of states make potentials of the elements, fitted to nothing."""
    known: dict[tuple[str, ...], Any] = {}

    def make(atoms: Atoms, charge: float, _: int) -> Any:
        elements = tuple(sorted(set(atoms.symbols)))
        if elements not in known:
            known[elements] = ecteam.Potential.from_library(elements, **options)
        return ecteam.ECTEAM(known[elements], total_charge=charge)

    words = ", ".join(f"{key}={value!r}" for key, value in options.items())
    about = f"Potential.from_library({words}), {note}"
    return {"not fitted": Method(make, about)}


def tight_binding() -> dict[str, Method]:
    """GFN2-xTB, if tblite is installed."""
    if find_spec("tblite") is None:
        return {}
    from tblite.ase import TBLite  # type: ignore[import-not-found,import-untyped,unused-ignore]

    def make(atoms: Atoms, charge: float, spin: int) -> Any:
        return TBLite(method="GFN2-xTB", charge=charge, multiplicity=spin + 1, verbosity=0)

    about = (
        "C. Bannwarth, S. Ehlert and S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019), by "
        "tblite; crystals at the Γ point of a large cell"
    )
    return {"GFN2-xTB": Method(make, about, periodic=False)}
