"""Spherical densities as sums of normalised 1s Slater functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["RadialFit", "slater_functions", "slater_moments"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RadialFit:
    """Sum of normalised 1s Slater functions.

    Attributes
    ----------
    exponents : ndarray, shape (k,)
        Increasing exponents in 1/Å.
    coefficients : ndarray, shape (k,)
        Electrons in each function, in e, of either sign.
    """

    exponents: Array
    coefficients: Array

    def density(self, radii: ArrayLike) -> Array:
        """Density in e/Å³ at radii in Å, same shape as `radii`."""
        values = slater_functions(np.asarray(radii, dtype=float), self.exponents)
        return np.asarray(values @ self.coefficients)

    def electrons(self) -> float:
        """Electron count, Σ c."""
        return float(self.coefficients.sum())

    def cusp_error(self, cusp: float) -> float:
        """Relative error of the cusp, -ρ'(0)/(κ ρ(0)) - 1, for κ in 1/Å."""
        value = self.coefficients @ self.exponents**3
        slope = self.coefficients @ self.exponents**4
        return float(slope / (cusp * value) - 1.0)

    def moment(self, power: int) -> float:
        """∫ ρ r^power d³r in e Å^power for power ≥ -2: Σ c (power + 2)!/(2 ζ^power)."""
        return float(slater_moments(self.exponents, power) @ self.coefficients)

    def hartree(self) -> float:
        """Self energy ½∬ρρ/r in e²/Å (C. C. J. Roothaan, J. Chem. Phys. 19, 1445 (1951))."""
        a, b = self.exponents[:, None], self.exponents[None, :]
        coulomb = a * b * (a * a + 3.0 * a * b + b * b) / (2.0 * (a + b) ** 3)
        return float(0.5 * self.coefficients @ coulomb @ self.coefficients)


def slater_functions(radii: Array, exponents: Array) -> Array:
    """Normalised functions ζ³/(8π) exp(-ζ r) in 1/Å³, shape (*radii.shape, k)."""
    return np.asarray(exponents**3 / (8.0 * np.pi) * np.exp(-np.multiply.outer(radii, exponents)))


def slater_moments(exponents: Array, power: int) -> Array:
    """∫ r^power d³r of the functions in Å^power, shape (k,); power ≥ -2."""
    factorial = float(np.prod(np.arange(1, power + 3)))
    return np.asarray(0.5 * factorial / exponents**power)
