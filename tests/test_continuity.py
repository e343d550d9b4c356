"""No step in energy or force where an atom crosses a cutoff or a switching region."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from strategies import POTENTIALS, Follower

STEP = 1e-6  # Å


def dimers():
    """Give a molecule and a fragment, by potential."""
    return {
        "water-unpolarised": (molecule("H2O"), Atoms("O")),
        "toy": (molecule("H2O"), molecule("H2O")),
        "halides": (Atoms("NaCl", positions=[[0, 0, 0], [0, 0.3, 2.5]]), Atoms("Cl")),
    }


def joined(parts, distance):
    """Put the second part's first atom at a distance along x from the first part's first."""
    first, second = (part.copy() for part in parts)
    first.positions -= first.positions[0]
    second.positions += [distance, 0, 0] - second.positions[0]
    return first + second


def places_of(potential):
    """List every distance at which a function of the potential changes its form, and one inside."""
    cutoff = potential.to_dict()["cutoff"]
    start = cutoff["radius"] - cutoff["switch_width"]
    return [start, start + 0.37 * cutoff["switch_width"], cutoff["radius"]]


def assert_continuous(energy_and_force, place):
    """Compare E and F on both sides: all but the slope is of second order in the step."""
    sides = [energy_and_force(place + k * STEP) for k in (-1.5, -0.5, 0.5, 1.5)]
    energies, forces = (np.array(x) for x in zip(*sides, strict=True))
    assert np.isfinite(energies).all()
    # Steps between the sides against the steps on either side.
    jump = np.diff(energies)
    assert abs(jump[1] - 0.5 * (jump[0] + jump[2])) < 1e-11
    change = np.diff(forces, axis=0)
    assert np.abs(change).max() < 1e-4 * STEP / 1e-6
    assert np.abs(change[1] - 0.5 * (change[0] + change[2])).max() < 1e-8


@pytest.mark.parametrize("electrostatics", ["direct", "shifted_force"])
@pytest.mark.parametrize("name", ["water-unpolarised", "toy", "halides"])
def test_an_atom_leaves_a_molecule(name, electrostatics):
    potential = POTENTIALS[name]
    follow = Follower(potential, electrostatics=electrostatics)

    def at(distance):
        found = follow(joined(dimers()[name], distance))
        return found.free_energy, found.forces

    for place in places_of(potential):
        assert_continuous(at, place)


@pytest.mark.parametrize("electrostatics", ["ewald", "shifted_force"])
@pytest.mark.parametrize("name", ["water-unpolarised", "halides"])
def test_an_atom_leaves_a_molecule_in_a_cell(name, electrostatics):
    """With Ewald the point charges step by what the accuracy leaves beyond the cutoff: 1e-13."""
    potential = POTENTIALS[name]
    follow = Follower(potential, electrostatics=electrostatics, accuracy=1e-13)

    def at(distance):
        atoms = joined(dimers()[name], distance)
        atoms.set_cell(3 * [2.2 * potential.cutoff])
        atoms.pbc = True
        found = follow(atoms)
        return found.free_energy, found.forces

    for place in places_of(potential):
        assert_continuous(at, place)


@pytest.mark.parametrize("electrostatics", ["ewald", "shifted_force"])
def test_shells_of_a_crystal_cross_the_cutoff(electrostatics):
    """A salt under pressure: shell after shell enters the sphere of the cutoff."""
    potential = POTENTIALS["halides"]
    follow = Follower(potential, electrostatics=electrostatics, accuracy=1e-13)
    # Shells of rock salt lie at a·√n/2.
    for n in (12, 13, 16):
        edge = 2 * potential.cutoff / np.sqrt(n)

        def at(radius, edge=edge):
            atoms = bulk("NaCl", "rocksalt", a=edge * radius / potential.cutoff)
            found = follow(atoms)
            return found.free_energy, np.array(found.stress)

        assert_continuous(at, potential.cutoff)


@pytest.mark.parametrize("name", ["water-unpolarised", "halides"])
def test_no_step_along_a_whole_line(name):
    """Coarse scan: the free energy is the integral of its force (Simpson's rule)."""
    potential = POTENTIALS[name]
    follow = Follower(potential)
    distances = np.arange(0.6, 1.1, 0.0005) * potential.cutoff
    moving = len(dimers()[name][0])
    energies, forces = [], []
    for distance in distances:
        found = follow(joined(dimers()[name], distance))
        energies.append(found.free_energy)
        forces.append(found.forces[moving, 0])
    h = distances[1] - distances[0]
    work = -h / 3 * (np.array(forces)[:-2] + 4 * np.array(forces)[1:-1] + np.array(forces)[2:])
    gained = np.array(energies)[2:] - np.array(energies)[:-2]
    np.testing.assert_allclose(gained, work, rtol=0, atol=1e-8)
