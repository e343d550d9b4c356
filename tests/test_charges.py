"""Point charges: plain and particle-mesh Ewald against each other, lattice sums and differences."""

from __future__ import annotations

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ecteam import PointCharges

COULOMB = 14.399645478425668  # eV·Å/e², CODATA 2018
MADELUNG = 1.747564594633182  # OEIS A085469
METHODS = ["ewald", "pme"]


def rock_salt(cells: int, displaced: float = 0.0) -> Atoms:
    """Na⁺Cl⁻, 8 ions in each of cells³ cubes."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(cells)
    atoms.positions += np.random.default_rng(3).normal(0.0, displaced, atoms.positions.shape)
    atoms.set_initial_charges(np.where(atoms.numbers == 11, 1.0, -1.0))
    return atoms


def skewed(cells: int, charge: float) -> Atoms:
    """A sheared crystal of ions with uneven charges that sum to `charge`."""
    atoms = rock_salt(cells, 0.2)
    shear = np.array([[1.0, 0.3, -0.2], [0.1, 0.9, 0.4], [0.0, -0.2, 1.1]])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    charges = atoms.get_initial_charges() + np.random.default_rng(4).normal(0, 0.3, len(atoms))
    atoms.set_initial_charges(charges + (charge - charges.sum()) / len(atoms))
    return atoms


def rms(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cutoff", [None, 5.0, 9.0])
def test_madelung(method, cutoff):
    atoms = rock_salt(2)
    found = PointCharges(method, 1e-10, cutoff).evaluate(atoms)
    assert found.energy / 32 == pytest.approx(-COULOMB * MADELUNG / 2.82, rel=1e-9)
    assert abs(found.forces).max() < 1e-8
    # E ∝ 1/length: the trace of the virial is −E.
    assert found.stress[:3].sum() * atoms.get_volume() == pytest.approx(-found.energy, rel=1e-8)


@pytest.mark.parametrize("charge", [0.0, 12.0])
@pytest.mark.parametrize("accuracy", [1e-4, 1e-5, 1e-6])
def test_force_error_is_what_was_asked(charge, accuracy):
    atoms = skewed(4, charge)
    exact = PointCharges("ewald", 1e-11).evaluate(atoms)
    size = rms(exact.forces)
    for cutoff in (None, 6.0, 8.0):
        found = PointCharges("pme", accuracy, cutoff).evaluate(atoms)
        assert 0.01 * accuracy < rms(found.forces - exact.forces) / size < accuracy
        assert found.energy == pytest.approx(exact.energy, rel=accuracy)
        assert np.allclose(found.stress, exact.stress, rtol=0, atol=3 * accuracy)
        assert abs(found.potential - exact.potential).max() < 30 * accuracy


@pytest.mark.parametrize("method", METHODS)
def test_forces_are_differences(method):
    atoms = skewed(2, 3.0)
    charges = PointCharges(method, 1e-8, 7.0)
    forces, h = charges.evaluate(atoms).forces, 1e-4
    for i, d in ((0, 0), (17, 1), (40, 2)):
        ends = []
        for step in (h, -h):
            moved = atoms.copy()
            moved.positions[i, d] += step
            ends.append(charges.evaluate(moved).energy)
        assert -(ends[0] - ends[1]) / (2 * h) == pytest.approx(forces[i, d], abs=3e-6)


def test_auto_takes_the_mesh_for_large_systems():
    for cells, method in ((1, "ewald"), (6, "pme")):
        atoms = rock_salt(cells, 0.1)
        auto, chosen = (PointCharges(name, 1e-6, 7.0).evaluate(atoms) for name in ("auto", method))
        assert auto.energy == chosen.energy
        assert np.array_equal(auto.forces, chosen.forces)


def test_open_systems_are_summed_directly():
    atoms = Atoms("NaCl", [[0, 0, 0], [0, 0, 2.5]])
    found = PointCharges().evaluate(atoms, [1.0, -1.0])
    assert found.energy == pytest.approx(-COULOMB / 2.5, rel=1e-14)
    assert found.stress is None
    assert found.forces[0, 2] == pytest.approx(COULOMB / 2.5**2, rel=1e-14)


def test_the_engine_on_a_mesh():
    atoms = rock_salt(2, 0.1)
    plain = ecteam.evaluate(atoms, "halides", electrostatics="ewald", accuracy=1e-8)
    mesh = ecteam.evaluate(atoms, "halides", electrostatics="pme", accuracy=1e-8)
    assert mesh.energy == pytest.approx(plain.energy, abs=1e-5)
    assert np.allclose(mesh.charges, plain.charges, atol=1e-6)
    assert np.allclose(mesh.forces, plain.forces, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "charges", "message"),
    [
        ({"method": "pppm"}, None, "^method: .*auto, direct, ewald, pme"),
        ({"method": "shifted_force"}, None, "^method: "),
        ({"accuracy": 0.5}, None, "^accuracy: .*1e-14"),
        ({"cutoff": -1.0}, None, "^cutoff: "),
        ({"method": "direct"}, None, "^electrostatics: .*pbc"),
        ({}, [1.0], r"^charges: .*\(8\), got 1"),
        ({}, [np.nan] * 8, r"^charges\[0\]: .*finite"),
    ],
)
def test_bad_input_is_named(arguments, charges, message):
    with pytest.raises(ecteam.InvalidInputError, match=message):
        PointCharges(**arguments).evaluate(rock_salt(1), charges)


@pytest.mark.parametrize("pbc", [True, False])
def test_atoms_at_one_place_are_rejected(pbc):
    atoms = Atoms("Na2", [[1, 2, 3], [1, 2, 3]], cell=[5, 5, 5], pbc=pbc)
    with pytest.raises(ecteam.InvalidInputError, match=r"^positions\[\d\]: .*same place"):
        PointCharges().evaluate(atoms, [1.0, 1.0])
