"""Labelled structures for training: energies, forces, stresses, dipoles, charges, any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from ecteam._core import InvalidInputError
from ecteam.fit.model import PROPERTIES, FloatArray, row_properties
from ecteam.neighbors import neighbor_list
from ecteam.structure import charge_of

FINGERPRINT_RANGE = 5.0
"""Å: pairs of atoms up to here tell two geometries apart."""
SAME = 1e-6
"""Relative difference of fingerprints below which two geometries are the same."""


@dataclass(frozen=True)
class Labels:
    """Structures and what is known about them.

    Attributes
    ----------
    structures : sequence of ase.Atoms
        n geometries.
    targets : sequence of (10 + 4N,) float64
        Rows of each structure as in :mod:`ecteam.rows`; NaN where there is no label.
    groups : sequence of str
        Group of each structure, ``""`` for none.
    above : (n,) float64, optional
        Excess of each structure among more of them than these.
    """

    structures: Sequence[Atoms]
    targets: Sequence[FloatArray]
    groups: Sequence[str]
    above: FloatArray | None = None

    def __len__(self) -> int:
        """Count the structures."""
        return len(self.structures)

    def __getitem__(self, chosen: Sequence[int]) -> Labels:
        """Labels of some structures, by index."""
        return Labels(
            [self.structures[k] for k in chosen],
            [self.targets[k] for k in chosen],
            [self.groups[k] for k in chosen],
            None if self.above is None else self.above[list(chosen)],
        )

    @property
    def elements(self) -> set[str]:
        """Chemical symbols that occur."""
        return {symbol for atoms in self.structures for symbol in atoms.get_chemical_symbols()}

    @property
    def excess(self) -> FloatArray:
        """Energy of each structure above the lowest of its composition, charge and periodicity.

        In eV/atom, (n,); 0 without an energy. The lowest of these structures, unless `above` says
        how they stand among more.
        """
        if self.above is not None:
            return self.above
        energies = np.array([target[0] for target in self.targets])
        kinds = np.array([_kind(atoms) for atoms in self.structures])
        per_atom = energies / np.array([len(atoms) for atoms in self.structures])
        excess = np.zeros(len(self))
        for kind in np.unique(kinds):
            chosen = (kinds == kind) & np.isfinite(per_atom)
            if chosen.any():
                excess[chosen] = per_atom[chosen] - per_atom[chosen].min()
        return excess

    def count(self, name: str) -> int:
        """Count the labels of one of :data:`ecteam.fit.model.PROPERTIES`, in single numbers."""
        which = PROPERTIES.index(name)
        return sum(
            int(np.isfinite(target[row_properties(atoms) == which]).sum())
            for atoms, target in zip(self.structures, self.targets, strict=True)
        )


@dataclass(frozen=True)
class Scales:
    """Expected errors: residuals are divided by them.

    Attributes
    ----------
    energy, force, stress, dipole, charge : float
        eV/atom, eV/Å, eV/Å³, e·Å, e; infinity leaves a property out.
    softening : float
        Energy above the lowest structure of the same composition and charge at which the scales
        have doubled, eV/atom; infinity for the same scales everywhere.
    emphasis : mapping
        Factor by which the scales of a group of structures are divided; 1 for the others. A
        mapping of properties to factors in place of a number treats them apart.
    """

    energy: float = 0.003
    force: float = 0.1
    stress: float = 0.003
    emphasis: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    _: KW_ONLY
    dipole: float = np.inf
    charge: float = np.inf
    softening: float = np.inf

    def __post_init__(self) -> None:
        """Check that every scale and factor is positive."""
        for name in (*PROPERTIES, "softening"):
            _check_positive(f"scales.{name}", getattr(self, name))
        for group, factor in self.emphasis.items():
            factors = factor if isinstance(factor, Mapping) else dict.fromkeys(PROPERTIES, factor)
            for name, value in factors.items():
                if name not in PROPERTIES:
                    raise InvalidInputError(
                        f"scales.emphasis.{group}: must name {', '.join(PROPERTIES)}, got {name!r}"
                    )
                _check_positive(f"scales.emphasis.{group}.{name}", value)

    def of(self, name: str, group: str) -> float:
        """Scale of a property in a group of structures; the energy's is per atom."""
        factor = self.emphasis.get(group, 1.0)
        own = factor.get(name, 1.0) if isinstance(factor, Mapping) else factor
        return float(getattr(self, name)) / own

    def row_weights(self, atoms: Atoms, group: str, excess: float = 0.0) -> FloatArray:
        """1/scale of every row of a structure; the energy's is per atom.

        `excess` is the energy above the lowest structure of the same kind, eV/atom.
        """
        inverse = np.array([1.0 / self.of(name, group) for name in PROPERTIES])
        inverse[0] /= len(atoms)
        return inverse[row_properties(atoms)] / (1.0 + excess / self.softening)


def _check_positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise InvalidInputError(f"{name}: must be positive, got {value!r}")


def read_labels(*paths: str | Path) -> Labels:
    """Read labelled structures from files ASE reads, extended XYZ above all.

    A frame may lack any of energy, forces and stress; what it lacks is not fitted. The group is
    ``info["group"]``. Frames that say ``converged=F`` or ``suspect=T`` are left out.

    Raises
    ------
    InvalidInputError
        If a file cannot be read or holds no frame, if a frame has no label at all, and if a label
        is not a finite number; the message names file, frame and property.
    """
    return labels_of([atoms for path in paths for atoms in _frames(Path(path))])


def labels_of(frames: Sequence[Atoms]) -> Labels:
    """Collect the labels that the calculators or arrays of ASE's Atoms hold.

    Raises
    ------
    InvalidInputError
        As :func:`read_labels`.
    """
    if not frames:
        raise InvalidInputError("labels: there is no structure")
    targets = [
        _target(atoms, str(atoms.info.get("origin", f"structure {k}")))
        for k, atoms in enumerate(frames)
    ]
    groups = [str(atoms.info.get("group", "")) for atoms in frames]
    return Labels(list(frames), targets, groups)


def _frames(path: Path) -> list[Atoms]:
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    try:
        frames = read(path, ":")
    except Exception as error:  # ASE's readers raise anything at all
        raise InvalidInputError(f"{path}: cannot be read: {error or type(error)}") from error
    for k, atoms in enumerate(frames):
        atoms.info["origin"] = f"{path.name}, frame {k}"
    sound = [atoms for atoms in frames if _is_sound(atoms.info)]
    if not sound:
        raise InvalidInputError(f"{path}: holds no usable structure")
    return sound


def _is_sound(info: Mapping[str, object]) -> bool:
    return bool(info.get("converged", True)) and not info.get("suspect", False)


def _target(atoms: Atoms, origin: str) -> FloatArray:
    if len(atoms) == 0:
        raise InvalidInputError(f"{origin}: has no atoms")
    known = dict(atoms.calc.results) if atoms.calc is not None else {}
    known.setdefault("energy", atoms.info.get("energy"))
    known.setdefault("forces", atoms.arrays.get("forces"))
    known.setdefault("stress", atoms.info.get("stress"))
    known.setdefault("dipole", atoms.info.get("dipole"))
    if atoms.pbc.any():
        known["dipole"] = None  # depends on how the cell is cut
    known.setdefault("charges", atoms.arrays.get("charges", atoms.arrays.get("hirshfeld")))
    sizes = {"energy": 1, "forces": 3 * len(atoms), "stress": 6, "dipole": 3, "charges": len(atoms)}
    parts = [_label(known[name], size, f"{origin}: {name}") for name, size in sizes.items()]
    target = np.concatenate(parts)
    if np.isnan(target).all():
        raise InvalidInputError(f"{origin}: has none of {', '.join(sizes)}")
    return target


def _kind(atoms: Atoms) -> str:
    charge = np.array2string(np.asarray(charge_of(atoms).total_charge), precision=6)
    return f"{atoms.get_chemical_formula()} {charge} {atoms.pbc.any()}"


def _label(value: object, size: int, what: str) -> FloatArray:
    if value is None:
        return np.full(size, np.nan)
    label = np.asarray(value, dtype=float)
    if size == 6 and label.shape == (3, 3):
        label = label[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    label = label.ravel()
    if label.size != size:
        raise InvalidInputError(f"{what}: must have {size} numbers, got {label.size}")
    if not np.isfinite(label).all():
        raise InvalidInputError(
            f"{what}: must be finite numbers, got {label[~np.isfinite(label)][0]}"
        )
    return label


def split(labels: Labels, fraction: float, seed: int = 0) -> tuple[Labels, Labels]:
    """Set aside a fraction of the structures, by a hash of the geometry.

    A structure stays on its side when others are added or the order changes, and duplicates are
    always on the same side.

    Returns
    -------
    kept, aside : Labels

    Raises
    ------
    InvalidInputError
        If one side would be empty, as with a single geometry.
    """
    share = [int(key[:12], 16) / 16**12 for key in _hashes(labels, seed)]
    aside = [k for k, value in enumerate(share) if value < fraction]
    kept = [k for k, value in enumerate(share) if value >= fraction]
    if not aside or not kept:
        raise InvalidInputError(
            f"split: {len(labels)} structures leave one side empty at fraction {fraction:g}; "
            "give more structures or separate files"
        )
    return labels[kept], labels[aside]


def folds_of(labels: Labels, count: int, seed: int = 0) -> list[int]:
    """Fold of each structure, 0 … count − 1: equal shares of every group, duplicates together.

    Raises
    ------
    InvalidInputError
        If there are fewer different geometries than folds.
    """
    hashes = _hashes(labels, seed)
    if not 2 <= count <= len(set(hashes)):
        raise InvalidInputError(
            f"folds: must be from 2 to the number of different geometries, {len(set(hashes))}, "
            f"got {count}"
        )
    fold: dict[str, int] = {}
    for _, key in sorted(set(zip(labels.groups, hashes, strict=True))):
        fold.setdefault(key, len(fold) % count)
    return [fold[key] for key in hashes]


def _hashes(labels: Labels, seed: int) -> list[str]:
    """Hash of each geometry; the first of several duplicates lends its own to all."""
    prints = [fingerprint(atoms) for atoms in labels.structures]
    first = list(range(len(prints)))
    for a, b in _matches(prints, prints):
        if a < b:
            first[b] = min(first[b], first[a])
    texts = [" ".join(f"{x:.6g}" for x in prints[k][1]) + f" {seed}" for k in first]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def fingerprint(atoms: Atoms) -> tuple[str, FloatArray]:
    """Give formula and five numbers that rotation, translation and renumbering do not change.

    The numbers are the volume per atom and sums over pairs of atoms, weighted by atomic numbers.
    """
    first, second, distances = neighbor_list("ijd", atoms, FINGERPRINT_RANGE)
    z = atoms.numbers / 10.0
    pairs = z[first] * z[second] / len(atoms)
    x = distances / 2.0
    sums = [float(pairs @ (x**-power)) for power in (2, 4, 8)]
    around = np.bincount(first, pairs / x**3, minlength=len(atoms))
    volume = atoms.get_volume() / len(atoms) if atoms.pbc.all() else 0.0
    return atoms.get_chemical_formula(), np.array([volume, *sums, float(around @ around)])


def duplicates(first: Labels, second: Labels) -> list[tuple[int, int]]:
    """Pairs of indices of structures that are the same geometry, up to numbering and motion."""
    prints = [[fingerprint(atoms) for atoms in labels.structures] for labels in (first, second)]
    return list(_matches(*prints))


def _matches(
    first: Sequence[tuple[str, FloatArray]], second: Sequence[tuple[str, FloatArray]]
) -> Iterator[tuple[int, int]]:
    by_formula: dict[str, list[int]] = {}
    for b, (formula, _) in enumerate(second):
        by_formula.setdefault(formula, []).append(b)
    for a, (formula, values) in enumerate(first):
        others = by_formula.get(formula, [])
        if others:
            table = np.array([second[b][1] for b in others])
            close = np.isclose(table, values, rtol=SAME, atol=SAME).all(axis=1)
            yield from ((a, others[k]) for k in np.flatnonzero(close))


def check_separate(train: Labels, test: Labels) -> None:
    """Refuse a geometry that is in both sets.

    Raises
    ------
    InvalidInputError
        Naming the first such pair and how many there are.
    """
    shared = duplicates(train, test)
    if shared:
        origins = [
            labels.structures[k].info.get("origin", f"structure {k}")
            for labels, k in zip((train, test), shared[0], strict=True)
        ]
        raise InvalidInputError(
            f"test: {len(shared)} pairs of structures are the same geometry in training and test "
            f"set; the first: {origins[0]} and {origins[1]}"
        )


def check_elements(labels: Labels, elements: Sequence[str] | set[str]) -> None:
    """Refuse structures with an element the model lacks.

    Raises
    ------
    InvalidInputError
        Naming the structure and the element.
    """
    for k, atoms in enumerate(labels.structures):
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(elements))
        if unknown:
            raise InvalidInputError(
                f"{atoms.info.get('origin', f'structure {k}')}: has {unknown[0]}, which the model "
                f"lacks; it knows {', '.join(sorted(elements))}"
            )
