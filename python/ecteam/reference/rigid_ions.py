"""Rattled crystals of rigid ions: they keep a fit without such data from digging holes.

``python -m ecteam.reference.rigid_ions -o rattled.extxyz.gz``

Charges of ±2 e and the Born-Mayer repulsion of G. V. Lewis and C. R. A. Catlow, J. Phys. C 18, 1149
(1985), without their dispersion and shells. What a crystal gains or loses when its ions are
displaced is right to some 20 %, enough for a small weight; the undistorted crystal is that of
:mod:`ecteam.reference.crystals`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.units import GPa

from ecteam.evaluate import evaluate
from ecteam.potential import Potential
from ecteam.reference.crystals import CRYSTALS, PRESSURE_DERIVATIVES, vinet

BORN_MAYER = {("Mg", "O"): (821.6, 0.3242), ("O", "O"): (22764.3, 0.149)}
"""Amplitude (eV) and range (Å)."""
GAP = 50.0
"""eV: what an ion is below its neutral atom here, so that there are only ions."""
SCALES = (1.0, 0.96, 1.05)
"""Lattice constants relative to experiment."""
SPREADS = (0.06, 0.10, 0.14, 0.18, 0.22)
"""Å: standard deviation of a coordinate."""


def rigid_ions() -> Potential:
    """Magnesium oxide as point charges of ±2 e, with the zero of energy at the ions plus `GAP`."""
    return Potential.from_dict(
        {
            "format": "ecteam/1",
            "name": "rigid-ions",
            "description": "Rigid ions of magnesium oxide.",
            "citation": "G. V. Lewis and C. R. A. Catlow, J. Phys. C 18, 1149 (1985)",
            "units": {"energy": "eV", "length": "Å", "charge": "e"},
            "elements": {"Mg": _element(12, 2), "O": _element(8, -2)},
            "repulsions": [
                {
                    "pair": list(pair),
                    "function": {"form": "exponential", "amplitude": a, "decay": 1.0 / length},
                }
                for pair, (a, length) in BORN_MAYER.items()
            ],
            "resonances": [],
            "electronic_temperature": 0.0,
            "cutoff": {"radius": 8.0, "switch_width": 2.0},
        }
    )


def _element(number: int, charge: int) -> dict[str, Any]:
    """Neutral atom and ion so compact that their electrons shield the nuclei within 0.2 Å."""
    states = [("ground", 0, 0.0), ("ion", charge, -GAP)]
    return {
        "states": [
            {
                "name": name,
                "charge": q,
                "multiplicity": 1,
                "energy": energy,
                "rbf": {"exponents": [150.0], "coefficients": [float(number - q)]},
            }
            for name, q, energy in states
        ]
    }


def rattled_frames(name: str = "MgO", seed: int = 20261121) -> list[Atoms]:
    """Cubic cells of eight ions with the ``info`` keys of molecular data, but no dipole."""
    random, ions = np.random.default_rng(seed), rigid_ions()
    constant, atomisation, modulus = CRYSTALS[name]
    frames = []
    for scale in SCALES:
        perfect = bulk(name, "rocksalt", a=constant * scale, cubic=True)
        zero = evaluate(perfect, ions).energy
        volume, derivative = constant**3 / 4.0, PRESSURE_DERIVATIVES[name]
        energy = vinet(scale, 2.0 * atomisation, modulus * GPa, volume, derivative)
        for spread in SPREADS:
            atoms = perfect.copy()
            atoms.positions += spread * np.clip(random.normal(size=(len(atoms), 3)), -2.0, 2.0)
            found = evaluate(atoms, ions)
            atoms.arrays["forces"] = np.round(found.forces, 8)
            atoms.info.update(
                energy=round(found.energy - zero + energy * len(atoms) / 2.0, 8),
                charge=0,
                group="rattled",
                name=f"{name}-rattled-{scale:.2f}-{spread:.2f}",
                level="rigid ions",
                converged=True,
                suspect=False,
            )
            frames.append(atoms)
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status. Needs PySCF only for the shared writer."""
    from ecteam.reference.datasets import write_set

    parser = argparse.ArgumentParser(prog="python -m ecteam.reference.rigid_ions")
    parser.add_argument("-o", "--output", required=True, help="extended XYZ file, .extxyz.gz")
    write_set(rattled_frames(), parser.parse_args(arguments).output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
