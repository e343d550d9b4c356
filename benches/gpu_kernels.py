"""A CUDA device, kernel by kernel: learned terms, dipoles, fragments, small structures.

    python benches/gpu_kernels.py [--atoms 1000 100000] [--waters 1000 10000]

Beside `benches/gpu.py`. Of every kernel of the learned terms (niobium), of induced dipoles (sodium
chloride), of the sums by fragment (water, every molecule a fragment), of the Ewald sums of many
small structures (boxes of eight waters) and of many small crystals (copper): its time, the bytes
that it has to move through the device's memory with the share of the bandwidth of a plain copy that
this is, and the operations it has to make. Then steps in both precisions.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import Any

import ecteam
import numpy as np
from ecteam import DeviceError, _core
from ecteam.cuda.backend import Backend, CupyBackend
from ecteam.cuda.cells import Cells
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.cuda.sources import Program
from ecteam.structure import Arrays
from ecteam.systems import System
from gpu import Clock, copper, copy_bandwidth, crystal, liquid
from gpu_many import without_terms
from rich.console import Console
from rich.table import Table

ATOMS, WATERS, REPEATS = [1_000, 100_000, 1_000_000], [1_000, 10_000], 10
PRECISIONS = {"double": 8, "mixed": 4}
"""Bytes of a number of a pair."""
POSITION = 32 + 4 + 1  # bytes of an atom's place, number of pairs and element


class Stopwatch:
    """A backend that times every launch, each waited for."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.xp, self.to_host = backend.xp, backend.to_host
        self.available_bytes = backend.available_bytes
        self._wait = Clock(backend)._wait
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def launch(self, program: Program, kernel: str, threads: int, *arguments: Any) -> None:
        """Run at least so many threads of a kernel."""
        self._wait()
        start = time.perf_counter()
        self._backend.launch(program, kernel, threads, *arguments)
        self._wait()
        self.seconds[kernel].append(time.perf_counter() - start)


def work_of_terms(
    tables: _core.TermTables, listed: float, near: float, real: int
) -> dict[str, tuple[float, float]]:
    """Bytes and operations per atom of every kernel.

    What is read of other atoms, and of tables, is taken to come from the caches. `listed` and
    `near` are neighbours per atom with and without the skin.
    """
    (scalars, angular), elements, nodes = tables.sums, tables.elements, len(tables.nodes)
    harmonics = ((tables.lmax or 0) + 1) ** 2
    sums, pairs = elements * angular * harmonics, POSITION + 4 * near
    # Products of a three-body model: its matrices with its sums, for the energy and for the slopes.
    widths = [(elements * count, lmax) for kind, _, count, _, lmax in tables.nodes if kind == 5]
    products = sum(2 * width * (width + 1) * (lmax + 1) ** 2 for width, lmax in widths)
    return {
        "select_pairs": (POSITION + 4 * listed + 4 * near + 4, 9 * listed),
        "scalar_sums": (scalars * (pairs + 8), 40 * scalars * near),
        "angular_sums": (
            elements * angular * pairs + 8 * sums,
            angular * (40 + 5 * harmonics) * near,
        ),
        "models": (8 * (2 * scalars + sums + 4 * nodes + 1), products + 20 * nodes),
        "angular_slopes": ((8 + real) * sums, products),
        "scalar_forces": (pairs + 8 * scalars + 24, (30 + 30 * scalars) * near),
        "angular_forces": (
            angular * (pairs + 24) + real * sums,
            angular * (60 + 16 * harmonics) * near,
        ),
    }


def time_terms(backend: Backend, atoms: int, bandwidth: float, precision: str) -> list[list[str]]:
    """Return a row for each kernel of the learned terms."""
    system, potential = crystal(atoms, "Nb"), ecteam.load("niobium").core
    watch = Stopwatch(backend)
    evaluator = OneStateEvaluator(potential, watch, precision)
    positions, n = backend.xp.asarray(system.positions), len(system.positions)
    evaluator.compute(positions, system)
    watch.seconds.clear()
    for _ in range(REPEATS):
        evaluator.compute(positions, system)
    listed = float(evaluator.neighbors.counts.mean())
    tables = _core.term_tables(potential, system.numbers)
    near = listed * (tables.cutoff / (tables.cutoff + 0.5)) ** 3
    work = work_of_terms(tables, listed, near, PRECISIONS[precision])
    return [row_of(kernel, n, precision, watch, work[kernel], bandwidth) for kernel in work]


def work_of_dipoles(
    tables: _core.EnsembleTables, near: float, mesh: tuple[int, float], real: int
) -> dict[str, tuple[float, float]]:
    """Bytes and operations per atom of every kernel, as :func:`work_of_terms`.

    `mesh` is the order of the splines and the number of mesh points for each atom.
    """
    states, (order, points) = tables.states, mesh
    values, unknowns = 2 * states + 2, 8 * (states + 3)
    kept, site = POSITION + near * (4 + real * values), POSITION + 32 + 8 * points
    answer = near * (30 + 4 * states)
    return {
        "fill_dipoles": (kept, near * (40 + 12 * values)),
        "polarise": (kept + 3 * unknowns + 24, answer),
        "polarise_product": (kept + 4 * unknowns + 24, answer),
        "dipole_forces": (POSITION + 4 * near + unknowns + 56, near * (100 + 40 * values)),
        "spread_dipoles": (site, 4 * order**3 + 12 * order**2),
        "gather_fields": (site + 32, 4 * order**3 + 12 * order**2),
        "gather_dipole_forces": (site + 56, 6 * order**3 + 40 * order**2),
        "vector_slacks": (4 * unknowns + 24, 20),
        "move_vectors": (6 * unknowns, 40),
    }


def time_dipoles(backend: Backend, atoms: int, bandwidth: float, precision: str) -> list[list[str]]:
    """Return a row for each kernel of induced dipoles."""
    system, potential = crystal(atoms, "NaCl"), ecteam.load("halides").core
    watch, n = Stopwatch(backend), len(system.positions)
    EnsembleEvaluator(potential, watch, precision, electrostatics="pme").evaluate(*system, 0.0)
    tables = _core.ensemble_tables(potential, system.numbers, [True] * 3, "pme", 1e-6)
    frame = _core.Frame(system.cell, system.pbc)
    plan = frame.mesh(n, tables.cutoff, tables.accuracy)
    near = 4.0 / 3.0 * np.pi * tables.cutoff**3 * n / frame.volume
    mesh = plan.order, float(np.prod(plan.shape)) / n
    work = work_of_dipoles(tables, near, mesh, PRECISIONS[precision])
    return [row_of(kernel, n, precision, watch, work[kernel], bandwidth) for kernel in work]


def time_waves(backend: Backend, boxes: int, bandwidth: float) -> list[list[str]]:
    """Return rows for the Ewald sums of boxes of eight waters."""
    system, potential = liquid(8), without_terms(ecteam.load("water-unpolarised")).core
    watch, n, alone = Stopwatch(backend), len(system.positions), System(*system, 0.0)
    EnsembleEvaluator(potential, watch).evaluate_all([alone] * boxes)
    tables = _core.ensemble_tables(potential, np.unique(system.numbers), [True] * 3, "auto", 1e-6)
    radius = 2.0 * tables.kernel_parameter**2 * tables.cutoff
    waves = _core.Frame(system.cell, system.pbc).volume * radius**3 / (12.0 * np.pi**2)
    work = {
        "fill_ewald_pairs": (32.0 + 8.0 * n, (4.0 * n + 60.0) * waves),
        "ewald_forces": (32.0 + 8.0 + 48.0, 80.0 * waves),
    }
    return [row_of(k, boxes * n, "double", watch, work[k], bandwidth) for k in work]


def time_crystals(backend: Backend, cells: int, bandwidth: float) -> list[list[str]]:
    """Return a row for many small crystals of copper in one launch."""
    system, potential, watch = crystal(32), copper().core, Stopwatch(backend)
    n, alone = len(system.positions), System(*system, 0.0)
    OneStateEvaluator(potential, watch).evaluate_all([alone] * cells)
    images = len(Cells([system], potential.cutoff).translations)
    near = 4.0 / 3.0 * np.pi * potential.cutoff**3 * n / _core.Frame(*system[2:]).volume
    # Every pair is tried, and made, for the density and for the force.
    work = (POSITION + 2 * 8 + 8 + 24 + 8 + 48 / n, 20.0 * images * n + 70.0 * near)
    return [row_of("structure_eam", cells * n, "double", watch, work, bandwidth)]


def time_fragments(backend: Backend, molecules: int, bandwidth: float) -> list[list[str]]:
    """Return rows for the sums by fragment and for what writes the shares of the atoms."""
    system, potential = liquid(molecules), ecteam.load("water-unpolarised").core
    watch, n = Stopwatch(backend), 3 * molecules
    fragments = (np.arange(n) // 3).astype(np.uint32)
    evaluator = EnsembleEvaluator(potential, watch)
    evaluator.evaluate(*system, np.zeros(molecules), fragments)
    states = evaluator.energy.states
    # Rows of one to three numbers: of two on average.
    work = {
        "segment_sums": (4.0 + 16.0, 2.0),
        "normalise": ((4 * 8 + 1) * states + 16.0, 30.0 * states),
        "apply_blocks": (8.0 * states * (states + 3) + 8.0, 2.0 * states * (states + 1)),
    }
    return [row_of(kernel, n, "double", watch, work[kernel], bandwidth) for kernel in work]


def row_of(
    kernel: str,
    atoms: int,
    precision: str,
    watch: Stopwatch,
    work: tuple[float, float],
    bandwidth: float,
) -> list[str]:
    """One row of the table of kernels."""
    seconds = float(np.median(watch.seconds[kernel]))
    size, operations = (atoms * amount for amount in work)
    row = [kernel, f"{atoms:,}", precision, f"{seconds * 1e6:.1f}", f"{size / 1e6:.3g}"]
    row += [f"{size / seconds / bandwidth:.0%}", f"{operations / 1e6:.3g}"]
    return [*row, f"{operations / seconds / 1e9:.3g}"]


def time_steps(backend: Backend, name: str, system: Arrays) -> list[str]:
    """Milliseconds of a step in both precisions, and how far the forces differ."""
    potential = (copper() if name == "copper" else ecteam.load(name)).core
    kind = OneStateEvaluator if potential.one_state else EnsembleEvaluator
    seconds, forces = [], []
    for precision in PRECISIONS:
        evaluator = kind(potential, backend, precision)

        def step(evaluator=evaluator) -> Any:
            return evaluator.evaluate(*system, 0.0)

        forces.append(step().forces)
        seconds.append(Clock(backend)(step, REPEATS))
    error = np.abs(forces[1] - forces[0]).max()
    row = [name, f"{len(system.positions):,}", *(f"{s * 1e3:.2f}" for s in seconds)]
    return [*row, f"{seconds[0] / seconds[1]:.2f}", f"{error:.1e}"]


def steps_of(atoms: int) -> list[tuple[str, Arrays]]:
    """Potentials and crystals whose steps are timed."""
    names = {"copper": "Cu", "niobium": "Nb", "halides": "NaCl"}
    return [(name, crystal(atoms, element)) for name, element in names.items()]


def report(
    backend: Backend, bandwidth: float, console: Console, atoms: list[int], waters: list[int]
) -> None:
    """Print both tables."""
    kernels, steps = Table(title="kernel by kernel"), Table(title="steps, results copied back")
    for head in "kernel,atoms,precision,µs,MB,of copy,Mop,Gop/s".split(","):
        kernels.add_column(head, justify="right")
    for head in "potential,atoms,double ms,mixed ms,ratio,forces differ eV/Å".split(","):
        steps.add_column(head, justify="right")
    try:
        for count in atoms:
            for precision in PRECISIONS:
                for row in time_terms(backend, count, bandwidth, precision):
                    kernels.add_row(*row)
                for row in time_dipoles(backend, count, bandwidth, precision):
                    kernels.add_row(*row)
            for name, system in steps_of(count):
                steps.add_row(*time_steps(backend, name, system))
        for count in waters:
            for row in time_fragments(backend, count, bandwidth):
                kernels.add_row(*row)
            for row in time_waves(backend, max(1, count // 8), bandwidth):
                kernels.add_row(*row)
            for row in time_crystals(backend, max(1, count // 8), bandwidth):
                kernels.add_row(*row)
            steps.add_row(*time_steps(backend, "water-unpolarised", liquid(count)))
    except DeviceError as error:
        console.print(str(error), markup=False)
    console.print(kernels)
    console.print(steps)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=ATOMS)
    parser.add_argument("--waters", type=int, nargs="+", default=WATERS)
    options = parser.parse_args()
    console = Console()
    try:
        backend = CupyBackend()
    except DeviceError as error:
        console.print(f"no GPU available, nothing was measured: {error}", markup=False)
        return
    bandwidth = copy_bandwidth(backend, Clock(backend))
    report(backend, bandwidth, console, options.atoms, options.waters)


if __name__ == "__main__":
    main()
