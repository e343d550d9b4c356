"""Number of threads of the engine.

``ECTEAM_NUM_THREADS``, read when `ecteam` is imported, else ``RAYON_NUM_THREADS``, else one thread
for each core. The number is fixed when the engine first computes something.
"""

from __future__ import annotations

import os

from ecteam import _core

_NAME = "ECTEAM_NUM_THREADS"


def limit_threads(count: int) -> None:
    """Let the engine use `count` threads.

    Raises
    ------
    InvalidInputError
        If `count` is not positive, or the engine already runs with another number.
    """
    if count < 1:
        raise _core.InvalidInputError(f"threads: must be at least 1, got {count}")
    os.environ["RAYON_NUM_THREADS"] = str(count)
    if _core.num_threads() != count:
        raise _core.InvalidInputError(
            f"threads: the engine already runs with {_core.num_threads()}, not {count}"
        )


def _read_environment() -> None:
    value = os.environ.get(_NAME, "").strip()
    if not value:
        return
    if not value.isdecimal() or int(value) < 1:
        raise _core.InvalidInputError(f"{_NAME}: must be a positive whole number, got {value!r}")
    # The engine's thread pool reads this when it starts, not before: a process may still fork.
    os.environ["RAYON_NUM_THREADS"] = value


_read_environment()
