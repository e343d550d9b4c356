"""Predictions of a structure under changing coefficients, and their differences."""

import numpy as np
from ecteam import _core
from ecteam.structure import arrays_of
from strategies import placed_ions, placed_molecules, sheared


def system(name, seed):
    """Two waters or a piece of salt, one in three of them periodic."""
    rng = np.random.default_rng(seed)
    atoms = (
        placed_ions(rng, (2, 2, 1), 2.6) if name == "halides" else placed_molecules(rng, 2, 3, 0.1)
    )
    if seed % 3 == 0:
        return sheared(atoms, rng)
    atoms.set_cell(None)
    return atoms


class Predictions:
    """Rows of one structure under changing coefficients, from the weights of the last call."""

    def __init__(self, potential, atoms, charge):
        self.potential, self.size = potential, len(atoms)
        self.batch = _core.Batch(tolerance=1e-12, accuracy=1e-10)
        self.batch.add(*arrays_of(atoms), charge)
        self.batch.evaluate(potential.core, warm=False)

    def jacobian(self, chosen):
        return self.batch.jacobian(self.potential.core, 0, 1, list(chosen))[0]

    def at(self, values):
        potential = self.potential.with_coefficients(values)
        energy, force, virial, charge, dipole, failures = self.batch.evaluate(potential.core)
        assert not failures
        return np.concatenate([energy, force.ravel(), virial[0], dipole[0], charge])

    def differences(self, values, k):
        """Central differences of fourth order."""
        step = np.zeros_like(values)
        step[k] = 2e-4 * max(abs(values[k]), 0.02)
        ahead, back = self.at(values + step), self.at(values - step)
        far_ahead, far_back = self.at(values + 2 * step), self.at(values - 2 * step)
        return (8 * (ahead - back) - (far_ahead - far_back)) / (12 * step[k])

    def error(self, values, k):
        """Largest error of the derivatives, in units of what is allowed: 1e-6 of the largest."""
        derivative, present = self.jacobian([k])
        numeric = self.differences(values, k)
        # The second part: what rounding lets be seen, and tables that are good to 1e-8 eV.
        unseen = (1e-11 * np.abs(present).max() + 1e-8) / max(abs(values[k]), 0.02)
        return np.abs(derivative - numeric).max() / (1e-6 * np.abs(numeric).max() + unseen)
