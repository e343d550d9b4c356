"""Fit the parameters of a form to a data set by Levenberg–Marquardt-like least squares.

The trust-region solver is SciPy's; residuals come from the engine, which starts every geometry
from its last weights; the Jacobian from forward differences of the engine's results.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress
from scipy.optimize import least_squares

from ecteam import _core
from ecteam.files import whole_file
from ecteam.fit.dataset import Dataset, FloatArray
from ecteam.fit.form import Form
from ecteam.structure import arrays_of

logger = logging.getLogger(__name__)

STEP = 1e-5
"""Relative step of the differences; the engine's noise is far below (KKT residual 1e-10 eV)."""
FAILED = 10.0
"""Weighted residual that stands for a geometry whose weights did not converge."""


@dataclass(frozen=True)
class Scales:
    """Expected errors: residuals are divided by them.

    Attributes
    ----------
    energy, force, dipole : float
        eV/atom, eV/Å, e·Å at the lowest geometry.
    softening : float
        eV/atom above the lowest geometry at which the scales have doubled.
    emphasis : mapping
        Factor by which the scales of a group of geometries are divided; 1 for the others.
    """

    energy: float = 0.01
    force: float = 0.15
    dipole: float = 0.08
    softening: float = 0.3
    emphasis: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Problem:
    """Weighted residuals of the fitted geometries, and of a Gaussian prior around the start."""

    form: Form
    dataset: Dataset
    scales: Scales = field(default_factory=Scales)

    def __post_init__(self) -> None:
        """Hand the geometries to the engine."""
        self._batch = _core.Batch(tolerance=1e-10)
        for atoms in self.dataset.structures:
            self._batch.add(*arrays_of(atoms), float(atoms.info["charge"]))
        self._core = _core.Potential.from_json(json.dumps(self.form.fields(self.form.initial)))
        # Compiles the tables of densities and charge penetration, which every refit shares.
        self._batch.evaluate(self._core)
        fitted = ~self.dataset.held_out
        sizes = self.dataset.sizes
        emphasis = [self.scales.emphasis.get(group, 1.0) for group in self.dataset.groups]
        soft = (1.0 + self.dataset.excess / self.scales.softening) / np.array(emphasis)
        self._energy_weight = fitted / (self.scales.energy * sizes * soft)
        # A geometry's forces count as one measurement per atom, whatever its size.
        self._force_weight = np.repeat(fitted / (self.scales.force * soft * np.sqrt(sizes)), sizes)
        polar = np.isfinite(self.dataset.dipoles).all(axis=1)
        self._dipole_weight = fitted * polar / (self.scales.dipole * soft)
        self._dipoles = np.nan_to_num(self.dataset.dipoles)

    def predict(
        self, parameters: FloatArray, warm: bool = True
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Free energies (n,), forces (N, 3), dipoles (n, 3); NaN where the weights failed.

        Not `warm`: the weights are sought afresh, so that every geometry is on its lowest branch.
        """
        potential = self._core.refit(json.dumps(self.form.fields(parameters)))
        energies, forces, _, _, dipoles, failures = self._batch.evaluate(potential, warm)
        for k, message in failures[:3]:
            logger.info("geometry %d rejected: %s", k, message)
        return energies, forces, dipoles

    def residuals(self, parameters: FloatArray, warm: bool = True) -> FloatArray:
        """Weighted differences from the reference, then from the prior."""
        energies, forces, dipoles = self.predict(parameters, warm)
        parts = [
            (energies - self.dataset.energies) * self._energy_weight,
            ((forces - self.dataset.forces) * self._force_weight[:, None]).ravel(),
            ((dipoles - self._dipoles) * self._dipole_weight[:, None]).ravel(),
            (parameters - self.form.initial) / self.form.prior_width,
        ]
        return np.asarray(np.nan_to_num(np.concatenate(parts), nan=FAILED))

    def jacobian(self, parameters: FloatArray) -> FloatArray:
        """Forward differences, column by column."""
        base = self.residuals(parameters)
        columns = np.empty((base.size, parameters.size))
        for k in range(parameters.size):
            moved = parameters.copy()
            moved[k] += STEP * max(1.0, abs(parameters[k]))
            columns[:, k] = (self.residuals(moved) - base) / (moved[k] - parameters[k])
        return columns


def fit(
    problem: Problem,
    *,
    iterations: int,
    checkpoint: Path,
    start: FloatArray | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """Minimise the sum of squares; resumes from `checkpoint`, which is written at every step.

    Ctrl-C ends the fit with the best parameters so far.

    Parameters
    ----------
    problem : Problem
        What to fit.
    iterations : int
        Most evaluations of the Jacobian.
    checkpoint : Path
        JSON file with the parameters by name and the cost.
    start : (n_parameters,) float64, optional
        Where to start without a checkpoint; default: the form's initial values.
    progress : rich.progress.Progress, optional
        Shows the cost of every step.

    Returns
    -------
    (n_parameters,) float64
    """
    best = _resume(problem.form, checkpoint, problem.form.initial if start is None else start)
    lowest = [np.inf]
    task = progress.add_task("fitting", total=iterations) if progress else None

    def keep(parameters: FloatArray) -> float:
        # Cold: once an iteration, every geometry returns to its lowest branch of weights.
        cost = 0.5 * float(np.sum(problem.residuals(parameters, warm=False) ** 2))
        if cost < lowest[0]:
            lowest[0] = cost
            best[:] = parameters
            _save(problem.form, parameters, cost, checkpoint)
        return cost

    def jacobian(parameters: FloatArray) -> FloatArray:
        cost = keep(parameters)
        if progress and task is not None:
            progress.update(task, advance=1, description=f"fitting, cost {cost:.4g}")
        return problem.jacobian(parameters)

    try:
        found = least_squares(
            problem.residuals,
            best.copy(),
            jac=jacobian,
            x_scale="jac",
            max_nfev=iterations,
            ftol=1e-6,
            xtol=1e-8,
            gtol=1e-8,
        )
    except KeyboardInterrupt:
        logger.warning("stopped by the user; the best parameters so far are kept")
        return best
    keep(found.x)
    return best


def _save(form: Form, parameters: FloatArray, cost: float, path: Path) -> None:
    content = {"cost": cost, "parameters": dict(zip(form.names, parameters.tolist(), strict=True))}
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _resume(form: Form, path: Path, start: FloatArray) -> FloatArray:
    """Start from the checkpoint's values where names agree."""
    start = start.copy()
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))["parameters"]
        for k, name in enumerate(form.names):
            start[k] = known.get(name, start[k])
    return np.asarray(start)
