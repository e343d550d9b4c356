"""Tables for the command line, and the same as plain data for JSON."""

from __future__ import annotations

from typing import Any

from ase.data import atomic_numbers
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecteam.dynamics import Conservation
from ecteam.evaluate import Result
from ecteam.peers import peer_card, peers_of
from ecteam.potential import Potential


def result_data(result: Result) -> dict[str, Any]:
    """Everything `run` prints, as plain numbers, lists and dictionaries."""
    stress = result.stress
    return {
        "potential": result.potential.name,
        "sha256": result.potential.sha256,
        "energy": result.energy,
        "free_energy": result.free_energy,
        "chemical_potentials": result.chemical_potentials.tolist(),
        "dipole": result.dipole.tolist(),
        "stress": None if stress is None else stress.tolist(),
        "symbols": list(result.symbols),
        "charges": result.charges.tolist(),
        "induced_dipoles": result.induced_dipoles.tolist(),
        "weights": [result.weights_of(i) for i in range(len(result.symbols))],
        "forces": result.forces.tolist(),
        "kkt_residual": result.kkt_residual,
        "iterations": result.iterations,
        "hessian_products": result.hessian_products,
        "positive_definite": result.positive_definite,
        "lower_branch": result.lower_branch,
    }


def result_tables(result: Result, dynamics: Conservation | None = None) -> RenderableType:
    """Two tables: the system, and its atoms; how dynamics went, if there were any."""
    return Group(_system_table(result, dynamics), _atom_table(result))


def _system_table(result: Result, dynamics: Conservation | None) -> Table:
    table = Table(title=f"potential {result.potential.name}", show_header=False)
    minimum = "strict minimum" if result.positive_definite else "not a strict minimum"
    dipole = " ".join(_rounded(component) for component in result.dipole)
    rows = {
        "energy": f"{result.energy:.6f} eV",
        "free energy": f"{result.free_energy:.6f} eV",
        "total charge": f"{_rounded(result.charges.sum(), '+')} e",
        "chemical potential": " ".join(f"{mu:.4f}" for mu in result.chemical_potentials) + " eV/e",
        "dipole": f"{dipole} e·Å",
        "weights": f"{minimum}, residual {result.kkt_residual:.1e} eV",
    }
    if dynamics is not None:
        rows["dynamics"] = (
            f"{dynamics.duration:g} fs, mean temperature {dynamics.temperature:.0f} K"
        )
        rows["kinetic + free energy"] = (
            f"drift {dynamics.drift:.1e} eV/atom over the run, "
            f"fluctuation {dynamics.fluctuation:.1e} eV/atom"
        )
    if result.lower_branch is not None:
        rows["warning"] = f"another branch of weights lies {result.lower_branch:.3g} eV lower"
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _rounded(value: float, sign: str = "") -> str:
    """Four decimals; what rounds to −0 is a plain 0."""
    return f"{round(float(value), 4) + 0.0:{sign}.4f}"


def _atom_table(result: Result) -> Table:
    columns = ["atom", "charge (e)", "energy (eV)", "|force| (eV/Å)", "state weights"]
    polarisable = result.potential.core.polarisable
    if polarisable:
        columns.insert(2, "|dipole| (e·Å)")
    # Units below the names: 80 columns then hold the weights without cutting their digits.
    table = Table(*(name.replace(" (", "\n(") for name in columns))
    for i, symbol in enumerate(result.symbols):
        weights = " ".join(f"{name}={w:.4f}" for name, w in result.weights_of(i).items())
        force = float((result.forces[i] ** 2).sum() ** 0.5)
        dipole = float((result.induced_dipoles[i] ** 2).sum() ** 0.5)
        table.add_row(
            f"{symbol}{i}",
            _rounded(result.charges[i], "+"),
            *([f"{dipole:.4f}"] if polarisable else []),
            _rounded(result.energies[i]),
            f"{force:.4f}",
            weights,
        )
    return table


def potential_card(potential: Potential) -> RenderableType:
    """Everything worth knowing about a potential on one screen."""
    fields = potential.to_dict()
    cutoff = fields["cutoff"]
    facts = [
        fields["description"],
        f"cite: {fields['citation']}",
        f"cutoff {cutoff['radius']:g} Å, switched over the last {cutoff['switch_width']:g} Å; "
        f"electronic temperature {fields['electronic_temperature']:g} eV",
    ]
    parts: list[RenderableType] = [Text(potential.name, style="bold"), Text("\n".join(facts))]
    if potential.expression is not None:
        parts.append(Text(f"learned terms: {potential.expression!r}"))
    parts.append(_state_table(fields))
    if fields["resonances"]:
        parts.append(_resonance_table(fields))
    if "fit" in fields:
        parts.append(_fit_table(fields["fit"]))
    peers = peers_of(potential.name, potential.sha256)
    if peers is not None:
        parts.append(peer_card(peers))
    parts.append(Text(f"sha256 {potential.sha256}"))
    return Group(*parts)


def _state_table(fields: dict[str, Any]) -> Table:
    table = Table("element", "state", "charge (e)", "energy (eV)", "electrons", "density")
    table.title = "states"
    for symbol, element in fields["elements"].items():
        for state in element["states"]:
            electrons = atomic_numbers[symbol] - state["charge"]
            bound = "" if state["bound"] else " (unbound in vacuum)"
            table.add_row(
                symbol,
                state["name"] + bound,
                f"{state['charge']:+g}",
                f"{state['energy']:.4f}",
                f"{electrons:g}",
                _density_words(state),
            )
    return table


def _density_words(state: dict[str, Any]) -> str:
    if "rbf" not in state:
        return "tabulated" if "density_tables" in state else "none"
    exponents = state["rbf"]["exponents"]
    if not exponents:
        return "bare nucleus"
    return f"{len(exponents)} × 1s, {min(exponents):.2f} … {max(exponents):.2f} 1/Å"


def _resonance_table(fields: dict[str, Any]) -> Table:
    table = Table("first", "second", "amplitude (eV)", "decay (1/Å)", title="resonance")
    for channel in fields["resonances"]:
        (a, b), first, second = channel["pair"], channel["first"], channel["second"]
        amplitude = channel["amplitude"]
        table.add_row(
            f"{a}: {first[0]} → {first[1]}",
            f"{b}: {second[0]} → {second[1]}",
            f"{amplitude['amplitude']:.4g}",
            f"{amplitude['decay']:.4g}",
        )
    return table


def _fit_table(fit: dict[str, Any]) -> Table:
    columns = ("group", "split", "geometries", "meV/atom", "eV/Å", "e·Å")
    title = f"root-mean-square errors, {fit['parameters']} parameters fitted to {fit['data']}"
    table = Table(*columns, title=title)
    for group in fit["errors"]:
        table.add_row(
            group["group"],
            group["split"],
            str(group["geometries"]),
            f"{1000 * group['energy']:.1f}",
            f"{group['force']:.3f}" if "force" in group else "–",
            f"{group['dipole']:.4f}" if "dipole" in group else "–",
        )
    return table
