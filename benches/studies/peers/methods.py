"""Models as what makes an ASE calculator for a total charge, and the energies of their atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ecteam
from ase import Atoms
from ase.optimize import BFGS
from ecteam.reference.level import GROUND_SPIN

Maker = Callable[[float, int], Any]
"""Total charge (e) and unpaired electrons to calculator."""


@dataclass
class Method:
    """A model.

    Attributes
    ----------
    make : callable
        Makes its calculator for a total charge and a number of unpaired electrons.
    charged : bool
        Whether total charges mean anything to it.
    periodic : bool
        Whether a primitive cell is enough for a crystal.
    """

    make: Maker
    charged: bool = True
    periodic: bool = True
    atoms: dict[str, float] = field(default_factory=dict)

    def energy(self, atoms: Atoms, charge: float = 0.0, spin: int = 0) -> float:
        """Energy whose slopes are the forces, above separated neutral atoms, eV."""
        zero = sum(self.atom(symbol) for symbol in atoms.symbols)
        return self._total(atoms, charge, spin) - zero

    def atom(self, symbol: str) -> float:
        """Energy of a neutral atom, eV."""
        if symbol not in self.atoms:
            alone = Atoms(symbol, cell=[20.0] * 3, pbc=False)
            self.atoms[symbol] = self._total(alone, 0.0, GROUND_SPIN[symbol])
        return self.atoms[symbol]

    def relaxed(self, atoms: Atoms, charge: float = 0.0, spin: int = 0) -> Atoms:
        """Relax a copy to 5 meV/Å."""
        copy = self.prepared(atoms, charge, spin)
        BFGS(copy, logfile=None, maxstep=0.05).run(fmax=0.005, steps=500)
        return copy

    def prepared(self, atoms: Atoms, charge: float, spin: int) -> Atoms:
        """Copy with the calculator."""
        copy = atoms.copy()
        copy.calc = self.make(charge, spin)
        return copy

    def _total(self, atoms: Atoms, charge: float, spin: int) -> float:
        copy = self.prepared(atoms, charge, spin)
        consistent = "free_energy" in copy.calc.implemented_properties
        return float(copy.get_potential_energy(force_consistent=consistent))


def ensemble(potential: Any) -> Method:
    """Potential of this package."""
    return Method(lambda charge, _: ecteam.ECTEAM(potential, total_charge=charge))


def tight_binding() -> dict[str, Method]:
    """GFN2-xTB, if tblite is installed.

    C. Bannwarth, S. Ehlert and S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
    """
    try:
        from tblite.ase import TBLite  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return {}

    def make(charge: float, spin: int) -> Any:
        return TBLite(method="GFN2-xTB", charge=charge, multiplicity=spin + 1, verbosity=0)

    return {"GFN2-xTB": Method(make, periodic=False)}


def fitted(name: str, others: Sequence[str]) -> dict[str, Method]:
    """Shipped potential and more potential files."""
    return {Path(other).stem: ensemble(ecteam.load(other)) for other in (name, *others)}
