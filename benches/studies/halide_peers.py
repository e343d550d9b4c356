"""The potential `halides` beside what a user would otherwise pick: six salts.

    python benches/studies/halide_peers.py [--other FILE ...] [--ablation]

Bond length, dissociation energy to neutral atoms, dipole and the distance at which the charge jumps
back for every molecule; lattice constant and cohesive energy of every crystal. Peers: GFN2-xTB
(C. Bannwarth, S. Ehlert and S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) if `tblite` is
installed, the rigid ions of F. G. Fumi and M. P. Tosi (J. Phys. Chem. Solids 25, 31 and 45 (1964)),
fitted to each crystal on its own, and the construction of `ecteam` without a fit. `--ablation` fits
`halides` again without one ingredient at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import ecteam
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.symbols import string2symbols
from ase.units import Debye
from ecteam.fit import Labels, Settings, errors_of, train
from ecteam.fit.form import Form
from ecteam.fit.shipped import FORMS, METALS, SCALES, shipped_labels
from ecteam.reference.salts import COULOMB, SALTS, Salt, coulomb_crossing, separation
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize_scalar

MADELUNG = 1.7475645946
"""Of rock salt, for the nearest distance."""
ITERATIONS = 30


class Method(Protocol):
    """What is asked of a model; energies are above separated neutral atoms."""

    def molecule(self, salt: str, distance: float) -> tuple[float, float, float]:
        """Energy (eV), dipole (D) and charge of the metal (e) of a diatomic molecule."""
        ...

    def crystal(self, salt: str, constant: float) -> float:
        """Energy of rock salt, eV per atom."""
        ...


@dataclass(frozen=True)
class Ensemble:
    """A potential of this package."""

    potential: Any

    def molecule(self, salt: str, distance: float) -> tuple[float, float, float]:
        """Take the lowest branch of the weights."""
        atoms = Atoms(salt, positions=[[0, 0, distance], [0, 0, 0]])
        found = ecteam.evaluate(atoms, self.potential)
        dipole = float(np.linalg.norm(found.dipole)) / Debye
        return found.free_energy, dipole, float(found.charges[0])

    def crystal(self, salt: str, constant: float) -> float:
        """Energy of the primitive cell."""
        atoms = bulk(salt, "rocksalt", a=constant)
        return float(ecteam.evaluate(atoms, self.potential).free_energy) / 2.0


class Construction:
    """States of the library with embedding functions from dimer curves; K has none of those."""

    def _ensemble(self, salt: str) -> Ensemble:
        embedding = None if "K" in string2symbols(salt) else "dimers"
        return Ensemble(ecteam.Potential.from_library(string2symbols(salt), embedding=embedding))

    def molecule(self, salt: str, distance: float) -> tuple[float, float, float]:
        """Take the lowest branch of the weights."""
        return self._ensemble(salt).molecule(salt, distance)

    def crystal(self, salt: str, constant: float) -> float:
        """Energy of the primitive cell."""
        return self._ensemble(salt).crystal(salt, constant)


class TightBinding:
    """GFN2-xTB; crystals as 3 × 3 × 3 primitive cells at the Γ point."""

    def _calculator(self, multiplicity: int = 1) -> Any:
        from tblite.ase import TBLite  # type: ignore[import-not-found,import-untyped,unused-ignore]

        return TBLite(method="GFN2-xTB", multiplicity=multiplicity, verbosity=0)

    def _atoms_energy(self, salt: str) -> float:
        total = 0.0
        for symbol in string2symbols(salt):
            atom = Atoms(symbol, magmoms=[1.0])
            atom.calc = self._calculator(2)
            total += atom.get_potential_energy()
        return total

    def molecule(self, salt: str, distance: float) -> tuple[float, float, float]:
        """Give NaN where the closed shell does not converge."""
        from ase.calculators.calculator import CalculationFailed

        atoms = Atoms(salt, positions=[[0, 0, distance], [0, 0, 0]])
        atoms.calc = self._calculator()
        try:
            energy = atoms.get_potential_energy() - self._atoms_energy(salt)
        except CalculationFailed:
            return np.nan, np.nan, np.nan
        dipole = float(np.linalg.norm(atoms.get_dipole_moment())) / Debye
        return float(energy), dipole, float(atoms.get_charges()[0])

    def crystal(self, salt: str, constant: float) -> float:
        """Energy of 54 ions."""
        atoms = bulk(salt, "rocksalt", a=constant) * (3, 3, 3)
        atoms.calc = self._calculator()
        return float(atoms.get_potential_energy()) / len(atoms) - self._atoms_energy(salt) / 2.0


@dataclass(frozen=True)
class BornMayer:
    """Parameters of a salt.

    Attributes
    ----------
    range : float
        ρ of the repulsion, Å.
    sixth, eighth : (float, float, float)
        Dispersion of cation-cation, cation-anion, anion-anion; 1e-79 J·m⁶ and 1e-99 J·m⁸.
    """

    range: float
    sixth: tuple[float, float, float]
    eighth: tuple[float, float, float]


FUMI_TOSI = {
    "LiF": BornMayer(0.299, (0.073, 0.8, 14.5), (0.03, 0.6, 17.0)),
    "LiCl": BornMayer(0.342, (0.073, 2.0, 111.0), (0.03, 2.4, 223.0)),
    "NaF": BornMayer(0.330, (1.68, 4.5, 16.5), (0.8, 3.8, 20.0)),
    "NaCl": BornMayer(0.317, (1.68, 11.2, 116.0), (0.8, 13.9, 233.0)),
    "KF": BornMayer(0.338, (24.3, 19.5, 18.6), (24.0, 21.0, 22.0)),
    "KCl": BornMayer(0.337, (24.3, 48.0, 124.5), (24.0, 73.0, 250.0)),
}
RADII = {"Li": 0.816, "Na": 1.170, "K": 1.463, "F": 1.179, "Cl": 1.585}
"""Å."""
OUTER = {"Li": 2, "Na": 8, "K": 8, "F": 8, "Cl": 8}
"""Electrons of the outer shell, for Pauling's factors."""
STRENGTH = 0.338e-19 / 1.602176634e-19
"""b, eV."""
DISPERSION = 1e-79 / 1.602176634e-19 * 1e60
"""From 1e-79 J·m⁶ to eV·Å⁶; the same number from 1e-99 J·m⁸ to eV·Å⁸."""


class RigidIons:
    """Point charges of ±1 e with the repulsion and dispersion of Fumi and Tosi."""

    def _short(self, salt: str, pair: tuple[str, str], distance: Any) -> Any:
        """Repulsion and dispersion of two ions, eV."""
        own = FUMI_TOSI[salt]
        kind = sum(symbol not in METALS for symbol in pair)
        signs = {symbol: 1.0 if symbol in METALS else -1.0 for symbol in pair}
        factor = 1.0 + sum(signs[symbol] / OUTER[symbol] for symbol in pair)
        contact = sum(RADII[symbol] for symbol in pair)
        repulsion = factor * STRENGTH * np.exp((contact - distance) / own.range)
        sixth, eighth = own.sixth[kind] * DISPERSION, own.eighth[kind] * DISPERSION
        return repulsion - sixth / distance**6 - eighth / distance**8

    def molecule(self, salt: str, distance: float) -> tuple[float, float, float]:
        """Whatever the distance, the atoms stay ions."""
        metal, halogen = string2symbols(salt)
        short = float(self._short(salt, (metal, halogen), distance))
        energy = separation(salt) - COULOMB / distance + short
        return energy, distance / Debye, 1.0

    def crystal(self, salt: str, constant: float) -> float:
        """Madelung energy and pairs up to 12 nearest distances."""
        metal, halogen = string2symbols(salt)
        grid = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3), axis=-1).reshape(-1, 3)
        grid = grid[grid.any(axis=1)]
        length, odd = np.linalg.norm(grid, axis=1) * constant / 2.0, grid.sum(axis=1) % 2 == 1
        unlike = self._short(salt, (metal, halogen), length[odd]).sum()
        alike = sum(self._short(salt, (x, x), length[~odd]).sum() for x in (metal, halogen))
        electrostatic = -MADELUNG * COULOMB / (constant / 2.0)
        return (separation(salt) + electrostatic + unlike + 0.5 * alike) / 2.0


def observables(method: Method, salt: Salt) -> dict[str, float]:
    """Bond (Å), dissociation (eV), dipole (D), crossing (Å), lattice (Å), cohesion (eV/atom)."""
    bond = lowest(lambda r: method.molecule(salt.name, r)[0], salt.bond)
    energy, dipole, _ = method.molecule(salt.name, bond)
    constant = lowest(lambda a: method.crystal(salt.name, a), salt.lattice_constant)
    return {
        "bond": bond,
        "dissociation": -energy,
        "dipole": dipole,
        "crossing": crossing(method, salt),
        "lattice": constant,
        "cohesion": -method.crystal(salt.name, constant),
    }


def lowest(function: Callable[[float], float], around: float) -> float:
    """Place of the minimum within 25 %."""
    found = minimize_scalar(
        function, bounds=(0.75 * around, 1.25 * around), method="bounded", options={"xatol": 1e-3}
    )
    return float(found.x)


def crossing(method: Method, salt: Salt) -> float:
    """First distance, in steps of 2 %, at which less than half an electron is transferred."""
    scale = coulomb_crossing(salt.name)
    for distance in scale * np.arange(0.5, 1.5, 0.02):
        charge = abs(method.molecule(salt.name, distance)[2])
        if not charge >= 0.5:
            return float(distance) if charge < 0.5 else np.nan
    return np.inf


def reference(salt: Salt) -> dict[str, float]:
    """Experimental values, see :mod:`ecteam.reference.salts`."""
    return {
        "bond": salt.bond,
        "dissociation": salt.dissociation,
        "dipole": salt.dipole,
        "crossing": coulomb_crossing(salt.name),
        "lattice": salt.lattice_constant,
        "cohesion": salt.cohesion,
    }


TARGETS = {
    "bond": ("Å", 0.03, False),
    "dissociation": ("eV", 0.05, True),
    "dipole": ("D", 0.5, False),
    "crossing": ("Å", 0.10, True),
    "lattice": ("Å", 0.015, True),
    "cohesion": ("eV/atom", 0.04, True),
}
"""Unit, largest error, and whether that is relative."""


def within(name: str, value: float, wanted: float) -> bool:
    """Whether a value meets its target."""
    _, most, relative = TARGETS[name]
    return abs(value - wanted) <= most * (abs(wanted) if relative else 1.0)


def peers_table(methods: Mapping[str, Method]) -> Table:
    """All observables of all salts; a star marks what misses its target."""
    table = Table("salt", "", "reference", *methods, title="molecules and crystals")
    hits = dict.fromkeys(methods, 0)
    for salt in SALTS:
        wanted = reference(salt)
        columns = {name: observables(method, salt) for name, method in methods.items()}
        for key, (unit, _, _) in TARGETS.items():
            cells = []
            for name, found in columns.items():
                good = within(key, found[key], wanted[key])
                hits[name] += good
                cells.append(f"{found[key]:.3f}" + ("" if good else " *"))
            table.add_row(salt.name, f"{key}, {unit}", f"{wanted[key]:.3f}", *cells)
    total = len(SALTS) * len(TARGETS)
    table.add_row("all", "within target", "", *(f"{n} of {total}" for n in hits.values()))
    return table


def variants() -> dict[str, Form]:
    """Forms with an ingredient missing."""
    full = FORMS["halides"]()
    elements = [pair for pair in full.decays if " " not in pair[0]]
    common = dict.fromkeys(elements, (1.2, 2.0, 3.3, 5.0))
    ground = {symbol: ("ground",) for symbol in full.states}
    convex = {"embedding[* 2]": (0.0, np.inf)}
    return {
        "all of it": full,
        "no polarisation": replace(full, polarisabilities=None),
        "no repulsion by state": replace(full, decays=common),
        "no resonance": replace(full, channels=[], bounds=convex),
        "no ω: neutral atoms": replace(
            full, states=ground, decays=common, channels=[], bounds=convex, polarisabilities=None
        ),
    }


def warm(form: Form) -> ecteam.Potential:
    """Start with the values of the shipped potential where a parameter has the same name."""
    shipped, start = ecteam.load("halides"), form.start()
    known = dict(zip(shipped.parameter_names, shipped.parameters, strict=True))
    values = zip(start.parameter_names, start.parameters, strict=True)
    return start.with_parameters(np.array([known.get(name, value) for name, value in values]))


def neutral(labels: Labels) -> Labels:
    """Keep what neutral atoms can be asked for."""
    return labels[[k for k, a in enumerate(labels.structures) if not a.info["charge"]]]


def ablation_table() -> Table:
    """Fit every variant to the same data; held-out errors without walls, and the targets met."""
    fitted, held_out = shipped_labels("halides")
    chosen = [k for k, g in enumerate(held_out.groups) if g not in ("wall", "like-ions")]
    table = Table("variant", "parameters", "meV/atom", "eV/Å", "e·Å", "within target")
    table.title = "what the ingredients are worth, held out"
    for name, form in variants().items():
        start = warm(form)
        settings = Settings(iterations=ITERATIONS, ridge=1e-8)
        some, judged = fitted, held_out[chosen]
        if name.startswith("no ω"):
            some, judged = neutral(some), neutral(judged)
        prior, model = form.prior(start), form.model(start)
        found = train(model, some, SCALES["halides"], settings, prior=prior).model.potential
        rmse = errors_of(found, judged).rmse()
        met = 0
        for salt in SALTS:
            own, wanted = observables(Ensemble(found), salt), reference(salt)
            met += sum(within(key, own[key], wanted[key]) for key in TARGETS)
        errors = f"{1000 * rmse['energy']:.1f}", f"{rmse['force']:.3f}", f"{rmse['dipole']:.3f}"
        table.add_row(name, str(len(start.parameters)), *errors, f"{met} of {len(SALTS) * 6}")
    return table


def methods(others: Sequence[str]) -> dict[str, Method]:
    """Every method by name."""
    found: dict[str, Method] = {"halides": Ensemble(ecteam.load("halides"))}
    found |= {Path(name).stem: Ensemble(ecteam.load(name)) for name in others}
    found["not fitted"] = Construction()
    found["Fumi–Tosi"] = RigidIons()
    try:
        import tblite  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: F401
    except ImportError:
        return found
    return found | {"GFN2-xTB": TightBinding()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", nargs="*", default=[], help="more potential files")
    parser.add_argument("--ablation", action="store_true", help="fit without each ingredient")
    options = parser.parse_args(arguments)
    console = Console(width=140)
    console.print(peers_table(methods(options.other)))
    if options.ablation:
        console.print(ablation_table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
