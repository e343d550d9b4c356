"""Geometries that keep a fit of `water` out of holes: squeezed ones, and those a fit falls into.

    python benches/studies/water_close.py squeeze -o squeezed.xyz
    python benches/studies/water_close.py dynamics POTENTIAL -o harvest.xyz
    ecteam reference compute harvest.xyz -o labelled.extxyz --level PBE0/aug-cc-pVDZ

`dynamics` relaxes a periodic box and runs Langevin dynamics with a potential until two atoms come
closer than they do in water, and cuts clusters of one to three molecules around them. What PBE0
says of those is added to ``data/reference/close-water.extxyz.gz``, the potential fitted anew, and
so on until nothing goes wrong. Random numbers are seeded; but every later round depends on the fits
before it, so the file, not this script, is the record.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ecteam
import numpy as np
from ase import Atoms, units
from ase.io import write
from ase.md.langevin import Langevin
from ase.optimize import FIRE

WATER = np.array([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])
LOOSE = np.array([[2.6, 1.6, 1.6], [1.6, 1.6, 1.6], [1.6, 1.6, 1.6]])
"""Å: where the atoms O, H, H of two molecules touch; the wanted contact must be the tightest."""
SQUEEZED = {
    ("H", "H"): (0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6),
    ("O", "O"): (1.6, 1.8, 2.0, 2.1, 2.2, 2.3, 2.45, 2.6),
    ("H", "O"): (0.9, 1.05, 1.15, 1.25, 1.35, 1.45, 1.6),
}
"""Å: the closest contacts of the pairs of molecules."""
CLOSEST = {"O–O": 2.25, "H–H": 1.15, "O–H": 0.78}
"""Å: nearer than this is a hole."""


def turned(random: np.random.Generator) -> np.ndarray:
    """Turn water at random, and make it up to 5 % too small or large."""
    q, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return np.asarray(WATER * random.uniform(0.95, 1.05) @ q)


def touching(kind: tuple[str, str], distance: float, random: np.random.Generator) -> np.ndarray:
    """Push two molecules, (6, 3), together until atoms of these kinds are nearer than this."""
    while True:
        first, second, way = turned(random), turned(random), random.normal(size=3)
        way /= np.linalg.norm(way)
        for shift in np.linspace(5.0, 0.5, 226):
            moved = second + shift * way
            apart = np.linalg.norm(first[:, None] - moved[None], axis=-1)
            tightness = apart / LOOSE
            i, j = np.unravel_index(tightness.argmin(), tightness.shape)
            least, next_least = np.sort(tightness.ravel())[:2]
            if tuple(sorted(("OHH"[i], "OHH"[j]))) != kind:
                if least < 0.2:
                    break
            elif apart[i, j] < distance:
                if next_least > 1.05 * least:
                    return np.vstack([first, moved])
                break


def squeeze(seed: int) -> list[Atoms]:
    """Make pairs of molecules with one contact too close."""
    random = np.random.default_rng(seed)
    frames = []
    for kind, distances in SQUEEZED.items():
        for distance in distances:
            atoms = Atoms("OHHOHH", positions=touching(kind, distance, random))
            atoms.info.update(charge=0, name=f"contact-{''.join(kind)}-{distance}")
            frames.append(atoms)
    return frames


def box(count: int, spacing: float, random: np.random.Generator) -> Atoms:
    """Put turned molecules on a cubic grid, periodic."""
    side = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), -1).reshape(-1, 3)
    positions = np.concatenate([spacing * point + turned(random) for point in grid[:count]])
    return Atoms("OHH" * count, positions=positions, cell=3 * [spacing * side], pbc=True)


def nearest(atoms: Atoms) -> dict[str, tuple[float, int]]:
    """Find the smallest distance of each pair of elements, Å, and an atom that has it."""
    apart = atoms.get_all_distances(mic=True)
    np.fill_diagonal(apart, np.inf)
    oxygen = atoms.numbers == 8
    found = {}
    for name, rows, columns in (
        ("O–O", oxygen, oxygen),
        ("H–H", ~oxygen, ~oxygen),
        ("O–H", oxygen, ~oxygen),
    ):
        part = np.where(rows[:, None] & columns[None], apart, np.inf)
        found[name] = float(part.min()), int(np.unravel_index(part.argmin(), part.shape)[0])
    return found


def molecules(apart: np.ndarray, numbers: np.ndarray) -> list[list[int]]:
    """Find the indices of each molecule: an oxygen, and the hydrogens nearest to it."""
    oxygens, hydrogens = np.flatnonzero(numbers == 8), np.flatnonzero(numbers == 1)
    owner = oxygens[apart[np.ix_(hydrogens, oxygens)].argmin(axis=1)]
    return [[int(o), *hydrogens[owner == o].tolist()] for o in oxygens]


def warm(atoms: Atoms, temperature: float, random: np.random.Generator) -> Langevin:
    """Dynamics at a temperature, K, with steps of 0.5 fs."""
    return Langevin(
        atoms,
        0.5 * units.fs,
        temperature_K=temperature,
        friction=0.02 / units.fs,
        fixcm=False,
        rng=random,
    )


def trouble(atoms: Atoms) -> int | None:
    """Find an atom that has come too close to another; none if all is well."""
    for name, (distance, atom) in nearest(atoms).items():
        if distance < CLOSEST[name]:
            return atom
    return None


def cut(atoms: Atoms, atom: int, count: int) -> Atoms | None:
    """Cut out the molecule of an atom and its nearest neighbours, all whole.

    Hydrogens belong to the nearest oxygen. None if its charge is beyond ±1.
    """
    apart = atoms.get_all_distances(mic=True)
    parts = molecules(apart, atoms.numbers)
    own = next(part for part in parts if atom in part)
    distances = [-1.0 if part is own else apart[np.ix_(own, part)].min() for part in parts]
    members = [k for place in np.argsort(distances)[:count] for k in parts[place]]
    charge = len(members) - 3 * count
    if abs(charge) > 1:
        return None
    vectors = atoms.get_distances(members[0], members, mic=True, vector=True)
    return Atoms(atoms.symbols[members], positions=vectors, info={"charge": charge})


def harvest(potential: ecteam.Potential, options: argparse.Namespace) -> list[Atoms]:
    """Relax a box and run it; cut clusters around the first trouble, and a moment before it."""
    random = np.random.default_rng(options.seed)
    atoms = box(options.molecules, options.spacing, random)
    atoms.calc = ecteam.ECTEAM(potential)
    langevin = warm(atoms, options.temperature, random)
    last = [atoms.copy()]
    for step in range(20 + options.steps // 10):
        if step < 20:
            FIRE(atoms, logfile=None, maxstep=0.05).run(fmax=0.6, steps=3)
        else:
            langevin.run(10)
        last = [last[-1], atoms.copy()]
        atom = trouble(atoms)
        if atom is not None:
            print(f"step {step}: {nearest(atoms)}")
            clusters = [cut(frame, atom, count) for frame in last for count in (1, 2, 3)]
            return [cluster for cluster in clusters if cluster is not None]
    print(f"nothing went wrong in {10 * (options.steps // 10)} steps: {nearest(atoms)}")
    return []


def main() -> None:
    """Write the geometries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("squeeze", "dynamics"))
    parser.add_argument("potential", nargs="?", default="water")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--molecules", type=int, default=27)
    parser.add_argument("--spacing", type=float, default=3.11, help="Å")
    parser.add_argument("--temperature", type=float, default=300.0, help="K")
    parser.add_argument("--steps", type=int, default=1000, help="of 0.5 fs")
    options = parser.parse_args()
    if options.what == "squeeze":
        frames = squeeze(options.seed)
    else:
        frames = harvest(ecteam.load(options.potential), options)
    for k, frame in enumerate(frames):
        frame.info.setdefault("name", f"{options.output.stem}-{k}")
    if frames:
        write(options.output, frames, format="extxyz")


if __name__ == "__main__":
    main()
