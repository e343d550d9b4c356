"""Samplers of training structures: normal modes, bond scans, rigid dimers, dynamics.

All are deterministic for a given seed, take and give ASE structures, and keep ``info``: charge and
spin go with the geometry into `ecteam.reference.batch.compute`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.units import kB
from numpy.typing import ArrayLike, NDArray

from ecteam._core import InvalidInputError
from ecteam.dynamics import molecular_dynamics
from ecteam.reference.structures import rotation

__all__ = ["bond_scan", "hessian_of", "md_frames", "normal_modes", "rigid_dimers"]

Array = NDArray[np.float64]

BONDED = 1.3
"""Atoms are bonded up to this many sums of their covalent radii."""
SOFTEST = 0.05
"""eV/(Å² u): the largest mode eigenvalue (some 120 cm⁻¹) that is not displaced any further."""


def hessian_of(atoms: Atoms, step: float = 0.01) -> Array:
    """Second derivatives by central differences of the forces of ``atoms.calc``.

    Parameters
    ----------
    atoms : ase.Atoms
        n atoms with a calculator; not changed.
    step : float
        Å.

    Returns
    -------
    ndarray, shape (3n, 3n)
        eV/Å², symmetric.
    """
    moved = atoms.copy()
    moved.calc = atoms.calc
    hessian = np.empty((3 * len(atoms), 3 * len(atoms)))
    for row in range(3 * len(atoms)):
        forces = []
        for sign in (1.0, -1.0):
            positions = atoms.get_positions()
            positions.ravel()[row] += sign * step
            moved.set_positions(positions)
            forces.append(moved.get_forces().ravel())
        hessian[row] = (forces[1] - forces[0]) / (2.0 * step)
    return np.asarray(0.5 * (hessian + hessian.T))


def normal_modes(
    atoms: Atoms, hessian: ArrayLike, temperature: float, count: int, seed: int = 0
) -> list[Atoms]:
    """Displace along the normal modes as a classical harmonic oscillator would at a temperature.

    Translations and rotations are projected out. The variance of a mode with eigenvalue λ of the
    mass-weighted Hessian is kT/λ; modes softer than `SOFTEST` (and imaginary ones) get the
    variance of that one, so that torsions do not fly apart.

    Parameters
    ----------
    atoms : ase.Atoms
        n atoms at or near a minimum.
    hessian : array_like, shape (3n, 3n)
        eV/Å², e.g. from `hessian_of`.
    temperature : float
        K; several thousand for distorted training structures.
    count : int
        Number of structures.
    seed : int
        Of the random numbers.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    InvalidInputError
        If the Hessian has another shape or is not finite, or temperature or count is negative.
    """
    matrix = np.asarray(hessian, dtype=float)
    size = 3 * len(atoms)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise InvalidInputError(
            f"hessian: must be finite and have shape ({size}, {size}), got {matrix.shape}"
        )
    if not temperature >= 0.0 or count < 0:
        raise InvalidInputError(
            f"temperature, count: must not be negative, got {temperature} K, {count}"
        )
    roots = np.repeat(np.sqrt(atoms.get_masses()), 3)
    inner = _internal(atoms, roots)
    values, vectors = np.linalg.eigh(inner.T @ (matrix / np.outer(roots, roots)) @ inner)
    widths = np.sqrt(kB * temperature / np.maximum(values, SOFTEST))
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        shift = inner @ (vectors @ (widths * random.standard_normal(len(widths)))) / roots
        found.append(_moved(atoms, atoms.positions + shift.reshape(-1, 3), "normal-modes"))
    return found


def bond_scan(atoms: Atoms, i: int, j: int, distances: Sequence[float]) -> list[Atoms]:
    """Pull the part of a molecule that hangs on atom `j` away from atom `i`, rigidly.

    Parameters
    ----------
    atoms : ase.Atoms
        Molecule; atoms are bonded up to 1.3 sums of their covalent radii.
    i, j : int
        The two ends of the bond.
    distances : sequence of float
        Å, to dissociation. From 1.3 times the sum of the covalent radii on, structures with an
        even number of electrons ask for a broken-symmetry start, spin up on one side and down on
        the other.

    Returns
    -------
    list of ase.Atoms
        In the order of the distances.

    Raises
    ------
    InvalidInputError
        If the atoms do not exist or are one, the bond is part of a ring, or a distance is not
        positive.
    """
    if i == j or not (0 <= i < len(atoms) and 0 <= j < len(atoms)):
        raise InvalidInputError(f"i, j: must be two atoms of 0 to {len(atoms) - 1}, got {i}, {j}")
    if not all(np.isfinite(r) and r > 0.0 for r in distances):
        raise InvalidInputError(f"distances: must be positive, in Å, got {list(distances)}")
    side = _side(atoms, i, j)
    along = atoms.positions[j] - atoms.positions[i]
    length = np.linalg.norm(along)
    loose = BONDED * sum(covalent_radii[atoms.numbers[[i, j]]])
    electrons = int(atoms.numbers.sum()) - int(atoms.info.get("charge", 0))
    found = []
    for distance in distances:
        positions = atoms.get_positions()
        positions[side] += along * (distance / length - 1.0)
        stretched = _moved(atoms, positions, "bond-scan")
        if distance > loose and electrons % 2 == 0:
            stretched.set_array("spin_signs", np.where(side, -1, 1))
        found.append(stretched)
    return found


def rigid_dimers(
    first: Atoms,
    second: Atoms,
    distances: Sequence[float],
    orientations: int,
    seed: int = 0,
    closest: float = 1.3,
) -> list[Atoms]:
    """Scan the distance of two rigid molecules over random orientations.

    Every orientation turns both molecules uniformly and draws the direction between their centres
    of mass; it is kept over all distances, so each gives a curve.

    Parameters
    ----------
    first, second : ase.Atoms
        The molecules; their ``info["charge"]`` add up, and so do their ``info["spin"]``.
    distances : sequence of float
        Between the centres of mass, Å.
    orientations : int
        Number of curves.
    seed : int
        Of the random numbers.
    closest : float
        Structures with atoms of different molecules nearer than this many sums of their covalent
        radii are left out.

    Returns
    -------
    list of ase.Atoms
        At most ``orientations * len(distances)`` structures; ``info["curve"]`` numbers them.

    Raises
    ------
    InvalidInputError
        If a distance is not positive, or every structure is too close.
    """
    if not all(np.isfinite(r) and r > 0.0 for r in distances):
        raise InvalidInputError(f"distances: must be positive, in Å, got {list(distances)}")
    random = np.random.default_rng(seed)
    limits = closest * (covalent_radii[first.numbers][:, None] + covalent_radii[second.numbers])
    found = []
    for curve in range(orientations):
        a, b = (_turned(atoms, random) for atoms in (first, second))
        direction = random.standard_normal(3)
        direction /= np.linalg.norm(direction)
        for distance in distances:
            shifted = b + distance * direction
            if (np.linalg.norm(a[:, None] - shifted, axis=2) >= limits).all():
                found.append(_joined(first, second, np.vstack([a, shifted]), curve))
    if not found and orientations and len(distances):
        raise InvalidInputError("distances: every structure has atoms that are too close")
    return found


def md_frames(
    atoms: Atoms,
    steps: int,
    count: int,
    *,
    temperature: float = 300.0,
    timestep: float = 0.5,
    interval: int = 10,
    seed: int = 0,
    score: Callable[[Atoms], float] | None = None,
    separation: int = 1,
) -> list[Atoms]:
    """Take frames of a short run of molecular dynamics with the calculator of the atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator, such as the potential being fitted; not changed.
    steps : int
        Steps at constant energy, from velocities drawn at `temperature`.
    count : int
        Number of frames to return.
    temperature, timestep : float
        K and fs.
    interval : int
        Steps between candidates.
    seed : int
        Of the velocities.
    score : callable, optional
        Worth of a candidate, e.g. the uncertainty of its prediction: the highest are taken. It
        sees the atoms with their calculator. Without it frames are taken evenly.
    separation : int
        Chosen frames are at least this many candidates apart.

    Returns
    -------
    list of ase.Atoms
        In the order of time, at most `count`; ``info["md_step"]`` says when, ``info["score"]`` the
        worth.

    Raises
    ------
    InvalidInputError
        If the atoms have no calculator, or a number is not positive.
    """
    if atoms.calc is None:
        raise InvalidInputError("atoms: must have a calculator")
    for name, value in {"steps": steps, "count": count, "interval": interval}.items():
        if value < 1:
            raise InvalidInputError(f"{name}: must be positive, got {value}")
    moving = atoms.copy()
    moving.calc = atoms.calc
    candidates, scores = [], []
    for step in molecular_dynamics(moving, steps, timestep, temperature, seed):
        if step % interval == 0:
            frame = _moved(moving, moving.get_positions(), "md")
            frame.info["md_step"] = step
            scores.append(0.0 if score is None else float(score(moving)))
            frame.info["score"] = scores[-1]
            candidates.append(frame)
    chosen = _even(len(candidates), count) if score is None else _best(scores, count, separation)
    return [candidates[k] for k in chosen]


def _internal(atoms: Atoms, roots: Array) -> Array:
    """Orthonormal mass-weighted displacements without translation and rotation, as columns."""
    centred = atoms.positions - atoms.get_center_of_mass()
    rigid = [np.tile(axis, (len(atoms), 1)) for axis in np.eye(3)]
    rigid += [np.cross(axis, centred) for axis in np.eye(3)]
    columns = np.array([motion.ravel() * roots for motion in rigid]).T
    left, singular, _ = np.linalg.svd(columns, full_matrices=True)
    return np.asarray(left[:, int((singular > 1e-6 * singular[0]).sum()) :])


def _moved(atoms: Atoms, positions: Array, group: str) -> Atoms:
    moved = Atoms(atoms.symbols, positions=positions, info=dict(atoms.info))
    moved.info.pop("name", None)
    moved.info["group"] = group
    return moved


def _side(atoms: Atoms, i: int, j: int) -> NDArray[np.bool_]:
    """Mask of the atoms that stay with `j` when its bond to `i` is cut."""
    reach = BONDED * (covalent_radii[atoms.numbers][:, None] + covalent_radii[atoms.numbers])
    bonded = atoms.get_all_distances() < reach
    bonded[i, j] = bonded[j, i] = False
    side = np.zeros(len(atoms), dtype=bool)
    side[j] = True
    while True:
        wider = side | bonded[side].any(axis=0)
        if (wider == side).all():
            break
        side = wider
    if side[i]:
        raise InvalidInputError(f"i, j: the bond of atoms {i} and {j} is part of a ring")
    return side


def _turned(atoms: Atoms, random: np.random.Generator) -> Array:
    """Positions about the centre of mass after a uniformly distributed rotation."""
    axis, turn = random.standard_normal(3), random.standard_normal(4)
    # Half angle of a random unit quaternion.
    angle = 2.0 * np.arctan2(np.linalg.norm(turn[1:]), turn[0])
    centred = atoms.positions - atoms.get_center_of_mass()
    return np.asarray(centred @ rotation(axis, float(angle)).T)


def _joined(first: Atoms, second: Atoms, positions: Array, curve: int) -> Atoms:
    both = Atoms([*first.symbols, *second.symbols], positions=positions)
    for key in ("charge", "spin"):
        if key in first.info or key in second.info:
            both.info[key] = first.info.get(key, 0) + second.info.get(key, 0)
    both.info.update(group="rigid-dimers", curve=curve)
    return both


def _even(candidates: int, count: int) -> list[int]:
    if not candidates:
        return []
    chosen = np.linspace(0, candidates - 1, min(count, candidates)).round().astype(int)
    return [int(k) for k in chosen]


def _best(scores: Sequence[float], count: int, separation: int) -> list[int]:
    """Choose the highest scores that keep their separation; indices in order."""
    chosen: list[int] = []
    for k in np.argsort(scores, kind="stable")[::-1]:
        if len(chosen) < count and all(abs(int(k) - other) >= separation for other in chosen):
            chosen.append(int(k))
    return sorted(chosen)
