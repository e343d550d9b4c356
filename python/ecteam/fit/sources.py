"""Labels from the sources of a configuration: which structures, which zero, which side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.resources import files

import numpy as np
from ase.data import chemical_symbols

from ecteam._core import InvalidInputError
from ecteam.fit.config import AtomReferences, FitConfig, Side, Source
from ecteam.fit.labels import Labels, read_labels
from ecteam.fit.model import BoolArray
from ecteam.fit.sides import side_of
from ecteam.structure import total_charge_of

REFERENCE = files("ecteam") / "data" / "reference"


def labels_of_sources(config: FitConfig) -> tuple[Labels, list[Side]]:
    """Labels of all sources, relative to isolated atoms, and the side of each."""
    read = [_labels_of(source, f"data[{k}]") for k, source in enumerate(config.data)]
    every = _relative(_joined(read), config.atoms)
    every = replace(every, above=every.excess)
    limits = np.repeat([s.highest_energy for s in config.data], [len(part) for part in read])
    fixed = [s.side for s, part in zip(config.data, read, strict=True) for _ in range(len(part))]
    kept = np.flatnonzero(every.excess <= limits).tolist()
    split = config.split
    sides: list[Side] = []
    for k in kept:
        own = fixed[k]
        if own == "hash":
            own = side_of(every.structures[k], split.validation, split.test, split.seed)
        sides.append(own)
    return every[kept], sides


def data_file(name: str) -> str:
    """Path of a data file: shipped data by name, else the path itself."""
    shipped = REFERENCE / f"{name}.extxyz.gz"
    return str(shipped) if shipped.is_file() else name


def _labels_of(source: Source, where: str) -> Labels:
    try:
        labels = read_labels(data_file(source.file))
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}.file: {error}") from None
    kept = _passing(labels.groups, source.groups, f"{where}.groups", source.file)
    if source.elements:
        unknown = sorted(set(source.elements) - set(chemical_symbols[1:]))
        if unknown:
            raise InvalidInputError(
                f"{where}.elements: must be chemical symbols, got {', '.join(unknown)}"
            )
        wanted = set(source.elements)
        kept &= [wanted.issuperset(a.get_chemical_symbols()) for a in labels.structures]
    if not kept.any():
        raise InvalidInputError(f"{where}: nothing is left of {source.file}")
    labels = labels[np.flatnonzero(kept).tolist()]
    if source.group is None:
        return labels
    return replace(labels, groups=[source.group] * len(labels))


def _passing(names: Sequence[str], patterns: Sequence[str], where: str, file: str) -> BoolArray:
    """Mark the structures whose name matches one of the patterns; all without patterns."""
    known = sorted(set(names))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise InvalidInputError(
                f"{where}: must match one of {', '.join(known)} of {file}, got {pattern!r}"
            )
    matches = [not patterns or any(fnmatchcase(name, p) for p in patterns) for name in names]
    return np.array(matches, dtype=bool)


def _joined(parts: Sequence[Labels]) -> Labels:
    return Labels(
        [atoms for part in parts for atoms in part.structures],
        [target for part in parts for target in part.targets],
        [group for part in parts for group in part.groups],
    )


def _relative(labels: Labels, atoms: AtomReferences) -> Labels:
    """Energies relative to neutral isolated atoms."""
    if not atoms.from_data and not atoms.energies:
        return labels
    energies = (_lone_atoms(labels) if atoms.from_data else {}) | atoms.energies
    missing = sorted(labels.elements - set(energies))
    if missing:
        raise InvalidInputError(f"atoms: there is no energy of an isolated atom of {missing[0]}")
    targets = []
    for frame, target in zip(labels.structures, labels.targets, strict=True):
        shifted = target.copy()
        shifted[0] -= sum(energies[symbol] for symbol in frame.get_chemical_symbols())
        targets.append(shifted)
    return replace(labels, targets=targets)


def _lone_atoms(labels: Labels) -> dict[str, float]:
    """Lowest energy of the neutral lone atoms of each element."""
    found: dict[str, float] = {}
    for frame, target in zip(labels.structures, labels.targets, strict=True):
        neutral = total_charge_of(frame) == 0.0
        if len(frame) == 1 and neutral and not frame.pbc.any() and np.isfinite(target[0]):
            symbol = frame.get_chemical_symbols()[0]
            found[symbol] = min(found.get(symbol, np.inf), float(target[0]))
    return found
