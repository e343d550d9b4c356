"""Molecular dynamics with variable charges: ECT-EAM beside LAMMPS's charge equilibration.

The potential is `water-unpolarised`; `water` has induced dipoles, three unknowns more an atom.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lammps_runs import command, loop_seconds, potential_file
from timing import Contender, Limit, Row, Target

TIMESTEP, TOLERANCE, WARM_UP = 0.25, 1e-6, 12  # fs, eV, steps
#: Atoms and steps: eight steps share a sparse inverse.
SIZES = {"3k": (3_000, 24), "24k": (24_000, 8), "192k": (192_000, 8)}
CTIP = """
units metal
atom_style charge
lattice custom 4.177 a1 1 0 0 a2 0 1 0 a3 0 0 1 &
  basis 0 0 0 basis 0.5 0.5 0 basis 0.5 0 0.5 basis 0 0.5 0.5 &
  basis 0.5 0 0 basis 0 0.5 0 basis 0 0 0.5 basis 0.5 0.5 0.5
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 2 box
create_atoms 2 box basis 5 1 basis 6 1 basis 7 1 basis 8 1
mass 1 15.9994
mass 2 58.693
set type 1 charge -1
set type 2 charge 1
displace_atoms all random 0.02 0.02 0.02 1
pair_style hybrid/overlay eam/fs coul/ctip 0.281 12.0
pair_coeff * * eam/fs {folder}/NiO.eam.fs O Ni
pair_coeff * * coul/ctip {folder}/NiO.ctip O Ni
fix charges all qeq/ctip 1 12.0 1.0e-6 100 coul/ctip cdamp 0.30 maxrepeat 10
"""
REAXFF = """
units real
atom_style charge
read_data {data}
pair_style reaxff NULL
pair_coeff * * {folder}/ffield.reax.cho O H
fix charges all qeq/reaxff 1 0.0 10.0 1.0e-6 reaxff
"""
RUN = """
velocity all create 600 1 loop geom
fix move all nve
timestep {timestep}
thermo 1000000
run {warm_up}
run {steps}
"""


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size."""
    for title, (atoms, steps) in list(SIZES.items())[: 1 if quick else None]:
        size = {"atoms": atoms, "steps": steps}
        contenders = [Contender("ecteam", "row_water:ecteam", size, ours=True)]
        targets: list[Target | Limit] = [Limit("ecteam", 8.0)]
        if atoms < 100_000:
            shadow, polarised = {**size, "shadow": True}, {**size, "potential": "water"}
            oxide = {"cells": round((atoms / 8) ** (1 / 3)), "steps": steps}
            contenders += [
                Contender("ecteam, shadow", "row_water:ecteam", shadow, ours=True),
                Contender("ecteam, induced dipoles", "row_water:ecteam", polarised, ours=True),
                Contender("LAMMPS NiO, EAM + CTIP", "row_water:ctip", oxide),
                Contender("LAMMPS water, ReaxFF + qeq", "row_water:reaxff", size),
            ]
            targets += [
                Target("ecteam", ("LAMMPS NiO, EAM + CTIP",), 10),
                Target("ecteam", ("LAMMPS water, ReaxFF + qeq",), 10),
            ]
        head = f"variable charges, {title} atoms, NVE, {TIMESTEP:g} fs, one core"
        yield Row(head, "µs per atom and step", 1e-6, tuple(contenders), tuple(targets))


def ecteam(
    atoms: int, steps: int, shadow: bool = False, potential: str = "water-unpolarised"
) -> Callable[[], float]:
    """Water with a shipped potential, warm starts; charges to 1e-6 eV unless in shadow mode."""
    from ecteam import load
    from ecteam.benchmark import Dynamics, water

    dynamics = Dynamics(
        water(atoms // 3), load(potential), TIMESTEP, tolerance=TOLERANCE, shadow=shadow
    )
    for _ in range(WARM_UP):
        dynamics.step()

    def sample() -> float:
        return sum(dynamics.step() for _ in range(steps)) / (steps * atoms)

    return sample


def ctip(cells: int, steps: int) -> Callable[[], float]:
    """Nickel oxide with the potential that comes with LAMMPS: the closest relative."""
    return _lammps(
        CTIP.format(cells=cells, folder=potential_file("NiO.ctip").parent), steps, 1e-3 * TIMESTEP
    )


def reaxff(atoms: int, steps: int) -> Callable[[], float]:
    """Run the same water by ReaxFF with the field that comes with LAMMPS."""
    from ase.io.lammpsdata import write_lammps_data
    from systems import water_like

    folder = tempfile.mkdtemp()
    data = Path(folder) / "water.data"
    write_lammps_data(
        data, water_like(atoms // 3), atom_style="charge", specorder=["O", "H"], masses=True
    )
    return _lammps(
        REAXFF.format(data=data, folder=potential_file("ffield.reax.cho").parent), steps, TIMESTEP
    )


def _lammps(text: str, steps: int, timestep: float) -> Callable[[], float]:
    program = command()
    text += RUN.format(warm_up=WARM_UP, steps=steps, timestep=timestep)
    return lambda: loop_seconds(program, text)
