"""A fit of seconds, and changes of its configuration."""

from ecteam.configuration import checked
from ecteam.fit.config import FitConfig

SMALL = {
    "data": [{"file": "halides", "elements": ["Li", "F"], "groups": ["mx", "xx", "mm"]}],
    "start": {
        "form": {
            "states": {"Li": ["ground", "cation"], "F": ["ground", "anion"]},
            "decays": {"*": [2.0, 3.5]},
            "channels": [
                {"pair": ["F", "Li"], "first": ["ground", "anion"], "second": ["ground", "cation"]}
            ],
            "coefficients": 2,
        }
    },
    "split": {"validation": 0.15, "test": 0.15},
    "scales": {"energy": 0.02, "force": 0.3, "dipole": 0.1, "softening": 0.3},
    "optimiser": {"iterations": 6, "tolerance": 1e-9},
}
"""Diatomic molecules of Li and F: a step takes some hundredths of a second; six are too few."""


def small(**changes):
    return checked(FitConfig, SMALL | changes)
