"""From an electron density to the weights of atomic states that reproduce it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ase import Atoms

from ecteam import _core
from ecteam._core import InvalidInputError
from ecteam.sampling import matched_atoms, sample_density
from ecteam.state_library import StateSet, state_set
from ecteam.structure import FloatArray, arrays_of, total_charge_of

__all__ = ["EncodedDensity", "encode"]


@dataclass(frozen=True, eq=False)
class EncodedDensity:
    """Weights of a density on n atoms, and how well they represent it.

    Attributes
    ----------
    weights : (n, n_states_max) float64
        In the order of `state_names`, padded with 0; each row sums to 1.
    charges : (n,) float64
        Σ_M ω_iM q_M, e.
    dipole : (3,) float64
        Of those charges about the origin of the coordinates, e·Å; the encoded density has no
        other dipole, as states are spherical.
    residual : float
        ∫|ρ − ρ_encoded|, e.
    dipole_error : (3,) float64
        Encoded minus given dipole, e·Å (about the mean position of the atoms, which matters only
        by `count_error`).
    count_error : float
        ∫(ρ − ρ_encoded), e: what the points of the density miss or have too much.
    gap : float
        Duality gap: the objective is at most this much above its minimum. In eV (coulomb), e²/Å³
        (l2) or e (kullback-leibler).
    objective : float
        Objective minus that of the most neutral states, in the same unit; for kullback-leibler
        the divergence itself.
    iterations : int
        Interior-point iterations of all passes.
    metric : str
        Metric used.
    atoms : ase.Atoms
        Atoms of the rows.
    states : StateSet
        States of the columns.
    """

    weights: FloatArray
    charges: FloatArray
    dipole: FloatArray
    residual: float
    dipole_error: FloatArray
    count_error: float
    gap: float
    objective: float
    iterations: int
    metric: str
    atoms: Atoms
    states: StateSet

    @property
    def state_names(self) -> tuple[tuple[str, ...], ...]:
        """Names of the states of each atom."""
        return tuple(self.states.names[symbol] for symbol in self.atoms.get_chemical_symbols())

    def weights_of(self, i: int) -> dict[str, float]:
        """Weights of atom `i` by the name of the state.

        Raises
        ------
        IndexError
            If there is no such atom.
        """
        names = self.state_names[i]
        return dict(zip(names, self.weights[i, : len(names)].tolist(), strict=True))


def encode(
    density: Any,
    atoms: Atoms | None = None,
    library: Any = None,
    metric: Literal["coulomb", "l2", "kullback-leibler"] = "coulomb",
    total_charge: float | None = None,
    *,
    grid_level: int = 4,
    tolerance: float = 1e-8,
    max_iterations: int = 100,
    passes: int = 10,
    count_tolerance: float = 0.1,
) -> EncodedDensity:
    """Find the weights of atomic states whose superposed density is nearest to a given one.

    A convex problem: Σ_M ω_iM = 1 on every atom, ω ≥ 0, Σ ω q = total charge, and the distance of
    the densities as small as possible. Integrals between states are analytic. At the points of the
    given density only its difference from a reference is integrated: neutral atoms first, then
    the weights found so far, so that most of the nuclear cusps drops out. On a cube file the rest
    of them is the largest error; `count_error` is a measure of it.

    Parameters
    ----------
    density : PySCF mean-field object, (Mole, density matrix), path of a cube file, SampledDensity
        All-electron density of a finite system; see `ecteam.sampling.sample_density`.
    atoms : ase.Atoms, optional
        Checked against those of the density, and used if they agree within 1e-3 Å. Default: those
        of the density.
    library : mapping, Potential or StateSet, optional
        See `ecteam.state_library.state_set`. Default: the states that ship with the package.
    metric : {"coulomb", "l2", "kullback-leibler"}
        Distance: ½∬Δρ(r)Δρ(r′)/|r − r′| (eV), ½∫Δρ² (e²/Å³), or ∫ρ ln(ρ/ρ_encoded) (e).
    total_charge : float, optional
        Charge of the whole system, e. Default: that of the PySCF molecule, else
        ``atoms.info["charge"]``, else 0.
    grid_level : int
        PySCF level of the grid, for PySCF densities.
    tolerance : float
        Duality gap to reach, in the unit of the metric.
    max_iterations : int
        Largest number of interior-point iterations of a pass.
    passes : int
        Largest number of passes with a new reference; kullback-leibler needs one. If the changes
        do not halve from pass to pass, the points are too coarse and the first pass counts.
    count_tolerance : float
        Largest accepted difference between the electrons on the points and those of the atoms and
        the charge, e.

    Returns
    -------
    EncodedDensity

    Raises
    ------
    InvalidInputError
        If an argument is out of its range, atoms and density do not belong together, an element is
        not in the library, the charge is out of reach of its states, or the density holds another
        number of electrons (valence only, wrong unit, too small a box).
    NotConvergedError
        If the duality gap stays above `tolerance`.
    """
    sample = sample_density(density, grid_level)
    atoms = matched_atoms(sample, atoms)
    if total_charge is None:
        total_charge = sample.total_charge
    states = state_set(library)
    system = arrays_of(atoms)
    _check_points(sample.points)
    found = _core.encode(
        states.core,
        *system,
        sample.points,
        sample.volumes,
        sample.density,
        metric=metric,
        total_charge=total_charge_of(atoms, total_charge),
        tolerance=tolerance,
        max_iterations=max_iterations,
        passes=passes,
        count_tolerance=count_tolerance,
    )
    names = ("weights", "charges", "residual", "dipole_error", "count_error", "gap", "objective")
    return EncodedDensity(
        **{name: getattr(found, name) for name in (*names, "iterations")},
        dipole=found.charges @ atoms.positions,
        metric=metric,
        atoms=atoms.copy(),
        states=states,
    )


def _check_points(points: FloatArray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise InvalidInputError(f"density: points must have shape (m, 3), got {points.shape}")
