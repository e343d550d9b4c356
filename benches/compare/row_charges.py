"""Energy and forces of point charges by particle-mesh Ewald: LAMMPS pppm.

Both are set to the same *measured* force error, root mean square over that of the force, against a
converged sum. What the settings below give is printed by

    python benches/compare/row_charges.py LMP     # an interpreter that has ecteam, and LAMMPS

Those of LAMMPS are its fastest of a scan over cutoff, order and differentiation.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import systems
from lammps_runs import command, loop_seconds
from timing import Contender, Row, Target, settle

SIZES = {"8k": (10, 20), "64k": (20, 5)}
#: Force error: accuracy asked of ecteam; cutoff (Å), accuracy, order, differentiation of LAMMPS.
SETTINGS: dict[str, tuple[float, tuple[float, float, int, str]]] = {
    "1e-3": (5e-4, (8.0, 5.5e-5, 5, "ik")),
    "1e-4": (5.5e-5, (10.0, 5.5e-6, 7, "ad")),
    "1e-5": (5.5e-6, (10.0, 6e-7, 7, "ad")),
}
INPUT = """
units metal
atom_style charge
read_data {folder}/data
pair_style coul/long {cutoff}
pair_coeff * *
kspace_style pppm {accuracy}
kspace_modify order {order} diff {differentiation}
neighbor 1.0 bin
neigh_modify delay 0 every 1 check yes
fix 1 all nve
timestep 0.0001
thermo 1000000
dump 1 all custom 1 {folder}/forces id fx fy fz
dump_modify 1 sort id format float %.15g
run 0
undump 1
run {steps}
"""


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size and error."""
    for title, (cells, steps) in list(SIZES.items())[: 1 if quick else None]:
        for error, (accuracy, lammps) in SETTINGS.items():
            own = {"cells": cells, "accuracy": accuracy, "steps": steps}
            peer = {"cells": cells, "settings": list(lammps), "steps": steps}
            contenders = (
                Contender("ecteam, 1 thread", "row_charges:ecteam", own, ours=True),
                Contender("ecteam, 2 threads", "row_charges:ecteam", own, threads=2, ours=True),
                Contender("LAMMPS pppm, 1 core", "row_charges:lammps", peer),
                Contender("LAMMPS pppm, 2 ranks", "row_charges:lammps", {**peer, "ranks": 2}),
            )
            targets = (
                Target("ecteam, 1 thread", ("LAMMPS pppm, 1 core",), 1.2),
                Target("ecteam, 2 threads", ("ecteam, 1 thread",), 1.6),
            )
            head = f"Point charges, NaCl {title}, force error {error}"
            yield Row(head, "ns per atom", 1e-9, contenders, targets)


def solver(accuracy: float) -> Any:
    """Particle-mesh Ewald of this project; real-space cutoff, order and mesh are its own choice."""
    from ecteam import _core

    return _core.PointCharges(method="pme", accuracy=accuracy)


def arguments_of(atoms: Any) -> tuple[Any, ...]:
    """Positions, cell, periodicity and charges as the engine takes them."""
    from ecteam.structure import arrays_of

    positions, _, cell, pbc = arrays_of(atoms)
    return positions, cell, pbc, atoms.get_initial_charges()


def ecteam(cells: int, accuracy: float, steps: int) -> Callable[[], float]:
    """Evaluate given positions; nothing is kept of them between calls."""
    atoms = systems.rock_salt(cells)
    charges, arguments = solver(accuracy), arguments_of(atoms)

    def sample() -> float:
        settle(lambda: charges.evaluate(*arguments))
        start = time.perf_counter()
        for _ in range(steps):
            charges.evaluate(*arguments)
        return (time.perf_counter() - start) / (steps * len(atoms))

    return sample


def write_data(path: Path, atoms: Any) -> None:
    """Write the atoms as a data file of LAMMPS."""
    edges = "".join(
        f"0 {a:.15g} {d}lo {d}hi\n" for a, d in zip(atoms.cell.lengths(), "xyz", strict=True)
    )
    head = f"rock salt\n\n{len(atoms)} atoms\n2 atom types\n{edges}\nMasses\n\n1 22.99\n2 35.45\n"
    lines = (
        f"{i} {1 if q > 0 else 2} {q} {x:.15g} {y:.15g} {z:.15g}\n"
        for i, (q, (x, y, z)) in enumerate(
            zip(atoms.get_initial_charges(), atoms.positions, strict=True), 1
        )
    )
    path.write_text(head + "\nAtoms # charge\n\n" + "".join(lines))


def run_lammps(
    folder: Path, program: list[str], settings: list[Any], steps: int
) -> tuple[float, Any]:
    """Seconds per atom and step, and the forces at the start (lines of text)."""
    names = ("cutoff", "accuracy", "order", "differentiation")
    text = INPUT.format(folder=folder, steps=steps, **dict(zip(names, settings, strict=True)))
    seconds = loop_seconds([*program, "-sf", "opt"], text)
    return seconds, (folder / "forces").read_text()


def lammps(cells: int, settings: list[Any], steps: int, ranks: int = 1) -> Callable[[], float]:
    """LAMMPS: the loop time it prints, of steps that hardly move the ions."""
    program = command(ranks=ranks)
    atoms = systems.rock_salt(cells)

    def sample() -> float:
        with tempfile.TemporaryDirectory() as name:
            write_data(Path(name) / "data", atoms)
            return run_lammps(Path(name), program, settings, steps)[0]

    return sample


def main() -> None:
    """Print the measured force errors of all settings, 8k ions."""
    import numpy as np
    from ecteam import _core

    atoms = systems.rock_salt(10)
    arguments = arguments_of(atoms)
    exact = _core.PointCharges(method="pme", accuracy=1e-11, cutoff=14.0).evaluate(*arguments)[2]
    size = np.sqrt((exact**2).mean())

    def error(forces: Any) -> float:
        return float(np.sqrt(((forces - exact) ** 2).mean()) / size)

    for target, (accuracy, settings) in SETTINGS.items():
        ours = error(solver(accuracy).evaluate(*arguments)[2])
        with tempfile.TemporaryDirectory() as name:
            write_data(Path(name) / "data", atoms)
            _, text = run_lammps(Path(name), [sys.argv[1], "-log", "none"], list(settings), 1)
        theirs = error(np.loadtxt(text.splitlines()[9:])[:, 1:])
        print(f"{target}: ecteam {ours:.2e}, LAMMPS {theirs:.2e}")


if __name__ == "__main__":
    main()
