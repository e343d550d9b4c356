"""A CUDA device: many small structures in one call, and dynamics that stays on the device.

    python benches/gpu_many.py [--batches 256 4096] [--sizes 1000 1000000] [--waters 1000]

Beside `benches/gpu.py`. Water hexamers from cold starts, the states of `water-unpolarised` without
learned terms and with them: evaluations per second of the kernels, positions and results on the
device; of `ecteam.evaluate` with a list, from ASE's atoms to results on the host; and on the CPU.
The bound is the time that the functions of all pairs take to come from the device's memory once
per Hessian product, at the bandwidth of a plain copy; a structure's own stay in the caches, so
that more than 100 % can be reached. Then steps of dynamics, NVE, fcc Cu and water at 300 K: list
rebuilds and everything else included, with the share of the bandwidth that the bytes which must
move take.
"""

from __future__ import annotations

import argparse
from typing import Any

import ecteam
import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ecteam import DeviceError, Dynamics, Potential
from ecteam.cuda.backend import Backend, CupyBackend
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import Arrays
from ecteam.systems import systems_of
from gpu import SPACING, Clock, copper, copy_bandwidth, crystal, liquid, traffic
from rich.console import Console
from rich.table import Table

BATCHES, SIZES, WATERS = [256, 1024, 4096, 16384], [10**k for k in range(3, 8)], [1_000, 10_000]
ON_CPU = 64  # hexamers
STEPS, TEMPERATURE = 100, 300.0
# Of an atom and step: kick_and_drift, kick, list position against the old one.
MOVES = 104 + 48 + 56 + 24 + 80


def without_terms(potential: Potential) -> Potential:
    """Return the states, and the functions between them, alone."""
    found = potential.to_dict()
    found.pop("terms", None)
    found.pop("sha256", None)
    return Potential.from_dict(found)


def hexamers(count: int) -> list[Atoms]:
    """Return clusters of six molecules at random angles, two by three."""
    rng = np.random.default_rng(0)
    grid = SPACING * np.stack(np.meshgrid([0, 1, 2], [0, 1], [0], indexing="ij"), -1).reshape(-1, 3)
    turns, _ = np.linalg.qr(rng.standard_normal((count, 6, 3, 3)))
    positions = grid[:, None] + molecule("H2O").positions @ turns
    return [Atoms("OHH" * 6, cluster.reshape(-1, 3)) for cluster in positions]


def pairs_of(atoms: Atoms, cutoff: float) -> int:
    """Count the pairs within the cutoff, each from both of its atoms."""
    return int((atoms.get_all_distances() < cutoff).sum()) - len(atoms)


def measure_batch(
    backend: Backend, potential: Potential, count: int, bandwidth: float, cpu: bool
) -> list[str]:
    """One row of the table of hexamers."""
    clock, structures = Clock(backend), hexamers(count)
    systems = systems_of(structures)
    batch = EnsembleEvaluator(potential.core, backend).batch()
    group = batch.group(systems, batch.tables(systems[0]))
    positions = backend.xp.asarray(np.concatenate([s.positions for s in systems]))
    found = [results for _, results in group.compute(positions)]
    products = float(sum(r.numbers[:, 4].sum() for r in found)) / count
    seconds = clock(lambda: list(group.compute(positions)), 5)
    whole = clock(lambda: ecteam.evaluate(structures, potential, device="cuda"), 3)
    tables = batch.tables(systems[0])
    width = tables.states * (tables.states + 2) + tables.channels
    pairs = sum(pairs_of(atoms, tables.cutoff) for atoms in structures)
    bound = products * pairs * (8 + 8 * (width + tables.states)) / bandwidth
    row = [potential.name, f"{count:,}", f"{products:.0f}", f"{count / seconds:.3g}"]
    row += [f"{bound / seconds:.0%}", f"{count / whole:.3g}"]
    if not cpu:
        return [*row, ""]
    on_cpu = Clock(backend)(lambda: ecteam.evaluate(structures[:ON_CPU], potential), 3)
    return [*row, f"{min(ON_CPU, count) / on_cpu:.3g}"]


def measure_dynamics(
    backend: Backend, potential: Potential, system: Arrays, bytes_of_step: float, cpu: bool
) -> list[str]:
    """One row of the table of dynamics; `bytes_of_step` per atom, 0 where it is not known."""
    atoms = Atoms(system.numbers, system.positions, cell=system.cell, pbc=system.pbc)
    spread = np.sqrt(units.kB * TEMPERATURE / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * np.random.default_rng(0).standard_normal((len(atoms), 3)))
    timestep = (0.5 if 1 in system.numbers else 2.0) * units.fs
    rates = []
    for device in ("cuda", "cpu") if cpu else ("cuda",):
        dynamics = Dynamics(atoms, potential, timestep, device=device)
        steps = STEPS if device == "cuda" else max(1, min(STEPS, 200_000 // len(atoms)))
        rates.append(steps / Clock(backend)(lambda d=dynamics, n=steps: d.run(n), 1))
    row = [f"{len(atoms):,}", f"{1e3 / rates[0]:.3f}", f"{len(atoms) * rates[0]:.3g}"]
    row.append(f"{len(atoms) * bytes_of_step * rates[0]:.0%}" if bytes_of_step else "")
    return [*row, f"{rates[0] / rates[1]:.1f}" if cpu else ""]


def table_of(title: str, heads: str) -> Table:
    """Return an empty table."""
    table = Table(title=title)
    for head in heads.split(","):
        table.add_column(head, justify="right")
    return table


def batches(backend: Backend, console: Console, options: Any, bandwidth: float) -> None:
    """Print the table of hexamers."""
    water = ecteam.load("water-unpolarised")
    heads = "potential,hexamers,products,evaluations/s,of bound,with Python,CPU"
    table = table_of("water hexamers, cold", heads)
    for potential in (without_terms(water), water):
        for count in options.batches:
            try:
                row = measure_batch(backend, potential, count, bandwidth, not options.no_cpu)
                table.add_row(*row)
            except DeviceError as error:
                console.print(f"{count:,} hexamers: {error}", markup=False)
    console.print(table)


def dynamics(backend: Backend, console: Console, options: Any, bandwidth: float) -> None:
    """Print the tables of dynamics."""
    metal, water = copper(), ecteam.load("water-unpolarised")
    step_bytes = (traffic(1, 42.0)[1] + MOVES) / bandwidth
    for title, potential, sizes, make, known in (
        ("copper", metal, options.sizes, crystal, step_bytes),
        ("water-unpolarised", water, options.waters, liquid, 0.0),
    ):
        table = table_of(f"{title}, NVE", "atoms,step ms,atom-steps/s,of copy,ratio to CPU")
        for size in sizes:
            cpu = not options.no_cpu and size <= 1_100_000
            try:
                table.add_row(*measure_dynamics(backend, potential, make(size), known, cpu))
            except DeviceError as error:
                console.print(f"{size:,}: {error}", markup=False)
        console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--waters", type=int, nargs="*", default=WATERS)
    parser.add_argument("--no-cpu", action="store_true")
    options, console = parser.parse_args(), Console()
    try:
        backend = CupyBackend()
    except DeviceError as error:
        console.print(f"no GPU available, nothing was measured: {error}", markup=False)
        return
    bandwidth = copy_bandwidth(backend, Clock(backend))
    console.print(f"copy {bandwidth / 1e12:.2f} TB/s")
    batches(backend, console, options, bandwidth)
    dynamics(backend, console, options, bandwidth)


if __name__ == "__main__":
    main()
