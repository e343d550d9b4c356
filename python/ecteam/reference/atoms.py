"""Isolated atomic states with PySCF: energies, spherical densities and their radial fits.

``python -m ecteam.reference.atoms -o states.json`` writes all states. Energies are CCSD(T) with a
UHF reference, relative to the neutral ground state. Densities are spherical averages, exact for
one electron, otherwise

    ρ = ρ_UHF(large s,p basis) + ρ_CCSD(basis) - ρ_UHF(basis)

with the unrelaxed CCSD density: the few primitives of a triple-zeta basis leave ripples of some
0.04 e in the Hartree-Fock density, which the difference does not have. Where the density has
fallen to `TAIL_DENSITY` a finite Gaussian basis is no longer right; the fit sees the asymptotic
form r^β exp(-κ r), κ = 2√(2I), β = 4(q+1)/κ - 2 (J. Katriel and E. R. Davidson, PNAS 77, 4403
(1980)), while its reported quality is against the density without that tail.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyscf
from numpy.typing import NDArray
from pyscf import cc, gto, scf
from pyscf.dft.LebedevGrid import MakeAngularGrid
from rich.progress import track

from ecteam.fit.quality import quality_report
from ecteam.fit.rbf import RadialFit, Target, fit_density
from ecteam.reference.runs import write_atomic
from ecteam.reference.units import BOHR, HARTREE

__all__ = ["ELEMENTS", "AtomResult", "State", "atomic_states", "compute_atom"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """A state of an element.

    Attributes
    ----------
    name : str
        ``ground``, ``cation``, ``anion`` or ``dianion``.
    charge : int
        Charge in e.
    spin : int
        Unpaired electrons, 2S.
    ionised_spin : int
        Unpaired electrons of what is left after removing one electron.
    bound : bool
        Whether the state is stable in vacuum.
    """

    name: str
    charge: int
    spin: int
    ionised_spin: int = 0
    bound: bool = True


@dataclass(frozen=True)
class Element:
    """Basis set, frozen core orbitals, large basis set of the density, and states."""

    basis: str
    frozen: int
    large: str
    states: tuple[State, ...]


ELEMENTS = {
    "H": Element("aug-cc-pVTZ", 0, "aug-cc-pV5Z", (State("ground", 0, 1), State("cation", 1, 0))),
    "O": Element(
        "aug-cc-pVTZ",
        1,
        "aug-cc-pV5Z",
        (State("ground", 0, 2, 3), State("anion", -1, 1, 2), State("dianion", -2, 0, 1, False)),
    ),
    "Li": Element("def2-QZVPPD", 0, "cc-pV5Z", (State("ground", 0, 1), State("cation", 1, 0, 1))),
    "Na": Element("def2-QZVPPD", 1, "cc-pV5Z", (State("ground", 0, 1), State("cation", 1, 0, 1))),
    "F": Element(
        "aug-cc-pVTZ", 1, "aug-cc-pV5Z", (State("ground", 0, 1, 2), State("anion", -1, 0, 1))
    ),
    "Cl": Element(
        "aug-cc-pVTZ", 5, "aug-cc-pV5Z", (State("ground", 0, 1, 2), State("anion", -1, 0, 1))
    ),
}
"""Elements and states that the command writes."""

UNBOUND_DECAYS = (1.6, 1.8, 2.0, 2.2)
"""1/Å: decays tried for a state without an ionisation energy; the best fit decides."""


TAIL_DENSITY = 3e-5
"""e/Å³: density below which the asymptotic form takes over in the fit."""
FUNCTIONS = 10
"""Slater functions per density."""


@dataclass(frozen=True)
class AtomResult:
    """Energy and spherical density of an isolated atom.

    Attributes
    ----------
    energy : float
        Total energy in eV.
    radii, weights : ndarray, shape (m,)
        Radial quadrature of ∫ dr in Å.
    density : ndarray, shape (m,)
        Spherically averaged density in e/Å³.
    method : str
        How energy and density were made.
    """

    energy: float
    radii: Array
    weights: Array
    density: Array
    method: str


def compute_atom(
    symbol: str, charge: int, spin: int, element: Element, correlated: bool = True
) -> AtomResult:
    """Compute an isolated atom.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    charge, spin : int
        Charge in e and unpaired electrons 2S.
    element : Element
        Basis sets and frozen core.
    correlated : bool
        With the correlation part of the density and the diffuse functions of its large basis;
        without both, a finite basis holds electrons that would otherwise leave.

    Returns
    -------
    AtomResult

    Raises
    ------
    RuntimeError
        If the SCF or the coupled-cluster equations do not converge.
    """
    atom = gto.M(atom=symbol, basis=element.basis, charge=charge, spin=spin, verbose=0)
    if atom.nelectron == 0:
        radii, weights = _radial_grid()
        return AtomResult(0.0, radii, weights, np.zeros_like(radii), "bare nucleus")
    field = _hartree_fock(atom)
    if atom.nelectron == 1:
        return _one_electron(field, element)
    return _many_electrons(field, element, correlated)


def _one_electron(field: Any, element: Element) -> AtomResult:
    radii, weights = _radial_grid()
    exponent = 2.0 * field.mol.atom_charge(0) / BOHR
    exact = exponent**3 / (8.0 * np.pi) * np.exp(-exponent * radii)
    method = f"PySCF {pyscf.__version__} UHF/{element.basis} energy, exact hydrogenic density"
    return AtomResult(field.e_tot * HARTREE, radii, weights, exact, method)


def _many_electrons(field: Any, element: Element, correlated: bool) -> AtomResult:
    radii, weights = _radial_grid()
    energy, matrix = _coupled_cluster(field, element.frozen)
    large = element.large if correlated else element.large.removeprefix("aug-")
    density = _large_density(field.mol, large, radii)
    source = f"UHF/{large} s,p functions"
    if correlated:
        uncorrelated = np.sum(field.make_rdm1(), axis=0)
        density += _spherical_average(field.mol, matrix - uncorrelated, radii)
        source += f" + unrelaxed CCSD/{element.basis} - UHF/{element.basis}"
    method = (
        f"PySCF {pyscf.__version__} UHF-CCSD(T)/{element.basis}, {element.frozen} frozen core "
        f"orbitals; density: {source}, spherical average (Lebedev, 50 points)"
    )
    return AtomResult(energy * HARTREE, radii, weights, np.maximum(density, 0.0), method)


def atomic_states(symbol: str) -> list[dict[str, Any]]:
    """Compute and fit all states of an element.

    Parameters
    ----------
    symbol : str
        Chemical symbol, a key of `ELEMENTS`.

    Returns
    -------
    list of dict
        One JSON serialisable entry per state; see the package documentation of
        ``ecteam-states/1``.
    """
    element = ELEMENTS[symbol]
    nuclear = gto.charge(symbol)

    @cache
    def atom(charge: int, spin: int, bound: bool = True) -> AtomResult:
        return compute_atom(symbol, charge, spin, element, correlated=bound)

    neutral = atom(0, element.states[0].spin).energy
    entries = []
    for state in element.states:
        result = atom(state.charge, state.spin, state.bound)
        ionisation = None
        if state.charge < nuclear:
            ionisation = atom(state.charge + 1, state.ionised_spin).energy - result.energy
        entries.append(_entry(state, result, result.energy - neutral, ionisation, nuclear))
    return entries


def _entry(
    state: State, result: AtomResult, energy: float, ionisation: float | None, nuclear: int
) -> dict[str, Any]:
    electrons = nuclear - state.charge
    fit, quality, note = _fit(state, result, ionisation, nuclear, electrons)
    return {
        "name": state.name,
        "charge": state.charge,
        "multiplicity": state.spin + 1,
        "energy": energy,
        "bound": state.bound,
        "ionisation_energy": ionisation,
        "rbf": {
            "exponents": fit.exponents.tolist(),
            "coefficients": fit.coefficients.tolist(),
        },
        "quality": quality,
        "provenance": result.method + note,
    }


def _fit(
    state: State, result: AtomResult, ionisation: float | None, nuclear: int, electrons: int
) -> tuple[RadialFit, dict[str, Any], str]:
    """Radial fit, its quality and what to add to the provenance."""
    if electrons == 0:
        return RadialFit(np.empty(0), np.empty(0)), {}, ""
    cusp = 2.0 * nuclear / BOHR

    def target(decay: float) -> Target:
        return Target(result.radii, result.weights, result.density, electrons, cusp, decay)

    if electrons == 1:
        fit = RadialFit(np.array([cusp]), np.ones(1))
        return fit, quality_report(fit, target(cusp)), ""
    if state.bound and ionisation is not None:
        goal = target(2.0 * np.sqrt(2.0 * ionisation / HARTREE) / BOHR)
        fit = fit_density(_with_tail(goal, state.charge + 1), functions=FUNCTIONS)
        note = f"; fitted with the asymptotic tail below {TAIL_DENSITY:g} e/Å³"
        return fit, quality_report(fit, goal), note
    return _fit_unbound([target(decay) for decay in UNBOUND_DECAYS])


def _fit_unbound(targets: Sequence[Target]) -> tuple[RadialFit, dict[str, Any], str]:
    """Fit with the decay that describes the basis-bound density best."""
    tried = []
    for goal in targets:
        fit = fit_density(goal, functions=FUNCTIONS)
        tried.append((fit, quality_report(fit, goal), goal.decay))
    fit, quality, decay = min(tried, key=lambda item: float(item[1]["absolute_error"]))
    note = (
        "; UNBOUND in vacuum: energy and density are those of electrons held by a finite basis, "
        f"without diffuse functions for the density; decay {decay:.2f} 1/Å "
        "is the best fit, not from an ionisation energy"
    )
    return fit, quality, note


def _with_tail(target: Target, left_charge: int) -> Target:
    """Replace the far density by its asymptotic form around an ion of charge `left_charge`."""
    kappa = target.decay * BOHR
    power = 4.0 * left_charge / kappa - 2.0
    first = int(np.flatnonzero(target.density > TAIL_DENSITY).max())
    radii, start = target.radii[first:], target.radii[first]
    density = target.density.copy()
    falling = (radii / start) ** power * np.exp(-target.decay * (radii - start))
    density[first:] = density[first] * falling
    return replace(target, density=density)


def _radial_grid() -> tuple[Array, Array]:
    """Logarithmic grid from 1e-6 to 40 bohr with trapezoidal weights in ln r, in Å."""
    logarithms = np.linspace(np.log(1e-6), np.log(40.0), 700)
    radii = np.exp(logarithms) * BOHR
    return radii, radii * (logarithms[1] - logarithms[0])


def _hartree_fock(atom: Any) -> Any:
    field = scf.UHF(atom)
    field.conv_tol = 1e-11
    field.kernel()
    stable = field.stability()[0]
    if np.max(np.abs(stable[0] - field.mo_coeff[0])) > 1e-4:
        field = field.newton()
        field.kernel(dm0=field.make_rdm1(stable, field.mo_occ))
    if not field.converged:
        raise RuntimeError(f"UHF did not converge for {atom.atom_symbol(0)} {atom.charge:+d}")
    return field


def _coupled_cluster(field: Any, frozen: int) -> tuple[float, Array]:
    """CCSD(T) energy in Hartree and total CCSD density matrix in the atomic-orbital basis."""
    cluster = cc.UCCSD(field, frozen=frozen or None)
    cluster.conv_tol = 1e-9
    cluster.max_cycle = 200
    cluster.kernel()
    if not cluster.converged:
        raise RuntimeError(f"CCSD did not converge for {field.mol.atom_symbol(0)}")
    active = field.mol.nelectron - 2 * frozen
    triples = float(cluster.ccsd_t()) if active > 2 else 0.0
    cluster.solve_lambda()
    up, down = cluster.make_rdm1(ao_repr=True)
    return float(cluster.e_tot) + triples, np.asarray(up + down)


def _large_density(small: Any, large: str, radii: Array) -> Array:
    """Spherical UHF density in the s and p functions of a large basis, in e/Å³."""
    symbol = small.atom_symbol(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shells = [shell for shell in gto.basis.load(large, symbol) if shell[0] <= 1]
    atom = gto.M(
        atom=symbol, basis={symbol: shells}, charge=small.charge, spin=small.spin, verbose=0
    )
    return _spherical_average(atom, np.sum(_hartree_fock(atom).make_rdm1(), axis=0), radii)


def _spherical_average(atom: Any, matrix: Array, radii: Array) -> Array:
    """Lebedev average of a density in e/Å³; exact, as products of g functions have l ≤ 8."""
    angular = MakeAngularGrid(50)
    points = (radii[:, None, None] / BOHR * angular[None, :, :3]).reshape(-1, 3)
    orbitals = atom.eval_gto("GTOval_sph", points)
    density = np.einsum("gi,gi->g", orbitals @ matrix, orbitals).reshape(len(radii), -1)
    return np.asarray(density @ angular[:, 3] / BOHR**3)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.atoms", description=__doc__)
    parser.add_argument("-o", "--output", required=True, type=Path, help="JSON file to write")
    parser.add_argument("elements", nargs="*", default=list(ELEMENTS), help="elements, default all")
    options = parser.parse_args(arguments)
    elements = {
        symbol: atomic_states(symbol)
        for symbol in track(options.elements, description="atomic states")
    }
    document = {
        "format": "ecteam-states/1",
        "units": {"energy": "eV", "length": "Å", "charge": "e", "exponents": "1/Å"},
        "elements": elements,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    write_atomic(options.output, text.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
