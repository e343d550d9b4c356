"""Isolated atomic states with PySCF: energies, spherical densities, polarisabilities.

Energy: UHF-CCSD(T) in the element's basis; where a larger basis of the same family exists, plus
the change of UMP2 from the one to the limit extrapolated from both (X⁻³, A. Halkier et al., Chem.
Phys. Lett. 286, 243 (1998); Hartree-Fock that of the larger). Density: spherical averages of

    ρ = ρ_UHF(even-tempered) + ρ_CCSD(basis) - ρ_UHF(basis),

the determinant's density in some twenty uncontracted functions of each occupied l, smooth down to
the nucleus, plus what correlation (unrelaxed CCSD) does to it. Polarisability: second derivative of
the CCSD (from K on UMP2) energy by finite fields, averaged over directions. Elements from K on use
the spin-free exact two-component Hamiltonian.

Unbound anions sit in a Watson sphere, a shell of the opposite charge; their energy is that in the
sphere minus the potential energy of their density in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyscf
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pyscf import gto

from ecteam.reference.bases import augmented, even_tempered
from ecteam.reference.configurations import Shell, State, sphere_radius
from ecteam.reference.correlation import cluster_energy, coupled_cluster, second_order_energy
from ecteam.reference.spherical import (
    determinant,
    radial_grid,
    sphere_potential,
    spherical_average,
)
from ecteam.reference.units import BOHR, HARTREE

__all__ = ["Level", "compute_state", "level"]

Array = NDArray[np.float64]
Record = dict[str, Any]

FIELD_ENERGY = 2e-4
"""Hartree: wanted induction energy ½αF², large against convergence, small against γF⁴/24."""
STRONGEST_FIELD = 0.01
MOST_POLARISABLE = 5e3
"""Bohr³: a larger response means a level crossing, not a polarisability."""
WEAKEST_ORBITAL = -0.004
"""Hartree: an electron bound by less in Hartree-Fock is given the sphere for its density."""


@dataclass(frozen=True)
class Level:
    """How an element is computed.

    Attributes
    ----------
    basis : str
        Basis of coupled cluster; one diffuse s, p and d function each is added.
    large : str
        Basis of the UMP2 increment; empty for none.
    frozen : int
        Core orbitals that are not correlated.
    relativistic : bool
        Spin-free exact two-component Hamiltonian.
    """

    basis: str
    large: str
    frozen: int
    relativistic: bool

    @property
    def response(self) -> str:
        """Method of the polarisability."""
        return "UMP2" if self.relativistic else "CCSD"


def level(symbol: str) -> Level:
    """Level of theory of an element, H to Kr.

    s-block metals correlate the shell below the valence and so use (truncated) atomic natural
    orbitals made for that; transition metals freeze the argon core less 3s, 3p.
    """
    number = int(atomic_numbers[symbol])
    if symbol in ("Li", "Be"):
        return Level("ano@7s6p4d2f", "", 0, False)
    if symbol in ("Na", "Mg"):
        return Level("ano@6s5p3d2f", "", 1, False)
    if symbol in ("K", "Ca"):
        return Level("ano-rcc@7s6p4d2f", "", 5, True)
    if number <= 18:
        frozen = 0 if number <= 2 else 1 if number <= 10 else 5
        return Level("aug-cc-pVTZ", "aug-cc-pVQZ", frozen, False)
    if number <= 30:
        return Level("cc-pVTZ-DK", "", 9, True)
    return Level("aug-cc-pVTZ-DK", "aug-cc-pVQZ-DK", 14, True)


@dataclass
class _Calculation:
    """A state at its level, with what several of its parts need."""

    state: State
    level: Level
    sphere: bool
    notes: list[str] = field(default_factory=list)

    def atom(self, basis: Any, shells: tuple[Shell, ...] | None = None) -> Any:
        shells = self.state.shells if shells is None else shells
        electrons = sum(shell.up + shell.down for shell in shells)
        return gto.M(
            atom=self.state.symbol,
            basis={self.state.symbol: basis},
            charge=int(atomic_numbers[self.state.symbol]) - electrons,
            spin=sum(shell.up - shell.down for shell in shells),
            verbose=0,
            max_memory=6000,
        )

    def hartree_fock(
        self,
        atom: Any,
        shells: tuple[Shell, ...] | None = None,
        extra: Array | None = None,
        start: Any | None = None,
    ) -> Any:
        potential = self.sphere_matrix(atom) if self.sphere else None
        if extra is not None:
            potential = extra if potential is None else potential + extra
        return determinant(
            atom,
            self.state.shells if shells is None else shells,
            relativistic=self.level.relativistic,
            potential=potential,
            start=start,
        )

    def sphere_matrix(self, atom: Any) -> Array:
        return sphere_potential(atom, -self.state.charge, sphere_radius(self.state.symbol))


def compute_state(state: State) -> Record:
    """Compute an isolated atomic state.

    Parameters
    ----------
    state : State
        What to compute.

    Returns
    -------
    dict
        ``energy``: total, eV; ``orbital_energy``: of the outermost orbital, eV (None without
        electrons); ``polarisability``: Å³ or None; ``density``: e/Å³ on `radial_grid`;
        ``spin_square_error``: ⟨S²⟩ − S(S+1) of the determinant; ``method``, ``versions``: what was
        done with what.

    Raises
    ------
    RuntimeError
        If a self-consistent field or the coupled-cluster equations do not converge, or the
        determinant is not of the wanted configuration.
    """
    if state.electrons == 0:
        return _record(0.0, None, 0.0, np.zeros_like(radial_grid()[0]), 0.0, "bare nucleus")
    plain = _Calculation(state, level(state.symbol), sphere=not state.bound)
    if state.configuration == "1s1":
        return _hydrogenic(plain)
    smooth, orbital = _hold(plain)
    dressed = plain
    if not plain.sphere and state.charge < 0 and orbital > WEAKEST_ORBITAL:
        dressed = _Calculation(state, plain.level, sphere=True)
        smooth, orbital = _smooth_density(dressed)
    return _correlated(plain, dressed, smooth, orbital)


def _hold(calculation: _Calculation) -> tuple[Array, float]:
    """Smooth density; an anion whose electron drifts off instead of converging is not bound."""
    try:
        return _smooth_density(calculation)
    except RuntimeError:
        if calculation.sphere or calculation.state.charge >= 0:
            raise
        return np.empty(0), np.inf


def _record(
    energy: float,
    orbital: float | None,
    polarisability: float | None,
    density: Array,
    contamination: float,
    method: str,
    in_sphere: bool = False,
) -> Record:
    return {
        "energy": energy * HARTREE,
        "orbital_energy": None if orbital is None else orbital * HARTREE,
        "polarisability": None if polarisability is None else polarisability * BOHR**3,
        "spin_square_error": contamination,
        "in_sphere": in_sphere,
        "grid": {"first": float(radial_grid()[0][0]), "last": float(radial_grid()[0][-1])},
        "density": [float(f"{value:.9g}") for value in density],
        "method": method,
        "versions": {"pyscf": pyscf.__version__, "numpy": np.__version__},
    }


def _hydrogenic(calculation: _Calculation) -> Record:
    """One electron in 1s: everything is known."""
    nuclear = int(atomic_numbers[calculation.state.symbol])
    energy = -0.5 * nuclear**2
    zeta = 2.0 * nuclear / BOHR
    density = zeta**3 / (8.0 * np.pi) * np.exp(-zeta * radial_grid()[0])
    return _record(energy, energy, 4.5 / nuclear**4, density, 0.0, "exact hydrogenic 1s")


def _correlated(
    plain: _Calculation, dressed: _Calculation, smooth: Array, orbital: float
) -> Record:
    state, theory = plain.state, plain.level
    basis = augmented(theory.basis, state.symbol)
    atom = plain.atom(basis)
    mean_field = plain.hartree_fock(atom)
    cluster = coupled_cluster(mean_field, theory.frozen)
    energy = float(mean_field.e_tot) if cluster is None else cluster_energy(cluster)
    inner, inner_field = cluster, mean_field
    if dressed is not plain:
        inner_field = dressed.hartree_fock(atom, start=mean_field)
        inner = coupled_cluster(inner_field, theory.frozen)
    density = np.maximum(smooth + _correlation_density(inner), 0.0)
    density *= state.electrons / _count(density)
    increment = _increment(plain, mean_field)
    polarisability = _polarisability(dressed, inner_field, inner)
    energy += increment - (_sphere_energy(plain, density) if plain.sphere else 0.0)
    square = float(mean_field.spin_square()[0])
    contamination = square - 0.5 * state.spin * (0.5 * state.spin + 1.0)
    method = _method(plain, dressed, cluster is not None)
    return _record(energy, orbital, polarisability, density, contamination, method, dressed.sphere)


def _count(density: Array) -> float:
    radii, weights = radial_grid()
    return float(4.0 * np.pi * (radii**2 * weights) @ density)


def _method(plain: _Calculation, dressed: _Calculation, correlated: bool) -> str:
    theory, symbol = plain.level, plain.state.symbol
    hamiltonian = "sf-X2C " if theory.relativistic else ""
    method = f"{hamiltonian}UHF-CCSD(T)" if correlated else f"{hamiltonian}UHF"
    words = [f"energy {method}/{theory.basis}+spd, {theory.frozen} orbitals frozen"]
    if theory.large and correlated:
        words.append(f"+ UMP2 from {theory.basis} to the limit extrapolated with {theory.large}")
    words.append("density UHF/even-tempered")
    if correlated:
        words[-1] += f" + CCSD - UHF/{theory.basis}+spd, spherical average"
        words.append(f"polarisability {theory.response}, finite field")
    sphere = f"Watson sphere {-plain.state.charge:+d} e, {sphere_radius(symbol):g} Å"
    if plain.sphere:
        words.append(f"unbound: {sphere}, its energy subtracted")
    elif dressed.sphere:
        words.append(f"not bound by UHF: density and polarisability in a {sphere}")
    return "; ".join([*words, *dict.fromkeys(plain.notes + dressed.notes)])


def _smooth_density(calculation: _Calculation) -> tuple[Array, float]:
    """Hartree-Fock density in e/Å³ on the radial grid, and the outermost orbital energy."""
    atom = calculation.atom(even_tempered(calculation.state))
    mean_field = calculation.hartree_fock(atom)
    density = spherical_average(atom, np.sum(mean_field.make_rdm1(), axis=0), radial_grid()[0])
    outermost = float(np.asarray(mean_field.mo_energy)[np.asarray(mean_field.mo_occ) > 0].max())
    return density, outermost


def _correlation_density(cluster: Any | None) -> Array:
    """Spherical CCSD minus UHF density in e/Å³ on the radial grid."""
    radii = radial_grid()[0]
    if cluster is None:
        return np.zeros_like(radii)
    cluster.conv_tol, cluster.conv_tol_normt = 1e-6, 1e-4
    cluster.solve_lambda()
    if not cluster.converged_lambda:
        raise RuntimeError("the CCSD lambda equations did not converge")
    matrix = np.sum(cluster.make_rdm1(ao_repr=True), axis=0)
    matrix -= np.sum(cluster._scf.make_rdm1(), axis=0)
    return spherical_average(cluster.mol, matrix, radii)


def _increment(calculation: _Calculation, mean_field: Any) -> float:
    """Hartree: change of the UMP2 energy from the triple-zeta basis to the extrapolated limit.

    A state with a hole below its outermost electron has vanishing denominators; its increment is
    that of its ion, as an electron far outside hardly correlates.
    """
    theory, symbol, shells = calculation.level, calculation.state.symbol, calculation.state.shells
    if not theory.large:
        return 0.0
    if _has_hole(mean_field):
        shells = shells[:-1]
        calculation.notes.append("UMP2 increment that of the ion without the outermost electron")
    fields, correlations = [], []
    for name in (theory.basis, theory.large):
        atom = calculation.atom(augmented(name, symbol), shells)
        field = calculation.hartree_fock(atom, shells)
        fields.append(float(field.e_tot))
        correlations.append(second_order_energy(field, theory.frozen) - fields[-1])
    triple, quadruple = correlations
    limit = (64.0 * quadruple - 27.0 * triple) / 37.0
    return fields[1] - fields[0] + limit - triple


def _has_hole(mean_field: Any) -> bool:
    return any(
        energies[occupations > 0].max(initial=-np.inf) > energies[occupations == 0].min()
        for energies, occupations in zip(mean_field.mo_energy, mean_field.mo_occ, strict=True)
    )


def _sphere_energy(calculation: _Calculation, density: Array) -> float:
    """Hartree: potential energy of the electrons in the Watson sphere."""
    radii, weights = radial_grid()
    radius = sphere_radius(calculation.state.symbol)
    potential = calculation.state.charge * BOHR / np.maximum(radii, radius)
    return float(4.0 * np.pi * (radii**2 * weights * potential) @ density)


def _polarisability(
    calculation: _Calculation, mean_field: Any, cluster: Any | None
) -> float | None:
    """Bohr³: mean of the directions; None where fields mix degenerate states."""
    if calculation.level.response == "UMP2" and _has_hole(mean_field):
        calculation.notes.append("no polarisability: UMP2 diverges with a hole below the valence")
        return None
    dipoles = mean_field.mol.intor_symmetric("int1e_r")
    axes = (2,) if calculation.state.cubic else (2, 0)
    energy = _response_energy(calculation, mean_field, cluster)
    found = []
    for axis in axes:
        try:
            found.append(_response(calculation, mean_field, dipoles[axis], energy))
        except RuntimeError as error:
            calculation.notes.append(f"no polarisability: {error}")
            return None
    value = found[0] if len(found) == 1 else (found[0] + 2.0 * found[1]) / 3.0
    if not 0.0 < min(found) <= max(found) < MOST_POLARISABLE:
        calculation.notes.append("no polarisability: the field mixes nearly degenerate states")
        return None
    return float(value)


def _response_energy(
    calculation: _Calculation, mean_field: Any, cluster: Any | None = None
) -> float:
    frozen = calculation.level.frozen
    if calculation.level.response == "UMP2":
        return second_order_energy(mean_field, frozen)
    cluster = cluster or coupled_cluster(mean_field, frozen)
    return float(mean_field.e_tot if cluster is None else cluster.e_tot)


def _response(calculation: _Calculation, start: Any, dipole: Array, energy: float) -> float:
    """Bohr³: polarisability along an axis; the field strength is chosen from the UHF response."""
    atom, weak = start.mol, 5e-4
    polarised = calculation.hartree_fock(atom, extra=weak * dipole, start=start)
    moment = np.einsum("ij,sji->", dipole, np.asarray(polarised.make_rdm1()))
    guess = max(float(-moment / weak), 0.1)
    strength = float(min(np.sqrt(2.0 * FIELD_ENERGY / guess), STRONGEST_FIELD))
    mean_field = calculation.hartree_fock(atom, extra=strength * dipole, start=start)
    return 2.0 * (energy - _response_energy(calculation, mean_field)) / strength**2
