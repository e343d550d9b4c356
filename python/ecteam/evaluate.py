"""Energy, forces, charges and state weights of one structure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols

from ecteam import _core
from ecteam.options import check_options
from ecteam.potential import Potential, load
from ecteam.structure import Arrays, Charge, FloatArray, arrays_of, charge_of
from ecteam.systems import System, error_of, systems_of

if TYPE_CHECKING:
    from ecteam.cuda.eam import OneStateEvaluator
    from ecteam.cuda.evaluator import EnsembleEvaluator

    Evaluator: TypeAlias = _core.Evaluator | OneStateEvaluator | EnsembleEvaluator

Device = Literal["cpu", "cuda"]
Precision = Literal["double", "mixed"]

_log = logging.getLogger("ecteam")
_LOWER_BRANCH = (
    "another branch of the state weights lies %.3g eV below the one followed; a new calculator, "
    "or ECTEAM.reset(), starts from the lowest"
)


@dataclass(frozen=True, eq=False)
class Result:
    """What the potential says about a structure of n atoms.

    Attributes
    ----------
    energy : float
        Energy at the minimising weights, without the entropy term, eV.
    free_energy : float
        With the entropy term, eV: the quantity the forces are the slope of.
    energies : (n,) float64
        Share of each atom, eV.
    forces : (n, 3) float64
        −∂(free energy)/∂R, eV/Å.
    stress : (6,) float64 or None
        xx yy zz yz xz xy, eV/Å³, positive when stretched; None unless fully periodic.
    weights : (n, n_states_max) float64
        Ensemble weights, in the order of `state_names`, padded with 0.
    charges : (n,) float64
        e.
    induced_dipoles : (n, 3) float64
        e·Å; zero where the potential has no polarisabilities.
    background : (n,) float64
        Density of all other atoms at each nucleus, e/Å³.
    chemical_potentials : (f,) float64
        Lagrange multiplier of the charge of each fragment, eV/e; one if none were given.
    chemical_potential : float
        The only one of them.
    kkt_residual : float
        Largest violation of the optimality conditions of the weights (and dipoles), eV.
    hessian_products, iterations : int
        Work done by the minimisation.
    positive_definite : bool
        True if the weights are a strict minimum.
    dipole : (3,) float64
        Of charges and induced dipoles, e·Å, about the origin of the coordinates.
    lower_branch : float or None
        How far another branch of weights lies below the one followed, eV. Small systems that are
        followed by a warm calculator compare branches every ``branch_interval`` calls; None if
        none was looked for, or none is lower.
    timings : dict of str to float
        Wall time in seconds: ``neighbors`` (the list, checked or built), ``density`` (radial
        functions of all pairs), ``weights`` (their minimisation, without its long-ranged sums),
        ``weights_long_range`` (the long-ranged sums of the minimisation), ``long_range`` (their
        preparation, and those of the forces), ``forces``, ``terms`` (learned). The parts do not
        overlap.
    potential : Potential
        The potential used.
    numbers : (n,) uint8
        Atomic numbers.
    symbols : tuple of str
        Chemical symbol of each atom.
    state_names : tuple of tuples of str
        Names of the states of each atom.
    """

    energy: float
    free_energy: float
    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None
    weights: FloatArray
    charges: FloatArray
    induced_dipoles: FloatArray
    background: FloatArray
    chemical_potentials: FloatArray
    kkt_residual: float
    hessian_products: int
    iterations: int
    positive_definite: bool
    dipole: FloatArray
    lower_branch: float | None
    timings: dict[str, float]
    potential: Potential
    numbers: npt.NDArray[np.uint8]

    @property
    def chemical_potential(self) -> float:
        """Lagrange multiplier of the total charge, dA/dQ, eV/e.

        Raises
        ------
        InvalidInputError
            If charges of several fragments were given.
        """
        if len(self.chemical_potentials) != 1:
            raise _core.InvalidInputError(
                f"chemical_potential: there are {len(self.chemical_potentials)} fragments, each "
                "with its own; see chemical_potentials"
            )
        return float(self.chemical_potentials[0])

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbol of each atom."""
        return tuple(chemical_symbols[number] for number in self.numbers)

    @cached_property
    def state_names(self) -> tuple[tuple[str, ...], ...]:
        """Names of the states of each atom."""
        states = {symbol: tuple(names) for symbol, names in self.potential.elements.items()}
        return tuple(states[symbol] for symbol in self.symbols)

    def weights_of(self, i: int) -> dict[str, float]:
        """Weights of atom `i` by the name of the state.

        Raises
        ------
        IndexError
            If there is no such atom.
        """
        names = self.state_names[i]
        return dict(zip(names, self.weights[i, : len(names)].tolist(), strict=True))


_ENGINE_FIELDS = (
    "energy free_energy energies forces stress weights charges induced_dipoles background "
    "chemical_potentials kkt_residual hessian_products iterations positive_definite dipole "
    "lower_branch"
).split()
_engine_values = attrgetter(*_ENGINE_FIELDS)


@overload
def evaluate(
    atoms: Atoms,
    potential: str | Path | Potential,
    total_charge: float | npt.ArrayLike | None = None,
    *,
    fragments: npt.ArrayLike | None = None,
    device: Device = "cpu",
    precision: Precision = "double",
    **options: Any,
) -> Result: ...


@overload
def evaluate(
    atoms: Sequence[Atoms],
    potential: str | Path | Potential,
    total_charge: float | Sequence[float | npt.ArrayLike | None] | None = None,
    *,
    fragments: Sequence[npt.ArrayLike | None] | None = None,
    device: Device = "cpu",
    precision: Precision = "double",
    **options: Any,
) -> list[Result]: ...


def evaluate(
    atoms: Atoms | Sequence[Atoms],
    potential: str | Path | Potential,
    total_charge: Any = None,
    *,
    fragments: Any = None,
    device: Device = "cpu",
    precision: Precision = "double",
    **options: Any,
) -> Result | list[Result]:
    """Minimise over the state weights and return energy, forces, charges, weights.

    Parameters
    ----------
    atoms : ase.Atoms or sequence of ase.Atoms
        Any cell, any mix of periodic directions. Of several structures each is evaluated as if it
        were alone; on a device small ones share a launch, on the CPU they share the cores.
    potential : str, Path or Potential
        See :func:`ecteam.load`.
    total_charge : float or (f,) array_like, optional
        Charge of the whole system, or of each fragment, e. Default: ``atoms.info["charge"]``,
        else 0. For several structures: one number for all, or one of these for each.
    fragments : (n,) array_like of int, optional
        Fragment of each atom, from 0 to f − 1: no charge flows between fragments, at any distance.
        Default: ``atoms.arrays["fragments"]``, else one fragment. For molecules that are far apart
        or separated by more than the electrons tunnel; see the README on charge between molecules.
        For several structures: one of these, or None, for each.
    device : str
        ``"cpu"``, or ``"cuda"`` for the CUDA device that CuPy has made current. There the solver
        is the Krylov one. A structure of up to 64 atoms (fewer with many states) and one fragment
        takes a handful of launches, its Ewald sum is a plain one unless `electrostatics` is
        ``"pme"``; not so with induced dipoles, or with learned terms in a periodic cell. All others
        take some ten launches a Hessian product, and make periodic sums on a mesh.
    precision : str
        ``"double"``; or, on a CUDA device, ``"mixed"``: the functions of pairs of atoms in single
        precision, added up in double. Forces of water, salt and copper differed by less than
        1e-4 eV/Å.
    **options
        ``tolerance=1e-8`` (KKT residual, eV), ``electrostatics="auto"``, ``accuracy=1e-6``
        (relative, of the long-range sum), ``solver="auto"`` (or ``"dense"``, ``"krylov"``),
        ``skin=0.5`` (Å), ``max_iterations=200``, ``branch_interval=20`` (calls of a warm
        calculator between two looks for a lower branch of weights; 0 for never),
        ``shadow=False`` (True, for a calculator that follows dynamics with steps of one length:
        after seven converged steps the weights are propagated by an extended Lagrangian
        (Niklasson, J. Chem. Phys. 147, 054103 (2017)), two Hessian products a step;
        `tolerance` does not apply, look at `Result.kkt_residual`, and at the drift: below
        1e-6 eV/atom/ps for water with steps of 0.25 fs, 2e-4 with 0.5 fs; not for induced dipoles,
        and not on a device).

    Returns
    -------
    Result or list of Result
        One for each structure.

    Raises
    ------
    InvalidInputError
        If an argument is outside its range; the message names it. Of several structures the first
        with an error is named, as ``atoms[k]``; so for the errors below.
    NotConvergedError
        If the weights do not reach `tolerance`.
    DeviceError
        If the device, or enough of its memory, is not to be had.
    """
    potential = load(potential)
    evaluator = make_evaluator(potential, device, precision, **options)
    if isinstance(atoms, Sequence) and not isinstance(atoms, str):
        systems = systems_of(atoms, total_charge, fragments)
        return run_all(evaluator, systems, potential)
    system, charge = arrays_of(atoms), charge_of(atoms, total_charge, fragments)
    return run(evaluator, system, potential, charge)


def make_evaluator(
    potential: Potential, device: Device, precision: Precision = "double", **options: Any
) -> Evaluator:
    """Return what evaluates a potential on a device."""
    check_options(options)
    if device == "cpu":
        if precision != "double":
            raise _core.InvalidInputError(
                f"precision: must be 'double' on the CPU, got {precision!r}"
            )
        return _core.Evaluator(potential.core, **options)
    if device != "cuda":
        raise _core.InvalidInputError(f"device: must be 'cpu' or 'cuda', got {device!r}")
    from ecteam.cuda.backend import CupyBackend
    from ecteam.cuda.eam import OneStateEvaluator
    from ecteam.cuda.single import SizedEvaluator

    kind = OneStateEvaluator if potential.core.one_state else SizedEvaluator
    return kind(potential.core, CupyBackend(), precision, **options)


def run(
    evaluator: Evaluator,
    system: Arrays,
    potential: Potential,
    charge: Charge,
) -> Result:
    """Evaluate with an evaluator that may be warm; `potential` must be the evaluator's own.

    Logs a warning to the logger ``ecteam`` if another branch of weights has become lower.
    """
    evaluation = evaluator.evaluate(*system, *charge)
    if evaluation.lower_branch is not None:
        _log.warning(_LOWER_BRANCH, evaluation.lower_branch)
    return _result(evaluation, system.numbers, potential)


def run_all(evaluator: Evaluator, systems: Sequence[System], potential: Potential) -> list[Result]:
    """Evaluate many structures, each cold; `potential` must be the evaluator's own.

    Raises
    ------
    EcteamError
        The first error; its message begins with ``atoms[k]``.
    """
    results = []
    for k, (found, system) in enumerate(zip(evaluator.evaluate_all(systems), systems, strict=True)):
        if isinstance(found, _core.EcteamError):
            raise error_of(k, found) from found
        results.append(_result(found, system.numbers, potential))
    return results


def _result(evaluation: Any, numbers: npt.NDArray[np.uint8], potential: Potential) -> Result:
    # Every step of dynamics makes one: the constructor, which sets nineteen frozen fields one by
    # one, would take twice as long.
    result = object.__new__(Result)
    fields = result.__dict__
    fields.update(zip(_ENGINE_FIELDS, _engine_values(evaluation), strict=True))
    fields.update(timings=dict(evaluation.timings), potential=potential, numbers=numbers)
    return result
