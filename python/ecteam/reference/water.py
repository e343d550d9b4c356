"""Structures of the water data set: monomers, ions, clusters and bond breaking.

Every sampler is deterministic for a given seed and returns named structures in Å.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecteam.reference.level import Structure
from ecteam.reference.structures import (
    atoms_and_ions,
    distance_allowed,
    rattled,
    rotation,
    structure,
)

__all__ = ["water_structures"]

Array = NDArray[np.float64]
Named = list[tuple[str, Structure]]

CLOSEST = {("H", "H"): 1.35, ("H", "O"): 1.45, ("O", "O"): 2.3}
"""Smallest distances in Å between atoms of different molecules."""


def water_structures(seed: int = 20260320) -> dict[str, Structure]:
    """Sample the water data set.

    Parameters
    ----------
    seed : int
        Seed of the random displacements and orientations.

    Returns
    -------
    dict of str to Structure
        About 350 structures, the small ones first.
    """
    random = np.random.default_rng(seed)
    named = atoms_and_ions(("H", "O"), {"H": (1,), "O": (-1,)})
    named += _hydroxyl() + _hydroxide() + _monomers(random) + _hydronium(random)
    named += _zundel(random) + _hydroxide_water(random) + _dimers(random) + _trimers(random)
    # A generator of its own: the structures above stay what they are.
    named += _rings(np.random.default_rng(seed + 1))
    named += _tight_rings(np.random.default_rng(seed + 2)) + _facing() + _hydrogen()
    return dict(named)


def monomer(first: float, second: float, angle: float) -> Array:
    """Positions of O, H, H from two bond lengths (Å) and the angle (degrees), shape (3, 3)."""
    half = np.radians(angle) / 2.0
    return np.array(
        [
            [0.0, 0.0, 0.0],
            [first * np.cos(half), first * np.sin(half), 0.0],
            [second * np.cos(half), -second * np.sin(half), 0.0],
        ]
    )


def _water(positions: ArrayLike, broken: bool, group: str) -> Structure:
    return structure("OHH", positions, group=group, signs=(1, -1, -1) if broken else ())


def _monomers(random: np.random.Generator) -> Named:
    named: Named = []
    scan = [0.7, 0.8, 0.9, 1.05, 1.2, 1.4, 1.6, 1.8, 2.0, 2.25, 2.5, 2.8, 3.2, 3.7, 4.3, 5.0]
    for r in scan:
        named.append((f"h2o-scan-{r:.2f}", _water(monomer(r, 0.96, 104.5), r > 1.3, "h2o-scan")))
    for r in np.linspace(0.78, 1.95, 12):
        both = _water(monomer(r, r, 104.5), bool(r > 1.3), "h2o-stretch")
        named.append((f"h2o-symmetric-{r:.3f}", both))
    for angle in np.linspace(60.0, 180.0, 10):
        bent = _water(monomer(0.96, 0.96, angle), False, "h2o-bend")
        named.append((f"h2o-bend-{angle:.1f}", bent))
    for index in range(26):
        a, b = random.uniform(0.84, 1.2, 2)
        near = _water(monomer(a, b, random.uniform(80.0, 135.0)), False, "h2o-random")
        named.append((f"h2o-near-{index}", near))
    for index in range(16):
        a, b = random.uniform(0.78, 1.9, 2)
        far = monomer(a, b, random.uniform(65.0, 175.0))
        named.append((f"h2o-far-{index}", _water(far, max(a, b) > 1.3, "h2o-random")))
    return named


def _hydrogen() -> Named:
    scan = [0.5, 0.58, 0.66, 0.7, 0.74, 0.78, 0.84, 0.92, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.1, 2.5]
    return [
        (
            f"hydrogen-{r:.2f}",
            structure(
                "HH", [[0.0] * 3, [0.0, 0.0, r]], group="hydrogen", signs=(1, -1) if r > 1.2 else ()
            ),
        )
        for r in (*scan, 3.0)
    ]


def _hydroxyl() -> Named:
    scan = [0.72, 0.82, 0.9, 0.97, 1.05, 1.2, 1.4, 1.7, 2.0, 2.5, 3.2, 4.5]
    return [
        (
            f"oh-{r:.2f}",
            structure("OH", [[0.0] * 3, [r, 0.0, 0.0]], spin=1, group="oh", signs=(1, -1)),
        )
        for r in scan
    ]


def _hydroxide() -> Named:
    scan = [*np.linspace(0.72, 1.3, 13), 1.4, 1.5, 1.65, 1.8, 2.0, 2.25, 2.6]
    return [
        (
            f"oh-minus-{r:.3f}",
            structure(
                "OH",
                [[0.0] * 3, [float(r), 0.0, 0.0]],
                charge=-1,
                group="oh-minus",
                signs=(1, -1) if r > 1.45 else (),
            ),
        )
        for r in scan
    ]


def _pyramid(bonds: Iterable[float], height: float) -> Array:
    """O at the origin and three H on a cone whose axis component is `height` times the bond."""
    radius = np.sqrt(1.0 - height**2)
    directions = [
        [radius * np.cos(a), radius * np.sin(a), height]
        for a in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)
    ]
    return np.vstack([np.zeros(3), np.asarray(list(bonds))[:, None] * np.array(directions)])


def _hydronium(random: np.random.Generator) -> Named:
    def ion(positions: Array, broken: bool = False) -> Structure:
        signs = (1, 1, -1, -1) if broken else ()
        return structure("OHHH", positions, charge=1, group="h3o-plus", signs=signs)

    named: Named = []
    for index in range(16):
        base = _pyramid((0.98, 0.98, 0.98), 0.32)
        sigma = 0.04 + 0.1 * index / 15
        named.append((f"h3o-rattled-{index}", ion(rattled(base, sigma, random))))
    for height in np.linspace(0.0, 0.72, 9):
        named.append((f"h3o-inverted-{height:.2f}", ion(_pyramid((0.98,) * 3, height))))
    scan = [0.78, 0.86, 0.92, 1.04, 1.12, 1.2, 1.3, 1.4, 1.5, 1.65, 1.8, 2.0, 2.25, 2.6, 3.0]
    for r in scan:
        stretched = _pyramid((r, 0.97, 0.97), 0.3)
        named.append((f"h3o-stretched-{r:.2f}", ion(stretched, broken=r > 1.55)))
    return named


def _end_water(inward: float, tilt: float, twist: float) -> Array:
    """Water (O, H, H) at the origin whose H point along `inward` x, bent out by `tilt` degrees."""
    base = monomer(0.965, 0.965, 107.0)
    base[:, 0] *= inward
    lean, turn = np.radians(tilt), np.radians(twist)
    about_y = rotation([0.0, 1.0, 0.0], lean)
    about_x = rotation([1.0, 0.0, 0.0], turn)
    return np.asarray(base @ about_y.T @ about_x.T)


def _bridge(distance: float, shift: float, twist: float = 90.0) -> Array:
    """H5O2+ (O H H O H H H): waters `distance` apart, the proton `shift` off the middle."""
    left = _end_water(-1.0, 30.0, 0.0)
    right = _end_water(1.0, -30.0, twist) + np.array([distance, 0.0, 0.0])
    return np.vstack([left, right, [[distance / 2 + shift, 0.0, 0.0]]])


def _zundel(random: np.random.Generator) -> Named:
    def ion(positions: Array) -> Structure:
        return structure("OHHOHHH", positions, charge=1, group="h5o2-plus")

    named: Named = []
    for distance in (2.3, 2.4, 2.5, 2.6, 2.75, 2.9):
        for part in range(5):
            shift = (distance / 2 - 0.88) * part / 4
            name = f"h5o2-transfer-{distance:.2f}-{shift:.3f}"
            named.append((name, ion(_bridge(distance, shift))))
    for index in range(20):
        distance = random.uniform(2.32, 2.75)
        shift = random.uniform(-1.0, 1.0) * (distance / 2 - 0.95)
        base = _bridge(distance, shift, random.uniform(0.0, 180.0))
        moved = rattled(base, random.uniform(0.04, 0.09), random)
        named.append((f"h5o2-rattled-{index}", ion(moved)))
    return named


def _hydroxide_water(random: np.random.Generator) -> Named:
    def ion(positions: Array) -> Structure:
        return structure("OHOHH", positions, charge=-1, group="h3o2-minus")

    def bridge(distance: float, shift: float, twist: float) -> Array:
        end = 0.965 * np.array([-np.cos(np.radians(75.0)), np.sin(np.radians(75.0)), 0.0])
        other = rotation([1.0, 0.0, 0.0], np.radians(twist)) @ (end * [-1.0, 1.0, 1.0])
        right = np.array([distance, 0.0, 0.0])
        middle = [distance / 2 + shift, 0.0, 0.0]
        return np.vstack([np.zeros(3), end, right, right + other, middle])

    named: Named = []
    for distance in (2.35, 2.45, 2.6, 2.8):
        for part in range(2):
            shift = (distance / 2 - 0.98) * part
            name = f"h3o2-transfer-{distance:.2f}-{shift:.3f}"
            named.append((name, ion(bridge(distance, shift, 110.0))))
    for index in range(7):
        distance = random.uniform(2.38, 2.9)
        shift = random.uniform(0.3, 1.0) * (distance / 2 - 0.99)
        base = bridge(distance, shift, random.uniform(30.0, 180.0))
        named.append((f"h3o2-rattled-{index}", ion(rattled(base, 0.06, random))))
    return named


def _equilibrium_dimer(distance: float) -> Array:
    """Linear hydrogen-bonded dimer (O H H O H H): donor at the origin, acceptor tilted."""
    angle = np.radians(104.5)
    donor = 0.96 * np.array([[0, 0, 0], [1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
    acceptor = monomer(0.96, 0.96, 104.5) @ rotation([1.0, 0.0, 0.0], np.pi / 2).T
    acceptor = acceptor @ rotation([0.0, 0.0, 1.0], -np.radians(55.0)).T
    return np.vstack([donor, acceptor + np.array([distance, 0.0, 0.0])])


def _random_dimer(distance: float, random: np.random.Generator) -> Array:
    """Two slightly distorted waters in random orientations without close contacts."""
    for _ in range(10000):
        parts = []
        for x in (0.0, distance):
            a, b = random.uniform(0.92, 1.02, 2)
            turn = rotation(random.normal(size=3), random.uniform(0.0, 2 * np.pi))
            parts.append(monomer(a, b, random.uniform(96.0, 113.0)) @ turn.T + [x, 0.0, 0.0])
        positions = np.vstack(parts)
        if distance_allowed("OHHOHH", positions, (0, 0, 0, 1, 1, 1), CLOSEST):
            return positions
    raise RuntimeError(f"no dimer without close contacts at {distance} Å")


def _dimers(random: np.random.Generator) -> Named:
    def pair(positions: Array) -> Structure:
        return structure("OHHOHH", positions, group="h2o-dimer")

    named: Named = []
    scan = [2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0, 3.15, 3.35, 3.6, 4.0, 4.5, 5.2, 6.0]
    for r in scan:
        named.append((f"dimer-scan-{r:.2f}", pair(_equilibrium_dimer(r))))
    for index in range(30):
        base = _equilibrium_dimer(random.uniform(2.65, 3.2))
        moved = rattled(base, random.uniform(0.03, 0.09), random)
        named.append((f"dimer-rattled-{index}", pair(moved)))
    for index in range(46):
        distance = 2.5 + 3.5 * (index / 45) ** 1.4
        named.append((f"dimer-random-{index}", pair(_random_dimer(distance, random))))
    return named


def _trimers(random: np.random.Generator) -> Named:
    """Cyclic trimers: each water gives one hydrogen bond, the free H alternate up and down."""
    named: Named = []
    for index in range(12):
        side = random.uniform(2.6, 3.2)
        corners = (
            side
            / np.sqrt(3.0)
            * np.array([[np.cos(a), np.sin(a), 0.0] for a in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)])
        )
        rows = []
        for k, up in enumerate((1.0, 1.0, -1.0)):
            along = (corners[(k + 1) % 3] - corners[k]) / side
            out = corners[k] / np.linalg.norm(corners[k])
            free = -0.25 * along + 0.6 * out + up * np.array([0.0, 0.0, 0.76])
            rows += [corners[k], corners[k] + 0.97 * along]
            rows.append(corners[k] + 0.96 * free / np.linalg.norm(free))
        moved = rattled(np.array(rows), 0.02 + 0.08 * index / 11, random)
        named.append((f"trimer-{index}", structure("OHH" * 3, moved, group="h2o-trimer")))
    return named


def _rings(random: np.random.Generator) -> Named:
    """Rings of three, four and six waters with unstrained molecules, rattled."""
    named: Named = []
    for size, count in ((3, 8), (4, 8), (6, 8)):
        for index in range(count):
            side = random.uniform(2.65, 3.1)
            moved = rattled(_ring(size, side), 0.01 + 0.07 * index / count, random)
            name = f"ring-{size}-{index}"
            named.append((name, structure("OHH" * size, moved, group=f"h2o-ring-{size}")))
    return named


def _tight_rings(random: np.random.Generator) -> Named:
    """Rings pressed together, with molecules bent too far: where a fit must not find a minimum."""
    named: Named = []
    for size, count in ((3, 8), (4, 6)):
        for index in range(count):
            ring = _ring(size, random.uniform(2.3, 2.6), random.uniform(78.0, 104.0))
            name = f"tight-{size}-{index}"
            moved = rattled(ring, 0.03, random)
            named.append((name, structure("OHH" * size, moved, group="h2o-tight")))
    return named


def _facing() -> Named:
    """Two waters whose hydrogens meet: where a fit must not find a bond."""
    named: Named = []
    first = monomer(0.96, 0.96, 104.5)
    for turned in (False, True):
        for side in (2.6, 2.9, 3.2, 3.5, 3.9, 4.4):
            second = first * np.array([-1.0, 1.0, 1.0])
            second = second[:, [0, 2, 1]] if turned else second
            both = np.concatenate([first, second + np.array([side, 0.0, 0.0])])
            name = f"facing-{'turned' if turned else 'flat'}-{side:.1f}"
            named.append((name, structure("OHHOHH", both, group="h2o-facing")))
    return named


def _ring(size: int, side: float, angle: float = 104.5) -> Array:
    """Each water gives one hydrogen bond along the ring; the free H alternate up and down."""
    angles = 2.0 * np.pi * np.arange(size) / size
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(size)], axis=1)
    corners = side / (2.0 * np.sin(np.pi / size)) * circle
    bend = np.radians(angle)
    rows = []
    for k in range(size):
        along = (corners[(k + 1) % size] - corners[k]) / side
        up = np.array([0.0, 0.0, 1.0 if k % 2 == 0 else -1.0])
        outwards = circle[k] - (circle[k] @ along) * along
        aside = 0.6 * outwards / np.linalg.norm(outwards) + 0.8 * up
        free = np.cos(bend) * along + np.sin(bend) * aside
        rows += [corners[k], corners[k] + 0.98 * along, corners[k] + 0.96 * free]
    return np.array(rows)
