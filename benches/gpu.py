"""A CUDA device: time and traffic of every part, beside the CPU.

    python benches/gpu.py [--setfl FILE] [--sizes 1000 1000000] [--waters 1000 10000] [--no-cpu]

fcc Cu at 300 K worth of displacements. For each size: building the neighbour list, and one step
(positions placed, densities, forces), as nanoseconds per pair and atom-steps per second, with the
bytes that a part has to move through the device's memory and the share of the bandwidth of a plain
copy, measured in the same run, that it reaches. Then liquid water: a step of dynamics from the
weights of the last one, transfers included, and one product of its Hessian.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import ecteam
import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ecteam import DeviceError, _core
from ecteam.cuda.backend import Backend, CupyBackend
from ecteam.cuda.eam import OneStateEvaluator
from ecteam.cuda.evaluator import EnsembleEvaluator
from ecteam.structure import Arrays, arrays_of
from rich.console import Console
from rich.table import Table

CUTOFF, AMPLITUDE = 5.50679, 0.08  # Å; the cutoff of Cu_mishin1
CRYSTALS = {"Cu": ("fcc", 3.615, 4), "Nb": ("bcc", 3.3226, 2), "NaCl": ("rocksalt", 5.64, 8)}
"""Lattice, its constant (Å), atoms of a cubic cell."""
SIZES = [10**k for k in range(3, 8)]
LARGEST_ON_CPU = 1_100_000
REPEATS = 20
WATERS = [1_000, 10_000, 33_000]
SPACING = 3.1  # Å between molecules: the density of water


def copper() -> ecteam.Potential:
    """Return an analytic potential that is about as dense and strong as copper's."""
    spacing = 0.005
    r = np.arange(round(CUTOFF / spacing) + 2) * spacing
    tail = np.clip(1 - r / CUTOFF, 0, None) ** 4
    density = {"spacing": spacing, "values": (7.0 * np.exp(-0.6 * r) * tail).tolist()}
    pair = {"spacing": spacing, "values": (r * 40.0 * np.exp(-1.3 * r) * tail).tolist()}
    densities = np.arange(4000) * 0.005
    embedding = (-1.2 * (np.sqrt(densities + 0.5) - np.sqrt(0.5))).tolist()
    state = {
        "name": "ground",
        "charge": 0.0,
        "multiplicity": 2,
        "energy": 0.0,
        "bound": True,
        "density_tables": {"Cu": density},
        "embedding": {"form": "tabulated", "spacing": 0.005, "values": embedding},
        "provenance": "analytic",
    }
    return ecteam.Potential.from_dict(
        {
            "format": "ecteam/1",
            "name": "copper",
            "description": "for timing only",
            "citation": "none",
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": {"Cu": {"states": [state]}},
            "repulsions": [
                {"pair": ["Cu", "Cu"], "function": {"form": "tabulated_times_r", **pair}}
            ],
            "resonances": [],
            "electronic_temperature": 0.0,
            "cutoff": {"radius": CUTOFF, "switch_width": 0.0},
        }
    )


def crystal(atoms: int, element: str = "Cu") -> Arrays:
    """Return about so many atoms of a crystal, displaced."""
    lattice, constant, of_cell = CRYSTALS[element]
    cells = max(1, round((atoms / of_cell) ** (1 / 3)))
    system = bulk(element, lattice, a=constant, cubic=True).repeat(cells)
    rng = np.random.default_rng(0)
    system.positions += rng.uniform(-AMPLITUDE, AMPLITUDE, (len(system), 3))
    return arrays_of(system)


class Clock:
    """Times work on a device, or on the CPU where the backend has no events."""

    def __init__(self, backend: Backend) -> None:
        self._device = getattr(backend.xp, "cuda", None)

    def __call__(self, work: Callable[[], object], repeats: int = REPEATS) -> float:
        """Return the median of the seconds that one call takes, after one that does not count."""
        work()
        samples = []
        for _ in range(repeats):
            self._wait()
            start = time.perf_counter()
            work()
            self._wait()
            samples.append(time.perf_counter() - start)
        return float(np.median(samples))

    def _wait(self) -> None:
        if self._device is not None:
            self._device.Device().synchronize()


def copy_bandwidth(backend: Backend, clock: Clock) -> float:
    """Return the bytes per second, read and written, of copying an array much above the caches."""
    source = backend.xp.zeros(min(1 << 28, backend.available_bytes() // 32))
    target = backend.xp.empty_like(source)

    def copy() -> None:
        target[...] = source

    return 2 * source.nbytes / clock(copy)


def traffic(atoms: int, listed: float) -> tuple[float, float]:
    """Bytes that a list of `listed` neighbours per atom, and a step, must move through memory.

    What other atoms are read for the second time is taken to come from the caches.
    """
    # Positions in and out, bins and wraps twice, sort keys and indices; the list itself.
    build = 24 + 32 + 3 * (4 + 12) + 2 * (4 + 8) + 4 * listed
    # Placing: position, order, wraps, place before; then both passes over the list.
    place = 24 + 4 + 12 + 32 + 32
    density = 4 + 32 + 4 * listed + 4 + 8 + 8 + 32
    forces = 4 + 32 + 4 * listed + 4 + 8 + 24 + 8
    return atoms * build, atoms * (place + density + forces)


def measure(
    backend: Backend, potential: ecteam.Potential, atoms: int, bandwidth: float, cpu: bool
) -> list[str]:
    """One row of the table."""
    clock, system = Clock(backend), crystal(atoms)
    n = len(system.positions)
    positions = backend.xp.asarray(system.positions)
    evaluator = OneStateEvaluator(potential.core, backend)
    evaluator.compute(positions, system)
    neighbors = evaluator.neighbors
    step = clock(lambda: evaluator.compute(positions, system))
    build = clock(lambda: neighbors.build(positions, system), REPEATS // 4)
    listed = float(neighbors.counts.mean())
    build_bytes, step_bytes = traffic(n, listed)
    row = [f"{n:,}", f"{listed:.1f}", f"{build / n / listed * 1e9:.3f}"]
    row += [f"{build_bytes / build / bandwidth:.0%}", f"{step * 1e3:.3f}", f"{n / step:.3g}"]
    row.append(f"{step_bytes / step / bandwidth:.0%}")
    if not cpu or n > LARGEST_ON_CPU:
        return [*row, "", ""]
    engine = _core.Evaluator(potential.core)
    seconds = Clock(backend)(lambda: engine.evaluate(*system, 0.0), 3)
    return [*row, f"{n / seconds:.3g}", f"{seconds / step:.0f}"]


def liquid(molecules: int) -> Arrays:
    """Return molecules at random angles on the points of a grid, periodic."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(molecules ** (1 / 3)))
    grid = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
    turns, _ = np.linalg.qr(rng.standard_normal((molecules, 3, 3)))
    positions = SPACING * grid[:molecules, None] + molecule("H2O").positions @ turns
    cell = 3 * [SPACING * side]
    return arrays_of(Atoms("OHH" * molecules, positions.reshape(-1, 3), cell=cell, pbc=True))


def measure_water(backend: Backend, molecules: int, bandwidth: float, cpu: bool) -> list[str]:
    """One row of the table of water."""
    potential, system, clock = ecteam.load("water-unpolarised"), liquid(molecules), Clock(backend)
    evaluators = [EnsembleEvaluator(potential.core, backend)]
    if cpu:
        evaluators.append(_core.Evaluator(potential.core, solver="krylov"))
    velocity = np.random.default_rng(1).uniform(-0.002, 0.002, system.positions.shape)
    seconds = []
    for evaluator in evaluators:
        positions, products = system.positions.copy(), []

        def step(evaluator=evaluator, positions=positions, products=products) -> None:
            positions += velocity
            found = evaluator.evaluate(positions, *system[1:], 0.0)
            products.append(found.hessian_products)

        step()
        seconds.append(clock(step, 5))
        row = [f"{len(positions):,}", f"{np.mean(products[2:]):.1f}"]
    energy, n = evaluators[0].energy, len(system.positions)
    direction = backend.xp.ones((n, energy.states))
    product = clock(lambda: energy.product(direction, backend.xp.empty_like(direction)))
    streamed = energy.pair_bytes / product / bandwidth
    row += [f"{seconds[0] * 1e3:.2f}", f"{n / seconds[0]:.3g}"]
    row += [f"{product * 1e3:.3f}", f"{streamed:.0%}"]
    return [*row, f"{seconds[1] / seconds[0]:.1f}" if cpu else ""]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--setfl", type=Path, help="an eam/alloy or eam/fs file of copper")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--waters", type=int, nargs="+", default=WATERS)
    parser.add_argument("--no-cpu", action="store_true")
    options = parser.parse_args()
    console = Console()
    try:
        backend = CupyBackend()
    except DeviceError as error:
        console.print(f"no GPU available, nothing was measured: {error}", markup=False)
        return
    name = backend.xp.cuda.runtime.getDeviceProperties(backend.xp.cuda.Device().id)["name"]
    potential = ecteam.read_setfl(options.setfl) if options.setfl else copper()
    bandwidth = copy_bandwidth(backend, Clock(backend))
    title = f"{name.decode()}, copy {bandwidth / 1e12:.2f} TB/s; {potential.name}"
    table = Table(title=title)
    heads = "atoms,neighbours,list ns/pair,of copy,step ms,atom-steps/s,of copy,CPU,ratio"
    for head in heads.split(","):
        table.add_column(head, justify="right")
    for atoms in options.sizes:
        try:
            table.add_row(*measure(backend, potential, atoms, bandwidth, not options.no_cpu))
        except DeviceError as error:
            console.print(f"{atoms:,} atoms: {error}", markup=False)
    console.print(table)
    table = Table(title="water, particle-mesh Ewald")
    heads = "atoms,products,step ms,atom-steps/s,product ms,of copy,ratio to CPU"
    for head in heads.split(","):
        table.add_column(head, justify="right")
    for molecules in options.waters:
        try:
            table.add_row(*measure_water(backend, molecules, bandwidth, not options.no_cpu))
        except DeviceError as error:
            console.print(f"{molecules:,} molecules: {error}", markup=False)
    console.print(table)


if __name__ == "__main__":
    main()
