"""ASE calculator."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes, compare_atoms

from ecteam import _core
from ecteam.evaluate import Device, Precision, Result, make_evaluator, run
from ecteam.potential import Potential, load
from ecteam.structure import Arrays, Charge, arrays_of, charge_of

_TOLERANCE = 1e-15  # ASE's: below the resolution of a coordinate
_IGNORED = frozenset({"initial_charges", "initial_magmoms"})


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
    dipole         e·Å     (3,), of charges and induced dipoles
    =============  ======  =================================================

    Parameters
    ----------
    potential : str, Path or Potential
        See :func:`ecteam.load`.
    total_charge : float or (f,) array_like, optional
        Of all atoms, or of each fragment, e. Default: ``atoms.info["charge"]``, else 0.
    fragments : (n,) array_like of int, optional
        Fragment of each atom; see :func:`ecteam.evaluate`. Default: ``atoms.arrays["fragments"]``,
        else one fragment.
    device : str
        ``"cpu"`` or ``"cuda"``, see :func:`ecteam.evaluate`.
    precision : str
        ``"double"`` or, on a CUDA device, ``"mixed"``; see :func:`ecteam.evaluate`.
    **options
        See :func:`ecteam.evaluate`.

    Attributes
    ----------
    result : Result or None
        The last result: weights, induced dipoles, background density, convergence.
    atoms : Atoms or None
        A copy of the atoms of the last calculation.

    Raises
    ------
    InvalidInputError, PotentialFormatError, NotConvergedError, DeviceError
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
    ignored_changes = set(_IGNORED)  # noqa: RUF012 (ASE's type)

    def __init__(
        self,
        potential: str | Path | Potential = "water",
        total_charge: float | npt.ArrayLike | None = None,
        *,
        fragments: npt.ArrayLike | None = None,
        device: Device = "cpu",
        precision: Precision = "double",
        **options: Any,
    ) -> None:
        self._last = LastAtoms()
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential = load(potential)
        self.total_charge = total_charge
        self.fragments = fragments
        self.result: Result | None = None
        self._device: Device = device
        self._precision: Precision = precision
        self._options = options
        self._charge_used: Charge | None = None
        self._arrays: Arrays | None = None
        self._evaluator = make_evaluator(self.potential, device, precision, **options)

    @property
    def atoms(self) -> Atoms | None:
        """A copy of the atoms of the last calculation."""
        return self._last.lend()

    @atoms.setter
    def atoms(self, atoms: Atoms | None) -> None:
        self._last.replace(atoms)

    def _charge(self, atoms: Atoms) -> Charge:
        return charge_of(atoms, self.total_charge, self.fragments)

    def check_state(self, atoms: Atoms, tol: float = _TOLERANCE) -> list[str]:
        """List what changed since the last calculation, the total charge included."""
        changes = self._last.changes(atoms, tol, self.ignored_changes)
        if not self._charge(atoms).same(self._charge_used):
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
        others = set(system_changes) - {"positions"}
        if self._arrays is None or others:
            self._arrays = arrays_of(atoms)
        else:
            positions = np.ascontiguousarray(atoms.positions, dtype=np.float64)
            self._arrays = self._arrays._replace(positions=positions)
        self._last.remember(atoms)
        if others & {"numbers", "pbc", "total_charge"}:
            self._evaluator.reset()
        self._charge_used = self._charge(atoms)
        self.result = run(self._evaluator, self._arrays, self.potential, self._charge_used)
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
        self._evaluator = make_evaluator(
            self.potential, self._device, self._precision, **self._options
        )


class LastAtoms:
    """The atoms of the last calculation, as ASE's calculators keep them, at less cost.

    ASE copies the atoms at every call, and compares all their arrays by `numpy.allclose`: most of
    the time of a small system. Here one copy is written over until somebody has asked for it.
    """

    def __init__(self) -> None:
        self._copy: Atoms | None = None
        self._valid = False
        self._lent = False

    def lend(self) -> Atoms | None:
        """Give the copy away: it is not written over from now on."""
        if not self._valid:
            return None
        self._lent = True
        return self._copy

    def replace(self, atoms: Atoms | None) -> None:
        """Take other atoms as the last ones; None to forget."""
        self._valid = atoms is not None
        if atoms is not None:
            self._copy, self._lent = atoms, True

    def changes(self, atoms: Atoms, tol: float, ignored: set[str]) -> list[str]:
        """List what differs, as :func:`ase.calculators.calculator.compare_atoms`."""
        last = self._copy
        if not self._valid or last is None:
            return list(all_changes)
        here, there = last.arrays, atoms.arrays
        plain = tol <= _TOLERANCE and ignored >= _IGNORED
        if not plain or len(last) != len(atoms):
            found: list[str] = compare_atoms(last, atoms, tol, ignored)
            return found
        found = [name for name in ("positions", "numbers") if _differ(here[name], there[name])]
        if _differ(last.cell.array, atoms.cell.array):
            found.append("cell")
        if _differ(last.pbc, atoms.pbc):
            found.append("pbc")
        return found

    def remember(self, atoms: Atoms) -> None:
        """Keep a copy of these atoms."""
        self._valid = True
        last = self._copy
        if last is None or self._lent or not _alike(last, atoms):
            self._copy, self._lent = atoms.copy(), False
            return
        for name, values in atoms.arrays.items():
            last.arrays[name][...] = values
        last.cell.array[...] = atoms.cell.array
        last.pbc[...] = atoms.pbc
        last.info = copy.deepcopy(atoms.info) if atoms.info else {}


def _differ(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Return True if a number differs; half the time of ``(a != b).any()`` for a few."""
    return bool(np.count_nonzero(a != b))


def _alike(last: Atoms, atoms: Atoms) -> bool:
    """Return True if a copy can be written over: the same arrays, and no constraints."""
    if last.constraints or atoms.constraints or last.arrays.keys() != atoms.arrays.keys():
        return False
    for name, values in atoms.arrays.items():
        kept = last.arrays[name]
        if kept.shape != values.shape or kept.dtype != values.dtype:
            return False
    return True
