"""Fisher information of a model's parameters: what the data pin down, and what they do not.

The Fisher information matrix (FIM) of Gaussian errors is JᵀWJ: J holds the derivatives of all
labelled energies, forces and stresses by the parameters, W the inverse squared scales. Its
eigenvectors with large eigenvalues are *stiff*, combinations the data determine; those with small
ones are *sloppy*. Use follows W. Wang et al., arXiv:2504.19372; the numbers below are defined
here.

Eigenvalues depend on the units of the parameters, so a scaling is part of every statement:

``unit``
    Every parameter is scaled so that it alone has Fisher information 1: the FIM becomes a
    correlation matrix with trace P. Its condition number does not change if a parameter is
    measured in other units, and no scaling of single parameters makes it smaller by more than a
    factor P (A. van der Sluis, Numer. Math. 14, 14 (1969)). This is the default, and what every
    comparison of models in this package uses.
``relative``
    Every parameter is multiplied by its magnitude: relative changes, the usual choice for sloppy
    models with positive parameters. Parameters that are zero have no eigenvalue.
``none``
    Parameters as they are. Means little unless all have the same unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from scipy.special import stdtrit  # that of scipy.stats is slow to import

from ecteam._core import InvalidInputError
from ecteam.fisher import words
from ecteam.fit.factor import Factor, inverse_root
from ecteam.fit.labels import Labels, Scales, check_elements
from ecteam.fit.model import FloatArray, Model
from ecteam.fit.sweep import sweep

SCALINGS = ("unit", "relative", "none")
STIFF = 1e-3
"""Eigenvalue, relative to the mean one, from which a direction counts as stiff. With unit scaling
the variance along a direction of eigenvalue λ is 1/λ times that of a lone parameter."""
RANK = 1e-28
"""Eigenvalues below this part of the largest are rounding, and count as zero: singular values of
the triangle are good to 1e-15 or so."""


def check_level(level: float) -> None:
    """Raise InvalidInputError unless the probability of an interval is between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise InvalidInputError(f"level: must be between 0 and 1, got {level!r}")


@dataclass(frozen=True)
class Fisher:
    """Fisher information of the parameters of a model.

    Attributes
    ----------
    names : tuple of str
        Parameters.
    parameters : (P,) float64
        Their values.
    factor : Factor
        Weighted data at these values.
    precision : (P,) float64
        Prior of each parameter in units of the weighted data, as training's penalty; counts in
        covariances, not in spectra.
    scaling : str
        ``unit``, ``relative`` or ``none``: of the parameters, in spectra.
    """

    names: tuple[str, ...]
    parameters: FloatArray
    factor: Factor
    precision: FloatArray
    scaling: str = "unit"

    def __post_init__(self) -> None:
        """Check the scaling."""
        if self.scaling not in SCALINGS:
            raise InvalidInputError(f"scaling: must be {', '.join(SCALINGS)}, got {self.scaling!r}")

    @property
    def matrix(self) -> FloatArray:
        """JᵀWJ, (P, P), parameters unscaled."""
        return np.asarray(self.factor.triangle.T @ self.factor.triangle)

    @property
    def scale(self) -> FloatArray:
        """Unit of each parameter in the spectrum, (P,)."""
        if self.scaling == "none":
            return np.ones_like(self.parameters)
        if self.scaling == "relative":
            return np.abs(self.parameters)
        norms = np.linalg.norm(self.factor.triangle, axis=0)
        return np.where(norms > 0.0, 1.0 / np.where(norms > 0.0, norms, 1.0), 1.0)

    def _decomposed(self) -> tuple[FloatArray, FloatArray]:
        _, values, right = np.linalg.svd(self.factor.triangle * self.scale)
        squares = values**2
        floor = RANK * squares.max(initial=0.0)
        return np.where(squares > floor, squares, 0.0), right.T

    @property
    def eigenvalues(self) -> FloatArray:
        """Of the scaled matrix, descending, (P,); from the triangle, so small ones are right."""
        return self._decomposed()[0]

    @property
    def eigenvectors(self) -> FloatArray:
        """Columns belong to :attr:`eigenvalues`, rows to the scaled parameters."""
        return self._decomposed()[1]

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue; infinite if a direction has no information."""
        values = self.eigenvalues
        return float(values[0] / values[-1]) if values.size and values[-1] > 0.0 else np.inf

    @property
    def stiff_directions(self) -> int:
        """Eigenvalues of at least :data:`STIFF` times the mean."""
        values = self.eigenvalues
        return int((values >= STIFF * values.mean()).sum()) if values.size else 0

    @property
    def effective_dimension(self) -> float:
        """Smooth count of stiff directions: Σ λ/(λ + STIFF × mean of λ)."""
        values = self.eigenvalues
        if not values.any():
            return 0.0
        return float((values / (values + STIFF * values.mean())).sum())

    @property
    def sloppiness(self) -> FloatArray:
        """Share of each parameter that lies in sloppy directions, 0 … 1, (P,)."""
        values, vectors = self._decomposed()
        sloppy = values < STIFF * values.mean()
        return np.asarray((vectors[:, sloppy] ** 2).sum(axis=1))

    def participation(self, direction: int, count: int = 5) -> list[tuple[str, float]]:
        """Name the parameters with the largest shares in an eigenvector, the squared entries.

        Parameters
        ----------
        direction : int
            0 is the stiffest, −1 the sloppiest.
        count : int
            Most names.
        """
        shares = self.eigenvectors[:, direction] ** 2
        order = np.argsort(-shares, kind="stable")[:count]
        return [(self.names[k], float(shares[k])) for k in order]

    def to_freeze(self) -> list[str]:
        """Names of parameters without which every direction is stiff, the first the most so.

        Greedy: the parameter with the largest share in the sloppiest direction goes, until none
        is left that is sloppy.
        """
        left, gone = list(range(len(self.names))), []
        scaled = self.factor.triangle * self.scale
        while left:
            _, values, right = np.linalg.svd(scaled[:, left], full_matrices=False)
            if values[-1] ** 2 >= STIFF * (values**2).mean() and values[-1] > 0.0:
                break
            gone.append(left.pop(int(np.argmax(right[-1] ** 2))))
        return [self.names[k] for k in gone]

    @property
    def noise(self) -> float:
        """Root mean square of the residuals over their scales, for the degrees of freedom left.

        It is 1 if the scales are the true errors; covariances are multiplied by its square.

        Raises
        ------
        InvalidInputError
            If there are no more labels than parameters.
        """
        free = self.factor.rows - len(self.parameters)
        if free <= 0:
            raise InvalidInputError(
                f"labels: uncertainties need more than {len(self.parameters)} labels, one for "
                f"each parameter, got {self.factor.rows}"
            )
        return float(np.sqrt(self.factor.chi_squared() / free))

    @property
    def covariance(self) -> FloatArray:
        """Of the parameters, (P, P): noise² (JᵀWJ + prior)⁻¹.

        Directions without any information have infinite variance; they are left out here, and
        :attr:`condition` is infinite.
        """
        root = self._covariance_root()
        return np.asarray(root @ root.T)

    def _covariance_root(self) -> FloatArray:
        """Matrix L with L Lᵀ the covariance."""
        used = self.factor.with_prior(self.precision, np.zeros_like(self.parameters))
        root, _ = inverse_root(used.triangle, np.sqrt(RANK))
        return self.noise * root

    @property
    def standard_errors(self) -> FloatArray:
        """Of the parameters, (P,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def standard_deviations(self, derivatives: FloatArray) -> FloatArray:
        """Propagate the uncertainty of the parameters to any quantities.

        Parameters
        ----------
        derivatives : (n, P) float64
            Of the quantities by the parameters.

        Returns
        -------
        (n,) float64
            Standard deviations.
        """
        spread = np.atleast_2d(derivatives) @ self._covariance_root()
        return np.asarray(np.sqrt((spread**2).sum(axis=1)))

    def reach(self, level: float) -> float:
        """Half width of an interval in standard deviations: Student's t of the freedom left.

        Raises
        ------
        InvalidInputError
            Unless the level is between 0 and 1.
        """
        check_level(level)
        free = self.factor.rows - len(self.parameters)
        return float(stdtrit(free, 0.5 + level / 2.0))

    def interval(
        self, model: Model, structures: Sequence[Atoms], level: float = 0.95
    ) -> tuple[FloatArray, FloatArray]:
        """Credible interval of predictions: where the true model lies, given the form is right.

        Parameters
        ----------
        model : Model
            The model this belongs to, with these parameters.
        structures : sequence of ase.Atoms
            Any.
        level : float
            Probability inside.

        Returns
        -------
        low, high : (R,) float64
            Of every row of :mod:`ecteam.rows`: energy (eV), forces (eV/Å), stress (eV/Å³), dipole
            (e·Å) and charges (e) of each structure; :func:`ecteam.fisher.credible` sorts them.
        """
        values, jacobian = model.jacobian(structures)
        half = self.reach(level) * self.standard_deviations(jacobian)
        return values - half, values + half

    def summary(self) -> str:
        """Say in plain words what the spectrum means."""
        return words.summary(self)

    def data(self) -> dict[str, Any]:
        """Everything about the spectrum as plain numbers, for JSON."""
        return {
            "scaling": self.scaling,
            "labels": self.factor.rows,
            "parameters": list(self.names),
            "eigenvalues": self.eigenvalues.tolist(),
            "condition": self.condition if np.isfinite(self.condition) else None,
            "stiff_directions": self.stiff_directions,
            "effective_dimension": self.effective_dimension,
            "sloppiest": self.participation(-1) if self.names else [],
            "stiffest": self.participation(0) if self.names else [],
        }


def fisher(
    model: Model,
    labels: Labels,
    scales: Scales | None = None,
    *,
    scaling: str = "unit",
    precision: FloatArray | None = None,
) -> Fisher:
    """Fisher information of a model's parameters on labelled structures.

    Parameters
    ----------
    model : Model
        At its parameters, usually :func:`ecteam.fit.train`'s.
    labels : Labels
        Structures and which of their energies, forces and stresses count.
    scales : Scales, optional
        Expected errors, the inverse square roots of W.
    scaling : str
        Of the parameters, see above.
    precision : (P,) float64, optional
        Prior, e.g. ``Trained.precision``; default: none.

    Raises
    ------
    InvalidInputError
        If the data hold an element the model lacks, or the scaling is unknown.
    NotFiniteError
        If the model overflows.
    """
    check_elements(labels, set(model.elements))
    found = sweep(model, labels, scales or Scales())
    prior = np.zeros(len(model.parameters)) if precision is None else np.asarray(precision)
    names = tuple(model.parameter_names)
    return Fisher(names, np.array(model.parameters), found.factor, prior, scaling)
