"""ASE calculator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ecteam import _core
from ecteam.evaluate import Result, run
from ecteam.potential import Potential, load
from ecteam.structure import total_charge_of


class ECTEAM(Calculator):
    """ECT-EAM for ASE. Neighbour list and weights are kept from call to call.

    =============  ======  =================================================
    property       unit    shape and meaning
    =============  ======  =================================================
    energy         eV      float, without the entropy of the ensemble
    free_energy    eV      float, with it; what the forces conserve
    energies       eV      (n,)
    forces         eV/Å    (n, 3), −∂(free energy)/∂R
    stress         eV/Å³   (6,) xx yy zz yz xz xy; fully periodic cells only
    charges        e       (n,)
    dipole         e·Å     (3,)
    =============  ======  =================================================

    Parameters
    ----------
    potential : str, Path or Potential
        See :func:`ecteam.load`.
    total_charge : float, optional
        e. Default: ``atoms.info["charge"]``, else 0.
    **options
        See :func:`ecteam.evaluate`.

    Attributes
    ----------
    result : Result or None
        The last result: weights, background density, convergence.

    Raises
    ------
    InvalidInputError, PotentialFormatError, NotConvergedError
        As :func:`ecteam.evaluate`.
    PropertyNotImplementedError
        For the stress of a system that is not periodic in all directions.
    """

    implemented_properties = [  # noqa: RUF012 (ASE's type)
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "charges",
        "dipole",
    ]
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (ASE's type)

    def __init__(
        self,
        potential: str | Path | Potential = "water",
        total_charge: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential = load(potential)
        self.total_charge = total_charge
        self.result: Result | None = None
        self._options = options
        self._charge_used: float | None = None
        self._evaluator = _core.Evaluator(self.potential.core, **options)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """List what changed since the last calculation, the total charge included."""
        changes: list[str] = super().check_state(atoms, tol)  # type: ignore[no-untyped-call]
        if total_charge_of(atoms, self.total_charge) != self._charge_used:
            changes.append("total_charge")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties; see the class."""
        atoms = self.atoms if atoms is None else atoms
        if atoms is None:
            raise _core.InvalidInputError("atoms: none given, and none from an earlier call")
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        if {"numbers", "pbc", "total_charge"} & set(system_changes):
            self._evaluator.reset()
        self._charge_used = total_charge_of(atoms, self.total_charge)
        self.result = run(self._evaluator, atoms, self.potential, self._charge_used)
        self.results = {
            name: value
            for name in self.implemented_properties
            if (value := getattr(self.result, name)) is not None
        }

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the evaluator, which is rebuilt cold."""
        return {key: value for key, value in self.__dict__.items() if key != "_evaluator"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with a fresh evaluator."""
        self.__dict__.update(state)
        self._evaluator = _core.Evaluator(self.potential.core, **self._options)
