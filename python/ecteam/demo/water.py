"""A ring of six water molecules: relaxation and constant-energy molecular dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ase import Atoms

from ecteam._core import InvalidInputError
from ecteam.calculator import ECTEAM
from ecteam.demo.structures import shipped
from ecteam.dynamics import Conservation, Record, molecular_dynamics, relax
from ecteam.evaluate import Result
from ecteam.frames import frame_of
from ecteam.potential import Potential
from ecteam.progress import progress
from ecteam.report import result_data

MOLECULES = 6
FMAX = 0.01
TIMESTEP = 0.25
START_TEMPERATURE = 300.0
FRAME_INTERVAL = 10


@dataclass(frozen=True, eq=False)
class WaterHexamer:
    """The relaxed ring, one relaxed molecule, and the dynamics that start from the ring.

    `frames` has every tenth step of them.
    """

    relaxed: Atoms
    result: Result
    molecule: Result
    relax_steps: int
    dynamics: Conservation
    frames: list[Atoms]

    @property
    def binding(self) -> float:
        """Free energy gained by a molecule that joins the ring, eV; negative if it is bound."""
        return self.result.free_energy / MOLECULES - self.molecule.free_energy

    def data(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            **result_data(self.result),
            "positions": self.relaxed.positions.tolist(),
            "molecule": result_data(self.molecule),
            "binding_per_molecule": self.binding,
            "relax_steps": self.relax_steps,
            "dynamics": self.dynamics.data(),
        }


def water_hexamer(potential: Potential, md_steps: int) -> WaterHexamer:
    """Relax the ring and one molecule of it, then run `md_steps` of dynamics."""
    ring = shipped("water-hexamer")
    _, molecule, _ = relaxed(ring[:3], potential, "relaxing a water molecule")
    steps, result, atoms = relaxed(ring, potential, "relaxing the water hexamer")
    dynamics, frames = _run_dynamics(atoms.copy(), potential, md_steps)
    return WaterHexamer(atoms, result, molecule, steps, dynamics, frames)


def relaxed(atoms: Atoms, potential: Potential, what: str) -> tuple[int, Result, Atoms]:
    """Relax a copy: number of steps, result at the end, atoms at the end."""
    atoms = atoms.copy()
    atoms.calc = ECTEAM(potential)
    steps = len(list(progress(relax(atoms, FMAX), what)))
    atoms.get_potential_energy()
    return steps, atoms.calc.result, atoms


def _run_dynamics(
    atoms: Atoms, potential: Potential, steps: int
) -> tuple[Conservation, list[Atoms]]:
    atoms.calc = ECTEAM(potential)
    record, frames = Record(TIMESTEP), []
    run = molecular_dynamics(atoms, steps, TIMESTEP, START_TEMPERATURE, seed=0)
    for step in progress(run, "molecular dynamics", steps):
        record.add(atoms)
        if step % FRAME_INTERVAL == 0:
            frames.append(frame_of(atoms, atoms.calc.result))
    found = record.conservation()
    if found is None:
        raise InvalidInputError(f"md_steps: must be at least 2, got {steps}")
    return found, frames
