"""Where the next minimisation starts from, on a device."""

from __future__ import annotations

from typing import Any

from ecteam.cuda.backend import Array

_LARGEST_MOVE = 0.5  # Å, further than which the weights are sought afresh


class History:
    """The last two solutions by atom, in the user's order."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self._kept: list[tuple[Array, Array]] = []

    def remember(self, positions: Array, rows: Array) -> None:
        """Keep weights, and dipoles after them, of every atom."""
        self._kept = [(positions.copy(), rows), *self._kept[:1]]

    def predict(self, positions: Array, states: int) -> Array | None:
        """Return the last rows, extrapolated time-reversibly if the atoms move on steadily.

        The first `states` of a row are weights. None without history, or far from it.
        """
        xp = self._xp
        if not self._kept:
            return None
        last, rows = self._kept[0]
        if not float(xp.abs(positions - last).max()) <= _LARGEST_MOVE:
            return None
        if len(self._kept) == 1:
            return rows
        before, rows_before = self._kept[1]
        step = float(xp.abs(last - before).max())
        bend = float(xp.abs(positions - 2.0 * last + before).max())
        if not (step > 0.0 and bend < 0.5 * step):
            return rows
        bent = 2.0 * rows - rows_before
        bent[:, :states] = xp.maximum(bent[:, :states], 0.2 * rows[:, :states])
        return bent
