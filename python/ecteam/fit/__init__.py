"""Fits: radial densities, charge-transfer potentials, and training of any model with a Jacobian.

:func:`train` fits a model's parameters to energies, forces, stresses, dipoles and charges.
"""

from ecteam.fit.elimination import Elimination, eliminate
from ecteam.fit.labels import (
    Labels,
    Scales,
    check_separate,
    duplicates,
    labels_of,
    read_labels,
    split,
)
from ecteam.fit.model import Model, NotFiniteError
from ecteam.fit.settings import Prior, Settings
from ecteam.fit.sweep import Errors, errors_of
from ecteam.fit.training import State, Step, Trained, train

__all__ = [
    "Elimination",
    "Errors",
    "Labels",
    "Model",
    "NotFiniteError",
    "Prior",
    "Scales",
    "Settings",
    "State",
    "Step",
    "Trained",
    "check_separate",
    "duplicates",
    "eliminate",
    "errors_of",
    "labels_of",
    "read_labels",
    "split",
    "train",
]
