"""Random molecules, cells and charges, and how the laws evaluate them."""

from pathlib import Path
from typing import Any, NamedTuple

import ecteam
import numpy as np
from ase import Atoms
from ecteam import _core
from ecteam.structure import arrays_of
from hypothesis import strategies as st

TOY_FILE = Path(__file__).parent / "rust" / "toy" / "potential.json"
POTENTIALS = {name: ecteam.load(name) for name in ("water-unpolarised", "halides")}
POTENTIALS["toy"] = ecteam.load(TOY_FILE)
"""The shipped potentials and the one of the Rust tests."""

PRECISE = {"tolerance": 1e-11, "accuracy": 1e-10}
"""Options with which a law is tested to more digits than anyone needs in practice."""


def rigid(potential: ecteam.Potential) -> ecteam.Potential:
    """Copy of a potential without polarisabilities: shadow dynamics have none."""
    fields = potential.to_dict()
    fields.pop("sha256", None)
    for element in fields["elements"].values():
        element.pop("polarisation_exponent", None)
        for state in element["states"]:
            state.pop("polarisability", None)
    return ecteam.Potential.from_dict(fields)


RIGID = {name: rigid(potential) for name, potential in POTENTIALS.items()}


class System(NamedTuple):
    """Atoms, with their charge in `info`, and the name of a potential that knows them."""

    potential: str
    atoms: Atoms


def evaluate(system: System, **options: Any) -> ecteam.Result:
    """Evaluate from a cold start, precisely."""
    return ecteam.evaluate(system.atoms, POTENTIALS[system.potential], **{**PRECISE, **options})


class Follower:
    """One evaluator that goes from geometry to geometry on the branch of its first answer."""

    def __init__(self, potential: str | ecteam.Potential, **options: Any) -> None:
        potential = POTENTIALS[potential] if isinstance(potential, str) else potential
        self._evaluator = _core.Evaluator(potential.core, **{**PRECISE, **options})

    def __call__(self, atoms: Atoms) -> Any:
        """Evaluate, warm after the first call."""
        return self._evaluator.evaluate(*arrays_of(atoms), float(atoms.info.get("charge", 0.0)))


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Draw a proper rotation matrix, uniformly distributed."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q)


WATER = np.array([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])


def placed_molecules(rng: np.random.Generator, n: int, spacing: float, shift: float) -> Atoms:
    """Put `n` turned and distorted waters on the points of a cubic grid."""
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
    parts = [spacing * point + WATER @ random_rotation(rng) for point in grid[:n]]
    positions = np.concatenate(parts) + rng.uniform(-shift, shift, (3 * n, 3))
    return Atoms("OHH" * n, positions=positions, cell=3 * [spacing * side])


def placed_ions(rng: np.random.Generator, cells: tuple[int, int, int], a: float) -> Atoms:
    """Make a distorted piece of rock salt with mixed elements."""
    grid = np.stack(np.meshgrid(*map(np.arange, cells), indexing="ij"), -1).reshape(-1, 3)
    pairs = {0: ["Na", "Li"], 1: ["Cl", "F"]}
    symbols = [rng.choice(pairs[k], p=[0.7, 0.3]) for k in grid.sum(axis=1) % 2]
    positions = a * (grid + rng.uniform(-0.1, 0.1, grid.shape))
    return Atoms(symbols, positions=positions, cell=a * np.array(cells))


def sheared(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Put into a periodic, triclinic cell."""
    atoms = atoms.copy()
    strain = np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=False)
    atoms.pbc = True
    return atoms


_seeds = st.integers(0, 2**32 - 1)


@st.composite
def molecules(draw: st.DrawFn, largest: int = 4) -> System:
    """Draw one to a few waters in open space, distorted; the charge is −1, 0 or 1."""
    rng = np.random.default_rng(draw(_seeds))
    atoms = placed_molecules(rng, draw(st.integers(1, largest)), 2.9, draw(st.floats(0, 0.15)))
    atoms.set_cell(None)
    atoms.info["charge"] = draw(st.sampled_from([0.0, 0.0, 1.0, -1.0]))
    return System(draw(st.sampled_from(["water-unpolarised", "toy"])), atoms)


@st.composite
def clusters(draw: st.DrawFn) -> System:
    """Draw a few ions in open space."""
    rng = np.random.default_rng(draw(_seeds))
    size = draw(st.sampled_from([(2, 1, 1), (2, 2, 1), (2, 2, 2), (3, 1, 1)]))
    atoms = placed_ions(rng, size, draw(st.floats(2.3, 3.0)))
    atoms.set_cell(None)
    balanced = size != (3, 1, 1)
    atoms.info["charge"] = 0.0 if balanced else 1.0
    return System("halides", atoms)


@st.composite
def liquids(draw: st.DrawFn) -> System:
    """Draw waters in a triclinic cell, smaller than the cutoff or not."""
    rng = np.random.default_rng(draw(_seeds))
    atoms = placed_molecules(rng, draw(st.sampled_from([1, 2, 8])), 3.2, draw(st.floats(0, 0.1)))
    atoms = sheared(atoms, rng)
    atoms.info["charge"] = draw(st.sampled_from([0.0, 0.0, 0.5, -1.0]))
    return System(draw(st.sampled_from(["water-unpolarised", "toy"])), atoms)


@st.composite
def salts(draw: st.DrawFn) -> System:
    """Draw a few ions in a triclinic cell."""
    rng = np.random.default_rng(draw(_seeds))
    atoms = sheared(placed_ions(rng, (2, 2, 2), draw(st.floats(2.5, 3.0))), rng)
    return System("halides", atoms)


finite = st.one_of(molecules(), clusters())
periodic = st.one_of(liquids(), salts())
systems = st.one_of(molecules(), clusters(), liquids(), salts())
