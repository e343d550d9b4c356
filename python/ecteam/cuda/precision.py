"""Of which numbers the pairs are made on a device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ecteam import _core


class Reals(NamedTuple):
    """Numbers of the pairs, `real` in the kernels; all else is double in any case.

    Attributes
    ----------
    dtype : type
        NumPy's.
    defines : tuple of (str, int)
        What the kernels are compiled with.
    """

    dtype: Any
    defines: tuple[tuple[str, int], ...]


_REALS = {"double": Reals(np.float64, ()), "mixed": Reals(np.float32, (("SINGLE", 1),))}


def reals(precision: str) -> Reals:
    """Return the numbers of a precision.

    Raises
    ------
    InvalidInputError
        If there is no such precision.
    """
    if precision not in _REALS:
        raise _core.InvalidInputError(f"precision: must be 'double' or 'mixed', got {precision!r}")
    return _REALS[precision]
