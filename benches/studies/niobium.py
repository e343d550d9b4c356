"""Niobium: linear models, designed models and density-functional properties, in one run.

    python benches/studies/niobium.py FOLDER [--model NAME_OR_FILE ...] [--formula FORMULA ...]

FOLDER holds mvl_Nb_train.extxyz.gz and mvl_Nb_test.extxyz.gz, the published split of Li, Chen,
Zheng, Zuo and Ong, npj Comput. Mater. 6, 70 (2020). Models are shipped potentials or files, and
formulas are trained here. Linear models of 9 to 73 parameters (Chebyshev functions up to 5.5 Å,
two-body and power spectrum) come first: what a designed model of equal size has to beat.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ecteam
import numpy as np
from ase.io import read
from ecteam.expressions import parse
from ecteam.fisher import Fisher
from ecteam.fit import Errors, Labels, Scales, Settings, errors_of, read_labels, train
from ecteam.fit.sweep import sweep
from ecteam.properties import CrystalProperties, crystal_properties, reference_crystal
from ecteam.terms import Constant, Expression, Pair, ThreeBody
from references import Reference, reference_of
from rich.console import Console
from rich.table import Table

LINEAR: dict[int, Expression] = {
    9: Constant() + Pair(8),
    27: Constant() + Pair(8) + ThreeBody(3, lmax=2),
    51: Constant() + Pair(10) + ThreeBody(4, lmax=3),
    73: Constant() + Pair(12) + ThreeBody(5, lmax=3),
}
# Test errors of linear models found elsewhere by these sizes: meV/atom, eV/Å.
KNOWN = {9: (20.1, 0.275), 27: (12.5, 0.167), 51: (6.7, 0.132), 73: (5.3, 0.125)}
# W. Wang et al., arXiv:2504.19372: 75 parameters, another Nb set: meV/atom, eV/Å.
PAPER = (13.0, 0.172)
TARGETS = {75: (4.0, 0.105), 30: (np.inf, 0.145)}
# An energy row, per atom, weighs 30 times as much as a force component.
SCALES = Scales(energy=0.1 / 30, force=0.1, stress=np.inf)
CONDITION_GAIN = 100.0


@dataclass(frozen=True)
class Fit:
    """A model with its test errors and Fisher information."""

    name: str
    potential: ecteam.Potential
    errors: Errors
    condition: float
    seconds: float | None

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.potential.parameters)


def trained(name: str, expression: Expression, labels: Labels, test: Labels, seed: int) -> Fit:
    """Train an expression and judge it."""
    start = expression.potential(["Nb"], seed=seed)
    begin = time.perf_counter()
    found = train(start, labels, SCALES, Settings()).model
    return judged(name, found, labels, test, time.perf_counter() - begin)


def judged(
    name: str, potential: ecteam.Potential, labels: Labels, test: Labels, seconds: float | None
) -> Fit:
    """Test errors, and the condition of the Fisher information of the training set."""
    factor = sweep(potential, labels, SCALES).factor
    zero = np.zeros(len(potential.parameters))
    fisher = Fisher(tuple(potential.parameter_names), potential.parameters, factor, zero)
    return Fit(name, potential, errors_of(potential, test), fisher.condition, seconds)


def error_table(fits: Sequence[Fit]) -> Table:
    """Test errors of all models."""
    columns = ("model", "parameters", "RMSE meV/atom", "RMSE eV/Å", "MAE meV/atom", "MAE eV/Å")
    table = Table(*columns, "condition of the FIM", "training s", title="mvl_Nb, test set")
    for fit in fits:
        rmse, mae = fit.errors.rmse(), fit.errors.mae()
        table.add_row(
            fit.name,
            str(fit.size),
            *(f"{1000 * rmse['energy']:.2f}", f"{rmse['force']:.4f}"),
            *(f"{1000 * mae['energy']:.2f}", f"{mae['force']:.4f}"),
            f"{fit.condition:.1e}",
            "" if fit.seconds is None else f"{fit.seconds:.1f}",
        )
    for size, (energy, force) in KNOWN.items():
        table.add_row("linear, known", str(size), f"{energy:.1f}", f"{force:.3f}")
    table.add_row("Wang et al., other data", "75", f"{PAPER[0]:.0f}", f"{PAPER[1]:.3f}")
    return table


def verdicts(fits: Sequence[Fit]) -> Table:
    """Targets, and whether a model that is not linear of the list meets them."""
    table = Table("target", "best", "met", title="targets")
    designed = [fit for fit in fits if not fit.name.startswith("linear ")]
    for size, (energy, force) in TARGETS.items():
        small = [fit for fit in designed if fit.size <= size]
        if not small:
            continue
        best = min(small, key=lambda fit: fit.errors.rmse()["force"])
        rmse = best.errors.rmse()
        met = rmse["force"] <= force and 1000 * rmse["energy"] <= energy
        limit = f" and {energy:g} meV/atom" if np.isfinite(energy) else ""
        found = f"{best.name}: {rmse['force']:.4f} eV/Å, {1000 * rmse['energy']:.2f} meV/atom"
        table.add_row(f"≤ {size} parameters, {force} eV/Å{limit}", found, "yes" if met else "no")
        linear = min(
            (fit for fit in fits if fit.name.startswith("linear ")),
            key=lambda fit: abs(fit.size - best.size),
        )
        gain = linear.condition / best.condition
        table.add_row(
            f"FIM condition {CONDITION_GAIN:g} × below linear of {linear.size}",
            f"{best.name}: {gain:.3g} × below",
            "yes" if gain >= CONDITION_GAIN else "no",
        )
    return table


def property_table(found: dict[str, CrystalProperties], reference: Reference) -> Table:
    """Properties of models beside those of the data."""
    table = Table("property", "PBE, from the data", *found, title="bcc Nb")
    rows = {
        "lattice constant, Å": (f"{reference.lattice_constant:.4f}", "lattice_constant", ".4f"),
        "C11, GPa": (f"{reference.c11:.0f}", "c11", ".0f"),
        "C12, GPa": (f"{reference.c12:.0f}", "c12", ".0f"),
        "C44, GPa": (
            f"{reference.c44:.0f} from stresses, {reference.c44_energy:.0f} from energies",
            "c44",
            ".0f",
        ),
        "vacancy, eV": ("not in the data", "vacancy_energy", ".2f"),
    }
    for name, (value, field, form) in rows.items():
        table.add_row(name, value, *(f"{getattr(one, field):{form}}" for one in found.values()))
    for indices in ("110", "100", "111"):
        energies = [f"{one.surface_energies[indices]:.3f}" for one in found.values()]
        known = reference.surface_energies.get(indices)
        table.add_row(f"({indices}), J/m²", "" if known is None else f"{known:.3f}", *energies)
    phonons = [f"{one.phonons[0]:.2f}" for one in found.values()]
    table.add_row("phonon at H, THz", "not in the data", *phonons)
    return table


def properties_of(fit: Fit) -> CrystalProperties | None:
    """Properties of a model, None if it does not hold the crystal together."""
    try:
        return crystal_properties(reference_crystal("Nb"), lambda: ecteam.ECTEAM(fit.potential))
    except ecteam.EcteamError as error:
        print(f"{fit.name}: no properties: {error}")
        return None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", default=[], help="shipped name or file")
    parser.add_argument("--formula", action="append", default=[], help="expression to train")
    parser.add_argument("--seed", type=int, default=None, help="vary the start of formulas")
    arguments = parser.parse_args()
    paths = [arguments.folder / f"mvl_Nb_{part}.extxyz.gz" for part in ("train", "test")]
    labels, test = map(read_labels, paths)
    fits = [
        trained(f"linear {size}", expression, labels, test, arguments.seed)
        for size, expression in LINEAR.items()
    ]
    fits += [
        trained(formula, parse(formula), labels, test, arguments.seed)
        for formula in arguments.formula
    ]
    fits += [
        judged(Path(name).stem, ecteam.load(name), labels, test, None) for name in arguments.model
    ]
    console = Console(width=140)
    console.print(error_table(fits))
    console.print(verdicts(fits))
    found = {fit.name: properties_of(fit) for fit in fits[2:]}
    known = {name: one for name, one in found.items() if one is not None}
    console.print(property_table(known, reference_of(read(paths[0], index=":"))))


if __name__ == "__main__":
    main()
