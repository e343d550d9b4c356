"""Command line: ``ecteam properties``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from ase import Atoms
from ase.data import atomic_numbers
from rich.console import Console
from rich.table import Table

from ecteam._core import InvalidInputError
from ecteam.calculator import ECTEAM
from ecteam.cli_common import JsonFlag, PotentialName, one_line_errors, read_structure
from ecteam.potential import Potential, load
from ecteam.properties import CrystalProperties, crystal_properties, reference_crystal


def properties(
    structure: Annotated[
        str, typer.Argument(help="Element, or a file with a conventional cubic cell.")
    ],
    potential: PotentialName,
    length: Annotated[
        float,
        typer.Option(min=1.0, max=100.0, help="Least side of supercells, thickness of slabs, Å."),
    ] = 12.0,
    fmax: Annotated[float, typer.Option(min=1e-6, help="Largest force, eV/Å.")] = 0.005,
    as_json: JsonFlag = False,
) -> None:
    """Lattice constant, elasticity, vacancy, surfaces and phonons of a cubic crystal."""
    with one_line_errors():
        chosen = load(potential)
        crystal = _crystal(structure)
        console = Console(stderr=True)
        with console.status("relaxing crystal, vacancy and surfaces"):
            found = crystal_properties(crystal, lambda: ECTEAM(chosen), length=length, fmax=fmax)
        if as_json:
            typer.echo(json.dumps({"potential": chosen.name, **found.data()}))
        else:
            Console().print(_table(found, chosen))


def _crystal(structure: str) -> Atoms:
    """Cell of an element unless a file has that name."""
    if Path(structure).is_file():
        return read_structure(Path(structure))
    if structure not in atomic_numbers:
        raise InvalidInputError(f"structure: {structure!r} is neither an element nor a file")
    return reference_crystal(structure)


def _table(found: CrystalProperties, potential: Potential) -> Table:
    table = Table(title=f"{found.formula}, potential {potential.name}", show_header=False)
    rows = {
        "lattice constant": f"{found.lattice_constant:.4f} Å",
        "energy": f"{found.energy:.4f} eV/atom",
        "cohesive energy": f"{found.cohesive_energy:.4f} eV/atom",
        "bulk modulus": f"{found.bulk_modulus:.1f} GPa",
        "C11, C12, C44": f"{found.c11:.1f}, {found.c12:.1f}, {found.c44:.1f} GPa",
    }
    if found.vacancy_energy is not None:
        rows["vacancy"] = f"{found.vacancy_energy:.3f} eV"
    for indices, energy in found.surface_energies.items():
        rows[f"surface ({indices})"] = f"{energy:.3f} J/m²"
    rows["zone-boundary phonons"] = f"{', '.join(f'{f:.2f}' for f in found.phonons)} THz"
    for name, value in rows.items():
        table.add_row(name, value)
    return table
