"""Time of molecular-dynamics steps on the machine at hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.units import fs, kB

from ecteam import _core
from ecteam.potential import Potential
from ecteam.structure import arrays_of, charge_of

_TEMPERATURE = 300.0  # K
_WARM_UP = 12  # steps until the history of the predictor is full
_WATER = 0.0334  # molecules/Å³ at 1 g/cm³
_ROCK_SALT = {"NaCl": 5.64, "MgO": 4.21}  # Å
_MOLECULE = np.array([[0, 0, 0], [0.757, 0.586, 0], [-0.757, 0.586, 0]])  # Å


@dataclass(frozen=True)
class Benchmark:
    """What was measured: medians over the steps.

    Attributes
    ----------
    potential : str
        Its name.
    atoms, threads, steps : int
        Size of the system, threads of the engine, steps measured.
    timestep : float
        fs.
    seconds_per_step : float
        Wall time of an evaluation.
    parts : dict of str to float
        Seconds per step in each part (`Result.timings`), means.
    products_per_step : float
        Hessian products of the weights, mean.
    largest_residual : float
        Largest KKT residual, eV.
    """

    potential: str
    atoms: int
    threads: int
    steps: int
    timestep: float
    seconds_per_step: float
    products_per_step: float
    largest_residual: float
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def atoms_per_second(self) -> float:
        """Atoms times steps per second."""
        return self.atoms / self.seconds_per_step

    @property
    def minimisation(self) -> float:
        """Seconds per step of the minimisation over the weights, long-ranged sums included."""
        return self.parts["weights"] + self.parts["weights_long_range"]

    def data(self) -> dict[str, object]:
        """Everything, for JSON."""
        derived = {
            "atoms_per_second": self.atoms_per_second,
            "seconds_of_minimisation": self.minimisation,
        }
        return {**asdict(self), **derived}


def system(potential: Potential, atoms: int) -> Atoms:
    """Make a periodic system of about `atoms` atoms that suits a shipped potential.

    Water at 1 g/cm³ (molecules at any angle on a lattice) for H and O, the crystal of NaCl or MgO
    for their elements, that of an element for one.

    Raises
    ------
    InvalidInputError
        If `atoms` is not positive, or the elements are others.
    """
    if atoms < 1:
        raise _core.InvalidInputError(f"atoms: must be at least 1, got {atoms}")
    elements = set(potential.elements)
    if {"H", "O"} <= elements:
        return water(round(max(atoms / 3, 1)))
    for formula, side in _ROCK_SALT.items():
        if set(Atoms(formula).symbols) <= elements:
            cells = max(round((atoms / 8) ** (1 / 3)), 1)
            salt: Atoms = bulk(formula, "rocksalt", a=side, cubic=True).repeat(cells)
            return salt
    if len(elements) == 1:
        cell = bulk(elements.pop(), cubic=True)
        crystal: Atoms = cell.repeat(max(round((atoms / len(cell)) ** (1 / 3)), 1))
        return crystal
    raise _core.InvalidInputError(
        f"structure: no example for {', '.join(sorted(elements))}; give a structure"
    )


def water(molecules: int) -> Atoms:
    """Water at 1 g/cm³: molecules at any angle on a cubic lattice."""
    rng = np.random.default_rng(1)
    n = int(np.ceil(molecules ** (1 / 3) - 1e-9))
    side = (molecules / _WATER) ** (1 / 3)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    centres = (grid[:molecules] + 0.5) * side / n
    turns, _ = np.linalg.qr(rng.standard_normal((molecules, 3, 3)))
    positions = (centres[:, None] + _MOLECULE @ turns).reshape(-1, 3)
    return Atoms(["O", "H", "H"] * molecules, positions=positions, cell=[side] * 3, pbc=True)


class Dynamics:
    """Velocity Verlet on the engine itself, from the velocities of 300 K."""

    def __init__(
        self, atoms: Atoms, potential: Potential, timestep: float, **options: object
    ) -> None:
        arrays = arrays_of(atoms)
        self._system = arrays._replace(positions=arrays.positions.copy())
        self._charge = charge_of(atoms)
        self._evaluator = _core.Evaluator(potential.core, **options)  # type: ignore[arg-type]
        masses = atoms.get_masses()[:, None]
        rng = np.random.default_rng(0)
        self._velocities = np.sqrt(kB * _TEMPERATURE / masses) * rng.standard_normal(
            (len(atoms), 3)
        )
        self._timestep, self._kick = timestep * fs, timestep * fs / masses
        self.evaluation = self._evaluate()

    def _evaluate(self) -> _core.Evaluation:
        return self._evaluator.evaluate(*self._system, *self._charge)

    def step(self) -> float:
        """Advance by one step; return the seconds that its evaluation took."""
        # The half kicks of two steps joined: the same trajectory.
        self._velocities += self._kick * self.evaluation.forces
        positions = self._system.positions
        positions += self._timestep * self._velocities
        start = time.perf_counter()
        self.evaluation = self._evaluate()
        return time.perf_counter() - start


def measure(
    atoms: Atoms, potential: Potential, steps: int, timestep: float = 0.25, tolerance: float = 1e-6
) -> Iterator[int | Benchmark]:
    """Run dynamics: yield the number of every step done, and last what was measured.

    Parameters
    ----------
    atoms : Atoms
        Periodic or not; of the charge ``atoms.info["charge"]``, else neutral.
    potential : Potential
        See :func:`ecteam.load`.
    steps : int
        Steps measured, after 12 that are not.
    timestep : float
        fs.
    tolerance : float
        KKT residual of the weights, eV.

    Raises
    ------
    InvalidInputError
        If there are no atoms, `steps` or `timestep` is not positive, or as :func:`ecteam.evaluate`.
    """
    if not len(atoms):
        raise _core.InvalidInputError("atoms: must be at least 1, got 0")
    if steps < 1:
        raise _core.InvalidInputError(f"steps: must be at least 1, got {steps}")
    if not timestep > 0:
        raise _core.InvalidInputError(f"timestep: must be positive, got {timestep}")
    dynamics = Dynamics(atoms, potential, timestep, tolerance=tolerance)
    seconds, products, residuals = [], [], []
    parts: dict[str, float] = {}
    for k in range(_WARM_UP + steps):
        elapsed = dynamics.step()
        if k >= _WARM_UP:
            found = dynamics.evaluation
            seconds.append(elapsed)
            products.append(found.hessian_products)
            residuals.append(found.kkt_residual)
            for name, value in found.timings:
                parts[name] = parts.get(name, 0.0) + value / steps
        yield k + 1
    yield Benchmark(
        potential=potential.name,
        atoms=len(atoms),
        threads=_core.num_threads(),
        steps=steps,
        timestep=timestep,
        seconds_per_step=float(np.median(seconds)),
        products_per_step=float(np.mean(products)),
        largest_residual=float(np.max(residuals)),
        parts=parts,
    )


def total_steps(steps: int) -> int:
    """Count the steps that :func:`measure` takes in all."""
    return _WARM_UP + steps
