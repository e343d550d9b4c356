"""A ring of six water molecules: relaxation and constant-energy molecular dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from ecteam.calculator import ECTEAM
from ecteam.demo.structures import shipped
from ecteam.dynamics import molecular_dynamics, relax
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
class Dynamics:
    """A run at constant energy: what should be conserved, and how well it was.

    Attributes
    ----------
    duration : float
        fs.
    temperature : float
        Mean kinetic temperature, K.
    drift : float
        Change of kinetic plus free energy over the run, from a straight line through all steps,
        eV per atom.
    fluctuation : float
        Root-mean-square deviation from that line, eV per atom.
    frames : list of Atoms
        Every tenth step.
    """

    duration: float
    temperature: float
    drift: float
    fluctuation: float
    frames: list[Atoms]


@dataclass(frozen=True, eq=False)
class WaterHexamer:
    """The relaxed ring, one relaxed molecule, and the dynamics that start from the ring."""

    relaxed: Atoms
    result: Result
    molecule: Result
    relax_steps: int
    dynamics: Dynamics

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
            "dynamics": {
                "duration_fs": self.dynamics.duration,
                "timestep_fs": TIMESTEP,
                "mean_temperature": self.dynamics.temperature,
                "drift_per_atom": self.dynamics.drift,
                "fluctuation_per_atom": self.dynamics.fluctuation,
            },
        }


def water_hexamer(potential: Potential, md_steps: int) -> WaterHexamer:
    """Relax the ring and one molecule of it, then run `md_steps` of dynamics."""
    ring = shipped("water-hexamer")
    _, molecule, _ = relaxed(ring[:3], potential, "relaxing a water molecule")
    steps, result, atoms = relaxed(ring, potential, "relaxing the water hexamer")
    dynamics = _run_dynamics(atoms.copy(), potential, md_steps)
    return WaterHexamer(atoms, result, molecule, steps, dynamics)


def relaxed(atoms: Atoms, potential: Potential, what: str) -> tuple[int, Result, Atoms]:
    """Relax a copy: number of steps, result at the end, atoms at the end."""
    atoms = atoms.copy()
    atoms.calc = ECTEAM(potential)
    steps = len(list(progress(relax(atoms, FMAX), what)))
    atoms.get_potential_energy()
    return steps, atoms.calc.result, atoms


def _run_dynamics(atoms: Atoms, potential: Potential, steps: int) -> Dynamics:
    atoms.calc = ECTEAM(potential)
    conserved, temperatures, frames = [], [], []
    run = molecular_dynamics(atoms, steps, TIMESTEP, START_TEMPERATURE, seed=0)
    for step in progress(run, "molecular dynamics", steps):
        free_energy = atoms.get_potential_energy(force_consistent=True)
        conserved.append(free_energy + atoms.get_kinetic_energy())
        temperatures.append(atoms.get_temperature())
        if step % FRAME_INTERVAL == 0:
            frames.append(frame_of(atoms, atoms.calc.result))
    drift, fluctuation = _line(np.array(conserved) / len(atoms))
    return Dynamics(steps * TIMESTEP, float(np.mean(temperatures)), drift, fluctuation, frames)


def _line(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """Rise of the least-squares line over the whole run, and the rms deviation from it."""
    time = np.linspace(0.0, 1.0, len(values))
    slope, start = np.polyfit(time, values - values[0], 1)
    rest = values - values[0] - start - slope * time
    return float(slope), float(np.sqrt(np.mean(rest**2)))
