"""Types of the options of an evaluation. Their ranges are the engine's, which names them itself."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ecteam._core import InvalidInputError

_LARGEST = 2**31 - 1


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str | bytes)


def _is_count(value: Any) -> bool:
    try:
        return 0 <= operator.index(value) <= _LARGEST
    except TypeError:
        return False


_NUMBER = "a number", _is_number
_COUNT = f"a whole number from 0 to {_LARGEST}", _is_count
_NAME = "a name", lambda value: isinstance(value, str)
_FLAG = "True or False", lambda value: isinstance(value, bool | np.bool_)
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "tolerance": _NUMBER,
    "electrostatics": _NAME,
    "accuracy": _NUMBER,
    "solver": _NAME,
    "skin": _NUMBER,
    "max_iterations": _COUNT,
    "branch_interval": _COUNT,
    "shadow": _FLAG,
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that do not exist, or are of a type the engine could not name.

    Raises
    ------
    TypeError
        For a name that is none of the options, as for any unknown keyword.
    InvalidInputError
        For a value of the wrong type.
    """
    for name, value in options.items():
        if name not in _KINDS:
            raise TypeError(f"unexpected option {name!r}; the options are {', '.join(_KINDS)}")
        wanted, fits = _KINDS[name]
        if not fits(value):
            raise InvalidInputError(f"{name}: must be {wanted}, got {value!r}")
