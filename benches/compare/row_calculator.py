"""What the ASE calculator adds to a step of dynamics, beside a plain subclass of `Calculator`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from row_eam import TIMESTEP, moving, setfl
from timing import Contender, Limit, Row

STEPS = 200


def rows(quick: bool) -> Iterator[Row]:
    """One row for each size."""
    for atoms, repeats in ((32, 2), (500, 5)):
        arguments = {"cells": repeats}
        own = tuple(
            Contender(name, f"row_calculator:{function}", arguments, ours=True)
            for name, function in (
                ("bare evaluation, same dynamics", "bare"),
                ("ecteam.ECTEAM", "calculator"),
                ("a plain subclass of Calculator", "plain"),
            )
        )
        title = f"VelocityVerlet of ASE, classical EAM, {atoms} Cu atoms, 1 thread"
        limit = Limit("ecteam.ECTEAM", 40, base="bare evaluation, same dynamics")
        yield Row(title, "µs per step", 1e-6, own, (limit,))
        if quick:
            return


def _dynamics(make: Callable[[Any], Any], cells: int) -> Callable[[], float]:
    """Seconds per step with a calculator made for the atoms."""
    from ase.md.verlet import VelocityVerlet
    from ase.units import fs

    atoms = moving(cells)
    atoms.calc = make(atoms)
    dynamics = VelocityVerlet(atoms, TIMESTEP * fs)
    dynamics.run(10)

    def sample() -> float:
        start = time.perf_counter()
        dynamics.run(STEPS)
        return (time.perf_counter() - start) / STEPS

    return sample


def _evaluator(atoms: Any) -> Callable[[Any], Any]:
    """Engine calls with nothing around them; only the positions may change."""
    from ecteam import _core, read_setfl
    from ecteam.structure import arrays_of

    engine = _core.Evaluator(read_setfl(setfl()).core)
    _, *rest = arrays_of(atoms)
    return lambda positions: engine.evaluate(positions, *rest, 0.0)


def bare(cells: int) -> Callable[[], float]:
    """Call the engine from the least object that dynamics accepts."""

    class Bare:
        def __init__(self, atoms: Any) -> None:
            self.evaluate = _evaluator(atoms)
            self.positions = self.forces = None

        def get_forces(self, atoms: Any) -> Any:
            # Every step asks twice.
            if self.positions is None or not (atoms.positions == self.positions).all():
                self.positions = atoms.positions.copy()
                self.forces = self.evaluate(self.positions).forces
            return self.forces

    return _dynamics(Bare, cells)


def calculator(cells: int) -> Callable[[], float]:
    """Use the calculator of this project."""
    from ecteam import ECTEAM, read_setfl

    return _dynamics(lambda atoms: ECTEAM(read_setfl(setfl())), cells)


def plain(cells: int) -> Callable[[], float]:
    """Call the same engine from a plain subclass of ASE's class."""
    from ase.calculators.calculator import Calculator, all_changes

    class Plain(Calculator):  # type: ignore[misc]
        implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE's type)

        def __init__(self, atoms: Any) -> None:
            super().__init__()
            self.evaluate = _evaluator(atoms)

        def calculate(
            self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            found = self.evaluate(self.atoms.positions)
            self.results = {"energy": found.energy, "forces": found.forces}

    return _dynamics(Plain, cells)
