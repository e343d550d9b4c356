"""Potentials with one state per element, and crystals for them."""

import json

import ecteam
import numpy as np
from ase import Atoms
from ase.build import bulk
from test_setfl import write_setfl

EMBEDDINGS = {
    "none": None,
    "root_polynomial": {
        "form": "root_polynomial",
        "shift": 0.02,
        "coefficients": [-1.5, 0.2, 0.01],
    },
    "logarithmic": {
        "form": "logarithmic",
        "scale": 1e-3,
        "table": {"spacing": 0.25, "values": (-0.3 * np.arange(40) ** 1.1).tolist()},
    },
}


def one_state_potentials(folder) -> dict[str, ecteam.Potential]:
    """Make potentials with all kinds of embedding energies, and densities of all kinds of pairs."""
    found = {}
    for name, symbols, finnis_sinclair in [
        ("one", ["Cu"], False),
        ("alloy", ["Ni", "Cu"], False),
        ("fs", ["Ni", "Cu"], True),
    ]:
        write_setfl(folder / name, symbols, finnis_sinclair)
        found[name] = ecteam.read_setfl(folder / name)
    for name, embedding in EMBEDDINGS.items():
        text = found["fs"].to_dict()
        text.pop("sha256", None)
        for element in text["elements"].values():
            element["states"][0]["embedding"] = embedding
        found[name] = ecteam.Potential.from_dict(json.loads(json.dumps(text)))
    return found


def crystal(symbols=("Ni", "Cu"), repeat=(2, 2, 3), a=3.6, seed=1) -> Atoms:
    """Make a rattled fcc crystal with elements drawn at random."""
    atoms = bulk("Cu", cubic=True, a=a).repeat(repeat)
    rng = np.random.default_rng(seed)
    atoms.symbols = rng.choice(list(symbols), len(atoms))
    atoms.rattle(0.1, rng=rng)
    return atoms


def strained(atoms: Atoms, pbc) -> Atoms:
    """Make the cell triclinic."""
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array @ [[1, 0.2, 0], [0, 1, -0.3], [0.1, 0, 1]], scale_atoms=True)
    atoms.pbc = pbc
    return atoms
