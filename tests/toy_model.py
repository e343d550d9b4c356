"""A small embedded-atom-like model in numpy, with its exact Jacobian, to test fits with."""

from dataclasses import dataclass, field, replace

import numpy as np
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ecteam.neighbors import neighbor_list

CUTOFF = 4.8
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
NAMES = ("pair[1]", "pair[2]", "pair[3]", "depth", "decay")
TRUE = np.array([60.0, -20.0, 5.0, 1.5, 1.1])


@dataclass(frozen=True)
class ToyModel:
    """E = Σ_k c_k Σ_{i<j} s(r)ᵏ⁺² + depth · (−Σ_i √Σ_j s(r) exp(−decay r)), s = (1 − r/cutoff)².

    `copies` repeats the first pair function, which makes the design singular.
    """

    parameters: np.ndarray = field(default_factory=TRUE.copy)
    bounds: tuple = ((-np.inf, np.inf),) * 4 + ((0.1, 5.0),)
    copies: int = 0
    elements: tuple = ("Nb",)

    @property
    def parameter_names(self):
        return (*NAMES, *(f"copy[{k}]" for k in range(self.copies)))

    @property
    def parameter_bounds(self):
        return np.array(self.bounds + ((-np.inf, np.inf),) * self.copies)

    @property
    def linear_parameters(self):
        return np.array([name != "decay" for name in self.parameter_names])

    def with_parameters(self, parameters):
        return replace(self, parameters=np.array(parameters, dtype=float))

    def predictions(self, structures):
        return np.concatenate([self._rows(atoms, self.parameters).real for atoms in structures])

    def jacobian(self, structures):
        columns = []
        for k in range(self.parameters.size):
            moved = self.parameters.astype(complex)
            moved[k] += 1e-30j
            rows = [self._rows(atoms, moved).imag / 1e-30 for atoms in structures]
            columns.append(np.concatenate(rows))
        return self.predictions(structures), np.column_stack(columns)

    def _rows(self, atoms, p):
        i, _, r, vectors = neighbor_list("ijdD", atoms, CUTOFF)
        powers = (2, 3, 4) + (2,) * self.copies
        weights = np.concatenate([p[:3], p[5:]])
        x = 1.0 - r / CUTOFF
        pair = sum(w * x**n for w, n in zip(weights, powers, strict=True)) / 2
        slope = sum(-n * w * x ** (n - 1) / CUTOFF for w, n in zip(weights, powers, strict=True))
        decay = np.exp(-p[4] * r)
        density = np.zeros(len(atoms), dtype=complex)
        np.add.at(density, i, x**2 * decay)
        root = np.sqrt(density)
        energy = pair.sum() - p[3] * root.sum()
        by_distance = (-2 * x / CUTOFF - p[4] * x**2) * decay
        # Half of each bond's derivative: the list holds both directions of every pair.
        half = slope / 2 - p[3] * by_distance / (2 * root[i])
        pull = half[:, None] * vectors / r[:, None]
        forces = np.zeros((len(atoms), 3), dtype=complex)
        np.add.at(forces, i, pull)
        np.add.at(forces, neighbor_list("j", atoms, CUTOFF), -pull)
        stress = pull.T @ vectors / atoms.get_volume()
        uncharged = np.zeros(3 + len(atoms))
        return np.concatenate([[energy], forces.ravel(), stress[VOIGT], uncharged])


def crystals(count=12, seed=0, size=2, displacement=0.12):
    """Rattled, strained bcc cells."""
    random = np.random.default_rng(seed)
    found = []
    for k in range(count):
        atoms = bulk("Nb", "bcc", 3.3, cubic=True) * (size, size, size)
        strain = np.eye(3) + random.normal(scale=0.03, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += random.normal(scale=displacement, size=atoms.positions.shape)
        atoms.info["group"] = ("warm", "hot")[k % 2]
        found.append(atoms)
    return found


def labelled(structures, model=None, noise=(0.0, 0.0, 0.0), seed=1):
    """Copies with the model's energies, forces, stresses, and Gaussian errors of these widths."""
    model, random = model or ToyModel(), np.random.default_rng(seed)
    found = []
    for atoms in structures:
        rows = model.predictions([atoms])
        rows[0] += len(atoms) * noise[0] * random.normal()
        energy, forces, stress, _ = np.split(rows, [1, 1 + 3 * len(atoms), 7 + 3 * len(atoms)])
        forces += noise[1] * random.normal(size=forces.size)
        stress += noise[2] * random.normal(size=6)
        copy = atoms.copy()
        forces = forces.reshape(-1, 3)
        copy.calc = SinglePointCalculator(copy, energy=energy[0], forces=forces, stress=stress)
        found.append(copy)
    return found
