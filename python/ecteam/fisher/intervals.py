"""Credible intervals of predicted energies, forces, stresses, dipoles and charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase import Atoms

from ecteam.fisher.information import Fisher
from ecteam.fit.model import FloatArray, Model
from ecteam.rows import row_count


class Interval(NamedTuple):
    """A prediction and where the truth lies; all of one shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Credible:
    """Credible intervals of one structure of N atoms.

    Attributes
    ----------
    energy : Interval
        Free energy, eV, ().
    forces : Interval
        eV/Å, (N, 3).
    stress : Interval or None
        xx yy zz yz xz xy, eV/Å³, positive when stretched, (6,); None unless fully periodic.
    dipole : Interval or None
        About the origin of the coordinates, e·Å, (3,); None if periodic.
    charges : Interval
        e, (N,).
    """

    energy: Interval
    forces: Interval
    stress: Interval | None
    dipole: Interval | None
    charges: Interval


def credible(
    information: Fisher, model: Model, structures: Sequence[Atoms], level: float = 0.95
) -> list[Credible]:
    """Credible intervals of everything predicted: where the true model lies, given its form.

    The parameters are Gaussian around the fit with the covariance of `information`, the predictions
    linear in them; the width is that of Student's t. Errors of the form are not in it.

    Parameters
    ----------
    information : Fisher
        Of this model with these parameters, see :func:`ecteam.fisher.fisher`.
    model : Model
        The model.
    structures : sequence of ase.Atoms
        Any, labelled or not.
    level : float
        Probability inside.

    Returns
    -------
    list of Credible
        One for each structure.

    Raises
    ------
    InvalidInputError
        If the level is not between 0 and 1, or there are no more labels than parameters.
    NotConvergedError
        If the weights of a structure do not converge.
    """
    values, jacobian = model.jacobian(structures)
    half = information.reach(level) * information.standard_deviations(jacobian)
    table = np.stack([values, values - half, values + half])
    ends = np.cumsum([row_count(atoms) for atoms in structures])
    parts = np.split(table, ends[:-1], axis=1) if len(ends) else []
    return [_sorted(part, atoms) for part, atoms in zip(parts, structures, strict=True)]


def _sorted(table: FloatArray, atoms: Atoms) -> Credible:
    size = len(atoms)
    energy, forces, stress, dipole, charges = np.split(
        table, np.cumsum([1, 3 * size, 6, 3]), axis=1
    )
    return Credible(
        Interval(*energy[:, 0]),
        Interval(*forces.reshape(3, size, 3)),
        Interval(*stress) if atoms.pbc.all() else None,
        None if atoms.pbc.any() else Interval(*dipole),
        Interval(*charges),
    )
