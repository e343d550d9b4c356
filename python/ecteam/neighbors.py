"""Neighbour list in the convention of ASE and matscipy."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from ecteam import _core
from ecteam.structure import arrays_of

_Array = npt.NDArray[Any]
_LARGEST_KEPT = 16 << 20  # numbers of eight bytes: 128 MiB
_SMALLEST_KEPT = 1 << 12


# Blocks of the last two lists (a loop makes the next one while it holds the last), each with the
# view of it that lives as long as any of its columns.
_kept: list[tuple[npt.NDArray[np.float64], weakref.ref[npt.NDArray[np.float64]]]] = []


def neighbor_list(quantities: str, atoms: Atoms, cutoff: float) -> _Array | tuple[_Array, ...]:
    """All pairs closer than `cutoff`, each in both directions.

    The pair vector is ``D = positions[j] - positions[i] + S @ cell``. An atom is its own
    neighbour through a periodic image (S ≠ 0). Pairs come in the order of i.

    Parameters
    ----------
    quantities : str
        What to return, in this order: ``i``, ``j`` (n_pairs,) int32; ``S`` (n_pairs, 3) int32,
        cell shifts; ``d`` (n_pairs,) float64, distances, Å; ``D`` (n_pairs, 3) float64, Å.
    atoms : ase.Atoms
        Any cell and any mix of periodic directions.
    cutoff : float
        Å, positive.

    Returns
    -------
    array or tuple of arrays
        One array for one letter, else a tuple. All five together share one block of memory. Two
        blocks of up to 128 MiB are kept for the next lists once none of their columns is in use
        any more: the system clears fresh memory, which takes up to half of the time.

    Raises
    ------
    InvalidInputError
        For an unknown letter, a bad cutoff, or atoms the engine rejects.
    """
    unknown = sorted(set(quantities) - set("ijSdD"))
    if unknown or not quantities:
        raise _core.InvalidInputError(f"quantities: must be letters of 'ijSdD', got {quantities!r}")
    system = arrays_of(atoms)
    block, n = _core.neighbor_list(system.positions, system.cell, system.pbc, float(cutoff), _room)
    found = _columns(block, n)
    if set(quantities) != set(found):
        # A column that is kept must not keep the memory of the others.
        found = {letter: found[letter].copy() for letter in quantities}
    if len(quantities) == 1:
        return found[quantities]
    return tuple(found[letter] for letter in quantities)


def _room(size: int) -> npt.NDArray[np.float64]:
    """Uninitialised memory for `size` numbers, or some more."""
    if not _SMALLEST_KEPT <= size <= _LARGEST_KEPT:
        return np.empty(size)
    block = _unused(size)
    if block is None:
        # Lists of moving atoms change their length a little.
        block = np.empty(size + size // 16)
    # Views of it hold this one, not the block: its base is no array.
    lease = np.frombuffer(block.data)
    _kept.append((block, weakref.ref(lease)))
    del _kept[:-2]
    return lease


def _unused(size: int) -> npt.NDArray[np.float64] | None:
    """Take a block that nobody holds any of; one that does not fit is given up.

    What is popped belongs to this thread alone: no lock is needed.
    """
    for _ in range(len(_kept)):
        try:
            block, lease = _kept.pop(0)
        except IndexError:
            return None
        if lease() is None:
            return block if size <= len(block) <= 4 * size else None
        _kept.append((block, lease))
    return None


def _columns(block: npt.NDArray[np.float64], n: int) -> dict[str, _Array]:
    """View the columns of a list in one block, see `_core.neighbor_list`."""
    whole = block[4 * n :].view(np.int32)
    return {
        "i": whole[3 * n : 4 * n],
        "j": whole[4 * n : 5 * n],
        "S": whole[: 3 * n].reshape(n, 3),
        "d": block[3 * n : 4 * n],
        "D": block[: 3 * n].reshape(n, 3),
    }
