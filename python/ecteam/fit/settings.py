"""How to train: regularisation, prior, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecteam._core import InvalidInputError
from ecteam.fit.model import FloatArray


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    ridge : float
        Penalty of linear parameters, relative to the information of each (parameters scaled to
        unit columns). The default keeps rounding out and changes no determined direction.
    relevance : bool
        Automatic relevance determination in place of the ridge: each linear parameter its own
        penalty, found from the data.
    iterations : int
        Most Levenberg–Marquardt steps.
    tolerance : float
        Stop when a step lowers the cost by less than this part of it.
    """

    ridge: float = 1e-10
    relevance: bool = False
    iterations: int = 50
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (np.isfinite(self.ridge) and self.ridge >= 0.0):
            raise InvalidInputError(f"ridge: must be a number from 0 up, got {self.ridge!r}")
        if self.iterations < 0:
            raise InvalidInputError(f"iterations: must be 0 or more, got {self.iterations}")
        if not self.tolerance > 0.0:
            raise InvalidInputError(f"tolerance: must be positive, got {self.tolerance!r}")


@dataclass(frozen=True)
class Prior:
    """Gaussian prior of the parameters: where data are silent, a fit stays near the centre.

    Attributes
    ----------
    centre : (P,) float64
        In the units of the parameters.
    width : (P,) float64
        Standard deviations; infinity for none, then the ridge holds the linear ones.
    """

    centre: FloatArray
    width: FloatArray

    def check(self, size: int) -> None:
        """Check shapes and ranges.

        Raises
        ------
        InvalidInputError
            Unless there are P finite centres and P positive widths.
        """
        for name, values in (("centre", self.centre), ("width", self.width)):
            if np.shape(values) != (size,):
                raise InvalidInputError(
                    f"prior.{name}: must have shape ({size},), got {np.shape(values)}"
                )
        if not np.isfinite(self.centre).all():
            raise InvalidInputError("prior.centre: must be finite")
        if not (self.width > 0.0).all():
            raise InvalidInputError("prior.width: must be positive")
