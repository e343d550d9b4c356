"""The systems of the comparisons, made alike for every program."""

from __future__ import annotations

from typing import Any

LATTICE = 3.615  # Å, copper
WATER = 0.0334  # molecules/Å³ at 1 g/cm³


def copper(cells: int) -> Any:
    """Fcc copper of cells³ cubic cells, atoms displaced by 0.05 Å: 4 cells³ atoms."""
    from ase.build import bulk

    atoms = bulk("Cu", "fcc", a=LATTICE, cubic=True).repeat(cells)
    atoms.rattle(0.05, seed=1)
    return atoms


def water_like(molecules: int) -> Any:
    """Water at 1 g/cm³ without its structure: a jittered lattice of molecules at any angle."""
    import numpy as np
    from ase import Atoms

    rng = np.random.default_rng(1)
    side = (molecules / WATER) ** (1 / 3)
    n = int(np.ceil(molecules ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    centres = (grid[rng.permutation(len(grid))[:molecules]] + 0.5) * side / n
    centres += rng.uniform(-0.4, 0.4, centres.shape)
    turns, _ = np.linalg.qr(rng.standard_normal((molecules, 3, 3)))
    molecule = np.array([[0, 0, 0], [0.757, 0.586, 0], [-0.757, 0.586, 0]])
    positions = (centres[:, None] + molecule @ turns).reshape(-1, 3)
    return Atoms(["O", "H", "H"] * molecules, positions=positions, cell=[side] * 3, pbc=True)


def molecules(name: str) -> Any:
    """Return a molecule of ASE's collection, or ``waters``: 64 at any angle on a lattice."""
    import numpy as np
    from ase import Atoms
    from ase.build import molecule

    if name != "waters":
        return molecule(name)
    rng = np.random.default_rng(1)
    spacing = WATER ** (-1 / 3)
    atoms = Atoms()
    for cell in np.ndindex(4, 4, 4):
        water = molecule("H2O")
        water.rotate(rng.uniform(0, 360), rng.standard_normal(3))
        water.translate(spacing * np.array(cell) - water.get_center_of_mass())
        atoms += water
    return atoms


def rock_salt(cells: int) -> Any:
    """Rock salt of cells³ cubic cells, 8 ions in each, displaced by 0.15 Å along every axis."""
    import numpy as np
    from ase.build import bulk

    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(cells)
    atoms.positions += np.random.default_rng(1).normal(0.0, 0.15, atoms.positions.shape)
    atoms.set_initial_charges(np.where(atoms.numbers == 11, 1.0, -1.0))
    return atoms
