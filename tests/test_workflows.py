"""What people do with a calculator in ASE."""

import copy
import pickle

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter, UnitCellFilter
from ase.io import Trajectory, read, write
from ase.mep import NEB
from ase.optimize import BFGS, FIRE, LBFGS
from ase.phonons import Phonons
from ase.vibrations import Vibrations


def relaxed(atoms, potential="water", fmax=1e-3):
    atoms.calc = ecteam.ECTEAM(potential)
    assert BFGS(atoms, logfile=None).run(fmax=fmax, steps=300)
    return atoms


@pytest.mark.parametrize("optimiser", [BFGS, LBFGS, FIRE])
def test_optimisers_find_the_same_water(optimiser):
    expected = relaxed(molecule("H2O"))
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    atoms.calc = ecteam.ECTEAM("water")
    assert optimiser(atoms, logfile=None).run(fmax=1e-3, steps=500)
    energy = expected.get_potential_energy(force_consistent=True)
    found = atoms.get_potential_energy(force_consistent=True)
    assert found == pytest.approx(energy, rel=0, abs=1e-5)
    assert atoms.get_distance(0, 1) == pytest.approx(atoms.get_distance(0, 2), abs=2e-3)


def zundel(shift):
    """H₅O₂⁺ with its shared proton displaced from the middle, Å."""
    half = 1.25
    first = np.array([[-half, 0, 0], [-half - 0.55, 0.79, 0.1], [-half - 0.55, -0.79, 0.1]])
    second = np.array([[half, 0, 0], [half + 0.55, 0.1, 0.79], [half + 0.55, 0.1, -0.79]])
    positions = np.vstack([first, second, [[shift, 0.02, 0.01]]])
    return Atoms("OHHOHHH", positions=positions, info={"charge": 1.0})


def mirrored(atoms):
    """Exchange the molecules by the operation (x, y, z) → (−x, z, y)."""
    other = atoms.copy()
    other.positions = atoms.positions[[3, 4, 5, 0, 1, 2, 6]] @ [[-1, 0, 0], [0, 0, 1], [0, 1, 0]]
    return other


def test_band_of_a_proton_transfer():
    """Oxygens held 2.6 Å apart give a barrier; the path is symmetric, so its top is the middle."""
    first = zundel(-0.4)
    first.set_constraint(FixAtoms([0, 3]))
    first.positions[[0, 1, 2], 0] -= 0.05
    first.positions[[3, 4, 5], 0] += 0.05
    first.calc = ecteam.ECTEAM("water")
    assert BFGS(first, logfile=None).run(fmax=0.01, steps=500)
    ends = [first, mirrored(first)]
    ends[1].calc = ecteam.ECTEAM("water")
    images = [ends[0], *(ends[0].copy() for _ in range(3)), ends[1]]
    for image in images[1:-1]:
        image.calc = ecteam.ECTEAM("water")
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate("idpp")
    assert FIRE(band, logfile=None).run(fmax=0.05, steps=500)
    energies = [image.get_potential_energy(force_consistent=True) for image in images]
    barrier = max(energies) - energies[0]
    assert np.argmax(energies) == 2
    assert 0 < barrier < 5
    assert energies[0] == pytest.approx(energies[-1], rel=0, abs=1e-5)
    top = images[2]
    assert top.get_distance(0, 6) == pytest.approx(top.get_distance(3, 6), abs=0.05)
    assert top.get_charges().sum() == pytest.approx(1.0)


def test_vibrations_of_water(tmp_path):
    atoms = relaxed(molecule("H2O"), fmax=1e-4)
    vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.005)
    vibrations.run()
    frequencies = vibrations.get_frequencies()
    # Three translations and three rotations, then a bend and two stretches.
    assert np.abs(frequencies[:6]).max() < 60
    assert (frequencies[6:].real > 500).all()
    assert (frequencies[6:].imag == 0).all()


def test_phonons_of_salt(tmp_path):
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    calculator = ecteam.ECTEAM("halides")
    phonons = Phonons(atoms, calculator, supercell=(2, 2, 2), name=str(tmp_path / "ph"), delta=0.01)
    phonons.run()
    phonons.read(acoustic=True)
    at_gamma = phonons.band_structure([[0, 0, 0]], verbose=False)[0]
    assert np.abs(at_gamma[:3]).max() < 1e-3
    # Without the field of the dipoles the three optical modes are one.
    np.testing.assert_allclose(at_gamma[3:], at_gamma[3], rtol=1e-4)
    assert at_gamma[3] > 1e-3


@pytest.mark.parametrize("cell_filter", [FrechetCellFilter, UnitCellFilter])
def test_cell_of_salt_relaxes(cell_filter):
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.set_cell(atoms.cell.array @ [[1.02, 0, 0], [0.02, 1, 0], [0, 0, 0.98]], scale_atoms=True)
    atoms.calc = ecteam.ECTEAM("halides")
    assert BFGS(cell_filter(atoms), logfile=None).run(fmax=1e-3, steps=300)
    # The force on a strain is the stress times the volume.
    assert np.abs(atoms.get_stress()).max() * atoms.get_volume() < 2e-3
    lengths = atoms.cell.lengths()
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=2e-3)
    np.testing.assert_allclose(atoms.cell.angles(), 60.0, rtol=0, atol=0.2)
    assert 5.0 < lengths.mean() * np.sqrt(2) < 6.5


def test_trajectories_keep_charges(tmp_path):
    atoms = molecule("H2O")
    atoms.calc = ecteam.ECTEAM("water")
    path = tmp_path / "run.traj"
    with Trajectory(path, "w", atoms) as trajectory:
        optimiser = BFGS(atoms, logfile=None)
        optimiser.attach(trajectory.write)
        optimiser.run(fmax=0.05, steps=20)
    last = read(path)
    assert last.get_charges().tolist() == atoms.get_charges().tolist()
    assert last.get_potential_energy() == atoms.get_potential_energy()
    free = atoms.get_potential_energy(force_consistent=True)
    assert last.get_potential_energy(force_consistent=True) == free
    np.testing.assert_array_equal(last.get_dipole_moment(), atoms.get_dipole_moment())


def test_extended_xyz_keeps_charges(tmp_path):
    atoms = zundel(0.1)
    atoms.calc = ecteam.ECTEAM("water")
    atoms.get_forces()
    write(tmp_path / "frame.xyz", atoms)
    again = read(tmp_path / "frame.xyz")
    np.testing.assert_allclose(again.get_charges(), atoms.get_charges(), rtol=0, atol=1e-7)
    assert again.info["charge"] == 1.0
    again.calc = ecteam.ECTEAM("water")
    assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-5)


def test_one_calculator_for_many_systems():
    """Shared over changing numbers of atoms, cells and charges, in any order, with copies."""
    calculator = ecteam.ECTEAM("water")
    one, box = molecule("H2O"), molecule("H2O", cell=[6.0] * 3, pbc=True)
    systems = [one, zundel(0.0), box, one[[0, 1]], Atoms("O"), box.repeat((2, 1, 1)), one]
    systems[3].info["charge"] = -1.0
    for _ in range(2):
        for atoms in systems:
            twin = pickle.loads(pickle.dumps(copy.deepcopy(calculator)))
            expected = ecteam.evaluate(atoms, "water")
            for user in (calculator, twin):
                atoms.calc = user
                assert atoms.get_potential_energy() == pytest.approx(expected.energy, abs=1e-7)
                np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-6)
                np.testing.assert_allclose(atoms.get_charges(), expected.charges, atol=1e-6)


def test_results_are_not_shared_with_later_ones():
    atoms = molecule("H2O")
    atoms.calc = ecteam.ECTEAM("water")
    forces = atoms.get_forces()
    kept = forces.copy()
    atoms.rattle(0.1)
    atoms.get_forces()
    np.testing.assert_array_equal(forces, kept)
