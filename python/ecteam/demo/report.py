"""What the demonstration prints."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecteam.demo.main import Demo
from ecteam.demo.proton import LEFT, PROTON, RIGHT, ProtonPath
from ecteam.demo.salt import CHLORINE, SODIUM, Crystal, Dissociation
from ecteam.demo.water import START_TEMPERATURE, TIMESTEP, WaterHexamer
from ecteam.evaluate import Result


def demo_report(demo: Demo) -> RenderableType:
    """Tables and sentences for a terminal."""
    return Group(
        *_section("Water hexamer, (H₂O)₆", _water_facts(demo.water)),
        _atom_table(demo.water.result),
        *_section("Proton transfer in H₅O₂⁺", _proton_facts(demo.proton)),
        _proton_table(demo.proton),
        *_section("NaCl crystal", _crystal_facts(demo.crystal)),
        *_section("NaCl pulled apart", _curve_facts(demo.dissociation)),
        _curve_table(demo.dissociation),
        *_section(f"Files in {demo.folder}, after {demo.seconds:.1f} s", _file_facts(demo)),
    )


def _section(title: str, facts: Iterable[tuple[str, str]]) -> tuple[RenderableType, ...]:
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(name), Text(value))
    return Text(f"\n{title}", style="bold", overflow="ignore", no_wrap=True), grid


def _water_facts(water: WaterHexamer) -> list[tuple[str, str]]:
    run = water.dynamics
    return [
        ("energy", f"{water.result.energy:.4f} eV after {water.relax_steps} relaxation steps"),
        ("free energy", f"{water.result.free_energy:.4f} eV (zero: neutral atoms far apart)"),
        ("binding", f"{water.binding:+.4f} eV per molecule, against one relaxed molecule"),
        (
            "dynamics",
            f"{run.duration:g} fs at constant energy, steps of {TIMESTEP} fs, velocities drawn at "
            f"{START_TEMPERATURE:g} K; mean {run.temperature:.0f} K",
        ),
        (
            "conserved",
            f"kinetic + free energy: drift {1000 * run.drift:+.4f} meV/atom over the run, "
            f"fluctuation {1000 * run.fluctuation:.4f} meV/atom",
        ),
    ]


def _proton_facts(path: ProtonPath) -> list[tuple[str, str]]:
    return [
        ("path", f"straight between two oxygens {path.separation:.2f} Å apart, the rest fixed"),
        ("barrier", f"{path.barrier:.4f} eV at the midpoint, above the lowest point of the path"),
    ]


def _proton_table(path: ProtonPath) -> Table:
    table = _table("O–H\nÅ", "energy\neV", "left O\ne", "proton\ne", "right O\ne")
    for name, atom in (("proton", PROTON), ("left O", LEFT)):
        _add_weights_column(table, name, path.results[0], atom)
    middle = len(path.results) // 2
    for k in (0, middle // 2, middle, middle + (middle + 1) // 2, len(path.results) - 1):
        result = path.results[k]
        table.add_row(
            f"{path.frames[k].get_distance(LEFT, PROTON):.2f}",
            f"{path.energies[k]:.4f}",
            *(f"{result.charges[atom]:+.3f}" for atom in (LEFT, PROTON, RIGHT)),
            *(_weights(result, atom) for atom in (PROTON, LEFT)),
        )
    return table


def _crystal_facts(found: Crystal) -> list[tuple[str, str]]:
    return [
        (
            "lattice constant",
            f"{found.constant:.4f} Å after {found.relax_steps} relaxation steps from "
            f"{found.start_constant:g} Å",
        ),
        ("free energy", f"{found.energy_per_pair:.4f} eV per ion pair, against neutral atoms"),
        ("Na", _state_words(found.result, SODIUM)),
        ("Cl", _state_words(found.result, CHLORINE)),
    ]


def _curve_facts(curve: Dissociation) -> list[tuple[str, str]]:
    crossing = "none found" if curve.crossing is None else f"{curve.crossing:.3f} Å"
    return [
        ("bond length", f"{curve.distance[curve.bond]:.2f} Å (lowest point of the curve)"),
        ("ions to atoms", f"{crossing}: beyond it the sodium has less than half a charge"),
    ]


def _curve_table(curve: Dissociation) -> Table:
    table = _table("Na–Cl\nÅ", "free energy\neV", "Na charge\ne")
    for name, atom in (("Na", SODIUM), ("Cl", CHLORINE)):
        _add_weights_column(table, name, curve.results[0], atom)
    for k in sorted({0, curve.bond, len(curve.results) - 1, *_around(curve)}):
        result = curve.results[k]
        table.add_row(
            f"{curve.distance[k]:.2f}",
            f"{result.free_energy:.6f}",
            f"{result.charges[SODIUM]:+.6f}",
            *(_weights(result, atom) for atom in (SODIUM, CHLORINE)),
        )
    return table


def _around(curve: Dissociation) -> tuple[int, ...]:
    """Points on both sides of the crossing."""
    if curve.crossing is None:
        return ()
    after = int((curve.distance < curve.crossing).sum())
    return after - 1, after


def _atom_table(result: Result) -> Table:
    """Charge and weights of every atom, one short line each."""
    names = list(dict.fromkeys(name for states in result.state_names for name in states))
    table = _table("atom", "charge (e)", *names)
    for i, symbol in enumerate(result.symbols):
        weights = result.weights_of(i)
        shown = (f"{weights[name]:.4f}" if name in weights else "" for name in names)
        table.add_row(f"{symbol}{i}", f"{result.charges[i]:+.4f}", *shown)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _add_weights_column(table: Table, name: str, result: Result, atom: int) -> None:
    states = "/".join(result.state_names[atom])
    table.add_column(f"{name}\n{states}", justify="right")


def _weights(result: Result, atom: int) -> str:
    return "/".join(f"{weight:.3f}" for weight in result.weights_of(atom).values())


def _state_words(result: Result, atom: int) -> str:
    words = [f"{name} {weight:.4f}" for name, weight in result.weights_of(atom).items()]
    return f"{result.charges[atom]:+.4f} e; " + ", ".join(words)


def _file_facts(demo: Demo) -> list[tuple[str, str]]:
    contents = {
        "water-hexamer.extxyz": "relaxed ring, then the dynamics",
        "proton-path.extxyz": "the points of the path",
        "nacl-crystal.extxyz": "the relaxed crystal",
        "nacl-dissociation.extxyz": "the points of the curve",
        "weights.png": "energy and weights along both curves",
        "demo.json": "all numbers; every atom's charges and weights",
    }
    files = [(path.name, contents[path.name]) for path in demo.files]
    return files + [("note", note) for note in demo.notes]
