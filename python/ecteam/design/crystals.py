"""Properties of crystals in the score of a candidate, if the configuration gives their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from ase import Atoms

from ecteam import properties
from ecteam._core import EcteamError
from ecteam.calculator import ECTEAM
from ecteam.potential import Potential

__all__ = ["CRYSTAL_PROPERTIES", "MISSED", "crystal_deviations"]

Factory = Callable[[], ECTEAM]

MISSED = 1.0
"""Relative deviation that stands for a property that cannot be computed: an unstable crystal, a
relaxation that does not end."""


def _elastic(index: int) -> Callable[[Atoms, Factory], float]:
    return lambda crystal, factory: properties.elastic_constants(crystal, factory)[index]


def _surface(*indices: int) -> Callable[[Atoms, Factory], float]:
    miller = (indices[0], indices[1], indices[2])
    return lambda crystal, factory: properties.surface_energy(crystal, factory, miller)


CRYSTAL_PROPERTIES: dict[str, Callable[[Atoms, Factory], float]] = {
    "lattice_constant": lambda crystal, factory: float(crystal.cell.lengths()[0]),
    "bulk_modulus": properties.bulk_modulus,
    "c11": _elastic(0),
    "c12": _elastic(1),
    "c44": _elastic(2),
    "vacancy_energy": properties.vacancy_energy,
    "surface_110": _surface(1, 1, 0),
    "surface_100": _surface(1, 0, 0),
    "surface_111": _surface(1, 1, 1),
    "phonon": lambda crystal, factory: float(properties.zone_boundary_phonons(crystal, factory)[0]),
}
"""What can be asked for, in the units of :class:`ecteam.properties.CrystalProperties`: Å, GPa, eV,
J/m², THz (the lowest at the zone boundary)."""


def crystal_deviations(
    potential: Potential, element: str, wanted: Mapping[str, float]
) -> dict[str, float]:
    """Relative deviations of the properties of an elemental crystal from given values.

    Parameters
    ----------
    potential : Potential
        Knows the element.
    element : str
        Its crystal is :func:`ecteam.properties.reference_crystal`.
    wanted : mapping of str to float
        Values by name, see :data:`CRYSTAL_PROPERTIES`; not zero.

    Returns
    -------
    dict of str to float
        found/wanted − 1 by name, :data:`MISSED` where there is no such crystal.
    """
    if not wanted:
        return {}

    def factory() -> ECTEAM:
        return ECTEAM(potential)

    try:
        crystal = properties.relaxed_crystal(properties.reference_crystal(element), factory)
    except EcteamError:
        return dict.fromkeys(wanted, MISSED)
    return {name: _deviation(name, crystal, factory, value) for name, value in wanted.items()}


def _deviation(name: str, crystal: Atoms, factory: Factory, value: float) -> float:
    try:
        found = CRYSTAL_PROPERTIES[name](crystal, factory) / value - 1.0
    except EcteamError:
        return MISSED
    return found if np.isfinite(found) else MISSED
